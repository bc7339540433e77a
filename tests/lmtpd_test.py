#!/usr/bin/python3
"""lmtpd: mail over LMTP into the mailboxes of virtual, a reply for each."""
import os
import re
import shutil
import smtplib
import socket

from capture import Capture
from instance import (PATIENCE, Skip, check, equal, is_root, main,
                      make_certificate, matches, renewed_is_noticed, run,
                      untrusting, wait_for)
from postfix_peer import Postfix
from virtual_test import Virtual


class Lmtp(Virtual):
    def __init__(self, **parameters):
        super().__init__(**parameters)
        self.master = "127.0.0.1:%d inet n - n - - lmtpd\n" % (
            self.port("lmtp"))

    def talk(self):
        return Client(self.ports["lmtp"])


def bob(mta):
    """What lies in his mbox."""
    try:
        with open(mta.mail + "/bob") as handle:
            return handle.read()
    except OSError:
        return ""


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
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


def test_rfc5321_postmaster():
    """4.5.1: without a domain, in any case of letters; it is our own, and
    unknown as any other one is where nobody has it."""
    with Lmtp(myorigin="example.org") as mta:
        mta.set(virtual_mailbox_maps="inline:{postmaster@example.org=alice/}",
                virtual_uid_maps="static:%d" % mta.ids[0][0],
                virtual_gid_maps="static:%d" % mta.ids[0][1])
        mta.start()
        c = mta.talk()
        c.expect("220")
        c.ask("LHLO foo.example", "250-")
        c.ask("VRFY PostMaster", "25[02] 2")
        c.ask("MAIL FROM:<chris@example.net>", "250 2.1.0")
        c.ask("RCPT TO:<hostmaster>", "550 5.1.1 <hostmaster@example.org>")
        c.ask("RCPT TO:<PostMaster>", "250 2.1.5")
        c.ask("DATA", "354 ")
        c.send("Subject: for you\r\n\r\nx\r\n.\r\n")
        c.expect("250 2.0.0 <PostMaster@example.org> ")
        c.end()
        matches(r"Delivered-To: PostMaster@example.org\n(?s:.*)"
                r"\nSubject: for you\n", mta.alice()[0])
        mta.set(myorigin="example.net")
        mta.reload()
        c = mta.talk()
        c.expect("220")
        c.ask("LHLO foo.example", "250-")
        c.ask("MAIL FROM:<chris@example.net>", "250 2.1.0")
        c.ask("RCPT TO:<postmaster>",
              "550 5.1.1 <postmaster@example.net>: unknown user")
        c.end()


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


def begin(mta, *recipients, sender="chris@example.net"):
    c = mta.talk()
    c.expect("220")
    c.ask("LHLO foo.example", "250-")
    c.ask("MAIL FROM:<%s>" % sender, "250")
    for recipient in recipients:
        c.ask("RCPT TO:<%s@example.org>" % recipient, "250 2.1.5")
    return c


def test_rfc3461_parameters_and_the_report_of_success():
    """Whoever announces DSN says that it was delivered (RFC 3461 5.2.3); of
    failures the client says so."""
    with Lmtp() as mta:
        mta.start()
        c = mta.talk()
        c.expect("220")
        c.ask("LHLO foo.example", "250-.*\n250-DSN\n")
        for bad in ("RET=X", "RET=FULL RET=HDRS", "ENVID=a+", "ENVID=a ENVID=b",
                    "RET=", "ENVID=" + "x" * 101):
            c.ask("MAIL FROM:<bob@example.org> " + bad, "5")
        c.ask("MAIL FROM:<bob@example.org> RET=HDRS ENVID=QQ+3D1", "250 2.1.0")
        for bad in ("NOTIFY=NEVER,SUCCESS", "NOTIFY=", "NOTIFY=x", "ORCPT=x",
                    "ORCPT=rfc822;a+", "NOTIFY=NEVER NOTIFY=NEVER"):
            c.ask("RCPT TO:<alice@example.org> " + bad, "5")
        c.ask("RCPT TO:<alice@example.org> NOTIFY=SUCCESS,FAILURE "
              "ORCPT=rfc822;al+2Bx@example.com", "250 2.1.5")
        c.ask("RCPT TO:<bob@example.org> NOTIFY=NEVER", "250 2.1.5")
        c.ask("DATA", "354")
        c.send("Subject: tell me\r\n\r\nsecret\r\n.\r\n")
        c.expect("250 2.0.0 <alice")
        c.expect("250 2.0.0 <bob")
        c.end()
        equal(len(mta.alice()), 1)
        wait_for(lambda: "Action: delivered" in bob(mta), "the report")
        mta.wait_empty()  # it lies there whole
        report = bob(mta)
        for wanted in (r"Original-Envelope-Id: QQ=1\n",
                       r"Original-Recipient: rfc822; ?al\+x@example.com\n",
                       r"Final-Recipient: rfc822; ?alice@example.org\n",
                       r"Status: 2\.0\.0\n", r"Subject: tell me\n"):
            matches("(?s).*" + wanted, report)
        equal(report.count("Final-Recipient"), 1)
        equal(report.count("secret"), 1)  # his own copy


def test_rfc3030_chunks():
    with Lmtp(message_size_limit="100000") as mta:
        mta.start()
        c = begin(mta, "alice", "bob")
        c.send("BDAT 12\r\nSubject: x\r\n")
        c.expect("250 2.0.0 Ok: 12 bytes")
        for command in ("DATA", "MAIL FROM:<>", "RCPT TO:<bob@example.org>"):
            c.ask(command, "503 5.5.1")
        c.send("BDAT 9\r\n\r\n.dot\r\n.BDAT 4 LAST\r\n\r\nzz")
        c.expect("250 2.0.0 Ok: 9 bytes")
        c.expect("250 2.0.0 <alice@example.org> ")
        c.expect("250 2.0.0 <bob@example.org> ")
        matches(r"(?s).*\nSubject: x\n\n\.dot\n\.\nzz\n\Z", mta.alice()[0])
        # Nobody to deliver it to: one reply, and the chunk is gone.
        c.ask("MAIL FROM:<>", "250")
        c.send("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        c.expect("503 5.5.1")
        c.expect("250 2.0.0 Ok$")
        c.ask("RSET", "250")
        # Too large: said at once; the last chunk has a reply for each.
        c.ask("MAIL FROM:<>", "250")
        c.ask("RCPT TO:<alice@example.org>", "250")
        c.send("BDAT 99999\r\n" + "x" * 99997 + "\r\n")
        c.expect("250 2.0.0")
        c.send("BDAT 9\r\n" + "x" * 9)
        c.expect("552 5.3.4")
        c.send("BDAT 0 LAST\r\n")
        c.expect("503 5.5.1 <alice@example.org>")
        c.ask("RSET", "250")
        c.ask("MAIL FROM:<>", "250")
        c.ask("RCPT TO:<alice@example.org>", "250")
        c.send("BDAT 0 LAST\r\n")
        c.expect("250 2.0.0 <alice@example.org>")
        equal(len(mta.alice()), 2)
        c.ask("BDAT x", "421")
        equal(c.file.read(), b"")


def test_rfc6531():
    with Lmtp(strict_smtputf8="yes") as mta:
        mta.start()
        c = mta.talk()
        c.expect("220")
        c.ask("LHLO b\u00fccher.example", "250-.*\n250-SMTPUTF8\n")
        c.ask("MAIL FROM:<j\u00fc@example.net>", "553 5.6.7")
        c.ask("MAIL FROM:<a@example.net>", "250")
        c.ask("RCPT TO:<j\u00fc@example.org>", "553 5.6.7")
        c.ask("RSET", "250")
        c.ask("MAIL FROM:<j\u00fc@example.net> SMTPUTF8 BODY=8BITMIME", "250")
        c.ask("RCPT TO:<alice@example.org>", "250")
        c.ask("RCPT TO:<j\u00fc@example.org>",
              "550 5.1.1 <j\u00fc@example.org>")
        c.ask("DATA", "354")
        c.send("Subject: \u00fc\r\n\r\n.\r\n")
        c.expect("250 2.0.0")
        c.ask("VRFY <j\u00fc@example.org>", "553 5.6.7")
        c.ask("VRFY <j\u00fc@example.org> SMTPUTF8", "550 5.1.1 <j\u00fc@")
        c.ask("VRFY <alice@example.org> SMTPUTF8", "252 2.0.0 alice@")
        c.ask("VRFY <alice@example.org>", "252 2.0.0 alice@")
        c.end()
        matches(r"(?s)Return-Path: <j\u00fc@example.net>\n.* with UTF8LMTP id ",
                mta.alice()[0])


def test_delivery_into_folders():
    """user+folder@: only if that is wanted; what is no mailbox is INBOX."""
    def give(mta, *recipients):
        c = mta.talk()
        c.expect("220")
        c.ask("LHLO x", "250")
        c.ask("MAIL FROM:<a@example.net> SMTPUTF8", "250")
        for address in recipients:
            c.ask("RCPT TO:<%s>" % address, "250")
        c.ask("DATA", "354")
        c.send("Subject: x\r\n\r\n.\r\n")
        for address in recipients:
            c.expect("250 2.0.0")
        c.end()

    def restart(mta):
        mta.stop()
        mta.start()

    def found(mta, *folders):
        return [len(os.listdir("%s/alice%s/new" % (mta.mail, folder)))
                for folder in folders]

    with Lmtp(recipient_delimiter="+") as mta:
        mta.start()
        give(mta, "alice@example.org")
        home = mta.mail + "/alice"
        run("cp", "-rp", home, mta.folder + "/kept")
        os.rename(mta.folder + "/kept", home + "/.Lists")
        give(mta, "alice+Lists@example.org")
        equal(found(mta, "", "/.Lists"), [2, 1])
        mta.set(mailbox_extension_delivery="yes")
        restart(mta)
        give(mta, "alice+none@example.org", "alice+inbox@example.org",
             "alice+..@example.org", "alice+a/b@example.org")
        give(mta, "alice+lists@example.org", "alice+Lists@example.org")
        equal(found(mta, "", "/.Lists"), [6, 3])
        check(not os.path.exists(home + "/.none"))
        mta.set(mailbox_extension_autocreate="yes",
                mailbox_extension_autosubscribe="yes")
        restart(mta)
        give(mta, "alice+new.box@example.org")
        give(mta, "alice+new.box@example.org", "alice+k\u00e4se@example.org")
        equal(found(mta, "", "/.new.box", "/.k&AOQ-se"), [6, 2, 1])
        check(os.path.exists(home + "/.new.box/maildirfolder"))
        with open(home + "/subscriptions") as handle:
            equal(handle.read(), "new.box\nk&AOQ-se\n")
        equal(os.stat(home + "/.new.box/new").st_uid,
              os.stat(home + "/new").st_uid)


def test_xclient():
    with Lmtp(smtpd_authorized_xclient_hosts="127.0.0.1") as mta:
        mta.start()
        c = mta.talk()
        c.expect("220")
        c.ask("LHLO proxy.example", "250-.*XCLIENT NAME ADDR PORT PROTO HELO")
        c.ask("XCLIENT ADDR=nonsense", "501 5.5.4")
        c.ask("XCLIENT NAME=far.example ADDR=IPV6:2001:db8::7 PORT=1234 "
              "PROTO=ESMTP HELO=far.away LOGIN=joe", "220 mail.example.org")
        c.ask("MAIL FROM:<>", "503 5.5.1")
        c.ask("LHLO proxy.example", "250-")
        c.ask("MAIL FROM:<chris@example.net>", "250")
        c.ask("XCLIENT NAME=x", "503 5.5.1")
        c.ask("RCPT TO:<alice@example.org>", "250")
        c.ask("DATA", "354")
        c.send("Subject: x\r\n\r\n.\r\n")
        c.expect("250 2.0.0")
        c.end()
        matches(r"(?s).*Received: from far.away "
                r"\(far.example\[2001:db8::7\]\)\n", mta.alice()[0])
        mta.wait_log(r"client=far.example\[2001:db8::7\], from=<chris@")
    with Lmtp(smtpd_authorized_xclient_hosts="192.0.2.0/24") as mta:
        mta.start()
        c = mta.talk()
        c.expect("220")
        c.send("LHLO proxy.example\r\n")
        check("XCLIENT" not in c.reply())
        c.ask("XCLIENT NAME=x", "550 5.7.0")
        c.end()


class Tls(Lmtp):
    def __init__(self, level, **parameters):
        super().__init__(**parameters)
        cert, key = make_certificate(self.conf)
        self.set(smtpd_tls_security_level=level, smtpd_tls_cert_file=cert,
                 smtpd_tls_key_file=key)


def test_rfc3207_starttls():
    with Tls("encrypt") as mta:
        mta.start()
        c = mta.talk()
        c.expect("220")
        c.ask("LHLO x", "250-.*\n250-STARTTLS")
        c.ask("MAIL FROM:<>", "530 5.7.0")
        c.ask("STARTTLS", "220 2.0.0")
        c.socket = untrusting().wrap_socket(c.socket)
        c.file = c.socket.makefile("rb")
        c.ask("MAIL FROM:<>", "503 5.5.1")
        c.send("LHLO x\r\n")
        check("STARTTLS" not in c.reply())
        c.ask("STARTTLS", "554 5.5.1")
        c.ask("MAIL FROM:<>", "250")
        c.ask("RCPT TO:<alice@example.org>", "250")
        c.ask("DATA", "354")
        c.send("Subject: x\r\n\r\n.\r\n")
        c.expect("250 2.0.0")
        c.ask("QUIT", "221")
        matches(r"(?s).* with LMTPS id ", mta.alice()[0])
        # Nothing may stand behind the command.
        c = mta.talk()
        c.expect("220")
        c.ask("LHLO x", "250-")
        c.send("STARTTLS\r\nMAIL FROM:<>\r\n")
        c.expect("554 5.5.0")
        equal(c.file.read(), b"")


def tls_hello(mta, session=None, context=untrusting()):
    """A TLS connection after its second LHLO: by then the ticket is here."""
    c = mta.talk()
    c.expect("220")
    c.ask("LHLO x", "250-")
    c.ask("STARTTLS", "220 2.0.0")
    wrapped = context.wrap_socket(c.socket, session=session)
    wrapped.sendall(b"LHLO x\r\n")
    wrapped.recv(4096)
    return wrapped


def test_a_new_certificate_is_noticed():
    with Tls("may") as mta:
        mta.start()

        def seen():
            wrapped = tls_hello(mta)
            with wrapped:
                return wrapped.getpeercert(True)
        renewed_is_noticed(mta, mta.conf + "/cert.pem",
                           mta.conf + "/key.pem", seen)


def test_a_session_is_resumed_by_any_process():
    with Tls("may", lmtpd_fiber_limit="1") as mta:
        mta.start()
        held = [tls_hello(mta)]
        equal(held[0].session_reused, False)
        for count in (2, 3):
            held.append(tls_hello(mta, held[-1].session))
            equal((count, held[-1].session_reused), (count, True))
        check(len(mta.pids("lmtpd")) >= 3, "a process for each connection")
        for sock in held:
            sock.close()


def test_recipients_in_a_row_keep_their_order():
    with Lmtp() as mta:
        mta.start()
        c = mta.talk()
        c.send("LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\n"
               "RCPT TO:<no1@example.org>\r\nRCPT <\r\n"
               "RCPT TO:<bob@example.org>\r\nRCPT TO:<no2@example.org>\r\n"
               "RCPT TO:<alice@example.org>\r\nNOOP\r\nDATA\r\n")
        for pattern in ("220", "250-", "250 2.1.0", "250 2.1.5",
                        "550 5.1.1 <no1@", "501 5.5.4", "250 2.1.5",
                        "550 5.1.1 <no2@", "250 2.1.5", "250 2.0.0", "354"):
            c.expect(pattern)
        c.send("Subject: x\r\n\r\n.\r\n")
        for name in ("alice", "bob", "alice"):  # twice: RFC 2033 4.2
            c.expect("250 2.0.0 <%s@" % name)
        c.end()
        equal(len(mta.alice()), 2)


def test_limits_of_memory():
    """limit: HELD_MOST lmtpd/session.h"""
    with Lmtp(message_size_limit="0") as mta:
        mta.start()
        first, second, third = begin(mta), begin(mta), begin(mta)
        for c in (first, second, third):
            c.ask("RSET", "250")
        first.ask("MAIL FROM:<> SIZE=%d" % (200 << 20), "250")
        second.ask("MAIL FROM:<> SIZE=%d" % (56 << 20), "250")
        third.ask("MAIL FROM:<> SIZE=%d" % (64 * 1024 + 1), "452 4.3.1")
        third.ask("MAIL FROM:<> SIZE=%d" % (64 * 1024), "250")
        third.ask("RCPT TO:<alice@example.org>", "250")
        third.ask("DATA", "354")
        third.send("Subject: x\r\n\r\n" + "0123456789abcde\r\n" * 5000
                   + ".\r\n")
        third.expect("452 4.3.1 <alice@example.org>")
        second.ask("RSET", "250")
        third.ask("MAIL FROM:<> SIZE=%d" % (1 << 20), "250")
        third.ask("RSET", "250")
        first.ask("RSET", "250")
        # One that is alone may be larger.
        third.ask("MAIL FROM:<> SIZE=%d" % (1 << 30), "250")
        for c in (first, second, third):
            c.end()


def test_a_full_disk_is_452():
    if not is_root():
        raise Skip("needs root")
    with Lmtp() as mta:
        mta.start()
        done = run("mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "tmpfs",
                   mta.mail, check=False)
        if done.returncode != 0:
            raise Skip("no tmpfs: " + done.stderr)
        with open(mta.mail + "/fill", "wb", 0) as handle:
            try:
                while True:
                    handle.write(b"x" * 4096)
            except OSError:
                pass
        mta.stop()
        mta.start()  # on the new file system
        c = begin(mta, "alice")
        c.ask("DATA", "354")
        c.send("Subject: x\r\n\r\n.\r\n")
        c.expect("452 4.3.0 <alice@example.org> maildir delivery failed: .*"
                 "No space left")
        os.unlink(mta.mail + "/fill")
        c.ask("MAIL FROM:<>", "250")
        c.ask("RCPT TO:<alice@example.org>", "250")
        c.ask("DATA", "354")
        c.send("Subject: x\r\n\r\n.\r\n")
        c.expect("250 2.0.0")
        c.end()
        mta.stop()
        run("umount", mta.mail)


def test_swaks():
    if not shutil.which("swaks"):
        raise Skip("swaks is not there")
    with Tls("may") as mta:
        mta.start()
        for more in ((), ("--tls",)):
            run("swaks", "--protocol", "LMTP", "--server",
                "127.0.0.1:%d" % mta.ports["lmtp"], "--from",
                "chris@example.net", "--to",
                "alice@example.org,bob@example.org", "--header",
                "Subject: from swaks", *more)
        equal([bool(re.search("with LMTPS id", m)) for m in
               sorted(mta.alice(), key=lambda m: "LMTPS" in m)],
              [False, True])
        equal(bob(mta).count("Subject: from swaks"), 2)


def test_our_own_client():
    """lmtp(8) hands over to it: NOTIFY=SUCCESS goes through, and one report
    comes back."""
    with Lmtp() as mta:
        mta.set(virtual_transport="lmtp:inet:127.0.0.1:%d"
                % mta.ports["lmtp"])
        mta.start()
        with mta.smtp() as client:
            client.ehlo()
            client.sendmail(
                "bob@example.org", ["alice@example.org"],
                "Subject: through lmtp\r\n\r\nx\r\n",
                rcpt_options=["NOTIFY=SUCCESS"])
        mta.wait_log(r"to=<alice@example.org>, relay=127.0.0.1\[127.0.0.1\]:"
                     r"\d+, .*status=sent \(250 2.0.0 <alice@example.org> ")
        wait_for(lambda: "Action: delivered" in bob(mta), "the report")
        mta.wait_empty()
        check(bob(mta).count("Action: ") == 1, bob(mta))
        matches("(?s).*Final-Recipient: rfc822; ?alice@example.org", bob(mta))


def test_lmtp_assume_final():
    """A server without DSN: what our client says of it."""
    for final, action in (("no", "relayed"), ("yes", "delivered")):
        with Lmtp(lmtp_assume_final=final) as mta:
            with Capture(mta.port("old")):
                mta.set(transport_maps="inline:{alice@example.org="
                        "lmtp:inet:127.0.0.1:%d}" % mta.ports["old"])
                mta.start()
                with mta.smtp() as client:
                    client.sendmail("bob@example.org", ["alice@example.org"],
                                    "Subject: x\r\n\r\nx\r\n",
                                    rcpt_options=["NOTIFY=SUCCESS"])
                mta.wait_log("sender delivery status notification: ")
                mta.wait_empty()
                matches("(?s).*Action: %s\n" % action, bob(mta))


def test_postfix_as_the_client():
    with Lmtp() as mta:
        mta.start()
        with Postfix(virtual_mailbox_domains="example.org",
                     lmtp_host_lookup="native", disable_dns_lookups="yes",
                     virtual_transport="lmtp:inet:127.0.0.1:%d"
                     % mta.ports["lmtp"]) as peer:
            peer.start()
            with smtplib.SMTP("127.0.0.1", peer.smtp_port) as client:
                client.sendmail("a@example.net",
                                ["alice@example.org", "bob@example.org"],
                                "Subject: from Postfix\r\n\r\nx\r\n")
            wait_for(lambda: peer.log().count("status=sent") == 2,
                     "Postfix to deliver")
            matches(r"(?s).*dsn=2.0.0, status=sent \(250 2.0.0 "
                    r"<alice@example.org> ", peer.log())
        equal(len(mta.alice()), 1)
        equal(bob(mta).count("Subject: from Postfix"), 1)


if __name__ == "__main__":
    main(globals())
