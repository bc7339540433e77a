"""What tests/bench/run is made of; see README.md beside it."""
