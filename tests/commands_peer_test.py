"""sendmail, postsuper, postqueue and postconf beside Debian's: the same words
on the command line, the same text and exit status, as far as LINES says; and
each flag of sendmail: what arrives, and what the reports of -bv and -v say."""
import difflib
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from capture import Capture
from instance import (PATIENCE, SBIN, Failed, Instance, free_port, main,
                      wait_for)
from postfix_peer import Postfix, lay_over_usr

# A command line, and what of the two must be equal: r: the exit status, e:
# standard error, o: standard output.
LINES = [
    ("sendmail", "re"),
    ("sendmail -bz", "re"),
    ("sendmail -qS x", "re"),
    ("sendmail -qI", "re"),
    ("sendmail -qR", "re"),
    ("sendmail -B x a@example.com", "re"),
    # Theirs looks at the options twice, and complains twice.
    ("sendmail -Z x", "r"),
    ("sendmail -V", "r"),
    ("sendmail -bp -t", "re"),
    ("mailq x", "re"),
    ("sendmail -N foo -f a@example.net a@example.com", "re"),
    ("sendmail -R foo -f a@example.net a@example.com", "re"),
    ("sendmail -XVab -f a@example.net a@example.com", "re"),
    ("sendmail -X log -f a@example.net a@example.com", "re"),
    ("sendmail -O foo=bar -f a@example.net a@example.com", "re"),
    ("sendmail -t -f a@example.net", "re"),
    ("sendmail -q5m", "reo"),
    ("sendmail -bv -f a@example.net a@example.com", "reo"),
    # Ours says usage in other words.
    ("postqueue -p -f", "r"),
    ("postqueue", "r"),
    ("postqueue -Z", "r"),
    ("postsuper -d zzz!", "r"),
    ("postsuper nowhere", "re"),
    ("postsuper -d ALL nowhere", "re"),
    ("postconf -l", "reo"),
    ("postconf -e", "r"),
    ("postconf -Z", "r"),
    ("postconf no_such_name", "reo"),
    ("postconf -h mynetworks_style", "reo"),
    ("postconf -d queue_run_delay", "reo"),
    ("postconf -x smtpd_timeout", "reo"),
    ("postlog -p loud x", "r"),
]


def outcome(folder, line, env):
    words = line.split()
    program = "sendmail" if words[0] == "mailq" else words[0]
    words[0] = folder + "/" + words[0]
    done = subprocess.run(words, executable=folder + "/" + program, env=env,
                          input=b"", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=PATIENCE)

    def text(octets):
        return octets.decode().replace(folder + "/", "")
    return {"r": done.returncode, "o": text(done.stdout),
            "e": text(done.stderr)}


def test_the_same_words():
    lay_over_usr("postfix")
    rules = {"default_transport": "retry:4.4.1 try again"}
    with Postfix(**rules) as theirs, Instance(**rules) as ours:
        theirs.start()
        ours.start()
        theirs_env = dict(os.environ, MAIL_CONFIG=theirs.conf)
        wrong = []
        with ThreadPoolExecutor(8) as pool:  # theirs sleeps at each error
            told = pool.map(lambda row: (
                *row, outcome("/usr/sbin", row[0], theirs_env),
                outcome(SBIN, row[0], ours.env)), LINES)
            for line, parts, a, b in told:
                wrong += ["%s: %s: theirs %r, ours %r" % (line, p, a[p], b[p])
                          for p in parts if a[p] != b[p]]
        if wrong:
            raise Failed("\n".join(wrong))


TEXT = "Subject: flags\n\nHello.\n"
FROM = "-f a@example.net "
TO = " b@example.com"

# sendmail's words, its input, and how many messages arrive.
FLAGS = [
    ("-bp", "", 0),
    (FROM + "-bm" + TO, TEXT, 1),
    ("-A x " + FROM + TO, TEXT, 1),
    ("-B 7BIT " + FROM + TO, TEXT, 1),
    ("-B 8BITMIME " + FROM + TO, "Subject: x\n\n\u00fc\n", 1),
    ("-B7BIT " + FROM + TO, "Subject: x\n\n\u00fc\n", 1),
    ("-C CONF/main.cf " + FROM + TO, TEXT, 1),
    ("-C CONF " + FROM + TO, TEXT, 1),
    ("-F Full -f a@example.net" + TO, TEXT, 1),
    ("-FO'Neil,Jr. " + FROM + TO, TEXT, 1),
    ("-F Full " + FROM + TO, "From: x@example.net\n" + TEXT, 1),
    ("-G " + FROM + " b c@host", "From: u\nTo: v@host\n" + TEXT, 1),
    (FROM + " b c@host", "From: u\nTo: v@host\n" + TEXT, 1),
    ("-L tag " + FROM + TO, TEXT, 1),
    ("-N never " + FROM + TO, TEXT, 1),
    ("-N success,failure,delay " + FROM + TO, TEXT, 1),
    ("-N delay " + FROM + TO, TEXT, 1),
    ("-N never,delay " + FROM + TO, TEXT, 1),
    ("-R hdrs " + FROM + TO, TEXT, 1),
    ("-R full " + FROM + TO, TEXT, 1),
    ("-V env+1=2 " + FROM + TO, TEXT, 1),
    ("-V e -R hdrs -N failure " + FROM + TO + " c+d@example.com", TEXT, 1),
    ("-XV " + FROM + " u+x=y@example.com v@example.com", TEXT, 2),
    ("-XV-= " + FROM + TO, TEXT, 1),
    ("-V+= " + FROM + TO, TEXT, 1),
    ("-X log " + FROM + TO, TEXT, 1),
    ("-O foo=bar " + FROM + TO, TEXT, 1),
    ("-U -c -m -x " + FROM + TO, TEXT, 1),
    ("-e m -h 9 -p x " + FROM + TO, TEXT, 1),
    ("-o7 -o8 -om -oem -odb " + FROM + TO, TEXT, 1),
    ("-r r@example.net" + TO, TEXT, 1),
    ("-f <> " + TO, TEXT, 1),
    ("-f <a@example.net> " + TO, TEXT, 1),
    (FROM + TO, TEXT + "one\n.\ntwo\n", 1),
    ("-i " + FROM + TO, TEXT + "one\n.\n..\ntwo\n", 1),
    ("-oi " + FROM + TO, TEXT + "one\n.\ntwo\n", 1),
    (FROM + TO, "From a@b Mon\n>From c\n" + TEXT + "From d\n", 1),
    (FROM + TO, TEXT.replace("\n", "\r\n"), 1),
    (FROM + TO, "no header\nat all\n", 1),
    (FROM + TO, "", 1),
    (FROM + TO, "Subject: no line end", 1),
    ("-t " + FROM, "To: t@example.com, u <u@example.com>\nCc: (c)\n"
     " v@example.com\nBcc: w@example.com\n" + TEXT, 1),
    ("-t " + FROM + TO, "To: t@example.com\n" + TEXT, 1),
    ("-t " + FROM, "Resent-To: r@example.com\nResent-Bcc: s@example.com\n"
     "To: t@example.com\n" + TEXT, 1),
    ("-t " + FROM, "To: g: g1@example.com, g2@example.com;\n" + TEXT, 1),
    (FROM + "b@example.com,c@example.com @r:d@example.com", TEXT, 1),
    (FROM + "<b@example.com> c@example.com(comment)", TEXT, 1),
    ("-q5m", "", 0),
    ("-q", "", 0),
    ("-bh", "", 0),
    ("-bH", "", 0),
    ("-bs", "EHLO c.example.net\r\nMAIL FROM:<a@example.net>\r\n"
     "RCPT TO:<b@example.com>\r\nDATA\r\nSubject: s\r\n\r\nx\r\n.\r\n"
     "QUIT\r\n", 1),
    ("-bd", "", 0),
    ("-bl", "", 0),
    (FROM + TO, "Subject: big\n\n" + 700 * (99 * "x" + "\n"), 0),
    (FROM + "-- -b@example.com", TEXT, 1),
]
# The same of those that ask for reports.
TRACES = [
    ("-v " + FROM + TO, TEXT, 2),
    ("-v " + FROM + " b c@example.com old@example.org", TEXT, 2),
    ("-bv " + FROM + TO, "", 1),
    ("-bv " + FROM + "plain", "", 1),
    ("-bv " + FROM + "old@example.org", "", 1),
    ("-bv " + FROM + "list@example.org one@v.example", "", 1),
    ("-bv " + FROM + "u@moved.example x!y u%h@example.org", "", 1),
    ("-bv " + FROM + "u@[127.0.0.1] u+ext@example.org", "", 1),
    ("-bv " + FROM + "no@v.example e@error.example gone@example.org", "", 1),
    ("-bv -t " + FROM, "To: t@example.com\n" + TEXT, 1),
    ("-bv -N success -V e " + FROM + TO, "", 1),
    ("-bv -F x -f old@example.org" + TO, "", 1),
    ("-bv " + FROM, "", 1),
]


def original(found):
    """The recipient as it was given."""
    name = "x!y" if found.group(2) == "y" else found.group(2)
    return "%s rfc822; %s\n" % (found.group(1), name)


# What is another here, and the reason: words of a row, a pattern in their
# result and what stands for it in ours.
DIFFERENT = [
    # 7BIT is what a message is without BODY (RFC 6152 3).
    (r"-B ?7BIT", r" BODY=7BIT", ""),
    # Stand-alone there is no flush service to ask; VERP is offered to all of
    # mynetworks.
    (r"^-bs", r"250-ETRN", "250-XVERP"),
    # A second start is an error, as the one of `posthorn start`.
    (r"^-b[dl]", r"status 0\n", "status 1\npostfix-script: error: the Postfix "
     "mail system is already running\n"),
    # One program finds that it is too large, not three in turn.
    (r"", r"postdrop: warning.*\nsendmail: warning: mail_stream.*\n", ""),
    # RFC 3461 5.2.8: what is sent with a report.
    (r"", r"(MAIL FROM:<>) BODY=8BITMIME\n(RCPT TO:\S+)",
     r"\1\n\2 NOTIFY=NEVER"),
    # The address as it came had no domain, so that it cannot be an ORCPT.
    (r" (b|plain|localpart)( |$)", r"(RCPT TO:<\w+@example.org>) ORCPT.*",
     r"\1"),
    (r" (b|plain|x!y)( |$)", r"(Original-Recipient:) "
     r"rfc822; (b|plain|y)@(example.org|x)\n", original),
    # RFC 3461 4.4 leaves the order of parameters free.
    (r"", r"( ENVID=\S+)( RET=\S+)", r"\2\1"),
    (r"", r"( ORCPT=\S+)( NOTIFY=\S+)", r"\2\1"),
    # It is the address of RCPT, with its route.
    (r"@r:", "ORCPT=rfc822;d@", "ORCPT=rfc822;@r:d@"),
    (r"-b@example", "bad address syntax", "Bad recipient address syntax"),
    # The relay's name stands in Remote-MTA.
    (r"", r"delivery via \S+: ", ""),
    (r"", r"Diagnostic-Code: X-Mail;", "Diagnostic-Code: x-Mail;"),
]

ALIASES = """\
old@example.org new@example.net
plain plain2
list@example.org one@example.net, two@example.net, old@example.org
v.example domain
one@v.example v1@example.com
@moved.example @new.example
"""


def flag_rules(port, folder):
    """Settings of both, so that everything leaves to our sink."""
    path = folder + "/rewritten"
    with open(path, "w") as handle:
        handle.write(ALIASES)
    there = "smtp:[127.0.0.1]:%d" % port
    return {
        "myhostname": "mail.example.org", "mydomain": "example.org",
        "myorigin": "example.org", "mydestination": "", "mail_name": "Mail",
        "virtual_alias_maps": "texthash:" + path,
        "recipient_canonical_maps": "inline:{plain2=p3@example.net}",
        "transport_maps": "inline:{{error.example=error:5.7.1 not here}}",
        "relocated_maps": "inline:{gone@example.org=here@example.com}",
        "default_transport": there, "smtp_host_lookup": "native",
        "message_size_limit": "50000", "recipient_delimiter": "+",
        "smtp_tls_security_level": "none", "header_size_limit": "40000",
    }


def plain(text, folder):
    """Without what is another each time, or on each side."""
    text = text.replace(folder, "").replace("/usr/sbin/", "")
    for pattern, word in (
            (r"@n\d+\.", "@"), (r"\b[0-9A-F]{8,}\b", "ID"), (r"\b\d{2}:\d{2}:\d{2}\b", "TIME"),
            (r"\b\w{3}, +\d+ \w{3} \d{4}\b", "DAY"), (r"127.0.0.1:\d+", "SINK"),
            (r"ID\.[\d.]+/", "ID.N/"), (r"\bID\.\d+@", "ID@"),
            (r"(?m)^(Message-I[Dd]:).*", r"\1"), (r"\(UTC\)", ""),
            (r"<\d{14}\.ID@", "<MESSAGE@"), (r"delays?=[\d./]+", "")):
        text = re.sub(pattern, word, text)
    return text


def fields(report):
    """What it says of each recipient, in the order of their names."""
    blocks = re.findall(r"(?ms)^Final-Recipient:.*?\n\n",
                        re.sub(r"\n[ \t]+", " ", report))
    return "".join(re.sub("rfc822; *", "rfc822; ", block)
                   for block in sorted(blocks))


def content(text):
    """A message without the trace of its way."""
    text = re.sub(r"(?m)^Received:.*\n([ \t].*\n)*", "", text)
    if "\nContent-Type: message/delivery-status\n" in text:
        return fields(text)
    head, _, body = text.partition("\n\n")
    return "\n".join(sorted(head.split("\n"))) + "\n\n" + body


def told(mta, folder, env, number, row):
    """What sendmail says to a row of FLAGS, and whether it takes the mail.
    Domains get its number, by which its messages are found again."""
    words, text, _ = row
    words, text = (re.sub(r"@(example.(com|net))", r"@n%d.\1" % number, part)
                   for part in (words, text))
    done = subprocess.run(
        [folder + "/sendmail", *words.replace("CONF", mta.conf).split()],
        env=env, input=text.encode(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=PATIENCE)
    return done.returncode == 0, "status %d\n%s%s" % (
        done.returncode, done.stdout.decode(), done.stderr.decode())


def flag_outcomes(mta, folder, env, sink, flags):
    """Of each row of flags: status, output, envelopes and contents."""
    rows = [told(mta, folder, env, *item) for item in enumerate(flags)]
    sent = sum(row[2] for row, (taken, _) in zip(flags, rows) if taken)
    wait_for(lambda: len(sink.messages) >= sent and
             mta.log().count("queue active)") == mta.log().count(": removed"),
             "%d messages" % sent)
    messages = [[] for row in flags]
    for lines, (_, _, text) in zip(sink.envelopes, list(sink.messages)):
        whole = "\n".join([*sorted(lines), content(text)])
        number = re.search(r"@n(\d+)\.", whole)
        messages[int(number.group(1))].append(whole)
    return ["\n".join(plain(part, mta.folder)
                      for part in [text, *sorted(messages[number])])
            for number, (_, text) in enumerate(rows)]


def as_ours(words, text):
    """What they say and send, but for what DIFFERENT has."""
    for wanted, pattern, stands in DIFFERENT:
        if re.search(wanted, words):
            text = re.sub(pattern, stands, text)
    return text


def compare_flags(flags, **more):
    got = []
    for kind in (Postfix, Instance):
        port = free_port()
        with Capture(port, features=(
                "PIPELINING", "8BITMIME", "DSN", "SMTPUTF8")) as sink, \
                kind() as mta:
            mta.parameters.update(flag_rules(port, mta.folder), **more)
            mta.start()
            got.append(flag_outcomes(mta, *(
                ("/usr/sbin", dict(os.environ, MAIL_CONFIG=mta.conf))
                if kind is Postfix else (SBIN, mta.env)), sink, flags))
    wrong = ["%s\n%s" % (row[0], "\n".join(difflib.unified_diff(
        as_ours(row[0], a).split("\n"), b.split("\n"), "theirs", "ours", "",
        "", 1, ""))) for row, a, b in zip(flags, *got)
        if as_ours(row[0], a) != b]
    if wrong:
        raise Failed("\n".join(wrong))


def test_flags_of_sendmail():
    lay_over_usr("postfix")
    compare_flags(FLAGS)


# Line ends of each kind, first and later.
ENDS = [(FROM + TO, text, 1) for text in (
    "Subject: a\r\n\r\none\r\ntwo\r\n", "Subject: b\r\n\r\none\r\ntwo\nthree\n",
    "Subject: c\n\none\r\ntwo\r\n", "Subject: d\nTo: x\r\n\none\rtwo\n",
    "Subject: e\r\n\r\none\rtwo\r\r\nthree", "Subject: f\r\n\r\none\r",
    "Subject: g\r\n\r\none\r\n.\r\ntwo\r\n", "Subject: h\n\none\n.\r\ntwo\n")]


def test_line_endings():
    lay_over_usr("postfix")
    for value in ("always", "strict"):
        compare_flags(ENDS, sendmail_fix_line_endings=value)
    # A line of one CR goes on with the field before it in theirs; here it is
    # no field, and the body begins.
    compare_flags([row for row in ENDS if "\r\n\r\n" not in row[1]],
                  sendmail_fix_line_endings="never")


def test_smtputf8_is_asked_for():
    """-O smtputf8=yes, which Debian's does not know yet."""
    port = free_port()
    with Capture(port, features=("8BITMIME", "SMTPUTF8")) as sink, \
            Instance(smtputf8_autodetect_classes="") as mta:
        mta.parameters.update(flag_rules(port, mta.folder),
                              smtputf8_autodetect_classes="")
        mta.start()
        for words, asked in (("-O smtputf8=yes ", True),
                             ("-Osmtputf8=YES ", True),
                             ("-O smtputf8=no ", False), ("", False)):
            count = len(sink.envelopes)
            done = subprocess.run(
                [SBIN + "/sendmail", *(words + FROM + TO).split()],
                env=mta.env, input="Subject: \u00fc\n\nx\n".encode(),
                timeout=PATIENCE)
            wait_for(lambda: len(sink.messages) > count, "the message")
            mail = sink.envelopes[-1][0]
            if done.returncode or ("SMTPUTF8" in mail.split()) != asked:
                raise Failed("%r: %s" % (words, mail))


def test_traces():
    """sendmail -bv and -v: rewriting as the reports tell it."""
    lay_over_usr("postfix")
    compare_flags(TRACES)


if __name__ == "__main__":
    main(globals())
