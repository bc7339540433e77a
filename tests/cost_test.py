#!/usr/bin/python3
"""What a message costs, in system calls of each daemon: a regression shows
without timing anything. The ceilings are a third above what is needed."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/lib")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/bench")
import counts
from instance import Failed, Instance, Skip, main

MESSAGES = 50
TEXT = "Subject: cost\r\n\r\n" + 50 * (70 * "x" + "\r\n")
# A connection for each message, one after the other. qmgr and virtual flush by
# the clock: theirs are shown only.
CEILINGS = {"smtpd": 57, "cleanup": 21}


def deliver(mta, count):
    before = len(mta.maildir("alice"))
    for _ in range(count):
        mta.send("sender@example.net", ["alice@example.org"], TEXT)
    mta.wait_mail("alice", before + count)


def test_system_calls():
    if not shutil.which("strace"):
        raise Skip("there is no strace")
    with Instance() as mta:
        mta.virtual_mailboxes()
        mta.start()
        deliver(mta, 10)  # everything runs, and its pages are there
        mta.wait_empty()
        trace = counts.Trace(mta.pids(), exact=True)
        if trace.process.poll() is not None:
            raise Skip("strace may not look at the daemons")
        deliver(mta, MESSAGES)
        mta.wait_empty()
        calls = trace.stop()
        for name in sorted(calls):
            print("%-9s %6.1f  %s" % (
                name, sum(calls[name].values()) / MESSAGES,
                " ".join("%s %.1f" % (call, count / MESSAGES)
                         for call, count in calls[name].most_common(8))))
        for name, ceiling in CEILINGS.items():
            spent = sum(calls[name].values()) / MESSAGES
            if not 2 < spent <= ceiling:
                raise Failed("%s: %.1f system calls a message, at most %d "
                             "are expected" % (name, spent, ceiling))


if __name__ == "__main__":
    main(globals())
