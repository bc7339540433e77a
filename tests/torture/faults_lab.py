"""A running instance whose system calls can be made to fail, and what has to
be true of it after each run (see tests/torture/faults)."""
import ctypes
import mmap
import os
import re
import subprocess
import time
from collections import Counter

from instance import Failed, wait_for, SBIN

HERE = os.path.dirname(os.path.abspath(__file__))
ENDURES = 30.0  # seconds until something counts as hanging
NAME, FRAMES, MODULES, PATH, PROGRAMS, CALLS, KINDS = 16, 12, 24, 80, 40, 31, 6
KIND_NAMES = ("", "file", "stream", "packet", "other", "pipe")
SHORT, JUMP, END = -1, -2, -3
ANY, FOREVER = PROGRAMS, 1 << 30


# Lines about the life of a message: daemon, queue ID, id, "active" or not.
LIVES = re.compile(
    r"/(cleanup|qmgr|postsuper)\[\d+\]: (\w+): (?:message-id=<(\w+)@ledger|"
    r"orig_id=(\w+)|from=.*\((queue active)\)|removed$)", re.M)


UNHEARD = re.compile(r": (\w+): qmgr does not hear ")
# What could be seen is taken back: a flush of its name failed.
WITHDRAWN = " delivery is withdrawn: "


class Module(ctypes.Structure):
    _fields_ = [("start", ctypes.c_uint64), ("end", ctypes.c_uint64),
                ("path", ctypes.c_char * PATH)]


class Control(ctypes.Structure):
    """struct control of faults_inject.c."""
    _fields_ = [
        ("armed", ctypes.c_uint32), ("program", ctypes.c_uint32),
        ("calls", ctypes.c_uint32), ("kinds", ctypes.c_uint32),
        ("first", ctypes.c_uint32), ("repeat", ctypes.c_uint32),
        ("error", ctypes.c_int32),
        ("seen", ctypes.c_uint32), ("fired", ctypes.c_uint32),
        ("pid", ctypes.c_int32),
        ("clock_offset_s", ctypes.c_int64), ("jump_s", ctypes.c_int64),
        ("frame_count", ctypes.c_uint32), ("call_count", ctypes.c_uint32),
        ("kind_count", ctypes.c_uint32), ("frames_most", ctypes.c_uint32),
        ("programs_most", ctypes.c_uint32),
        ("frames", ctypes.c_uint64 * FRAMES),
        ("names", (ctypes.c_char * NAME) * PROGRAMS),
        ("call_names", (ctypes.c_char * NAME) * CALLS),
        ("counts", ((ctypes.c_uint32 * KINDS) * CALLS) * PROGRAMS),
        ("module_count", ctypes.c_uint32),
        ("modules", Module * MODULES),
    ]


class Fault:
    """One fault to arm; `index` is that of the call from then on. `calls` and
    `kinds` are sets; `name` is what they are called together. `lasting`: it
    fails until the fault is disarmed."""

    def __init__(self, program, name, calls, kinds, error, index,
                 lasting=False):
        self.program, self.name, self.error = program, name, error
        self.calls, self.kinds, self.index = calls, kinds, index
        self.lasting = lasting

    def __str__(self):
        times = "*" if self.lasting else "*%d" % self.error.repeat \
            if self.error.repeat > 1 else ""
        return "%s %s[%d] %s%s" % (self.program, self.name, self.index,
                                   self.error.name, times)


def build_library(folder):
    path = folder + "/faults_inject.so"
    cc = os.environ.get("CC", "cc").split()
    subprocess.run(cc + ["-O2", "-g", "-Wall", "-Wextra", "-shared", "-fPIC",
                         "-o", path, HERE + "/faults_inject.c", "-ldl"],
                   check=True)
    return path


class Switchboard:
    """The memory that is shared with the library."""

    def __init__(self, folder):
        self.library = build_library(folder)
        self.path = folder + "/faults-control"
        size = (ctypes.sizeof(Control) + 4095) // 4096 * 4096
        with open(self.path, "w+b") as handle:
            handle.truncate(size)
            self.memory = mmap.mmap(handle.fileno(), size)
        os.chmod(self.path, 0o666)
        self.control = Control.from_buffer(self.memory)
        self.environment = {"LD_PRELOAD": self.library,
                            "FAULTS_CONTROL": self.path}

    def programs(self):
        return {bytes(name.value).decode(): at for at, name in
                enumerate(self.control.names) if name.value}

    def calls(self):
        c = self.control
        if c.call_count and (c.call_count != CALLS or c.kind_count != KINDS or
                             c.frames_most != FRAMES or
                             c.programs_most != PROGRAMS):
            raise Failed("faults_lab.py does not fit faults_inject.c")
        return {bytes(name.value).decode(): at for at, name in
                enumerate(c.call_names) if name.value}

    def counts(self):
        """Calls so far, by program, call and kind."""
        c, calls = self.control, self.calls()
        return {(program, call, kind): c.counts[p][at][kind]
                for program, p in self.programs().items()
                for call, at in calls.items() for kind in range(KINDS)
                if c.counts[p][at][kind]}

    def arm(self, fault):
        c, calls = self.control, self.calls()
        c.armed = 0
        c.program = ANY if fault.program == "all" else \
            self.programs()[fault.program[:8]]
        c.calls = sum(1 << calls[name] for name in fault.calls)
        c.kinds = sum(1 << kind for kind in fault.kinds)
        c.first = fault.index
        c.repeat = FOREVER if fault.lasting else fault.error.repeat
        c.error = fault.error.number
        c.jump_s = fault.error.jump_s
        c.seen = c.fired = c.frame_count = 0
        c.armed = 1

    def disarm(self):
        """Number of calls that were struck."""
        self.control.armed = 0
        self.control.clock_offset_s = 0
        return self.control.fired

    def trace(self):
        """Where the last fault struck: (module, offset), innermost first,
        without the library itself."""
        c, places = self.control, []
        for address in c.frames[:min(c.frame_count, FRAMES)]:
            for module in c.modules[:min(c.module_count, MODULES)]:
                if module.start <= address < module.end:
                    path = bytes(module.path).decode()
                    if not path.endswith("faults_inject.so"):
                        places.append((path, address - module.start))
                    break
        return places


def describe(places, program_path, limit=8):
    """Functions and lines of a trace."""
    lines = []
    for path, offset in places[:limit]:
        path = path or program_path
        done = subprocess.run(["addr2line", "-sfe", path, hex(offset - 1)],
                              stdout=subprocess.PIPE, check=False)
        name, _, line = done.stdout.decode().partition("\n")
        if name == "??" or not name:
            name = os.path.basename(path)
        lines.append("%s (%s)" % (name, line.strip()))
    return " < ".join(lines)


class Lab:
    """An instance with a switchboard, and the ledger of all runs. A message
    is judged by its id; its life has ended when its queue ID, or that of
    what it became (a bounce, a forwarded copy), was removed."""

    def __init__(self, mta, report):
        self.mta, self.report = mta, report
        self.switchboard = Switchboard(mta.folder)
        self.collectors = []    # functions that yield (id, queue IDs)
        self.outcomes = {}      # id: outcome of its run
        self.labels = {}        # id: what was done to it
        self.found = Counter()  # id: how often it arrived
        self.doubtful = set()   # ids whose verdict may have got lost
        self.repeats = False    # may what the fault hits deliver twice?
        self.suspects = []      # ids that arrived once more
        self.excused = set()    # ids whose delivery was cut off by a fault
        self.current = set()    # ids of this run
        self.alive = set()      # ids that may still be on their way
        self.queue_ids = {}     # id: its queue ID
        self.deleted = set()    # ids that postsuper -d said it deleted
        self.perhaps_deleted = set()
        self.copies = {}        # id: queue IDs of what arrived
        self.active = set()     # queue IDs
        self.removed = set()
        self.origins = {}       # file in large/: the run that left it
        self.unread = ""        # log that was not judged yet
        self.log_at = 0
        self.serial = 0
        self.restarts = 0
        names = ("TZ LANG=C MAIL_CONFIG LD_PRELOAD FAULTS_CONTROL")
        mta.set(import_environment=names)
        mta.env.update(self.switchboard.environment)
        self.plain_env = dict(mta.env)
        for name in self.switchboard.environment:
            del self.plain_env[name]

    # -- processes ---------------------------------------------------------

    def processes(self):
        """{pid: program} of master and all below it."""
        found, todo = {}, [self.mta.master_pid()]
        while todo:
            pid = todo.pop()
            if not pid or pid in found:
                continue
            try:
                with open("/proc/%d/comm" % pid) as handle:
                    found[pid] = handle.read().strip()
                with open("/proc/%d/task/%d/children" % (pid, pid)) as handle:
                    todo += [int(word) for word in handle.read().split()]
            except OSError:
                found.pop(pid, None)
        return found

    def descriptors(self, program):
        """{pid: number of open descriptors} of a program."""
        counts = {}
        for pid, name in self.processes().items():
            if name[:8] == program[:8]:
                try:
                    counts[pid] = len(os.listdir("/proc/%d/fd" % pid))
                except OSError:
                    pass
        return counts

    def processes_of(self, program):
        return [pid for pid, name in self.processes().items()
                if name[:8] == program[:8]]

    def children_of(self, pids):
        found = []
        for pid in pids:
            try:
                with open("/proc/%d/task/%d/children" % (pid, pid)) as handle:
                    found += [int(word) for word in handle.read().split()]
            except OSError:
                pass
        return found

    def await_death(self, pid):
        wait_for(lambda: not self.is_here(pid), "the end of %d" % pid)

    def is_here(self, pid):
        try:
            with open("/proc/%d/stat" % pid) as handle:
                return handle.read().rsplit(") ", 1)[1][0] not in "ZX"
        except OSError:
            return False

    # -- life --------------------------------------------------------------

    def start(self):
        self.mta.start()

    def restart(self):
        """A new start after kill -9 of everything."""
        self.switchboard.disarm()
        self.mta.kill()
        self.restarts += 1
        self.mta.command("posthorn", "start")
        self.mta.wait_port(self.mta.smtp_port)

    def flush(self):
        run_quietly([SBIN + "/postqueue", "-f"], self.plain_env)

    # -- the ledger --------------------------------------------------------

    def new_id(self, label):
        self.serial += 1
        name = "id%d" % self.serial
        self.labels[name] = label
        self.alive.add(name)
        self.current.add(name)
        return name

    def excuse_all(self):
        """A fault cut off deliveries: of these, any may be repeated (of
        this run also what was just removed: qmgr writes marks before it
        waits, and may have died before that)."""
        self.excused |= self.alive | self.current

    def collect(self):
        """Take in what has arrived."""
        for collector in self.collectors:
            for name, queue_ids in collector():
                self.found[name] += 1
                self.copies.setdefault(name, set()).update(queue_ids)
                self.judge(name)

    def judge(self, name):
        """One more has arrived."""
        outcome, label = self.outcomes.get(name), self.labels.get(name, name)
        if name in self.deleted:
            self.report.violation(label, "delivered, though it was deleted")
        elif self.found[name] > 1:
            self.suspects.append(name)
        elif outcome in ("temporary", "permanent"):
            if name in self.doubtful:
                self.report.doubt(label)
            else:
                self.report.violation(label, "delivered, though the answer "
                                      "was: %s" % outcome)

    def judge_doubles(self):
        """Once the log says which deliveries were cut off."""
        if self.suspects:
            time.sleep(0.1)
            self.follow()
        for name in self.suspects:
            label = self.labels.get(name, name)
            if self.may_be_double(name):
                self.report.doubled(label)
            else:
                self.report.violation(label, "doubled: %s" % name)
        self.suspects = []

    def may_be_double(self, name):
        return name in self.excused or (
            self.repeats and name in self.alive | self.current and
            self.switchboard.control.fired > 0)

    def conclude(self, name, outcome):
        """What the client was told."""
        self.outcomes[name] = outcome
        if outcome in ("temporary", "permanent") and self.found[name] and \
                name not in self.doubtful:
            self.report.violation(self.labels[name], "delivered, though the "
                                  "answer was: %s" % outcome)

    def delete(self, name):
        """It was deleted from the queue: it never arrives."""
        self.deleted.add(name)
        if self.found[name]:
            self.report.violation(self.labels[name], "was there before it "
                                  "was deleted")

    def may_be_gone(self):
        return self.deleted | self.perhaps_deleted

    def has_ended(self, name):
        if name in self.may_be_gone():
            return self.queue_ids.get(name) in self.removed
        if self.outcomes.get(name) != "acknowledged":
            return bool(self.found[name])
        ids = {self.queue_ids.get(name)} | self.copies.get(name, set())
        return bool(self.found[name]) and ids <= self.removed

    def pending(self):
        """What was acknowledged and has not ended."""
        return [name for name in self.alive
                if self.outcomes.get(name) == "acknowledged" and
                not self.has_ended(name)]

    def await_end(self):
        """True when all that was acknowledged has arrived and its life has
        ended; asks for deliveries."""
        start = time.monotonic()
        flush_at, look_at, pause = start + 0.7, start + 4, 0.002
        while True:
            self.follow()
            self.collect()
            pending = self.pending()
            if not pending and not self.active:
                break
            now = time.monotonic()
            if now > start + ENDURES:
                return False
            if now > look_at and self.is_empty() and all(
                    self.found[name] or name in self.may_be_gone()
                    for name in pending):
                self.report.unlogged += 1  # the line was lost
                self.forget(pending)
                break
            look_at = max(look_at, now + 1) if now > look_at else look_at
            if now > flush_at:
                self.flush()
                flush_at = now + 0.7
            time.sleep(pause)
            pause = min(pause * 1.3, 0.02)
        self.judge_doubles()
        self.alive = {name for name in self.alive if not self.has_ended(name)}
        return True

    def forget(self, pending):
        self.alive -= set(pending)
        self.active.clear()

    def is_empty(self):
        try:
            return not self.queue()
        except (Failed, subprocess.TimeoutExpired):
            return False

    # -- what the log says ---------------------------------------------------

    def follow(self):
        """Read on in the log, and see what became of messages."""
        try:
            with open(self.mta.log_path, "rb") as handle:
                handle.seek(self.log_at)
                text = handle.read()
        except OSError:
            return
        end = text.rfind(b"\n") + 1
        self.log_at += end
        text = text[:end].decode("utf-8", "replace")
        self.unread += text
        for _, queue_id, name, old, active in LIVES.findall(text):
            if name:
                self.queue_ids[name] = queue_id
            elif old or active:
                self.active.add(queue_id)
                self.remove(old)
            else:
                self.remove(queue_id)

        if WITHDRAWN in text:
            self.excuse_all()
        for queue_id in UNHEARD.findall(text):  # its agent ended it alone
            self.excused.update(name for name, its in self.queue_ids.items()
                                if its == queue_id)

    def remove(self, queue_id):
        self.removed.add(queue_id)
        self.active.discard(queue_id)

    def new_log(self):
        self.follow()
        text, self.unread = self.unread, ""
        return text

    # -- what must not be left behind ----------------------------------------

    def leftovers(self):
        """Files of messages, when the queue is empty."""
        found = []
        for folder in ("deferred", "hold", "corrupt", "maildrop",
                       "bounce", "defer", "trace"):
            for path, _, names in os.walk(self.mta.queue + "/" + folder):
                found += [path + "/" + name for name in names]
        for path, folders, names in os.walk(self.mta.mail):
            if os.path.basename(path) == "tmp":
                found += [path + "/" + name for name in names
                          if not is_of_the_dead(name)]
            found += [path + "/" + name for name in names
                      if name.endswith(".lock")]
        return [path for path in found if not is_bookkeeping(path)]

    def remove_leftovers(self):
        """For the next scenario."""
        for path in self.leftovers():
            os.unlink(path)

    def orphans(self):
        """Content in large/, by its name; with an empty queue, of what came
        to nothing while nobody could remove it."""
        try:
            return os.listdir(self.mta.queue + "/large")
        except OSError:
            return []

    def note_orphans(self, label):
        for name in self.orphans():
            self.origins.setdefault(name, label)

    def left_by(self):
        return [self.origins.get(name) for name in self.orphans()]

    def judge_orphans(self, label):
        """A submission's that came to nothing as its cleanup died, or could
        not remove it, is left: qmgr removes it when it is a day old."""
        try:  # those of messages go with a flush, a moment later
            wait_for(lambda: len(self.orphans()) <=
                     self.report.orphans_excused, "no content left",
                     ENDURES)
        except Failed:
            self.report.violation(label, "%d files in large/, %d excused: "
                                  "%s" % (len(self.orphans()),
                                          self.report.orphans_excused,
                                          self.left_by()))
        self.report.orphans_excused = 0
        left = self.orphans()
        if not left:
            return
        self.report.count(label, "orphans")
        old = time.time() - 2 * 86400
        for name in left:
            os.utime(self.mta.queue + "/large/" + name, (old, old))
        self.restart()
        try:
            wait_for(lambda: not set(left) & set(self.orphans()),
                     "old files in large/ to go", ENDURES)
        except Failed as why:
            self.report.violation(label, "%s: %s" % (why, self.left_by()))

    def audit(self, label):
        """The queue drains, nothing is left, all that was promised came."""
        def drained():
            self.collect()
            if self.is_empty():
                return True
            self.flush()
            time.sleep(0.2)
            return False
        try:
            wait_for(drained, "the queue to drain", ENDURES)
        except Failed:
            self.report.violation(label, "the queue does not drain: %s" %
                                  str(self.queue())[:1000])
        # What an agent had begun for LMTP when it died: its client comes again
        # with another message, so nobody removes it before its 36 hours.
        most = self.report.by_scenario[label.split(":")[0]]["exits"] \
            if label.startswith("lmtp") else 0
        try:
            wait_for(lambda: len(self.leftovers()) <= most, "no files left",
                     ENDURES)
        except Failed:
            self.report.violation(label, "left behind: %s" %
                                  self.leftovers()[:5])
        self.remove_leftovers()
        self.judge_orphans(label)
        self.collect()
        self.judge_doubles()
        for name, outcome in self.outcomes.items():
            if outcome == "acknowledged" and not self.found[name] and \
                    name not in self.may_be_gone():
                self.report.violation(self.labels[name], "LOST %s" % name)
        self.outcomes.clear()
        self.alive.clear()

    def queue(self):
        import json
        done = subprocess.run([SBIN + "/postqueue", "-j"], env=self.plain_env,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120)
        if done.returncode:
            raise Failed("postqueue -j: %r" % done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]


def is_of_the_dead(name):
    """What APPEND had begun when its process ended stays in tmp/ for 36
    hours, as maildir(5) has it; who lives removes it."""
    maker = re.search(r"P(\d+)R[0-9a-f]{16}", name)
    return maker and not os.path.exists("/proc/" + maker.group(1))


def is_bookkeeping(path):
    return os.path.basename(path).startswith(".") or path.endswith("index")


def run_quietly(argv, env, **more):
    return subprocess.run(argv, env=env, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=120, **more)
