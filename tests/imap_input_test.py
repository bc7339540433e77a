#!/usr/bin/python3
"""imapd: what is unusual and allowed; and what must not be taken for something
else."""
import base64

from imap import Mail, play, talk
from imap_rfc_test import fill, letter
from instance import PATIENCE, check, equal, main


class Raw:
    """A connection that sends octets as they are."""

    def __init__(self, mail):
        sock = mail.raw()[0]
        sock.settimeout(PATIENCE)
        self.stream = sock.makefile("rwb")
        sock.close()
        self.stream.readline()

    def ask(self, octets, tag=b"a"):
        """All that is said until the answer."""
        self.stream.write(tag + b" " + octets + b"\r\n")
        self.stream.flush()
        said = b""
        while True:
            line = self.stream.readline()
            check(line, "the end after %r" % said)
            said += line
            if line.startswith(tag + b" "):
                return said

    def found(self, octets):
        """The numbers that a search finds."""
        said = self.ask(octets)
        check(b"\r\na OK" in said, said)
        return [int(n) for n in said.split(b"\r\n")[0].split()[2:]]


def test_no_literal_becomes_a_command():
    """All messages of an APPEND that is refused are read, RFC 7888 4."""
    with Mail() as mail:
        talk(mail, r"""
            C: a APPEND none {=}
            L: one
            +:  {=}
            L: x CREATE smuggled
            +:  {=}
            L: x LOGOUT
            S: a NO [TRYCREATE] ...
            C: b APPEND INBOX {=}
            L: one
            +:  (\Bad) {=}
            L: two
            +:  {=}
            L: x CREATE smuggled
            S: b BAD ...
            C: c APPEND INBOX UTF8 (~{=}
            L: one
            +:  {=}
            L: x CREATE smuggled
            S: c BAD ...
            C: e NOOP
            S: e OK ...
            C: f LIST "" *
            S: * LIST (...) "." INBOX
            S: f OK ...
            C: g STATUS INBOX (MESSAGES)
            S: * STATUS INBOX (MESSAGES 0)
            S: g OK ...
        """)


def test_lines_that_are_too_long():
    """The next line is a command; what such a line announces is none."""
    with Mail() as mail:
        sock = mail.raw()[0]
        sock.settimeout(PATIENCE)
        stream = sock.makefile("rwb")
        stream.readline()
        many = "1," * 40000 + "1"
        play(stream, """
            C: a SEARCH SUBJECT "%s"
            S: * BAD ...
            C: b COPY %s {14}
            S: * BAD ...
            C: c NOOP
            S: c OK ...
            C: d COPY %s {14+}
            S: * BYE ...
        """ % (many, many, many))
        equal(stream.read(), b"")
        stream.close()
        sock.close()


def test_literals_everywhere():
    with Mail() as mail:
        fill(mail, letter("one", "To: a"), letter("two"))
        raw = Raw(mail)
        for command, wanted in (
                (b"CREATE {3+}\r\nbox", b"a OK"),
                (b"SUBSCRIBE {3+}\r\nbox", b"a OK"),
                (b"LIST {0+}\r\n {1+}\r\n*", b") \".\" box\r\n"),
                (b"LIST \"\" ({5+}\r\nINBOX {3+}\r\nb%x) RETURN (CHILDREN)",
                 b"INBOX\r\n* LIST (\\HasNoChildren) \".\" box\r\na OK"),
                (b"LSUB {0+}\r\n {3+}\r\nbox", b") \".\" box\r\n"),
                (b"STATUS {3+}\r\nbox (MESSAGES)", b"STATUS box (MESSAGES 0)"),
                (b"RENAME {3+}\r\nbox {4+}\r\nbox2", b"a OK"),
                (b"SELECT {5+}\r\ninbox (CONDSTORE)", b"a OK [READ-WRITE]"),
                (b"SEARCH CHARSET {5+}\r\nUTF-8 HEADER {2+}\r\nto {0+}\r\n",
                 b"* SEARCH 1\r\n"),
                (b"SORT (SUBJECT) {5+}\r\nUTF-8 SUBJECT {1+}\r\no",
                 b"* SORT 1 2\r\n"),
                (b"THREAD REFS {8+}\r\nUS-ASCII FROM {0+}\r\n",
                 b"* THREAD\r\n"),
                # a response has the form of a server's literals, or none
                (b"FETCH 1 BODY.PEEK[HEADER.FIELDS ({7+}\r\nSubject \"to\")]",
                 b"* 1 FETCH (BODY[HEADER.FIELDS (Subject to)] {23}\r\n"),
                (b"FETCH 1 BODY.PEEK[HEADER.FIELDS ({3+}\r\na\"b)]",
                 b"* 1 FETCH (BODY[HEADER.FIELDS (\"a\\\"b\")] {2}\r\n"),
                (b"COPY 1 {4+}\r\nbox2", b"a OK [COPYUID"),
                (b"SETMETADATA {5+}\r\nINBOX ({16+}\r\n/private/comment "
                 b"~{3+}\r\na\0b)", b"a OK"),
                (b"GETMETADATA {5+}\r\nINBOX {16+}\r\n/private/comment",
                 b"(/private/comment ~{3}\r\na\0b)"),
                (b"ID ({4+}\r\nname {1+}\r\nx)", b"a OK"),
                (b"UNSUBSCRIBE {3+}\r\nbox", b"a OK"),
                (b"DELETE {4+}\r\nbox2", b"a OK")):
            said = raw.ask(command)
            check(wanted in said, "%r: %r" % (command, said))


def test_search_takes_what_the_grammar_allows():
    with Mail() as mail:
        fill(mail, *[letter(str(i)) for i in range(3)])
        talk(mail, r"""
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b SEARCH LARGER 0 SUBJECT ""
            S: * SEARCH 1 2 3
            S: b OK ...
            C: c SEARCH SMALLER 0
            S: * SEARCH
            S: c OK ...
            C: d SEARCH ((2 NOT 3) OR UID 3:* (ALL) *:1)
            S: * SEARCH 2
            S: d OK ...
            # RFC 3501 6.4.4: NO, also where nothing is said in it.
            C: e SEARCH CHARSET X-NONE ALL
            S: e NO [BADCHARSET ...
            C: f SORT (DATE) X-NONE ALL
            S: f NO [BADCHARSET ...
            C: g THREAD REFS X-NONE ALL
            S: g NO [BADCHARSET ...
            C: h SEARCH RETURN (SAVE) 1:2
            S: h OK ...
            C: i SEARCH RETURN (SAVE) CHARSET X-NONE ALL
            S: i NO ...
            C: j SEARCH $
            S: * SEARCH
            S: j OK ...
        """)


# As senders in these parts of the world encode.
CHARSETS = [
    ("iso-8859-2", "Příliš žluťoučký kůň", "ŽLUŤOUČKÝ"),
    ("windows-1250", "łódź", "Łódź"),
    ("koi8-r", "Добрый день", "добрый"),
    ("windows-1251", "Съешь ещё", "СЪЕШЬ"),
    ("iso-8859-7", "Καλημέρα κόσμε", "καλημέρα"),
    ("iso-2022-jp", "こんにちは世界", "世界"),
    ("shift_jis", "東京タワー", "東京"),
    ("euc-jp", "大阪城", "大阪"),
    ("gb2312", "你好吗", "你好"),
    ("gb18030", "中文邮件", "邮件"),
    ("big5", "繁體中文", "繁體"),
    ("euc-kr", "안녕하세요", "안녕"),
    ("utf-7", "Grüße", "GRÜSSE"),
    ("utf-16", "naïve", "naive"),
]


def test_charsets():
    """Subjects and texts of all usual charsets are found and sorted."""
    with Mail() as mail:
        raw = Raw(mail)
        for charset, text, _ in CHARSETS:
            octets = base64.b64encode(text.encode(charset))
            message = (b"Subject: =?%s?b?%s?=\r\nContent-Type: text/plain; "
                       b"charset=%s\r\nContent-Transfer-Encoding: base64"
                       b"\r\n\r\n%s\r\n" % (charset.encode(), octets,
                                            charset.encode(), octets))
            check(b"a OK" in raw.ask(b"APPEND INBOX {%d+}\r\n%s" % (
                len(message), message)))
        raw.ask(b"SELECT INBOX")
        for i, (charset, _, needle) in enumerate(CHARSETS):
            for key in (b"SUBJECT", b"BODY", b"TEXT"):
                # what is searched for has a charset of its own
                for said in ("utf-8", charset):
                    octets = needle.encode(said)
                    equal(raw.found(b"SEARCH CHARSET %s %s {%d+}\r\n%s" % (
                        said.encode(), key, len(octets), octets)), [i + 1])
        # In the order of their letters, not of the octets.
        order = sorted(range(len(CHARSETS)),
                       key=lambda i: CHARSETS[i][1].lower()[0])
        found = raw.found(b"SORT (SUBJECT) UTF-8 3,4,5,9")
        equal(found, [i + 1 for i in order if i + 1 in (3, 4, 5, 9)])


def test_rename_is_all_or_nothing():
    for layout in ("", ":LAYOUT=fs"):
        with Mail() as mail:
            mail.path += layout
            talk(mail, r"""
                C: a CREATE a
                S: a OK ...
                C: a CREATE a.x
                S: a OK ...
                C: a CREATE a.y
                S: a OK ...
                C: a CREATE b.y
                S: a OK ...
                C: b RENAME a b
                S: b NO [ALREADYEXISTS] ...
                C: c RENAME a a.z
                S: c NO ...
                C: d LIST "" *
                S: * LIST (...) "." INBOX
                S: * LIST (\HasChildren) "." a
                S: * LIST (\HasNoChildren) "." a.x
                S: * LIST (\HasNoChildren) "." a.y
                S: * LIST (\Noselect \HasChildren) "." b
                S: * LIST (\HasNoChildren) "." b.y
                S: d OK ...
            """)


def test_list_wildcards():
    with Mail() as mail:
        long = "x.y." + "xxy." * 8 + "xy" * 40 + "end"
        script = r"""
            C: a CREATE {long}
            S: a OK ...
            C: b LIST "" {stars}end
            S: * LIST (\HasNoChildren) "." {long}
            S: b OK ...
            C: c LIST "" {stars}enD
            S: c OK ...
            C: d LIST "x.%" "y%.%.%"
            S: * LIST (\Noselect \HasChildren) "." x.y.xxy.xxy
            S: d OK ...
            C: e LIST "" %*%x.%y
            S: * LIST (\Noselect \HasChildren) "." x.y
            S: ...
            S: e OK ...
            C: f LIST "" "%%.%%"
            S: * LIST (\Noselect \HasChildren) "." x.y
            S: f OK ...
            C: g LIST "" "%x%"
            S: * LIST (\Noselect \HasChildren) "." x
            S: g OK ...
        """
        talk(mail, script.replace("{long}", long).replace(
            "{stars}", "*%" * 10 + "*x*y*" * 20))


def test_one_inbox():
    """Below it, too, the case of its name does not matter."""
    with Mail() as mail:
        talk(mail, r"""
            C: a CREATE inbox.one
            S: a OK ...
            C: b LIST "" *
            S: * LIST (\HasChildren) "." INBOX
            S: * LIST (\HasNoChildren) "." INBOX.one
            S: b OK ...
            C: c STATUS iNbOx.one (MESSAGES)
            S: * STATUS INBOX.one (MESSAGES 0)
            S: c OK ...
            C: d RENAME INBOX.one Inbox.Two
            S: d OK ...
            C: e LIST "" Inbox.%
            S: * LIST (\HasNoChildren) "." INBOX.Two
            S: e OK ...
            C: f DELETE inbox.Two
            S: f OK ...
        """)


def test_keywords_are_limited():
    """RFC 5530 3, LIMIT; RFC 9051 7.1, PERMANENTFLAGS: \\* while more can be
    made. A message is kept all the same, 6.3.12."""
    words = " ".join("k%d" % i for i in range(63))
    with Mail() as mail:
        fill(mail, letter("one"))
        talk(mail, r"""
            C: z ENABLE IMAP4rev2
            S: ...
            S: z OK ...
            C: a SELECT INBOX
            S: ...
            S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] ...
            S: ...
            S: a OK ...
            C: b STORE 1 FLAGS.SILENT ({words})
            S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft {words})
            S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft {words} \*)] ...
            S: b OK ...
            C: c STORE 1 +FLAGS (\Seen one two)
            S: c NO [LIMIT] At most 64 keywords in one mailbox
            C: d FETCH 1 FLAGS
            S: * 1 FETCH (FLAGS ({words}))
            S: d OK ...
            C: e STORE 1 +FLAGS (one ONE \Seen)
            S: * 1 FETCH (FLAGS (\Seen {words} one))
            S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft {words} one)
            S: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft {words} one)] ...
            S: e OK ...
            C: f STORE 1 FLAGS (two)
            S: f NO [LIMIT] ...
            C: g STORE 1 -FLAGS.SILENT ({words} two)
            S: g OK ...
            C: h APPEND INBOX (two one) {=}
            L: Subject: two
            L:
            S: * 2 EXISTS
            S: h OK [APPENDUID ...
            C: i FETCH 1:2 FLAGS
            S: * 1 FETCH (FLAGS (\Seen one))
            S: * 2 FETCH (FLAGS (one))
            S: i OK ...
            """.replace("{words}", words))


if __name__ == "__main__":
    main(globals())
