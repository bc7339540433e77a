"""Address verification beside Debian's Postfix: the same questions about the
same addresses; what clients are told, what is logged of clients and probes, what
servers are asked, and what the table keeps."""
import difflib
import re
import smtplib

from instance import SBIN, Failed, Instance, equal, main, run, wait_for
from postfix_peer import Postfix
from probed import Probed

RULES = {
    "myorigin": "example.org", "mydomain": "example.org",
    "myhostname": "mail.example.org", "mail_name": "Mail",
    "mydestination": "localhost, local.example", "local_recipient_maps": "",
    "relay_domains": "rel.example", "virtual_alias_domains": "v.example",
    "virtual_mailbox_domains": "m.example",
    "virtual_mailbox_maps": "inline:{ {joe@m.example=joe/}, "
                            "{box@m.example=box} }",
    "virtual_mailbox_base": "$data_directory", "virtual_minimum_uid": "100",
    "virtual_uid_maps": "static:1234", "virtual_gid_maps": "static:1234",
    "virtual_alias_maps": "inline:{ "
                          "{two@v.example=good1@a.example, bad1@a.example}, "
                          "{one@v.example=bad1@b.example}, "
                          "{good@x.example=bad-alias@x.example} }",
    "canonical_maps": "inline:{ {old@c.example=good-new@c.example} }",
    "alias_maps": "inline:{ {lst=good@remote.example, bad@remote.example}, "
                  "{one=good3@remote.example}, {file=/var/nowhere/x} }",
    "smtp_tls_security_level": "none", "smtp_host_lookup": "native",
    "disable_dns_lookups": "yes", "notify_classes": "",
    "smtputf8_enable": "no", "recipient_delimiter": "",
    "smtpd_sender_restrictions": "", "smtpd_client_restrictions": "",
    "smtpd_reject_unlisted_recipient": "no",
    "smtpd_recipient_restrictions": "reject_unverified_recipient, "
                                    "permit_mynetworks, reject",
    "address_verify_poll_count": "3", "address_verify_poll_delay": "2s",
    "address_verify_map": "btree:$data_directory/verify_cache",
    "smtp_log_tls_feature_status": "no",
    "transport_maps": "inline:{ {err.example=error:5.1.2 go away}, "
                      "{ret.example=retry:4.3.1 not now}, "
                      "{dis.example=discard:gone}, {pip.example=piper:}, "
                      "{down.example=smtp:[127.0.0.1]:1}, "
                      "{e.example=error:5.7.1 no mail} }",
}
ROWS = "piper unix - n n - - pipe user=bob argv=/bin/cat\n"


class Suite:
    """One of the two, with its own server for probes."""

    def __init__(self, kind, parameters, offers):
        self.sink = Probed(offers=offers)
        self.sink.answers["long"] = "550 5.7.1 " + "x" * 600
        self.sink.answers["two"] = "550-5.7.1 one\r\n550 5.7.1 two"
        self.sink.answers["odd"] = "450 no code"
        self.mta = kind()
        if isinstance(self.mta, Postfix):
            self.mta.services += "\n" + ROWS
            self.postmap = "/usr/sbin/postmap"
        else:
            self.mta.master += ROWS
            self.postmap = SBIN + "/postmap"
        relay = "smtp:[127.0.0.1]:%d" % self.sink.port
        self.mta.parameters.update(RULES, default_transport=relay,
                                   relay_transport=relay)
        self.mta.parameters.update({
            name: value.replace("SINK", relay)
            for name, value in parameters.items()})

    def ask(self, sender, recipient):
        with smtplib.SMTP("127.0.0.1", self.mta.smtp_port,
                          timeout=120) as client:
            client.command_encoding = "utf-8"
            client.ehlo("client.example.net")
            said = client.docmd("MAIL FROM:<%s>%s" % (
                sender, "" if recipient.isascii() else " SMTPUTF8"))
            if said[0] == 250:
                said = client.docmd("RCPT TO:<%s>" % recipient)
            return "%s -> %s: %d %s" % (sender, recipient, said[0],
                                        said[1].decode())

    def at_rest(self):
        log = self.mta.log()
        ids = set(re.findall(r"cleanup\[\d+\]: (\w+): message-id", log))
        over = set(re.findall(r"qmgr\[\d+\]: (\w+): removed", log)) | set(
            re.findall(r"cleanup\[\d+\]: (\w+): to=", log))
        return ids <= over

    def lines(self):
        """Of smtpd and of what probes met, without what names the run."""
        found = []
        for line in self.mta.log().splitlines():
            row = re.search(r"/(\w+)\[\d+\]: (?:NOQUEUE: (reject.*)|\w+: (to=.*"
                            r"status=.*))", line)
            if not row:
                continue
            text = row.group(2) or row.group(3)
            text = re.sub(r"conn_use=\d+, |delay=\S+ |delays=\S+ ", "", text)
            who = row.group(1)
            if who == "qmgr" and "Too many address verif" in text:
                who = "error"  # ours asks no other program to say so
            found.append(who + ": " + self.plain(text))
        return sorted(found)

    def plain(self, text):
        return text.replace(":%d" % self.sink.port, ":PORT").replace(
            self.mta.folder, "FOLDER")

    def table(self):
        """A request that is still open has a row with Postfix."""
        done = run(self.postmap, "-c", self.mta.conf, "-s", "btree:" +
                   self.mta.folder + "/data/verify_cache", check=False)
        rows = [re.sub(r":\d+:\d+:", ":TIME:", self.plain(row), count=1)
                for row in done.stdout.splitlines()]
        return sorted(row for row in rows if not row.startswith("_LAST") and
                      "\t3:" not in row)

    def commands(self):
        """Sessions are not compared: one of ours may serve several probes."""
        return sorted(set(line for line in self.sink.commands
                          if line.split()[0] not in ("EHLO", "RSET", "QUIT")))

    def run(self, questions):
        try:
            with self.mta:
                self.mta.start()
                said = [self.ask(*one) for one in questions]
                self.sink.release()
                wait_for(self.at_rest, "rest")
                if isinstance(self.mta, Postfix):
                    run("/usr/sbin/postfix", "-c", self.mta.conf, "stop")
                else:
                    self.mta.stop()
                return {"replies": [self.plain(one) for one in said],
                        "log": self.lines(), "table": self.table(),
                        "commands": self.commands()}
        finally:
            self.sink.close()


def compared(questions, offers=("PIPELINING",), **parameters):
    theirs, ours = (Suite(kind, parameters, offers).run(questions)
                    for kind in (Postfix, Instance))
    wrong = []
    for part in theirs:
        wrong += difflib.unified_diff(theirs[part], ours[part],
                                      "theirs " + part, "ours " + part,
                                      lineterm="", n=0)
    if wrong:
        raise Failed("\n".join(wrong))
    return theirs


def to(*recipients):
    return [("s@remote.example", recipient) for recipient in recipients]


def test_recipients():
    compared(to(
        "good@a.example", "bad@a.example", "later@a.example",
        "closed@a.example", "odd@a.example", "long@a.example",
        "two@a.example", "good2@rel.example", "two@v.example",
        "one@v.example", "nobody@v.example", "good@x.example",
        "old@c.example", "joe@m.example", "box@m.example", "jim@m.example",
        "x@err.example", "x@ret.example", "x@dis.example", "x@pip.example",
        "x@down.example", "root@local.example", "nobody-x@local.example",
        "lst@local.example", "one@local.example", "file@local.example",
        "data-x@a.example", '"a b"@a.example', "GOOD@A.example", "x",
        "postmaster@example.org", "double-bounce@example.org",
        "bad@a.example", "good@a.example"),
        unverified_recipient_reject_code="550")


def test_senders():
    compared([(sender, "x@e.example") for sender in (
        "good@a.example", "bad@a.example", "later@a.example", "",
        "double-bounce@example.org", "double-bounce", "nobody-x@local.example",
        "root@local.example", "nobody@v.example", "bad@a.example")],
        smtpd_recipient_restrictions="reject_unverified_sender, "
        "permit_mynetworks, reject", smtpd_sender_restrictions="",
        mydestination="localhost, local.example, example.org",
        unverified_sender_reject_code="550",
        unverified_sender_defer_code="459")


def test_words():
    questions = to("bad@a.example", "later@a.example", "good@a.example",
                   "slow-bad@a.example")
    for more in ({}, {"unverified_recipient_reject_reason": "My reason",
                      "unverified_recipient_reject_code": "553",
                      "unverified_recipient_defer_code": "454"},
                 {"unverified_recipient_tempfail_action": "defer",
                  "unverified_recipient_reject_reason": "5.7.8 My reason",
                  "smtpd_recipient_restrictions":
                  "reject_unverified_recipient, reject"},
                 {"smtpd_recipient_restrictions":
                  "reject_unverified_recipient, reject",
                  "unverified_recipient_reject_code": "550"},
                 {"soft_bounce": "yes",
                  "unverified_recipient_reject_code": "550"}):
        compared(questions, **more)


def test_in_tables():
    compared(
        [("bad-s@a.example", "bad-t@a.example"),
         ("bad-s@a.example", "bad-u@a.example"),
         ("bad-q@a.example", "good@a.example")],
        smtpd_sender_restrictions="warn_if_reject reject_unverified_sender, "
        "check_sender_access inline:{ "
        "{bad-q@a.example=reject_unverified_sender} }",
        smtpd_recipient_restrictions="check_recipient_access inline:{ "
        "{bad-t@a.example=reject_unverified_recipient}, "
        "{bad-u@a.example=warn_if_reject reject_unverified_recipient} }, "
        "permit_mynetworks, reject", unverified_recipient_reject_code="550")


def test_routes_and_senders():
    questions = to("bad@a.example", "good@a.example", "me@else.example",
                   "good@t.example", "data-x@a.example",
                   "nobody-x@local.example", "joe@m.example")
    compared(questions, address_verify_sender="me@else.example",
             address_verify_default_transport="error:5.0.0 not here",
             address_verify_local_transport="error:5.1.3 nor here",
             address_verify_virtual_transport="SINK",
             address_verify_transport_maps="inline:{ {t.example=SINK} }")
    compared(questions, address_verify_sender="",
             smtp_address_verify_target="data")
    compared(questions, address_verify_sender="<>",
             address_verify_transport_maps="inline:{ {a.example=retry:4.7.0 "
             "wait} }")


def test_utf8():
    questions = to("good-\xe9@a.example", "bad-\xe9@a.example",
                   "good@a.example")
    for offers in (("PIPELINING",), ("PIPELINING", "SMTPUTF8", "8BITMIME")):
        compared(questions, offers, smtputf8_enable="yes",
                 unverified_recipient_reject_code="550")


def test_limit():
    found = compared(
        to("slow-good@a.example", "good@a.example"),
        address_verify_pending_request_limit="1", soft_bounce="no",
        address_verify_poll_count="3")
    equal(sum("Too many address verification requests" in line
              for line in found["log"]), 2)


if __name__ == "__main__":
    main(globals())
