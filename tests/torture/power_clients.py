"""Who writes a ledger of what was promised (power_scenario.py describes its
lines), and clients of imapd and pop3d that do.
"""
import os
import re
import socket
import subprocess
import threading

import instance


def text_of(name, octets):
    """A message of about so many octets that tells its name in each line."""
    lines = ["X-Power: %s" % name, "From: s@example.net",
             "To: r@example.org", "Date: Sun, 29 Nov 2026 14:40:03 +0100",
             "Message-ID: <%s@example.net>" % name, "Subject: %s" % name, ""]
    size = sum(len(line) + 1 for line in lines)
    number = 0
    while size < octets:
        lines.append("%s line %d %s" % (name, number, "x" * 50))
        size += len(lines[-1]) + 1
        number += 1
    lines.append("end of " + name)
    return "\n".join(lines) + "\n"


class Ledger:
    def __init__(self, folder):
        self.folder = folder
        self.lines = []
        self.lock = threading.Lock()
        os.makedirs(folder + "/text", exist_ok=True)

    def text(self, name, octets):
        text = text_of(name, octets)
        with open(self.folder + "/text/" + name, "w") as handle:
            handle.write(text)
        return text

    def add(self, *fields):
        with self.lock:
            self.lines.append("\t".join(str(field) for field in fields))

    def write(self):
        with open(self.folder + "/ledger", "w") as handle:
            handle.write("\n".join(self.lines) + "\n")


class Client:
    """Of a daemon -s at a user's mail."""

    def __init__(self, daemon, ledger, conf, path, env):
        self.ledger = ledger
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [instance.LIBEXEC + "/" + daemon, "-s", "-c", conf], stdin=theirs,
            stdout=theirs, env=dict(env, POSTHORN_USER="user",
                                    POSTHORN_MAIL=path, POSTHORN_CLIENTS="0"))
        theirs.close()
        self.socket = ours
        ours.settimeout(60)
        self.file = ours.makefile("rb")
        self.file.readline()


class Pop3(Client):
    def __init__(self, ledger, conf, path, env):
        super().__init__("pop3d", ledger, conf, path, env)

    def line(self):
        line = self.file.readline().decode().rstrip("\r\n")
        if not line:
            raise instance.Failed("pop3d is gone")
        return line

    def ask(self, command):
        self.socket.sendall(command.encode() + b"\r\n")
        reply = self.line()
        if not reply.startswith("+OK"):
            raise instance.Failed("%s: %s" % (command, reply))
        return reply

    def uids(self):
        """By number; the unique ids are made of them."""
        self.ask("UIDL")
        numbers = {}
        for line in iter(self.line, "."):
            number, uidl = line.split()
            numbers[int(number)] = int(uidl[:8], 16)
        return numbers

    def quit(self, going):
        """These UIDs were marked with DELE. No other client of the run says
        QUIT, nor asks for a message of that number before it."""
        self.socket.sendall(b"LIST 987654\r\nQUIT\r\n")
        self.line()
        reply = self.line()
        if not reply.startswith("+OK"):
            raise instance.Failed(reply)
        for uid in going:
            self.ledger.add("leave", "INBOX", uid, "python3 LIST 987654")
            # as of IMAP's EXPUNGE
            self.ledger.add("left", "INBOX", uid, 3000, "pop3d " + reply)
        self.process.wait(60)

    def drop(self):
        """The connection ends without QUIT."""
        self.file.close()
        self.socket.close()
        self.process.wait(60)


class Imap(Client):
    """A client of an imapd -s, whose tags are unique in the whole run."""
    count = 0

    def __init__(self, ledger, conf, path, env):
        Imap.count += 1
        self.name = "c%d" % Imap.count
        self.number = 0
        super().__init__("imapd", ledger, conf, path, env)

    def tag(self):
        self.number += 1
        return "%sx%d" % (self.name, self.number)

    def answer(self, tag):
        """All lines up to the tagged one."""
        lines = []
        while not lines or not lines[-1].startswith(tag + " "):
            line = self.file.readline()
            if not line:
                raise instance.Failed("imapd is gone after %r" % lines)
            lines.append(line.decode().rstrip("\r\n"))
        if not lines[-1].startswith(tag + " OK"):
            raise instance.Failed("%r" % lines)
        return lines

    def ask(self, command):
        """(lines, the moment of the command, the moment of the OK)"""
        tag = self.tag()
        self.socket.sendall(("%s %s\r\n" % (tag, command)).encode())
        return (self.answer(tag), "python3 %s %s" % (tag, command),
                "imapd %s OK" % tag)

    def box(self, name, lines, moment):
        for line in lines:
            told = re.search(r"\[UIDVALIDITY (\d+)\]", line)
            if told:
                self.ledger.add("box", name, told.group(1), moment)

    def select(self, name):
        lines, _, ok = self.ask("SELECT " + name)
        self.box(name, lines, ok)

    def create(self, name):
        _, _, ok = self.ask("CREATE " + name)
        self.ledger.add("made", name, ok)

    def append(self, name, message, octets=600):
        text = self.ledger.text(message, octets).replace("\n", "\r\n")
        tag = self.tag()
        self.socket.sendall(("%s APPEND %s {%d}\r\n" % (
            tag, name, len(text))).encode())
        self.file.readline()
        self.socket.sendall(text.encode() + b"\r\n")
        lines = self.answer(tag)
        told = re.search(r"APPENDUID (\d+) (\d+)", lines[-1])
        ok = "imapd %s OK" % tag
        self.ledger.add("box", name, told.group(1), ok)
        self.ledger.add("there", name, told.group(2), message, 0, ok)
        return int(told.group(2))

    def append_all(self, name, messages, octets=600):
        """By one command, all or none; their UIDs."""
        tag = self.tag()
        command = "%s APPEND %s" % (tag, name)
        for message in messages:
            text = self.ledger.text(message, octets).replace("\n", "\r\n")
            self.socket.sendall(("%s {%d}\r\n" % (
                command, len(text))).encode())
            self.file.readline()
            self.socket.sendall(text.encode())
            command = ""
        self.socket.sendall(b"\r\n")
        told = re.search(r"APPENDUID (\d+) (\d+)", self.answer(tag)[-1])
        ok = "imapd %s OK" % tag
        self.ledger.add("box", name, told.group(1), ok)
        uids = [int(told.group(2)) + n for n in range(len(messages))]
        for uid, message in zip(uids, messages):
            self.ledger.add("there", name, uid, message, 0, ok)
        return uids

    def take(self, verb, uid, message, source, target):
        """COPY or MOVE of one message; its new UID."""
        lines, asked, ok = self.ask("UID %s %d %s" % (verb, uid, target))
        told = re.search(r"COPYUID (\d+) (\d+) (\d+)", "\n".join(lines))
        if verb == "MOVE":
            self.ledger.add("leave", source, uid, asked)
            self.ledger.add("left", source, uid, 0, ok)
        self.ledger.add("box", target, told.group(1), ok)
        self.ledger.add("there", target, told.group(3), message, 0, ok)
        return int(told.group(3))

    def expunge(self, name, *uids):
        these = ",".join(map(str, uids))
        self.ask("UID STORE %s +FLAGS (\\Deleted)" % these)
        _, asked, ok = self.ask("UID EXPUNGE %s" % these)
        for uid in uids:
            self.ledger.add("leave", name, uid, asked)
            # a second when idle; a busy machine may be late
            self.ledger.add("left", name, uid, 3000, ok)

    def uids(self):
        """(uid, X-Power id) of all messages."""
        lines, _, _ = self.ask(
            "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-POWER)])")
        text = "\n".join(lines)
        return [(int(uid), name) for uid, name in re.findall(
            r"UID (\d+)[^*]*?X-Power: (\S+)", text)]

    def close(self):
        self.ask("LOGOUT")
        self.process.wait(60)
