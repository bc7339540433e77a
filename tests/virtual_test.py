"""virtual(8): Maildirs and mboxes of several users, limits, large messages."""
import os
import pwd
import shutil

from instance import (Instance, Skip, equal, is_root, main, matches, run,
                      wait_for)


def text(subject="one", lines=1, extra=""):
    return ("From: a@example.net\r\n%sSubject: %s\r\n"
            "Message-ID: <%s@example.net>\r\n\r\n" %
            (extra, subject, subject) +
            "From the other side, %s\r\n" % ("x" * 60) * lines)


class Virtual(Instance):
    """alice has a Maildir, bob an mbox; as root each with a uid of its
    own."""

    def __init__(self, **parameters):
        super().__init__(**parameters)
        users = ("alice", "bob") if is_root() else (None, None)
        ids = [(pwd.getpwnam(u).pw_uid, pwd.getpwnam(u).pw_gid) if u else
               (os.getuid(), os.getgid()) for u in users]
        os.chmod(self.mail, 0o1777)
        self.set(mydestination="localhost",
                 virtual_mailbox_domains="example.org",
                 virtual_mailbox_base=self.mail,
                 virtual_mailbox_maps="inline:{alice@example.org=alice/, "
                 "bob@example.org=bob, out@example.org=../out/}",
                 virtual_uid_maps="inline:{alice@example.org=%d, "
                 "bob@example.org=%d}" % (ids[0][0], ids[1][0]),
                 virtual_gid_maps="inline:{alice@example.org=%d, "
                 "bob@example.org=%d}" % (ids[0][1], ids[1][1]),
                 virtual_minimum_uid="100")
        self.ids = ids

    def alice(self):
        path = self.mail + "/alice/new"
        found = []
        for name in sorted(os.listdir(path) if os.path.isdir(path) else ()):
            with open(path + "/" + name) as handle:
                found.append(handle.read())
        return found


def test_a_base_that_comes_later():
    with Virtual(minimal_backoff_time="1s", queue_run_delay="1s") as mta:
        os.rename(mta.mail, mta.mail + ".away")
        mta.start()
        mta.send("a@example.net", ["alice@example.org"], text())
        mta.wait_log(r"status=deferred \(virtual_mailbox_base cannot be")
        os.rename(mta.mail + ".away", mta.mail)
        mta.wait_log(r"to=<alice@example.org>, .*status=sent")
        mta.wait_empty()


def forget_slots(mta):
    """As when other messages have been in them since."""
    for name in os.listdir(mta.queue + "/journal"):
        if name not in ("serial", "lock"):
            os.unlink(mta.queue + "/journal/" + name)


def test_delivered_and_not_marked():
    """qmgr died between the delivery of what had been deferred and its mark:
    the next one has it looked for, in an mbox and a Maildir."""
    with Virtual(virtual_transport="retry:4.4.1 later",
                 minimal_backoff_time="1000s",
                 maximal_backoff_time="1000s") as mta:
        mta.start()
        mta.send("a@example.net", ["alice@example.org", "bob@example.org"],
                 text())
        mta.wait_log("status=deferred", count=2)
        wait_for(lambda: [row["queue_name"] for row in mta.queue_list()] ==
                 ["deferred"], "the deferred file")
        mta.stop()
        deferred, copy = mta.queue + "/deferred", mta.path("copy")
        run("cp", "-a", deferred, copy)
        mta.set(virtual_transport="virtual")
        for _ in range(2):
            mta.start()
            mta.command("postqueue", "-f")
            mta.wait_empty()
            mta.stop()
            forget_slots(mta)
            shutil.rmtree(deferred)
            run("cp", "-a", copy, deferred)
            folder = mta.mail + "/alice"
            (name,) = os.listdir(folder + "/new")
            run("cp", "-a", folder + "/new/" + name, folder + "/tmp")
        os.rename(folder + "/new/" + name, folder + "/cur/" + name + ":2,S")
        mta.start()
        mta.command("postqueue", "-f")
        mta.wait_empty()
        equal([os.listdir(folder + sub) for sub in ("/new", "/cur", "/tmp")],
              [[], [name + ":2,S"], []])
        with open(mta.mail + "/bob") as mbox:
            equal(mbox.read().count("\nSubject: "), 1)


def test_each_user_has_a_process():
    with Virtual() as mta:
        mta.start()
        mta.send("a@example.net", ["alice@example.org", "bob@example.org"],
                 text())
        mta.wait_log(r"to=<alice@example.org>, relay=virtual, .*"
                     r"status=sent \(delivered to maildir\)")
        mta.wait_log(r"to=<bob@example.org>, relay=virtual, .*"
                     r"status=sent \(delivered to mailbox\)")
        mta.wait_empty()
        equal(len(mta.alice()), 1)
        with open(mta.mail + "/bob") as handle:
            matches(r"^From a@example.net [^\n]*\nReturn-Path: "
                    r"<a@example.net>\n", handle.read())
        equal(os.stat(mta.mail + "/alice/new").st_uid, mta.ids[0][0])
        equal(os.stat(mta.mail + "/bob").st_uid, mta.ids[1][0])


def test_large_messages():
    with Virtual() as mta:
        mta.start()
        for i in range(3):
            mta.send("a@example.net", ["alice@example.org",
                                       "bob@example.org"],
                     text("n%d" % i, 3000))
        wait_for(lambda: len(mta.alice()) == 3, "three messages")
        mta.wait_empty()
        for message in mta.alice():
            equal(message.count("\nFrom the other side"), 3000)
        with open(mta.mail + "/bob") as handle:
            equal(handle.read().count("\n>From the other side"), 9000)


def test_what_is_refused():
    with Virtual(virtual_mailbox_limit="20000", message_size_limit="20000",
                 local_recipient_maps="") as mta:
        mta.start()
        mta.send("", ["bob@example.org"], text("a", 200))
        mta.send("", ["bob@example.org"], text("b", 200))
        mta.wait_log(r"to=<bob@example.org>.*dsn=5.2.2, status=bounced "
                     r"\(cannot update mailbox .*: File too large\)")
        mta.send("", ["out@example.org"], text())
        mta.wait_log(r"to=<out@example.org>.*dsn=4.3.5, status=deferred")
        # What somebody else delivered to that name is no loop: mail ends here.
        mta.send("", ["alice@example.org"],
                 text(extra="Delivered-To: alice@example.org\r\n"))
        mta.wait_log(r"to=<alice@example.org>.*status=sent")


def test_nobody_below_the_least_uid():
    """virtual_minimum_uid: what a table says cannot make root of anybody."""
    with Virtual(local_recipient_maps="") as mta:
        mta.set(virtual_uid_maps="inline:{alice@example.org=99, "
                "bob@example.org=0}")
        mta.start()
        for user, number in (("alice", 99), ("bob", 0)):
            mta.send("", [user + "@example.org"], text())
            mta.wait_log(r'to=<%s@example.org>.*dsn=4.3.5, status=deferred '
                         r'\(recipient %s@example.org: bad uid "%d" in the '
                         r'tables' % (user, user, number))
        equal(os.listdir(mta.mail), [])


def test_a_child_that_dies_is_replaced():
    if not is_root():
        raise Skip("children exist only as root")
    with Virtual() as mta:
        mta.start()
        for i in range(2):
            mta.send("a@example.net", ["alice@example.org"], text(str(i)))
            wait_for(lambda: len(mta.alice()) == i + 1, "message %d" % i)
            mta.wait_empty()  # else it is tried again, and this kills that
            for pid in children(mta):
                os.kill(pid, 9)
        mta.wait_log(r"child \d+ killed by signal 9")


def children(mta):
    return [pid for pid in mta.pids("virtual")
            if os.stat("/proc/%d" % pid).st_uid == mta.ids[0][0]]


def test_a_child_that_dies_once_defers_nothing():
    if not is_root():
        raise Skip("children exist only as root")
    with Virtual() as mta:
        mta.start()
        mta.send("a@example.net", ["alice@example.org"], text("1"))
        wait_for(lambda: len(mta.alice()) == 1, "the first message")
        mta.wait_empty()
        # it dies with the message in hand, or before it has it
        pids = children(mta)
        equal(len(pids), 1)
        for pid in pids:
            os.kill(pid, 19)
        for i in range(3):
            mta.send("a@example.net", ["alice@example.org"], text("2"))
        wait_for(lambda: mta.log().count("(queue active)") == 4, "the queue")
        for pid in pids:
            os.kill(pid, 9)
        mta.wait_empty()
        equal(len(mta.alice()), 4)
        equal("status=deferred" in mta.log(), False)


def test_an_agent_that_dies_once_defers_nothing():
    with Virtual() as mta:
        mta.start()
        mta.send("a@example.net", ["alice@example.org"], text("1"))
        wait_for(lambda: len(mta.alice()) == 1, "the first message")
        # it dies with the message in hand, or before it has it
        pids = mta.pids("virtual")
        for pid in pids:
            os.kill(pid, 19)
        for i in range(5):
            mta.send("a@example.net", ["alice@example.org"], text("2"))
        for pid in pids:
            os.kill(pid, 9)
        mta.wait_empty()
        equal(len(mta.alice()), 6)
        equal("status=deferred" in mta.log(), False)


if __name__ == "__main__":
    main(globals())
