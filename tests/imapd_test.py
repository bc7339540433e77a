#!/usr/bin/python3
"""imapd -s: one user's mail over IMAP, with other programs at the same mail."""
import os
import pty
import re
import subprocess

from imap import LETTER, Mail
from instance import LIBEXEC, PATIENCE, check, equal, main, matches, wait_for


def test_append_fetch_and_parts():
    with Mail() as mail:
        c = mail.connect()
        equal(c.state, "AUTH")
        c.select()
        matches("APPENDUID", c.append(
            "INBOX", r"(\Flagged $Work)", '"17-Jul-1996 02:44:25 -0700"',
            LETTER)[1][0].decode())
        data = c.fetch("1", "(RFC822.SIZE INTERNALDATE FLAGS BODY.PEEK[])")[1]
        equal(data[0][1], LETTER)
        matches(r'"17-Jul-1996 09:44:25 \+0000"', data[0][0].decode())
        matches(r"RFC822.SIZE %d" % len(LETTER), data[0][0].decode())
        matches(r"\\Flagged.*\$Work", data[0][0].decode())
        equal(c.fetch("1", "(BODY.PEEK[1])")[1][0][1], b"Gr=C3=BC=C3=9Fe")
        equal(c.fetch("1", "(BODY.PEEK[2.HEADER])")[1][0][1],
              b"Subject: inner\r\n\r\n")
        equal(c.fetch("1", "(BODY.PEEK[2.TEXT])")[1][0][1], b"needle")
        equal(c.fetch("1", "(BODY.PEEK[1.MIME])")[1][0][1][:13],
              b"Content-Type:")
        equal(c.fetch("1", "(BODY.PEEK[HEADER.FIELDS (to SUBJECT)])")[1][0][1],
              b"To: b@example.org\r\nSubject: =?utf-8?q?caf=C3=A9_one?=\r\n"
              b"\r\n")
        equal(c.fetch("1", "(BODY.PEEK[]<5.10>)")[1][0][1], LETTER[5:15])
        equal(c.fetch("1", "(BODY.PEEK[9])")[1][0], b"1 (BODY[9] NIL)")
        structure = c.fetch("1", "(BODYSTRUCTURE)")[1][0].decode()
        matches(r'\("text" "plain" \("charset" "utf-8"\) NIL NIL '
                r'"quoted-printable" 15 \d', structure)
        matches(r'"message" "rfc822".*"inner"', structure)
        matches(r'"mixed" \("boundary" "xx"\)', structure)
        matches(r'ENVELOPE \("Sun, 29 Nov 2026 14:40:03 \+0100" "=\?utf-8.*" '
                r'\(\("A. Author" NIL "a" "example.net"\)\)',
                c.fetch("1", "(ENVELOPE)")[1][0].decode())
        matches("Seen", c.fetch("1", "(BODY[TEXT])")[1][1].decode()
                + c.fetch("1", "FLAGS")[1][0].decode())
        mail.end(c)


def test_line_ends_become_crlf():
    with Mail() as mail:
        c = mail.connect()
        c.select()
        mail.drop("cur/1.a:2,", b"A: b\n\none\n.two\r\n\rthree")
        c.noop()
        whole = b"A: b\r\n\r\none\r\n.two\r\n\rthree"
        data = c.fetch("1", "(RFC822.SIZE BODY[])")[1]
        equal(data[0][1], whole)
        matches("RFC822.SIZE %d " % len(whole), data[0][0].decode() + " ")
        for start in range(len(whole)):
            for most in (1, 2, 7, 100):
                data = c.fetch("1", "(BODY.PEEK[]<%d.%d>)" % (start, most))[1]
                equal(data[0][1], whole[start:start + most])
        mail.end(c)


def test_flags_between_connections_of_one_process():
    with Mail() as mail:
        a, b = mail.connect(2)
        a.select()
        b.select()
        a.append("INBOX", "", None, LETTER)
        a.append("INBOX", "", None, LETTER)
        b.noop()
        equal(b.said("EXISTS")[-1], b"2")
        a.said("FETCH")
        equal(a.store("1", "+FLAGS.SILENT", r"(\Seen Blue)")[1], [None])
        b.noop()
        told = b.said("FETCH")
        equal(len(told), 1)
        matches(r"1 \(FLAGS \(\\Seen.*Blue\)\)", told[0].decode())
        equal(a.said("FETCH"), [])
        a.store("1", "+FLAGS", r"(\Deleted)")
        a.expunge()
        equal(a.said("EXPUNGE"), [])
        # Sequence numbers of b stay until it may be told.
        b.said("EXPUNGE")
        status, data = b.fetch("1:2", "(UID)")
        equal(b.said("EXPUNGE"), [])
        equal(status, "NO")
        b.said("FETCH")
        b.noop()
        equal(b.said("EXPUNGE"), [b"1"])
        equal(b.fetch("1", "(UID)")[1], [b"1 (UID 2)"])
        mail.end(a, b)


def test_idle_hears_at_once():
    with Mail() as mail:
        a, b = mail.connect(2)
        a.select()
        b.select()
        b.line(b"i IDLE")
        b.until(rb"^\+ ")
        a.append("INBOX", r"(\Flagged)", None, LETTER)
        b.until(rb"^\* 1 EXISTS")
        b.until(rb"RECENT")
        a.store("1", "+FLAGS", r"(\Answered)")
        b.until(rb"^\* 1 FETCH \(FLAGS \(\\Answered \\Flagged")
        # Another program delivers, marks and removes.
        mail.drop("new/9.other")
        b.until(rb"^\* 2 EXISTS")
        b.until(rb"RECENT")
        wait_for(lambda: "9.other:2," in mail.files(), "out of new/")
        os.rename(mail.path + "/cur/9.other:2,", mail.path + "/cur/9.other:2,S")
        b.until(rb"^\* 2 FETCH \(FLAGS \(\\Seen")
        os.unlink(mail.path + "/cur/9.other:2,S")
        b.until(rb"^\* 2 EXPUNGE")
        b.line(b"DONE")
        b.until(rb"^i OK")
        mail.end(a, b)


def test_two_processes_share_the_mail():
    with Mail() as mail:
        a = mail.connect()
        b = mail.connect()
        a.select()
        b.select()
        a.append("INBOX", "", None, LETTER)
        b.noop()
        equal(b.said("EXISTS")[-1], b"1")
        b.store("1", "+FLAGS", r"(\Flagged one)")
        a.noop()
        matches("Flagged.*one", a.fetch("1", "FLAGS")[1][0].decode())
        for i in range(20):
            (a, b)[i % 2].append("INBOX", "", None, LETTER)
        a.noop()
        b.noop()
        uids = a.uid("search", None, "ALL")[1]
        equal(uids, b.uid("search", None, "ALL")[1])
        equal(uids[0].split(), [b"%d" % i for i in range(1, 22)])
        a.store("5:10", "+FLAGS.SILENT", r"(\Deleted)")
        a.expunge()
        b.noop()
        equal(len(b.search(None, "ALL")[1][0].split()), 15)
        mail.end(a, b)


def test_names_on_disk_follow():
    with Mail() as mail:
        c = mail.connect()
        c.select()
        mail.drop("new/5.a.host")
        c.noop()
        c.store("1", "+FLAGS", r"(\Seen \Answered Junk)")
        wait_for(lambda: mail.files() == ["5.a.host:2,RSa"], "the new name")
        equal(open(mail.path + "/dovecot-keywords").read(), "0 Junk\n")
        mail.end(c)


def test_index_may_be_thrown_away():
    with Mail() as mail:
        c = mail.connect()
        for i in range(4):
            c.append("INBOX", r"(\Seen)", None, LETTER)
        c.select()
        c.store("2", "+FLAGS", r"(\Deleted)")
        c.expunge()
        before = c.uid("fetch", "1:*", "(FLAGS INTERNALDATE)")[1]
        validity = c.response("UIDVALIDITY")[1]
        mail.end(c)
        os.unlink(mail.path + "/posthorn-index")
        os.unlink(mail.path + "/posthorn-index-lock")
        c = mail.connect()
        c.select()
        equal(c.response("UIDVALIDITY")[1], validity)
        after = c.uid("fetch", "1:*", "(FLAGS INTERNALDATE)")[1]
        equal([a.replace(b" \\Recent", b"") for a in after],
              [b.replace(b" \\Recent", b"") for b in before])
        mail.end(c)


def test_dovecot_maildir_is_taken_over():
    with Mail() as mail:
        for folder in ("", "/.Sent.2024"):
            for name in ("cur", "new", "tmp"):
                os.makedirs(mail.path + folder + "/" + name)
        mail.drop("cur/1.a.h,S=23:2,Sa")
        mail.drop("cur/2.b.h,S=23:2,")
        mail.drop(".Sent.2024/cur/3.c.h:2,R")
        with open(mail.path + "/dovecot-uidlist", "w") as f:
            f.write("3 V1275660208 N900 Gabc\n17 W24 :1.a.h,S=23\n"
                    "800 :2.b.h,S=23:2,\n")
        with open(mail.path + "/dovecot-keywords", "w") as f:
            f.write("0 $Forwarded\n")
        with open(mail.path + "/subscriptions", "w") as f:
            f.write("INBOX\nSent.2024\n")
        c = mail.connect()
        c.select()
        equal(c.response("UIDVALIDITY")[1], [b"1275660208"])
        data = c.uid("fetch", "1:*", "FLAGS")[1]
        matches(r"UID 17 FLAGS \(\\Seen \$Forwarded\)", data[0].decode())
        matches("UID 800 ", data[1].decode())
        matches("APPENDUID 1275660208 900", c.append(
            "INBOX", "", None, LETTER)[1][0].decode())
        equal(c.lsub()[1][1].split()[-1], b"Sent.2024")
        c.select("Sent.2024")
        matches("Answered", c.fetch("1", "FLAGS")[1][0].decode())
        mail.end(c)


def test_mailboxes():
    with Mail() as mail:
        c = mail.connect()
        for name in ("Drafts", "a.b.c", "a.b", '"two words"', "caf&AOk-"):
            equal(c.create(name)[0], "OK")
        equal(c.create("inbox")[0], "NO")
        equal(c.create("a.b")[0], "NO")
        equal(c.create('"x/y"')[0], "NO")
        equal(c.create('"../x"')[0], "NO")
        equal(c.create("caf&")[0], "NO")
        listed = [line.decode() for line in c.list()[1]]
        matches(r'\(\\HasNoChildren \\Drafts\) "\." Drafts', listed[1]
                + listed[2] + listed[3] + "".join(listed))
        check(any(line.endswith('(\\Noselect \\HasChildren) "." a')
                  for line in listed), listed)
        equal(sorted(line.split()[-1] for line in c.list('""', "%")[1]),
              [b"Drafts", b"INBOX", b"a", b"caf&AOk-", b'words"'])
        equal(c.list('""', '""')[1], [rb'(\Noselect) "." ""'])
        equal(c.subscribe("a.b.c")[0], "OK")
        equal(c.subscribe("nothing")[0], "NO")
        equal(c.lsub('""', "%")[1], [rb'(\Noselect \HasChildren) "." a'])
        c.append("a.b", "", None, LETTER)
        equal(c.rename("a", "z.y")[0], "OK")
        equal(c.status("z.y.b", "(MESSAGES UNSEEN UIDNEXT SIZE)")[1],
              [b"z.y.b (MESSAGES 1 UIDNEXT 2 UNSEEN 1 SIZE %d)"
               % len(LETTER)])
        equal(c.delete("z.y.b")[0], "OK")
        equal(c.delete("z.y.b")[0], "NO")
        equal(c.delete("INBOX")[0], "NO")
        equal(c.select("z.y.b")[0], "NO")
        c.append("INBOX", "", None, LETTER)
        equal(c.rename("INBOX", "old")[0], "OK")
        equal(c.select("INBOX")[1], [b"0"])
        equal(c.select("old")[1], [b"1"])
        mail.end(c)


def test_copy_move_uidplus():
    with Mail() as mail:
        c = mail.connect()
        c.create("box")
        c.select()
        for i in range(4):
            c.append("INBOX", r"(\Seen key%d)" % i, None, LETTER)
        matches("TRYCREATE", c.copy("1", "none")[1][0].decode())
        matches(r"COPYUID \d+ 1,3 1:2", c.copy("1,3", "box")[1][0].decode())
        c.ok("MOVE", "2:3", "box")
        matches(r"COPYUID \d+ 2:3 3:4", c.said("OK")[-1].decode()
                if "OK" in c.untagged_responses
                else c.response("COPYUID")[1][0].decode().join(
                    ["COPYUID ", ""]))
        equal(c.said("EXPUNGE"), [b"2", b"2"])
        c.uid("store", "4", "+FLAGS", r"(\Deleted)")
        c.uid("expunge", "1:3")
        equal(c.said("EXPUNGE"), [])
        c.uid("expunge", "4")
        equal(c.said("EXPUNGE"), [b"2"])
        equal(c.select("box")[1], [b"4"])
        matches("key2", c.fetch("2", "FLAGS")[1][0].decode())
        mail.end(c)


def test_search_index_and_a_kill():
    """The words of texts are kept; what others drop is found, and a kill
    while they are taken up costs nothing."""
    def text(n):
        return ("Subject: =?utf-8?q?Caf=C3=A9?= number%d\r\n"
                "Content-Type: text/plain; charset=utf-8\r\n\r\n"
                "Stra\u00dfe word%d end-of-it\r\n" % (n, n)).encode()

    def found(c, *what):
        return c.search(None, *what)[1][0].split()

    with Mail() as mail:
        c = mail.connect()
        c.select()
        for n in range(1, 41):
            c.append("INBOX", "", None, text(n))
        equal(found(c, "BODY", "word7"), [b"7"])
        equal(found(c, "BODY", "ord1"), [b"1"] + [b"%d" % n for n in
                                                  range(10, 20)])
        equal(len(found(c, "SUBJECT", "CAFE")), 40)
        equal(len(found(c, "TEXT", "strasse")), 40)
        equal(found(c, "TEXT", '"word12 end-of"'), [b"12"])
        equal(found(c, "HEADER", "Subject", "number33"), [b"33"])
        equal(found(c, "OR", "BODY", "word3", "NOT", "TEXT", "strasse"),
              [b"3"] + [b"%d" % n for n in range(30, 40)])
        mail.drop("new/1.x", text(99))
        c.noop()
        equal(found(c, "BODY", "word99"), [b"41"])
        c.store("5", "+FLAGS", r"(\Deleted)")
        c.expunge()
        equal(found(c, "BODY", "word5"), [])
        equal(found(c, "BODY", "word6"), [b"5"])
        c.append("INBOX", "", None, text(77))
        c.send(b"k SEARCH BODY word77\r\n")
        mail.processes[0].kill()
        mail.processes[0].wait()
        mail.processes = []
        c = mail.connect()
        c.select()
        equal(found(c, "BODY", "word77"), [b"41"])
        equal(found(c, "BODY", "word99"), [b"40"])
        mail.end(c)


def test_no_search_where_a_message_cannot_be_read():
    with Mail() as mail:
        c = mail.connect()
        mail.drop("cur/1.a:2,", b"Subject: one\n\nneedle\n")
        mail.drop("cur/2.b:2,", b"Subject: two\n\nneedle\n")
        equal(c.select()[1], [b"2"])
        os.symlink("2.b:2,", mail.path + "/tmp/loop")
        os.rename(mail.path + "/tmp/loop", mail.path + "/cur/2.b:2,")
        answer = c.search(None, "TEXT", "needle")
        # unless it was read in the background before
        check(answer[0] == "NO" or answer[1] == [b"1 2"], answer)
        mail.drop("cur/2.b:2,", b"Subject: two\n\nneedle\n")
        equal(c.search(None, "TEXT", "needle")[1][0], b"1 2")
        mail.end(c)


def test_search():
    with Mail() as mail:
        c = mail.connect()
        c.select()
        c.append("INBOX", r"(\Seen)", '" 1-Feb-2020 00:00:00 +0000"', LETTER)
        c.append("INBOX", "(kw)", '"17-Jul-2021 02:44:25 +0000"',
                 b"Subject: other\r\n\r\nshort\r\n")

        def found(*what):
            return c.search(None, *what)[1][0]

        equal(found("ALL"), b"1 2")
        equal(found("UNSEEN"), b"2")
        equal(found("SUBJECT", '"CAF\u00c9"') if False else
              found("SUBJECT", "one"), b"1")
        equal(found("KEYWORD", "kw"), b"2")
        equal(found("NOT", "KEYWORD", "kw"), b"1")
        equal(found("OR", "SUBJECT", "other", "FROM", "author"), b"1 2")
        equal(found("BODY", "needle"), b"1")
        equal(found("TEXT", "INNER"), b"1")
        equal(found("BODY", "preamble"), b"")
        equal(found("HEADER", "Message-ID", '""'), b"1")
        equal(found("SINCE", "1-Jan-2021"), b"2")
        equal(found("BEFORE", "2-Feb-2020"), b"1")
        equal(found("SENTON", "29-Nov-2026"), b"1")
        equal(found("LARGER", "100"), b"1")
        equal(found("UID", "2:*"), b"2")
        equal(found("(1:2 (NOT 1))"), b"2")
        equal(found("UID", "100:*"), b"2")
        c.literal = "grüße".encode()
        equal(c._simple_command("SEARCH", "CHARSET", "UTF-8", "BODY")[0],
              "OK")
        equal(c.said("SEARCH"), [b"1"])
        c.literal = "CAFÉ".encode()
        equal(c._simple_command("SEARCH", "CHARSET", "UTF-8", "SUBJECT")[0],
              "OK")
        equal(c.said("SEARCH"), [b"1"])
        matches("BADCHARSET", c._simple_command(
            "SEARCH", "CHARSET", "klingon", "TEXT", "x")[1][0].decode())
        mail.end(c)


def test_condstore():
    with Mail() as mail:
        c = mail.connect()
        c.append("INBOX", "", None, LETTER)
        c.append("INBOX", "", None, LETTER)
        c.ok("ENABLE", "CONDSTORE")
        c.select()
        highest = int(c.response("HIGHESTMODSEQ")[1][0])
        data = c.fetch("1:2", "(MODSEQ)")[1]
        modseqs = [int(re.search(rb"MODSEQ \((\d+)\)", d).group(1))
                   for d in data]
        check(max(modseqs) <= highest)
        c.store("1", "+FLAGS.SILENT", r"(\Seen)")
        status, text = c._simple_command(
            "STORE", "1:2", "(UNCHANGEDSINCE %d)" % highest, "+FLAGS",
            r"(\Flagged)")
        equal(status, "OK")
        matches(r"MODIFIED 1\]", text[0].decode())
        c.said("FETCH")
        data = c.ok("FETCH", "1:*", "(FLAGS)", "(CHANGEDSINCE %d)" % highest)
        equal(len(c.said("FETCH")), 2)
        c.search(None, "MODSEQ", str(highest + 1))
        mail.end(c)


def test_bad_input_is_answered():
    with Mail() as mail:
        sock, = mail.raw()
        f = sock.makefile("rwb")
        f.readline()

        def ask(line, wanted):
            f.write(line + b"\r\n")
            f.flush()
            while True:
                answer = f.readline()
                check(answer, "the end after %r" % line[:60])
                if not answer.startswith(b"* ") or wanted.startswith(rb"^\*"):
                    break
            check(re.search(wanted, answer), "%r: %r" % (line[:60], answer))

        ask(b"", rb"^\* BAD")
        ask(b"a", rb"^\* BAD")
        ask(b"a NOTHING", b"^a BAD")
        ask(b"a NOOP", b"^a OK")
        ask(b"a FETCH 1 FLAGS", b"^a BAD")
        ask(b"a SELECT inbox", b"^a OK")
        ask(b"a FETCH 1 FLAGS", b"^a BAD")
        ask(b"a FETCH * FLAGS", b"^a BAD")
        ask(b"a NOOP x", b"^a BAD")
        ask(b"a SEARCH " + b"(" * 1000 + b"ALL" + b")" * 1000, b"^a BAD")
        ask(b"a NOOP", b"^a OK")
        ask(b"a FETCH 1 BODY[1.]", b"^a BAD")
        ask(b"a STORE 1 FLAGS (\\Recent)", b"^a BAD")
        ask(b"a LIST \"\" \"" + b"*a" * 100 + b"\"", b"^a OK")
        ask(b"a " + b"x" * 100000, rb"^\* BAD")
        ask(b"a NOOP", b"^a OK")
        ask(b"a APPEND inbox {99999999999}", b"^a NO")
        ask(b"a CREATE {300000}", b"^a NO")
        ask(b"a CREATE {300000+}\r\n" + b"y" * 300000, b"^a NO")
        ask(b"a APPEND none {5+}\r\nhello", b"^a NO .TRYCREATE")
        ask(b"a APPEND inbox {6+}\r\nA: b\0\n", b"^a NO")
        ask(b"a APPEND inbox (\\Bad) {5+}\r\nhello", b"^a BAD")
        ask(b"a APPEND inbox {5+}\r\nhello x", b"^a BAD")
        ask(b"a NOOP", b"^a OK")
        ask(b"a CREATE {3+}\r\nbox", b"^a OK")
        ask(b"a STATUS {3}", rb"^\+ ")
        ask(b"box (MESSAGES)", b"^a OK")
        equal(mail.files("tmp"), [])
        f.close()
        sock.close()


def test_an_append_that_is_cut_off_leaves_nothing():
    with Mail() as mail:
        sock, = mail.raw()
        sock.recv(1000)
        sock.sendall(b"a APPEND inbox {100+}\r\nhalf of it")
        sock.close()
        equal(mail.processes[0].wait(PATIENCE), 0)
        equal(mail.files("cur") + mail.files("new") + mail.files("tmp"), [])


def test_what_was_answered_survives_a_kill():
    with Mail() as mail:
        c = mail.connect()
        c.select()
        for i in range(3):
            c.append("INBOX", "", None, LETTER)
        c.create("box")
        for round in range(5):
            flag = "k%d" % round
            equal(c.store("1", "+FLAGS", "(%s)" % flag)[0], "OK")
            uid = c.append("INBOX", "(new)", None, LETTER)[1][0]
            equal(c.copy("1", "box")[0], "OK")
            if round == 2:
                c.store("2", "+FLAGS", r"(\Deleted)")
                c.expunge()
            mail.processes[-1].kill()
            mail.processes[-1].wait()
            c = mail.connect()
            c.select()
            matches(flag, c.fetch("1", "FLAGS")[1][0].decode())
            uid = re.search(rb"APPENDUID \d+ (\d+)", uid).group(1)
            check(uid in c.uid("search", None, "KEYWORD", "new")[1][0].split(),
                  uid)
        equal(c.uid("search", None, "ALL")[1][0], b"1 3 4 5 6 7 8")
        equal(c.select("box")[1], [b"5"])
        mail.processes = mail.processes[-1:]
        mail.end(c)


def test_many_that_were_expunged_stay_away():
    """Their files go behind the answer: not the kill of the process, not the
    loss of the index brings one of them back."""
    for lose_index in (False, True):
        with Mail() as mail:
            c = mail.connect()
            c.append("INBOX", None, None, LETTER)
            c.select()
            for _ in range(9):
                c.copy("1:*", "INBOX")
                c.noop()
            c.store("1:500", "+FLAGS.SILENT", "(\\Deleted)")
            c.ok("EXPUNGE")
            mail.processes[0].kill()
            mail.processes[0].wait()
            mail.processes = []
            left = len(mail.files())
            if lose_index:
                for name in os.listdir(mail.path):
                    if name.startswith("posthorn-index"):
                        os.unlink(mail.path + "/" + name)
            d = mail.connect()
            equal(d.select(), ("OK", [b"12"]))
            equal(d.uid("SEARCH", "UID", "1:512")[1][0],
                  " ".join(map(str, range(501, 513))).encode())
            wait_for(lambda: len(mail.files()) == 12, "the end of %d files" %
                     (left - 12))
            equal(d.noop()[0], "OK")
            equal(d.select(), ("OK", [b"12"]))
            mail.end(d)


def test_a_large_message_goes_through():
    with Mail() as mail:
        c = mail.connect()
        c.select()
        text = b"Subject: large\r\n\r\n" + b"0123456789\r\n" * 500000
        equal(c.append("INBOX", "", None, text)[0], "OK")
        check(c.fetch("1", "(BODY.PEEK[])")[1][0][1] == text, "it differs")
        mail.end(c)


def mailbox(mail, verb):
    """Exit status and output of posthorn-mailbox."""
    done = subprocess.run(
        [LIBEXEC + "/posthorn-mailbox", verb, mail.path], timeout=PATIENCE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode()


def test_verify_and_rebuild():
    with Mail() as mail:
        c = mail.connect()
        c.create("box.deep")
        for i in range(5):
            c.append("INBOX", r"(\Seen)", None, LETTER)
        c.select()
        c.copy("1:2", "box.deep")
        c.fetch("1:*", "(ENVELOPE BODYSTRUCTURE)")
        before = c.uid("fetch", "1:*", "(FLAGS RFC822.SIZE)")[1]
        matches("in use", mailbox(mail, "rebuild")[1])
        # Nobody has searched: the words are taken up while nothing happens.
        wait_for(lambda: mailbox(mail, "verify") == (
            0, mail.path + ": 2 mailboxes, 0 inconsistencies (2 messages are "
            "not in the search index yet)\n"), "the words of INBOX")
        c.select("box.deep")
        wait_for(lambda: mailbox(mail, "verify") == (
            0, mail.path + ": 2 mailboxes, 0 inconsistencies\n"),
            "the words of box.deep")
        mail.end(c)
        name = mail.files()[0]
        os.rename(mail.path + "/cur/" + name, mail.path + "/cur/other:2,")
        with open(mail.path + "/cur/" + mail.files()[1], "r+b") as f:
            text = f.read()
            f.seek(0)
            f.write(b"X-More: word\n" + text)
        status, text = mailbox(mail, "verify")
        equal(status, 1)
        matches(r"INBOX: UID \d: its file .* is gone", text)
        matches(r"INBOX: 1 files are not in the index", text)
        matches(r"INBOX: UID \d: its size is", text)
        matches(r"INBOX: UID \d: the search index has other words", text)
        os.rename(mail.path + "/cur/other:2,", mail.path + "/cur/" + name)
        os.unlink(mail.path + "/.box.deep/dovecot-uidlist")
        matches("box.deep: dovecot-uidlist is missing",
                mailbox(mail, "quick-verify")[1])
        equal(mailbox(mail, "rebuild"), (
            0, mail.path + ": 2 mailboxes, 7 messages\n"))
        equal(mailbox(mail, "verify"), (
            0, mail.path + ": 2 mailboxes, 0 inconsistencies\n"))
        c = mail.connect()
        c.select()
        equal([re.sub(rb"RFC822.SIZE \d+|\\Recent| ", b"", line)
               for line in c.uid("fetch", "1:*", "(FLAGS RFC822.SIZE)")[1]],
              [re.sub(rb"RFC822.SIZE \d+|\\Recent| ", b"", line)
               for line in before])
        mail.end(c)


def spoil(mail, *names):
    """Other octets, as many of them: who shows the old ones has them from
    the index."""
    for name in names:
        folder = next(f for f in ("new", "cur") for n in mail.files(f)
                      if n.startswith(name))
        path = [n for n in mail.files(folder) if n.startswith(name)][0]
        with open("%s/%s/%s" % (mail.path, folder, path), "r+b") as f:
            octets = f.read()
            f.seek(0)
            f.write(b"x" * len(octets))


def test_what_is_delivered_is_taken_up_in_the_background():
    """Nobody says a command, or INBOX is not even selected."""
    def is_settled():
        return mailbox(mail, "verify") == (
            0, mail.path + ": 2 mailboxes, 0 inconsistencies\n")

    with Mail() as mail:
        c = mail.connect()
        c.create("box")
        c.select()
        mail.drop("new/1.one", b"Subject: first\n\nwordone\n")
        wait_for(is_settled, "the words of the first")
        c.select("box")
        mail.drop("new/2.two", b"Subject: second\n\nwordtwo\n")
        wait_for(is_settled, "the words of the second")
        spoil(mail, "1.one", "2.two")
        c.select("INBOX")
        data = c.fetch("1:2", "(ENVELOPE BODYSTRUCTURE)")[1]
        matches('"first".*"text" "plain"', data[0].decode())
        matches('"second".*"text" "plain"', data[1].decode())
        equal(c.search(None, "BODY", "wordtwo")[1], [b"2"])
        equal(c.search(None, "TEXT", "first")[1], [b"1"])
        mail.end(c)


def test_rebuild_shows_how_far_it_is():
    with Mail() as mail:
        c = mail.connect()
        c.select()
        for n in range(40):
            mail.drop("cur/%d.x:2," % (n + 1))
        mail.end(c)
        ours, theirs = pty.openpty()
        done = subprocess.run(
            [LIBEXEC + "/posthorn-mailbox", "rebuild", mail.path],
            timeout=PATIENCE, stdout=subprocess.PIPE, stderr=theirs)
        shown = os.read(ours, 65536)
        os.close(ours)
        os.close(theirs)
        equal((done.returncode, done.stdout.decode()), (
            0, mail.path + ": 1 mailboxes, 40 messages\n"))
        check(b"\r[" + b"#" * 30 + b"] 40 of 40  INBOX" in shown, repr(shown))


def test_list_status_of_what_is_no_mailbox():
    """A file, a directory without cur/ and a link to nowhere are none, however
    many mailboxes are met beside them."""
    for boxes in 1, 100:
        with Mail() as mail:
            for n in range(boxes):
                for folder in "cur", "new", "tmp":
                    os.makedirs("%s/.box%d/%s" % (mail.path, n, folder))
            os.makedirs(mail.path + "/.directory/new")
            os.symlink("nowhere", mail.path + "/.link")
            open(mail.path + "/.file", "w").close()
            client = mail.connect()
            wanted = sorted(["INBOX"] + ["box%d" % n for n in range(boxes)])
            for _ in range(2):
                client.ok("LIST", '"" "*" RETURN (STATUS (MESSAGES))')
                equal(sorted(line.split()[-1].decode()
                             for line in client.said("LIST")), wanted)
                equal(sorted(line.split()[0].decode()
                             for line in client.said("STATUS")), wanted)
            mail.end(client)


if __name__ == "__main__":
    main(globals())
