"""The time that something may take."""
import contextlib
import signal
import time


class CutOff(Exception):
    """It took longer."""


@contextlib.contextmanager
def limit(seconds, what):
    def ring(*_):
        raise CutOff("%s: cut off after %d s" % (what, seconds))
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(int(seconds))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def until(condition, pause=0.02):
    """Waits; the limit around it ends that."""
    while not condition():
        time.sleep(pause)
