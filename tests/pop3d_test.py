#!/usr/bin/python3
"""pop3d -s: one user's INBOX over POP3."""
import os
import poplib

from imap import LETTER, Mail
from instance import check, equal, main, matches


class Client(poplib.POP3):
    """poplib over a socket that a process has the other end of."""

    def __init__(self, sock):
        self.given = sock
        super().__init__("")

    def _create_socket(self, timeout):
        self.given.settimeout(30)
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
        equal(mail.processes.pop().wait(30), 0)
        p = connect(mail)
        equal(p.uidl()[1], uids)
        equal(p.stat()[0], 2)
        p.dele(2)
        p.quit()
        equal(mail.processes.pop().wait(30), 0)
        equal(mail.files(), ["1.a:2,S"])
        p = connect(mail)
        equal(p.uidl()[1], uids[:1])
        p.quit()


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
        sock.settimeout(30)
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


if __name__ == "__main__":
    main(globals())
