"""Rewriting and routing beside Debian's Postfix: the same tables and the same
mail, by sendmail and by SMTP; envelopes and header addresses as they leave,
and where they go."""
import difflib
import re
import smtplib
from concurrent.futures import ThreadPoolExecutor

from agents import at_rest, is_over
from capture import Capture
from instance import (PATIENCE, SBIN, Failed, Instance, equal, free_port, main,
                      run, wait_for)
from postfix_peer import Postfix, lay_over_usr

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
blank@v.example a@example.net  b@example.net
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
    ("s@example.net", ["blank@v.example"], "From: s@example.net\n"),
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
        with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
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
        wait_for(lambda: is_over(log(), number + 1), "an empty queue")
        results.append(left(sink, token))
    return results


def by_both(more, what):
    """what(mta, sink) of Debian's suite and of ours, with the same settings."""
    relay_port = free_port()
    got = []
    for kind in (Postfix, Instance):
        with Capture(relay_port) as sink, kind() as mta:
            mta.write_configuration()

            def write(name, text):
                path = mta.conf + "/" + name
                with open(path, "w") as handle:
                    handle.write(text)
                return path
            mta.parameters.update(rules("[127.0.0.1]:%d" % relay_port, write))
            mta.parameters.update(more)
            mta.start()
            got.append(what(mta, sink))
    return got


def compared(more, make):
    got = by_both(more, lambda mta, sink: outcome(make(mta), sink, mta.log))
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


# A, B and C are servers of ours. All that no table knows goes to A.
ROUTES = """\
full+ext@t.example smtp:C
full@t.example smtp:B
t.example smtp:C
.sub.example smtp:C
in.sub.example :B
up.example :C
error.example error:5.7.1 not with us
plain-error.example error:not here
only-transport.example error:
discard.example discard:quietly
local.example :
u@local.example :B
v@local.example smtp:B
known@virtual.example :C
relay.example :B
u@relay.example smtp:C
quote\\ d@t.example smtp:B
[192.0.2.9] smtp:B
localpart smtp:C
"""
MOVED = """\
gone@example.org here@example.com
ext+x@example.org ext.x@example.com
ext@example.org ext@example.com
short short@example.com
tiny+x tiny.x@example.com
@left.example the whole domain
@local.example all of it
far@far.example far away
"""
RELAYS = """\
boss@s.example B
ext+x@s.example B
ext@s.example C
@s.example C
dunno@s.example DUNNO
@dunno.example DUNNO
<> C
domain.example B
Upper@up.example B
"""
TRANSPORTS = """\
boss@d.example smtp:C
ext+x@d.example smtp:B
ext@d.example smtp:C
@d.example smtp:B
nexthop@n.example smtp:B
@n.example smtp:
@error.example error:5.7.1 not for you
dunno@d.example DUNNO
<> smtp:B
domain.example smtp:B
"""
ROUTED = {
    "myorigin": "example.org", "mydomain": "example.org",
    "mydestination": "example.org, local.example, left.example",
    "local_recipient_maps": "", "smtp_host_lookup": "native",
    "recipient_delimiter": "+", "relay_domains": "relay.example",
    "relay_recipient_maps": "", "smtp_tls_security_level": "none",
    "virtual_mailbox_domains": "virtual.example",
    "virtual_mailbox_maps": "static:x", "soft_bounce": "no",
    "relayhost": "A", "local_transport": "smtp:A",
    "virtual_transport": "smtp:A", "notify_classes": "",
    "virtual_alias_maps": "inline:{{alias@example.org=full@t.example}}",
}

BY_RECIPIENT = [("s@example.net", [
    "full+ext@t.example", "full+other@t.example", "full@t.example",
    "FULL@T.example", "any@t.example", "any@x.t.example",
    "u@a.sub.example", "u@in.sub.example", "u@sub.example", "u@b.a.sub.example",
    "u@up.example", "u@x.up.example", "u@error.example",
    "u@plain-error.example", "u@only-transport.example",
    "u@discard.example", "any@local.example", "u@local.example",
    "v+x@local.example", "known@virtual.example", "other@virtual.example",
    "any@relay.example", "u+x@relay.example", "\"quote d\"@t.example",
    "u@[192.0.2.9]", "localpart", "alias", "nowhere@example.com"])]
BY_MOVED = [("s@example.net", [
    "gone", "gone+ext@example.org", "GONE@example.org", "ext+x", "ext+y",
    "ext", "short", "short+x", "short@local.example", "short@example.com",
    "tiny+x", "tiny", "any@left.example", "any@local.example",
    "far@far.example", "stays"])]
BY_SENDER = [(sender, ["%s@example.com" % name, "%s@relay.example" % name,
                       "%s@example.org" % name, name + "@t.example"])
             for name, sender in (
    ("r1", "boss@s.example"), ("r2", "ext+x@s.example"),
    ("r3", "ext+y@s.example"), ("r4", "other@s.example"),
    ("r5", "dunno@s.example"), ("r6", "u@dunno.example"), ("r7", ""),
    ("r8", "u@domain.example"), ("r9", "UPPER@UP.example"),
    ("r10", "boss@d.example"), ("r11", "ext+x@d.example"),
    ("r12", "ext+y@d.example"), ("r13", "other+z@d.example"),
    ("r14", "nexthop@n.example"), ("r15", "other@n.example"),
    ("r16", "u@error.example"), ("r17", "dunno@d.example"),
    ("r18", "boss@x.s.example"), ("r19", "local"))]


def sent_on(log, letters, senders):
    """What the log says of each recipient; ports as letters."""
    found = []
    for line in log.splitlines():
        row = re.search(r" to=<(.*?)>, (?:orig_to=<(.*?)>, )?relay=(.*?), .*"
                        r"dsn=(.*?), status=(.*)", line)
        if not row or row.group(1) in senders:
            continue
        text = "|".join(word or "" for word in row.groups())
        for port, letter in letters.items():
            text = text.replace("127.0.0.1[127.0.0.1]:%d" % port, letter)
        found.append(text)
    return sorted(found)


def replies(port, sender, recipients):
    """What smtpd says to each recipient; the mail is not sent."""
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
        client.ehlo("client.example.net")
        client.mail(sender)
        return [(name, client.docmd("RCPT TO:<%s>" % name))
                for name in recipients]


def routed(sent, settings, smtp=()):
    """Send, and compare where both bring it; the settings' files are made.
    A letter of a server stands for its address."""
    ports = {letter: free_port() for letter in "ABC"}

    def filled(text):
        return re.sub(r"(?m)(?<![\w<])([ABC])$", lambda found:
                      "[127.0.0.1]:%d" % ports[found.group(1)], text)
    got = []
    for kind in (Postfix, Instance):
        with Capture(ports["A"]), Capture(ports["B"]), Capture(ports["C"]), \
                kind() as mta:
            mta.write_configuration()
            for name, text in {**ROUTED, **settings}.items():
                if "\n" in text:
                    with open(mta.conf + "/" + name, "w") as handle:
                        handle.write(filled(text))
                    text = "texthash:%s/%s" % (mta.conf, name)
                mta.parameters[name] = filled(text)
            mta.start()
            theirs = isinstance(mta, Postfix)
            send = by_sendmail(
                ("/usr/sbin/sendmail" if theirs else SBIN + "/sendmail", "-C",
                 mta.conf), None if theirs else mta.env)
            for sender, recipients in sent:
                send(sender, recipients, "Subject: x\n\nbody\n")
            wait_for(lambda: is_over(mta.log(), len(sent)), "an empty queue")
            got.append(sent_on(mta.log(), {
                port: letter for letter, port in ports.items()},
                [sender for sender, _ in sent]) +
                [replies(mta.smtp_port, *row) for row in smtp])
    theirs, ours = got
    if theirs != ours:
        raise Failed("\n".join(difflib.ndiff(
            [str(row) for row in theirs], [str(row) for row in ours])))


def test_transport_maps():
    routed(BY_RECIPIENT, {"transport_maps": ROUTES}, BY_RECIPIENT)


def test_transport_maps_with_a_wildcard():
    """And the names of domains also stand for what is below them."""
    routed(BY_RECIPIENT, {"transport_maps": ROUTES + "* smtp:B\n",
                          "parent_domain_matches_subdomains":
                          "transport_maps"})


def test_relocated_maps():
    # Their replies name the address as it was given, ours the completed one.
    routed(BY_MOVED, {"relocated_maps": MOVED}, [
        (sender, [name for name in recipients if "@" in name])
        for sender, recipients in BY_MOVED])


def test_sender_dependent_relayhost_maps():
    routed(BY_SENDER, {"sender_dependent_relayhost_maps": RELAYS,
                       "transport_maps": "t.example smtp:A\n"})


def test_sender_dependent_default_transport_maps():
    routed(BY_SENDER, {"sender_dependent_default_transport_maps": TRANSPORTS,
                       "sender_dependent_relayhost_maps": RELAYS,
                       "transport_maps": "t.example smtp:A\n"})


# ---- settings that are seldom changed ----

# Each with what is sent: sender, recipients, header.
LETTERS = [
    ("joe@old.example", ["joe@old.example", "boss@example.org"],
     "From: joe@old.example\nTo: joe@old.example, boss@example.org\n"
     "Reply-To: info@example.org\nX-Secret: x\nReturn-Path: y\n"),
    ("boss@example.org", ["info@example.org", "a@deep.hide.example"],
     "From: boss@example.org\nTo: info@example.org\n"
     "Cc: a@deep.hide.example, u@moved.example\n"
     "Sender: a@sub.hide.example\nErrors-To: plain\n"),
    ("plain", ["plain", "u@host", "x!y", "u%host", "joe+more@old.example"],
     "From: plain\nTo: u@host, x!y, u%host\nBcc: secret@example.net\n"),
    ("", ["info@example.org"], "To: info@example.org\n"),
    ("s@example.net", ["\"u@host.example\"@example.org", "u@",
                       "\"a b\"@example.net", "list-request", "owner-list",
                       "owner-list+x"], "Subject: no author\n"),
    ("s@example.net", ["list@v.example", "one@v.example"],
     "From: Some Body <s@example.net> (at home)\nResent-From: plain\n"),
    ("s@example.net", ["chain1@example.org", "self@example.org",
                       "watched@example.net"], "From: s@example.net\n"),
    ("boss@example.org", ["x@example.net"], "Subject: no author\n"),
    ("a@sub.hide.example", ["x@example.net"], "Subject: no author\n"),
    ("plain", ["x@example.net"], "Subject: no author\n"),
]
VARIANTS = [
    {"canonical_classes": "envelope_sender, header_recipient",
     "sender_canonical_classes": "header_sender",
     "recipient_canonical_classes": "envelope_recipient",
     "masquerade_classes": "envelope_recipient, header_recipient",
     "propagate_unmatched_extensions": ""},
    {"canonical_classes": "header_sender, envelope_recipient",
     "sender_canonical_classes": "envelope_sender",
     "recipient_canonical_classes": "header_recipient",
     "masquerade_classes": "envelope_sender",
     "masquerade_exceptions": "a, b", "message_drop_headers": "x-secret, to",
     "undisclosed_recipients_header": "To: undisclosed-recipients:;"},
    {"append_dot_mydomain": "no", "always_add_missing_headers": "yes",
     "swap_bangpath": "no", "allow_percent_hack": "no",
     "header_from_format": "obsolete", "always_bcc": "",
     "recipient_delimiter": "", "owner_request_special": "no"},
    {"virtual_alias_maps": "", "canonical_maps": "",
     "resolve_dequoted_address": "no", "enable_original_recipient": "no",
     "local_header_rewrite_clients": "static:all",
     "remote_header_rewrite_domain": "domain.invalid",
     "empty_address_recipient": "nobody"},
    {"append_at_myorigin": "no"},
    {"virtual_alias_expansion_limit": "2"},
    {"virtual_alias_recursion_limit": "2"},
    {"virtual_alias_address_length_limit": "10"},
    {"always_bcc": "one@example.com", "sender_bcc_maps":
     "inline:{{@example.net=two@example.com}}", "recipient_bcc_maps":
     "inline:{{@v.example=three@example.com}, {plain=four@v.example}}"},
]


def all_fields(content):
    """Of the header, but for what each suite writes in its way."""
    head = re.sub(r"\n[ \t]+", " ", content.split("\n\n", 1)[0])
    return sorted(re.sub(r"\s*,\s*", ", ", re.sub(r"(?i)^(Message-Id|Date|"
                  r"Resent-Message-Id|Resent-Date):.*", r"\1", line))
                  for line in head.splitlines()
                  if not line.startswith("Received:"))


def fate(mta, sink, send):
    """Of each of LETTERS: what is answered, what leaves, what is logged."""
    found, ids = [], set()
    for number, (sender, recipients, header) in enumerate(LETTERS):
        token = "token-%d-end" % number
        before = len(mta.log())
        answer = send(sender, recipients, header + "X-Token: %s\n\nbody\n" %
                      token)
        ids |= set(re.findall(r"(?<=queued as )\w+", answer[-1][1]))
        wait_for(lambda: at_rest(mta, ids), "rest")
        answer = [(code, re.sub(r"queued as \w+", "queued", reply))
                  for code, reply in answer]
        logged = sorted(re.findall(
            r" to=<(.*?)>,(?: orig_to=<(.*?)>,)? .*status=(\w+)",
            mta.log()[before:]))
        found.append((answer, logged, sorted(
            (sender, recipient, tuple(all_fields(content)))
            for sender, recipients, content in list(sink.messages)
            for recipient in recipients if token in content)))
    return found


def answered_by_smtp(port):
    def send(sender, recipients, text):
        with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
            client.ehlo("client.example.net")
            said = [client.docmd("MAIL FROM:<%s>" % sender)]
            said += [client.docmd("RCPT TO:<%s>" % recipient)
                     for recipient in recipients]
            try:
                said.append(client.data(text.encode()))
            except smtplib.SMTPDataError as refused:
                said.append((refused.smtp_code, refused.smtp_error))
            return [(code, reply.decode()) for code, reply in said]
    return send


def settled(variant):
    got = by_both(dict(variant, myhostname="mail.example.org",
                       mail_name="Mail"),
                  lambda mta, sink: fate(mta, sink,
                                         answered_by_smtp(mta.smtp_port)))
    return [(variant, *row[:2], a, b) for row, a, b in zip(LETTERS, *got)
            if a != b]


def test_other_settings():
    lay_over_usr("postfix")
    with ThreadPoolExecutor(3) as pool:
        wrong = [row for rows in pool.map(settled, VARIANTS) for row in rows]
    if wrong:
        raise Failed("\n".join("%r %r %r\n  theirs %r\n  ours   %r" % row
                               for row in wrong))


main(globals())
