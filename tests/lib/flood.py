"""Connections by the thousand that send nothing, an octet a second, or
garbage."""
import random
import resource
import socket
import threading

from instance import PATIENCE, Skip

PARTS = 50  # of a second, in which each has its moment: they are not in step


class Flood(threading.Thread):
    """Keeps its connections busy in one of three ways until stopped; whoever
    was hung up on does not come back."""

    def __init__(self, port, count, source="127.0.0.1"):
        super().__init__(daemon=True)
        self.port, self.count, self.source = port, count, source
        self.sockets, self.stopped = [], threading.Event()
        self.open = 0

    def connect(self):
        for number in range(self.count):
            one = socket.socket()
            one.settimeout(PATIENCE)
            if self.source != "127.0.0.1":
                one.bind((self.source, 0))
            try:
                one.connect(("127.0.0.1", self.port))
            except OSError:
                one.close()
                continue
            one.setblocking(False)
            self.sockets.append((number % 3, one))
            self.open += 1

    def poke(self, kind, one):
        try:
            if kind == 1:
                one.send(random.choice([b"E", b"H", b"\r", b"\n", b" "]))
            elif kind == 2:
                one.send(random.randbytes(random.randint(1, 3000)))
            while kind and one.recv(65536):
                pass
        except BlockingIOError:
            return True
        except OSError:
            pass
        one.close()
        return False

    def run(self):
        self.connect()
        parts = [self.sockets[n::PARTS] for n in range(PARTS)]
        turn = 0
        while not self.stopped.wait(1 / PARTS):
            parts[turn] = [(kind, one) for kind, one in parts[turn]
                           if not kind or self.poke(kind, one)]
            turn = (turn + 1) % PARTS
        self.sockets = [one for part in parts for one in part]

    def stop(self):
        self.stopped.set()
        self.join(PATIENCE * 2)
        for _, one in self.sockets:
            one.close()


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
