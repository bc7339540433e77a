"""The queue from outside: deferral, hold, delete, requeue, expiry, the same
while the suite is down, large content, header and body checks, copies and
aliases, and the death of cleanup and qmgr."""
import itertools
import os
import re
import shutil
import signal
import socket
import time

from instance import (SBIN, Failed, Instance, is_root, is_sanitized, made_at,
                      main, run, wait_for)

SLOTS = 12
TEXT = "Subject: %s\r\nFrom: a@example.net\r\n\r\n%s\r\n"


def check(condition, what):
    if not condition:
        raise Failed(what)


def ids(mta, name=None):
    return [m["queue_id"] for m in mta.queue_list()
            if name is None or m["queue_name"] == name]


def wait_queue(mta, name, count):
    wait_for(lambda: len(ids(mta, name)) == count,
             "%d messages in %s" % (count, name))


def ids_on_disk(mta, name="deferred"):
    return [where + "/" + file for where, _, files in
            os.walk(mta.queue + "/" + name) for file in files]


def send(mta, subject, body="body", to="r@example.com"):
    mta.send("s@example.net", to if isinstance(to, list) else [to],
             TEXT % (subject, body))


def new(**more):
    rules = {
        "fast_flush_domains": "example.com",
        "default_transport": "retry:4.4.1 try again",
        "local_transport": "error:5.1.1 nobody of that name",
        "local_recipient_maps": "",
        "smtpd_recipient_restrictions": "permit_mynetworks, reject",
    }
    rules.update(more)
    return Instance(**rules)


def test_a_listing_opens_no_message():
    """What it shows is known without the files, and stays true."""
    with new(minimal_backoff_time="1000s", maximal_backoff_time="1000s") as mta:
        mta.start()
        for number in range(3):
            send(mta, "one", to="r%d@example.com" % number)
        wait_queue(mta, "deferred", 3)
        held, expired, last = ids(mta, "deferred")
        for _ in range(2):  # as it came, and as it was found at the start
            os.rename(mta.queue + "/deferred", mta.queue + "/away")
            out = mta.command("postqueue", "-p").stdout
            listed = mta.queue_list()
            os.rename(mta.queue + "/away", mta.queue + "/deferred")
            check("(try again)" in out and "3 Requests." in out, out)
            check(sorted(m["recipients"][0]["address"] for m in listed) ==
                  ["r%d@example.com" % n for n in range(3)], listed)
            mta.stop()
            mta.start()
            wait_queue(mta, "deferred", 3)
        mta.command("postsuper", "-h", held)
        mta.command("postsuper", "-e", expired)
        state = {m["queue_id"]: (m["queue_name"], m["forced_expire"])
                 for m in mta.queue_list()}
        check(state == {held: ("hold", False), expired: ("deferred", True),
                        last: ("deferred", False)}, state)
        mta.command("postsuper", "-H", held)
        wait_queue(mta, "deferred", 3)


def test_deferral_and_commands():
    with new(minimal_backoff_time="1000s", maximal_backoff_time="1000s") as mta:
        mta.start()
        send(mta, "one")
        send(mta, "two")
        wait_queue(mta, "deferred", 2)
        first, second = ids(mta, "deferred")
        out = mta.command("postqueue", "-p").stdout
        check("(try again)" in out and "2 Requests." in out, out)
        mta.command("postsuper", "-h", first)
        check(ids(mta, "hold") == [first], "hold")
        out = mta.command("postcat", "-q", first).stdout
        check("recipient: r@example.com" in out and "Subject: one" in out, out)
        mta.command("postsuper", "-r", second)
        mta.wait_log(": orig_id=" + second)
        wait_for(lambda: len(ids(mta, "deferred")) == 1 and
                 ids(mta, "deferred") != [second], "another ID")
        mta.command("postsuper", "-H", "ALL")
        wait_queue(mta, "deferred", 2)
        # What is active still, a moment after its line, is not tried again.
        for count, ask in ((2, ("-f",)), (3, ("-i", first)),
                           (4, ("-s", "example.com")), (5, None)):
            mta.wait_log(first + r": to=<r@example.com>.*status=deferred",
                         count=count)
            wait_queue(mta, "deferred", 2)
            if ask:
                mta.command("postqueue", *ask)
        # The same without daemons.
        mta.command("posthorn", "stop")
        wait_for(lambda: not mta.pids(), "the end of all processes")
        check(len(mta.queue_list()) == 2, "the list while the suite is down")
        out = mta.command("postsuper", "-h", first).stderr
        check("Placed on hold: 1 message" in out, out)
        mta.command("posthorn", "start")
        wait_queue(mta, "hold", 1)
        out = mta.command("postsuper", "-d", "ALL").stderr
        check("Deleted: 2 messages" in out, out)
        check("Mail queue is empty" in mta.command("postqueue", "-p").stdout,
              "an empty queue")


def test_deleted_while_it_waits_in_its_slot():
    """What could not be kept in deferred/ waits where it is; deleted, it is
    not in the way of others."""
    with new(minimal_backoff_time="1s", maximal_backoff_time="1s",
             queue_run_delay="1s") as mta:
        mta.start()
        deferred = mta.queue + "/deferred"
        shutil.rmtree(deferred)
        mta.write("queue/deferred", "")  # nothing can be made in it
        send(mta, "one")
        first = mta.wait_log(r"(\w+): cannot be kept in deferred").group(1)
        mta.command("postsuper", "-d", first)
        mta.wait_log(first + ": removed")
        wait_for(lambda: not mta.queue_list(), "an empty queue")
        send(mta, "two")
        (second,) = wait_for(lambda: ids(mta), "the second message")
        mta.wait_log(second + r": to=<r@example.com>.*status=deferred",
                     count=3)


def test_expiry_and_bounce():
    with new(minimal_backoff_time="1s", maximal_backoff_time="1s",
             queue_run_delay="1s", maximal_queue_lifetime="3s",
             bounce_queue_lifetime="1s") as mta:
        mta.start()
        send(mta, "old")
        match = mta.wait_log(r"(\w+): from=<s@example.net>, status=expired, "
                             r"returned to sender")
        mta.wait_log(match.group(1) +
                     ": sender non-delivery notification: ")
        mta.wait_log(match.group(1) + ": removed")
        mta.wait_empty()


def test_forgotten_large_content():
    """What no message names goes when it is a day old, and nothing else."""
    body = "0123456789" * 7 + "\r\n"
    with new(minimal_backoff_time="1000s", maximal_backoff_time="1000s") as mta:
        mta.start()
        send(mta, "large", body * 1500)
        wait_queue(mta, "deferred", 1)
        folder = mta.queue + "/large/"
        named = os.listdir(folder)
        check(len(named) == 1, "a file in large/")
        old = 1000000000
        for name, when in (("00000000000000AA", old),
                           ("00000000000000AB", None)):
            shutil.copyfile(folder + named[0], folder + name)
            if is_root():
                shutil.copystat(folder + named[0], folder + name)
                shutil.chown(folder + name, "posthorn-intake")
            os.utime(folder + name, (when, when) if when else None)
        os.utime(folder + named[0], (old, old))
        mta.stop()
        mta.start()
        mta.wait_log("large/00000000000000AA: belongs to no message")
        wait_for(lambda: sorted(os.listdir(folder)) ==
                 sorted(["00000000000000AB"] + named), "what is left in large/")


def test_large_content():
    with new() as mta:
        mta.start()
        body = "\r\n".join("%060d" % i for i in range(5000))
        send(mta, "large", body)
        wait_queue(mta, "deferred", 1)
        (queue_id,) = ids(mta)
        check(len(os.listdir(mta.queue + "/large")) == 1, "a file in large/")
        out = mta.command("postcat", "-b", "-q", queue_id).stdout
        check(out.lstrip("\n") == body.replace("\r\n", "\n") + "\n",
              "the content is another")
        mta.command("postsuper", "-d", queue_id)
        wait_for(lambda: not os.listdir(mta.queue + "/large"),
                 "the end of the large file")


LINES = 10000, 30000, 9500  # of seven octets: all in large/


def until_used_again(mta, folder, numbers):
    """Large messages, longer and shorter ones, until the file of one is older
    than the message."""
    def once():
        number, begin = next(numbers), time.time()
        last = max(os.listdir(folder), default="")
        send(mta, "n%d" % number, ("%06d\r\n" % number) *
             LINES[number % 3], "alice@example.org")
        newest = max(os.listdir(folder), default="")  # names are serials
        return newest > last and \
            0 < made_at(folder + "/" + newest) < begin - 0.05
    wait_for(once, "a file to be used again")


def test_files_of_large_are_used_again():
    """Each message is what was sent, and nothing is left behind: neither by
    a cleanup that dies, nor at rest, nor when all ends."""
    with new() as mta:
        mta.virtual_mailboxes(users=("alice",))
        mta.start()
        folder, numbers = mta.queue + "/large", itertools.count()
        send(mta, "first", "x" * 60 + "\r\n" * 40000, "alice@example.org")
        for _ in range(3):
            until_used_again(mta, folder, numbers)
        mta.wait_empty()
        for pid in mta.pids("cleanup"):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not os.listdir(folder),
                 "the end of what a cleanup had that died")
        until_used_again(mta, folder, numbers)
        mta.wait_empty()
        wait_for(lambda: not os.listdir(folder), "the end of unneeded files")
        until_used_again(mta, folder, numbers)
        mta.wait_empty()
        mta.stop()
        check(not os.listdir(folder), "files are left in large/: %s" %
              os.listdir(folder))
        new_mail = mta.mail + "/example.org/alice/new/"
        bodies = []
        for name in os.listdir(new_mail):
            with open(new_mail + name) as handle:
                text = handle.read().split("\n\n", 1)[1]
                bodies.append(text.rstrip("\n") + "\n")
        count = next(numbers)
        check(len(bodies) == count + 1, "%d messages of %d" % (
            len(bodies), count + 1))
        for number in range(count):
            check(bodies.count(("%06d\n" % number) * LINES[number % 3]) == 1,
                  "message %d is another" % number)


def test_checks():
    with new() as mta:
        mta.set(header_checks="regexp:" + mta.write(
                    "conf/header", "/^Subject: reject/ REJECT not that\n"
                    "/^Subject: hold/ HOLD\n/^Subject: drop/ DISCARD\n"
                    "/^X-Gone:/ IGNORE\n"
                    "/^Subject: odd/ FROBNICATE\n"),
                body_checks="regexp:" + mta.write(
                    "conf/body", "/forbidden/ REJECT\n"
                    "/secret/ REPLACE [removed]\n"))
        mta.start()
        for subject, body, code in (("reject", "x", "550 5.7.1 not that"),
                                    ("fine", "forbidden", "550 5.7.1"),
                                    ("odd", "x", "451 4.3.5")):
            try:
                send(mta, subject, body)
                raise AssertionError("accepted: " + subject)
            except Failed as error:
                reply = str(error)
            first, second = code.split(" ")[:2]
            check(first in reply and second in reply, reply)
        send(mta, "hold")
        wait_queue(mta, "hold", 1)
        send(mta, "drop")
        mta.wait_log(r"discard: header Subject: drop from ")
        check(len(ids(mta)) == 1, "DISCARD")
        send(mta, "change\r\nX-Gone: y", "a\r\nsecret\r\nb")
        wait_queue(mta, "deferred", 1)
        (queue_id,) = ids(mta, "deferred")
        out = mta.command("postcat", "-bh", "-q", queue_id).stdout
        check("\n\na\n[removed]\nb\n" in out and "X-Gone" not in out, out)


def test_addresses():
    with new(always_bcc="copy@example.net") as mta:
        mta.set(virtual_alias_maps="texthash:" + mta.write(
            "conf/virtual", "team@example.com a@example.com, b@example.com\n"
            "a@example.com c@example.com\n"))
        mta.start()
        send(mta, "x", to=["team@example.com", "team@example.com"])
        wait_queue(mta, "deferred", 1)
        got = sorted(r["address"] for r in mta.queue_list()[0]["recipients"])
        check(got == ["b@example.com", "c@example.com", "copy@example.net"],
              repr(got))


def test_headers_of_strangers():
    text = ("From: joe\r\nTo: Ann <ann@host>, bob@example.com\r\n"
            "X-To: joe\r\n\r\nbody\r\n")
    for domain, wanted in (
            ("", ("From: joe\n", "To: Ann <ann@host>, bob@example.com\n")),
            ("domain.invalid",
             ("From: joe@domain.invalid\n",
              "To: Ann <ann@host.domain.invalid>, rob@example.com\n"))):
        with new(local_header_rewrite_clients="",
                 remote_header_rewrite_domain=domain,
                 canonical_maps="inline:{bob@example.com=rob@example.com}",
                 canonical_classes="header_recipient") as mta:
            mta.start()
            mta.send("s@example.net", ["r@example.com"], text)
            wait_queue(mta, "deferred", 1)
            (queue_id,) = ids(mta, "deferred")
            out = mta.command("postcat", "-h", "-q", queue_id).stdout
            for line in wanted + ("X-To: joe\n",):
                check(line in out, "no %r in %r" % (line, out))


def test_deaths():
    with new(default_transport="discard:") as mta:
        mta.start()
        sent = 0
        for name in ("cleanup", "qmgr", "cleanup", "qmgr"):
            for _ in range(5):
                send(mta, "kept")
                sent += 1
            for pid in mta.pids(name):
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: try_send(mta), "mail to be accepted again")
            sent += 1
        wait_for(lambda: len(done(mta)) == sent,
                 "%d deliveries, not %d" % (sent, len(done(mta))))
        mta.wait_empty()


def submit(mta, *prefix):
    """The exit status of sendmail."""
    done = run(*prefix, SBIN + "/sendmail", "-f", "s@example.net",
               "r@example.com", input="Subject: x\n\nbody\n",
               check=False, env=mta.env)
    return done.returncode


def state_of(pid):
    with open("/proc/%d/stat" % pid, "rb") as handle:
        return handle.read().rsplit(b")", 1)[1]


def test_a_cleanup_that_dies_unheard():
    """What it had is found, although no other cleanup is started for it."""
    with new() as mta:
        mta.start()
        send(mta, "first")  # now all run
        mta.wait_log("status=deferred")
        wait_queue(mta, "deferred", 1)  # it has left cleanup's journal
        (old,), (cleanup,) = mta.pids("qmgr"), mta.pids("cleanup")
        os.kill(old, signal.SIGSTOP)
        send(mta, "second")
        os.kill(cleanup, signal.SIGSTOP)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: mta.pids("qmgr") not in ([], [old]), "a new qmgr")
        wait_queue(mta, "deferred", 1)
        os.kill(cleanup, signal.SIGKILL)
        mta.wait_log("status=deferred", count=2)


def test_a_slot_and_a_file():
    """qmgr died between the writing of a file and the end of its slot: a new
    one finds both at once, and the message stays."""
    with new(minimal_backoff_time="1000s", maximal_backoff_time="1000s") as mta:
        mta.start()
        send(mta, "first")
        wait_queue(mta, "deferred", 1)
        (qmgr,) = mta.pids("qmgr")
        os.kill(qmgr, signal.SIGSTOP)
        for number in range(SLOTS):
            send(mta, "kept", to="r%d@example.com" % number)
        journal, copy = mta.queue + "/journal", mta.path("journal")
        run("cp", "-a", journal, copy)
        os.kill(qmgr, signal.SIGCONT)
        wait_queue(mta, "deferred", 1 + SLOTS)
        for _ in range(3):
            mta.kill()
            shutil.rmtree(journal)
            run("cp", "-a", copy, journal)
            mta.start()
            wait_for(lambda: len(mta.queue_list()) == 1 + SLOTS,
                     "all messages, not %d" % len(mta.queue_list()))
        mta.set(default_transport="discard:")
        mta.reload()
        mta.command("postqueue", "-f")
        mta.wait_empty()


def test_a_file_that_goes_before_its_slot_is_told_of():
    """The same, while a cleanup lives: the message goes with its file, and the
    slot does not bring it back at the next start."""
    with new(minimal_backoff_time="1000s", maximal_backoff_time="1000s") as mta:
        mta.start()
        send(mta, "first")
        wait_queue(mta, "deferred", 1)
        (master,), (qmgr,) = mta.pids("master"), mta.pids("qmgr")
        os.kill(master, signal.SIGSTOP)
        for pid in [qmgr] + mta.pids("rewrite"):  # which reads the new file
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: b"Z" in state_of(qmgr), "the end of qmgr")
        journal = mta.queue + "/journal/"
        for name in os.listdir(journal):
            if name.endswith(".marks"):
                os.truncate(journal + name, 0)
        mta.set(default_transport="discard:")
        mta.write_configuration()
        os.kill(master, signal.SIGCONT)
        wait_for(lambda: mta.pids("qmgr") not in ([], [qmgr]), "a new qmgr")
        mta.command("postqueue", "-f")
        mta.wait_log("status=sent")
        mta.wait_empty()
        mta.kill()
        mta.start()
        send(mta, "second")
        mta.wait_log("status=sent", count=2)
        mta.wait_empty()
        check(mta.log().count("status=sent") == 2, "it came back")


def test_what_cannot_be_read_at_the_start():
    """A message whose file, directory or segment is out of reach when qmgr
    starts is found when it is there again, without a restart."""
    with new(minimal_backoff_time="1000s", maximal_backoff_time="1000s") as mta:
        mta.start()
        for number in range(3):
            send(mta, "waits", to="r%d@example.com" % number)
        wait_queue(mta, "deferred", 3)
        (qmgr,) = mta.pids("qmgr")
        os.kill(qmgr, signal.SIGSTOP)  # the next stays in its slot
        send(mta, "in a slot", to="r3@example.com")
        mta.kill()
        held = sorted(ids_on_disk(mta))
        journal = mta.queue + "/journal/"
        hidden = [journal + name for name in os.listdir(journal)
                  if re.fullmatch(r"\d+-\d+", name)]
        check(len(held) == 3 and hidden, (held, os.listdir(journal)))
        for where in (held[:1] + hidden, [os.path.dirname(held[1])]):
            modes = {path: os.stat(path).st_mode for path in where}
            for path in where:
                os.chmod(path, 0)
            mta.start()
            mta.wait_log("not read" if where[1:] else
                         "warning: deferred: Permission denied")
            check(len(mta.queue_list()) < 4, mta.queue_list())
            for path, mode in modes.items():
                os.chmod(path, mode)
            wait_for(lambda: len(mta.queue_list()) == 4, "all four")
            mta.kill()


def test_who_may_submit():
    with new(authorized_submit_users="root") as mta:
        mta.start()
        check(submit(mta) == 0, "root may always submit")
        wait_queue(mta, "deferred", 1)
        if is_root():
            other = ("setpriv", "--reuid=65534", "--regid=65534",
                     "--clear-groups")
            check(submit(mta, *other) == 69, "another user may submit")


def test_filters_that_are_not_understood():
    with new(non_smtpd_milters="127.0.0.1:9") as mta:
        mta.start()
        submit(mta)  # it waits in maildrop
        mta.wait_log(r"non_smtpd_milters: not understood")


def try_send(mta):
    try:
        send(mta, "again")
        return True
    except (Failed, OSError):
        return False


def done(mta):
    """IDs that were delivered at least once."""
    return set(re.findall(r"(\w+): to=<r@example.com>.*status=sent",
                          mta.log()))


def own_octets(mta):
    """Of qmgr's memory, what it shares with nobody."""
    with open("/proc/%d/status" % mta.pids("qmgr")[0]) as status:
        return 1024 * int(re.search(r"RssAnon:\s*(\d+)", status.read())[1])


def submit_many(mta, count, to):
    mta.command("smtp-source", "-s", "20", "-m", str(count), "-l", "4096",
                "-f", "s@example.net", "-t", to,
                "127.0.0.1:%d" % mta.smtp_port)


def test_many_wait_for_one_that_does_not_answer():
    """They take little memory, hold up nobody else, and survive qmgr."""
    count, octets_each = 3000, 2000  # 3,400 if all were in full
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent, \
            Instance(default_transport="smtp:[127.0.0.1]:%d" %
                     silent.getsockname()[1]) as mta:
        mta.virtual_mailboxes()
        mta.start()
        wait_for(lambda: mta.pids("qmgr"), "qmgr")
        empty = own_octets(mta)
        submit_many(mta, count, "r@far.example.com")
        wait_queue(mta, "active", count)
        grown = own_octets(mta) - empty
        check(grown < count * octets_each or
              is_sanitized("/proc/%d/exe" % mta.pids("qmgr")[0]),
              "%d octets for each active message" % (grown / count))
        send(mta, "passes", to="alice@example.org")
        mta.wait_mail("alice")
        qmgr = mta.pids("qmgr")
        os.kill(qmgr[0], signal.SIGKILL)
        wait_for(lambda: mta.pids("qmgr") not in ([], qmgr), "a new qmgr")
        wait_queue(mta, "active", count)
        mta.command("posthorn", "abort")  # a stop waits for deliveries


def test_stop_at_once():
    """A stop when deliveries have just begun: nobody waits for a process that
    master does not start any more, nothing is lost or counted as failed."""
    with Instance(debug_peer_list="") as mta:
        mta.virtual_mailboxes()
        mta.write_configuration()
        for n in range(8):
            mta.start()
            send(mta, "stop %d" % n, to="alice@example.org")
            mta.stop()
        check("status=deferred" not in mta.log(), "a delivery was put off")
        check("killed by signal" not in mta.log(), "somebody had to be killed")
        mta.start()
        mta.wait_mail("alice", 8)


if __name__ == "__main__":
    main(globals())
