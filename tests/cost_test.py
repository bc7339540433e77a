#!/usr/bin/python3
"""What a message costs, in system calls of each daemon and in instructions of
three of them: a regression shows without timing anything. The ceilings of
system calls are a third above what is needed, those of instructions a fifth."""
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/lib")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/bench")
import counts
from imap import Mail
from instance import (PATIENCE, Failed, Instance, Skip, is_sanitized, main,
                      wait_for)

MESSAGES = 50
TEXT = "Subject: cost\r\n\r\n" + 50 * (70 * "x" + "\r\n")
# A connection for each message, one after the other. qmgr and virtual flush by
# the clock: theirs are shown only.
CEILINGS = {"smtpd": 57, "cleanup": 21}

# The difference of two runs, N messages each: no start in it.
FEW, MANY = 5, 35
BUILD = os.environ.get("POSTHORN_BUILD",
                       os.path.dirname(os.path.abspath(__file__)) + "/../build")
INSTRUCTIONS = {
    "smtpd/session_cost": 189000,
    "cleanup/intake_cost": 72500,
    "smtp/session_cost": 134000,
}


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


TEAM = ("alice", "bob", "carol")
ALIAS_CEILINGS = {"local": 120}  # a recipient; children are local, too


def homes_of(team):
    for user in team:
        shutil.rmtree(pwd.getpwnam(user).pw_dir + "/Maildir",
                      ignore_errors=True)


def in_homes(team):
    return sum(len(os.listdir(folder)) for folder in (
        pwd.getpwnam(user).pw_dir + "/Maildir/new" for user in team)
               if os.path.isdir(folder))


def test_an_alias_of_several():
    """Their files and names are made durable together."""
    if not shutil.which("strace") or os.geteuid() != 0:
        raise Skip("there is no strace, or no user to deliver to")
    homes_of(TEAM)
    with Instance(local_recipient_maps="", home_mailbox="Maildir/",
                  default_privs="vmail",
                  alias_maps="inline:{{team = %s}}" % ", ".join(TEAM)) as mta:
        mta.start()

        def send(count):
            before = in_homes(TEAM)
            for _ in range(count):
                mta.send("sender@example.net", ["team@example.org"], TEXT)
            wait_for(lambda: in_homes(TEAM) == before + count * len(TEAM),
                     "%d copies" % (count * len(TEAM)))
            mta.wait_empty()

        send(3)
        # One by one it would be two flushes for each: its file, its folder.
        # Where one of the file system was slow, the next are of files again,
        # for 5 s: what is too much each time is too much.
        for _ in range(3 * TRIES):
            trace = counts.Trace(mta.pids(), exact=True)
            if trace.process.poll() is not None:
                raise Skip("strace may not look at the daemons")
            send(MESSAGES // 5)
            calls = trace.stop()["local"]
            each = sum(calls.values()) / (MESSAGES // 5 * len(TEAM))
            print("local     %6.1f  %s" % (each, calls.most_common(12)))
            flushes = calls["fsync"] + calls["syncfs"]
            if 2 < each <= ALIAS_CEILINGS["local"] and \
                    flushes <= MESSAGES // 5 * len(TEAM):
                break
        else:
            raise Failed("%.1f system calls a recipient, %d fsync, %d syncfs" %
                         (each, calls["fsync"], calls["syncfs"]))


BOXES = 40
STATUS = 'LIST "" "*" RETURN (STATUS (MESSAGES UIDNEXT))'
# Of a mailbox that is met for the first time (and, where the machine is slow, a
# third of that for its uidlist, which follows), of one that is known.
STATUS_CEILINGS = (30, 8)


def boxes_of_others(path):
    """What another program has made: no uidlist, no row in an index."""
    for n in range(BOXES):
        for folder in ("tmp", "new", "cur"):
            os.makedirs("%s/.box%d/%s" % (path, n, folder))
        with open("%s/.box%d/cur/1.a:2," % (path, n), "w") as out:
            out.write("Subject: x\n\nx\n")
        # What was changed a moment ago has to be looked at once more.
        for folder in ("new", "cur"):
            os.utime("%s/.box%d/%s" % (path, n, folder), (1, 1))


def traced(pid, ask):
    trace = counts.Trace([pid], exact=True)
    if trace.process.poll() is not None:
        raise Skip("strace may not look at the daemons")
    ask()
    return sum(trace.stop().values(), counts.collections.Counter())


def test_status_of_many():
    """One flush for all that are new, not some for each."""
    if not shutil.which("strace"):
        raise Skip("there is no strace")
    with Mail() as mail:
        c = mail.connect()
        boxes_of_others(mail.path)
        for ceiling in STATUS_CEILINGS:
            calls = traced(mail.processes[0].pid,
                           lambda: c.xatom(*STATUS.split(" ", 1)))
            flushes = sum(calls[call] for call in (
                "fsync", "fdatasync", "syncfs"))
            print("%.1f system calls a mailbox, %d flushes" % (
                sum(calls.values()) / BOXES, flushes))
            if not 2 < sum(calls.values()) / BOXES <= ceiling or flushes > 4:
                raise Failed("%d flushes: %s" % (flushes, calls))
        mail.end(c)


FOREIGN_MAIL = 5000


def test_select_of_many_files():
    """One look at each, and uids are made durable once, not a thousand at a
    time."""
    if not shutil.which("strace"):
        raise Skip("there is no strace")
    with Mail() as mail:
        c = mail.connect()
        path = mail.path + "/.many/"
        for folder in ("tmp", "new", "cur"):
            os.makedirs(path + folder)
        for n in range(FOREIGN_MAIL):
            os.close(os.open("%scur/%d.a:2,S" % (path, n), os.O_CREAT))
        calls = traced(mail.processes[0].pid, lambda: c.select("many"))
        flushes = sum(calls[call] for call in (
            "fsync", "fdatasync", "syncfs"))
        print("%d system calls, %d flushes" % (
            sum(calls.values()), flushes))
        if not 2 < sum(calls.values()) <= FOREIGN_MAIL * 1.2 or flushes > 8:
            raise Failed("%d flushes: %s" % (flushes, calls))
        mail.end(c)


MANY_MESSAGES = 1000
# A rename each, or an unlink; and some for all of them.
BULK_CEILING = 1.4


def test_many_messages_at_once():
    if not shutil.which("strace"):
        raise Skip("there is no strace")
    with Mail() as mail:
        c = mail.connect()
        for n in range(MANY_MESSAGES):
            mail.drop("cur/%d.a:2," % n)
        c.select("INBOX")
        c.fetch("1:*", "(INTERNALDATE)")  # so that dates are known
        c.ok("SEARCH", "TEXT", "none")    # and texts
        c.ok("CREATE", "there")

        def expunge():
            c.ok("EXPUNGE")
            # It goes when all of them have gone, behind the answer.
            wait_for(lambda: not os.path.exists(
                mail.path + "/.there/posthorn-expunged"), "their end")

        def check(what, call, ask):
            calls = traced(mail.processes[0].pid, ask)
            print("%s: %.2f system calls a message: %s" % (
                what, sum(calls.values()) / MANY_MESSAGES,
                calls.most_common(4)))
            if calls[call] < MANY_MESSAGES or sum(
                    calls.values()) > BULK_CEILING * MANY_MESSAGES:
                raise Failed("%s: %s" % (what, calls))

        check("MOVE", "renameat2", lambda: c.ok("MOVE", "1:*", "there"))
        c.select("there")
        c.ok("STORE", "1:*", "+FLAGS.SILENT", "(\\Deleted)")
        wait_for(lambda: all(name.endswith("T") for name in mail.files(
            ".there/cur")), "names that follow")
        check("EXPUNGE", "unlinkat", expunge)
        mail.end(c)


def instructions(program, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        out = folder + "/out"
        subprocess.run(
            ["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" +
             out, program, *map(str, arguments)] +
            ([folder] if "intake" in program else []), check=True,
            timeout=4 * PATIENCE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        with open(out) as handle:
            return int(re.search(r"^(?:totals|summary): (\d+)",
                                 handle.read(), re.M).group(1))


# Of imapd, a message: what meets it, and what is asked once it is known.
FIRST = "a SELECT INBOX\r\n\1wb FETCH 1:* ENVELOPE\r\n\1w"
FIRST_CEILING = 310000
AGAIN = {
    "c FETCH 1:* ENVELOPE\r\n\1w": 3000,
    "c SORT RETURN (PARTIAL 1:10) (DATE) UTF-8 ALL\r\n\1w": 3400,
    "c SORT (SUBJECT) UTF-8 ALL\r\n\1w": 3100,
    "c STORE 1:* +FLAGS.SILENT (\\Flagged)\r\n\1w"
    "c STORE 1:* -FLAGS.SILENT (\\Flagged)\r\n\1w": 8900,
}
MOVE = "c CREATE b\r\n\1wd MOVE 1:* b\r\n\1w"
MOVE_CEILING = 25000
FEW_MAIL, MUCH_MAIL, TIMES, TRIES = 50, 400, 2, 5


def may_count(name):
    if not shutil.which("valgrind"):
        raise Skip("there is no valgrind")
    program = BUILD + "/" + name
    if not os.path.exists(program):
        raise Skip("no " + name)
    if is_sanitized(program):
        raise Skip("valgrind cannot run a sanitized build")
    return program


def check_instructions(what, each, least, ceiling):
    print("%-50s %9.0f instructions a message, at most %d" %
          (what, each, ceiling))
    if not least < each <= ceiling:
        raise Failed("%s: %.0f instructions a message, at most %d are "
                     "expected" % (what, each, ceiling))


def test_imap_instructions():
    program = may_count("imapd/session_cost")
    few = instructions(program, FEW_MAIL, FIRST)
    much = instructions(program, MUCH_MAIL, FIRST)
    check_instructions("first ENVELOPE", (much - few) / (
        MUCH_MAIL - FEW_MAIL), 10000, FIRST_CEILING)
    check_instructions("MOVE", (instructions(
        program, MUCH_MAIL, FIRST + MOVE) - much) / MUCH_MAIL, 1000,
        MOVE_CEILING)
    for commands, ceiling in AGAIN.items():
        # The clock adds to it: a folder that was changed a moment ago is read
        # once more. What is too much each time is too much.
        for _ in range(TRIES):
            spent = instructions(program, MUCH_MAIL, FIRST + TIMES * commands)
            each = (spent - much) / (MUCH_MAIL * TIMES)
            if each <= ceiling:
                break
        check_instructions(commands.split("\r")[0], each, 100, ceiling)


# A lookup of ours against one by the library alone. What is ours is the same
# 230 instructions for each of them (of hash: 300), which weighs most where the
# library needs 400; in time, which is spent on waiting for memory, all three
# are below 1.2 (tests/bench/RESULTS.md).
TABLES = {"hash": 1.2, "lmdb": 1.3, "cdb": 1.7}
TABLE_ENTRIES, FEW_LOOKUPS, MANY_LOOKUPS = 5000, 2000, 12000


def test_lookups_of_tables():
    program = may_count("lib/maps/maps_bench")

    def a_lookup(kind, whose):
        with tempfile.TemporaryDirectory() as folder:
            few, many = (instructions(program, folder, TABLE_ENTRIES, count,
                                      kind, whose)
                         for count in (FEW_LOOKUPS, MANY_LOOKUPS))
        return (many - few) / (MANY_LOOKUPS - FEW_LOOKUPS)
    for kind, ceiling in TABLES.items():
        alone, ours = a_lookup(kind, "alone"), a_lookup(kind, "ours")
        print("%-5s %5.0f instructions a lookup, the library alone %5.0f" %
              (kind, ours, alone))
        if not 100 < alone < ours <= ceiling * alone:
            raise Failed("%s: %.0f instructions a lookup, the library alone "
                         "%.0f: more than %.1f times as many" % (
                             kind, ours, alone, ceiling))


def test_instructions():
    for name, ceiling in INSTRUCTIONS.items():
        program = may_count(name)
        each = (instructions(program, MANY) - instructions(program, FEW)) / (
            MANY - FEW)
        check_instructions(name, each, 10000, ceiling)


if __name__ == "__main__":
    main(globals())
