#!/usr/bin/python3
"""lmtpd: mail over LMTP into the mailboxes of virtual, a reply for each."""
import smtplib
import socket

from instance import check, equal, main, matches
from virtual_test import Virtual


class Lmtp(Virtual):
    def __init__(self, **parameters):
        super().__init__(**parameters)
        self.master = "127.0.0.1:%d inet n - n - - lmtpd\n" % (
            self.port("lmtp"))

    def talk(self):
        return Client(self.ports["lmtp"])


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")

    def send(self, text):
        self.socket.sendall(text.encode("utf-8"))

    def reply(self):
        lines = []
        while not lines or lines[-1][3:4] == "-":
            line = self.file.readline().decode("utf-8").rstrip("\r\n")
            check(line, "the end after %r" % lines)
            lines.append(line)
        return "\n".join(lines)

    def ask(self, line, pattern):
        self.send(line + "\r\n")
        self.expect(pattern)

    def expect(self, pattern):
        matches("(?s)^" + pattern, self.reply())

    def end(self):
        self.ask("QUIT", "221 2.0.0")
        equal(self.file.read(), b"")
        self.socket.close()


def test_rfc2033_each_recipient_has_a_reply():
    with Lmtp() as mta:
        mta.start()
        c = mta.talk()
        c.expect("220 mail.example.org LMTP")
        c.ask("MAIL FROM:<chris@example.net>", "503 5.5.1")
        c.ask("EHLO foo.example", "500 5.5.2")
        c.ask("LHLO foo.example", "250-mail.example.org\n.*250-PIPELINING\n"
              ".*ENHANCEDSTATUSCODES\n.*8BITMIME\n.*SIZE")
        c.ask("DATA", "503 5.5.1")
        c.ask("RCPT TO:<alice@example.org>", "503 5.5.1")
        c.ask("MAIL FROM:<chris@example.net>", "250 2.1.0")
        c.ask("DATA", "503 5.5.1")
        c.ask("RCPT TO:<nobody@example.org>",
              "550 5.1.1 <nobody@example.org>: unknown user")
        c.ask("RCPT TO:<alice@example.org>", "250 2.1.5")
        c.ask("RCPT TO:<bob@example.org>", "250 2.1.5")
        c.ask("DATA", "354 ")
        c.send("Subject: x\r\n\r\n..dot\r\nlast\r\n.\r\n")
        c.expect("250 2.0.0 <alice@example.org> ")
        c.expect("250 2.0.0 <bob@example.org> ")
        c.end()
        message, = mta.alice()
        matches(r"Return-Path: <chris@example.net>\n", message)
        matches(r"Delivered-To: alice@example.org\n", message)
        matches(r"Received: from foo.example \(unknown\[127.0.0.1\]\)\n\tby "
                r"mail.example.org \(.*\) with LMTP id L[0-9A-F]{15};\n",
                message)
        matches(r"\nSubject: x\n\n\.dot\nlast\n\Z", message)
        with open(mta.mail + "/bob") as handle:
            matches(r"\.dot\nlast", handle.read())
        mta.wait_empty()


def test_pipelining_and_large_messages():
    with Lmtp(message_size_limit="3000000") as mta:
        mta.start()
        c = mta.talk()
        body = "0123456789abcdef\r\n" * 100000
        c.send("LHLO x\r\nMAIL FROM:<> SIZE=2000000 BODY=8BITMIME\r\n"
               "RCPT TO:<alice@example.org>\r\n"
               "RCPT TO:<nobody@example.org>\r\nDATA\r\n")
        for pattern in ("220", "250-", "250 2.1.0", "250 2.1.5", "550 5.1.1",
                        "354"):
            c.expect(pattern)
        c.send("Subject: large\r\n\r\n" + body + ".\r\nNOOP\r\n")
        c.expect("250 2.0.0 <alice@example.org>")
        c.expect("250 2.0.0")
        equal(mta.alice()[0].count("0123456789abcdef\n"), 100000)
        c.ask("MAIL FROM:<a@example.net> SIZE=4000000", "552 5.3.4")
        c.ask("MAIL FROM:<a@example.net> X=y", "555 5.5.4")
        c.ask("MAIL FROM:<a@example.net>", "250")
        c.ask("RCPT TO:<alice@example.org>", "250")
        c.ask("RCPT TO:<bob@example.org>", "250")
        c.ask("DATA", "354")
        c.send("Subject: larger\r\n\r\n" + body + body + ".\r\n")
        c.expect("552 5.3.4 <alice@example.org>")
        c.expect("552 5.3.4 <bob@example.org>")
        c.ask("RSET", "250 2.0.0")
        equal(len(mta.alice()), 1)
        c.end()


def test_pythons_own_client():
    with Lmtp() as mta:
        mta.start()
        for i in range(3):
            with smtplib.LMTP("127.0.0.1", mta.ports["lmtp"]) as client:
                equal(client.sendmail(
                    "a@example.net", ["alice@example.org"],
                    "Subject: %d\r\n\r\ntext\r\n" % i), {})
        equal(len(mta.alice()), 3)


def test_only_mynetworks():
    with Lmtp(mynetworks="192.0.2.0/24") as mta:
        mta.start()
        c = mta.talk()
        c.expect("554 5.7.1")
        equal(c.file.read(), b"")


if __name__ == "__main__":
    main(globals())
