"""The loads of tests/bench/imap: each is a function of a Bench that returns a
value, or several of which the median counts. TELLING has their order."""
import collections
import glob
import os
import re
import select as select_module
import socket
import statistics
import struct
import subprocess
import tempfile
import time

import imap_suites

Load = collections.namedtuple("Load", "name what run unit goal more_is_better")
LOADS = []


class TooLong(Exception):
    pass


def load(name, what, unit, goal, more_is_better=False):
    def add(function):
        LOADS.append(Load(name, what, function, unit, goal, more_is_better))
        return function
    return add


class Connection:
    """IMAP, or another protocol of lines, as fast as Python lets it."""

    def __init__(self, bench, port):
        self.bench = bench
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.piece = bytearray(1 << 20)
        self.rest = b""
        self.number = 0

    def line(self):
        while b"\n" not in self.rest:
            self.rest += self.receive()
        line, self.rest = self.rest.split(b"\n", 1)
        return line.rstrip(b"\r")

    def receive(self):
        left = self.bench.deadline - time.monotonic()
        if left <= 0:
            raise TooLong("over the limit")
        self.socket.settimeout(left)
        try:
            got = self.socket.recv_into(self.piece)
        except TimeoutError:
            raise TooLong("over the limit")
        if got == 0:
            raise EOFError("the server closed the connection")
        return bytes(memoryview(self.piece)[:got])

    def count_until(self, end):
        """The number of octets up to those; nothing of them is kept or copied,
        so that the figure is the server's."""
        left = max(1, int(self.bench.deadline - time.monotonic()))
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                               struct.pack("ll", left, 0))
        view, tail, count = memoryview(self.piece), b"\n", 0
        while end not in tail:
            try:
                got = self.socket.recv_into(view)
            except BlockingIOError:
                raise TooLong("over the limit")
            if got == 0:
                raise EOFError("the server closed the connection")
            count += got
            tail = (tail + bytes(view[max(0, got - 200):got]))[-200:]
        return count

    def send(self, octets):
        self.socket.sendall(octets)

    def ask(self, command):
        """Send an IMAP command; all octets up to its answer. Seconds in
        self.took."""
        self.number += 1
        tag = b"x%d" % self.number
        begin = time.perf_counter()
        self.send(tag + b" " + command.encode() + b"\r\n")
        pieces, tail = [], b"\n"
        while True:
            piece = self.receive()
            pieces.append(piece)
            tail = (tail + piece)[-2000:]
            at = tail.rfind(b"\n" + tag + b" ")
            if at >= 0 and tail.endswith(b"\r\n"):
                break
        self.took = time.perf_counter() - begin
        if not tail[at + 1:].startswith(tag + b" OK"):
            raise RuntimeError(tail[at + 1:].decode(errors="replace").strip())
        return b"".join(pieces)

    def timed(self, command):
        """Milliseconds."""
        self.ask(command)
        return self.took * 1000

    def close(self):
        self.socket.close()


class Bench:
    def __init__(self, suite, args, corpus):
        self.suite, self.args, self.corpus = suite, args, corpus
        self.note = ""
        self.deadline = time.monotonic() + 600
        self.open = []
        self.used = args.users
        self.first_names = sorted(os.listdir(corpus + "/cur"))[:1000]
        self.scripts = tempfile.TemporaryDirectory(prefix="posthorn-bench-")
        self.folder = self.scripts.name
        imap_suites.copy_mail(corpus, suite.maildir("big"))

    def tidy(self):
        for c in self.open:
            c.close()
        self.open = []

    def connect(self, user="big", select=None):
        c = Connection(self, self.suite.ports["imap"])
        self.open.append(c)
        c.line()
        c.ask("LOGIN %s@example.org %s" % (user, imap_suites.PASSWORD))
        if select:
            c.ask("SELECT " + select)
        return c

    def rounds(self, function):
        return [function() for _ in range(self.args.rounds)]

    def remove_index(self, user="big"):
        for top, _, files in os.walk(self.suite.maildir(user)):
            for name in files:
                if name in self.suite.index_files or name.startswith(
                        "dovecot.index"):
                    os.unlink(top + "/" + name)

    def cpu_ticks(self):
        total = 0
        for pid in _all_pids(self.suite):
            try:
                with open("/proc/%d/stat" % pid) as handle:
                    words = handle.read().rsplit(")", 1)[1].split()
                total += int(words[11]) + int(words[12])
            except OSError:
                pass
        return total

    def settle(self, seconds=120):
        """Until the servers have nothing left to do."""
        end = time.monotonic() + seconds
        quiet, before = 0, self.cpu_ticks()
        while quiet < 3 and time.monotonic() < end:
            time.sleep(0.25)
            after = self.cpu_ticks()
            quiet = quiet + 1 if after - before <= 1 else 0
            before = after

    def restart(self, without_index=False, used=True):
        self.tidy()
        self.suite.stop()
        if without_index:
            self.remove_index()
        for path in glob.glob(self.suite.maildir("big") + "/*"):
            if os.path.isfile(path):
                fd = os.open(path, os.O_RDONLY)
                os.fdatasync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)
        self.suite.start()
        if used:
            self.connect("user0")  # what starts with the first client, does

    def script(self, text, clients, port="imap", **more):
        """talk's figures for a script."""
        path = self.folder + "/script"
        with open(path, "w") as out:
            out.write(text)
        argv = [self.args.build + "/tests/bench/talk", "-p",
                str(self.suite.ports[port]), "-c", str(clients)]
        for name, value in dict(dict(t=self.args.seconds,
                                     u=self.args.users), **more).items():
            argv += ["-" + name, str(value)]
        done = subprocess.run(argv + [path], stdout=subprocess.PIPE,
                              timeout=self.deadline - time.monotonic())
        words = done.stdout.decode().split()
        figures = dict(zip(words[::2], map(float, words[1::2])))
        if figures["failed"]:
            raise RuntimeError("%d clients failed" % figures["failed"])
        self.note = "p50 %.2f p99 %.2f ms" % (figures["p50"], figures["p99"])
        return figures

    def per_second(self, text, clients, port="imap", **more):
        figures = self.script(text, clients, port, **more)
        return figures["done"] / figures["seconds"]

    def fresh_users(self, count):
        """The number of the first of some users who were never used."""
        self.used += count
        return self.used - count

    def give_mail(self, user, count):
        """The first messages of the corpus; the number of them."""
        top = self.suite.maildir(user)
        for folder in ("cur", "new", "tmp"):
            os.makedirs(top + "/" + folder)
        names = self.first_names[:count]
        for name in names:
            os.link("%s/cur/%s" % (self.corpus, name),
                    "%s/cur/%s" % (top, name))
        imap_suites.own(top)
        return len(names)


def letter(octets=4096):
    body = ("Some words of a line that is long enough, 72 in all, so so.\r\n"
            * (octets // 61))
    return ("From: a@example.net\r\nTo: b@example.org\r\n"
            "Subject: a letter\r\nMessage-ID: <x@example.net>\r\n\r\n"
            + body)


# ---- logging in ----

LOGIN = ("open\n< *\n> a LOGIN user$u@example.org %s\n< a OK\n"
         % imap_suites.PASSWORD)
LOGIN_BIG = LOGIN.replace("user$u", "big")
LOGOUT = "> z LOGOUT\n< z OK\nclose\n"


@load("login", "LOGIN, LOGOUT; 10 clients", "/s", ">= 5x fast mode", True)
def login(b):
    return b.per_second(LOGIN + LOGOUT, 10)


@load("newest", "login, SELECT, newest 50 ENVELOPE BODYSTRUCTURE, logout; 10"
      " clients", "/s", ">= 4x fast mode", True)
def newest(b):
    b.connect(select="INBOX").ask("FETCH 1:* (ENVELOPE BODYSTRUCTURE)")
    first = max(1, b.args.messages - 49)
    return b.per_second(
        LOGIN_BIG + "> b SELECT INBOX\n< b OK\n> c FETCH %d:* (UID FLAGS "
        "ENVELOPE BODYSTRUCTURE)\n< c OK\n" % first + LOGOUT, 10)


# ---- opening ----

@load("select", "SELECT in a new session", "ms", "<= 1 ms")
def select(b):
    b.connect(select="INBOX")
    return b.rounds(lambda: b.connect().timed("SELECT INBOX"))


@load("select-cold", "SELECT, server and index not in memory", "ms",
      "<= 5 ms")
def select_cold(b):
    def one():
        b.restart()
        return b.connect().timed("SELECT INBOX")
    b.connect(select="INBOX")
    return [one() for _ in range(min(3, b.args.rounds))]


@load("select-no-index", "SELECT without any index", "ms", "<= 377 ms")
def select_no_index(b):
    b.restart(without_index=True)
    return b.connect().timed("SELECT INBOX")


# ---- looking ----

@load("fetch-flags", "FETCH 1:* (UID FLAGS)", "ms", "<= 30 ms")
def fetch_flags(b):
    c = b.connect(select="INBOX")
    return b.rounds(lambda: c.timed("FETCH 1:* (UID FLAGS)"))


def _first_and_again(item):
    def first(b):
        b.restart(without_index=True)
        c = b.connect(select="INBOX")
        return c.timed("FETCH 1:* (%s)" % item)

    def again(b):
        c = b.connect(select="INBOX")
        c.ask("FETCH 1:* (%s)" % item)
        return b.rounds(lambda: c.timed("FETCH 1:* (%s)" % item))
    return first, again


_first, _again = _first_and_again("ENVELOPE")
load("envelope-first", "FETCH 1:* (ENVELOPE), nothing cached", "ms",
     "<= 2000 ms for mail we delivered; <= Dovecot's")(_first)
load("envelope", "FETCH 1:* (ENVELOPE) again", "ms", "<= 150 ms")(_again)


@load("envelope-new", "FETCH 1:* (ENVELOPE), first, of 100,000 that came by"
      " LMTP while a client was there (measured: a tenth)", "ms",
      "<= 2000 ms")
def envelope_new(b):
    user = b.fresh_users(1)
    count = max(100, b.args.messages // 10)
    watcher = b.connect("user%d" % user, select="INBOX")
    with open(b.folder + "/letter", "w", newline="") as out:
        out.write(letter() + ".\r\n")
    b.script("open\n< 2\n> LHLO a.example\n< 250 \n---\n"
             "> MAIL FROM:<a@example.net>\n> RCPT TO:<user$u@example.org>\n"
             "> DATA\n< 2\n< 2\n< 3\n@ %s/letter\n< 2\n" % b.folder, 10,
             "lmtp", b=user, u=1, n=count, t=b.args.limit)
    b.settle()
    c = b.connect("user%d" % user, select="INBOX")
    took = c.timed("FETCH 1:* (ENVELOPE)")
    watcher.ask("NOOP")
    b.note = "%d messages: %.1f ms" % (count, took)
    return took * 100000 / count


_first, _again = _first_and_again("BODYSTRUCTURE")
load("structure-first", "FETCH 1:* (BODYSTRUCTURE), nothing cached", "ms",
     "<= Dovecot's")(_first)
load("structure", "FETCH 1:* (BODYSTRUCTURE) again", "ms",
     "<= 100 ms")(_again)


def _search(key, words):
    def run(b):
        c = b.connect(select="INBOX")
        counts, times = [], []
        begin = time.perf_counter()
        for word in words:
            got = c.ask("SEARCH %s %s" % (key, word))
            times.append(c.took * 1000)
            counts.append(len(re.search(rb"\* SEARCH([ \d]*)",
                                        got).group(1).split()))
        b.note = "found %s" % counts
        if time.perf_counter() - begin > 20:
            return times
        for word in words:
            for _ in range(2):
                times.append(c.timed("SEARCH %s %s" % (key, word)))
        return times[len(words):]
    return run


@load("index-text", "the first SEARCH of text: what has to be built for it",
      "ms", "(none)")
def index_text(b):
    b.restart(without_index=True)
    c = b.connect(select="INBOX")
    took = c.timed("SEARCH BODY needle100")
    size = sum(os.path.getsize(path) for path in glob.glob(
        b.suite.maildir("big") + "/*") if os.path.isfile(path)) / 1e6
    b.note = "index files %.1f MB" % size
    return took


load("search-subject", "SEARCH SUBJECT", "ms", "<= 10 ms")(
    _search("SUBJECT", ["bra", "stou", "quan"]))
load("search-body", "SEARCH BODY", "ms", "<= 20 ms")(
    _search("BODY", ["rareword", "needle100", "nosuchword"]))
load("search-text", "SEARCH TEXT", "ms", "<= 30 ms")(
    _search("TEXT", ["rareword", "m77@example", "edle20"]))
load("sort", "SORT (REVERSE DATE) and (SUBJECT)", "ms", "<= 30 ms")(
    lambda b: _mean(b, "SORT (REVERSE DATE) UTF-8 ALL",
                    "SORT (SUBJECT) UTF-8 ALL"))
load("sort-partial", "SORT RETURN (PARTIAL 1:50)", "ms", "<= 5 ms")(
    lambda b: _mean(b, "SORT RETURN (PARTIAL 1:50) (REVERSE DATE) UTF-8 ALL"))
load("thread", "THREAD REFERENCES", "ms", "<= 50 ms")(
    lambda b: _mean(b, "THREAD REFERENCES UTF-8 ALL"))


def _mean(b, *commands):
    c = b.connect(select="INBOX")
    for command in commands:
        c.ask(command)
    return b.rounds(lambda: statistics.mean(c.timed(command)
                                            for command in commands))


# ---- changing ----

@load("store-one", "STORE of one flag", "ms", "<= 0.5 ms")
def store_one(b):
    c = b.connect(select="INBOX")
    times = []
    for n in range(4 * b.args.rounds):
        sign = "-+"[n % 2 == 0]
        times.append(c.timed("STORE %d %sFLAGS (\\Flagged)" % (
            1 + n // 2 * 7 % b.args.messages, sign)))
    return times


@load("store-all", "STORE 1:* +FLAGS.SILENT", "ms", "<= 60 ms")
def store_all(b):
    c = b.connect(select="INBOX")
    times = []
    for _ in range(min(3, b.args.rounds)):
        times.append(c.timed("STORE 1:* +FLAGS.SILENT (\\Flagged)"))
        c.ask("STORE 1:* -FLAGS.SILENT (\\Flagged)")
        time.sleep(0.5)
    return times


def _part(b, most):
    return min(most, b.args.messages // 5)


def _name(b):
    b.serial = getattr(b, "serial", 0) + 1
    return "box%d" % b.serial


@load("copy", "COPY of 10,000 (at most a fifth)", "ms", ">= 2x")
def copy(b):
    c = b.connect(select="INBOX")
    name = _name(b)
    c.ask("CREATE " + name)
    return c.timed("COPY 1:%d %s" % (_part(b, 10000), name))


@load("move", "MOVE of 5,000 (at most a fifth)", "ms", "as COPY")
def move(b):
    c = b.connect(select="INBOX")
    names = _name(b), _name(b)
    for name in names:
        c.ask("CREATE " + name)
    c.ask("COPY 1:%d %s" % (_part(b, 5000), names[0]))
    c.ask("SELECT " + names[0])
    return c.timed("MOVE 1:* " + names[1])


@load("expunge", "EXPUNGE of 10,000 (at most a fifth)", "ms", "as COPY")
def expunge(b):
    c = b.connect(select="INBOX")
    name = _name(b)
    c.ask("CREATE " + name)
    c.ask("COPY 1:%d %s" % (_part(b, 10000), name))
    c.ask("SELECT " + name)
    c.ask("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    time.sleep(2)
    return c.timed("EXPUNGE")


def _append(count, clients):
    text = letter()

    def run(b):
        with open(b.folder + "/letter", "w", newline="") as out:
            out.write(text)
        one = ["> a APPEND INBOX {%d+}" % len(text)]
        one += ["@ %s/letter" % b.folder]
        for _ in range(count - 1):
            one += [">  {%d+}" % len(text), "@ %s/letter" % b.folder]
        rate = b.per_second(LOGIN + "---\n" + "\n".join(one + [
            "> ", "< a OK"]) + "\n", clients, b=b.fresh_users(clients))
        return rate * count
    return run


for _count, _clients in ((1, 1), (1, 10), (10, 10)):
    load("%sappend-%d" % ("multi" if _count > 1 else "", _clients),
         "APPEND, durable%s; %d clients" % (
             ", 10 in a command" if _count > 1 else "", _clients), "/s",
         ">= 3x", True)(_append(_count, _clients))


def _lmtp(clients):
    def run(b):
        with open(b.folder + "/letter", "w", newline="") as out:
            out.write(letter() + ".\r\n")
        return b.per_second(
            "open\n< 2\n> LHLO a.example\n< 250 \n---\n"
            "> MAIL FROM:<a@example.net>\n> RCPT TO:<user$u@example.org>\n"
            "> DATA\n< 2\n< 2\n< 3\n@ %s/letter\n< 2\n" % b.folder, clients,
            "lmtp", b=b.fresh_users(clients))
    return run


for _clients in (1, 10):
    load("lmtp-%d" % _clients, "LMTP; %d connections" % _clients, "/s",
         ">= 3x", True)(_lmtp(_clients))


# ---- news ----

def _drop(b, n):
    """A file as another program delivers it."""
    path = b.suite.maildir("big")
    name = "%d.Mdrop%d.%d" % (time.time(), n, os.getpid())
    with open(path + "/tmp/" + name, "w") as out:
        out.write(letter(1000))
    os.chown(path + "/tmp/" + name, *imap_suites.owner())
    os.rename(path + "/tmp/" + name, path + "/new/" + name)


@load("idle", "IDLE: from a delivery to the untagged line", "ms", "<= 5 ms")
def idle(b):
    c = b.connect(select="INBOX")
    c.send(b"i IDLE\r\n")
    while not c.line().startswith(b"+"):
        pass
    times = []
    for n in range(b.args.rounds * 2):
        time.sleep(0.3)
        _drop(b, n)
        begin = time.perf_counter()
        while b"EXISTS" not in c.line():
            pass
        times.append((time.perf_counter() - begin) * 1000)
    c.send(b"DONE\r\n")
    return times


def _qresync(changed):
    def run(b):
        def one():
            c = b.connect()
            c.ask("ENABLE QRESYNC")
            got = c.ask("SELECT INBOX")
            validity = re.search(rb"UIDVALIDITY (\d+)", got).group(1)
            modseq = re.search(rb"HIGHESTMODSEQ (\d+)", got).group(1)
            for n in range(changed):
                c.ask("STORE %d %sFLAGS.SILENT (\\Answered)" % (
                    1 + n * 13 % b.args.messages, "-+"[n % 2]))
                c.ask("STORE %d %sFLAGS.SILENT (\\Answered)" % (
                    1 + n * 13 % b.args.messages, "+-"[n % 2]))
            c.ask("UNSELECT")
            return b_connect_resync(b, validity, modseq)
        return b.rounds(one)
    return run


def b_connect_resync(b, validity, modseq):
    c = b.connect()
    c.ask("ENABLE QRESYNC")
    return c.timed("SELECT INBOX (QRESYNC (%s %s))" % (
        validity.decode(), modseq.decode()))


load("qresync-0", "SELECT with QRESYNC, nothing changed", "ms",
     "<= 2 ms")(_qresync(0))
load("qresync-100", "SELECT with QRESYNC, 100 changed", "ms",
     "<= 5 ms")(_qresync(100))


@load("list-status", "LIST RETURN (STATUS) of 1,000 mailboxes, first time",
      "ms", "<= 20 ms")
def list_status(b):
    boxes = min(1000, b.args.messages)
    user = "user%d" % b.fresh_users(1)
    b.give_mail(user, 1)
    top = b.suite.maildir(user)
    for n in range(boxes):
        path = "%s/.box%d" % (top, n)
        for folder in ("cur", "new", "tmp"):
            os.makedirs(path + "/" + folder)
        open(path + "/maildirfolder", "w").close()
        for name in b.first_names[:3]:
            os.link("%s/cur/%s" % (b.corpus, name),
                    "%s/cur/%s" % (path, name))
    imap_suites.own(top)
    c = b.connect(user)
    command = 'LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))'
    first = c.timed(command)
    b.note = "again %.1f ms" % statistics.median(
        c.timed(command) for _ in range(3))
    return first


@load("download", "all messages, warm", "MB/s", ">= 4x", True)
def download(b):
    def one():
        c = b.connect(select="INBOX")
        begin = time.perf_counter()
        c.send(b"d FETCH 1:* (BODY.PEEK[])\r\n")
        got = c.count_until(b"\nd OK")
        return got / 1e6 / (time.perf_counter() - begin)
    one()
    return [one() for _ in range(min(3, b.args.rounds))]


# ---- POP3 ----

def _pop3(clients):
    def run(b):
        base = b.fresh_users(clients)
        for n in range(clients):
            count = b.give_mail("user%d" % (base + n), 1000)
        retr = "".join("> RETR %d\n" % (n + 1) for n in range(count))
        script = ("open\n< +OK\n> USER user$u@example.org\n< +OK\n> PASS %s\n"
                  "< +OK\n> STAT\n< +OK\n> UIDL\n= .\n%s%s> QUIT\nclose\n" % (
                      imap_suites.PASSWORD, retr, "= .\n" * count))
        b.script(script, clients, "pop3", n=clients, b=base)
        return b.per_second(script, clients, "pop3", b=base)
    return run


for _clients in (1, 10):
    load("pop3-%d" % _clients, "POP3 sessions of 1,000 messages: STAT, UIDL,"
         " all RETR; %d clients" % _clients, "/s", ">= 3x",
         True)(_pop3(_clients))


# ---- many ----

def _pss(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as handle:
                total += int(re.search(r"\nPss:\s+(\d+)",
                                       handle.read()).group(1))
        except (OSError, AttributeError):
            pass
    return total / 1024


def _all_pids(suite):
    return suite.mta.pids() if hasattr(suite, "mta") else suite.pids()


@load("idle-1000", "memory for 1,000 connections of 100 users in IDLE", "MiB",
      "<= 40 MiB")
def idle_1000(b):
    # No processes of users that earlier loads have left: all of them count.
    b.restart(used=False)
    b.settle(20)
    before = _pss(_all_pids(b.suite))
    path = b.folder + "/idle"
    with open(path, "w") as out:
        out.write(LOGIN + "> b SELECT INBOX\n< b OK\n> i IDLE\n< +\n")
    client = subprocess.Popen(
        [b.args.build + "/tests/bench/talk", "-p",
         str(b.suite.ports["imap"]), "-c", "1000", "-u",
         str(b.args.users), "-i", path], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE)
    begin = time.monotonic()
    if not select_module.select([client.stdout], [], [],
                                b.deadline - begin)[0]:
        client.kill()
        raise TooLong("over the limit")
    line = client.stdout.readline().decode().split()
    opened = time.monotonic() - begin
    at_once = _pss(_all_pids(b.suite))
    b.settle(20)
    time.sleep(12)  # ours gives back what a burst has left after 5 to 10
    after = _pss(_all_pids(b.suite))
    b.note = "%.1f s to open; %.1f MiB before, +%.1f at once, failed %s" % (
        opened, before, at_once - before, line[3])
    client.communicate(b"\n")
    return after - before


@load("stress", "mixed commands at random, 50 clients", "/s",
      ">= 2x fast mode", True)
def stress(b):
    text = letter(2000)
    with open(b.folder + "/letter", "w", newline="") as out:
        out.write(text)
    base = b.fresh_users(10)
    for n in range(10):
        b.give_mail("user%d" % (base + n), 200)
    one = "---\n> b %s\n< b \n"
    blocks = [one % command for command in (
        "FETCH $r (UID FLAGS ENVELOPE)", "FETCH $r (BODYSTRUCTURE)",
        "FETCH $r (BODY.PEEK[])", "FETCH 1:20 (FLAGS)", "NOOP",
        "STORE $r +FLAGS (\\Flagged)", "STORE $r -FLAGS (\\Flagged)",
        "STATUS INBOX (MESSAGES UNSEEN)", "SEARCH UNSEEN",
        "UID SEARCH FLAGGED", "LIST \"\" *", "SEARCH SUBJECT stou")]
    blocks.append("---\n> b APPEND INBOX {%d+}\n@ %s/letter\n> \n< b OK\n" % (
        len(text), b.folder))
    script = LOGIN + "> s SELECT INBOX\n< s OK\n" + "".join(blocks)
    # What the first search of each mailbox builds is another load.
    b.script(script, 10, u=10, r=100, b=base, t=2)
    return b.per_second(script, 50, u=10, r=100, b=base)


# The most telling ones first: with --minutes the last ones may be left out.
TELLING = """
    login newest select select-cold fetch-flags envelope-first envelope
    envelope-new search-subject search-body search-text sort sort-partial
    thread store-one store-all idle qresync-0 qresync-100 append-1 append-10
    multiappend-10 lmtp-1 lmtp-10 list-status download idle-1000 pop3-1
    pop3-10 stress copy move expunge structure structure-first
    select-no-index index-text""".split()
LOADS.sort(key=lambda load: TELLING.index(load.name))
