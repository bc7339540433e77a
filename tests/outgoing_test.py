"""What other sites get: smtp_generic_maps, smtp_header_checks and their like,
beside Debian's Postfix with the same tables; filters of replies and reports."""
import re

from capture import Capture
from instance import (Instance, equal, free_port, main, make_certificate,
                      matches, run, wait_for)
from postfix_peer import Postfix

GENERIC = """\
joe@example.org joe.out@example.net
@inside.example.org @example.net
alice somebody@example.com
plus@example.org plus.out@example.net
"""

HEADER = """\
/^X-Gone:/ IGNORE
/^Subject: warn/ WARN hm
/^X-Old: (.*)/ REPLACE X-New: $1
/^From:/ PREPEND X-Seen: from
/^To:.*joe@example\\.org/ WARN as it came
/^To:.*joe\\.out/ WARN as it goes
/^X-Strip:/ STRIP one
/^X-Replaced: (.*)/ REPLACE Cc: $1
"""

TEXT = """\
From: Joe <joe@example.org> (a comment)
To: <joe@example.org>, "A, l" <alice@example.org>,
  bob@inside.example.org, nobody@example.edu
Reply-To: plus+ext@example.org
Subject: warn me
X-Gone: x
X-Old: value
X-Strip: y
X-Replaced: joe@example.org
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain
X-Part: one

secret line
joe@example.org stays in the body
last line
--b
Content-Type: message/rfc822

From: joe@example.org
X-Nested: two

the secret of an attached message
--b--
"""

RECIPIENTS = ["nobody@example.edu", "joe@example.org", "plus+x@example.org"]


def rules(write, relay):
    """The same settings for both; write(name, text) gives a path."""
    return {
        "smtp_generic_maps": "regexp:" + write("empty", "") + ", texthash:" +
        write("generic", GENERIC),
        "smtp_header_checks": "regexp:" + write("header", HEADER),
        "smtp_mime_header_checks": "regexp:" + write(
            "mime", "/^X-Part:/ REPLACE X-Part: changed\n"),
        "smtp_nested_header_checks": "regexp:" + write(
            "nested", "/^X-Nested:/ IGNORE\n"),
        "smtp_body_checks": "regexp:" + write(
            "body", "/^secret/ REPLACE [removed]\n/^last/ IGNORE\n"
            "/attached/ PREPEND look:\n"),
        "propagate_unmatched_extensions": "canonical, virtual, generic",
        "recipient_delimiter": "+",
        "myorigin": "example.org",
        "mydomain": "example.org",
        "mydestination": "example.org",
        "local_transport": "smtp:" + relay,
        "relayhost": relay,
        "local_recipient_maps": "",
        "smtp_host_lookup": "native",
    }


def without_trace(content):
    """No Received field, no date or id that the MTA gave; folding as it may
    be (Postfix makes address fields anew, we change addresses only)."""
    content = re.sub(r"^Received: .*\n([ \t].*\n)*", "", content, flags=re.M)
    content = re.sub(r"^(Message-Id|Date): .*\n", "", content,
                     flags=re.M | re.I)
    return re.sub(r">\(", "> (", re.sub(r"\n[ \t]+", " ", content))


def warnings(log):
    return sorted(re.findall(
        r"(?:info|strip|warning|replace|prepend): (?:header|body) .*", log))


def test_beside_postfix():
    with Capture(free_port()) as sink:
        relay = "[127.0.0.1]:%d" % sink.server_address[1]
        with Postfix() as peer:
            peer.write_configuration()
            peer.parameters.update(rules(
                lambda name, text: wrote(peer.conf + "/" + name, text),
                relay))
            peer.start()
            run("/usr/sbin/sendmail", "-C", peer.conf, "-f",
                "alice@example.org", *RECIPIENTS, input=TEXT)
            wait_for(lambda: len(sink.messages) > 0 and
                     peer.log().count("status=sent") == len(RECIPIENTS),
                     "Postfix's message")
            theirs, their_log = sink.messages.pop(), warnings(peer.log())
        with Instance() as mta:
            mta.set(**rules(
                lambda name, text: mta.write("conf/" + name, text), relay))
            mta.start()
            mta.command("sendmail", "-f", "alice@example.org", *RECIPIENTS,
                        input=TEXT, check=True)
            mta.wait_log("status=sent", count=len(RECIPIENTS))
            ours, our_log = sink.messages.pop(), warnings(mta.log())
    equal(ours[0], theirs[0])
    equal(sorted(ours[1]), sorted(theirs[1]))
    equal(without_trace(ours[2]), without_trace(theirs[2]))
    equal(our_log, their_log)


def new(sink, **parameters):
    relay = "[127.0.0.1]:%d" % sink.server_address[1]
    mta = Instance(relayhost=relay, mydestination="",
                   smtp_host_lookup="native", **parameters)
    return mta


def send(mta, subject="x", to="r@example.com"):
    mta.command("sendmail", "-f", "s@example.org", to,
                input="Subject: %s\n\nbody\n" % subject, check=True)


def test_what_is_no_rule_lets_nothing_pass():
    with Capture(free_port()) as sink, new(sink) as mta:
        mta.set(smtp_header_checks="regexp:" + mta.write(
                    "conf/header", "/^Subject: reject/ REJECT no\n"
                    "/^Subject: bare/ REPLACE\n/^Subject: pass/ PASS\n"),
                smtp_generic_maps="texthash:" + mta.path("conf/missing"))
        mta.start()
        send(mta)
        mta.wait_log(r"dsn=4\.3\.0, status=deferred \(generic address mapping "
                     r"lookup error\)")
        mta.write("conf/missing", "")
        mta.reload()
        for subject in ("reject", "bare", "pass"):
            send(mta, subject)
        mta.wait_log(r"dsn=4\.3\.5, status=deferred \(unsupported action in a "
                     r"header or body check\)", count=3)
        equal(len(sink.messages), 0)


def test_large_content():
    body = "line of text\n" * 40000
    with Capture(free_port()) as sink, new(sink) as mta:
        mta.set(smtp_generic_maps="inline:{s@example.org=t@example.net}",
                smtp_header_checks="inline:{{Subject: x=PREPEND X-A: b}}")
        mta.start()
        for checks in ("", "regexp:" + mta.write(
                "conf/body", "/^line of text$/ REPLACE line\n")):
            mta.set(smtp_body_checks=checks, body_checks_size_limit="13")
            mta.write_configuration()
            mta.reload()
            mta.command("sendmail", "-f", "s@example.org", "r@example.com",
                        input="From: s@example.org\nSubject: x\n\n" + body,
                        check=True)
            wait_for(lambda: sink.messages, "the message")
            sender, recipients, content = sink.messages.pop()
            equal((sender, recipients), ("t@example.net", ["r@example.com"]))
            head, _, rest = content.partition("\n\n")
            matches(r"(?m)^From: t@example.net\nX-A: b\nSubject: x$", head)
            equal(rest, body.replace("line of text", "line", 1) if checks
                  else body)


def test_filters():
    replies = {"RCPT TO:<FULL@EXAMPLE.COM>": "550 5.2.2 mailbox is full",
               "RCPT TO:<ODD@EXAMPLE.COM>": "550 5.7.1 go away"}
    with Capture(free_port(), replies) as sink, new(sink) as mta:
        mta.set(smtp_reply_filter="pcre:{{/^550 5\\.2\\.2 (.*)/ "
                "452 4.2.2 $$1, for now}}",
                smtp_delivery_status_filter="pcre:{{/^5\\.7\\.1 (.*)/ "
                "4.7.1 $$1}}")
        mta.start()
        send(mta, to="full@example.com")
        mta.wait_log(r"to=<full@example\.com>, .*dsn=4\.2\.2, status=deferred "
                     r"\(host .* said: 452 4\.2\.2 mailbox is full, for now")
        send(mta, to="odd@example.com")
        mta.wait_log(r"to=<odd@example\.com>, .*dsn=4\.7\.1, status=deferred "
                     r"\(host .* said: 550 5\.7\.1 go away")


def test_a_session_is_kept_for_its_policy():
    """Two destinations on one server: what one excludes binds the other not,
    nor does it go through the other's session."""
    port = free_port()
    strict, lax = "[localhost]:%d" % port, "localhost:%d" % port
    with Instance(smtp_tls_connection_reuse="yes", inet_protocols="ipv4",
                  disable_dns_lookups="yes",
                  smtp_connection_cache_destinations=strict + ", " + lax) \
            as mta, Capture(port, certificate=make_certificate(
                mta.path(""), "localhost")) as sink:
        mta.set(transport_maps="inline:{a.example=smtp:%s, b.example=smtp:%s}"
                % (strict, lax),
                smtp_tls_policy_maps="inline:{{%s = encrypt exclude=AES256}, "
                "{%s = encrypt}}" % (strict, lax))
        mta.start()
        for count, domain, handshakes in ((1, "a", 1), (2, "a", 1),
                                          (3, "b", 2), (4, "b", 2),
                                          (5, "a", 2)):
            send(mta, to="r@%s.example" % domain)
            wait_for(lambda: len(sink.messages) == count, "the message")
            mta.wait_empty()
            equal(sink.commands.count("STARTTLS"), handshakes)


def wrote(path, text):
    with open(path, "w") as handle:
        handle.write(text)
    return path


main(globals())
