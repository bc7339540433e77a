"""The processes of a suite: their CPU time and memory."""
import itertools
import os
import re

from instance import Failed, wait_for

ROOT = "/sys/fs/cgroup"
V1 = ROOT + "/cpuacct"
NUMBERS = itertools.count()


def has_v2():
    return os.path.exists(ROOT + "/cgroup.controllers")


class Group:
    """A control group (version 1 or 2): everything started in it counts,
    also what has ended. Where there is none, a sum over what lives."""

    def __init__(self, name):
        folder = V1 if os.path.isdir(V1) else ROOT
        self.outside = folder + "/cgroup.procs"
        self.path = "%s/posthorn-bench-%d-%d-%s" % (
            folder, os.getpid(), next(NUMBERS), name)
        self.home = None
        try:
            os.mkdir(self.path)
        except OSError:
            self.path = None

    def run_inside(self, function):
        """Call function() so that what it starts belongs to the group."""
        if self.path is None:
            self.before = set(all_pids())
            return function()
        self.move(self.path + "/cgroup.procs")
        try:
            return function()
        finally:
            self.move(self.outside)

    @staticmethod
    def move(path):
        with open(path, "w") as handle:
            handle.write(str(os.getpid()))

    def pids(self):
        if self.path is None:
            return descendants(self.before)
        with open(self.path + "/cgroup.procs") as handle:
            return [int(line) for line in handle]

    def named(self, name):
        return [pid for pid in self.pids() if program(pid) == name]

    def cpu_ms(self):
        if self.path is None:
            return sum(map(cpu_of, self.pids()))
        if os.path.exists(self.path + "/cpuacct.usage"):
            with open(self.path + "/cpuacct.usage") as handle:
                return int(handle.read()) / 1e6
        with open(self.path + "/cpu.stat") as handle:
            return int(re.search(r"usage_usec (\d+)",
                                 handle.read()).group(1)) / 1e3

    def pss_mb(self):
        return sum(map(pss_kb, self.pids())) / 1024

    def is_removed(self):
        try:
            os.rmdir(self.path)
        except OSError:  # a process is still there
            return False
        return True

    def close(self):
        if self.path is not None:
            try:
                wait_for(self.is_removed, "the end of its processes", 10)
            except Failed:
                pass


def read(path):
    try:
        with open(path) as handle:
            return handle.read()
    except OSError:
        return ""


def program(pid):
    return read("/proc/%d/comm" % pid).strip()


def pss_kb(pid):
    found = re.search(r"Pss:\s+(\d+)", read("/proc/%d/smaps_rollup" % pid))
    return int(found.group(1)) if found else 0


def status_kb(pid, field):
    """VmHWM, RssAnon and the like."""
    found = re.search(field + r":\s+(\d+)", read("/proc/%d/status" % pid))
    return int(found.group(1)) if found else 0


def stat(pid):
    return read("/proc/%d/stat" % pid).rpartition(")")[2].split()


def cpu_of(pid):
    """With that of its children that have ended."""
    return sum(map(int, stat(pid)[11:15])) * 1000 / os.sysconf("SC_CLK_TCK")


def kernel_ms():
    """CPU of the kernel's threads, whoever they work for: journals, the
    writing behind, loop devices."""
    return sum(cpu_of(pid) for pid in all_pids() if stat(pid)[1:2] == ["2"])


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(before):
    """Daemons that have come since."""
    return [pid for pid in all_pids()
            if pid not in before and program(pid) in DAEMONS]


DAEMONS = set("""master smtpd cleanup qmgr smtp local virtual pipe bounce
trivial-rewrite rewrite proxymap anvil postlogd pickup showq error discard lmtp
tlsmgr scache verify resolver dialer auth login""".split())
