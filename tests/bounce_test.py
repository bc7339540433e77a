"""bounce(8): who is told of what, and how the report looks to a parser."""
import email
import email.policy

from instance import Instance, equal, main, matches


def text(subject="one", lines=1):
    return ("From: a@example.net\r\nSubject: %s\r\n"
            "Message-ID: <%s@example.net>\r\n\r\n" % (subject, subject) +
            "Hello, world.\r\n" * lines)


class Bounce(Instance):
    """alice and postmaster have mailboxes; all others are refused."""

    def __init__(self, **parameters):
        super().__init__(**parameters)
        self.virtual_mailboxes(users=("alice", "postmaster"))
        self.set(transport_maps="inline:{ {gone.example.org = "
                 "error:5.1.2 gone for good} }",
                 smtpd_reject_unlisted_recipient="no",  # told at once
                 relay_domains="gone.example.org")

    def send_with(self, sender, recipient, message, mail=(), rcpt=()):
        with self.smtp() as client:
            client.ehlo("client.example.net")
            equal(client.mail(sender, mail)[0], 250)
            equal(client.rcpt(recipient, rcpt)[0], 250)
            equal(client.data(message)[0], 250)

    def report(self, user="alice", count=1):
        """The notification, and the fields of its delivery-status."""
        message = email.message_from_bytes(
            self.wait_mail(user, count)[count - 1],
            policy=email.policy.default)
        equal(message.get_content_type(), "multipart/report")
        equal(message.get_param("report-type"), "delivery-status")
        parts = message.get_payload()
        equal(len(parts), 3)
        equal(parts[1].get_content_type(), "message/delivery-status")
        return message, parts[1].get_payload(), parts[2]


def test_a_failure():
    with Bounce() as mta:
        mta.start()
        mta.send_with("alice@example.org", "joe@gone.example.org", text(),
                      ["RET=FULL", "ENVID=E+2B1"],
                      ["ORCPT=rfc822;jo+2Be@example.com", "NOTIFY=FAILURE"])
        message, status, original = mta.report()
        matches(r"^<>$", message["Return-Path"])
        equal(message["Auto-Submitted"], "auto-replied")
        equal(message["In-Reply-To"], None)
        equal(status[0]["Reporting-MTA"], "dns; mail.example.org")
        equal(status[0]["Original-Envelope-Id"], "E+1")
        equal(status[1]["Final-Recipient"], "rfc822; joe@gone.example.org")
        equal(status[1]["Original-Recipient"], "rfc822; jo+e@example.com")
        equal(status[1]["Action"], "failed")
        equal(status[1]["Status"], "5.1.2")
        matches("gone for good", status[1]["Diagnostic-Code"])
        equal(original.get_content_type(), "message/rfc822")
        equal(original.get_payload()[0]["Subject"], "one")
        mta.wait_log(r"bounce\[\d+\]: \w+: sender non-delivery notification: "
                     r"\w+")
        mta.wait_empty()


def test_only_the_header():
    with Bounce(bounce_size_limit="1000") as mta:
        mta.start()
        mta.send_with("alice@example.org", "joe@gone.example.org", text(),
                      ["RET=HDRS"])
        mta.send("alice@example.org", ["joe@gone.example.org"],
                 text("two", 5000))
        for count in (1, 2):
            part = mta.report(count=count)[2]
            equal(part.get_content_type(), "text/rfc822-headers")
            matches("Subject: (one|two)", part.get_payload())
            equal("Hello" in part.get_payload(), False)


def test_nobody_is_told():
    with Bounce() as mta:
        mta.start()
        mta.send_with("alice@example.org", "joe@gone.example.org", text(),
                      rcpt=["NOTIFY=NEVER"])
        mta.send("", ["joe@gone.example.org"], text())
        mta.wait_log(r"status=bounced \(gone for good\)", count=2)
        mta.wait_log(r"qmgr\[\d+\]: \w+: removed", count=2)
        equal(mta.maildir("alice"), [])
        equal("notification" in mta.log(), False)


def test_success_is_told_if_asked():
    with Bounce() as mta:
        mta.start()
        mta.send_with("alice@example.org", "postmaster@example.org", text(),
                      rcpt=["NOTIFY=SUCCESS"])
        status = mta.report()[1]
        equal(status[1]["Action"], "delivered")
        equal(status[1]["Status"], "2.0.0")
        mta.wait_log(r"sender delivery status notification: \w+")


def test_postmaster():
    with Bounce(notify_classes="bounce, 2bounce") as mta:
        mta.set(**{"2bounce_notice_recipient": "postmaster@example.org",
                   "bounce_notice_recipient": "postmaster@example.org"})
        mta.start()
        mta.send("", ["joe@gone.example.org"], text())
        mta.wait_log(r"postmaster non-delivery notification: \w+")
        message = mta.report("postmaster")[0]
        equal(message["Auto-Submitted"], "auto-generated")
        equal(message["Return-Path"], "<double-bounce@example.org>")
        mta.send("alice@example.org", ["joe@gone.example.org"], text())
        mta.report("postmaster", 2)
        mta.report("alice")
        mta.wait_empty()


def test_a_report_to_postmaster_that_fails_ends():
    with Bounce(notify_classes="2bounce") as mta:
        mta.set(**{"2bounce_notice_recipient": "joe@gone.example.org"})
        mta.start()
        mta.send("", ["joe@gone.example.org"], text())
        mta.wait_log("undeliverable postmaster notification discarded")
        mta.wait_empty()
        equal(mta.log().count("postmaster non-delivery notification"), 1)


def test_templates():
    with Bounce() as mta:
        path = mta.write("conf/bounce.cf", "# ours\nfailure_template = <<X\n"
                         "Charset: us-ascii\nFrom: Robot <robot>\n"
                         "Subject: No\n\nThis is $myhostname, "
                         "$maximal_queue_lifetime_days days.\nX\n")
        mta.set(bounce_template_file=path)
        mta.start()
        mta.send("alice@example.org", ["joe@gone.example.org"], text())
        message = mta.report()[0]
        equal(message["Subject"], "No")
        equal(message["From"], "Robot <robot@example.org>")
        matches(r"This is mail.example.org, 5 days.",
                message.get_payload()[0].get_payload())


if __name__ == "__main__":
    main(globals())
