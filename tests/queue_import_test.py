"""posthorn queue import: mail that real Postfix queued, each kind of it; an
import that is killed between any two calls; and what is refused."""
import atexit
import json
import os
import re
import shutil
import subprocess
import tempfile

from instance import (LIBEXEC, PATIENCE, Instance, Skip, check, equal, main,
                      matches, run, wait_for)
from postfix_peer import Postfix

LONG = "x" * 70 + "\r\n"


def new(**more):
    rules = {"default_transport": "retry:4.4.1 try again",
             "minimal_backoff_time": "1000s", "maximal_backoff_time": "1000s",
             "local_recipient_maps": ""}
    rules.update(more)
    return Instance(**rules)


def talk(port, lines, content):
    """One SMTP session; the queue ID."""
    import socket
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
        file = s.makefile("rw", newline="")

        def reply():
            while True:
                line = file.readline()
                if line[3:4] != "-":
                    return line
        reply()
        for line in lines:
            file.write(line + "\r\n")
            file.flush()
            answer = reply()
            check(answer[0] in "23", line + ": " + answer)
        file.write(content + ".\r\n")
        file.flush()
        answer = reply()
        matches("^250", answer)
        return answer.split()[-1]


def message(subject, octets=10):
    return "Subject: %s\r\nFrom: a@example.net\r\n\r\n" % subject + \
        LONG * (octets // 70 + 1)


def fill(theirs):
    """Files of several kinds in a Postfix queue; it is stopped then."""
    port = theirs.smtp_port
    ids = {}
    ids["dsn"] = talk(port, [
        "EHLO client.example.net",
        "MAIL FROM:<s@example.net> RET=HDRS ENVID=e+2B1 BODY=8BITMIME",
        "RCPT TO:<r@slow.example> NOTIFY=SUCCESS,DELAY "
        "ORCPT=rfc822;r+2Bx@slow.example",
        "RCPT TO:<q@done.example>", "DATA"], message("dsn"))
    ids["null"] = talk(port, ["HELO x", "MAIL FROM:<>",
                              "RCPT TO:<r@slow.example>", "DATA"],
                       message("null"))
    ids["large"] = talk(port, ["HELO x", "MAIL FROM:<l@example.net>",
                               "RCPT TO:<r@slow.example>", "DATA"],
                        message("large", 200000))
    ids["held"] = talk(port, ["HELO x", "MAIL FROM:<h@example.net>",
                              "RCPT TO:<r@slow.example>", "DATA"],
                       message("held"))
    ids["filter"] = talk(port, ["HELO x", "MAIL FROM:<f@filter.example>",
                                "RCPT TO:<r@slow.example>", "DATA"],
                         message("filter"))
    for name in ("dsn", "null", "large", "held"):
        wait_for(lambda: re.search(ids[name] + ": to=<r@slow.example>.*"
                                   "status=deferred", theirs.log()), name)
    wait_for(lambda: re.search(ids["filter"] + ": to=.*status=deferred",
                               theirs.log()), "filter")
    run("/usr/sbin/postsuper", "-c", theirs.conf, "-h", ids["held"])
    run("/usr/sbin/postfix", "-c", theirs.conf, "stop")
    run("/usr/sbin/sendmail", "-C", theirs.conf, "-f", "drop@example.net",
        "-N", "delay", "r@slow.example",
        input="Subject: dropped\n\nbody\n",
        env=dict(os.environ, MAIL_CONFIG=theirs.conf))
    return ids


def postfix():
    filter_map = "inline:{{f@filter.example=FILTER retry:filtered}}"
    return Postfix(
        default_transport="smtp:[127.0.0.1]:9",
        transport_maps="inline:{{done.example=discard:}}",
        smtpd_sender_restrictions="check_sender_access " + filter_map,
        hash_queue_depth="2")


def queued(mta):
    return {m["sender"]: m for m in mta.queue_list()}


def shown(mta, row):
    return mta.command("postcat", "-eh", "-q", row["queue_id"]).stdout


def compare(mta, before):
    """What was in their queue is in ours."""
    now = queued(mta)
    equal(sorted(now), sorted(before))
    for sender, row in now.items():
        old = before[sender]
        equal([r["address"] for r in row["recipients"]],
              [r["address"] for r in old["recipients"]])
        if row["queue_name"] != "maildrop":
            equal(row["arrival_time"], old["arrival_time"])
            # Postfix counts the line ends twice.
            check(0 < old["message_size"] - row["message_size"] <
                  row["message_size"] / 25, "%r, %r" % (row, old))
        equal((sender, row["queue_name"] == "hold"),
              (sender, old["queue_name"] == "hold"))
    dsn = shown(mta, now["s@example.net"])
    matches("(?s)dsn_envid=e[+]1\n.*dsn_ret=2\n.*encoding=8bit\n.*"
            "client_address=127.0.0.1\n.*orcpt=rfc822;r[+]2Bx@slow.example\n"
            ".*notify=10\n.*Subject: dsn", dsn)
    matches("content_filter=retry:filtered", shown(mta,
                                                   now["f@filter.example"]))


def their_list(theirs):
    out = run("/usr/sbin/postqueue", "-c", theirs.conf, "-j").stdout
    return {m["sender"]: m for m in map(json.loads, out.splitlines())}


def is_empty(folder):
    return not any(files for path, _, files in os.walk(folder)
                   if not re.search("imported|/pid|/private|/public|/defer/",
                                    path + "/"))


def test_everything():
    with new() as mta:
        queue = mta.folder + "/theirs"
        before = place(queue)
        mta.write_configuration()
        mta.command("posthorn", "set-permissions")
        # A file that is cut off, and one that is none, stay.
        with open(queue + "/deferred/ABCDEF0", "wb") as bad:
            bad.write(b"C\x5f" + b"   12" * 19 + b"T\x051234")
        os.chmod(queue + "/deferred/ABCDEF0", 0o700)
        done = mta.command("posthorn", "queue", "import", "--dry-run", queue,
                           check=False)
        equal((done.returncode, queued(mta)), (1, {}))
        done = mta.command("posthorn", "queue", "import", "--json", queue,
                           check=False)
        equal(done.returncode, 1)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        equal(sorted(row["outcome"] for row in rows),
              ["failed"] + ["taken"] * 6)
        matches("deferred/ABCDEF0: not taken: damaged, or not complete",
                done.stderr)
        matches("6 messages taken, 0 already done, 1 not taken", done.stderr)
        os.unlink(queue + "/deferred/ABCDEF0")
        check(is_empty(queue), "their queue is empty")
        compare(mta, before)
        equal(mta.command("posthorn", "queue", "import", queue).returncode, 0)
        mta.start()
        mta.command("posthorn", "queue", "release", "--all")
        mta.wait_log("from=<drop@example.net>, size=")
        mta.command("postqueue", "-f")
        wait_for(lambda: len([m for m in mta.queue_list()
                              if m["queue_name"] == "deferred" and
                              m["recipients"][0].get("delay_reason")]) == 6,
                 "an attempt at each")
        large = queued(mta)["l@example.net"]["queue_id"]
        equal(mta.command("postcat", "-b", "-q", large).stdout.count("x"),
              70 * (200000 // 70 + 1))


THEIRS = []


def their_queue():
    """A folder of what Postfix left, and its listing; made once."""
    if not THEIRS:
        with postfix() as theirs:
            theirs.start()
            fill(theirs)
            folder = tempfile.mkdtemp(prefix="posthorn-theirs-")
            atexit.register(shutil.rmtree, folder, True)
            before = their_list(theirs)
            equal(len(before), 6)
            run("cp", "-a", theirs.folder + "/queue", folder)
            THEIRS.extend((folder + "/queue", before))
    return THEIRS


def place(folder):
    """A copy of their queue, with owners and modes; its listing."""
    queue, before = their_queue()
    shutil.rmtree(folder, ignore_errors=True)
    run("cp", "-a", queue, folder)
    return before


def test_killed():
    """Killed at each of its renames and links, it goes on where it was."""
    if not shutil.which("strace"):
        raise Skip("no strace")
    for call, number in (("renameat", 2), ("linkat", 1), ("linkat", 4),
                         ("unlinkat", 3), ("fsync", 14), ("fdatasync", 9)):
        with new() as mta:
            killed_at(mta, call, number)


def killed_at(mta, call, number):
    queue = mta.folder + "/theirs"
    before = place(queue)
    mta.write_configuration()
    mta.command("posthorn", "set-permissions")
    run("strace", "-f", "-o", "/dev/null", "-e",
        "inject=%s:signal=KILL:when=%d" % (call, number),
        LIBEXEC + "/posthorn-queue", "import", queue, env=mta.env,
        check=False)
    if os.listdir(mta.queue + "/import"):
        done = mta.command("posthorn", "start", check=False)
        equal((done.returncode, len(done.stderr.splitlines())), (1, 1))
        matches("interrupted: run `posthorn queue import`", done.stderr)
    mta.command("posthorn", "queue", "import", queue)
    check(is_empty(queue), "their queue is empty")
    equal(os.listdir(mta.queue + "/import"), [])
    compare(mta, before)
    equal(len(os.listdir(mta.queue + "/large")), 1)


def test_in_place():
    """Our queue_directory is Postfix's: one line says what to do, and that
    is enough."""
    with new() as mta:
        before = place(mta.queue)
        mta.write_configuration()
        done = mta.command("posthorn", "start", check=False)
        equal((done.returncode, done.stdout), (1, ""))
        equal(len(done.stderr.splitlines()), 1)
        matches("posthorn queue import " + mta.queue, done.stderr)
        mta.command("posthorn", "set-permissions")
        mta.command("posthorn", "queue", "import", mta.queue)
        compare(mta, before)
        mta.start()
        mta.command("posthorn", "queue", "release", "--all")
        mta.wait_log("from=<drop@example.net>, size=")
        mta.command("postqueue", "-f")
        mta.wait_log("from=<l@example.net>, size=")
        wait_for(lambda: len([m for m in mta.queue_list()
                              if m["queue_name"] == "deferred"]) == 6,
                 "an attempt at each")


def test_refusals():
    with new() as mta:
        mta.write_configuration()
        empty = mta.folder + "/empty"
        os.mkdir(empty)
        done = mta.command("posthorn", "queue", "import", empty, check=False)
        equal(done.returncode, 1)
        matches("set-permissions", done.stderr)
        mta.start()
        done = mta.command("posthorn", "queue", "import", empty, check=False)
        matches("journal/lock: .*: stop the mail system first", done.stderr)
        done = mta.command("posthorn", "queue", "import", mta.queue,
                           check=False)
        matches("is running: stop it first", done.stderr)
        equal(mta.command("posthorn", "queue", "import",
                          check=False).returncode, 1)


def test_root_leaves_nothing_of_its_own():
    """What postsuper makes while the suite is down is for its daemons."""
    hole = subprocess.Popen(
        ["python3", "-c", "import socket,sys,time\n"
         "s=socket.create_server(('127.0.0.1',0))\n"
         "print(s.getsockname()[1], flush=True)\nsys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = int(hole.stdout.readline())
    try:
        with new(default_transport="smtp:[127.0.0.1]:%d" % port) as mta:
            mta.start()
            mta.send("s@example.net", ["r@example.com"], message("slot"))
            mta.kill()
            mta.command("posthorn", "queue", "hold", "--all")
            mta.set(default_transport="retry:4.4.1 try again")
            mta.start()
            equal([m["queue_name"] for m in mta.queue_list()], ["hold"])
            mta.command("posthorn", "queue", "release", "--all")
            mta.wait_log("status=deferred .try again")
    finally:
        hole.kill()
        hole.wait()


if __name__ == "__main__":
    main(globals())
