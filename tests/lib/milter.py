"""A mail filter that is told what to say: it speaks the milter protocol and
remembers all that it was sent.

    with Filter(answers={"R": reply("550 5.7.1 no")}) as filter:
        mta.set(smtpd_milters=filter.endpoint)
"""
import os
import socket
import socketserver
import struct
import threading

from instance import free_port

NAMES = {"O": "options", "C": "connect", "H": "helo", "M": "mail", "R": "rcpt",
         "T": "data", "L": "header", "N": "eoh", "B": "body", "E": "end",
         "A": "abort", "Q": "quit", "K": "quit_nc", "U": "unknown",
         "D": "macros"}
# What gets no answer at all.
SILENT = "AQKD"
# Bits of the protocol: an event that gets no answer.
NO_REPLY = {"L": 0x80, "C": 0x1000, "H": 0x2000, "M": 0x4000, "R": 0x8000,
            "T": 0x10000, "U": 0x20000, "N": 0x40000, "B": 0x80000}

CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD = b"c", b"a", b"r", b"t", b"d"
SKIP, PROGRESS, SHUTDOWN = b"s", b"p", b"4"
HANG, CLOSE, NONSENSE = "hang", "close", b"\xff\xfe"


def reply(text):
    return b"y" + text.encode() + b"\0"


def add(name, value):
    return b"h" + name.encode() + b"\0" + value.encode() + b"\0"


def insert(index, name, value):
    return b"i" + struct.pack(">I", index) + add(name, value)[1:]


def change(index, name, value):
    return b"m" + struct.pack(">I", index) + add(name, value)[1:]


def sender(address, arguments=None):
    return b"e" + address.encode() + b"\0" + (
        arguments.encode() + b"\0" if arguments else b"")


def recipient(address, arguments=None):
    if arguments is None:
        return b"+" + address.encode() + b"\0"
    return b"2" + address.encode() + b"\0" + arguments.encode() + b"\0"


def no_recipient(address):
    return b"-" + address.encode() + b"\0"


def body(octets):
    return [b"b" + octets[at:at + 65535] for at in range(0, len(octets),
                                                         65535)]


def quarantine(reason):
    return b"q" + reason.encode() + b"\0"


class Session(socketserver.BaseRequestHandler):
    def packet(self):
        def exactly(count):
            octets = b""
            while len(octets) < count:
                more = self.request.recv(count - len(octets))
                if not more:
                    raise EOFError
                octets += more
            return octets
        length = struct.unpack(">I", exactly(4))[0]
        octets = exactly(length)
        return chr(octets[0]), octets[1:]

    def send(self, *packets):
        self.request.sendall(b"".join(struct.pack(">I", len(p)) + p
                                      for p in packets))

    def options(self, data):
        filter = self.server
        version, actions, steps = struct.unpack(">III", data)
        filter.offered = (version, actions, steps)
        self.send(b"O" + struct.pack(">III", min(version, filter.version),
                                     filter.actions, filter.steps) +
                  b"".join(struct.pack(">I", stage) + names.encode() + b"\0"
                           for stage, names in filter.symbols))

    def answer(self, kind, data):
        filter = self.server
        said = filter.answers.get(kind, CONTINUE)
        if callable(said):
            said = said(self, data)
        if said == HANG:
            filter.hanging.wait()
            raise EOFError
        if said == CLOSE:
            raise EOFError
        if kind in NO_REPLY and filter.steps & NO_REPLY[kind]:
            return
        self.send(*(said if isinstance(said, list) else [said]))

    def handle(self):
        self.number = self.server.connections
        self.server.connections += 1
        self.count = {}
        try:
            while True:
                kind, data = self.packet()
                self.server.events.append((self.number, kind, data))
                self.count[kind] = self.count.get(kind, 0) + 1
                if kind == "O":
                    self.options(data)
                elif kind not in SILENT:
                    self.answer(kind, data)
        except (EOFError, OSError):
            pass


class Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass


class Inet(Server, socketserver.TCPServer):
    pass


class Unix(Server, socketserver.UnixStreamServer):
    pass


def Filter(answers=None, path=None, **more):
    """answers: letter of an event to an answer, a list of them, or a function
    of session and data that gives one."""
    if path:
        server = Unix(path, Session)
        os.chmod(path, 0o666)
        server.endpoint = "unix:" + path
    else:
        server = Inet(("127.0.0.1", free_port()), Session)
        server.endpoint = "inet:127.0.0.1:%d" % server.server_address[1]
    server.answers = dict(answers or {})
    server.version, server.actions, server.steps = 6, 0x1ff, 0
    server.symbols = ()
    for name, value in more.items():
        setattr(server, name, value)
    server.events, server.connections = [], 0
    server.hanging = threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.05,),
                     daemon=True).start()
    return Closing(server)


class Closing:
    """Attributes are those of the server; `with` ends it."""

    def __init__(self, server):
        self.__dict__["server"] = server

    def __getattr__(self, name):
        return getattr(self.server, name)

    def __setattr__(self, name, value):
        setattr(self.server, name, value)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.server.hanging.set()
        self.server.shutdown()
        self.server.server_close()

    # -- what it has heard ---------------------------------------------------

    def forget(self):
        self.server.events.clear()

    def kinds(self, connection=None):
        """Letters of the events, without macros."""
        return "".join(kind for number, kind, _ in list(self.server.events)
                       if kind != "D" and connection in (None, number))

    def heard(self, kind):
        """The data of all events of that kind, split at their NULs."""
        return [data.decode("utf-8", "replace").rstrip("\0").split("\0")
                for _, k, data in list(self.server.events) if k == kind]

    def octets(self, kind):
        return b"".join(data for _, k, data in list(self.server.events)
                        if k == kind)

    def macros(self, kind):
        """Those that last came with that event."""
        found = {}
        for _, k, data in list(self.server.events):
            if k == "D" and chr(data[0]) == kind:
                words = data[1:].decode().split("\0")
                found = dict(zip(words[::2], words[1::2]))
        return found


__all__ = [name for name in dir() if not name.startswith("_")]
