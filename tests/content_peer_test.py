"""Content rules beside Debian's Postfix: the same tables and the same mail;
what is replied, what arrives, what is held and what the log says."""
import difflib
import re
import smtplib

from capture import Capture
from instance import (PATIENCE, Failed, Instance, check, free_port, main,
                      wait_for)
from postfix_peer import Postfix

HEADER = r"""
/^Subject: bcc/                 BCC archive@example.com
/^Subject: discard (.*)/        DISCARD quietly $1
/^Subject: dunno/               DUNNO
/^Subject: filter/              FILTER smtp:OTHER
/^Subject: hold/                HOLD why not
/^Subject: ignore/              IGNORE
/^Subject: info/                INFO some info
/^Subject: prepend/             PREPEND X-Before: yes
/^Subject: redirect/            REDIRECT other@example.net
/^Subject: reject 5/            REJECT 5.7.9 go away
/^Subject: reject 4/            REJECT 4.7.9 go away
/^Subject: reject$/             REJECT
/^Subject: reject plain/        REJECT not welcome
/^Subject: replace ([a-z]+)/       REPLACE Subject: was $1
/^Subject: strip/               STRIP a note
/^Subject: warn/                WARN beware
/^Subject: (nonsense)/          NONSENSE $1
/^Subject: lower/               reject in small letters
/^Subject: ok/                  OK
/^Subject: pass/                PASS as it is
/^X-Later:/                     WARN later
/^Subject: folded[[:space:]]+line/ REPLACE Subject: unfolded
/^Subject: empty/               REPLACE
/^Subject: text/                some text
if /^X-If:/
/^X-If: (yes)/                  PREPEND X-Seen: $1
if !/no/
/^X-If:/                        WARN neither
endif
endif
!/^[!-~]+:/                     WARN no field
/^(Content-[a-z0-9-]+|[a-z-]*mime[a-z-]*):/ WARN by header_checks
/^X-Part:/                      WARN by header_checks
"""
MIME = r"""
/name="?evil/                   REJECT an evil attachment
/^Content-Description: (.*)/    REPLACE Content-Description: (was $1)
/^Content-Id:/                  IGNORE
/^X-Part:/                      WARN by mime_header_checks
/^(Content-[a-z0-9-]+|[a-z-]*mime[a-z-]*):/ WARN by mime_header_checks
"""
NESTED = r"""
/^Subject: nested reject/       REJECT nested
/^Subject: nested/              REPLACE Subject: was nested
/^X-Inner:/                     PREPEND X-Outer: yes
/^X-Part:/                      WARN by nested_header_checks
/^Content-/                     WARN by nested_header_checks
"""
BODY = r"""
/^bcc/          BCC archive@example.com
/^discard/      DISCARD
/^dunno/        DUNNO
/^filter/       FILTER smtp:OTHER
/^hold/         HOLD
/^ignore/       IGNORE
/^info/         INFO
/^ok/           OK
/^pass/         PASS
/^prepend/      PREPEND before
/^redirect/     REDIRECT other@example.net
/^reject/       REJECT body
/^replace (.*)/ REPLACE was $1
/^strip/        STRIP
/^warn/         WARN of the body
/^nonsense/     NONSENSE
/^--frontier/   WARN of a boundary
/^pro|^epi/     WARN around the parts
/^$/            WARN empty
"""
SETTINGS = {
    "header_checks": HEADER, "mime_header_checks": MIME,
    "nested_header_checks": NESTED, "body_checks": BODY,
}
RULES = {
    "myorigin": "example.org", "mydomain": "example.org",
    "mydestination": "", "smtp_host_lookup": "native",
    "smtp_tls_security_level": "none", "default_destination_recipient_limit":
    "50", "notify_classes": "", "myhostname": "mail.example.org",
    "body_checks_size_limit": "200",
}

SUBJECTS = [
    "bcc", "discard it", "dunno", "filter", "hold", "ignore", "info",
    "prepend", "redirect", "reject 5", "reject 4", "reject", "reject plain",
    "replace this", "strip", "warn", "nonsense", "lower", "folded\n  line",
    "empty", "text", "plain",
]
WORDS = ["bcc", "discard", "dunno", "filter", "hold", "ignore", "info",
         "prepend", "redirect", "reject", "replace it", "strip", "warn",
         "nonsense"]
PART = ("Mime-Version: 1.0\nContent-Type: multipart/mixed; "
        "boundary=frontier\n\n--frontier\n%s\n\n%s\n--frontier--\n")


def messages():
    """(name, text): the text ends in a line that nothing says a word of."""
    for subject in SUBJECTS:
        yield "subject " + subject, "Subject: %s\n\nbody\n" % subject
    for word in WORDS:
        yield "body " + word, "Subject: x\n\nfirst\n%s\nlast\n" % word
        yield "late " + word, "Subject: x\n\n%s\n%s\n" % ("a" * 250, word)
    for name in ("ok", "pass"):
        yield name + " before others", (
            "X-If: yes\nSubject: %s\nX-Later: a\nX-Later: b\n"
            "Mime-Version: 1.0\nX-Part: c\n\nwarn\nreplace it\n" % name)
        yield "body %s before others" % name, (
            "Subject: x\nX-Later: a\n\nwarn\n%s\nwarn\nreplace it\n" % name)
    for line in ("X-If: yes", "X-If: no", "X-If: other", "X-If: yes\nX-If: o"):
        yield line, "Subject: x\n%s\n\nbody\n" % line
    for name, head, body in (
            ("evil", 'Content-Type: text/plain; name="evil.exe"', "x"),
            ("evil in two lines",
             'Content-Type: text/plain;\n name="evil.exe"', "x"),
            ("description", "Content-Description: a\nContent-Id: <b@c>", "x"),
            ("nested", "Content-Type: message/rfc822",
             "Subject: nested\nX-Inner: 1\n\ntext"),
            ("nested reject", "Content-Type: message/rfc822",
             "Subject: nested reject\n\ntext"),
            ("nested body", "Content-Type: message/rfc822",
             "Subject: a\n\nreject"),
            ("fields", "X-Part: 1\nContent-Language: de\nContent-Type: "
             "message/rfc822", "X-Part: 2\nContent-Type: text/plain\n"
             "Content-Foo: x\nMIME-Version: 1.0\n\nX-Part: 3"),
            ("body of a part", "Content-Type: text/plain", "replace me"),
            ("header of a part is no header", "Subject: reject", "x"),
            ("no field", "not a field", "x")):
        yield "mime " + name, "Subject: x\n" + PART % (head, body)
    for name in ("Type", "Language", "Length", "Foo", "Description",
                 "Disposition", "MD5", "Base", "Location", "Id", "Features",
                 "Transfer-Encoding"):
        yield "content " + name, ("Subject: x\nContent-%s: text/plain\n\n"
                                  "body\n" % name)
    yield "single evil", ('Subject: x\nContent-Type: text/plain; '
                          'name="evil.exe"\n\nbody\n')
    yield "x mime", "Subject: x\nX-MIME: a\nX-MimeOLE: b\nMIME: c\n\nbody\n"
    yield "long part", "Subject: x\n" + PART % (
        "X: y", "%s\nwarn late\n--frontier\nX: y\n\nwarn again" % ("a" * 250))
    yield "around", ("Subject: x\n" + PART % ("X: y", "text")).replace(
        "\n\n--frontier", "\n\nprologue\n%s\nprolate\n--frontier" % ("b" * 250)
        ) + "epilogue\n%s\nepilate\n" % ("b" * 250)
    yield "empty parts", "Subject: x\n" + PART % ("", "") + "\n\nepi\n"
    yield "no parts", ("Subject: x\n" + PART % ("X: y", "text")).replace(
        "multipart/mixed", "text/plain")
    yield "truncated", ("Subject: x\n" + PART % ("X: y", "warn")).replace(
        "\n--frontier--\n", "\n")
    yield "several", ("Subject: warn\nX-If: yes\n\nwarn\nreplace a\n"
                      "replace b\nignore\nprepend\n")
    yield "last", "Subject: the last one\n\nbody\n"


def send(port, text):
    """What is replied."""
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
        client.ehlo("client.example.net")
        client.mail("s@example.net")
        client.rcpt("u@example.com")
        try:
            code, reply = client.data(text.encode())
        except smtplib.SMTPDataError as refused:
            code, reply = refused.smtp_code, refused.smtp_error
    return code, reply.decode()


def plain(content):
    """Without what is another in each message and each suite."""
    head, _, body = content.partition("\n\n")
    head = re.sub(r"\n[ \t]+", " ", head)
    return "\n".join(line for line in head.splitlines() if not re.match(
        "(Received|Message-Id|Date|From|To|Cc):", line, re.I)) + "\n\n" + body


def arrived(sink, name):
    return sorted((sorted(recipients), plain(content)) for
                  _, recipients, content in list(sink.messages)
                  if "X-Name: %s\n" % name in content)


def logged(log):
    """What cleanup says of rules, with the name of the message."""
    ids = list(dict.fromkeys(re.findall(r"smtpd\[\d+\]: (\w+): client=", log)))
    names = dict(zip(ids, (name for name, _ in messages())))
    return sorted((names[message], line) for message, line in re.findall(
        r"cleanup\[\d+\]: (\w+): (\S+: (?:header|body) .*)", log))


# What differs, with its reason.
OTHERWISE = {
    # What is not understood lets nothing pass here (451 4.3.5).
    "subject nonsense", "subject empty", "subject text", "body nonsense",
}
# Ours looks at the parts first: when one of them is refused, nothing is said
# of the fields of the header.
REFUSED_PARTS = ("mime evil", "mime evil in two lines", "mime nested body",
                 "mime nested reject")


def is_otherwise(row):
    return row[0] in OTHERWISE or (
        row[0] in REFUSED_PARTS and str(row[1]).startswith("warning: header"))


def outcome(mta, sink, other):
    results = []
    for number, (name, text) in enumerate(messages()):
        label = "n%d" % number
        before = len(mta.log())
        reply = send(mta.smtp_port, "X-Name: %s\n" % label + text)
        if reply[0] == 250:
            wait_for(lambda: arrived(sink, label) or arrived(other, label) or
                     re.search(r"(hold|discard): ", mta.log()[before:]),
                     "message " + name)
        message = re.search(r"(?<=queued as )\w+", reply[1])
        results.append((name, reply[0], re.sub(
            r"queued as \w+", "", reply[1]), arrived(sink, label),
            arrived(other, label)))
    # The log is written a little later.
    wait_for(lambda: "%s: removed" % message.group() in mta.log(),
             "the last line")
    return results + logged(mta.log())


def compared(**more):
    ports = free_port(), free_port()
    got = []
    for kind in (Postfix, Instance):
        with Capture(ports[0]) as sink, Capture(ports[1]) as other, \
                kind() as mta:
            mta.write_configuration()
            mta.parameters.update(RULES, **more)
            mta.parameters["relayhost"] = "[127.0.0.1]:%d" % ports[0]
            for name, text in SETTINGS.items():
                path = mta.conf + "/" + name
                with open(path, "w") as handle:
                    handle.write(text.lstrip().replace(
                        "OTHER", "[127.0.0.1]:%d" % ports[1]))
                mta.parameters[name] = "regexp:" + path
            mta.start()
            got.append(outcome(mta, sink, other))
    check(len(got[0]) > 100, "the log of Postfix")
    got = [[row for row in rows if not is_otherwise(row)] for rows in got]
    if got[0] != got[1]:
        raise Failed("\n".join(difflib.unified_diff(
            *[[repr(row) for row in rows] for rows in got], "theirs", "ours",
            lineterm="", n=0)))


def test_all_actions():
    compared()


def test_without_parts():
    compared(disable_mime_input_processing="yes")


if __name__ == "__main__":
    main(globals())
