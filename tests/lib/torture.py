"""A part of tests/torture whose cases are functions called test_*."""
import os
import sys
import time
import traceback

from instance import Skip


def main(names):
    """Run them, or those named as arguments; the last line counts."""
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    counts = {"ok": 0, "not ok": 0, "skip": 0}
    for name, function in list(names.items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        begin, reason = time.monotonic(), ""
        try:
            function()
            verdict = "ok"
        except Skip as why:
            verdict, reason = "skip", " %s" % why
        except Exception:
            traceback.print_exc(file=sys.stdout)
            verdict = "not ok"
        counts[verdict] += 1
        print("%s %s (%.1f s)%s" % (verdict, name,
                                    time.monotonic() - begin, reason))
        sys.stdout.flush()
    print("%d passed, %d failed, %d skipped" % (
        counts["ok"], counts["not ok"], counts["skip"]))
    sys.exit(1 if counts["not ok"] else 0)


def is_long():
    return "--long" in sys.argv


def fork(act, sys_uid=None, sys_gid=None):
    """The pid of a child that runs act() as somebody else."""
    pid = os.fork()
    if pid:
        return pid
    try:
        if sys_gid is not None:
            os.setgroups([])
            os.setresgid(sys_gid, sys_gid, sys_gid)
            os.setresuid(sys_uid, sys_uid, sys_uid)
        act()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
