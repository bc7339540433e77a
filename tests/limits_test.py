#!/usr/bin/python3
"""posthorn-limits(7): each limit of the daemons at its value and one beyond.
(Those of parsers are in units. tests/man-limits looks for their names.)"""
import re
import socket

from full import PASSWORD, FullInstance
from imap import Mail
from instance import PATIENCE, Instance, Raw, check, equal, main, wait_for


def session(mta):
    client = Raw(mta.smtp_port)
    equal(client.reply()[:3], "220")
    equal(client.ask("EHLO c.example")[:3], "250")
    return client


def say(client, line, code):
    answer = client.ask(line)
    check(answer.startswith(code), "%.60s: %s" % (line, answer))


def send(client, recipients, text, code):
    say(client, "MAIL FROM:<a@example.net>", "250")
    for name in recipients:
        say(client, "RCPT TO:<%s@example.org>" % name, "250")
    say(client, "DATA", "354")
    say(client, text + "\r\n.", code)


def test_smtpd():
    with Instance(message_size_limit="5000", smtpd_recipient_limit="3",
                  smtpd_recipient_overshoot_limit="2",
                  smtpd_hard_error_limit="4", smtpd_junk_command_limit="2",
                  smtpd_client_connection_count_limit="3",
                  smtpd_client_event_limit_exceptions="",
                  hopcount_limit="3", duplicate_filter_limit="2",
                  smtpd_error_sleep_time="0") as mta:
        mta.virtual_mailboxes(users=("alice", "bob", "carol"))
        mta.start()
        client = session(mta)
        # limit: message_size_limit
        say(client, "MAIL FROM:<a@example.net> SIZE=5000", "250")
        say(client, "RSET", "250")
        say(client, "MAIL FROM:<a@example.net> SIZE=5001", "552")
        head = ("From: a@example.net\r\nDate: Sun, 29 Nov 2026 21:00:00 +0000"
                "\r\nMessage-Id: <1@example.net>\r\n\r\n")
        send(client, ["alice"], head, "250")
        mta.wait_log(r"size=\d+, nrcpt=1 \(queue active")
        used = int(re.search(r"size=(\d+), nrcpt", mta.log()).group(1))
        send(client, ["alice"], head + "x" * (5000 - used), "250")
        send(client, ["alice"], head + "x" * (5001 - used), "552")
        # limit: hopcount_limit, with the one that we add
        send(client, ["alice"], "Received: x\r\n" * 2, "250")
        send(client, ["alice"], "Received: x\r\n" * 3, "554")
        client.close()
        client = session(mta)
        # limit: line_length_limit, here 2048
        say(client, "NOOP " + "x" * (2048 - 5), "250")
        say(client, "NOOP " + "x" * (2048 - 4), "500")
        client.close()
        client = session(mta)
        # limit: smtpd_recipient_limit
        say(client, "MAIL FROM:<a@example.net>", "250")
        for _ in range(3):
            say(client, "RCPT TO:<alice@example.org>", "250")
        # limit: smtpd_recipient_overshoot_limit, beyond which it is an error
        for _ in range(2 + 3):
            say(client, "RCPT TO:<alice@example.org>", "452")
        # limit: smtpd_hard_error_limit; the fourth ends it
        say(client, "RCPT TO:<alice@example.org>", "452")
        equal(client.reply()[:3], "421")
        client.close()
        client = session(mta)
        # limit: smtpd_junk_command_limit
        for _ in range(2 + 3):
            say(client, "NOOP", "250")
        client.send("NOOP\r\n")
        check("421" in client.reply() + client.reply(), "no end of junk")
        client.close()
        wait_for(lambda: mta.log().count("disconnect from") >= 5, "the ends")
        # limit: smtpd_client_connection_count_limit
        clients = [session(mta) for _ in range(3)]
        with Raw(mta.smtp_port) as fourth:
            equal(fourth.reply()[:3], "421")
        for client in clients:
            client.close()
        wait_for(lambda: mta.log().count("disconnect from") >= 8, "the ends")
        client = session(mta)
        # limit: duplicate_filter_limit; what comes third is not remembered
        send(client, ["alice", "bob", "bob"], "Subject: two\r\n", "250")
        send(client, ["alice", "bob", "carol"], "Subject: a\r\n", "250")
        client.close()
        mta.wait_empty()
        equal(len(mta.maildir("bob")), 2)


def test_active():
    """limit: qmgr_message_active_limit"""
    with Instance(qmgr_message_active_limit="2") as mta, \
            socket.create_server(("127.0.0.1", 0)) as silent:
        mta.set(default_transport="smtp:[127.0.0.1]:%d" %
                silent.getsockname()[1])
        mta.start()
        client = session(mta)
        for _ in range(3):
            say(client, "MAIL FROM:<a@example.net>", "250")
            say(client, "RCPT TO:<x@far.example.com>", "250")
            say(client, "DATA", "354")
            say(client, "\r\n.", "250")
        client.close()
        wait_for(lambda: sorted(m["queue_name"] for m in mta.queue_list()) ==
                 ["active", "active", "incoming"], "two active messages")


def test_include():
    """limit: ALIAS_FILE_MOST"""
    most = 4 * 1024 * 1024
    with Instance(alias_maps="inline:{{full=:include:/nowhere}}") as mta:
        mta.virtual_mailboxes()
        paths = []
        for size in (most, most + 1):
            text = "alice@example.org\n#"
            paths.append(mta.write("list%d" % size,
                                   text + "x" * (size - len(text))))
        mta.set(mydestination="localhost", alias_maps="inline:{"
                "{full=:include:%s}, {over=:include:%s}}" % tuple(paths))
        mta.start()
        mta.send("a@example.net", ["full@localhost"], "Subject: x\n\n")
        mta.wait_mail("alice")
        mta.send("a@example.net", ["over@localhost"], "Subject: x\n\n")
        mta.wait_log(r"to=<over@localhost>.* status=(deferred|bounced)")
        equal(len(mta.maildir("alice")), 1)


def line(file):
    got = file.readline()
    check(got.endswith(b"\r\n"), got)
    return got


def test_login():
    with FullInstance() as mta:
        mta.set(smtpd_sasl_auth_enable="yes", smtpd_tls_auth_only="no")
        mta.start()
        # limit: LINE_MOST login/session.h
        with Raw(mta.ports["imap"]) as raw:
            line(raw.file)
            raw.send("a " + "x" * 8190 + "\r\n")
            check(line(raw.file).startswith(b"a BAD"))
            raw.send("a " + "x" * 8191 + "\r\n")
            check(line(raw.file).startswith(b"* BYE"))
        # limit: ATTEMPTS_MOST
        with Raw(mta.ports["pop3"]) as raw:
            line(raw.file)
            for _ in range(3):
                raw.send("USER alice@example.org\r\n")
                check(line(raw.file).startswith(b"+OK"))
                raw.send("PASS wrong\r\n")
                check(line(raw.file).startswith(b"-ERR [AUTH]"))
            check(raw.file.read().startswith(b"-ERR"))
        # limit: smtpd_sasl_response_limit, here 12288
        client = session(mta)
        say(client, "AUTH PLAIN", "334")
        say(client, "A" * 12288, "535")
        say(client, "AUTH PLAIN", "334")
        say(client, "A" * 12289, "500")
        client.close()


class Wire:
    def __init__(self, sock):
        sock.settimeout(PATIENCE)
        self.socket, self.file = sock, sock.makefile("rb")
        line(self.file)

    def ask(self, text, wanted):
        self.socket.sendall(text)
        got = line(self.file)
        check(got.startswith(wanted), "%r: %r" % (text[:60], got))


def command_of(size):
    """A command with literals that is of so many octets."""
    head, text, pieces = b"a SEARCH", b"", []
    for _ in range(4):
        text += head + b" TEXT {250000}"
        pieces.append(text)
        text, head = b"", b""
    used = sum(map(len, pieces)) + 4 * (2 + 250000)
    rest = size - used - len(" TEXT {10000}")
    return pieces, rest


def test_imapd():
    with Mail() as mail:
        wire = Wire(mail.raw()[0])
        # limit: LINE_MOST imapd/session.h
        wire.ask(b"a " + b"x" * (65536 - 2) + b"\r\n", b"a BAD Unknown")
        wire.ask(b"a " + b"x" * (65536 - 1) + b"\r\n", b"* BAD Line is too")
        # limit: LITERAL_MOST
        wire.ask(b"a SELECT {262145}\r\n", b"a NO [LIMIT]")
        wire.ask(b"a SELECT {262144}\r\n", b"+ ")
        wire.ask(b"x" * 262144 + b"\r\n", b"a ")
        # limit: COMMAND_MOST
        for size, wanted in ((1048576, b"+ "), (1048577, b"a NO [LIMIT]")):
            pieces, rest = command_of(size)
            for piece in pieces:
                wire.ask(piece + b"\r\n", b"+ ")
                wire.socket.sendall(b"x" * 250000)
            wire.ask(b" TEXT {%d}\r\n" % rest, wanted)
            if wanted == b"+ ":
                wire.ask(b"x" * rest + b"\r\n", b"a BAD")
        # limit: BAD_MOST
        wire.ask(b"a NOOP\r\n", b"a OK")
        for _ in range(20):
            wire.ask(b"a X\r\n", b"a BAD")
        wire.ask(b"a X\r\n", b"a BAD")
        check(line(wire.file).startswith(b"* BYE"))
        # limit: APPEND_MOST
        wire = Wire(mail.raw()[0])
        wire.ask(b"a APPEND INBOX {1073741825}\r\n", b"a NO [TOOBIG]")
        wire.ask(b"a APPEND INBOX {1073741824}\r\n", b"+ ")


def test_pop3d():
    with Mail() as mail:
        wire = Wire(mail.raw(program="pop3d")[0])
        # limit: LINE_MOST pop3d/session.h
        wire.ask(b"x" * 512 + b"\r\n", b"-ERR Unknown")
        wire.ask(b"x" * 513 + b"\r\n", b"-ERR Line is too long")


if __name__ == "__main__":
    main(globals())
