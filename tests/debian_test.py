"""Debian's default configuration of Postfix and what administrators make of
it: used as it is."""
import hashlib
import os
import smtplib
import subprocess

import debian
from instance import (SBIN, Failed, Skip, check, equal, is_root, main, matches,
                      run, untrusting, wait_for)

TEXT = "Subject: %s\n\nHello.\n"


def enter():
    """Once in this process."""
    if not is_root() or "POSTHORN_ACCOUNTS" not in os.environ:
        raise Skip("needs root and tests/with-accounts")
    if not os.path.ismount("/var/mail"):
        debian.enter()


def files():
    """Everything below /etc/postfix and the aliases: octets, owner, mode and
    time."""
    found = {}
    for folder, _, names in os.walk(debian.CONF):
        for path in [folder + "/" + name for name in names]:
            state = os.stat(path)
            with open(path, "rb") as handle:
                found[path] = (hashlib.sha256(handle.read()).hexdigest(),
                               state.st_uid, state.st_mode, state.st_mtime_ns)
    return found


def read(path):
    with open(path, errors="replace") as handle:
        return handle.read()


def mailbox(user, subject):
    path = "/var/mail/" + user
    wait_for(lambda: os.path.exists(path) and
             "\nSubject: %s\n" % subject in read(path),
             "%s in the mailbox of %s" % (subject, user))


def theirs(*words, **more):
    folder = "/usr/bin/" if words[0] == "newaliases" else "/usr/sbin/"
    return run(folder + words[0], *words[1:], **more)


def ours(*words, **more):
    return run(SBIN + "/" + words[0], *words[1:], **more)


def as_edited():
    """As somebody left it who had Debian's Postfix; tables by its commands."""
    debian.install()
    theirs("postconf", "-e", "virtual_alias_maps=hash:/etc/postfix/virtual",
           "transport_maps=hash:/etc/postfix/transport",
           "smtpd_sender_restrictions=check_sender_access "
           "cidr:/etc/postfix/nothing, check_sender_access "
           "hash:/etc/postfix/access", "header_checks="
           "regexp:/etc/postfix/header_checks", "relayhost=[127.0.0.1]:9")
    theirs("postconf", "-M", "submission/inet=submission inet n - y - - smtpd")
    theirs("postconf", "-P", "submission/inet/syslog_name=postfix/submission",
           "submission/inet/smtpd_tls_security_level=encrypt")
    for name, text in (
            ("virtual", "info@example.org bob\n"),
            ("transport", "gone.example discard:\n"),
            ("access", "bad.example REJECT not you\n"), ("nothing", ""),
            ("header_checks", "/^Subject: (old)/ REPLACE Subject: was $1\n")):
        debian.write(name, text)
        if name not in ("nothing", "header_checks"):
            theirs("postmap", debian.CONF + "/" + name)
    theirs("newaliases")


def session(port):
    client = smtplib.SMTP("127.0.0.1", port, timeout=60)
    client.ehlo("client.example.net")
    return client


def test_used_as_it_is():
    enter()
    as_edited()
    before = files()
    try:
        ours("postfix", "-c", debian.CONF, "start")
        with smtplib.SMTP(timeout=60) as client:
            client._host = "localhost"  # what starttls() wants of connect()
            matches(rb"mail\.example\.org ESMTP \S+ \(Debian/GNU\)",
                    client.connect("127.0.0.1", 25)[1])
            client.starttls(context=untrusting())
            client.ehlo("client.example.net")
            client.sendmail("a@example.net", ["root", "info@example.org",
                                              "x@gone.example"],
                            TEXT % "first")
            equal(client.docmd("MAIL FROM:<x@bad.example>")[0], 250)
            code, said = client.docmd("RCPT TO:<root@example.org>")
            equal(code, 554)
            matches(b"not you", said)
            client.rset()
            equal(client.mail("a@example.net")[0], 250)
            equal(client.rcpt("nobody-here@example.org")[0], 550)
        with session(587) as client:
            equal(client.mail("a@example.net")[0], 530)
        with smtplib.SMTP("::1", 25, timeout=60) as client:
            client.sendmail("a@example.net", ["alice@localhost"],
                            TEXT % "second")
        ours("sendmail", "-f", "bob", "postmaster", input=TEXT % "old")
        mailbox("alice", "first")
        mailbox("alice", "second")
        mailbox("alice", "was old")
        mailbox("bob", "first")
        wait_for(lambda: "is empty" in ours("mailq").stdout, "an empty queue")
        matches("is running", ours("postfix", "status").stderr)
        ours("postfix", "reload")
        # A table that changes, by either's postmap.
        debian.write("virtual", "info@example.org alice\n")
        theirs("postmap", debian.CONF + "/virtual")

        def arrives():
            with session(25) as client:
                client.sendmail("a@example.net", ["info@example.org"],
                                TEXT % "third")
            return "\nSubject: third\n" in read("/var/mail/alice")
        wait_for(arrives, "the new alias")
    finally:
        subprocess.run([SBIN + "/postfix", "-c", debian.CONF, "stop"],
                       stderr=subprocess.DEVNULL)
    after = files()
    for path in list(before):
        if "/virtual" in path:
            del before[path], after[path]
    equal(after, before)


if __name__ == "__main__":
    main(globals())
