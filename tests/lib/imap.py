"""imapd and pop3d -s at a Maildir: connections for tests, and dialogues.

        C: a SELECT INBOX
        S: ...
        S: * $count EXISTS
        S: ...
        S: a OK ...

C: is sent. S: is the next line that the server must say, where `...` is any
text and $name stands for a word: the first time any, then the same again. A
line `S: ...` alone passes over any lines up to the one that the next S: line
describes. A `{=}` at the end of a C: line becomes the literal {n+} of the
L: lines that follow it, each with its CRLF; `+:` goes on after a literal.
"""
import imaplib
import os
import re
import shutil
import socket
import subprocess
import tempfile

from instance import LIBEXEC, PATIENCE, Failed, check, equal

LETTER = (b"From: \"A. Author\" <a@example.net>\r\nTo: b@example.org\r\n"
          b"Subject: =?utf-8?q?caf=C3=A9_one?=\r\n"
          b"Date: Sun, 29 Nov 2026 14:40:03 +0100\r\n"
          b"Message-ID: <1@example.net>\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: multipart/mixed; boundary=xx\r\n\r\npreamble\r\n"
          b"--xx\r\nContent-Type: text/plain; charset=utf-8\r\n"
          b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
          b"Gr=C3=BC=C3=9Fe\r\n--xx\r\nContent-Type: message/rfc822\r\n\r\n"
          b"Subject: inner\r\n\r\nneedle\r\n--xx--\r\n")


class Client(imaplib.IMAP4):
    """imaplib over a socket that a process has the other end of."""

    def __init__(self, sock):
        self.given = sock
        super().__init__()

    def open(self, host="", port=0, timeout=None):
        self.host, self.port, self.sock = host, port, self.given
        self.sock.settimeout(PATIENCE)
        self.file = self.sock.makefile("rb")

    def ok(self, verb, *args):
        """The untagged data of a command that must succeed."""
        status, data = self._simple_command(verb, *args)
        equal(status, "OK")
        return data

    def said(self, name):
        return self.untagged_responses.pop(name, [])

    def line(self, text):
        self.send(text + b"\r\n")

    def until(self, pattern):
        """Lines up to the first that has the pattern."""
        lines = []
        while not lines or not re.search(pattern, lines[-1]):
            line = self.file.readline()
            check(line, "the end instead of %r, after %r" % (pattern, lines))
            lines.append(line.rstrip(b"\r\n"))
        return lines


class Mail:
    """A Maildir and the imapd processes at it; conf: lines of main.cf."""

    def __init__(self, conf=""):
        self.conf = conf

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="imapd-test-")
        self.path = self.folder + "/Maildir"
        os.mkdir(self.folder + "/conf")
        with open(self.folder + "/conf/main.cf", "w") as f:
            f.write(self.conf)
        self.processes = []
        return self

    def __exit__(self, *ignored):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)

    def raw(self, count=1, program="imapd", options=(), said=b""):
        """Sockets of connections in one process; said: what the clients have
        sent before it starts."""
        pairs = [socket.socketpair() for i in range(count)]
        for pair in pairs:
            pair[0].sendall(said)
        theirs = [pair[1].fileno() for pair in pairs]

        def place():
            high = [os.dup(fd) for fd in theirs]
            spare = [os.dup2(fd, 200 + i) for i, fd in enumerate(high)]
            os.dup2(spare[0], 0)
            os.dup2(spare[0], 1)
            for i, fd in enumerate(spare[1:]):
                os.dup2(fd, 3 + i, True)

        env = dict(os.environ, POSTHORN_USER="user", POSTHORN_MAIL=self.path,
                   POSTHORN_CLIENTS=str(count - 1))
        self.processes.append(subprocess.Popen(
            [LIBEXEC + "/" + program, "-s", "-c", self.folder + "/conf",
             *options],
            env=env, preexec_fn=place,
            pass_fds=range(3, 3 + count - 1) if count > 1 else ()))
        for pair in pairs:
            pair[1].close()
        return [pair[0] for pair in pairs]

    def connect(self, count=1):
        clients = [Client(sock) for sock in self.raw(count)]
        return clients[0] if count == 1 else clients

    def end(self, *clients):
        for client in clients:
            client.logout()
        for process in self.processes:
            equal(process.wait(PATIENCE), 0)
        self.processes = []

    def drop(self, name, octets=b"Subject: dropped\n\ntext\n"):
        with open(self.path + "/tmp/x", "wb") as f:
            f.write(octets)
        os.rename(self.path + "/tmp/x", self.path + "/" + name)

    def files(self, folder="cur"):
        return sorted(os.listdir(self.path + "/" + folder))


def _pattern(text, words):
    """A regular expression of an S: line; its names are in order."""
    pattern, names = "", []
    for piece in re.split(r"(\.\.\.|\$[a-z]+[0-9]*)", text):
        name = piece[1:]
        if piece == "...":
            pattern += ".*"
        elif piece[:1] == "$" and name in words:
            pattern += re.escape(words[name])
        elif piece[:1] == "$" and name and name not in names:
            pattern += r"([^\s()\[\]\"]+)"
            names.append(name)
        elif piece[:1] == "$" and name:
            pattern += r"\%d" % (names.index(name) + 1)
        else:
            pattern += re.escape(piece)
    return re.compile(pattern + r"\Z", re.S), names


def _expect(stream, text, words, skip, said):
    while True:
        line = stream.readline()
        if not line:
            raise Failed("the end instead of %r, after\n%s" % (
                text, "\n".join(said)))
        line = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        said.append("S: " + line)
        pattern, names = _pattern(text, words)
        match = pattern.match(line)
        if match:
            words.update(zip(names, match.groups()))
            return
        if not skip:
            raise Failed("not %r:\n%s" % (text, "\n".join(said[-40:])))


def _items(script):
    """[kind, text] of each line; a literal is part of its C: line."""
    items = []
    for line in script.strip("\n").split("\n"):
        kind, text = line.strip()[:2], line.strip()[3:]
        if not kind or kind[0] == "#":
            continue
        check(kind in ("C:", "S:", "L:", "+:"), line)
        if kind == "L:" and items[-1][0] == "L:":
            items[-1][1] += text + "\r\n"
        elif kind == "L:":
            items.append([kind, text + "\r\n"])
        else:
            items.append([kind, text])
    joined = []
    for kind, text in items:
        if kind == "L:":
            joined[-1][1] = joined[-1][1].replace("{=}", "{%d+}" % len(
                text.encode())) + "\r\n" + text
        elif kind == "+:":
            joined[-1][1] += text
        else:
            joined.append([kind, text])
    return joined


def play(stream, script, **words):
    """Run a dialogue; `stream` is a file of both directions. The words."""
    said, skip = [], False
    for kind, text in _items(script):
        if kind == "C:":
            text = re.sub(r"\$([a-z]+[0-9]*)", lambda m: str(
                words.get(m.group(1), m.group(0))), text)
            said.append("C: " + text)
            stream.write(text.encode("utf-8", "surrogateescape") + b"\r\n")
            stream.flush()
        elif text == "...":
            skip = True
        else:
            _expect(stream, text, words, skip, said)
            skip = False
    return words


def talk(mail, script, **words):
    """A dialogue with a fresh process that has logged in."""
    sock = mail.raw()[0]
    sock.settimeout(PATIENCE)
    stream = sock.makefile("rwb")
    stream.readline()
    words = play(stream, script, **words)
    stream.close()
    sock.close()
    return words
