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
