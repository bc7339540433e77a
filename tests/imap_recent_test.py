#!/usr/bin/python3
"""imapd: the examples of RFC 9585 (INPROGRESS), 9586 (UIDONLY), 9590
(LIST-METADATA), 9738 (MESSAGELIMIT) and 10022 (UIDBATCHES), with the numbers
that they have, and what else these texts ask of a server. RECENT, what stands
in parentheses of LIST, the order of items and words for people may differ."""
import os

from imap import Mail, play, talk
from instance import PATIENCE, main


def give(mail, uids, flags=None, folder="", validity=3857529045):
    """A mailbox of messages that have these uids already; flags: of some."""
    path = mail.path + folder
    for name in ("", "/cur", "/new", "/tmp"):
        os.makedirs(path + name, exist_ok=True)
    lines = []
    for i, uid in enumerate(uids):
        key = "%d.M1.host" % (1000000 + uid)
        name = "%s/cur/%s:2,%s" % (path, key, (flags or {}).get(uid, ""))
        if i == 0:
            with open(name, "w") as f:
                f.write("Subject: m\n\ntext\n")
            first = name
        else:
            os.link(first, name)
        lines.append("%d :%s\n" % (uid, key))
    with open(path + "/dovecot-uidlist", "w") as f:
        f.write("3 V%d N%d G00112233445566778899aabbccddeeff\n%s" % (
            validity, (uids[-1] if uids else 0) + 1, "".join(lines)))


def between(*anchors):
    """UIDs of messages 1 to the last: of (message, uid), evenly between."""
    uids = []
    for (seq, uid), (next_seq, next_uid) in zip(anchors, anchors[1:]):
        for n in range(seq, next_seq):
            uids.append(uid + (next_uid - uid) * (n - seq) //
                        (next_seq - seq))
    return uids + [anchors[-1][1]]


class Limit:
    """At most so many messages in one command."""

    def __init__(self, most):
        self.most = most

    def __enter__(self):
        os.environ["POSTHORN_MESSAGE_LIMIT"] = str(self.most)

    def __exit__(self, *ignored):
        del os.environ["POSTHORN_MESSAGE_LIMIT"]


# ---- RFC 9585 ----

def search_slowly(tag, *told):
    """SEARCH of text that was not taken up yet, news of it without a wait."""
    os.environ["POSTHORN_PROGRESS_S"] = "0"
    try:
        with Mail() as mail:
            give(mail, list(range(1, 1001)))
            with open(mail.path + "/cur/2000000.M:2,", "w") as f:
                f.write("Subject: n\n\nthis will be slow\n")
            sock = mail.raw(said=b'a SELECT INBOX\r\n%s search text '
                            b'"this will be slow"\r\n' % tag.encode())[0]
            sock.settimeout(PATIENCE)
            stream = sock.makefile("rwb")
            stream.readline()
            words = play(stream, "\n".join((
                "S: ...", "S: a OK ...", "S: ...") + told + (
                "S: ...", "S: * SEARCH 1001", "S: %s OK ..." % tag)))
            assert int(words["done"]) < 1001
            stream.close()
            sock.close()
    finally:
        del os.environ["POSTHORN_PROGRESS_S"]


def test_rfc9585_search():
    search_slowly("A001", 'S: * OK [INPROGRESS ("A001" $done 1001)] ...')


def test_rfc9585_tag_with_bracket():
    """4: it would end the response code."""
    search_slowly("A]1", "S: * OK [INPROGRESS (NIL $done 1001)] ...")


# ---- RFC 9586 ----

def test_rfc9586_examples():
    with Mail() as mail:
        give(mail, [405, 407, 410, 425, 597, 25900, 25902, 25996, 25997,
                    26310, 26311, 26498, 26600],
             {405: "T", 407: "T", 410: "T", 425: "T", 25900: "S",
              25902: "F", 25996: "S", 25997: "FR", 26310: "R", 26498: "R"})
        talk(mail, r"""
            C: 00 CAPABILITY
            S: * CAPABILITY ... ENABLE ... CONDSTORE QRESYNC ... UIDONLY ...
            S: 00 OK ...
            C: 01 ENABLE UIDONLY
            S: * ENABLED UIDONLY
            S: 01 OK ...
            C: 02 SELECT INBOX
            S: * FLAGS ...
            S: * OK [PERMANENTFLAGS ...
            S: * 13 EXISTS
            S: * 0 RECENT
            S: * OK [UIDVALIDITY 3857529045] ...
            S: * OK [UIDNEXT $next] ...
            S: * OK [HIGHESTMODSEQ $m] ...
            S: * OK [MAILBOXID ($id)] ...
            S: 02 OK ...
            C: 07 FETCH 10000:14589 (UID FLAGS)
            S: 07 BAD [UIDREQUIRED] ...
            C: 10 UID FETCH 25900:26600 (FLAGS)
            S: * 25900 UIDFETCH (FLAGS (\Seen))
            S: * 25902 UIDFETCH (FLAGS (\Flagged))
            S: * 25996 UIDFETCH (FLAGS (\Seen))
            S: * 25997 UIDFETCH (FLAGS (\Answered \Flagged))
            S: ...
            S: * 26600 UIDFETCH (FLAGS ())
            S: 10 OK ...
            C: 11 UID FETCH 25900:26600 (UID FLAGS)
            S: * 25900 UIDFETCH (UID 25900 FLAGS (\Seen))
            S: * 25902 UIDFETCH (UID 25902 FLAGS (\Flagged))
            S: ...
            S: * 26310 UIDFETCH (UID 26310 FLAGS (\Answered))
            S: * 26311 UIDFETCH (UID 26311 FLAGS ())
            S: * 26498 UIDFETCH (UID 26498 FLAGS (\Answered))
            S: ...
            S: 11 OK ...
            C: 12 EXPUNGE
            S: * VANISHED 405,407,410,425
            S: 12 OK ...
            C: 14 CREATE Archives.2023.2023-05
            S: 14 OK ...
            C: 15 UID move 597 "Archives.2023.2023-05"
            S: * OK [COPYUID $v 597 1] ...
            S: * VANISHED 597
            S: 15 OK ...
        """)


def test_rfc9586_no_sequence_numbers():
    """3, 3.2, 3.5, 3.7, 3.8: in commands; and none in responses."""
    with Mail() as mail:
        give(mail, [7, 9, 11])
        talk(mail, r"""
            C: 01 ENABLE UIDONLY QRESYNC
            S: * ENABLED ...
            S: 01 OK ...
            C: 02 SELECT INBOX
            S: ...
            S: * OK [UIDVALIDITY $v] ...
            S: ...
            S: * OK [HIGHESTMODSEQ $m] ...
            S: ...
            S: 02 OK ...
            C: 03 STORE * +FLAGS (\Seen)
            S: 03 BAD [UIDREQUIRED] ...
            C: 04 SEARCH UID 7
            S: 04 BAD [UIDREQUIRED] ...
            C: 05 COPY 1 INBOX
            S: 05 BAD [UIDREQUIRED] ...
            C: 06 MOVE 1 INBOX
            S: 06 BAD [UIDREQUIRED] ...
            C: 07 SORT (ARRIVAL) UTF-8 ALL
            S: 07 BAD [UIDREQUIRED] ...
            C: 08 THREAD REFERENCES UTF-8 ALL
            S: 08 BAD [UIDREQUIRED] ...
            C: 09 UID SORT (ARRIVAL) UTF-8 1:3
            S: 09 BAD [UIDREQUIRED] ...
            C: 10 UID SORT (SUBJECT) UTF-8 UID 7:9
            S: * SORT 7 9
            S: 10 OK ...
            C: 11 UID THREAD REFERENCES UTF-8 UID 7
            S: * THREAD (7)
            S: 11 OK ...
            C: 12 UID SEARCH NOT 1
            S: 12 BAD [UIDREQUIRED] ...
            C: 13 UID SEARCH RETURN (MIN MAX COUNT) ALL
            S: * ESEARCH (TAG "13") UID MIN 7 MAX 11 COUNT 3...
            S: 13 OK ...
            C: 14 UID STORE 9 (UNCHANGEDSINCE 1) +FLAGS (\Flagged)
            S: * 9 UIDFETCH (...MODSEQ ($n)...)
            S: 14 OK [MODIFIED 9] ...
            C: 15 SELECT INBOX (QRESYNC ($v $m 7:11 (1 7)))
            S: 15 BAD [UIDREQUIRED] ...
        """)


# ---- RFC 9590 ----

def test_rfc9590_examples():
    color = "/shared/vendor/cmu/cyrus-imapd/color"
    with Mail() as mail:
        talk(mail, r"""
            C: A00 CAPABILITY
            S: * CAPABILITY ... LIST-EXTENDED ... LIST-METADATA ... METADATA ...
            S: A00 OK ...
            C: s1 CREATE foo
            S: s1 OK ...
            C: s2 CREATE bar.below
            S: s2 OK ...
            C: s3 SETMETADATA INBOX (COLOR "#b71c1c")
            S: s3 OK ...
            C: A01 LIST "" % RETURN (METADATA ("COLOR"))
            S: * LIST (...) "." INBOX
            S: * METADATA INBOX (COLOR "#b71c1c")
            S: * LIST (\NonExistent ...) "." bar
            S: * LIST (...) "." foo
            S: * METADATA foo (COLOR NIL)
            S: A01 OK ...
            C: s4 SUBSCRIBE INBOX
            S: s4 OK ...
            C: s5 CREATE foo.below
            S: s5 OK ...
            C: s6 SUBSCRIBE foo.below
            S: s6 OK ...
            C: A02 LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (METADATA ("COLOR"))
            S: * LIST (...\Subscribed) "." INBOX
            S: * METADATA INBOX (COLOR "#b71c1c")
            S: * LIST (...) "." foo ("CHILDINFO" ("SUBSCRIBED"))
            S: A02 OK ...
            C: A03 LIST "" INBOX RETURN (METADATA (COLOR /private/comment))
            S: * LIST (...) "." INBOX
            S: * METADATA INBOX (COLOR "#b71c1c" /private/comment NIL)
            S: A03 OK ...
        """.replace("COLOR", color))


# ---- RFC 9738 ----

# As far as the examples agree with each other: that of STORE has 1,000 messages
# in 423 UIDs.
LARGE = between((1, 1), (3299, 10990), (3300, 11600), (3307, 11627),
                (4306, 12626), (10336, 18700), (10337, 18701),
                (11335, 19998), (11336, 20000), (11337, 20001),
                (12336, 21000), (12337, 21001), (13589, 23220),
                (13590, 23221), (14588, 24998), (14589, 25000))


def test_rfc9738_examples():
    """The last 1,000 are worked on; responses come in order of the messages."""
    deleted = {LARGE[seq - 1]: "T" for seq in range(3300, 4307)}
    with Limit(1000), Mail() as mail:
        give(mail, LARGE, deleted)
        talk(mail, r"""
            C: 00 CAPABILITY
            S: * CAPABILITY ... MESSAGELIMIT=1000
            S: 00 OK ...
            C: 01 SELECT INBOX
            S: ...
            S: * 14589 EXISTS
            S: ...
            S: 01 OK ...
            C: 03 FETCH 10000:14589 (UID FLAGS)
            S: * 13590 FETCH (UID 23221 FLAGS ())
            S: ...
            S: * 14588 FETCH (UID 24998 FLAGS ())
            S: * 14589 FETCH (UID 25000 FLAGS ())
            S: 03 OK [MESSAGELIMIT 1000 23221] ...
            C: 04 UID SEARCH UID 22000:25000 UNDELETED
            S: * SEARCH 23221 ... 24998 25000
            S: 04 OK [MESSAGELIMIT 1000 23221] ...
            C: 05 UID COPY 18000:21000 "Trash"
            S: 05 NO [MESSAGELIMIT 1000 20001] ...
            C: 06a CREATE Archive.2021.2021-12
            S: 06a OK ...
            C: 10 UID FETCH 22000:25000 (UID FLAGS MODSEQ) (PARTIAL -1:-1500)
            S: 10 NO [MESSAGELIMIT 1000] ...
            C: 10a UID FETCH 22000:25000 (UID FLAGS) (PARTIAL -1:-2)
            S: * 14588 FETCH (UID 24998 FLAGS ())
            S: * 14589 FETCH (UID 25000 FLAGS ())
            S: 10a OK Fetch completed
            C: 10b UID FETCH 22000:25000 (UID FLAGS MODSEQ)
            S: ...
            S: * 13590 FETCH (UID 23221 FLAGS () MODSEQ ($m))
            S: ...
            S: 10b OK [MESSAGELIMIT 1000 23221] ...
            C: 12 UID SEARCH UIDAFTER 24997 UNDELETED
            S: * SEARCH 24998 25000
            S: 12 OK Search completed
            C: 12b UID SEARCH UIDBEFORE 1
            S: * SEARCH
            S: 12b OK Search completed
            C: 12c UID SEARCH UIDAFTER 25000
            S: * SEARCH
            S: 12c OK Search completed
            C: D0004 UID SEARCH RETURN (SAVE) SINCE 1-Jan-2004 NOT FROM "Smith" UID 22000:25000 UNDELETED
            S: D0004 OK [MESSAGELIMIT 1000 23221] ...
            C: D0005 UID SEARCH RETURN (COUNT MIN) $
            S: * ESEARCH (TAG "D0005") UID MIN 23221 COUNT 1000
            S: D0005 OK ...
            C: 07 UID STORE 18000:20000 +FLAGS (\Seen)
            S: * 10337 FETCH (...FLAGS (\Seen)...)
            S: ...
            S: * 11335 FETCH (UID 19998 ...
            S: * 11336 FETCH (UID 20000 ...
            S: 07 OK [MESSAGELIMIT 1000 18701] ...
            C: 08 UID EXPUNGE 11000:13000
            S: * 3307 EXPUNGE
            S: ...
            S: 08 OK [MESSAGELIMIT 1000 11627] ...
            C: 08b UID EXPUNGE 11000:13000
            S: * 3300 EXPUNGE
            S: ...
            S: 08b OK Expunge completed
        """)


def test_rfc9738_move():
    with Limit(1000), Mail() as mail:
        give(mail, LARGE)
        talk(mail, r"""
            C: 01 CREATE Archive.2021.2021-12
            S: 01 OK ...
            C: 02 SELECT INBOX
            S: ...
            S: 02 OK ...
            C: 06 UID MOVE 18000:21000 "Archive.2021.2021-12"
            S: * OK [COPYUID $v 20001:21000 1:1000] ...
            S: * 11337 EXPUNGE
            S: ...
            S: 06 OK [MESSAGELIMIT 1000 20001] ...
            C: 07 UID MOVE 20000:21000 "Archive.2021.2021-12"
            S: * OK [COPYUID $v 20000 1001] ...
            S: * 11336 EXPUNGE
            S: 07 OK Move completed
        """)


def test_rfc9738_expunge_has_no_limit():
    """3.1: EXPUNGE, CLOSE and STATUS UNSEEN work on all messages."""
    uids = list(range(1, 31))
    with Limit(10), Mail() as mail:
        give(mail, uids, {uid: "T" for uid in uids if uid != 7})
        give(mail, uids, {uid: "T" for uid in uids}, "/.two")
        talk(mail, r"""
            C: 01 SELECT INBOX
            S: ...
            S: 01 OK ...
            C: 02 STATUS two (MESSAGES UNSEEN)
            S: * STATUS two (MESSAGES 30 UNSEEN 30)
            S: 02 OK Status completed
            C: 09 EXPUNGE
            S: ...
            S: 09 OK Expunge completed
            C: 10 UID SEARCH ALL
            S: * SEARCH 7
            S: 10 OK Search completed
            C: 11 SELECT two
            S: ...
            S: 11 OK ...
            C: 12 CLOSE
            S: 12 OK ...
            C: 13 STATUS two (MESSAGES)
            S: * STATUS two (MESSAGES 0)
            S: 13 OK ...
        """)


def test_rfc9738_beside_expungeissued():
    """3.1: both response codes at once."""
    with Limit(10), Mail() as mail:
        give(mail, list(range(1, 31)))
        socks = mail.raw(2)
        one, two = [sock.makefile("rwb") for sock in socks]
        for sock, stream in zip(socks, (one, two)):
            sock.settimeout(PATIENCE)
            stream.readline()
            play(stream, "C: a SELECT INBOX\nS: ...\nS: a OK ...")
        play(two, "C: b UID STORE 25 +FLAGS.SILENT (\\Deleted)\nS: b OK ...\n"
                  "C: c EXPUNGE\nS: ...\nS: c OK ...")
        play(one, """
            C: 11 FETCH 2:30 (UID)
            S: * 21 FETCH (UID 21)
            S: ...
            S: * NO [MESSAGELIMIT 10 21] ...
            S: 11 OK [EXPUNGEISSUED] ...
        """)
        for thing in [one, two] + socks:
            thing.close()


def test_rfc9738_multiappend():
    """3.1: all of them or none."""
    with Limit(2), Mail() as mail:
        talk(mail, r"""
            C: a APPEND INBOX {=}
            L: one
            +:  {=}
            L: two
            +:  {=}
            L: three
            S: a NO [MESSAGELIMIT 2] ...
            C: b STATUS INBOX (MESSAGES)
            S: * STATUS INBOX (MESSAGES 0)
            S: b OK ...
        """)


# ---- RFC 10022 ----

def test_rfc10022_example():
    """3.1.1; the first and the last message of each batch are those of it."""
    with Mail() as mail:
        give(mail, between((1, 1), (823, 7829), (824, 7830), (2823, 20350),
                           (2824, 20351), (4823, 99695), (4824, 99696),
                           (6823, 215295)))
        talk(mail, r"""
            C: A142 SELECT INBOX
            S: ...
            S: * 6823 EXISTS
            S: ...
            S: * OK [UIDVALIDITY 3857529045] ...
            S: ...
            S: A142 OK [READ-WRITE] ...
            C: s UID SEARCH RETURN (SAVE) UID 1
            S: s OK ...
            C: A143 UIDBATCHES 2000
            S: * UIDBATCHES (TAG "A143") 215295:99696,99695:20351,20350:7830,7829:1
            S: A143 OK ...
            C: A144 UID SEARCH RETURN (COUNT) UID 215295:99696
            S: * ESEARCH (TAG "A144") UID COUNT 2000
            S: A144 OK ...
            C: A145 UID SEARCH RETURN (COUNT) UID 7829:1
            S: * ESEARCH (TAG "A145") UID COUNT 823
            S: A145 OK ...
            # 3.4: the result of a search stays what it was.
            C: A146 UID SEARCH RETURN (COUNT MIN) $
            S: * ESEARCH (TAG "A146") UID MIN 1 COUNT 1
            S: A146 OK ...
        """)


def test_rfc10022_ranges():
    """3.1.2 to 3.1.6, with 7,000 messages; 3.3: also in UIDONLY."""
    with Mail() as mail:
        give(mail, list(range(1, 7001)))
        talk(mail, r"""
            C: A300 ENABLE UIDONLY
            S: * ENABLED UIDONLY
            S: A300 OK ...
            C: A301 SELECT INBOX
            S: ...
            S: A301 OK ...
            C: A302 UIDBATCHES 2000 1:5
            S: * UIDBATCHES (TAG "A302") 7000:5001,5000:3001,3000:1001,1000:1
            S: A302 OK ...
            C: A303 UIDBATCHES 2000 4:1
            S: A303 BAD [CLIENTBUG] ...
            C: A304 uidbatches 2000 1:100
            S: A304 NO [TOOMANY] ...
            C: A305 UIDBATCHES 2000 6:8
            S: * UIDBATCHES (TAG "A305")
            S: A305 OK ...
            C: A306 UIDBATCHES 499
            S: A306 NO [TOOFEW] ...
            C: A307 UIDBATCHES 500 10:20
            S: * UIDBATCHES (TAG "A307") 2500:2001,2000:1501,1500:1001,1000:501,500:1
            S: A307 OK ...
            C: A308 UIDBATCHES 7000
            S: * UIDBATCHES (TAG "A308") 7000:1
            S: A308 OK ...
            C: A309 UIDBATCHES 2000 1
            S: A309 BAD ...
            C: A310 UIDBATCHES 2000 1:*
            S: A310 BAD ...
            C: A311 CREATE empty
            S: A311 OK ...
            C: A312 SELECT empty
            S: ...
            S: A312 OK ...
            C: A313 UIDBATCHES 2000
            S: * UIDBATCHES (TAG "A313")
            S: A313 OK ...
        """)


def test_rfc10022_limit_of_messages():
    """3.1.3.3.1: one range for all, also where MESSAGELIMIT is less."""
    with Limit(500), Mail() as mail:
        give(mail, list(range(1, 701)))
        talk(mail, r"""
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b UIDBATCHES 700
            S: * UIDBATCHES (TAG "b") 700:1
            S: b OK ...
        """)


def test_rfc10022_again():
    """3.1.1: the same again only when half a batch has come or gone, or of
    another mailbox."""
    with Mail() as mail:
        give(mail, list(range(1, 1001)))
        give(mail, list(range(1, 11)), {}, "/.two")
        talk(mail, r"""
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b UIDBATCHES 500
            S: * UIDBATCHES (TAG "b") 1000:501,500:1
            S: b OK ...
            C: c UIDBATCHES 500
            S: c NO [LIMIT] ...
            C: d UID STORE 1:250 +FLAGS.SILENT (\Deleted)
            S: d OK ...
            C: e EXPUNGE
            S: ...
            S: e OK ...
            C: f UIDBATCHES 500
            S: f NO [LIMIT] ...
            C: g UID STORE 251 +FLAGS.SILENT (\Deleted)
            S: g OK ...
            C: h EXPUNGE
            S: ...
            S: h OK ...
            C: i UIDBATCHES 500
            S: * UIDBATCHES (TAG "i") 1000:501,500:1
            S: i OK ...
            C: j COPY 1:250 INBOX
            S: ...
            S: j OK ...
            C: k UIDBATCHES 500
            S: k NO [LIMIT] ...
            C: l COPY 1 INBOX
            S: ...
            S: l OK ...
            C: m UIDBATCHES 500
            S: * UIDBATCHES (TAG "m") ...
            S: m OK ...
            C: n SELECT two
            S: ...
            S: n OK ...
            C: o UIDBATCHES 500
            S: * UIDBATCHES (TAG "o") 10:1
            S: o OK ...
            C: p SELECT INBOX
            S: ...
            S: p OK ...
            C: q UIDBATCHES 500
            S: * UIDBATCHES (TAG "q") ...
            S: q OK ...
        """)


if __name__ == "__main__":
    main(globals())
