"""What kill storms are made of: the ledger of what was acknowledged, an SMTP
server that fails in every way, senders, a disk that can be filled, and the
hand that kills.

A place is where a message has to arrive: a name that the test gives to a
mailbox or a sink. The ledger has a line "ID PLACE+PLACE TIME" for each
message, flushed, written only after its 250 or exit 0 was seen.
"""
import fcntl
import json
import os
import random
import re
import shutil
import signal
import smtplib
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from email.utils import parsedate_to_datetime

import instance
from instance import PATIENCE, run

ID_FIELD = re.compile(rb"(?m)^X-Ledger: (\S+)")


class Ledger:
    """Lines of text in a file; each is durable when add returns."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.file = open(path, "ab", buffering=0)

    def add(self, *words, flush=True):
        with self.lock:
            self.file.write((" ".join(map(str, words)) + "\n").encode())
        if flush:
            os.fdatasync(self.file.fileno())

    @staticmethod
    def rows(path):
        """The words of each whole line."""
        if not os.path.exists(path):
            return []
        with open(path) as handle:
            return [line.split() for line in handle if line.endswith("\n")]


# ---- an SMTP server that fails ---------------------------------------------

# Percent of a step that ends so: (drop, tempfail, reject, hang).
FAILURES = {
    "CONNECT": (2, 1, 0, 0.2),
    "EHLO": (1, 1, 0, 0.2),
    "MAIL": (1, 2, 0.3, 0.2),
    "RCPT": (1, 4, 1, 0.2),
    "DATA": (1, 2, 0.3, 0.2),
    "CONTENT": (1, 0, 0, 0),   # in the middle of it
    "END": (1, 4, 1, 0.2),     # after the final dot
    "QUIT": (5, 0, 0, 0.2),
}


class Drop(Exception):
    pass


class Sink(socketserver.ThreadingTCPServer):
    """Accepts by chance, and tells record(id) of what it accepted before it
    says so. `failing` may be changed at any time."""
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, record, hang_s=8):
        super().__init__(("127.0.0.1", port), SinkSession)
        self.record = record
        self.hang_s = hang_s
        self.failing = True
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, address):
        pass  # the client has gone


class SinkSession(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            if self.step("CONNECT", "220 sink.example.com ESMTP"):
                self.session()
        except (OSError, Drop):
            pass

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def step(self, name, good):
        """Answer, or fail by chance; whether it was good."""
        drop, tempfail, reject, hang = FAILURES[name]
        dice = random.uniform(0, 100) if self.server.failing else 100
        for percent, deed in ((drop, self.drop), (hang, self.hang),
                              (tempfail, "451 4.3.0 Not now"),
                              (reject, "550 5.7.1 Never")):
            dice -= percent
            if dice < 0:
                if callable(deed):
                    deed()
                self.say(deed)
                return False
        if good:
            self.say(good)
        return True

    def drop(self):
        raise Drop

    def hang(self):
        self.connection.settimeout(self.server.hang_s)
        try:
            while self.connection.recv(65536):
                pass
        finally:
            raise Drop

    def session(self):
        while True:
            line = self.rfile.readline().upper()
            verb = line[:4].strip().decode("ascii", "replace")
            if not line:
                return
            if verb == "EHLO":
                self.step("EHLO",
                          "250-sink.example.com\r\n250 PIPELINING")
            elif verb == "QUIT":
                self.step("QUIT", "221 Bye")
                return
            elif verb == "DATA":
                if self.step("DATA", "354 go on"):
                    self.content()
            elif verb in ("MAIL", "RCPT"):
                self.step(verb, "250 2.0.0 Ok")
            else:
                self.say("250 2.0.0 Ok")

    def content(self):
        lines = []
        while True:
            line = self.rfile.readline()
            if not line:
                raise Drop
            if line == b".\r\n":
                break
            lines.append(line)
        self.step("CONTENT", None)
        if self.step("END", None):
            for name in ID_FIELD.findall(b"".join(lines)):
                self.server.record(name.decode())
            self.say("250 2.0.0 Ok")


# ---- senders ---------------------------------------------------------------

def text_of(name, lines=10):
    return ("From: s@example.net\r\nTo: x@example.org\r\nX-Ledger: %s\r\n"
            "Subject: t\r\n\r\n%s" % (name, "line of text\r\n" * lines))


class Sender(threading.Thread):
    """Sends one after the other until told to stop. deliver(name, address)
    says whether the message was acknowledged."""

    def __init__(self, prefix, destinations, ledger, deliver, stop,
                 pause=0.0):
        super().__init__(daemon=True)
        self.prefix, self.destinations = prefix, destinations
        self.ledger, self.deliver, self.stop = ledger, deliver, stop
        self.pause, self.tried = pause, 0

    def run(self):
        while not self.stop.is_set():
            name = "%s.%d" % (self.prefix, self.tried)
            address, places = self.destinations[
                self.tried % len(self.destinations)]
            self.tried += 1
            try:
                done = self.deliver(name, address)
            except (OSError, smtplib.SMTPException,
                    subprocess.TimeoutExpired):
                done = False
            if done:
                self.ledger.add(name, places, "%.3f" % time.time())
            time.sleep(self.pause if done else 0.02)


def over_smtp(port):
    """A deliver for Sender: smtplib, several messages in a connection."""
    state = {}

    def deliver(name, address):
        number = int(name.rsplit(".", 1)[1])
        # now and then one that is too large for the journal
        lines = 6000 if number % 41 == 40 else number % 50
        try:
            if number % 20 == 0 or "client" not in state:
                state["client"] = smtplib.SMTP("127.0.0.1", port,
                                               timeout=PATIENCE)
            refused = state["client"].sendmail(
                "bounces@example.org", address.split("+"),
                text_of(name, lines))
            return not refused
        except Exception:
            state.pop("client", None)
            raise
    return deliver


def by_sendmail(mta):
    """sendmail(1), while the suite is up and while it is down."""
    def deliver(name, address):
        done = subprocess.run(
            [instance.SBIN + "/sendmail", "-f", "bounces@example.org"]
            + address.split("+"), env=mta.env, timeout=120,
            input=("X-Ledger: %s\n\nlocal\n" % name).encode(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0
    return deliver


def by_swaks(port):
    """swaks(1), for one recipient: it is content when one of several is
    taken."""
    def deliver(name, address):
        done = subprocess.run(
            ["swaks", "--server", "127.0.0.1:%d" % port, "--from",
             "bounces@example.org", "--to", address,
             "--header", "X-Ledger: " + name, "--silent", "3",
             "--timeout", "60"],
            timeout=120, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0
    return deliver


def by_smtp_source(mta):
    """smtp-source(1): exit 0 means that its one message was taken."""
    def deliver(name, address):
        with tempfile.NamedTemporaryFile("w", suffix=".eml") as file:
            file.write(text_of(name).replace("\r", ""))
            file.flush()
            done = subprocess.run(
                [instance.SBIN + "/smtp-source", "-m", "1", "-F", file.name,
                 "-f", "bounces@example.org", "-t", address,
                 "127.0.0.1:%d" % mta.smtp_port],
                env=mta.env, timeout=120, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0
    return deliver


# ---- what there is afterwards ----------------------------------------------

def ids_in(octets):
    return [name.decode() for name in ID_FIELD.findall(octets)]


def entered(octets):
    """When the suite got the message: the date of its first Received field."""
    dates = re.findall(rb"(?m)^Received: [^;]*;\s+(.*)$",
                       octets.split(b"\n\n", 1)[0])
    return parsedate_to_datetime(dates[-1].decode()).timestamp()


def ids_of_maildir(folder):
    """(id, time of delivery, time it entered); what is in tmp/ was not
    delivered."""
    found = []
    for sub in ("new", "cur"):
        try:
            names = os.listdir(folder + "/" + sub)
        except FileNotFoundError:
            continue
        for name in names:
            path = "%s/%s/%s" % (folder, sub, name)
            with open(path, "rb") as handle:
                when = os.fstat(handle.fileno()).st_mtime
                octets = handle.read()
                found += [(one, when, entered(octets))
                          for one in ids_in(octets)]
    return found


def ids_of_mbox(path):
    """(id, time by its From_ line, time it entered)"""
    found = []
    if not os.path.exists(path):
        return found
    with open(path, "rb") as handle:
        messages = re.split(rb"(?m)^(?=From )", handle.read())
    for message in messages:
        stamp = re.match(rb"From \S+ +(.*)\n", message)
        if not stamp:
            continue
        when = time.mktime(time.strptime(stamp.group(1).decode(),
                                         "%a %b %d %H:%M:%S %Y"))
        found += [(one, when, entered(message)) for one in
                  ids_in(message.split(b"\n\n", 1)[0] + b"\n")]
    return found


class Tail:
    """Counts a pattern in what is written to a file, which only grows."""

    def __init__(self, path, pattern):
        self.path, self.pattern = path, pattern
        self.at = self.count = 0

    def read(self):
        try:
            with open(self.path, "rb") as handle:
                handle.seek(self.at)
                octets = handle.read()
        except OSError:
            return self.count
        # a pattern ends with the line's end
        octets = octets[:octets.rfind(b"\n") + 1]
        self.at += len(octets)
        self.count += octets.count(self.pattern)
        return self.count


class Governor(threading.Thread):
    """Holds a sender back (say("p"), say("g")) while too many messages are in
    the queue: a backlog says nothing about kills, and all that is in it begins
    afresh with each qmgr. sent, gone: Tails. What is gone without a line in
    the log is known after a while in which nothing goes."""
    IDLE_S = 60

    def __init__(self, sent, gone, say, most):
        super().__init__(daemon=True)
        self.sent, self.gone, self.say, self.most = sent, gone, say, most
        self.stop = threading.Event()

    def run(self):
        lost = before = 0
        moved, pausing = time.monotonic(), False
        while not self.stop.wait(0.1):
            gone = self.gone.read()
            backlog = self.sent.read() - gone - lost
            if gone != before or not pausing:
                before, moved = gone, time.monotonic()
            elif time.monotonic() - moved > self.IDLE_S:
                lost += backlog
            if pausing != (backlog > self.most):
                pausing = not pausing
                try:
                    self.say(b"p" if pausing else b"g")
                except OSError:
                    return


# ---- a disk ----------------------------------------------------------------

class SmallDisk:
    """A file system in a file, else a tmpfs, at `folder`; root only."""
    KINDS = {
        "ext4": ("mkfs.ext4", "-q", "-m", "0", "-i", "16384", "-E",
                 "lazy_itable_init=0,nodiscard"),
        "xfs": ("mkfs.xfs", "-q"),
        "btrfs": ("mkfs.btrfs", "-q"),
    }

    def __init__(self, image, folder, size="400M", kind="ext4"):
        self.image, self.folder = image, folder
        if not os.path.exists(image):
            run("truncate", "-s", size, image)
            run(*self.KINDS[kind], image)
        os.makedirs(folder, exist_ok=True)
        # another mount of it, in a namespace that is ending, must go first
        instance.wait_for(lambda: not run("losetup", "-j", image).stdout,
                          "the end of another mount of " + image)
        if run("mount", "-o", "loop", image, folder, check=False).returncode:
            # a container without loop devices
            run("mount", "-t", "tmpfs", "-o", "mode=755,size=" + size,
                "tmpfs", folder)
        lost = folder + "/lost+found"
        if os.path.isdir(lost):
            os.rmdir(lost)

    def fill(self):
        with open(self.folder + "/.filler", "ab") as handle:
            for octets in (1 << 26, 1 << 22, 1 << 17, 1 << 12):
                try:
                    while True:
                        os.posix_fallocate(handle.fileno(),
                                           os.fstat(handle.fileno()).st_size,
                                           octets)
                except OSError:
                    pass

    def clear(self):
        try:
            os.unlink(self.folder + "/.filler")
        except FileNotFoundError:
            pass

    def close(self):
        run("umount", self.folder, check=False)


# ---- the killer ------------------------------------------------------------

def signal_one(pid, number):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


class Killer:
    """Does harm to an instance, a deed at a time. Each deed is recorded with
    its begin and end; `kills` counts processes that got SIGKILL."""

    def __init__(self, mta, ledger=None, disks=(), seed=None):
        self.mta, self.ledger, self.disks = mta, ledger, disks
        self.random = random.Random(seed)
        self.kills = 0
        self.deeds = {}

    def some(self, count=1):
        master = self.mta.master_pid()
        pids = [pid for pid in self.mta.pids() if pid != master]
        return self.random.sample(pids, min(count, len(pids)))

    def kill_some(self, count=1):
        for pid in self.some(count):
            self.kills += signal_one(pid, signal.SIGKILL)

    def kill_several(self):
        self.kill_some(self.random.randint(2, 5))

    def start(self):
        def tried():
            return self.mta.command("posthorn", "start", check=False,
                                    timeout=120).returncode == 0
        instance.wait_for(tried, "posthorn start", PATIENCE * 4)

    def kill_tree(self):
        pids = self.mta.pids()
        self.kills += len(pids)
        self.mta.kill()
        self.start()

    def kill_master(self):
        pid = self.mta.master_pid()
        if pid:
            self.kills += signal_one(pid, signal.SIGKILL)
        self.start()

    def freeze(self):
        """SIGSTOP, a while, and SIGCONT."""
        pids = self.some(self.random.randint(1, 2))
        for pid in pids:
            signal_one(pid, signal.SIGSTOP)
        time.sleep(self.random.uniform(0.05, 2))
        for pid in pids:
            signal_one(pid, signal.SIGCONT)

    def freeze_and_kill(self):
        pids = self.some(1)
        for pid in pids:
            signal_one(pid, signal.SIGSTOP)
        time.sleep(self.random.uniform(0.05, 1))
        for pid in pids:
            self.kills += signal_one(pid, signal.SIGKILL)

    def terminate(self):
        for pid in self.some(1):
            signal_one(pid, signal.SIGTERM)

    def reload(self):
        self.mta.command("posthorn", "reload", check=False)

    def restart(self):
        self.mta.command("posthorn", "stop", check=False)
        self.start()

    def fill_disk(self):
        if not self.disks:
            return
        disk = self.random.choice(self.disks)
        disk.fill()
        time.sleep(self.random.uniform(0.5, 3))
        self.kill_some(self.random.randint(0, 2))
        disk.clear()

    def be_quiet(self):
        """Nothing dies for a while: nothing may be doubled either."""
        time.sleep(self.random.uniform(4, 8))

    # (weight, deed): a deed that is not a kill has no other mark
    CHOICES = (
        (60, kill_some), (8, kill_several), (3, kill_tree),
        (2, kill_master), (5, freeze), (4, freeze_and_kill),
        (6, terminate), (3, reload), (2, restart), (2, fill_disk),
        (2, be_quiet),
    )

    # one daemon at a time, mostly: a whole tree is thirty kills
    CHOICES_LONG = (
        (160, kill_some), (8, kill_several), (0.7, kill_tree),
        (1.5, kill_master), (6, freeze), (8, freeze_and_kill),
        (6, terminate), (3, reload), (1, restart), (1.5, fill_disk),
        (1, be_quiet),
    )

    def do(self, deed):
        begin = time.time()
        try:
            deed(self)
        finally:
            name = deed.__name__
            self.deeds[name] = self.deeds.get(name, 0) + 1
            if self.ledger and deed is not Killer.be_quiet:
                self.ledger.add("%.3f" % begin, "%.3f" % time.time(), name,
                                self.kills, flush=False)

    def do_any(self):
        weights = [weight for weight, _ in self.CHOICES]
        self.do(self.random.choices(
            [deed for _, deed in self.CHOICES], weights)[0])
        time.sleep(self.random.uniform(0.02, 0.2))


# ---- rounds ----------------------------------------------------------------

def parse(parser, kills, seconds):
    """The options of a storm; kills and seconds: (short, long) run."""
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--state")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seconds", type=int, help="of a round")
    options = parser.parse_args()
    options.kills = options.kills or kills[options.long]
    options.seconds = options.seconds or seconds[options.long]
    return options


def total(rows):
    sums = defaultdict(int)
    for row in rows:
        for name, value in row.items():
            if name != "problems":
                sums[name] += value
    return sums


def rounds(options, play, show, name, goals=None):
    """One round, or with --long as many as it takes to reach the goals: {name
    of a figure: how much of it}, by default --kills. play(folder, options)
    gives a row of figures; the rows in STATE/NAME.json outlive an
    interruption, and so does STATE/NAME, the folder of the round that was
    interrupted. Exits."""
    goals = goals or {"kills": options.kills}
    state = options.state or tempfile.mkdtemp(prefix="posthorn-storm-")
    os.makedirs(state, exist_ok=True)
    os.chmod(state, 0o755)
    with open(state + "/lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit("another one is at work in " + state)
        play_rounds(options, play, show, name, goals, state)


def play_rounds(options, play, show, name, goals, state):
    path, folder = "%s/%s.json" % (state, name), "%s/%s" % (state, name)
    rows = []
    if os.path.exists(path):
        with open(path) as handle:
            rows = [json.loads(line) for line in handle]

    def are_reached():
        sums = total(rows)
        return all(sums[what] >= much for what, much in goals.items())
    passed = failed = 0
    while not passed + failed or (options.long and not are_reached()):
        options.left = options.kills - total(rows)["kills"]
        row = play(folder, options)
        rows.append(row)
        with open(path, "a") as handle:
            handle.write(json.dumps(row) + "\n")
        show(row)
        if row["problems"]:
            failed += 1
            kept = "%s/%s-failed-%d" % (state, name, len(rows))
            os.rename(folder, kept)
            print("not ok: " + "\nnot ok: ".join(row["problems"]))
            print("all of it is in " + kept)
        else:
            passed += 1
            shutil.rmtree(folder)
        sys.stdout.flush()
    if len(rows) > 1:
        print("all %d rounds:" % len(rows))
        show(total(rows))
    if not options.state and not failed:
        shutil.rmtree(state)
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    sys.exit(1 if failed else 0)
