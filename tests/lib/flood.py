"""Connections by the thousand that send nothing, an octet a second, or
garbage: tests/torture/crowd."""
import resource
import select
import subprocess

from instance import PATIENCE, Failed, Skip


class Flood:
    """Keeps its connections busy until stopped; whoever was hung up on does
    not come back."""

    def __init__(self, build, port, count, source="127.0.0.1"):
        self.child = subprocess.Popen(
            [build + "/tests/torture/crowd", "-p", str(port), "-s", str(count),
             "-a", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def wait(self, patience=PATIENCE):
        """How many could connect, once all have tried."""
        if not select.select([self.child.stdout], [], [], patience)[0]:
            raise Failed("the crowd does not get in")
        word, count = self.child.stdout.readline().split()
        assert word == b"open"
        return int(count)

    def stop(self):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait(PATIENCE * 2)


def allow_descriptors(count):
    """Raise the limit as far as it may be; Skip if that is not enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 200:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE,
                               (count + 200, count + 200))
        except (ValueError, OSError):
            raise Skip("no more than %d descriptors" % hard)
    elif soft < count + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
