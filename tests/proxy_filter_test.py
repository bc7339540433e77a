"""The content filter before the queue (smtpd_proxy_filter): what the filter
hears, what the client hears and what is logged, beside Debian's Postfix; and
that nothing is acknowledged which the filter has not accepted."""
import os
import re
import smtplib

from capture import Capture
from instance import (PATIENCE, Failed, Instance, Raw, check, equal, free_port,
                      main, matches, wait_for)
from postfix_peer import Postfix

XFORWARD = "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"
FEATURES = ("PIPELINING", "8BITMIME", "SIZE 100000", XFORWARD)
ACTIONS = {"prepend": "PREPEND X-A: b", "redirect": "REDIRECT r@example.org",
           "discard": "DISCARD", "hold": "HOLD", "bcc": "BCC q@example.org",
           "filter": "FILTER smtp:[127.0.0.1]:9"}
TEXT = ["Subject: x", "", "..dot", "text", "."]
HELO, MAIL, RCPT = ("EHLO client.example.net",
                    "MAIL FROM:<s@remote.example>",
                    "RCPT TO:<a@example.org>")
OTHER = "RCPT TO:<b@example.org>"
ONE = [HELO, MAIL, RCPT, "DATA", TEXT, "QUIT"]
LONG = ".".join(["a" * 60] * 4) + ".example"

# name, the filter's replies that are others, what the client says
CASES = [
    ("one", {}, ONE),
    ("HELO", {}, ["HELO client.example.net"] + ONE[1:]),
    ("two", {}, ONE[:5] + [
        "MAIL FROM:<t@remote.example> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=x",
        OTHER + " NOTIFY=NEVER", "RCPT TO:<b@foreign.example>",
        "RCPT TO:<c@example.org> ORCPT=rfc822;c@example.org", "DATA", TEXT,
        "QUIT"]),
    ("RSET", {}, ONE[:3] + ["RSET"] + ONE[1:]),
    ("RSET at once", {}, ONE[:2] + ["RSET"] + ONE[1:]),
    ("EHLO again", {}, ONE[:3] + ONE),
    ("QUIT", {}, ONE[:3] + ["QUIT"]),
    ("bounce", {}, [HELO, "MAIL FROM:<>", RCPT, "DATA", ["."], "QUIT"]),
    ("UTF-8", {}, [HELO, "MAIL FROM:<\xfc@remote.example> SMTPUTF8"] + ONE[2:]),
    ("long name", {}, ["EHLO " + LONG] + ONE[1:]),
    ("greeting", {"greeting": "554 5.3.0 no"}, ONE[:3] + ["QUIT"]),
    ("EHLO refused", {"EHLO": "502 no"}, ONE[:3] + ["QUIT"]),
    ("XFORWARD refused", {"XFOR": "550 no"}, ONE[:3] + ["QUIT"]),
    ("no XFORWARD", {"features": ("8BITMIME",)}, ONE),
    ("some of it", {"features": ("8BITMIME", "XFORWARD ADDR NAME PROTO")}, ONE),
    ("MAIL refused", {"MAIL": "550 5.7.1 not you"}, ONE[:3] + ["QUIT"]),
    ("MAIL deferred", {"MAIL": "450 later"}, ONE[:3] + [OTHER, "QUIT"]),
    ("RCPT refused", {RCPT.upper(): "550 5.7.1 not him"},
     ONE[:3] + [OTHER] + ONE[3:]),
    ("all refused", {"RCPT": "450 not him"}, ONE[:3] + ["QUIT"]),
    ("RCPT 421", {"RCPT": "421 4.3.0 bye"}, ONE[:3] + ["QUIT"]),
    ("DATA refused", {"DATA": "451 4.7.1 later"}, ONE[:4] + ["QUIT"]),
    ("refused", {".": "550 5.7.1 spam"}, ONE),
    ("refused at length", {".": "550-5.7.1 spam\r\n550 5.7.1 really"}, ONE),
    ("deferred", {".": "451 no code"}, ONE),
    ("another 250", {".": "250 2.7.0 Ok, discarded, id=1 - spam"}, ONE),
    ("421", {".": "421 4.3.0 bye"}, ONE[:5]),
    ("lost at MAIL", {"MAIL": ""}, ONE[:3] + ["QUIT"]),
    ("lost at RCPT", {"RCPT": ""}, ONE[:3] + [OTHER, "QUIT"]),
    ("lost at DATA", {"DATA": ""}, ONE[:4] + ["QUIT"]),
    ("lost at the end", {".": ""}, ONE),
    ("end of data", {}, [HELO, "MAIL FROM:<eod@remote.example>"] + ONE[2:]),
] + [(name, {}, [HELO, "MAIL FROM:<%s@remote.example>" % name] + ONE[2:])
     for name in ACTIONS]

# Answers to DATA that they do not wait for: RCPT and DATA are refused at the
# end then.
SLOW = [case for case in CASES if case[0] not in ("DATA refused",
                                                  "lost at DATA")] + [
    ("DATA refused", {"DATA": "451 4.7.1 later"}, ONE),
    ("lost at DATA", {"DATA": ""}, ONE),
    ("MAIL refused later", {"MAIL": "550 5.7.1 not you"}, ONE),
]


def settings(port, options):
    table = "inline:{ %s }" % ", ".join(
        "{%s@remote.example = %s}" % row for row in ACTIONS.items())
    limits = dict(
        smtpd_proxy_filter="127.0.0.1:%d" % port, smtpd_proxy_timeout="20s",
        smtpd_proxy_ehlo="before.example.net", myhostname="mx.example.org",
        mydestination="example.org", local_recipient_maps="",
        mynetworks="192.0.2.0/24", message_size_limit="100000",
        smtpd_sender_restrictions="check_sender_access " + table,
        smtpd_end_of_data_restrictions=
        "check_sender_access inline:{eod@remote.example=REJECT}",
        smtpd_relay_restrictions="reject_unauth_destination",
        smtpd_delay_reject="no", mail_name="Postfix",
        smtpd_peername_lookup="no", inet_protocols="ipv4",
        notify_classes="")
    limits.update(options)
    return limits


def listening(port, replies):
    sink = Capture(port, replies, replies.get("features", FEATURES))
    sink.greeting = replies.get("greeting", sink.greeting)
    return sink


def talk(port, script):
    """The replies; of EHLO the code."""
    said = []
    with Raw(port) as client:
        client.reply()
        for step in script:
            lines = step if isinstance(step, list) else [step]
            client.send("".join(line + "\r\n" for line in lines))
            reply = client.reply()
            said.append(reply[:3] if str(step).startswith("EHLO") else reply)
            if reply.startswith("421"):
                check(client.at_end())
                break
    return said


def usual(text, port):
    """Without what is of one run."""
    text = text.replace(str(port), "FILTER")
    text = re.sub(r"PORT=\d+", "PORT=CLIENT", text)
    return re.sub(r"\w\w\w, +\d+ \w\w\w \d+ [\d:]+ [+-]\d+ \(\w+\)", "DATE",
                  text)


# What is logged of it, from the name of the service on.
LOGGED = re.compile(r"smtpd\[\d+\]: ((?:warning: )?(?:proxy|NOQUEUE|connect to"
                    r"|lost connection with|timeout|access table).*)")


def observed(mta, port, case):
    name, replies, script = case
    before = len(mta.log())
    with listening(port, replies) as sink:
        said = talk(mta.smtp_port, script)
        # The log is complete with the line of the end.
        wait_for(lambda: "disconnect from" in mta.log()[before:],
                 "the end of " + name)
        # QUIT is said and not awaited: it may come, or have come.
        heard = [usual(line, port) for line in sink.commands
                 if line != "QUIT"]
        got = [(sender, recipients, usual(content, port))
               for sender, recipients, content in sink.messages]
    log = [usual(line, port).replace("??", " ").replace("550-5.7.1 spam 550 ",
                                                        "550 5.7.1 spam ")
           for line in LOGGED.findall(mta.log()[before:])]
    return {"client": said, "filter": heard, "messages": got, "log": log}


def compare(cases, **options):
    port = free_port()
    with Postfix(**settings(port, options)) as peer, \
            Instance(**settings(port, options)) as mta:
        peer.start()
        mta.start()
        mta.wait_log("disconnect from")  # of the wait for the port
        wrong = []
        for case in cases + [("nobody", None, ONE[:3] + ["QUIT"])]:
            if case[1] is None:
                theirs, ours = [
                    {"client": talk(one.smtp_port, case[2])}
                    for one in (peer, mta)]
            else:
                theirs, ours = [observed(one, port, case)
                                for one in (peer, mta)]
            wrong += ["%s, %s:\n  theirs %r\n  ours   %r" % (
                case[0], key, theirs[key], ours[key])
                for key in theirs if theirs[key] != ours[key]]
        if wrong:
            raise Failed("\n".join(wrong))


def test_beside_postfix():
    compare(CASES)


def test_from_mail_on():
    compare(CASES, smtpd_delay_open_until_valid_rcpt="no")


def test_speed_adjust():
    compare(SLOW, smtpd_proxy_options="speed_adjust")


def test_nonsense():
    """What is no answer accepts nothing."""
    port = free_port()
    with Instance(**settings(port, {"smtpd_proxy_timeout": "5s"})) as mta:
        mta.start()
        for reply in ("nonsense", "354 go on", "199 what", "250-more", "1"):
            with listening(port, {".": reply}):
                equal(talk(mta.smtp_port, ONE)[4],
                      "451 4.3.0 Error: queue file write error")
        with listening(port, {".": "200 fine"}):
            equal(talk(mta.smtp_port, ONE)[4], "250 fine")
        with listening(port, {"RCPT": "354 what"}):
            equal(talk(mta.smtp_port, ONE[:3])[2],
                  "451 4.3.0 Error: queue file write error")
        mta.wait_log(r"warning: received garbage from proxy 127\.0\.0\.1:")
        mta.wait_log(r"warning: timeout talking to proxy 127\.0\.0\.1:")


def test_no_line_in_a_line():
    """An address cannot make a command for the filter."""
    port = free_port()
    with Instance(**settings(port, {})) as mta, listening(port, {}) as sink:
        mta.start()
        said = talk(mta.smtp_port, [
            HELO, MAIL, 'RCPT TO:<"a\rRSET\r"@example.org>', RCPT, "QUIT"])
        matches("^5", said[2])
        equal([line for line in sink.commands if "RSET" in line], [])


def test_half_a_message():
    """A client that goes away, or sends too much: the filter hears no end."""
    port = free_port()
    for options in ({}, {"smtpd_proxy_options": "speed_adjust"}):
        with Instance(**settings(port, options)) as mta, \
                listening(port, {}) as sink:
            mta.start()
            with Raw(mta.smtp_port) as client:
                client.reply()
                for line in ONE[:4]:
                    client.ask(line)
                client.send("x" * 900 + "\r\n")
            mta.wait_log(r"lost connection after DATA \(\d+ bytes\)")
            big = [("x" * 900)] * 150 + ["."]
            equal(talk(mta.smtp_port, ONE[:4] + [big, "QUIT"])[4],
                  "552 5.3.4 Error: message file too big")
            mta.wait_log("proxy-reject: END-OF-MESSAGE: 552 5.3.4 Error: "
                         "message file too big; from=<s@remote.example> "
                         "to=<a@example.org> proto=ESMTP")
            equal(talk(mta.smtp_port, ONE)[4], "250 2.0.0 Ok")
            equal(len(sink.messages), 1)
            # speed_adjust: it has not heard of them at all
            equal(len(sink.halves), 0 if options else 2)
            check(not any("QUIT" in half for half in sink.halves),
                  "a command within the content")


def test_long_content():
    """Over 64 KiB; with speed_adjust it waits in a file without a name."""
    port = free_port()
    lines = ["%05d%s" % (i, "y" * (i % 90)) for i in range(8000)]
    lines[7] = "..seven"
    for options in ({}, {"smtpd_proxy_options": "speed_adjust"}):
        options["message_size_limit"] = "1000000"
        with Instance(**settings(port, options)) as mta, \
                listening(port, {}) as sink:
            mta.start()
            equal(talk(mta.smtp_port, ONE[:4] + [lines + ["."], "QUIT"])[4],
                  "250 2.0.0 Ok")
            text = sink.messages[0][2].split("\n", 3)[3]
            equal(text, "\n".join(lines).replace("..", ".") + "\n")
            left = [name for _, _, files in os.walk(mta.queue + "/large")
                    for name in files]
            equal(left, [])


def test_chunks():
    port = free_port()
    for options in ({}, {"smtpd_proxy_options": "speed_adjust"}):
        with Instance(**settings(port, options)) as mta, \
                listening(port, {".": "250 2.0.0 taken"}) as sink:
            mta.start()
            with Raw(mta.smtp_port) as client:
                client.reply()
                for line in ONE[:3]:
                    client.ask(line)
                client.send("BDAT 7\r\n.a: b\r\n")
                matches("^250 2.0.0 Ok: 7 bytes", client.reply())
                client.send("BDAT 3 LAST\r\nx\r\n")
                equal(client.reply(), "250 2.0.0 taken")
            equal(sink.messages[0][2].split("\n")[3:], [".a: b", "x", ""])


class Relay(Capture):
    """A filter: what it likes goes on to the second service."""

    def __init__(self, port, next_port):
        super().__init__(port, None, FEATURES)
        self.next_port = next_port
        self.judge = self.pass_on

    def pass_on(self, message):
        sender, recipients, content = message
        if "virus" in content:
            return "550 5.7.0 a virus"
        said = [line for line in self.commands if line.startswith("XFORWARD")]
        with smtplib.SMTP("127.0.0.1", self.next_port,
                          timeout=PATIENCE) as client:
            client.ehlo("filter.example.net")
            client.docmd(said[-1])
            client.mail(sender)
            for recipient in recipients:
                client.rcpt(recipient)
            code, text = client.data(content.encode())
            return "%d %s" % (code, text.decode())


def test_through_a_filter():
    """From one service to the other by way of a filter, into a mailbox."""
    port, second = free_port(), free_port()
    with Instance(master="127.0.0.1:%d inet n - n - - smtpd\n"
                  " -o syslog_name=postfix/after"
                  " -o smtpd_authorized_xforward_hosts=127.0.0.1\n"
                  % second) as mta, Relay(port, second) as sink:
        mta.smtp_row = (
            "127.0.0.1:%d inet n - n - - smtpd\n -o "
            "smtpd_proxy_filter=127.0.0.1:%d\n" % (mta.smtp_port, port))
        mta.virtual_mailboxes()
        mta.start()
        mta.wait_port(second)
        to_alice = "RCPT TO:<alice@example.org>"
        said = talk(mta.smtp_port, [HELO, MAIL, to_alice, "DATA"] + [
            ["Subject: fine", "", "x", "."], MAIL, to_alice, "DATA",
            ["Subject: not", "", "virus", "."], "QUIT"])
        matches(r"^250 2\.0\.0 Ok: queued as ", said[4])
        equal(said[8], "550 5.7.0 a virus")
        text = mta.wait_mail("alice")[0]
        matches(rb"(?s)Subject: fine\n.*\nx\n", text)
        mta.wait_log(r"after/smtpd\[\d+\]: \w+: client=localhost"
                     r"\[127\.0\.0\.1\], orig_client=localhost"
                     r"\[127\.0\.0\.1\]")
        equal(len(sink.messages), 2)


main(globals())
