#!/usr/bin/python3
"""pop3d -s: one user's INBOX over POP3."""
import base64
import os
import poplib

from full import PASSWORD, FullInstance
from imap import LETTER, Mail, play
from instance import PATIENCE, check, equal, main, matches, untrusting


class Client(poplib.POP3):
    """poplib over a socket that a process has the other end of."""

    def __init__(self, sock):
        self.given = sock
        super().__init__("")

    def _create_socket(self, timeout):
        self.given.settimeout(PATIENCE)
        return self.given


def connect(mail):
    os.makedirs(mail.path + "/cur", exist_ok=True)
    os.makedirs(mail.path + "/new", exist_ok=True)
    os.makedirs(mail.path + "/tmp", exist_ok=True)
    return Client(mail.raw(program="pop3d")[0])


def refused(call, *args):
    try:
        call(*args)
    except poplib.error_proto as error:
        matches("^b'-ERR", str(error))
        return
    check(False, "not refused")


def test_read_and_remove():
    with Mail() as mail:
        os.makedirs(mail.path + "/tmp")
        os.makedirs(mail.path + "/new")
        mail.drop("new/1.a", b"Subject: one\n\n.dot\n..\n\nlast\n")
        mail.drop("new/2.b", LETTER.replace(b"\r\n", b"\n"))
        p = connect(mail)
        equal(p.stat(), (2, 34 + len(LETTER)))
        equal(p.list()[1], [b"1 34", b"2 %d" % len(LETTER)])
        equal(p.retr(1)[1],
              [b"Subject: one", b"", b".dot", b"..", b"", b"last"])
        equal(b"\r\n".join(p.retr(2)[1]) + b"\r\n", LETTER)
        equal(p.top(1, 2)[1], [b"Subject: one", b"", b".dot", b".."])
        equal(p.top(1, 0)[1], [b"Subject: one", b""])
        uids = p.uidl()[1]
        refused(p.retr, 3)
        refused(p.retr, 0)
        refused(p.dele, 9)
        refused(p._shortcmd, "RETR")
        refused(p._shortcmd, "NONSENSE")
        refused(p._shortcmd, "TOP 1 x")
        check("PIPELINING" in p.capa(), "capabilities")
        p.dele(1)
        refused(p.retr, 1)
        refused(p.dele, 1)
        equal(p.stat(), (1, len(LETTER)))
        p.rset()
        equal(p.stat()[0], 2)
        p.dele(1)
        # Without QUIT nothing is removed.
        p.close()
        equal(mail.processes.pop().wait(PATIENCE), 0)
        p = connect(mail)
        equal(p.uidl()[1], uids)
        equal(p.stat()[0], 2)
        p.dele(2)
        p.quit()
        equal(mail.processes.pop().wait(PATIENCE), 0)
        equal(mail.files(), ["1.a:2,S"])
        p = connect(mail)
        equal(p.uidl()[1], uids[:1])
        p.quit()


def test_who_leaves_at_once():
    for program in ("pop3d", "imapd"):
        with Mail() as mail:
            for folder in ("/cur", "/new", "/tmp"):
                os.makedirs(mail.path + folder, exist_ok=True)
            mail.raw(program=program)[0].close()
            mail.end()


def test_beside_imap():
    with Mail() as mail:
        c = mail.connect()
        c.select()
        for i in range(3):
            c.append("INBOX", "", None, LETTER)
        p = connect(mail)
        equal(p.stat()[0], 3)
        c.store("2", "+FLAGS.SILENT", r"(\Deleted)")
        c.expunge()
        refused(p.retr, 2)
        p.dele(1)
        p.quit()
        c.noop()
        equal(c.said("EXPUNGE")[-1:], [b"1"])
        equal(c.uid("search", None, "ALL")[1], [b"3"])
        c.logout()


def test_pipelining():
    with Mail() as mail:
        os.makedirs(mail.path + "/tmp")
        os.makedirs(mail.path + "/cur")
        mail.drop("cur/1.a:2,")
        sock = mail.raw(program="pop3d")[0]
        sock.settimeout(PATIENCE)
        sock.sendall(b"STAT\r\nNOOP\r\nRETR 1\r\n" + b"x" * 3000
                     + b"\r\nNOOP\r\nQUIT\r\n")
        text = b""
        while True:
            piece = sock.recv(65536)
            if not piece:
                break
            text += piece
        lines = text.split(b"\r\n")
        equal([line[:3] for line in lines],
              [b"+OK"] * 4 + [b"Sub", b"", b"tex", b".", b"-ER", b"+OK",
                              b"+OK", b""])


def dialogue(mail, script):
    """With a fresh process: what the script tells, as for IMAP."""
    sock = mail.raw(program="pop3d")[0]
    sock.settimeout(PATIENCE)
    stream = sock.makefile("rwb")
    sock.close()
    play(stream, script)
    stream.close()
    equal(mail.processes.pop().wait(PATIENCE), 0)


def test_rfc1939_examples():
    """5, 7, and the session of 10."""
    with Mail() as mail:
        os.makedirs(mail.path + "/tmp")
        os.makedirs(mail.path + "/cur")
        for i, octets in enumerate((120, 200)):
            mail.drop("cur/%d.a:2," % i, b"Subject: x\n\n" +
                      b"y" * (octets - 16) + b"\n")
        dialogue(mail, """
            S: +OK 2 ...
            C: STAT
            S: +OK 2 320
            C: LIST
            S: +OK 2 messages (320 octets)
            S: 1 120
            S: 2 200
            S: .
            C: LIST 2
            S: +OK 2 200
            C: LIST 3
            S: -ERR ...
            C: TOP 1 10
            S: +OK ...
            S: Subject: x
            S:
            S: yyy...
            S: .
            C: TOP 100 3
            S: -ERR ...
            C: UIDL
            S: +OK ...
            S: 1 $one
            S: 2 $two
            S: .
            C: UIDL 2
            S: +OK 2 $two
            C: UIDL 3
            S: -ERR ...
            C: DELE 1
            S: +OK ...
            C: DELE 1
            S: -ERR ...
            # The others keep their numbers, and it is told no more.
            C: UIDL
            S: +OK ...
            S: 2 $two
            S: .
            C: UIDL 1
            S: -ERR ...
            C: TOP 1 0
            S: -ERR ...
            C: STAT
            S: +OK 1 200
            C: RSET
            S: +OK...
            C: STAT
            S: +OK 2 320
            C: LAST
            S: -ERR ...
            C: APOP mrose c4c9334bac560ecc979e58001b3e22fb
            S: -ERR ...
            C: QUIT
            S: +OK ...
        """)
        dialogue(mail, """
            S: +OK 2 ...
            C: RETR 1
            S: +OK 120 octets
            S: Subject: x
            S:
            S: yyy...
            S: .
            C: DELE 1
            S: +OK ...
            C: RETR 2
            S: +OK 200 octets
            S: ...
            S: .
            C: DELE 2
            S: +OK ...
            C: QUIT
            S: +OK ...
        """)
        equal(mail.files(), [])


def test_pipelining_with_errors():
    """RFC 2449 6.6: each has its answer, in order; none is lost."""
    with Mail() as mail:
        os.makedirs(mail.path + "/tmp")
        os.makedirs(mail.path + "/cur")
        mail.drop("cur/1.a:2,")
        sock = mail.raw(program="pop3d")[0]
        sock.settimeout(PATIENCE)
        commands = (b"RETR 9", b"NOOP", b"TOP 1", b"DELE x", b"", b"STAT x",
                    b"NOOP", b"DELE 1", b"RETR 1", b"RSET", b"TOP 1 0",
                    b"UTF8", b"LANG xx", b"QUIT")
        sock.sendall(b"\r\n".join(commands) + b"\r\n")
        said = sock.makefile("rb").read().split(b"\r\n")
        equal([line[:3] for line in said[1:]],
              [b"-ER", b"+OK", b"-ER", b"-ER", b"-ER", b"-ER", b"+OK", b"+OK",
               b"-ER", b"+OK", b"+OK", b"Sub", b"", b".", b"-ER", b"-ER",
               b"+OK", b""])
        equal(mail.files(), ["1.a:2,"])


class Talk:
    """A client of a whole instance, line by line, with TLS."""

    def __init__(self, mta, user="alice", before=()):
        self.client = poplib.POP3_SSL("127.0.0.1", mta.ports["pop3s"],
                                      context=untrusting(), timeout=PATIENCE)
        self.user = user
        for line, pattern in before:
            self.ask(line, pattern)

    def ask(self, line, pattern):
        self.client._putcmd(line)
        matches("^" + pattern, self.line())

    def line(self):
        return self.client._getline()[0].decode("utf-8")

    def lines(self):
        found = []
        while not found or found[-1] != ".":
            found.append(self.line())
        return found[:-1]

    def login(self, pattern=r"\+OK"):
        self.ask("USER %s@example.org" % self.user, r"\+OK")
        self.ask("PASS " + PASSWORD, pattern)
        return self

    def capabilities(self):
        self.client._putcmd("CAPA")
        return self.lines()[1:]

    def end(self):
        self.ask("QUIT", r"\+OK")
        self.client.close()


def test_rfc5034_auth():
    """With and without an initial response, cancelled, and no mechanism."""
    plain = base64.b64encode(b"\0alice@example.org\0" +
                             PASSWORD.encode()).decode()
    with FullInstance() as mta:
        mta.start()
        c = Talk(mta)
        for line, pattern in (
                ("AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=", r"-ERR \[AUTH\] "),
                ("AUTH EXTERNAL =", "-ERR"), ("AUTH PLAIN =", "-ERR"),
                ("AUTH PLAIN", r"\+ "), ("*", "-ERR"),
                ("STAT", "-ERR"), ("AUTH PLAIN", r"\+ "),
                (plain, r"\+OK"), ("STAT", r"\+OK 0 0"),
                ("AUTH PLAIN " + plain, "-ERR")):
            c.ask(line, pattern)
        c.end()
        c = Talk(mta)
        c.ask("AUTH PLAIN " + plain, r"\+OK")
        c.end()


def test_rfc6856_lang():
    with FullInstance(pop3_language="de") as mta:
        mta.start()
        c = Talk(mta)
        common = {"TOP", "UIDL", "RESP-CODES", "PIPELINING",
                  "AUTH-RESP-CODE", "EXPIRE NEVER", "LOGIN-DELAY 0", "UTF8",
                  "LANG", "IMPLEMENTATION posthorn"}
        equal({line for line in c.capabilities()
               if not line.startswith("SASL ")}, common | {"USER"})
        c.ask("LANG MUL", "-ERR No such")
        c.client._putcmd("LANG")
        equal(c.lines()[1:], ["en English", "de Deutsch"])
        c.ask("NONSENSE", "-ERR Unknown command")
        c.ask("LANG *", r"\+OK de Die Sprache ist jetzt Deutsch")
        c.ask("NONSENSE", "-ERR Unbekannter Befehl")
        c.login(r"\+OK 0 Nachrichten")
        c.ask("RETR 1", "-ERR Diese Nachricht gibt es nicht")
        c.ask("LANG uga", "-ERR Diese Sprache gibt es nicht")
        c.ask("UTF8", "-ERR Nur vor der Anmeldung")
        c.ask("LANG EN", r"\+OK en The language is English now")
        c.ask("RETR 1", "-ERR No such message")
        equal(set(c.capabilities()), common)
        c.end()


def test_messages_one_after_the_other():
    """Which a helper reads ahead: they are what TOP says that they are, also
    where the order is left, and where another program was there."""
    count = 12
    with FullInstance() as mta:
        mta.start()
        for n in range(count):
            name = "J\u00f6rg" if n % 3 == 2 else "Joe"
            mta.send("a@example.net", ["alice@example.org"],
                     ("From: %s <a@example.net>\r\nSubject: %d\r\n\r\n"
                      ".\r\n..two\r\n%sx.\r\n\r\n.end%d\r\n" % (
                          name, n, "A line.\r\n" * n * 50, n)).encode())
            mta.wait_mail("alice", n + 1)
        c = Talk(mta).login(r"\+OK 12 ")

        def retrieve(n):
            c.ask("RETR %d" % n, r"\+OK \d+ octets")
            got = c.lines()
            c.ask("TOP %d 99999" % n, r"\+OK")
            equal(got, c.lines())
            return got

        seen = {n: retrieve(n) for n in range(1, count + 1)}
        equal(sorted(lines[-1] for lines in seen.values()),
              sorted("..end%d" % n for n in range(count)))
        equal({lines[lines.index("") + 1] for lines in seen.values()}, {".."})
        for n in (3, 9, 10, 11, 5, 1, 2):
            equal(retrieve(n), seen[n])
        c.ask("DELE 5", r"\+OK")
        equal(retrieve(4), seen[4])
        c.ask("RETR 5", "-ERR")
        equal(retrieve(6), seen[6])
        for n in (7, 8):
            equal(retrieve(n), seen[n])
        cur = mta.mail + "/example.org/alice/cur/"
        files = [cur + name for name in sorted(os.listdir(cur))]
        for path in files:
            with open(path, "rb") as handle:
                if b"..end10" in handle.read().replace(b".end", b"..end"):
                    os.rename(path, path + "T")  # as another program does
        for n in (9, 10, 11, 12):
            equal(retrieve(n), seen[n])
        c.end()


def test_rfc6856_utf8():
    """Without UTF8 a header is ASCII; with it the message is as it is."""
    with FullInstance() as mta:
        mta.start()
        mta.send("a@example.net", ["alice@example.org"],
                 "From: J\u00f6rg <a@example.net>\r\n"
                 "Subject: Gr\u00fc\u00dfe aus K\u00f6ln\r\n\r\nsch\u00f6n\r\n"
                 .encode("utf-8"))
        mta.wait_mail("alice")
        c = Talk(mta).login()
        c.ask("RETR 1", r"\+OK")
        plain = "\n".join(c.lines())
        head, body = plain.split("\n\n")
        check(head.isascii(), head)
        matches(r"(?s).*From: =\?utf-8\?\S+ <a@example.net>", head)
        equal(body, "sch\u00f6n")
        c.end()
        c = Talk(mta, before=[("UTF8", r"\+OK"), ("STLS", "-ERR")]).login()
        c.ask("TOP 1 0", r"\+OK")
        matches("(?s).*Subject: Gr\u00fc\u00dfe aus K\u00f6ln", "\n".join(c.lines()))
        c.end()


def test_rfc2449_login_delay():
    with FullInstance(pop3_login_delay="1h") as mta:
        mta.start()
        c = Talk(mta)
        check("LOGIN-DELAY 3600" in c.capabilities())
        c.login()
        check("LOGIN-DELAY 3600" in c.capabilities())
        c.end()
        Talk(mta).login(r"-ERR \[LOGIN-DELAY\] ")
        Talk(mta, "bob").login().end()


def test_rfc1939_one_session_at_a_time():
    with FullInstance(pop3_lock_session="yes") as mta:
        mta.start()
        first = Talk(mta).login()
        Talk(mta).login(r"-ERR \[IN-USE\] ")
        Talk(mta, "bob").login().end()
        first.end()
        Talk(mta).login().end()


def test_uidl_formats():
    """What another server's clients have seen stays."""
    with Mail() as mail:
        os.makedirs(mail.path + "/tmp")
        os.makedirs(mail.path + "/cur")
        mail.drop("cur/1262430736.M1.host:2,S")
        p = connect(mail)
        uid, validity = 1, int(p.uidl()[1][0].split()[1][8:], 16)
        equal(p.uidl(1), b"+OK 1 %08x%08x" % (uid, validity))
        p.quit()
        for format, wanted in (
                # Dovecot, Cyrus from 2.1.4 on and before, Courier's two
                ("%08Xu%08Xv", b"%08x%08x" % (uid, validity)),
                ("%v.%u", b"%d.%d" % (validity, uid)),
                ("%u", b"%d" % uid),
                ("UID%u-%v", b"UID%d-%d" % (uid, validity)),
                ("%f", b"1262430736.M1.host"),
                ("nonsense", b"%08x%08x" % (uid, validity))):
            p = Client(mail.raw(
                program="pop3d",
                options=("-o", "pop3_uidl_format=" + format))[0])
            equal(p.uidl()[1], [b"1 " + wanted])
            p.quit()


if __name__ == "__main__":
    main(globals())
