"""The loads that are a full queue: deferred mail, and a million messages."""
import os
import pwd
import subprocess
import time

from measure import group
from measure.limit import until
from measure.loads import RELAY, Missing
from measure.peers import load


def files_below(folder):
    total = 0
    try:
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                total += files_below(entry.path)
            else:
                total += not entry.name.startswith("tmp-")
    except FileNotFoundError:
        pass
    return total


def timed(function):
    begin = time.monotonic()
    result = function()
    return time.monotonic() - begin, result


def qmgr_mb(suite, field="VmHWM"):
    return sum(group.status_kb(pid, field)
               for pid in suite.group.named("qmgr")) / 1024


def deferred(bench, suite, count, sink):
    """The destination refuses connections while the mail comes in; then it
    is there and the queue is flushed."""
    if bench.quick:
        count //= 10
    seconds, said = timed(lambda: load(
        bench.build, suite.port, 50, count, domain=RELAY, octets=2048))
    if said.get("sent") != count:
        raise Missing("%d of %d messages were accepted" % (
            said.get("sent", 0), count))
    begin = time.monotonic()
    until(lambda: files_below(suite.queue + "/deferred") >= count, 0.5)
    seconds += time.monotonic() - begin
    result = {"defer_rate": count / seconds}
    for option in "pj":
        took, done = zip(*[timed(lambda: suite.command(
            "postqueue", "-" + option)) for _ in range(3)])
        result["list_%s_s" % option] = sorted(took)[1]
        shown = done[0].stdout.count(
            "sender@example.net" if option == "p" else "\n")
        if shown != count:
            raise Missing("postqueue -%s shows %d of %d" % (
                option, shown, count))
    result["qmgr_mb"] = qmgr_mb(suite, "VmRSS")
    sink.start()
    cpu, begin = suite.group.cpu_ms(), time.monotonic()
    suite.command("postqueue", "-f")
    until(lambda: sink.recipients() >= count)
    result["drain_rate"] = count / (time.monotonic() - begin)
    time.sleep(1.5)
    result["drain_cpu"] = (suite.group.cpu_ms() - cpu) / count
    result["qmgr_most_mb"] = qmgr_mb(suite)
    until(lambda: files_below(suite.queue + "/deferred") == 0, 0.1)
    if sink.recipients() != count:
        raise Missing("%d of %d arrived" % (sink.recipients(), count))
    return result


def queued(bench, suite, count, sink):
    """So many messages in deferred/, none due: the start, what qmgr takes
    for each, the first screen of the list. posthorn only."""
    if bench.quick:
        count //= 10
    wait_delivered(bench, suite, sink)
    empty_kb = settle(suite)
    suite.mta.stop()
    user = pwd.getpwnam("posthorn")
    took, _ = timed(lambda: subprocess.run(
        [bench.build + "/tests/bench/fill", suite.queue, str(count),
         str(user.pw_uid), str(user.pw_gid)], check=True,
        stdout=subprocess.DEVNULL))
    result = {"fill_s": took}
    begin = time.monotonic()
    suite.start()
    wait_delivered(bench, suite, sink)
    result["first_delivery_s"] = time.monotonic() - begin
    until(lambda: "messages found in the queue" in suite.mta.log(), 0.2)
    result["indexed_s"] = time.monotonic() - begin
    result["octets_each"] = (settle(suite) - empty_kb) * 1024 / count
    result["screen_s"], shown = timed(lambda: subprocess.run(
        "%s -p | head -50 | wc -l" % " ".join(suite.argv("postqueue")),
        shell=True, env=suite.mta.env, stdout=subprocess.PIPE).stdout)
    if int(shown) != 50:
        raise Missing("postqueue -p shows %s lines" % shown.decode())
    return result


def wait_delivered(bench, suite, sink):
    """A message goes through."""
    before = sink.recipients()
    said = load(bench.build, suite.port, 1, 1, domain=RELAY)
    if said.get("sent") != 1:
        raise Missing("the message was not accepted")
    until(lambda: sink.recipients() > before, 0.005)


def settle(suite):
    """Octets of qmgr that are its own."""
    pid = suite.group.named("qmgr")[0]
    return group.status_kb(pid, "RssAnon")
