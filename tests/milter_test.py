"""Mail filters: what they hear, what becomes of what they say, and of mail when
they do not answer; beside Debian's Postfix, and with a real filter."""
import os
import re
import shutil
import smtplib

import milter
import servers
from instance import (PATIENCE, SBIN, Instance, check, equal, free_port,
                      is_root, main, run, wait_for)
from milter import Filter, add, change, insert, reply
from postfix_peer import Postfix

TEXT = b"From: a@example.net\r\nSubject: x\r\nX-Fold: one\r\n two\r\n\r\n" \
    b"line one\r\nline two\r\n"


def new(filters="", **more):
    parameters = {"smtpd_milters": filters, "smtpd_peername_lookup": "no",
                  "milter_default_action": "tempfail",
                  "local_header_rewrite_clients": ""}
    parameters.update(more)
    mta = Instance(**parameters)
    mta.virtual_mailboxes()
    return mta


def start(mta, filter=None):
    """And forget the session that looks whether the port answers."""
    mta.start()
    mta.wait_log("disconnect from")
    if filter:
        wait_for(lambda: filter.kinds().endswith("Q"), "the first goodbye")
        filter.forget()


def talk(port, recipients=("alice@example.org",), text=TEXT, helo="c.example",
         source=None):
    """Each reply of a session up to the first refusal, as a list of (what,
    code, text)."""
    replies = []
    client = smtplib.SMTP(timeout=PATIENCE, source_address=source)

    def say(what, answer):
        replies.append((what, answer[0], answer[1].decode()))
        return answer[0] < 400

    try:
        if not say("connect", client.connect("127.0.0.1", port)):
            return replies
        if not say("helo", client.ehlo(helo)):
            return replies
        if not say("mail", client.mail("s@example.net", ["SIZE=100"])):
            return replies
        good = [say("rcpt", client.rcpt(to)) for to in recipients]
        if not any(good):
            return replies
        client.putcmd("data")
        if not say("data", client.getreply()):
            return replies
        client.send(text + b".\r\n")
        say("end", client.getreply())
        return replies
    finally:
        try:
            client.quit()
        except (smtplib.SMTPException, OSError):
            pass


def last(mta, *args, **more):
    return talk(mta.smtp_port, *args, **more)[-1]


# ---- what they hear ----------------------------------------------------------

def test_events():
    with Filter() as filter, new(filter.endpoint) as mta:
        start(mta, filter)
        equal(last(mta, ["alice@example.org", "bob@example.org"])[:2],
              ("end", 250))
        mail = mta.wait_mail("alice")[0]
        wait_for(lambda: filter.kinds().endswith("Q"), "the goodbye")
        equal(filter.kinds(), "OCHMRRTLLLNBEQ")
        equal(filter.offered, (6, 0x1ff, 0x1fffff))
        connect = filter.heard("C")[0]
        equal(connect[0], "[127.0.0.1]")
        check(connect[1].startswith("4"), connect)
        check(connect[-1].endswith("127.0.0.1"), connect)  # behind the port
        equal(filter.heard("H"), [["c.example"]])
        equal(filter.heard("M"), [["<s@example.net>", "SIZE=100"]])
        equal(filter.heard("R"), [["<alice@example.org>"],
                                  ["<bob@example.org>"]])
        equal(filter.heard("L"), [["From", "a@example.net"], ["Subject", "x"],
                                  ["X-Fold", "one\n two"]])
        equal(filter.octets("B"), b"line one\r\nline two\r\n")
        check(mail.endswith(b"\n\nline one\nline two\n"), mail)
        macros = filter.macros("C")
        equal(macros["j"], "mail.example.org")
        equal(macros["_"], "unknown [127.0.0.1]")
        equal(macros["{daemon_name}"], "mail.example.org")
        equal(macros["{daemon_addr}"], "127.0.0.1")
        equal(macros["v"], mta.command("postconf", "-h", "-x",
                                       "milter_macro_v").stdout.strip())
        equal(filter.macros("M"), {"{mail_addr}": "s@example.net",
                                   "{mail_host}": "example.net",
                                   "{mail_mailer}": "smtp"})
        rcpt = filter.macros("R")
        equal((rcpt["{rcpt_addr}"], rcpt["{rcpt_mailer}"],
               rcpt["{rcpt_host}"]),
              ("bob@example.org", "virtual", "example.org"))
        queue_id = filter.macros("E")["i"]
        equal((rcpt["i"], filter.macros("T")["i"], filter.macros("N")["i"]),
              (queue_id,) * 3)
        mta.wait_log(queue_id + ": client=unknown")


def comparable(filter):
    """The events of the only session, without what differs by nature: Postfix
    says ABORT also after the end of a message."""
    different = {"i", "j", "v", "{daemon_name}", "{client_port}",
                 "{daemon_port}"}
    events = []
    for _, kind, data in filter.events:
        if kind in "OA":
            continue
        text = data.decode("latin-1")
        if kind == "C":
            text = re.sub("4..", "4", text, flags=re.S)
        if kind == "D":
            words = text[1:].split("\0")
            text = text[0] + repr(sorted(
                pair for pair in zip(words[::2], words[1::2])
                if pair[0] not in different))
            if text.endswith("[]"):
                continue
        events.append(kind + text)
    return events


def test_beside_postfix():
    names = " ".join(["{client_addr}", "{client_name}", "{client_ptr}",
                      "{client_resolve}", "{daemon_addr}", "_", "i", "j"])
    heard = []
    for kind in (Postfix, Instance):
        with Filter() as filter, kind(
                smtpd_milters=filter.endpoint, smtpd_peername_lookup="no",
                smtpd_relay_restrictions="reject_unauth_destination",
                milter_connect_macros=names, milter_end_of_data_macros="i "
                "{client_addr}", milter_macro_defaults="x=1, "
                "{y}=2", milter_data_macros="i x y", mydestination="",
                relay_domains="example.edu", relay_transport="discard:",
                myhostname="mail.example.org", myorigin="$myhostname",
                local_header_rewrite_clients="") as mta:
            if kind is Instance:
                start(mta, filter)
            else:
                mta.start()
            with smtplib.SMTP("127.0.0.1", mta.smtp_port) as client:
                client.ehlo("c.example")
                client.docmd("MAIL FROM:<\"a b\"@example.net> SIZE=100 "
                             "BODY=8BITMIME")
                client.docmd("RSET")
                client.docmd("FOOBAR x")
                client.mail("s@example.net")
                client.rcpt("r@example.edu")
                client.rcpt("r@example.com")  # is refused
                equal(client.data(TEXT)[0], 250)
                client.mail("")
                client.rcpt("r@example.edu")
                equal(client.data(b"Subject:no space\r\n\r\n.x\r\n\r\n")[0],
                      250)
            wait_for(lambda: filter.kinds().endswith("Q"), "the goodbye")
            first = [e for e in filter.events if e[0] ==
                     filter.events[-1][0]]
            filter.events[:] = first
            heard.append(comparable(filter))
    equal(heard[1], heard[0])


def test_steps_and_symbols():
    """What is not wanted is not sent, what gets no answer is not waited for;
    names of macros that the filter asks for."""
    steps = 0x02 | 0x100 | 0x80 | 0x1000 | 0x4000 | 0x8000 | 0x80000 | \
        0x100000 | 0x800
    with Filter(steps=steps, symbols=[(2, "{mail_addr}"), (5, "i j")]) as \
            filter, new(filter.endpoint) as mta:
        start(mta, filter)
        equal(last(mta, ["nobody@example.org", "alice@example.org"])[:2],
              ("end", 250))
        wait_for(lambda: filter.kinds().endswith("Q"), "the goodbye")
        equal(filter.kinds(), "OCMRRTLLLNBEQ")
        equal(filter.heard("L")[0], ["From", " a@example.net"])
        equal(filter.macros("M"), {"{mail_addr}": "s@example.net"})
        equal(filter.macros("E")["j"], "mail.example.org")
        refused = [data for _, kind, data in filter.events
                   if kind == "D" and data[:1] == b"R"][0]
        check(b"{rcpt_mailer}\0error\0" in refused, refused)


def test_old_protocol():
    for text, version in (("2", 2), ("3", 3), ("4, no_header_reply", 4)):
        with Filter(version=version, actions=0x3f, steps=0x80 if version == 4
                    else 0) as filter, \
                new(filter.endpoint, milter_protocol=text) as mta:
            start(mta, filter)
            with mta.raw() as client:
                client.reply()
                client.ask("HELO c.example")
                client.ask("WHAT")
            equal(last(mta)[:2], ("end", 250))
            equal(filter.offered[0], version)
            equal("U" in filter.kinds(), version >= 3)
            equal("T" in filter.kinds(), version >= 4)


def test_unix_and_settings():
    """A path below the queue directory; -o for a listener; settings of one."""
    port = free_port()
    with new("") as mta:
        mta.master = "127.0.0.1:%d inet n - n - - smtpd\n" \
            "  -o { smtpd_milters = { unix:filter, default_action=reject } }\n" \
            % port
        mta.start()
        path = mta.queue + "/filter"
        with Filter({"M": milter.REJECT}, path=path) as filter:
            if is_root():
                shutil.chown(path, "posthorn-net")
            equal(last(mta)[:2], ("end", 250))
            equal(filter.connections, 0)
            equal(talk(port)[-1], ("mail", 550, "5.7.1 Command rejected"))
        os.unlink(path)
        equal(talk(port)[-1][1:], (550, "5.5.0 Service unavailable"))


# ---- what they say -----------------------------------------------------------

STEPS = (("C", "connect", "CONNECT"), ("H", "helo", "EHLO"),
         ("M", "mail", "MAIL"), ("R", "rcpt", "RCPT"), ("T", "data", "DATA"),
         ("L", "end", "END-OF-MESSAGE"), ("N", "end", "END-OF-MESSAGE"),
         ("B", "end", "END-OF-MESSAGE"), ("E", "end", "END-OF-MESSAGE"))
SAYINGS = ((milter.REJECT, 550, "5.7.1 Command rejected"),
           (milter.TEMPFAIL, 451,
            "4.7.1 Service unavailable - try again later"),
           (reply("554 5.6.0 not 100%% good"), 554, "5.6.0 not 100% good"),
           (milter.SHUTDOWN, 421, "4.7.0 Server closing connection"),
           (reply("450-4.2.0 two\r\n450 4.2.0 lines"), 450,
            "4.2.0 two\n4.2.0 lines"))


def test_refusals():
    with Filter() as filter, new(filter.endpoint) as mta:
        start(mta, filter)
        for kind, where, stage in STEPS:
            for said, code, text in SAYINGS:
                filter.answers.clear()
                filter.answers[kind] = said
                got = last(mta)
                if where != "connect" or code == 554:
                    equal((kind,) + got, (kind, where, code, text))
                equal(got[1], code)
            mta.wait_log(r": milter-reject: %s from unknown\[127\.0\.0\.1\]: "
                         r".*5\.6\.0 not 100%% good; .*proto=" % stage)
        equal(mta.maildir("alice"), [])
        filter.answers.clear()
        equal(last(mta)[:2], ("end", 250))
        log = mta.log()
        check(re.search(r"NOQUEUE: milter-reject: RCPT from unknown"
                        r"\[127\.0\.0\.1\]: 550 5\.7\.1 Command rejected; "
                        r"from=<s@example\.net> to=<alice@example\.org> "
                        r"proto=ESMTP helo=<c\.example>", log), log)
        check(re.search(r"cleanup\[\d+\]: \w+: milter-reject: END-OF-MESSAGE "
                        r"from unknown\[127\.0\.0\.1\]: 5\.7\.1 Command "
                        r"rejected; from=<s@example\.net> "
                        r"to=<alice@example\.org> proto=ESMTP "
                        r"helo=<c\.example>", log), log)


def test_one_recipient_of_two():
    no_bob = lambda session, data: milter.REJECT if b"bob@" in data else \
        milter.CONTINUE
    with Filter({"R": no_bob}) as filter, new(filter.endpoint) as mta:
        start(mta, filter)
        equal([r[1] for r in talk(mta.smtp_port, ["bob@example.org",
                                                  "alice@example.org"])],
              [220, 250, 250, 550, 250, 354, 250])
        mta.wait_mail("alice")
        equal(mta.maildir("bob"), [])


def test_accept_discard_quarantine():
    with Filter() as filter, new(filter.endpoint) as mta:
        start(mta, filter)
        for kind, rest in (("C", ""), ("H", ""), ("M", "A"), ("R", "A"),
                           ("T", "A"), ("L", "A"), ("N", "A"), ("B", "A")):
            filter.answers.clear()
            filter.answers[kind] = milter.ACCEPT
            filter.forget()
            equal(last(mta)[:2], ("end", 250))
            wait_for(lambda: filter.kinds().endswith("Q"), "the goodbye")
            check(filter.kinds().endswith(kind + rest + "Q"), filter.kinds())
        mta.wait_mail("alice", 8)
        for kind in "MRTLNBE":
            filter.answers.clear()
            filter.answers[kind] = milter.DISCARD
            equal(last(mta)[:2], ("end", 250))
        mta.wait_log(r"milter-discard: MAIL from .*: milter triggers DISCARD "
                     r"action; from=<s@example\.net>")
        mta.wait_log(r"milter-discard: END-OF-MESSAGE from .*; from=")
        mta.wait_log(r": removed \(discarded\)", count=7)
        filter.answers.clear()
        filter.answers["E"] = [milter.quarantine("odd smell"), milter.ACCEPT]
        equal(last(mta)[:2], ("end", 250))
        mta.wait_log(r"milter-hold: END-OF-MESSAGE from .*: odd smell; from=")
        wait_for(lambda: [e["queue_name"] for e in mta.queue_list()] ==
                 ["hold"], "the message in hold")
        equal(len(mta.maildir("alice")), 8)


def test_two_messages_in_a_session():
    """The conversation comes back from cleanup; RSET is heard of."""
    with Filter() as filter, new(filter.endpoint) as mta:
        start(mta, filter)
        with mta.smtp() as client:
            client.ehlo("c.example")
            for _ in range(2):
                client.mail("s@example.net")
                client.rcpt("alice@example.org")
                client.rset()
                equal(client.sendmail("s@example.net", "alice@example.org",
                                      TEXT), {})
            client.docmd("QUUX")
        wait_for(lambda: filter.kinds().endswith("Q"), "the goodbye")
        equal(filter.kinds(), "OCHMRAMRTLLLNBEMRAMRTLLLNBEUQ")
        mta.wait_mail("alice", 2)


def test_several():
    """In their order, each sees what those before it have made."""
    with Filter({"E": [add("X-One", "1"), milter.CONTINUE]}) as one, \
            Filter({"E": [change(1, "X-One", "2"), milter.CONTINUE]}) as two, \
            Filter({"M": milter.ACCEPT}) as three, \
            new("%s, %s %s" % (one.endpoint, two.endpoint,
                               three.endpoint)) as mta:
        mta.start()
        equal(last(mta)[:2], ("end", 250))
        mail = mta.wait_mail("alice")[0]
        check(["X-One", "1"] in two.heard("L"), two.heard("L"))
        check(b"\nX-One: 2\n" in mail and b"X-One: 1" not in mail, mail)
        one.answers["R"] = milter.REJECT
        two.forget()
        equal(last(mta)[:2], ("rcpt", 550))
        check("R" not in two.kinds(), two.kinds())


# ---- what they change --------------------------------------------------------

def test_edits():
    edits = [insert(1, "X-Below", "1"), insert(0, "X-Top", "0"),
             add("X-Last", "a\n b"), change(1, "Subject", "new"),
             change(1, "X-Fold", ""), change(2, "From", "second"),
             milter.sender("<other@example.com>", "RET=HDRS ENVID=abc"),
             milter.recipient("<bob@example.org>", "NOTIFY=NEVER X=y"),
             milter.no_recipient("<alice@example.org>"), milter.PROGRESS,
             milter.CONTINUE]
    with Filter({"E": edits}) as filter, new(filter.endpoint) as mta:
        mta.start()
        for count, size in enumerate((1, 200000)):
            text = TEXT + b"y" * 70 + b"\r\n" * size
            equal(last(mta, text=text)[:2], ("end", 250))
            mail = mta.wait_mail("bob", count + 1)[-1]
            head, _, rest = mail.partition(b"\n\n")
            names = [line.split(b":")[0] for line in head.splitlines()
                     if not line[:1].isspace()]
            at = names.index(b"X-Top")
            equal(names[at:], [b"X-Top", b"Received", b"X-Below", b"From",
                               b"Subject", b"X-Last", b"From"])
            check(b"\nX-Last: a\n b\n" in head and b"\nSubject: new\n" in
                  head, head)
            check(b"Return-Path: <other@example.com>" in head, head)
            check(rest.startswith(b"line one\nline two\nyyyy"), rest[:100])
        equal(mta.maildir("alice"), [])
        mta.wait_log(r"a milter wants the ESMTP parameter X, which is ignored")
        mta.wait_log(r"from=<other@example\.com>")


EDITS = ([insert(0, "X", "a")], [insert(1, "X", "a")], [insert(2, "X", "a")],
         [insert(9, "X", "a")], [insert(1, "X", "a"), insert(0, "X", "b")],
         [insert(0, "X", "a"), insert(1, "X", "b")],
         [change(1, "Received", "mine"), change(2, "Subject", "second")],
         [change(1, "X-Fold", ""), change(1, "from", "z"), add("X", "a\n b")])


def test_edits_beside_postfix():
    """Where a field comes to stand, and which is changed."""
    seen = []
    for kind in (Postfix, Instance):
        with Filter() as filter, kind(
                smtpd_milters=filter.endpoint, smtpd_peername_lookup="no",
                relay_domains="example.edu", relay_transport="discard:",
                local_header_rewrite_clients="", milter_protocol="4",
                myhostname="mail.example.org") as mta:
            mta.start()
            program = ("/usr/sbin/postcat",) if kind == Postfix else \
                (SBIN + "/postcat",)
            headers = []
            for edits in EDITS:
                filter.answers["E"] = edits + [milter.quarantine("x"),
                                               milter.CONTINUE]
                code, text = send_raw(mta, "Received: theirs\r\n" +
                                      TEXT.decode())
                equal(code, 250)
                out = run(*program, "-c", mta.conf, "-h", "-q",
                          text.split()[-1]).stdout
                headers.append(re.sub(r"(?ms)^Received: from.*?^(?=\S)",
                                      "Received: ours\n", out))
            seen.append(headers)
    equal(seen[1], seen[0])


def send_raw(mta, text):
    with smtplib.SMTP("127.0.0.1", mta.smtp_port) as client:
        client.ehlo("c.example")
        client.mail("s@example.net")
        client.rcpt("r@example.edu")
        code, text = client.data(text)
        return code, text.decode()


def test_new_body():
    """Small for large, and the other way round; in pieces."""
    large = b"".join(b"%060d\r\n" % i for i in range(3000))
    small = b"small\r\n"
    with Filter() as filter, new(filter.endpoint) as mta:
        mta.start()
        count = 0
        for old in (small, large):
            for fresh in (small, large):
                filter.answers["E"] = [add("X-New", "1")] + \
                    milter.body(fresh) + [milter.CONTINUE]
                filter.forget()
                equal(last(mta, text=b"Subject: x\r\n\r\n" + old)[:2],
                      ("end", 250))
                count += 1
                equal(filter.octets("B"), old)
                mail = wait_new(mta, count)
                head, _, rest = mail.partition(b"\n\n")
                check(b"\nX-New: 1" in head, head)
                equal(rest, fresh.replace(b"\r\n", b"\n"))
        sizes = [len(data) for _, kind, data in filter.events if kind == "B"]
        equal(sizes[:-1], [65535] * (len(sizes) - 1))


def wait_new(mta, count, seen=set()):
    """The message that came last."""
    wait_for(lambda: len(names(mta)) >= count, "%d messages" % count)
    fresh = [name for name in names(mta) if name not in seen]
    seen.update(fresh)
    with open(fresh[0], "rb") as handle:
        return handle.read()


def names(mta):
    folder = mta.mail + "/example.org/alice/new"
    try:
        return [folder + "/" + name for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


def test_all_recipients_deleted():
    edits = [milter.no_recipient("<alice@example.org>"), milter.CONTINUE]
    with Filter({"E": edits}) as filter, new(filter.endpoint) as mta:
        mta.start()
        equal(last(mta)[:2], ("end", 250))
        mta.wait_log(r"milter-discard: END-OF-MESSAGE .*: milter has deleted "
                     r"all recipients")
        mta.wait_log(r"removed \(discarded\)")


def test_header_checks():
    rules = "pcre:{{/^X-Spam: yes/ REJECT spam here} {/^X-Drop/ IGNORE} " \
        "{/^X-Old: (.*)/ REPLACE X-New: $$1} {/^X-Hold/ HOLD} " \
        "{/^X-Bad/ PREPEND X: y} {/^Subject/ REJECT not by this}}"
    with Filter() as filter, new(filter.endpoint,
                                 milter_header_checks=rules) as mta:
        mta.start()
        filter.answers["E"] = [add("X-Drop", "1"), insert(1, "X-Old", "2"),
                               milter.CONTINUE]
        equal(last(mta)[:2], ("end", 250))
        mail = mta.wait_mail("alice")[0]
        check(b"\nX-New: 2\n" in mail and b"X-Drop" not in mail, mail)
        mta.wait_log(r"milter-header-replace: header X-Old: 2 from unknown"
                     r"\[127\.0\.0\.1\]; from=<s@example\.net> "
                     r"to=<alice@example\.org> proto=ESMTP "
                     r"helo=<c\.example>: X-New: 2")
        filter.answers["E"] = [add("X-Spam", "yes"), milter.CONTINUE]
        equal(last(mta), ("end", 550, "5.7.1 spam here"))
        mta.wait_log(r"milter-header-reject: header X-Spam: yes from")
        filter.answers["E"] = [add("X-Bad", "1"), milter.CONTINUE]
        equal(last(mta)[1], 451)
        filter.answers["E"] = [add("X-Hold", "1"), milter.CONTINUE]
        equal(last(mta)[:2], ("end", 250))
        mta.wait_log(r"milter-header-hold: header X-Hold: 1")


# ---- when they do not answer -------------------------------------------------

def test_nobody_there():
    """Each default action, one warning for each session, nothing unfiltered."""
    port = free_port()
    with new("inet:127.0.0.1:%d" % port) as mta:
        start(mta)
        before = mta.log().count("connect to Milter service")
        equal(last(mta), ("connect", 451, "4.7.1 Service unavailable - try "
                          "again later"))
        wait_for(lambda: mta.log().count("connect to Milter service") ==
                 before + 1, "one warning")
        mta.wait_log(r"warning: connect to Milter service "
                     r"inet:127\.0\.0\.1:%d: Connection refused" % port)
        mta.wait_log(r"milter-reject: CONNECT from unknown\[127\.0\.0\.1\]: "
                     r"451 4\.7\.1 Service unavailable - try again later; "
                     r"proto=SMTP")
        with mta.raw() as client:  # one that goes on nevertheless
            equal(client.reply()[:3], "451")
            equal(client.ask("HELO c.example")[:3], "451")
            equal(client.ask("MAIL FROM:<s@example.net>")[:3], "451")
        for action, code in (("reject", 550), ("shutdown", 421),
                             ("accept", 250), ("quarantine", 250)):
            mta.set(milter_default_action=action)
            mta.reload()
            wait_for(lambda: last(mta)[1] == code, "the action " + action)
        mta.wait_log(r"milter-hold: MAIL from .*: milter is unavailable; "
                     r"from=<s@example\.net>")
        wait_for(lambda: "hold" in [e["queue_name"]
                                    for e in mta.queue_list()],
                 "the message in hold")


def test_failures_in_the_middle():
    """It closes, hangs or talks nonsense at each step: 451, once logged, and
    the next session is as good as ever."""
    with Filter() as filter, \
            new(filter.endpoint, milter_command_timeout="5s",
                milter_content_timeout="5s") as mta:
        start(mta, filter)
        for said in (milter.CLOSE, milter.NONSENSE, milter.HANG):
            steps = STEPS if said != milter.HANG else STEPS[3::4]
            for kind, where, _ in steps:
                filter.answers.clear()
                filter.answers[kind] = said
                before = mta.log().count(": can't read SMFIC_")
                got = last(mta)
                equal((kind, got[0], got[1]), (kind, where, 451))
                wait_for(lambda: mta.log().count(": can't read SMFIC_") ==
                         before + 1, "one warning")
        filter.answers.clear()
        equal(last(mta)[:2], ("end", 250))
        mta.wait_log(r"warning: milter inet:127\.0\.0\.1:\d+: can't read "
                     r"SMFIC_BODY reply packet header: Connection timed out")
        filter.answers["E"] = milter.CLOSE
        with mta.smtp() as client:  # and the session knows
            client.ehlo("c.example")
            client.mail("s@example.net")
            client.rcpt("alice@example.org")
            equal(client.data(TEXT)[0], 451)
            equal(client.mail("s@example.net")[0], 451)
        equal(len(mta.wait_mail("alice")), 1)


def test_a_hanging_filter_stops_nobody_else():
    port = free_port()
    with Filter({"E": milter.HANG}) as filter, new(filter.endpoint) as mta:
        mta.master = "127.0.0.1:%d inet n - n - - smtpd\n" \
            "  -o smtpd_milters=\n" % port
        mta.start()
        stuck = []
        for _ in range(20):
            client = mta.raw()
            client.reply()
            for line in ("HELO c.example", "MAIL FROM:<s@example.net>",
                         "RCPT TO:<alice@example.org>", "DATA"):
                client.ask(line)
            client.send("Subject: x\r\n\r\nx\r\n.\r\n")
            stuck.append(client)
        wait_for(lambda: filter.kinds().count("E") == 20, "all to hang")
        equal(talk(port)[-1][:2], ("end", 250))
        equal(len(mta.wait_mail("alice")), 1)
        for client in stuck:
            client.close()
        filter.hanging.set()


def test_what_passes_is_not_shown():
    """PASS of header_checks: the filter that would refuse it never sees it,
    beside Debian's."""
    for kind in (Postfix, Instance):
        with Filter({"E": reply("550 5.7.1 no")}) as filter, kind(
                smtpd_milters=filter.endpoint, mydestination="",
                header_checks="regexp:{{/^X-Pass: (.*)/ PASS $$1}}",
                body_checks="regexp:{{/^line two/ REJECT no line two}}",
                relay_domains="example.edu", relay_transport="discard:",
                smtpd_peername_lookup="no") as mta:
            mta.start()
            with mta_session(mta) as client:
                for more, code in ((b"", 550), (b"X-Pass: it is ours\r\n", 250)):
                    client.mail("s@example.net")
                    client.rcpt("r@example.edu")
                    equal(client.data(more + TEXT)[0], code)
            wait_for(lambda: re.search(
                r"pass: header X-Pass: it is ours from .*: it is ours\n",
                mta.log()), "the line in the log")
            wait_for(lambda: filter.kinds().endswith("Q"), "the goodbye")
            equal(filter.kinds().count("E"), 0)


def mta_session(mta):
    client = smtplib.SMTP("127.0.0.1", mta.smtp_port, timeout=PATIENCE)
    client.ehlo("c.example")
    return client


def test_not_understood():
    with new("{ inet:127.0.0.1:9, colour=red }") as mta:
        mta.start()
        equal(last(mta), ("mail", 451, "4.3.5 Server configuration error"))
        mta.wait_log("smtpd_milters: .*colour")


# ---- whose ------------------------------------------------------------------

def test_maps():
    with Filter({"M": milter.REJECT}) as usual, \
            Filter({"R": milter.REJECT}) as other, new(usual.endpoint) as mta:
        table = mta.write("conf/milters",
                          "127.0.0.2 DISABLE\n127.0.0.3 %s\n"
                          "127.0.0.4 { %s, default_action=accept }\n"
                          "127.0.0.5 nonsense\n" % (
                              other.endpoint, other.endpoint))
        mta.set(smtpd_milter_maps="cidr:" + table)
        mta.start()
        for source, where, code in (("127.0.0.1", "mail", 550),
                                    ("127.0.0.2", "end", 250),
                                    ("127.0.0.3", "rcpt", 550),
                                    ("127.0.0.4", "rcpt", 550),
                                    ("127.0.0.5", "connect", 451)):
            equal((source,) + last(mta, source=(source, 0))[:2],
                  (source, where, code))


def test_no_milters():
    """receive_override_options = no_milters, for a listener."""
    port = free_port()
    with Filter({"M": milter.REJECT}) as filter, new(filter.endpoint) as mta:
        mta.master = "127.0.0.1:%d inet n - n - - smtpd\n" \
            "  -o receive_override_options=no_milters\n" % port
        mta.start()
        equal(last(mta)[:2], ("mail", 550))
        equal(talk(port)[-1][:2], ("end", 250))


def submit(mta, *recipients, text=TEXT.replace(b"\r\n", b"\n").decode()):
    return mta.command("sendmail", "-f", "s@example.net", *recipients,
                       input=text, check=False)


def test_local_mail():
    with Filter({"E": [add("X-Local", "1"), milter.CONTINUE]}) as filter, \
            new("", non_smtpd_milters=filter.endpoint) as mta:
        mta.start()
        equal(last(mta)[:2], ("end", 250))  # not asked
        equal(filter.connections, 0)
        mta.wait_mail("alice")
        equal(submit(mta, "bob@example.org").returncode, 0)
        mail = mta.wait_mail("bob")[0]
        check(b"\nX-Local: 1\n" in mail, mail)
        wait_for(lambda: filter.kinds().endswith("Q"), "the goodbye")
        check(re.fullmatch("OCHMRTL+NBEQ", filter.kinds()), filter.kinds())
        connect = filter.heard("C")[0]
        equal((connect[0], connect[-1]), ("localhost", "127.0.0.1"))
        equal(filter.heard("H"), [["mail.example.org"]])
        equal(filter.heard("M"), [["<s@example.net>"]])
        equal(filter.heard("R"), [["<bob@example.org>"]])
        equal(filter.macros("C")["_"], "localhost [127.0.0.1]")
        equal(filter.macros("R")["{rcpt_mailer}"], "virtual")
        check("i" in filter.macros("E"))
        filter.answers["E"] = milter.TEMPFAIL
        check(submit(mta, "bob@example.org").returncode in (0, 75))
        mta.wait_log(r"milter-reject: END-OF-MESSAGE from localhost"
                     r"\[127\.0\.0\.1\]: 4\.7\.1 Service unavailable - try "
                     r"again later; from=<s@example\.net> "
                     r"to=<bob@example\.org>")
        filter.answers.clear()
        filter.answers["R"] = milter.REJECT
        submit(mta, "bob@example.org")
        mta.wait_log(r"refuses a recipient of mail that is not from SMTP")
        filter.answers.clear()
        filter.answers["E"] = [milter.recipient("<alice@example.org>"),
                               milter.CONTINUE]
        equal(submit(mta, "bob@example.org").returncode, 0)
        mta.wait_mail("alice", 2)


def test_bounces_pass():
    """A notification of our own is nobody's to filter."""
    with Filter({"M": milter.REJECT}) as filter, \
            new("", non_smtpd_milters=filter.endpoint,
                smtpd_reject_unlisted_recipient="no") as mta:
        mta.start()
        with mta.smtp() as client:
            client.sendmail("alice@example.org", "nobody@example.org", TEXT)
        mail = mta.wait_mail("alice")[0]
        check(b"Delivery Status Notification" in mail or
              b"Undelivered" in mail, mail)
        equal(filter.connections, 0)


# ---- a real one ---------------------------------------------------------------

def test_opendkim():
    """Signed on one listener; what was delivered is verified on another."""
    port = free_port()
    with servers.Opendkim("s") as signer, \
            servers.Opendkim("v", signer.key) as verifier, \
            new(signer.endpoint) as mta:
        mta.master = "127.0.0.1:%d inet n - n - - smtpd\n" \
            "  -o smtpd_milters=%s\n" % (port, verifier.endpoint)
        mta.start()
        text = TEXT.replace(b"example.net", b"example.org")
        equal(last(mta, text=text)[:2], ("end", 250))
        signed = mta.wait_mail("alice")[0]
        check(b"\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; "
              b"d=example.org" in signed, signed)
        at = signed.index(b"DKIM-Signature:")
        equal(talk(port, ["bob@example.org"], text=signed[at:].replace(
            b"\n", b"\r\n"))[-1][:2], ("end", 250))
        verified = mta.wait_mail("bob")[0]
        check(re.search(rb"\nAuthentication-Results: mail\.example\.org;\s+"
                        rb"dkim=pass", verified), verified)
        broken = signed[at:].replace(b"line two", b"line 2")
        equal(talk(port, ["bob@example.org"], text=broken.replace(
            b"\n", b"\r\n"))[-1][:2], ("end", 250))
        check(any(b"dkim=fail" in mail for mail in mta.wait_mail("bob", 2)))


main(globals())
