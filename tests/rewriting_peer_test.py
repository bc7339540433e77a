"""Rewriting beside Debian's Postfix: the same tables and the same mail, by
sendmail and by SMTP; envelopes and header addresses as they leave."""
import re
import smtplib

from capture import Capture
from instance import SBIN, Instance, equal, free_port, main, run, wait_for
from postfix_peer import Postfix

CANONICAL = """\
joe@old.example joe@example.net
@moved.example @new.example
plain plain.canonical@example.net
ext+keep@example.org kept@example.net
chain1@example.org chain2@example.org
chain2@example.org chain3@example.org
"""
SENDERS = "boss@example.org chief@example.org\n"
RECIPIENTS = "info@example.org info.canonical@example.org\n"
VIRTUAL = """\
v.example anything
one@v.example a@example.net
two@v.example a@example.net, b@example.net
list@v.example one@v.example, two@v.example, c@example.net
@v.example catch@example.net
self@example.org self@example.org, e@example.net
@w.example @x.example
alias alias.virtual@example.net
"""
TRANSPORT = "special.example smtp:HERE\n.example smtp:HERE\n"
BCC = "watched@example.net copy@example.com\n@bcc.example others@example.com\n"
SENDER_BCC = "chief@example.org sent@example.com\n"

RULES = {
    "myorigin": "example.org", "mydomain": "example.org",
    "mydestination": "example.org, localhost", "local_recipient_maps": "",
    "virtual_alias_domains": "v.example", "recipient_delimiter": "+-",
    "masquerade_domains": "!keep.hide.example hide.example",
    "masquerade_exceptions": "root",
    "always_bcc": "archive@example.com",
    "smtp_host_lookup": "native", "enable_original_recipient": "yes",
    "owner_request_special": "yes", "relocated_maps":
    "inline:{ {gone@example.org = here@example.com} }",
    "smtputf8_enable": "no", "smtp_tls_security_level": "none",
    "propagate_unmatched_extensions": "canonical, virtual",
}

# What is sent: sender, recipients, header.
SENT = [
    ("joe@old.example", ["u@moved.example", "x@example.net"],
     "From: joe@old.example\nTo: u@moved.example, X <x@example.net>\n"
     "Cc: someone@else.example\n"),
    ("plain", ["plain", "alias"], "From: plain (Full Name)\nTo: alias\n"),
    ("boss@example.org", ["info@example.org"],
     "From: Boss <boss@example.org>\nTo: info@example.org\n"),
    ("a@sub.hide.example", ["root@deep.sub.hide.example",
                            "b@keep.hide.example", "c@in.keep.hide.example"],
     "From: a@sub.hide.example\nTo: root@deep.sub.hide.example, "
     "d@deep.hide.example\n"),
    ("s@example.net", ["list@v.example", "nobody@v.example"],
     "From: s@example.net\nTo: list@v.example\n"),
    ("s@example.net", ["self@example.org", "u@w.example"],
     "From: s@example.net\nTo: x:;\n"),
    ("s@example.net", ["one+ext@v.example", "two-ext@v.example",
                       "ext+keep@example.org", "ext+lost@example.org",
                       "joe+more@old.example"],
     "From: joe+more@old.example\nTo: one+ext@v.example\n"),
    ("chain1@example.org", ["chain1@example.org"],
     "From: chain1@example.org\nTo: chain1@example.org\n"),
    ("s@example.net", ["watched@example.net", "u@bcc.example"],
     "From: s@example.net\nTo: watched@example.net\n"),
    ("host.example!user", ["user%host.example", "a!b!c", "u%h@example.org",
                           "@a.example:x@example.net",
                           "u@host.example."],
     "From: host.example!user\nTo: user%host.example, a!b!c, "
     "u@host.example.\n"),
    ("owner-list@example.org", ["list-owner", "owner-list+x@example.org"],
     "From: owner-list@example.org\nTo: list-request@example.org\n"),
    ("u@host", ["v@host", "\"a b\"@example.net"],
     "From: u@host\nTo: v@host, \"a b\"@example.net\nReply-To: w\n"),
    ("", ["x@example.net"], "From: MAILER-DAEMON\nTo: x@example.net\n"
     "Resent-From: r\nResent-To: r2@old.example\n"),
]


def rules(relay, write):
    """The settings; write(name, text) gives a path."""
    smtp = "smtp:" + relay
    return dict(
        RULES, canonical_maps="texthash:" + write("canonical", CANONICAL),
        sender_canonical_maps="texthash:" + write("senders", SENDERS),
        recipient_canonical_maps="texthash:" + write("recipients",
                                                     RECIPIENTS),
        virtual_alias_maps="texthash:" + write("virtual", VIRTUAL),
        transport_maps="texthash:" + write("transport", TRANSPORT.replace(
            "HERE", relay)),
        recipient_bcc_maps="texthash:" + write("bcc", BCC),
        sender_bcc_maps="texthash:" + write("sender_bcc", SENDER_BCC),
        local_transport=smtp, default_transport=smtp, relay_transport=smtp,
        virtual_transport=smtp)


def address_fields(content):
    head = re.sub(r"\n[ \t]+", " ", content.split("\n\n", 1)[0])
    return sorted(re.sub(r"\s*,\s*", ", ", line) for line in
                  head.splitlines() if re.match(
                      "(From|To|Cc|Reply-To|Resent-(From|To)):", line))


def left(sink, token):
    """(sender, recipient, address fields) of this message, each once."""
    return sorted({(sender, recipient, tuple(address_fields(content)))
                   for sender, recipients, content in list(sink.messages)
                   for recipient in recipients if token in content})


def by_sendmail(argv, env):
    def send(sender, recipients, text):
        run(*argv, "-f", sender or "<>", "--", *recipients, input=text,
            env=env)
    return send


def by_smtp(port):
    def send(sender, recipients, text):
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            client.ehlo("client.example.net")
            client.mail(sender)
            for recipient in recipients:
                client.docmd("RCPT TO:<%s>" % recipient)
            client.data(text.encode())
    return send


def outcome(send, sink, log):
    """What became of each row of SENT."""
    results = []
    for number, (sender, recipients, header) in enumerate(SENT):
        token = "token-%d-end" % number
        send(sender, recipients, header + "Subject: %s\n\nbody\n" % token)
        wait_for(lambda: any(token in m[2] for m in list(sink.messages)),
                 "message %d" % number)
        wait_for(lambda: log().count("queue active)") ==
                 log().count(": removed"), "an empty queue")
        results.append(left(sink, token))
    return results


def compared(more, make):
    relay_port = free_port()
    relay = "[127.0.0.1]:%d" % relay_port
    got = []
    for kind in (Postfix, Instance):
        with Capture(relay_port) as sink, kind() as mta:
            mta.write_configuration()

            def write(name, text):
                path = mta.conf + "/" + name
                with open(path, "w") as handle:
                    handle.write(text)
                return path
            mta.parameters.update(rules(relay, write))
            mta.parameters.update(more)
            mta.start()
            got.append(outcome(make(mta), sink, mta.log))
    for row, theirs, ours in zip(SENT, *got):
        equal((row[:2], ours), (row[:2], theirs))


def test_submitted_here():
    def make(mta):
        if isinstance(mta, Postfix):
            return by_sendmail(("/usr/sbin/sendmail", "-C", mta.conf), None)
        return by_sendmail((SBIN + "/sendmail", "-C", mta.conf), mta.env)
    compared({}, make)


def test_from_the_network():
    """Headers of strangers: only domains are completed, and with another."""
    compared({"local_header_rewrite_clients": "",
              "remote_header_rewrite_domain": "domain.invalid",
              "swap_bangpath": "no", "allow_percent_hack": "no",
              "append_dot_mydomain": "yes"},
             lambda mta: by_smtp(mta.smtp_port))


main(globals())
