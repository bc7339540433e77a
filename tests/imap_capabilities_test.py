#!/usr/bin/python3
"""Each capability that imapd announces has a test that tells the examples of
its standard again; those of the smaller ones are here."""
import os
import re

from imap import Mail, play, talk
from imap_rfc_test import fill, letter
from instance import PATIENCE, check, equal, main

# The file in tests/ and its function; None: another stands for it.
TESTS = {
    "IMAP4rev1": "imap_rfc_test rfc3501_select_and_messages",
    "IMAP4rev2": "imap_examples_test rfc9051_examples",
    "LITERAL+": "imap_examples_test rfc7888_rfc4959_before_login",
    "SASL-IR": "imap_examples_test rfc7888_rfc4959_before_login",
    "ID": "imap_capabilities_test rfc2971_id",
    "ENABLE": "imap_capabilities_test rfc5161_enable",
    "IDLE": "imap_capabilities_test rfc2177_idle",
    "NAMESPACE": "imap_names_test every_command_speaks_in_the_namespace",
    "UIDPLUS": "imap_capabilities_test rfc4315_uidplus",
    "UNSELECT": "imap_capabilities_test rfc3691_unselect",
    "CHILDREN": "imap_capabilities_test rfc3348_children",
    "WITHIN": "imap_capabilities_test rfc5032_within",
    "MOVE": "imap_capabilities_test rfc6851_move",
    "SORT=DISPLAY": "imap_capabilities_test rfc5957_display",
    "I18NLEVEL=1": "imap_capabilities_test rfc5255_unicode_casemap",
    "INPROGRESS": "imap_capabilities_test rfc9585_inprogress",
    "SORT": "imap_examples_test rfc5256_sort_and_thread",
    "ESORT": "imap_examples_test rfc5267_esort",
    "THREAD=ORDEREDSUBJECT": "imap_examples_test rfc5256_sort_and_thread",
    "THREAD=REFERENCES": "imap_examples_test rfc5256_sort_and_thread",
    "THREAD=REFS": "imap_rfc_test rfc5256_sort_and_thread",
    "MULTIAPPEND": "imap_examples_test rfc3502_multiappend",
    "LIST-EXTENDED": "imap_rfc_test rfc5258_list_extended",
    "LIST-STATUS": "imap_examples_test rfc5819_list_status",
    "SPECIAL-USE": "imap_rfc_test rfc6154_special_use",
    "CREATE-SPECIAL-USE": "imap_rfc_test rfc6154_special_use",
    "CONDSTORE": "imap_examples_test rfc7162_condstore",
    "QRESYNC": "imap_rfc_test rfc7162_qresync",
    "ESEARCH": "imap_rfc_test rfc4731_esearch",
    "SEARCHRES": "imap_examples_test rfc5182_searchres",
    "BINARY": "imap_rfc_test rfc3516_binary",
    "PREVIEW": "imap_rfc_test rfc8970_preview_and_rfc8474_ids",
    "OBJECTID": "imap_examples_test rfc8474_ids",
    "STATUS=SIZE": "imap_batches_test rfc7889_rfc8438_rfc8514_rfc9590",
    "SAVEDATE": "imap_batches_test rfc7889_rfc8438_rfc8514_rfc9590",
    "APPENDLIMIT": "imap_batches_test rfc7889_rfc8438_rfc8514_rfc9590",
    "LIST-METADATA": "imap_batches_test rfc7889_rfc8438_rfc8514_rfc9590",
    "NOTIFY": "imap_notify_test rfc5465_example",
    "COMPRESS=DEFLATE": "imap_rfc_test rfc4978_compress",
    "METADATA": "imap_rfc_test rfc5464_metadata",
    "UTF8=ACCEPT": "imap_rfc_test rfc6855_utf8",
    "REPLACE": "imap_rfc_test rfc8508_replace",
    "PARTIAL": "imap_rfc_test rfc9394_partial",
    "UIDONLY": "imap_batches_test rfc9586_uidonly",
    "SEARCH=FUZZY": "imap_batches_test rfc6203_fuzzy",
    "MESSAGELIMIT": "imap_batches_test rfc9738_messagelimit",
    "UIDBATCHES": "imap_batches_test rfc10022_uidbatches",
}


def test_each_capability_has_its_test():
    with Mail() as mail:
        stream = mail.raw()[0].makefile("rwb")
        greeting = stream.readline().decode()
        words = play(stream, "C: a CAPABILITY\nS: * CAPABILITY ...\n"
                             "S: a OK ...\nC: b CAPABILITY")
        equal(words, {})
        line = stream.readline().decode().split()
    equal(line[:2], ["*", "CAPABILITY"])
    named = re.search(r"\[CAPABILITY ([^]]*)\]", greeting).group(1).split()
    equal(named, line[2:])
    # What stands behind "=" is a value where the name alone says what it is.
    equal({word if word in TESTS else word.split("=")[0] for word in named},
          set(TESTS))
    for place in TESTS.values():
        name, function = place.split()
        with open("%s/%s.py" % (os.path.dirname(os.path.abspath(__file__)),
                                name)) as source:
            check("\ndef test_%s():" % function in source.read(), place)


def test_rfc2971_id():
    with Mail() as mail:
        talk(mail, r"""
            C: a023 ID ("name" "sodr" "version" "19.34" "vendor" "Pink Floyd Music Limited")
            S: * ID ("name" "posthorn")
            S: a023 OK ...
            C: a042 ID NIL
            S: * ID ("name" "posthorn")
            S: a042 OK ...
            C: a043 ID ("name" NIL)
            S: * ID ...
            S: a043 OK ...
            C: a044 ID ("name")
            S: a044 BAD ...
            C: a045 ID
            S: a045 BAD ...
        """)


def test_rfc5161_enable():
    with Mail() as mail:
        talk(mail, r"""
            C: t1 CAPABILITY
            S: * CAPABILITY ... ID ENABLE ...
            S: t1 OK ...
            C: t2 ENABLE CONDSTORE X-GOOD-IDEA
            S: * ENABLED CONDSTORE
            S: t2 OK ...
            C: t3 ENABLE X-GOOD-IDEA
            S: * ENABLED
            S: t3 OK ...
            C: t4 ENABLE
            S: t4 BAD ...
        """)


def test_rfc2177_idle():
    """The example, with another program that delivers and removes."""
    with Mail() as mail:
        fill(mail, letter("one"), letter("two"), letter("three"))
        sock = mail.raw()[0]
        sock.settimeout(PATIENCE)
        stream = sock.makefile("rwb")
        stream.readline()
        play(stream, r"""
            C: A001 SELECT INBOX
            S: ...
            S: * 3 EXISTS
            S: ...
            S: A001 OK ...
            C: A002 IDLE
            S: + idling
        """)
        mail.drop("new/9.four")
        play(stream, r"""
            S: * 4 EXISTS
            S: ...
            C: DONE
            S: A002 OK ...
            C: A003 FETCH 4 ALL
            S: * 4 FETCH (...)
            S: A003 OK ...
        """)
        # Before IDLE began: told with it.
        os.unlink(mail.path + "/cur/" + mail.files()[0])
        play(stream, r"""
            C: A004 IDLE
            S: ...
            S: * $gone EXPUNGE
            C: not done
            S: ...
            S: A004 BAD ...
            C: A005 FETCH 3 ALL
            S: * 3 FETCH (...)
            S: A005 OK ...
        """)
        stream.close()
        sock.close()


def test_rfc4315_uidplus():
    with Mail() as mail:
        fill(mail, *[letter(str(i)) for i in range(6)])
        talk(mail, r"""
            C: A000 CREATE meeting
            S: A000 OK ...
            C: A001 SELECT INBOX
            S: ...
            S: A001 OK ...
            C: A002 STORE 2:5 +FLAGS.SILENT (\Deleted)
            S: A002 OK ...
            C: A003 UID EXPUNGE 3000:3002
            S: A003 OK ...
            C: A003 UID EXPUNGE 3:4,6
            S: * 3 EXPUNGE
            S: * 3 EXPUNGE
            S: A003 OK ...
            C: A004 COPY 2:4 meeting
            S: A004 OK [COPYUID $validity 2,5:6 1:3] ...
            C: A005 UID COPY 305:310 meeting
            S: A005 OK Copy completed
            C: A006 COPY 1 funny
            S: A006 NO [TRYCREATE] ...
            C: A007 APPEND meeting (\Seen) {=}
            """ + letter("seven") + r"""
            S: A007 OK [APPENDUID $validity 4] ...
            C: A008 EXPUNGE
            S: * 2 EXPUNGE
            S: * 2 EXPUNGE
            S: A008 OK ...
        """)


def test_rfc3691_unselect():
    """Unlike CLOSE it removes nothing."""
    with Mail() as mail:
        fill(mail, letter("one"))
        talk(mail, r"""
            C: A340 UNSELECT
            S: A340 BAD ...
            C: A341 SELECT INBOX
            S: ...
            S: A341 OK ...
            C: A342 STORE 1 +FLAGS.SILENT (\Deleted)
            S: A342 OK ...
            C: A343 UNSELECT
            S: A343 OK ...
            C: A344 FETCH 1 FLAGS
            S: A344 BAD ...
            C: A345 SELECT INBOX
            S: ...
            S: * 1 EXISTS
            S: ...
            S: A345 OK ...
            C: A346 CLOSE
            S: A346 OK ...
            C: A347 SELECT INBOX
            S: ...
            S: * 0 EXISTS
            S: ...
            S: A347 OK ...
        """)


def test_rfc3348_children():
    with Mail() as mail:
        talk(mail, r"""
            C: a CREATE folder.one
            S: a OK ...
            C: b CREATE folder2
            S: b OK ...
            C: A001 LIST "" "*"
            S: * LIST (\HasNoChildren) "." INBOX
            S: * LIST (\Noselect \HasChildren) "." folder
            S: * LIST (\HasNoChildren) "." folder.one
            S: * LIST (\HasNoChildren) "." folder2
            S: A001 OK ...
            C: A002 LIST "" "%"
            S: * LIST (\HasNoChildren) "." INBOX
            S: * LIST (\Noselect \HasChildren) "." folder
            S: * LIST (\HasNoChildren) "." folder2
            S: A002 OK ...
        """)


def test_rfc5032_within():
    with Mail() as mail:
        talk(mail, r"""
            C: a APPEND INBOX " 1-Jan-2020 00:00:00 +0000" {=}
            """ + letter("old") + r"""
            S: a OK ...
            C: b APPEND INBOX (\Seen) {=}
            """ + letter("read") + r"""
            S: b OK ...
            C: c APPEND INBOX {=}
            """ + letter("new") + r"""
            S: c OK ...
            C: d SELECT INBOX
            S: ...
            S: d OK ...
            C: a1 SEARCH UNSEEN YOUNGER 259200
            S: * SEARCH 3
            S: a1 OK ...
            C: a2 SEARCH OLDER 259200
            S: * SEARCH 1
            S: a2 OK ...
            C: a3 SEARCH NOT OLDER 259200
            S: * SEARCH 2 3
            S: a3 OK ...
            C: a4 SEARCH YOUNGER 0
            S: a4 BAD ...
            C: a5 SEARCH OLDER x
            S: a5 BAD ...
        """)


def test_rfc6851_move():
    with Mail() as mail:
        fill(mail, *[letter(str(i)) for i in range(5)])
        talk(mail, r"""
            C: t CREATE foo
            S: t OK ...
            C: t0 MOVE 1 foo
            S: t0 BAD ...
            C: t1 SELECT INBOX
            S: ...
            S: t1 OK ...
            C: a UID MOVE 2:3,42:69 foo
            S: * OK [COPYUID $validity 2:3 1:2] ...
            S: * 2 EXPUNGE
            S: * 2 EXPUNGE
            S: a OK ...
            C: b MOVE 1 none
            S: b NO [TRYCREATE] ...
            C: c UID MOVE 2 foo
            S: c OK ...
            C: d STORE 1:3 +FLAGS.SILENT (\Flagged one)
            S: ...
            S: d OK ...
            C: e MOVE 3 foo
            S: * OK [COPYUID $validity 5 3] ...
            S: * 3 EXPUNGE
            S: e OK ...
            C: f EXAMINE foo
            S: ...
            S: f OK ...
            C: g FETCH 3 FLAGS
            S: * 3 FETCH (FLAGS (\Flagged ...one))
            S: g OK ...
            C: h MOVE 1 INBOX
            S: h NO [READ-ONLY] ...
        """)


def test_rfc5957_display():
    """The display name counts, where there is none the address."""
    with Mail() as mail:
        fill(mail,
             letter("1", "From: zoe@example.org\nTo: B <x@example.org>"),
             letter("2", "From: =?utf-8?q?=C3=84nne?= <y@example.org>\n"
                         "To: a@example.org, Zed <z@example.org>"),
             letter("3", "From: \"Bob\" <a@example.org>\nTo: c@example.org"),
             letter("4", ""))
        talk(mail, r"""
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b SORT (DISPLAYFROM) UTF-8 ALL
            S: * SORT 4 2 3 1
            S: b OK ...
            C: c SORT (REVERSE DISPLAYTO) UTF-8 1:3
            S: * SORT 3 1 2
            S: c OK ...
            C: d SORT (FROM) UTF-8 1:3
            S: * SORT 3 2 1
            S: d OK ...
        """)


def test_rfc5255_unicode_casemap():
    """SORT and SEARCH without regard to the case of any script."""
    with Mail() as mail:
        fill(mail, letter("=?utf-8?q?=C3=89t=C3=A9_b?="),
             letter("=?utf-8?q?=C3=A9T=C3=89_a?="),
             letter("=?utf-8?q?=CE=A3=CE=BF=CF=86=CE=AF=CE=B1?="))
        talk(mail, """
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b SORT (SUBJECT) UTF-8 ALL
            S: * SORT 2 1 3
            S: b OK ...
            C: c ENABLE UTF8=ACCEPT
            S: * ENABLED UTF8=ACCEPT
            S: c OK ...
            C: d SEARCH SUBJECT "ÉTÉ"
            S: * SEARCH 1 2
            S: d OK ...
            C: e SEARCH SUBJECT "σοφία"
            S: * SEARCH 3
            S: e OK ...
        """)


def test_rfc9585_inprogress():
    """A search that has to read messages tells how far it is."""
    os.environ["POSTHORN_PROGRESS_S"] = "0"
    try:
        with Mail() as mail:
            fill(mail, letter("first"))
            for n in range(1500):
                with open("%s/cur/%d.M:2," % (mail.path, n + 1), "w") as f:
                    f.write("Subject: %d\n\nword%d\n" % (n, n))
            # Said before there is time to take them up in the background.
            sock = mail.raw(said=b'a SELECT INBOX\r\n'
                            b'b SEARCH BODY "word1499"\r\n')[0]
            sock.settimeout(PATIENCE)
            stream = sock.makefile("rwb")
            stream.readline()
            play(stream, r"""
                S: ...
                S: a OK ...
                S: ...
                S: * OK [INPROGRESS ("b" $done 1501)] ...
                S: ...
                S: * SEARCH 1501
                S: b OK ...
            """)
            stream.close()
            sock.close()
    finally:
        del os.environ["POSTHORN_PROGRESS_S"]


if __name__ == "__main__":
    main(globals())
