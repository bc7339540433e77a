"""What stands at both ends of a suite: tests/bench/load and sink, and an
authentication server for Postfix."""
import base64
import mmap
import os
import socket
import struct
import subprocess
import tempfile
import threading

from instance import free_port, make_certificate, wait_for

PASSWORD = "correct horse 7"
LOGIN = base64.b64encode(
    b"\0alice@example.org\0" + PASSWORD.encode()).decode()


class Sink:
    """An SMTP server that counts."""
    fields = ("messages", "recipients", "connections", "open", "most",
              "handshakes", "resumed")

    def __init__(self, build, port=None, tls=False, delay_ms=0,
                 address="127.0.0.1", inside=(), start=True):
        self.folder = tempfile.mkdtemp(prefix="posthorn-sink-")
        self.port = port or free_port()
        self.address = address
        self.inside = inside
        self.process = None
        self.argv = [*inside, build + "/tests/bench/sink", "-a", address,
                     "-w", str(delay_ms), "-f", self.folder + "/counts"]
        if tls:
            cert, key = make_certificate(self.folder, "sink.example.net")
            self.argv += ["-c", cert, "-k", key]
        if start:
            self.start()

    def start(self):
        self.process = subprocess.Popen(self.argv + [str(self.port)])
        wait_for(self.listens, "the sink")
        with open(self.folder + "/counts", "rb") as handle:
            self.map = mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ)

    def listens(self):
        path = self.folder + "/counts"
        if not os.path.exists(path) or os.path.getsize(path) == 0:
            return False
        name = "/proc/%d/net/tcp" % self.process.pid
        with open(name) as handle:
            return any(":%04X 00000000:0000 0A" % self.port in line
                       for line in handle)

    def counts(self):
        if self.process is None:
            return dict.fromkeys(self.fields, 0)
        return dict(zip(self.fields, struct.unpack_from("7Q", self.map)))

    def recipients(self):
        return self.counts()["recipients"]

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.map.close()
        for name in os.listdir(self.folder):
            os.unlink(self.folder + "/" + name)
        os.rmdir(self.folder)


def load(build, port, sessions, messages, *, domain="example.org",
         recipients=1, users=100, octets=4096, tls=None, login=False,
         domains=0, only_connect=False, inside=(), address="127.0.0.1"):
    """Send; what the program says, as numbers. tls: "full" or "resumed"."""
    argv = [*inside, build + "/tests/bench/load", "-p", str(port), "-a",
            address, "-s", str(sessions), "-m", str(messages), "-d", domain,
            "-r", str(recipients), "-u", str(users), "-l", str(octets), "-D",
            str(domains)]
    argv += {"full": ["-t"], "resumed": ["-T"]}.get(tls, [])
    argv += ["-k", LOGIN] if login else []
    argv += ["-c"] if only_connect else []
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    words = done.stdout.decode().split()
    return dict(zip(words[::2], map(float, words[1::2])))


class AuthServer:
    """Dovecot's authentication protocol, as Postfix's smtpd speaks it; takes
    one password in plain text, without any hash."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(128)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,),
                             daemon=True).start()

    @staticmethod
    def serve(connection):
        connection.sendall(b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\n"
                           b"SPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n")
        for line in connection.makefile("rb"):
            fields = line.rstrip(b"\n").split(b"\t")
            if fields[0] != b"AUTH":
                continue
            good = b"resp=" + LOGIN.encode() in fields
            connection.sendall(
                b"OK\t%s\tuser=alice@example.org\n" % fields[1] if good
                else b"FAIL\t%s\n" % fields[1])

    def close(self):
        self.listener.close()
