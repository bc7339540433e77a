"""postlock, postkick, postdrop and qshape: alone, and beside Debian's."""
import os
import re
import subprocess
import tempfile

from instance import (PATIENCE, SBIN, Instance, check, equal, main, matches,
                      wait_for)
from postfix_peer import Postfix, lay_over_usr

# postlock's arguments; FILE is a mailbox file. The exit status is the same,
# and standard error too where True stands.
LOCKS = [
    ("FILE sh -c", "exit 3", True),
    ("FILE sh -c", "exit 0", True),
    ("FILE", "/nonexistent", False),
    ("/nonexistent/x", "true", True),
    ("-l dotlock FILE ls", "FILE.lock", True),
    ("-l flock,dotlock FILE ls", "FILE.lock", True),
    ("-l fcntl FILE ls", "FILE.lock", False),
    ("-l foo FILE", "true", True),
    ("-l dotlock FILE sh -c", "kill -9 $$", True),
    ("FILE", "", False),
    ("-Z FILE", "true", False),
]


def run(folder, env, *argv, data=b""):
    done = subprocess.run([folder + "/" + argv[0], *argv[1:]], env=env,
                          input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=PATIENCE)
    return (done.returncode, done.stdout,
            done.stderr.decode().replace(folder + "/", ""))


def new(**more):
    rules = {"default_transport": "retry:4.4.1 try again",
             "minimal_backoff_time": "1000s", "deliver_lock_attempts": "2"}
    rules.update(more)
    mta = Instance(**rules)
    mta.virtual_mailboxes()
    return mta


def lock_outcomes(folder, env, mailbox):
    seen = []
    for words, last, same_text in LOCKS:
        argv = words.replace("FILE", mailbox).split()
        if last:
            argv.append(last.replace("FILE", mailbox))
        rc, out, err = run(folder, env, "postlock", *argv)
        seen.append((words, last, rc, out if same_text else "",
                     err if same_text else ""))
        check(not os.path.exists(mailbox + ".lock"), "the lock stays")
    return seen


def test_postlock():
    with new() as mta, tempfile.TemporaryDirectory() as folder:
        mta.write_configuration()
        mailbox = folder + "/mbox"
        statuses = [s[2] for s in lock_outcomes(SBIN, mta.env, mailbox)]
        equal(statuses, [3, 0, 1, 75, 0, 0, 2, 75, 1, 75, 75])
        # Somebody else's lock, until it is stale.
        with open(mailbox + ".lock", "w"):
            pass
        rc, out, err = run(SBIN, mta.env, "postlock", mailbox, "true")
        equal(rc, 75)
        matches("unable to create lock file .*: File exists", err)
        os.utime(mailbox + ".lock", (1, 1))
        equal(run(SBIN, mta.env, "postlock", mailbox, "true"), (0, b"", ""))
        # Two of them take turns.
        script = "n=$(cat %s); echo $((n + 1)) > %s" % (mailbox, mailbox)
        with open(mailbox, "w") as handle:
            handle.write("0\n")
        mta.set(deliver_lock_attempts="60")
        mta.write_configuration()
        both = [subprocess.Popen(
            ["sh", "-c", "for i in 1 2 3 4 5; do postlock -l %s %s sh -c '%s'"
             "|| exit 1; done" % (style, mailbox, script)],
            env=dict(mta.env, MAIL_CONFIG=mta.conf))
            for style in ("fcntl,dotlock", "fcntl,dotlock")]
        equal([one.wait(timeout=PATIENCE) for one in both], [0, 0])
        with open(mailbox) as handle:
            equal(handle.read(), "10\n")


def test_postlock_beside_theirs():
    lay_over_usr("postfix")
    with Postfix() as theirs, new() as ours, \
            tempfile.TemporaryDirectory() as folder:
        theirs.write_configuration()
        ours.write_configuration()
        equal(lock_outcomes(SBIN, ours.env, folder + "/mbox"),
              lock_outcomes("/usr/sbin",
                            dict(os.environ, MAIL_CONFIG=theirs.conf),
                            folder + "/mbox"))


def record(kind, data):
    octets, length = kind.encode(), len(data.encode())
    while True:
        octets += bytes([length & 127 | (128 if length > 127 else 0)])
        length >>= 7
        if not length:
            return octets + data.encode()


def records(*rows):
    return b"".join(record(kind, data) for kind, data in rows)


def test_postdrop():
    with new() as mta:
        mta.start()
        text = records(
            ("A", "rewrite_context=local"), ("S", "joe@example.net"),
            ("R", "alice@example.org"), ("R", "bob@example.org"), ("M", ""),
            ("N", "Subject: by records"), ("N", ""), ("N", "x" * 300),
            ("L", "half "), ("N", "and half"), ("X", ""), ("E", ""))
        rc, out, err = run(SBIN, mta.env, "postdrop", "-r", data=text)
        equal((rc, err), (0, ""))
        matches(rb"^protocol\0postdrop_protocol\0queue_id\0[0-9A-Za-z]+\0\0"
                rb"status\0000\0reason\0\0\0$", out)
        for name in ("alice", "bob"):
            matches(r"(?s)Return-Path: <joe@example.net>.*Subject: by records"
                    r"\n.*\n\nx{300}\nhalf and half\n",
                    mta.wait_mail(name)[0].decode())
        for wrong in (text[:-2], b"Subject: no record",
                      records(("S", "a"), ("M", ""), ("X", ""), ("E", ""))):
            rc, out, err = run(SBIN, mta.env, "postdrop", "-r", data=wrong)
            equal((rc, out), (1, b""))
            matches("postdrop: fatal: uid=", err)
        equal(run(SBIN, mta.env, "postdrop", "-r"), (0, b"", ""))


def test_postdrop_dsn():
    """What the records say for RFC 3461 reaches the queue."""
    with new() as mta:
        mta.start()
        rc, out, err = run(SBIN, mta.env, "postdrop", "-r", data=records(
            ("A", "rewrite_context=local"), ("A", "envelope_id=env-1"),
            ("A", "ret_flags=2"), ("S", "joe@example.net"),
            ("A", "dsn_orig_rcpt=rfc822;a+b@example.com"),
            ("A", "notify_flags=6"), ("R", "r@example.com"),
            ("R", "q@example.com"), ("M", ""), ("N", "Subject: x"),
            ("N", ""), ("X", ""), ("E", "")))
        equal((rc, err), (0, ""))
        name = out.split(b"\0")[3].decode()
        mta.wait_log(name + ": to=<q@example.com>.*status=deferred")
        shown = mta.command("postcat", "-e", "-q", name).stdout
        matches("(?s)dsn_envid=env-1\n.*dsn_ret=2\n.*"
                "orcpt=rfc822;a\\+2Bb@example.com\n.*notify=6\n", shown)
        equal(shown.count("notify="), 1)
        equal(shown.count("orcpt="), 1)


def test_rmail():
    with new() as mta:
        mta.set(sendmail_path=SBIN + "/sendmail")
        mta.start()
        run(SBIN, mta.env, "rmail", "alice@example.org", "bob@example.org",
            data=b"From x!joe Mon Nov 30 12:00:00 2026 remote from near\n"
            b">From joe Mon Nov 30 11:00:00 2026 remote from far\n"
            b"Subject: by uucp\n\n.\nbody\n")
        for name in ("alice", "bob"):
            matches(r"(?s)Return-Path: <far!joe@near>\n.*\nSubject: by uucp\n"
                    r".*\n\.\nbody\n", mta.wait_mail(name)[0].decode())
        mta.wait_log(r"pickup\S+ \S+ uid=\d+ from=<near!far!joe>")
        run(SBIN, mta.env, "rmail", "alice@example.org",
            data=b"Subject: from nobody\n\n")
        mta.wait_log(r"pickup\S+ \S+ uid=\d+ from=<>")
        equal(run(SBIN, mta.env, "rmail")[0], 64)


def send(sbin, env, count, sender, *recipients):
    for _ in range(count):
        run(sbin, env, "sendmail", "-f", sender, *recipients,
            data=b"Subject: x\n\n")


def fill(sbin, env):
    send(sbin, env, 3, "a@example.net", "b@example.com", "c@sub.example.com")
    send(sbin, env, 1, "a@Sub.example.net", "b@one.two.example.com")
    send(sbin, env, 1, "<>", "b@a-domain-with-a-name-that-is-rather-too-long-"
         "for-one-line.example.com")


def deferred(sbin, env, count):
    """So many reasons, and none of an active message."""
    def all_wait():
        out = run(sbin, env, "postqueue", "-p")[1]
        return out.count(b"try again") >= count and \
            not re.search(rb"(?m)^\w+\*", out)
    wait_for(all_wait, "deferral")


SHAPES = ["-s -l -b 3 deferred", "-p -m 1 deferred", "-b 5 -t 10", ""]


def test_qshape():
    with new() as mta:
        mta.start()
        fill(SBIN, mta.env)
        deferred(SBIN, mta.env, 5)
        rc, out, err = run(SBIN, mta.env, "qshape", "-b", "3", "deferred")
        equal((rc, err), (0, ""))
        matches(rb"^ +T  5 10 10\+\n +TOTAL  8  8  0   0\n", out)
        matches(rb"\n +sub.example.com  3  3  0   0\n", out)
        rc, out, err = run(SBIN, mta.env, "qshape", "-j", "-s", "-b", "2",
                           "deferred")
        matches(rb'(?m)^{"domain": "example.net", "total": 3, '
                rb'"buckets": \[3, 0\]}$', out)
        equal(run(SBIN, mta.env, "qshape", "-b", "x")[0], 1)
        # postkick has it tried again.
        before = mta.log().count("status=deferred")
        equal(run(SBIN, mta.env, "postkick", "public", "qmgr", "F"),
              (0, b"", ""))
        wait_for(lambda: mta.log().count("status=deferred") >= before + 8,
                 "another attempt")
        rc, out, err = run(SBIN, mta.env, "postkick", "public", "none", "F")
        equal(rc, 1)
        matches("Cannot contact class public service none", err)
        equal(run(SBIN, mta.env, "postkick", "x", "qmgr", "F")[0], 1)


def test_qshape_beside_theirs():
    lay_over_usr("postfix")
    rules = {"default_transport": "retry:4.4.1 try again",
             "minimal_backoff_time": "1000s"}
    with Postfix(**rules) as theirs, Instance(**rules) as ours:
        theirs.start()
        ours.start()
        env = dict(os.environ, MAIL_CONFIG=theirs.conf)
        fill("/usr/sbin", env)
        fill(SBIN, ours.env)
        deferred("/usr/sbin", env, 5)
        deferred(SBIN, ours.env, 5)
        for words in SHAPES:
            a = run("/usr/sbin", env, "qshape", "-c", theirs.conf,
                    *words.split())
            b = run(SBIN, ours.env, "qshape", *words.split())
            # Rows of the same number stand in no certain order there.
            equal(sorted(b[1].split(b"\n")), sorted(a[1].split(b"\n")))


if __name__ == "__main__":
    main(globals())
