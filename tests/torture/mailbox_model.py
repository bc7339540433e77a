"""What must be in a user's mailboxes, and what a fresh connection says of them
(tests/torture/mailbox)."""
import imaplib
import re

GONE = (OSError, EOFError, imaplib.IMAP4.abort)


class Violation(Exception):
    pass


class Message:
    def __init__(self, name, flags, modseq=0):
        self.name, self.flags, self.modseq = name, frozenset(flags), modseq


class Box:
    def __init__(self, uidvalidity):
        self.uidvalidity = uidvalidity
        self.messages = {}  # by uid
        self.known = {}     # uid: name, of all that were ever seen
        self.modseq = self.uidnext = 0

    def add(self, uid, name, flags):
        if self.known.setdefault(uid, name) != name:
            raise Violation("uid %d was %s and is %s" % (
                uid, self.known[uid], name))
        self.messages[uid] = Message(name, flags)


class Doubt:
    """What the command that was under way may have done."""

    def __init__(self, **what):
        self.appear = {}   # box: [(name, flags)] that may be there
        self.arrive = []   # names that must be in INBOX
        self.vanish = {}   # box: uids that may have gone
        self.either = {}   # box: {uid: other flags}
        self.moving = None  # (from, to): each is in one of them at least
        self.created = self.deleted = self.renamed = None
        self.__dict__.update(what)


class Server:
    """What a fresh connection says of a mailbox."""

    def __init__(self, client, box):
        status, data = client.select('"%s"' % box)
        if status != "OK":
            raise Violation("SELECT %s: %s" % (box, data))
        self.uidvalidity = self.number(client, "UIDVALIDITY")
        self.uidnext = self.number(client, "UIDNEXT")
        self.modseq = self.number(client, "HIGHESTMODSEQ")
        self.messages = {}
        if int(data[0]) == 0:
            return
        status, data = client.uid("FETCH", "1:*", "(UID FLAGS MODSEQ "
                                  "BODY.PEEK[HEADER.FIELDS (X-Id)])")
        if status != "OK":
            raise Violation("FETCH: %s" % data)
        text = b""
        for part in data:
            if isinstance(part, tuple):
                text += part[0] + b" " + part[1].strip()
                continue
            self.take((text + b" " + (part or b"")).decode())
            text = b""

    @staticmethod
    def number(client, name):
        data = client.response(name)[1]
        if not data or not data[-1]:
            raise Violation("no " + name)
        return int(data[-1])

    def take(self, text):
        uid = re.search(r"\bUID (\d+)", text)
        flags = re.search(r"\bFLAGS \(([^)]*)\)", text)
        modseq = re.search(r"\bMODSEQ \((\d+)\)", text)
        name = re.search(r"X-Id: (\S+)", text)
        if not (uid and flags and modseq and name):
            raise Violation("a message without its parts: " + text)
        self.messages[int(uid.group(1))] = Message(
            name.group(1), set(flags.group(1).split()) - {r"\Recent"},
            int(modseq.group(1)))
