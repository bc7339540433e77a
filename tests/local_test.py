"""local(8): aliases, .forward, mailboxes, commands, files, forwards."""
import os
import pwd
import signal

from instance import (Instance, Skip, check, equal, is_root, main, matches,
                      run, wait_for, SBIN)


def text(subject="one", extra=""):
    return ("From: a@example.net\r\nTo: someone@example.org\r\n%s"
            "Subject: %s\r\nMessage-ID: <%s@example.net>\r\n\r\n"
            "Hello.\r\nFrom here\r\n" % (extra, subject, subject))


class Local(Instance):
    """Mail to example.org is local's. As an ordinary user only that user's
    own mailbox is within reach."""

    def __init__(self, aliases="", **parameters):
        if not is_root():
            raise Skip("needs users to deliver to")
        super().__init__(**{**dict(
            local_recipient_maps="", recipient_delimiter="+",
            default_privs="vmail", home_mailbox="Maildir/"), **parameters})
        for user in ("alice", "bob", "carol"):
            home = pwd.getpwnam(user).pw_dir
            run("find", home, "-mindepth", "1", "-delete")
        os.chmod(self.mail, 0o1777)
        if aliases:
            path = self.write("conf/aliases", aliases)
            self.set(alias_maps="hash:" + path)
            self.write_configuration()
            run(SBIN + "/postalias", "-c", self.conf, "hash:" + path,
                env=self.env)

    def home(self, user, name=""):
        return pwd.getpwnam(user).pw_dir + "/" + name

    def put(self, user, name, octets, mode=0o644):
        path = self.home(user, name)
        with open(path, "w") as handle:
            handle.write(octets)
        os.chmod(path, mode)
        os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)

    def messages(self, user):
        folder = self.home(user, "Maildir/new")
        if not os.path.isdir(folder):
            return []
        found = []
        for name in sorted(os.listdir(folder)):
            with open(folder + "/" + name) as handle:
                found.append(handle.read())
        return found

    def wait_messages(self, user, count=1):
        wait_for(lambda: len(self.messages(user)) >= count,
                 "%d messages of %s" % (count, user))
        equal(len(self.messages(user)), count)
        return self.messages(user)


def read(path):
    with open(path) as handle:
        return handle.read()


def test_a_mailbox_in_the_home():
    with Local() as mta:
        mta.start()
        mta.send("a@example.net", ["Alice+list@example.org"], text())
        message = mta.wait_messages("alice")[0]
        matches(r"^Return-Path: <a@example.net>\n", message)
        matches(r"\nDelivered-To: Alice\+list@example.org\n", message)
        matches(r"\nFrom here\n", message)
        mta.wait_log(r"local\[\d+\]: \w+: to=<Alice\+list@example.org>, "
                     r"relay=local, delay=[\d.]+, delays=[\d./]+, dsn=2.0.0, "
                     r"status=sent \(delivered to maildir\)")
        mta.wait_empty()
        status = os.stat(mta.home("alice", "Maildir/new"))
        equal(status.st_uid, pwd.getpwnam("alice").pw_uid)
        equal(status.st_mode & 0o777, 0o700)


def test_a_folder_of_the_mailbox():
    with Local(mailbox_extension_delivery="yes",
               mailbox_extension_autocreate="yes",
               aliases="team: alice\n") as mta:
        mta.start()
        mta.send("a@example.net", ["alice+Lists@example.org"], text("one"))
        mta.send("a@example.net", ["team+x@example.org"], text("two"))
        mta.wait_messages("alice")
        mta.wait_empty()
        equal(sorted(os.listdir(mta.home("alice", "Maildir"))),
              [".lists", "cur", "new", "tmp"])
        equal(len(os.listdir(mta.home("alice", "Maildir/.lists/new"))), 1)
        check("Subject: two" in mta.messages("alice")[0])


def test_homes_below_a_closed_folder():
    """Its users may pass /home and not read it: its names are made durable
    in another way."""
    with Local() as mta:
        above = os.path.dirname(mta.home("alice").rstrip("/"))
        mode = os.stat(above).st_mode & 0o777
        os.chmod(above, 0o711)
        try:
            mta.start()
            mta.send("a@example.net", ["alice@example.org"], text())
            mta.wait_empty()
            mta.wait_messages("alice")
        finally:
            os.chmod(above, mode)


def test_an_mbox_in_the_spool():
    with Local(home_mailbox="") as mta:
        mta.set(mail_spool_directory=mta.mail)
        mta.start()
        for subject in ("one", "two"):
            mta.send("a@example.net", ["bob@example.org"], text(subject))
        mta.wait_log(r"status=sent \(delivered to mailbox\)", count=2)
        box = read(mta.mail + "/bob")
        matches(r"^From a@example.net \w\w\w ", box)
        equal(box.count("\n>From here\n"), 2)
        equal(os.stat(mta.mail + "/bob").st_uid, pwd.getpwnam("bob").pw_uid)
        equal(os.path.exists(mta.mail + "/bob.lock"), False)
        mta.wait_empty()


def test_aliases_are_followed():
    with Local("postmaster: root\nroot: \"alice\"\n"
               "team: alice, bob, carol@example.org\n"
               "loop: loop, bob\n") as mta:
        mta.start()
        mta.send("a@example.net", ["postmaster@example.org"], text("one"))
        mta.wait_log(r"to=<postmaster@example.org>.*\(delivered to maildir\)")
        mta.wait_messages("alice", 1)
        mta.send("a@example.net", ["team@example.org"], text("two"))
        mta.wait_log(r"to=<team@example.org>.*\(forwarded as \w+\)")
        mta.wait_messages("alice", 2)
        mta.wait_messages("bob", 1)
        message = mta.wait_messages("carol", 1)[0]
        matches(r"\nDelivered-To: team@example.org\n", message)
        mta.wait_empty()


def holders(mta, folder):
    """Processes that have it open: children that flush."""
    found = []
    for pid in mta.pids():
        try:
            fds = ["/proc/%d/fd/%s" % (pid, fd)
                   for fd in os.listdir("/proc/%d/fd" % pid)]
            if folder in map(os.readlink, fds):
                found.append(pid)
        except OSError:
            continue
    return found


def test_several_users_share_a_flush():
    """A child of its own makes it; without that child all goes on."""
    with Local("team: alice, bob, carol\n") as mta:
        mta.start()
        homes = os.path.dirname(mta.home("alice").rstrip("/"))

        def send_and_wait(count):
            mta.send("a@example.net", ["team@example.org"], text(str(count)))
            for user in ("alice", "bob", "carol"):
                mta.wait_messages(user, count)
            mta.wait_empty()
            return holders(mta, homes)

        # who does not come at the same time flushes by himself
        for count in range(1, 30):
            flushers = send_and_wait(count)
            if flushers:
                break
        equal(len(flushers), 1)
        equal(os.stat("/proc/%d" % flushers[0]).st_uid,
              pwd.getpwnam("vmail").pw_uid)
        os.kill(flushers[0], signal.SIGKILL)
        for more in (1, 2):
            send_and_wait(count + more)


def test_delivered_to_may_follow():
    with Local("postmaster: root\nroot: alice\nteam: bob, carol\n",
               frozen_delivered_to="no") as mta:
        mta.start()
        mta.send("a@example.net", ["postmaster@example.org"], text("one"))
        matches(r"\nX-Original-To: postmaster@example.org\n"
                r"Delivered-To: alice@example.org\n",
                mta.wait_messages("alice", 1)[0])
        mta.send("a@example.net", ["team@example.org"], text("two"))
        matches(r"\nDelivered-To: team@example.org\n",
                mta.wait_messages("carol", 1)[0])
        mta.wait_empty()


def test_forward_files():
    with Local() as mta:
        mta.put("alice", ".forward", "\\alice, bob@example.org\n"
                "\"|cat >$HOME/got; echo $EXTENSION $SENDER >$HOME/env\"\n")
        mta.put("bob", ".forward", "/dev/null\n", 0o666)  # not safe
        mta.start()
        mta.send("a@example.net", ["alice+x@example.org"], text())
        mta.wait_log(r"bob/.forward is not used: it can be written")
        mta.wait_messages("alice")
        mta.wait_messages("bob")
        mta.wait_empty()
        matches(r"^From a@example.net ", read(mta.home("alice", "got")))
        equal(read(mta.home("alice", "env")), "x a@example.net\n")
        equal(os.stat(mta.home("alice", "got")).st_uid,
              pwd.getpwnam("alice").pw_uid)


def test_a_destination_as_long_as_a_file():
    """It is nobody, and no process dies of it."""
    with Local() as mta:
        mta.start()
        mta.put("alice", ".forward", "x" * 100000)
        mta.send("s@example.net", ["alice@example.org"], text())
        mta.wait_log("to=<alice@example.org>.*status=bounced")
        mta.send("s@example.net", ["bob@example.org"], text())
        mta.wait_messages("bob")
        check("killed by signal" not in mta.log(), "a child died")


def test_commands_of_aliases():
    with Local("ok: |\"/bin/cat >/dev/null; id -un\"\n"
               "fails: \"|exit 1\"\nwaits: \"|echo 4.2.2 full; exit 75\"\n"
               "refuses: \"|echo 5.7.1 go away; exit 77\"\n") as mta:
        mta.start()
        mta.send("a@example.net", ["ok@example.org", "fails@example.org",
                                   "waits@example.org",
                                   "refuses@example.org"], text())
        mta.wait_log(r"to=<ok@example.org>.*dsn=2.0.0, status=sent "
                     r"\(delivered to command: ")
        mta.wait_log(r"to=<fails@example.org>.*dsn=5.3.0, status=bounced "
                     r"\(Command died with status 1: \"exit 1\"")
        mta.wait_log(r"to=<waits@example.org>.*dsn=4.2.2, status=deferred "
                     r"\(full\)")
        mta.wait_log(r"to=<refuses@example.org>.*dsn=5.7.1, status=bounced "
                     r"\(go away\)")


def test_lists_with_owner_and_include():
    with Local() as mta:
        members = mta.write("conf/members", "# us\nalice\nbob@example.org\n")
        path = mta.write("conf/aliases", "list: :include:%s\n"
                         "owner-list: carol\nfile: %s/out\n"
                         "bad: :include:%s/none\n" %
                         (members, mta.mail, mta.folder))
        mta.set(alias_maps="hash:" + path)
        mta.write_configuration()
        run(SBIN + "/postalias", "-c", mta.conf, "hash:" + path, env=mta.env)
        mta.start()
        mta.send("a@example.net", ["list@example.org"], text("one"))
        message = mta.wait_messages("alice")[0]
        matches(r"^Return-Path: <owner-list@example.org>\n", message)
        mta.wait_messages("bob")
        mta.send("a@example.net", ["file@example.org", "bad@example.org"],
                 text("two"))
        mta.wait_log(r"to=<file@example.org>.*\(delivered to file: ")
        mta.wait_log(r"to=<bad@example.org>.*status=deferred")
        matches(r"(?m)^Subject: two$", read(mta.mail + "/out"))


def test_unknown_users():
    with Local() as mta:
        mta.start()
        mta.send("alice@example.org", ["nobody-here@example.org"], text())
        mta.wait_log(r"to=<nobody-here@example.org>.*dsn=5.1.1, "
                     r"status=bounced \(unknown user: \"nobody-here\"\)")
        message = mta.wait_messages("alice")[0]
        matches(r"unknown user", message)
        mta.send("a@example.net", ["postmaster@example.org"], text())
        mta.wait_log(r"required alias not found: postmaster")
        mta.wait_empty()


def test_unknown_users_can_be_taken():
    with Local(luser_relay="$user+lost@localhost, bob") as mta:
        mta.set(luser_relay="bob")
        mta.start()
        mta.send("a@example.net", ["who@example.org"], text())
        mta.wait_messages("bob")
        mta.wait_empty()


def test_a_loop_ends():
    with Local("ring: ring@example.org, alice\n") as mta:
        mta.start()
        mta.send("bob@example.org", ["alice@example.org"],
                 text(extra="Delivered-To: alice@example.org\r\n"))
        mta.wait_log(r"status=bounced \(mail forwarding loop for "
                     r"alice@example.org\)")
        mta.wait_messages("bob")
        mta.wait_empty()


def test_mailbox_command_and_transport():
    with Local(mailbox_command="cat >$HOME/by-command") as mta:
        mta.set(mailbox_transport_maps="inline:{ {bob = error:5.7.1 not here} }")
        mta.start()
        mta.send("carol@example.org", ["alice@example.org", "bob@example.org"],
                 text())
        mta.wait_log(r"passing <bob@example.org> to transport=error")
        mta.wait_log(r"to=<bob@example.org>.*dsn=5.7.1, status=bounced "
                     r"\(not here\)")
        mta.wait_log(r"to=<alice@example.org>.*\(delivered to command: cat")
        check(os.path.exists(mta.home("alice", "by-command")))
        mta.wait_empty()


def test_a_maildir_behind_a_link():
    with Local() as mta:
        os.mkdir(mta.mail + "/elsewhere")
        os.chmod(mta.mail + "/elsewhere", 0o777)
        os.symlink(mta.mail + "/elsewhere", mta.home("carol", "Maildir"))
        mta.start()
        mta.send("a@example.net", ["carol@example.org"], text())
        mta.wait_messages("carol")
        mta.wait_empty()


def test_large_messages():
    with Local("two: alice, bob\n") as mta:
        mta.start()
        big = text().replace("Hello.\r\n", ("x" * 70 + "\r\n") * 3000)
        mta.send("a@example.net", ["two@example.org"], big)
        for user in ("alice", "bob"):
            message = mta.wait_messages(user)[0]
            equal(message.count("\n" + "x" * 70), 3000)
        mta.wait_empty()


def test_status_filter():
    with Local(local_delivery_status_filter="pcre:{ {/^5\\.1\\.1 (.*)/ "
               "4.1.1 not yet: $$1} }") as mta:
        mta.start()
        mta.send("carol@example.org", ["nobody-here@example.org"], text())
        mta.wait_log(r"dsn=4.1.1, status=deferred \(not yet: unknown user")


def test_without_root():
    with Local("team: alice\n") as mta:
        entry = pwd.getpwnam("alice")
        mta.put("alice", ".forward", "\\alice, \"|cat >$HOME/got\"\n")
        open(mta.log_path, "w").close()
        run("chown", "-R", "%d:%d" % (entry.pw_uid, entry.pw_gid), mta.folder)
        mta.inside = ("setpriv", "--reuid=%d" % entry.pw_uid,
                      "--regid=%d" % entry.pw_gid, "--clear-groups")
        mta.start()
        mta.wait_port(mta.smtp_port)
        mta.send("a@example.net", ["team@example.org"], text())
        mta.wait_messages("alice")
        wait_for(lambda: os.path.exists(mta.home("alice", "got")),
                 "the command")
        mta.send("a@example.net", ["bob@example.org"], text())
        mta.wait_log(r"to=<bob@example.org>.*dsn=4.3.5, status=deferred "
                     r"\(the mailbox belongs to uid ")


if __name__ == "__main__":
    main(globals())
