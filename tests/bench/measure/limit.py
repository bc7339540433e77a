"""The time that something may take."""
import contextlib
import signal
import sys
import time


class CutOff(Exception):
    """It took longer."""


def end_tidily():
    """SIGTERM ends the program as an exception does; another one does not disturb
    what that stops and removes."""
    def end(*_):
        signal.signal(signal.SIGTERM, lambda *_: None)
        sys.exit(1)
    signal.signal(signal.SIGTERM, end)


@contextlib.contextmanager
def limit(seconds, what):
    def ring(*_):
        raise CutOff("%s: cut off after %d s" % (what, seconds))
    handler, begin = signal.getsignal(signal.SIGALRM), time.monotonic()
    around = signal.alarm(0)  # what is left of a limit around this one
    seconds = min(seconds, around or seconds)
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(int(seconds))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        if around:
            signal.alarm(max(1, int(around - time.monotonic() + begin)))


def until(condition, pause=0.02):
    """Waits; the limit around it ends that."""
    while not condition():
        time.sleep(pause)
