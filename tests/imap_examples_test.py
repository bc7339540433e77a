#!/usr/bin/python3
"""The examples of IMAP's standards that no other test tells: each with the
numbers that a mailbox of ours has, else as they stand there."""
import base64
import re
import zlib

from full import PASSWORD, FullInstance
from imap import Mail, play, talk
from imap_rfc_test import GRAY, fill, letter
from instance import PATIENCE, check, equal, main, untrusting

# RFC 3502, its second message.
JOE = """
    L: Date: Mon, 7 Feb 1994 22:43:04 -0800 (PST)
    L: From: Joe Mooch <mooch@OWaTaGu.example.net>
    L: Subject: Re: afternoon meeting
    L: To: foobar@blurdybloop.example.com
    L: Message-Id: <a0434793874930@OWaTaGu.example.net>
    L: MIME-Version: 1.0
    L: Content-Type: TEXT/PLAIN; CHARSET=US-ASCII
    L:
    L: 3:30 is fine with me.
    L:
"""


class Two:
    """Two connections in one process, each in INBOX."""

    def __init__(self, mail, begin=""):
        self.streams = []
        for sock in mail.raw(2):
            sock.settimeout(PATIENCE)
            self.streams.append(sock.makefile("rwb"))
            sock.close()
        self.words = {}
        for stream in self.streams:
            stream.readline()
            play(stream, begin + """
                C: s SELECT INBOX
                S: ...
                S: s OK ...
            """)

    def one(self, script):
        self.words = play(self.streams[0], script, **self.words)

    def other(self, script):
        self.words = play(self.streams[1], script, **self.words)


def test_rfc3501_news():
    """6.1.2: what NOOP tells; 6.4.3: EXPUNGE; 7.5: what the server refuses."""
    with Mail() as mail:
        fill(mail, *[letter(str(i)) for i in range(11)])
        two = Two(mail)
        two.one(r"""
            C: a002 NOOP
            S: a002 OK ...
            C: a003 STORE 3,4,7,11 +FLAGS.SILENT (\Deleted)
            S: a003 OK ...
            C: A202 EXPUNGE
            S: * 3 EXPUNGE
            S: * 3 EXPUNGE
            S: * 5 EXPUNGE
            S: * 8 EXPUNGE
            S: A202 OK ...
            C: a004 STORE 2 +FLAGS.SILENT (\Seen \Deleted)
            S: a004 OK ...
            C: a005 APPEND INBOX {=}
            """ + letter("new") + r"""
            S: ...
            S: a005 OK ...
        """)
        two.other(r"""
            C: a047 NOOP
            S: * 3 EXPUNGE
            S: * 3 EXPUNGE
            S: * 5 EXPUNGE
            S: * 8 EXPUNGE
            S: * 8 EXISTS
            S: * $recent RECENT
            S: * 2 FETCH (FLAGS (\Deleted \Seen))
            S: a047 OK ...
            C:
            S: * BAD ...
            C: A443 EXPUNGE
            S: * 2 EXPUNGE
            S: A443 OK ...
            C: A442 XPIG-LATIN
            S: A442 BAD ...
        """)


def test_rfc3501_names():
    """6.3.4, 6.3.5: the examples of a server whose names are those of files
    with dots; 6.3.8, 6.3.9."""
    with Mail() as mail:
        talk(mail, r"""
            C: a CREATE blurdybloop
            S: a OK ...
            C: a CREATE foo
            S: a OK ...
            C: a CREATE foo.bar
            S: a OK ...
            C: A83 DELETE blurdybloop
            S: A83 OK ...
            C: A84 DELETE foo
            S: A84 OK ...
            C: A85 LIST "" *
            S: * LIST (...) "." INBOX
            S: * LIST (\Noselect \HasChildren) "." foo
            S: * LIST (\HasNoChildren) "." foo.bar
            S: A85 OK ...
            C: A86 LIST "" %
            S: * LIST (...) "." INBOX
            S: * LIST (\Noselect \HasChildren) "." foo
            S: A86 OK ...
            C: A684 RENAME foo zowie
            S: A684 OK ...
            C: A685 LIST "" zowie*
            S: * LIST (\Noselect \HasChildren) "." zowie
            S: * LIST (\HasNoChildren) "." zowie.bar
            S: A685 OK ...
            C: a DELETE zowie.bar
            S: a OK ...
            C: a CREATE INBOX.bar
            S: a OK ...
            C: Z432 LIST "" *
            S: * LIST (\HasChildren) "." INBOX
            S: * LIST (\HasNoChildren) "." INBOX.bar
            S: Z432 OK ...
            C: Z433 RENAME INBOX old-mail
            S: Z433 OK ...
            C: Z434 LIST "" *
            S: * LIST (\HasChildren) "." INBOX
            S: * LIST (\HasNoChildren) "." INBOX.bar
            S: * LIST (\HasNoChildren) "." old-mail
            S: Z434 OK ...
            C: A101 LIST "" ""
            S: * LIST (\Noselect) "." ""
            S: A101 OK ...
            C: A102 LIST #news.comp.mail.misc ""
            S: * LIST (\Noselect) "." ""
            S: A102 OK ...
            C: A202 LIST ~/Mail/ %
            S: A202 OK ...
            C: a CREATE #news.comp.mail.mime
            S: a OK ...
            C: a CREATE #news.comp.mail.misc
            S: a OK ...
            C: A002 SUBSCRIBE #news.comp.mail.mime
            S: A002 OK ...
            C: A002 SUBSCRIBE #news.comp.mail.misc
            S: A002 OK ...
            C: A002 LSUB "#news." "comp.mail.*"
            S: * LSUB (...) "." #news.comp.mail.mime
            S: * LSUB (...) "." #news.comp.mail.misc
            S: A002 OK ...
            C: A003 LSUB "#news." "comp.%"
            S: * LSUB (\Noselect...) "." #news.comp.mail
            S: A003 OK ...
            C: A002 UNSUBSCRIBE #news.comp.mail.mime
            S: A002 OK ...
        """)


def test_rfc3501_sample_connection():
    """8"""
    with Mail() as mail:
        fill(mail, GRAY)
        talk(mail, r"""
            C: a002 select inbox
            S: ...
            S: * 1 EXISTS
            S: ...
            S: a002 OK [READ-WRITE] ...
            C: a003 fetch 1 full
            S: * 1 FETCH (FLAGS (\Recent) INTERNALDATE "..." RFC822.SIZE $size ENVELOPE ("Mon, 7 Feb 1994 21:52:25 -0800 (PST)" "afternoon meeting" ...) BODY ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7bit" 57 2))
            S: a003 OK ...
            C: a004 fetch 1 body[header]
            S: * 1 FETCH (FLAGS (\Seen \Recent) BODY[header] {...}
            S: Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)
            S: From: Fred Foobar <foobar@Blurdybloop.example>
            S: Subject: afternoon meeting
            S: To: mooch@owatagu.example
            S: Message-Id: <B27397-0100000@Blurdybloop.example>
            S: MIME-Version: 1.0
            S: Content-Type: TEXT/PLAIN; CHARSET=US-ASCII
            S:
            S: )
            S: a004 OK ...
            C: a005 store 1 +flags \deleted
            S: * 1 FETCH (FLAGS (\Deleted \Seen \Recent))
            S: a005 OK ...
            C: a006 logout
            S: * BYE ...
            S: a006 OK ...
        """)


def test_rfc7888_rfc4959_before_login():
    """Literals that nobody waits for, and initial responses."""
    with FullInstance() as mta:
        mta.start()

        def begin():
            return mta.imap(mta.ports["imap"]).socket().makefile("rwb")

        plain = base64.b64encode(b"\0alice@example.org\0" +
                                 PASSWORD.encode()).decode()
        other = base64.b64encode(b"test\0test\0test").decode()
        equal(other, "dGVzdAB0ZXN0AHRlc3Q=")
        play(begin(), """
            C: A001 LOGIN {11+}
            C: FRED FOOBAR {7+}
            C: fat man
            S: A001 NO [AUTHENTICATIONFAILED] ...
            C: A001 LOGIN {17+}
            C: alice@example.org {%d+}
            C: %s
            S: A001 OK [CAPABILITY ...] ...
        """ % (len(PASSWORD), PASSWORD))
        play(begin(), """
            C: C01 CAPABILITY
            S: * CAPABILITY ... SASL-IR ... AUTH=PLAIN...
            S: C01 OK ...
            C: A01 AUTHENTICATE PLAIN %s
            S: A01 NO [AUTHENTICATIONFAILED] ...
            C: A01 AUTHENTICATE EXTERNAL =
            S: A01 NO ...
            C: A01 AUTHENTICATE PLAIN
            S: +...
            C: %s
            S: A01 OK [CAPABILITY ...] ...
        """ % (other, plain))
        play(begin(), """
            C: A01 AUTHENTICATE PLAIN %s
            S: A01 OK [CAPABILITY ...] ...
            C: A02 LOGOUT
            S: * BYE ...
            S: A02 OK ...
        """ % plain)


def test_rfc3502_multiappend():
    with Mail() as mail:
        talk(mail, r"""
            C: a CREATE saved-messages
            S: a OK ...
            C: A003 APPEND saved-messages (\Seen) {=}
            """ + GRAY + r"""
            +:  (\Seen) " 7-Feb-1994 22:43:04 -0800" {=}
            """ + JOE + r"""
            S: A003 OK [APPENDUID $validity 1:2] ...
            C: A004 APPEND bogusname (\Flagged) {1023}
            S: A004 NO [TRYCREATE] ...
            C: A005 SELECT saved-messages
            S: ...
            S: A005 OK ...
            C: A006 FETCH 1:2 (FLAGS INTERNALDATE)
            S: * 1 FETCH (FLAGS (\Seen \Recent) INTERNALDATE ...
            S: * 2 FETCH (FLAGS (\Seen \Recent) INTERNALDATE "08-Feb-1994 06:43:04 +0000")
            S: A006 OK ...
        """)


def test_rfc5256_sort_and_thread():
    """2.2 and 3: dates, base subjects, and threads that they make."""
    days = [(1, "Re: x", 3), (2, "b", 2), (3, "a", 1), (4, "a", 5), (5, "a", 4)]
    with Mail() as mail:
        fill(mail, *[letter(subject, "Date: %d Mar 2000 10:00:00 +0000" % day)
                     for _, subject, day in days])
        talk(mail, r"""
            C: s SELECT INBOX
            S: ...
            S: s OK ...
            C: A282 SORT (SUBJECT) UTF-8 SENTSINCE 3-Mar-2000
            S: * SORT 4 5 1
            S: A282 OK ...
            C: A283 SORT (SUBJECT REVERSE DATE) UTF-8 ALL
            S: * SORT 4 5 3 2 1
            S: A283 OK ...
            C: A284 SORT (SUBJECT) US-ASCII TEXT "not in mailbox"
            S: * SORT
            S: A284 OK ...
            C: T283 THREAD ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000
            S: * THREAD (3 (5)(4))(2)(1)
            S: T283 OK ...
            C: T284 THREAD ORDEREDSUBJECT US-ASCII TEXT "gewp"
            S: * THREAD
            S: T284 OK ...
            C: T285 THREAD REFERENCES UTF-8 SINCE 5-MAR-2000
            S: * THREAD ((3)(5)(4))(2)(1)
            S: T285 OK ...
        """)
    # 4: the tree of the example, whose messages have these numbers.
    parents = {3: 2, 6: 3, 4: 6, 23: 4, 44: 6, 7: 44, 96: 7}
    with Mail() as mail:
        fill(mail, *[letter("t%d" % n if n not in parents and n != 2 else "x",
                            "Message-ID: <%d@a>%s" % (
                                n, "\nReferences: <%d@a>" % parents[n]
                                if n in parents else ""))
                     for n in range(2, 97)])
        talk(mail, r"""
            C: s SELECT INBOX
            S: ...
            S: s OK ...
            C: t UID THREAD REFERENCES UTF-8 SUBJECT x
            S: * THREAD (1 2 5 (3 22)(43 6 95))
            S: t OK ...
            C: u UID THREAD REFS UTF-8 UID 2,3,5,22,43,95
            S: * THREAD ...
            S: u OK ...
        """)


def test_rfc5267_esort():
    with Mail() as mail:
        fill(mail, *[letter(str(i), "Date: %d Mar 2000 10:00:00 +0000" % day)
                     for i, day in enumerate((1, 9, 8, 7, 2, 3))])
        talk(mail, r"""
            C: s SELECT INBOX
            S: ...
            S: s OK ...
            C: t STORE 5 +FLAGS.SILENT ($Junk)
            S: ...
            S: t OK ...
            C: E01 UID SORT RETURN () (REVERSE DATE) UTF-8 UNDELETED UNKEYWORD $Junk
            S: * ESEARCH (TAG "E01") UID ALL 2:4,6,1
            S: E01 OK ...
            C: E02 UID SORT RETURN (COUNT MIN MAX) (DATE) UTF-8 ALL
            S: * ESEARCH (TAG "E02") UID MIN 1 MAX 2 COUNT 6
            S: E02 OK ...
            C: E03 SORT RETURN (ALL) (DATE) UTF-8 2:4
            S: * ESEARCH (TAG "E03") ALL 4,3,2
            S: E03 OK ...
            # CONTEXT is not announced.
            C: B01 UID SEARCH RETURN (UPDATE COUNT) DELETED
            S: B01 BAD ...
        """)


def test_rfc5819_list_status():
    with Mail() as mail:
        talk(mail, r"""
            C: a CREATE foo
            S: a OK ...
            C: a CREATE foo.baz
            S: a OK ...
            C: a CREATE bar.x
            S: a OK ...
            C: a SUBSCRIBE INBOX
            S: a OK ...
            C: a SUBSCRIBE foo.baz
            S: a OK ...
            C: A01 LIST "" % RETURN (STATUS (MESSAGES UNSEEN))
            S: * LIST (...) "." INBOX
            S: * STATUS INBOX (MESSAGES 0 UNSEEN 0)
            S: * LIST (\NonExistent \HasChildren) "." bar
            S: * LIST (...) "." foo
            S: * STATUS foo (MESSAGES 0 UNSEEN 0)
            S: A01 OK ...
            C: A02 LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (STATUS (MESSAGES))
            S: * LIST (\HasNoChildren \Subscribed) "." INBOX
            S: * STATUS INBOX (MESSAGES 0)
            S: * LIST (\HasChildren) "." foo ("CHILDINFO" ("SUBSCRIBED"))
            S: A02 OK ...
            C: A03 LIST (SUBSCRIBED RECURSIVEMATCH) "" f% RETURN (METADATA ("/shared/comment"))
            S: * LIST (\HasChildren) "." foo ("CHILDINFO" ("SUBSCRIBED"))
            S: A03 OK ...
        """)


def test_rfc5258_child_info():
    """5, examples 8 and 9."""
    names = ("foo2 foo2.bar1 foo2.bar2 baz2 baz2.bar2 baz2.bar22 baz2.bar222 "
             "eps2 eps2.mamba qux2.bar2").split()
    with Mail() as mail:
        talk(mail, "".join(
            "C: a CREATE %s\nS: a OK ...\n" % name +
            ("" if name in ("foo2", "baz2") else
             "C: a SUBSCRIBE %s\nS: a OK ...\n" % name)
            for name in names) + r"""
            C: D03 LIST (RECURSIVEMATCH SUBSCRIBED) "" "*2"
            S: * LIST (\HasNoChildren \Subscribed) "." baz2.bar2
            S: * LIST (\HasNoChildren \Subscribed) "." baz2.bar22
            S: * LIST (\HasNoChildren \Subscribed) "." baz2.bar222
            S: * LIST (\HasChildren \Subscribed) "." eps2 ("CHILDINFO" ("SUBSCRIBED"))
            S: * LIST (\HasChildren) "." foo2 ("CHILDINFO" ("SUBSCRIBED"))
            S: * LIST (\HasNoChildren \Subscribed) "." foo2.bar2
            S: * LIST (\HasNoChildren \Subscribed) "." qux2.bar2
            S: D03 OK ...
            C: a DELETE qux2.bar2
            S: a OK ...
            C: a CREATE foo
            S: a OK ...
            C: a CREATE foo.bar
            S: a OK ...
            C: a SUBSCRIBE foo.bar
            S: a OK ...
            C: a DELETE foo.bar
            S: a OK ...
            C: a1 LIST "" ("foo")
            S: * LIST (\HasNoChildren) "." foo
            S: a1 OK ...
            C: a2 LIST (SUBSCRIBED) "" "foo.*"
            S: * LIST (\NonExistent \HasNoChildren \Subscribed) "." foo.bar
            S: a2 OK ...
            C: a3 LIST (SUBSCRIBED RECURSIVEMATCH) "" foo RETURN (CHILDREN)
            S: * LIST (\HasNoChildren) "." foo ("CHILDINFO" ("SUBSCRIBED"))
            S: a3 OK ...
            C: a4 LIST (SUBSCRIBED SUBSCRIBED) "" foo.bar
            S: * LIST (...) "." foo.bar
            S: a4 OK ...
        """)


def test_rfc5182_searchres():
    """The examples from the second on."""
    with Mail() as mail:
        fill(mail, *[letter("x", "From: %s@example.org" % who, text)
                     for who, text in (("Smith", "a"), ("b", "a"), ("c", "YY"),
                                       ("d", "YY"), ("e", "a"))])
        talk(mail, r"""
            C: s SELECT INBOX
            S: ...
            S: s OK ...
            C: t STORE 2,4 +FLAGS.SILENT (\Flagged $Junk)
            S: ...
            S: t OK ...
            C: c CREATE "Other Messages"
            S: c OK ...
            C: c CREATE Junk
            S: c OK ...
            C: A282 SEARCH RETURN (SAVE) FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"
            C: A283 FETCH $ (UID INTERNALDATE FLAGS RFC822.HEADER)
            S: A282 OK ...
            S: * 2 FETCH (UID 2 ...
            S: ...
            S: * 4 FETCH (UID 4 ...
            S: ...
            S: A283 OK ...
            C: A300 SEARCH RETURN (SAVE) SINCE 1-Jan-2004 NOT FROM "Smith"
            S: A300 OK ...
            C: A301 UID SEARCH UID $ SMALLER 4096
            S: * SEARCH 2 3 4 5
            S: A301 OK ...
            C: A301 UID SEARCH $ SMALLER 4096
            S: * SEARCH 2 3 4 5
            S: A301 OK ...
            C: P282 SEARCH RETURN (SAVE) FLAGGED
            S: P282 OK ...
            C: P283 SEARCH CHARSET UTF-8 (OR $ 1,3:5) TEXT "YY"
            S: * SEARCH 3 4
            S: P283 OK ...
            C: B282 SEARCH RETURN (SAVE) SINCE 1-Feb-1994 NOT FROM "Smith"
            S: B282 OK ...
            C: B283 SEARCH RETURN (SAVE) CHARSET X-KOI8-X (OR $ 1,3:5) TEXT "XXXX"
            S: B283 NO [BADCHARSET ...
            C: B284 SEARCH $
            S: * SEARCH
            S: B284 OK ...
            C: E282 SEARCH RETURN (SAVE) SINCE 28-Oct-2006 SUBJECT none
            C: E283 COPY $ "Other Messages"
            S: E282 OK ...
            S: E283 OK ...
            C: F282 SEARCH RETURN (SAVE) KEYWORD $Junk
            C: F283 COPY $ "Junk"
            C: F284 STORE $ +FLAGS.Silent (\Deleted)
            S: F282 OK ...
            S: F283 OK [COPYUID ...
            S: F284 OK ...
            C: G282 SEARCH RETURN (SAVE) KEYWORD $Junk
            C: G283 SEARCH RETURN (ALL) SINCE 28-Oct-2006 FROM e
            S: G282 OK ...
            S: * ESEARCH (TAG "G283") ALL 1:5
            S: G283 OK ...
            C: H282 SEARCH RETURN (SAVE) KEYWORD $Junk
            C: H283 SEARCH RETURN (SAVE) SINCE 28-Oct-2006 NOT FROM "Smith"
            S: H282 OK ...
            S: H283 OK ...
            C: H284 SEARCH $
            S: * SEARCH 2 3 4 5
            S: H284 OK ...
            C: C282 SEARCH RETURN (ALL) KEYWORD $Junk
            S: * ESEARCH (TAG "C282") ALL 2,4
            S: C282 OK ...
            C: x SEARCH $
            S: * SEARCH 2 3 4 5
            S: x OK ...
            C: C283 SEARCH RETURN (ALL SAVE) 2,4:5
            S: * ESEARCH (TAG "C283") ALL 2,4:5
            S: C283 OK ...
            C: x SEARCH $
            S: * SEARCH 2 4 5
            S: x OK ...
            C: C284 SEARCH RETURN (SAVE MIN) 2,4:5
            S: * ESEARCH (TAG "C284") MIN 2
            S: C284 OK ...
            C: x SEARCH $
            S: * SEARCH 2
            S: x OK ...
            C: C285 SEARCH RETURN (MAX SAVE MIN) 2,4:5
            S: * ESEARCH (TAG "C285") MIN 2 MAX 5
            S: C285 OK ...
            C: x SEARCH $
            S: * SEARCH 2 5
            S: x OK ...
            C: C286 SEARCH RETURN (MAX SAVE MIN COUNT) 2,4:5
            S: * ESEARCH (TAG "C286") MIN 2 MAX 5 COUNT 3
            S: C286 OK ...
            C: x SEARCH $
            S: * SEARCH 2 4 5
            S: x OK ...
            C: C287 SEARCH RETURN (ALL SAVE MIN) 2,4:5
            S: * ESEARCH (TAG "C287") MIN 2 ALL 2,4:5
            S: C287 OK ...
            C: x SEARCH $
            S: * SEARCH 2 4 5
            S: x OK ...
        """)


def test_rfc8474_ids():
    with Mail() as mail:
        talk(mail, r"""
            C: 3 create foo
            S: 3 OK [MAILBOXID ($foo)] ...
            C: 4 create bar
            S: 4 OK [MAILBOXID ($bar)] ...
            C: 5 create foo
            S: 5 NO ...
            C: 6 status foo (mailboxid)
            S: * STATUS foo (MAILBOXID ($foo))
            S: 6 OK ...
            C: 7 status bar (mailboxid)
            S: * STATUS bar (MAILBOXID ($bar))
            S: 7 OK ...
            C: 8 rename foo renamed
            S: 8 OK ...
            C: 9 status renamed (mailboxid)
            S: * STATUS renamed (MAILBOXID ($foo))
            S: 9 OK ...
            C: 10 status bar (mailboxid)
            S: * STATUS bar (MAILBOXID ($bar))
            S: 10 OK ...
            C: 11 list "" "*" return (status (mailboxid))
            S: * LIST (\HasNoChildren) "." INBOX
            S: * STATUS INBOX (MAILBOXID ($inbox))
            S: * LIST (\HasNoChildren) "." bar
            S: * STATUS bar (MAILBOXID ($bar))
            S: * LIST (\HasNoChildren) "." renamed
            S: * STATUS renamed (MAILBOXID ($foo))
            S: 11 OK ...
            C: 12 rename renamed foo
            S: 12 OK ...
            C: 5 append inbox "20-Mar-2018 03:07:37 +1100" {=}
            """ + letter("Message A", "Message-ID: <fake.1521475657.54797@x>")
             + r"""
            S: 5 OK [APPENDUID $validity 1] ...
            C: 11 append inbox "20-Mar-2018 03:07:37 +1100" {=}
            """ + letter("Re: Message A", "Message-ID: <fake.1521475657.21213@x>"
                         "\nReferences: <fake.1521475657.54797@x>") + r"""
            S: 11 OK [APPENDUID $validity 2] ...
            C: 17 append inbox "20-Mar-2018 03:07:37 +1100" {=}
            """ + letter("Message C", "Message-ID: <fake.1521475657.60280@x>")
             + r"""
            S: 17 OK [APPENDUID $validity 3] ...
            C: 20 select inbox
            S: ...
            S: 20 OK ...
            C: 22 fetch 1:* (emailid threadid)
            S: * 1 FETCH (EMAILID ($a) THREADID ($t1))
            S: * 2 FETCH (EMAILID ($b) THREADID ($t1))
            S: * 3 FETCH (EMAILID ($c) THREADID ($t2))
            S: 22 OK ...
            C: 23 move 2 foo
            S: * OK [COPYUID $to 2 1] ...
            S: * 2 EXPUNGE
            S: 23 OK ...
            C: 24 fetch 1:* (emailid threadid)
            S: * 1 FETCH (EMAILID ($a) THREADID ($t1))
            S: * 2 FETCH (EMAILID ($c) THREADID ($t2))
            S: 24 OK ...
            C: 27 select "foo"
            S: ...
            S: * OK [MAILBOXID ($foo)] ...
            S: 27 OK [READ-WRITE] ...
            C: 26 fetch 1:* (emailid threadid)
            S: * 1 FETCH (EMAILID ($b) THREADID ($t1))
            S: 26 OK ...
        """)


def test_rfc7162_condstore():
    """3.1.3 and 3.1.4: conflicts, and what others hear."""
    with Mail() as mail:
        fill(mail, *[letter(str(i)) for i in range(9)])
        two = Two(mail, """
            C: e ENABLE CONDSTORE
            S: * ENABLED CONDSTORE
            S: e OK ...
        """)
        two.one(r"""
            C: a FETCH 9 (MODSEQ)
            S: * 9 FETCH (MODSEQ ($m))
            S: a OK ...
            C: a103 UID STORE 6,4,8 (UNCHANGEDSINCE $m) +FLAGS.SILENT (\Deleted)
            S: * 4 FETCH (UID 4 MODSEQ ($n))
            S: * 6 FETCH (UID 6 MODSEQ ($n))
            S: * 8 FETCH (UID 8 MODSEQ ($n))
            S: a103 OK Store completed
            C: a104 STORE * (UNCHANGEDSINCE $n) +FLAGS.SILENT (\Deleted $Processed)
            S: * 9 FETCH (UID 9 MODSEQ ($o))
            S: ...
            S: a104 OK Store completed
        """)
        # d105: 7 and 9 are others meanwhile, 5 is not.
        two.other(r"""
            C: n NOOP
            S: ...
            S: n OK ...
            C: n STORE 7 +FLAGS.SILENT (\Seen)
            S: * 7 FETCH (UID 7 MODSEQ ($p))
            S: n OK ...
        """)
        two.one(r"""
            C: d105 STORE 7,5,9 (UNCHANGEDSINCE $m) +FLAGS.SILENT (\Deleted)
            S: * 5 FETCH (UID 5 MODSEQ ($q))
            S: * 7 FETCH (UID 7 MODSEQ ($p) FLAGS (\Seen \Recent))
            S: d105 OK [MODIFIED 7,9] ...
            C: a102 STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($MDNSent)
            S: ...
            S: a102 OK [MODIFIED 1] ...
            C: s100 UID FETCH 1:* (FLAGS) (CHANGEDSINCE $o)
            S: * 5 FETCH (UID 5 FLAGS (\Deleted \Recent) MODSEQ ($q))
            S: * 7 FETCH (UID 7 FLAGS (\Seen \Recent) MODSEQ ($p))
            S: s100 OK ...
            C: a FETCH 1:3 (MODSEQ)
            S: * 1 FETCH (MODSEQ (...))
            S: * 2 FETCH (MODSEQ (...))
            S: * 3 FETCH (MODSEQ (...))
            S: a OK ...
            C: b SEARCH RETURN (ALL) MODSEQ $o
            S: * ESEARCH (TAG "b") ALL 5,7,9 MODSEQ $q
            S: b OK ...
            C: c SORT RETURN (ALL) (SUBJECT) UTF-8 MODSEQ $o
            S: * ESEARCH (TAG "c") ALL 5,7,9 MODSEQ $q
            S: c OK ...
            C: d SEARCH OR NOT MODSEQ $q LARGER 50000
            S: * SEARCH 1 2 3 4 6 7 8 9 (MODSEQ ...)
            S: d OK ...
            # 3.1.4.2, A160 and A330: another one hears of it.
            C: A330 STORE 7 -FLAGS.SILENT (\Answered \Seen)
            S: * 7 FETCH (UID 7 MODSEQ ($r))
            S: A330 OK ...
        """)
        two.other(r"""
            C: C360 NOOP
            S: ...
            S: * 7 FETCH (UID 7 MODSEQ ($r) FLAGS ())
            S: C360 OK ...
        """)
        # B001: some are gone, and one has changed.
        two.one(r"""
            C: x UID EXPUNGE 4:8
            S: * 4 EXPUNGE
            S: * 4 EXPUNGE
            S: * 4 EXPUNGE
            S: * 5 EXPUNGE
            S: x OK ...
            C: y STORE 2 +FLAGS.SILENT (\Flagged)
            S: * 2 FETCH (UID 2 MODSEQ ($s))
            S: y OK ...
        """)
        two.other(r"""
            C: B001 STORE 1:8 (UNCHANGEDSINCE $r) +FLAGS (\SEEN)
            S: * 1 FETCH (UID 1 MODSEQ ($t) FLAGS (\Seen))
            S: * 2 FETCH (UID 2 MODSEQ ($s) FLAGS (\Flagged))
            S: * 3 FETCH (UID 3 MODSEQ ($t) FLAGS (\Seen))
            S: * 7 FETCH (UID 7 MODSEQ ($t) FLAGS (\Seen))
            S: ...
            S: B001 NO [MODIFIED 2] ...
            C: B002 NOOP
            S: * 4 EXPUNGE
            S: * 4 EXPUNGE
            S: * 4 EXPUNGE
            S: * 5 EXPUNGE
            S: B002 OK ...
            C: b003 STORE 2 (UNCHANGEDSINCE $s) +FLAGS (\Seen)
            S: * 2 FETCH (UID 2 MODSEQ (...) FLAGS (\Flagged \Seen))
            S: b003 OK Store completed
        """)


def test_rfc7162_vanished():
    """3.2.8 to 3.2.10, 4.2"""
    with Mail() as mail:
        fill(mail, *[letter(str(i)) for i in range(9)])
        two = Two(mail, """
            C: e ENABLE QRESYNC
            S: * ENABLED QRESYNC
            S: e OK ...
        """)
        two.one(r"""
            C: a STORE 2,4,6 +FLAGS.SILENT (\Deleted)
            S: ...
            S: a OK ...
            C: . UID EXPUNGE 3000:3002
            S: . OK ...
            C: b UID EXPUNGE 3:5
            S: * VANISHED 4
            S: b OK [HIGHESTMODSEQ $m] ...
            C: s101 UID SEARCH UID 3:7
            S: * SEARCH 3 5 6 7
            S: s101 OK ...
            C: A202 CLOSE
            S: A202 OK Close completed
        """)
        two.other(r"""
            C: n NOOP
            S: * VANISHED 2,4,6
            S: n OK ...
            C: s100 UID FETCH 1:7 (FLAGS) (CHANGEDSINCE $m VANISHED)
            S: * VANISHED (EARLIER) 2,6
            S: s100 OK ...
        """)


def test_rfc9051_examples():
    """Where they are not those of IMAP4rev1 or of an extension."""
    with Mail() as mail:
        fill(mail, *[letter(subject) for subject in ("one", "two", "two")])
        talk(mail, """
            C: t1 ENABLE IMAP4rev2
            S: * ENABLED IMAP4rev2
            S: t1 OK ...
            C: A142 SELECT INBOX
            S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)
            S: * OK [PERMANENTFLAGS ...
            S: * 3 EXISTS
            S: * OK [UIDVALIDITY ...
            S: * OK [UIDNEXT 4] ...
            S: ...
            S: * LIST (\\HasNoChildren) "." INBOX
            S: A142 OK [READ-WRITE] ...
            C: x CREATE Drafts
            S: x OK ...
            C: A143 SELECT Drafts
            S: * OK [CLOSED] ...
            S: ...
            S: * 0 EXISTS
            S: ...
            S: * LIST (\\HasNoChildren \\Drafts) "." Drafts
            S: A143 OK [READ-WRITE] ...
            C: A932 EXAMINE INBOX
            S: ...
            S: * OK [PERMANENTFLAGS ()] ...
            S: ...
            S: * LIST (\\HasNoChildren) "." INBOX
            S: A932 OK [READ-ONLY] ...
            C: A342 UNSELECT
            S: A342 OK ...
            C: A143 SELECT INBOX
            S: ...
            S: A143 OK ...
            C: A282 SEARCH RETURN (MIN COUNT) SUBJECT two SINCE 1-Feb-1994 NOT FROM "Smith"
            S: * ESEARCH (TAG "A282") MIN 2 COUNT 2
            S: A282 OK ...
            C: A284 SEARCH TEXT "string not in mailbox"
            S: * ESEARCH (TAG "A284")
            S: A284 OK ...
            C: A285 APPEND INBOX {=}
            """ + letter("отпуск") + """
            S: * 4 EXISTS
            S: A285 OK ...
            C: A286 SEARCH CHARSET UTF-8 TEXT "ОТПУСК"
            S: * ESEARCH (TAG "A286") ALL 4
            S: A286 OK ...
            C: A285 UID SEARCH RETURN (MIN MAX) 1:5000
            S: * ESEARCH (TAG "A285") UID MIN 1 MAX 4
            S: A285 OK ...
            C: A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])
            S: * 2 FETCH (FLAGS (\\Seen) BODY[HEADER.FIELDS (DATE FROM)] {2}
            S: ...
            S: A654 OK ...
            C: A005 CREATE "cafe\u0301"
            S: * LIST (...) "." "caf\u00e9" ("OLDNAME" ("cafe\u0301"))
            S: A005 OK ...
            C: o355 CREATE that
            S: o355 OK ...
            C: o356 RENAME Drafts that
            S: o356 NO [ALREADYEXISTS] ...
            C: l create "..."
            S: l NO [CANNOT] ...
            C: A003 UID EXPUNGE 3000:3002
            S: A003 OK ...
        """)


def test_capabilities_in_each_state():
    """Each list is what can be had then: before STARTTLS, behind it, after
    LOGIN in its answer and by command, and in a connection that is compressed
    (RFC 3501 6.1.1, 6.2.1, 7.2.1)."""
    def words(line):
        return line.decode().split("CAPABILITY ")[1].split("]")[0].split()

    def ask(send, readline):
        send(b"c CAPABILITY\r\n")
        line = readline()
        check(readline().startswith(b"c OK"))
        return words(line)

    early = ["IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ID"]
    with FullInstance() as mta:
        mta.start()
        client = mta.imap(mta.ports["imap"])
        before = ask(client.send, client.readline)
        equal(words(client.welcome + b"\r\n"), before)
        equal(before[:6], early + ["STARTTLS"])
        check(all(word.startswith("AUTH=") for word in before[6:]), before)
        for command in ("ENABLE CONDSTORE", "NAMESPACE", "IDLE",
                        "COMPRESS DEFLATE", "SELECT INBOX"):
            client.send(b"x " + command.encode() + b"\r\n")
            check(client.readline().startswith(b"x BAD"), command)
        client.starttls(ssl_context=untrusting())
        behind = ask(client.send, client.readline)
        equal(behind[:5], early)
        check("STARTTLS" not in behind and "AUTH=PLAIN" in behind, behind)
        client.send(b"l LOGIN alice@example.org {%d+}\r\n%s\r\n" % (
            len(PASSWORD), PASSWORD.encode()))
        after = words(client.readline())
        equal(ask(client.send, client.readline), after)
        check(not {"STARTTLS", "LOGINDISABLED", "LITERAL-"} & set(after) and
              not any(word.startswith("AUTH=") for word in after), after)
        client.send(b"z COMPRESS DEFLATE\r\n")
        check(client.readline().startswith(b"z OK"))
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        inflate = zlib.decompressobj(-15)
        client.send(deflate.compress(b"c CAPABILITY\r\n") +
                    deflate.flush(zlib.Z_SYNC_FLUSH))
        text = b""
        while b"c OK" not in text:
            text += inflate.decompress(client.sock.recv(65536))
        equal(words(text.split(b"\r\n")[0]), after)
        client.shutdown()


def test_rfc4978_commands_in_a_row():
    """What follows COMPRESS is compressed, however many commands; what was sent
    in the clear behind it is refused."""
    with Mail() as mail:
        sock = mail.raw()[0]
        sock.settimeout(PATIENCE)
        stream = sock.makefile("rwb")
        stream.readline()
        play(stream, """
            C: a CAPABILITY
            S: * CAPABILITY ... COMPRESS=DEFLATE ...
            S: a OK ...
        """)
        stream.write(b"b COMPRESS DEFLATE\r\nc NOOP\r\n")
        stream.flush()
        play(stream, """
            S: b BAD ...
            S: c OK ...
            C: d COMPRESS DEFLATE
            S: d OK ...
        """)
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        inflate = zlib.decompressobj(-15)
        sock.sendall(deflate.compress(b"e CAPABILITY\r\nf SELECT INBOX\r\n"
                                      b"g SEARCH ALL\r\nh LOGOUT\r\n")
                     + deflate.flush(zlib.Z_SYNC_FLUSH))
        text = b""
        while not re.search(rb"(?m)^h OK", text):
            octets = sock.recv(65536)
            check(octets, text)
            text += inflate.decompress(octets)
        equal(re.findall(rb"(?m)^([e-h]) OK", text), [b"e", b"f", b"g", b"h"])
        stream.close()
        sock.close()


def test_rfc2342_namespace():
    """RFC 9051 6.3.10, which took it over: examples 1 and 5. The others are of
    namespaces of other users, of all, and of a second store."""
    with Mail("mailbox_layout = fs\nimap_namespace_separator = /\n") as mail:
        talk(mail, r"""
            C: A001 NAMESPACE
            S: * NAMESPACE (("" "/")) NIL NIL
            S: A001 OK ...
            C: A002 NAMESPACE ""
            S: A002 BAD ...
        """)
    with Mail("imap_namespace_prefix = INBOX.\n") as mail:
        talk(mail, r"""
            C: A001 NAMESPACE
            S: * NAMESPACE (("INBOX." ".")) NIL NIL
            S: A001 OK ...
            C: A002 CREATE "INBOX.Sent Mail"
            S: A002 OK ...
            C: A003 LIST "" "INBOX.%"
            S: * LIST (\HasNoChildren) "." "INBOX.Sent Mail"
            S: A003 OK ...
            C: A004 CREATE "Sent Mail"
            S: A004 NO [CANNOT] ...
            C: A005 APPEND "INBOX.Sent Mail" {=}
            L: Subject: sent
            L:
            S: A005 OK [APPENDUID ...
        """)


if __name__ == "__main__":
    main(globals())
