"""The main path: SMTP in, the queue, a Maildir; and what the log says."""
from instance import Instance, equal, main, matches


def text(subject):
    return ("From: a@example.net\r\nTo: alice@example.org\r\n"
            "Subject: %s\r\nMessage-ID: <%s@example.net>\r\n\r\n"
            "Hello.\r\n.dot\r\n" % (subject, subject))


def test_a_message_reaches_a_maildir():
    with Instance() as mta:
        mta.virtual_mailboxes()
        mta.start()
        reply = mta.send("a@example.net", ["alice@example.org"], text("one"))
        matches("queued as [0-9A-F]+", reply)
        message = mta.wait_mail("alice")[0].decode()
        matches(r"(?m)^Subject: one$", message)
        matches(r"(?m)^Return-Path: <a@example.net>$", message)
        matches(r"(?m)^Delivered-To: alice@example.org$", message)
        matches(r"(?m)^\.dot$", message)
        queue_id = reply.split()[-1]
        for line in (
                r"smtpd\[\d+\]: connect from ",
                r"smtpd\[\d+\]: %s: client=" % queue_id,
                r"cleanup\[\d+\]: %s: message-id=<one@example.net>" %
                queue_id,
                r"qmgr\[\d+\]: %s: from=<a@example.net>, size=\d+, nrcpt=1 "
                r"\(queue active\)" % queue_id,
                r"virtual\[\d+\]: %s: to=<alice@example.org>, relay=virtual, "
                r"delay=[\d.]+, delays=[\d./]+, dsn=2.0.0, status=sent "
                r"\(delivered to maildir\)" % queue_id,
                r"qmgr\[\d+\]: %s: removed" % queue_id,
                r"smtpd\[\d+\]: disconnect from .* ehlo=1 mail=1 rcpt=1 "
                r"data=1 quit=1 commands=5"):
            mta.wait_log(line)
        mta.wait_empty()


def test_several_messages_in_one_session():
    with Instance() as mta:
        mta.virtual_mailboxes()
        mta.start()
        with mta.smtp() as client:
            for i in range(20):
                client.sendmail("a@example.net",
                                ["alice@example.org", "bob@example.org"],
                                text("n%d" % i))
        equal(len(mta.wait_mail("alice", 20)), 20)
        equal(len(mta.wait_mail("bob", 20)), 20)
        mta.wait_empty()


def test_mail_waits_while_the_suite_is_down():
    with Instance() as mta:
        mta.virtual_mailboxes()
        mta.start()
        mta.stop()
        mta.command("sendmail", "-f", "a@example.net", "alice@example.org",
                    input="Subject: later\n\nHello.\n")
        mta.start()
        matches("Subject: later", mta.wait_mail("alice")[0].decode())


def test_what_is_queued_survives_a_kill_of_everything():
    with Instance() as mta:
        mta.virtual_mailboxes()
        mta.set(defer_transports="virtual")
        mta.start()
        for i in range(10):
            mta.send("a@example.net", ["alice@example.org"], text("k%d" % i))
        mta.kill()
        mta.set(defer_transports="")
        mta.start()
        mta.command("postqueue", "-f")
        subjects = {m.split(b"Subject: ")[1].split(b"\n")[0]
                    for m in mta.wait_mail("alice", 10)}
        equal(subjects, {b"k%d" % i for i in range(10)})


if __name__ == "__main__":
    main(globals())
