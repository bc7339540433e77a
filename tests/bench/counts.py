"""What a message costs each daemon, in numbers that another load of the
machine does not change: system calls (perf stat, else strace), context
switches and page faults (/proc) and CPU time (/proc, at 10 ms)."""
import collections
import os
import re
import shutil
import signal
import subprocess
import time

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def threads(pids):
    """{thread id: (program, process id)}"""
    found = {}
    for pid in pids:
        try:
            with open("/proc/%d/comm" % pid) as handle:
                name = handle.read().strip()
            for tid in os.listdir("/proc/%d/task" % pid):
                found[int(tid)] = name, pid
        except OSError:
            continue
    return found


def switches(tid):
    with open("/proc/%d/status" % tid) as handle:
        text = handle.read()
    return [int(re.search(r"^%s_ctxt_switches:\s+(\d+)" % kind, text,
                          re.M).group(1))
            for kind in ("voluntary", "nonvoluntary")]


def cpu_and_faults(tid):
    with open("/proc/%d/stat" % tid) as handle:
        fields = handle.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_MS, int(fields[7])


def snapshot(pids):
    """{program: [voluntary, involuntary, page faults, CPU ms]}"""
    sums = collections.defaultdict(lambda: [0, 0, 0, 0.0])
    for tid, (name, pid) in threads(pids).items():
        try:
            voluntary, involuntary = switches(tid)
            ms, faults = cpu_and_faults(tid)
        except (OSError, AttributeError):
            continue
        row = sums[name]
        row[0] += voluntary
        row[1] += involuntary
        row[2] += faults
        row[3] += ms
    return sums


CALLS = """accept4 access brk clock_nanosleep clone clone3 close connect
epoll_ctl epoll_wait exit_group fcntl fdatasync fsync fstat ftruncate futex
getdents64 getpeername getpid getrandom getsockname getsockopt ioctl link
linkat lseek madvise mkdirat mmap mprotect munmap newfstat newfstatat openat
poll pread64 pwrite64 read readv recvfrom recvmsg rename renameat renameat2
rt_sigaction rt_sigprocmask sendmsg sendto setsockopt shutdown socket statx
syncfs unlink unlinkat wait4 write writev""".split()


def is_traced(tid):
    try:
        with open("/proc/%d/status" % tid) as handle:
            return "TracerPid:\t0\n" not in handle.read()
    except OSError:
        return True  # it has ended


class Trace:
    """Counts the system calls of these processes from now on."""

    def __init__(self, pids, exact=False):
        """exact: by strace, which is slow and always the same."""
        self.of = threads(pids)
        self.path = "/tmp/posthorn-counts-%d" % os.getpid()
        argv = not exact and self.perf(pids) or self.strace(pids)
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        if argv[0] == "perf":
            time.sleep(2)  # nothing tells when it has begun
        end = time.monotonic() + 30
        while argv[0] == "strace" and self.process.poll() is None and \
                not all(map(is_traced, self.of)):
            if time.monotonic() > end:
                self.process.kill()  # it may not look at some of them
                self.process.wait()
            time.sleep(0.01)

    def perf(self, pids):
        """It slows nothing down; but it needs the kernel's trace events."""
        folder = "/sys/kernel/tracing/events/syscalls/sys_enter_"
        if not shutil.which("perf") or not os.path.isdir(folder + "read"):
            return None
        self.parse = self.parse_perf
        events = ["raw_syscalls:sys_enter"] + [
            "syscalls:sys_enter_" + name for name in CALLS
            if os.path.isdir(folder + name)]
        return ["perf", "stat", "-x,", "--per-thread", "-o", self.path, "-p",
                ",".join(map(str, pids)), "-e", ",".join(events)]

    def strace(self, pids):
        self.parse = self.parse_strace
        argv = ["strace", "-ff", "-qq", "-o", self.path]
        for pid in pids:
            argv += ["-p", str(pid)]
        return argv

    def stop(self):
        """{program: Counter of system calls}"""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        return self.parse()

    def parse_perf(self):
        calls = collections.defaultdict(collections.Counter)
        with open(self.path) as handle:
            for line in handle:
                fields = line.split(",")
                if len(fields) < 4 or not fields[1].isdigit():
                    continue
                name = fields[0].rpartition("-")[0]
                event = fields[3].rpartition(":")[2]
                if name:
                    calls[name][event.replace("sys_enter_", "").replace(
                        "sys_enter", "all")] += int(fields[1])
        os.unlink(self.path)
        for counter in calls.values():
            total = counter.pop("all", 0)
            counter["others"] = max(total - sum(counter.values()), 0)
        return calls

    def parse_strace(self):
        calls = collections.defaultdict(collections.Counter)
        for tid, (name, _) in self.of.items():
            try:
                with open("%s.%d" % (self.path, tid)) as handle:
                    for line in handle:
                        call = re.match(r"(\w+)\(", line)
                        if call:
                            calls[name][call.group(1)] += 1
                os.unlink("%s.%d" % (self.path, tid))
            except OSError:
                continue
        return calls


def table(before, after, calls, messages, most=12):
    """Text: a row per daemon, its figures per message."""
    lines = ["%-10s %7s %7s %7s %7s %7s  %s" % (
        "daemon", "calls", "waits", "preempt", "faults", "CPU ms",
        "calls by name")]
    total = [0.0] * 5
    names = set(after) | set(calls)
    for name in sorted(names, key=lambda n: -sum(calls[n].values())):
        row = [sum(calls[name].values())] + [
            b - a for a, b in zip(before[name], after[name])]
        row = [value / messages for value in row]
        total = [a + b for a, b in zip(total, row)]
        if row[0] < 0.05 and row[4] < 0.005:
            continue
        lines.append("%-10s %7.1f %7.2f %7.2f %7.2f %7.3f  %s" % (
            name, *row, " ".join("%s %.1f" % (call, count / messages)
                                 for call, count
                                 in calls[name].most_common(most)
                                 if count / messages >= 0.05)))
    lines.append("%-10s %7.1f %7.2f %7.2f %7.2f %7.3f" % ("all", *total))
    return "\n".join(lines)
