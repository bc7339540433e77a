"""Scenarios of the mail store: what was tagged OK is so, what was not is as
before; no UID ever names another message, UIDVALIDITY stays. See SCENARIOS in
faults_scenarios for the form of the rows."""
import glob
import os
import re
import shutil
import signal
import socket
import ssl

from full import FullInstance, PASSWORD
from instance import Failed, untrusting, wait_for
from faults_scenarios import ANSWER_S, Crash, Gone, Hang, Refused, text

TLS = untrusting()
MANY = 128  # copies: more than are removed before the answer
LISTED = 30  # APPENDs at most until there is a list of arrivals
KEEP = 12  # messages in a mailbox; more are removed between runs


class Imap:
    """An IMAP dialogue that tells refusal, end and silence apart."""

    def __init__(self, port, tls=True):
        try:
            plain = socket.create_connection(("127.0.0.1", port), 5)
            plain.settimeout(ANSWER_S)
            self.socket = TLS.wrap_socket(plain) if tls else plain
        except (TimeoutError, socket.timeout):
            raise Hang("no handshake")
        except (OSError, ssl.SSLError) as why:
            raise Gone(str(why))
        self.file = self.socket.makefile("rb")
        self.tag = 0

    def line(self):
        try:
            line = self.file.readline()
        except (TimeoutError, socket.timeout):
            raise Hang("no answer")
        except OSError as why:
            raise Gone(str(why))
        if not line:
            raise Gone("end of input")
        return line

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except (TimeoutError, socket.timeout):
            raise Hang("cannot send")
        except OSError as why:
            raise Gone(str(why))

    def ask(self, command, literal=None):
        """The untagged octets of a command that ends in OK."""
        self.tag += 1
        tag = b"t%d " % self.tag
        self.send(tag + command.encode() + b"\r\n")
        octets = b""
        while True:
            line = self.line()
            if line.startswith(b"+") and literal is not None:
                self.send(literal + b"\r\n")
                literal = None
            elif line.startswith(tag):
                if not line.startswith(tag + b"OK"):
                    raise Refused(line.decode("utf-8", "replace").strip())
                return octets + line
            else:
                octets += line

    def close(self):
        self.file.close()
        self.socket.close()


class Pop(Imap):
    """The same for POP3."""

    def reply(self):
        line = self.line()
        if not line.startswith(b"+OK"):
            raise Refused(line.decode("utf-8", "replace").strip())
        return line

    def ask(self, command, is_long=False):
        self.send(command.encode() + b"\r\n")
        octets = self.reply()
        while is_long and not octets.endswith(b"\r\n.\r\n"):
            octets += self.line()
        return octets


class StoreSuite:
    """One user's mail, and what is known of it."""

    def __init__(self):
        self.mta = mta = FullInstance(users=("alice",))
        mta.set(service_throttle_time="1s", imap_fiber_limit="100",
                smtpd_error_sleep_time="0")
        self.worker = None   # on which the dialogues run
        self.client = None   # which looks between runs
        self.uids = {}       # (mailbox, uid): id
        self.validity = {}   # mailbox: UIDVALIDITY
        self.uid_next = {}   # mailbox: the greatest seen
        self.places = {}     # id: mailboxes in which it is, after a run
        self.before = {}     # the same, before the run

    def collectors(self):
        return []

    # -- dialogues ---------------------------------------------------------

    def connect(self, tls=True):
        client = Imap(self.mta.ports["imaps" if tls else "imap"], tls)
        client.line()
        client.ask("LOGIN alice@example.org \"%s\"" % PASSWORD)
        return client

    def answer(self, dialogue, fresh, *args):
        """What it ends in, on a fresh connection or on one that is kept."""
        client = None if fresh else self.worker
        self.worker = None
        connect = {self.pop: self.connect_pop,
                   self.append_plain: self.connect_plain}.get(
                       dialogue, self.connect)
        try:
            client = client or connect()
            dialogue(client, *args)
            if not fresh:
                self.worker, client = client, None
            return "acknowledged", ""
        except Refused as words:
            # NO says "not done"; a broken rule of the protocol is BAD
            kind = "permanent" if re.match(r"t\d+ BAD", str(words)) \
                else "temporary"
            return kind, str(words)
        except Gone as why:
            return "none", str(why)
        finally:
            if client:
                client.close()

    def pop(self, client, name):
        """The newest message is read and removed."""
        count = int(client.ask("STAT").split()[1])
        if b"X-Ledger: %s\r\n" % self.subject.encode() not in \
                client.ask("RETR %d" % count, is_long=True):
            raise Crash("RETR gave something else")
        client.ask("DELE %d" % count)
        client.ask("QUIT")

    def connect_pop(self):
        client = Pop(self.mta.ports["pop3s"])
        client.reply()
        client.ask("USER alice@example.org")
        client.ask("PASS " + PASSWORD)
        return client

    def connect_plain(self):
        """The socket itself goes to the user's process."""
        return self.connect(tls=False)

    def append_plain(self, client, name):
        self.append(client, name)

    def append(self, client, name):
        octets = text(name)
        client.ask("APPEND INBOX {%d}" % len(octets), octets)

    def arrive(self, client, name):
        """By way of the list (mailbox/arrivals.h), and until it is settled."""
        self.append(client, name)
        folder = self.mta.mail + "/example.org/alice/tmp"
        try:
            wait_for(lambda: not os.listdir(folder), "an empty tmp", 2)
        except Failed:
            pass  # of one that was killed some stay

    def uid_of(self, name, mailbox="INBOX"):
        return next(uid for (box, uid), known in self.uids.items()
                    if known == name and box == mailbox)

    def move(self, client, name):
        client.ask("SELECT INBOX")
        client.ask("UID MOVE %d Other" % self.uid_of(self.subject))

    def copy(self, client, name):
        client.ask("SELECT INBOX")
        client.ask("UID COPY %d Other" % self.uid_of(self.subject))

    def expunge(self, client, name):
        uid = self.uid_of(self.subject)
        client.ask("SELECT INBOX")
        client.ask("UID STORE %d +FLAGS (\\Deleted)" % uid)
        client.ask("UID EXPUNGE %d" % uid)

    def expunge_many(self, client, name):
        client.ask("SELECT INBOX")
        these = ",".join(str(uid) for (box, uid), known in self.uids.items()
                         if known == self.subject and box == "INBOX")
        client.ask("UID STORE %s +FLAGS.SILENT (\\Deleted)" % these)
        client.ask("UID EXPUNGE %s" % these)

    def look(self, client, name):
        client.ask("SELECT INBOX")
        client.ask("FETCH 1:* (UID FLAGS ENVELOPE)")

    def search(self, client, name):
        """In texts and in headers: what is there, exactly."""
        client.ask("SELECT INBOX")
        known = sorted(uid for (box, uid), known in self.uids.items()
                       if box == "INBOX" and self.subject in known
                       and "INBOX" in self.places.get(known, []))
        for key in ("TEXT", "SUBJECT"):
            got = client.ask("UID SEARCH %s %s" % (key, self.subject))
            found = re.search(rb"\* SEARCH([ \d]*)", got).group(1).split()
            if [int(uid) for uid in found] != known:
                raise Crash("%s found %s, not %s" % (key, found, known))

    # -- before and after a run ----------------------------------------------

    def give(self, lab, name):
        """A message in INBOX to do something with: self.subject."""
        self.subject = lab.new_id("given")
        try:
            self.client = self.client or self.connect()
            self.append(self.client, self.subject)
        except (Refused, Gone, Hang):
            self.client = None
            raise
        self.state()

    def give_list(self, lab, name):
        """So many that imapd has a list of what arrives."""
        path = self.mta.mail + "/example.org/alice/posthorn-arriving"
        try:
            for _ in range(LISTED):
                self.worker = self.worker or self.connect()
                if not os.path.exists(path):
                    self.append(self.worker, lab.new_id("given"))
        except (Refused, Gone, Hang):
            self.worker = None
            raise
        self.state()

    def give_many(self, lab, name):
        """The same, so often that its files go behind the answer."""
        self.give(lab, name)
        try:
            self.client.ask("SELECT INBOX")
            uids = [self.uid_of(self.subject)]
            while len(uids) < MANY:
                self.client.ask("UID COPY %s INBOX" % ",".join(
                    map(str, uids)))
                rows = self.read_mailbox(self.client, "INBOX")[0]
                uids = [uid for uid, known in rows.items()
                        if known == self.subject]
        except (Refused, Gone, Hang):
            self.client = None
            raise
        self.state()

    def lose_index(self, lab, name):
        """The user's process is gone and its index too."""
        self.give(lab, name)
        # all of them: one child's death would count against the user
        old = lab.processes_of("imapd")
        for pid in old:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pid in old:
            lab.await_death(pid)
        try:
            wait_for(lambda: lab.processes_of("imapd"), "a new imapd", 3)
        except Failed:
            pass
        self.client = self.worker = None
        for path in glob.glob(self.mta.mail + "/example.org/alice/"
                              "posthorn-index*"):
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def read_mailbox(self, client, mailbox):
        """{uid: id} as the server tells; UIDVALIDITY, UIDNEXT."""
        head = client.ask("SELECT " + mailbox)
        validity = int(re.search(rb"UIDVALIDITY (\d+)", head).group(1))
        uid_next = int(re.search(rb"UIDNEXT (\d+)", head).group(1))
        if b"* 0 EXISTS" in head:
            return {}, validity, uid_next
        got = client.ask("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS "
                         "(X-LEDGER)])")
        rows = re.findall(rb"UID (\d+) BODY\[[^\]]*\] \{\d+\}\r\n"
                          rb"X-Ledger: (\S+)", got)
        return ({int(uid): name.decode() for uid, name in rows}, validity,
                uid_next)

    def state(self, clean=False):
        """Read both mailboxes; what contradicts what was known."""
        wrong, places, sizes = [], {}, {}
        try:
            self.client = client = self.client or self.connect()
            for mailbox in ("INBOX", "Other"):
                found = self.read_mailbox(client, mailbox)
                wrong += self.compare(mailbox, places, *found)
                sizes[mailbox] = len(found[0])
            if clean:
                self.clean(client, sizes)
            client.ask("UNSELECT")
        except (Refused, Gone, Hang):
            self.client = None
            raise
        self.before, self.places = self.places, places
        return wrong

    def compare(self, mailbox, places, rows, validity, uid_next):
        wrong = []
        if self.validity.setdefault(mailbox, validity) != validity:
            wrong.append("UIDVALIDITY of %s changed" % mailbox)
        if uid_next < self.uid_next.get(mailbox, 0):
            wrong.append("UIDNEXT of %s went back" % mailbox)
        self.uid_next[mailbox] = uid_next
        for uid, name in rows.items():
            if self.uids.setdefault((mailbox, uid), name) != name:
                wrong.append("UID %d of %s names another message" % (
                    uid, mailbox))
            if uid >= uid_next:
                wrong.append("UIDNEXT %d, UID %d" % (uid_next, uid))
            places.setdefault(name, []).append(mailbox)
        return wrong

    def clean(self, client, sizes):
        """Not too many messages."""
        for mailbox, count in sizes.items():
            if count > KEEP:
                client.ask("SELECT " + mailbox)
                client.ask("STORE 1:* +FLAGS.SILENT (\\Deleted)")
                client.ask("EXPUNGE")

    # -- verdicts --------------------------------------------------------------

    def is_appended(self, name, outcome):
        boxes = self.places.get(name, [])
        return {"acknowledged": boxes == ["INBOX"],
                "none": boxes in ([], ["INBOX"])}.get(outcome, boxes == [])

    def is_moved(self, name, outcome):
        """Each message is in one of the two, whatever happens."""
        boxes = self.places.get(self.subject, [])
        return boxes == ["Other"] or (outcome != "acknowledged" and
                                      boxes == ["INBOX"])

    def is_copied(self, name, outcome):
        boxes = self.places.get(self.subject, [])
        return {"acknowledged": boxes == ["INBOX", "Other"],
                "none": boxes in (["INBOX"], ["INBOX", "Other"])}.get(
                    outcome, boxes == ["INBOX"])

    def is_expunged(self, name, outcome):
        boxes = self.places.get(self.subject, [])
        return boxes == [] if outcome == "acknowledged" else \
            boxes in ([], ["INBOX"])

    def are_expunged(self, name, outcome):
        boxes = self.places.get(self.subject, [])
        return set(boxes) <= ({"INBOX"} if outcome != "acknowledged" else
                              set())

    def is_there(self, name, outcome):
        return self.places.get(self.subject, []) == ["INBOX"]

    # -- the driver's view -----------------------------------------------------

    def begin(self, lab):
        client = self.connect()
        client.ask("CREATE Other")
        client.close()

    def verify(self, verdict, name, outcome):
        """None, or what is wrong."""
        wrong = self.state(clean=True)
        if not verdict(self, name, outcome):
            wrong.append("%s is in %s, message of the run in %s" % (
                getattr(self, "subject", "-"), self.places.get(
                    getattr(self, "subject", ""), []),
                self.places.get(name, [])))
        return "; ".join(wrong) or None


def by(prepare, method, verdict, fresh=False):
    """A scenario that is an IMAP dialogue on a prepared mailbox."""
    def run(suite, lab, name):
        return suite.answer(getattr(suite, method), fresh, name)
    run.prepare = prepare
    run.verdict = verdict
    return run


STORE_SCENARIOS = (
    ("login", by(None, "append", StoreSuite.is_appended, fresh=True),
     ("login", "auth", "imapd")),
    ("login-plain", by(None, "append_plain", StoreSuite.is_appended,
                       fresh=True), ("login", "auth", "imapd")),
    ("append", by(None, "append", StoreSuite.is_appended), ("imapd",)),
    ("arrive", by(StoreSuite.give_list, "arrive", StoreSuite.is_appended),
     ("imapd",)),
    ("move", by(StoreSuite.give, "move", StoreSuite.is_moved), ("imapd",)),
    ("copy", by(StoreSuite.give, "copy", StoreSuite.is_copied), ("imapd",)),
    ("expunge", by(StoreSuite.give, "expunge", StoreSuite.is_expunged),
     ("imapd",)),
    ("expunge-many", by(StoreSuite.give_many, "expunge_many",
                        StoreSuite.are_expunged), ("imapd",)),
    ("search", by(StoreSuite.give, "search", StoreSuite.is_there),
     ("imapd",)),
    ("pop3", by(StoreSuite.give, "pop", StoreSuite.is_expunged, fresh=True),
     ("login", "pop3d")),
    ("rebuild", by(StoreSuite.lose_index, "look", StoreSuite.is_there),
     ("imapd",)),
)
