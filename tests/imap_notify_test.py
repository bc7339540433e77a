#!/usr/bin/python3
"""NOTIFY, RFC 5465: two connections of one process, and other programs."""
import os

from imap import Mail, play
from instance import PATIENCE, equal, main

LETTER = """
    L: Subject: Re: good morning
    L: From: alice@example.org
    L: To: bob@example.org
    L:
    L: text
"""


def streams(mail, count=2):
    found = []
    for sock in mail.raw(count):
        sock.settimeout(PATIENCE)
        found.append(sock.makefile("rwb"))
        found[-1].readline()
    return found


def append(stream, name):
    play(stream, "C: x APPEND " + name + " {=}\n" + LETTER + """
        S: ...
        S: x OK ...
    """)


def test_rfc5465_example():
    with Mail() as mail:
        one, two = streams(mail)
        play(two, """
            C: a CREATE Lists
            S: a OK ...
            C: b CREATE Lists.Lemonade
            S: b OK ...
            C: c CREATE Lists.Im2000
            S: c OK ...
            C: d CREATE misc
            S: d OK ...
        """)
        append(two, "Lists.Lemonade")
        words = play(one, """
            C: b notify set status (selected MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge) (subtree Lists MessageNew MessageExpunge)
            S: * STATUS Lists (MESSAGES 0 UIDNEXT 1 UIDVALIDITY $v1)
            S: * STATUS Lists.Im2000 (MESSAGES 0 UIDNEXT 1 UIDVALIDITY $v2)
            S: * STATUS Lists.Lemonade (MESSAGES 1 UIDNEXT 2 UIDVALIDITY $v3)
            S: b OK ...
            C: c select inbox
            S: ...
            S: c OK ...
        """)
        append(two, "Lists.Lemonade")
        play(one, "S: * STATUS Lists.Lemonade (MESSAGES 2 UIDNEXT 3)")
        append(two, "INBOX")
        play(one, """
            S: * 1 EXISTS
            S: * 1 RECENT
            S: * 1 FETCH (UID 1 BODY[header.fields (from to subject)] {75}
            S: Subject: Re: good morning
            S: From: alice@example.org
            S: To: bob@example.org
            S:
            S: )
            C: d STATUS misc (UIDVALIDITY UIDNEXT MESSAGES)
            S: * STATUS misc (MESSAGES 0 UIDNEXT 1 UIDVALIDITY $v4)
            S: d OK ...
            C: e notify set (selected MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge) (subtree Lists MessageNew MessageExpunge) (mailboxes misc MessageNew MessageExpunge)
            S: e OK ...
        """, **words)
        append(two, "misc")
        play(one, "S: * STATUS misc (MESSAGES 1 UIDNEXT 2)")


def test_rfc5465_selected():
    """5.1 to 5.3: flags with UID, new messages, expunges at once."""
    with Mail() as mail:
        one, two = streams(mail)
        append(two, "INBOX")
        append(two, "INBOX")
        play(one, """
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))
            S: b OK ...
        """)
        play(two, r"""
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b STORE 2 +FLAGS ($Junk)
            S: ...
            S: b OK ...
        """)
        play(one, r"""
            S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $Junk)
            S: * OK [PERMANENTFLAGS ...
            S: * 2 FETCH (UID 2 FLAGS ($Junk...))
        """.replace("$Junk", "..."))
        play(two, r"""
            C: c STORE 1 +FLAGS.SILENT (\Deleted)
            S: ...
            S: c OK ...
            C: d EXPUNGE
            S: * 1 EXPUNGE
            S: d OK ...
        """)
        play(one, r"""
            S: * 1 FETCH (UID 1 FLAGS (\Deleted...))
            S: * 1 EXPUNGE
        """)


def test_rfc5465_selected_delayed():
    with Mail() as mail:
        one, two = streams(mail)
        append(two, "INBOX")
        append(two, "INBOX")
        play(one, """
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))
            S: b OK ...
        """)
        play(two, r"""
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b STORE 1 +FLAGS (\Deleted)
            S: ...
            S: b OK ...
            C: c EXPUNGE
            S: ...
            S: c OK ...
        """)
        append(two, "INBOX")
        # New messages at once, the expunge not before a command allows it;
        # flags not at all.
        play(one, """
            S: * 3 EXISTS
            S: * 2 RECENT
            C: c FETCH 2 (UID)
            S: * 2 FETCH (UID 2)
            S: c OK ...
            C: d NOOP
            S: * 1 EXPUNGE
            S: d OK ...
        """)


def test_rfc5465_selected_none():
    with Mail() as mail:
        one, two = streams(mail)
        append(two, "INBOX")
        play(one, """
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b NOTIFY NONE
            S: b OK ...
        """)
        append(two, "INBOX")
        play(one, """
            C: c NOOP
            S: c OK ...
            C: d NOTIFY SET (PERSONAL (MessageNew MessageExpunge))
            S: d OK ...
        """)
        append(two, "INBOX")
        play(one, """
            C: e NOOP
            S: e OK ...
            C: f NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge))
            S: * 3 EXISTS
            S: * 3 RECENT
            S: * 2 FETCH (UID 2)
            S: * 3 FETCH (UID 3)
            S: f OK ...
        """)


def test_own_messages_are_not_fetched():
    with Mail() as mail:
        one, = streams(mail, 1)
        play(one, """
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge)) (PERSONAL (MessageNew MessageExpunge MailboxName SubscriptionChange MailboxMetadataChange))
            S: b OK ...
            C: c APPEND INBOX {=}
        """ + LETTER + """
            S: * 1 EXISTS
            S: * 1 RECENT
            S: c OK ...
            C: d CREATE own
            S: d OK ...
            C: e COPY 1 own
            S: e OK ...
            C: f SUBSCRIBE own
            S: f OK ...
            C: g RENAME own owned
            S: g OK ...
            C: h SETMETADATA owned (/private/comment "x")
            S: h OK ...
            C: i DELETE owned
            S: i OK ...
            C: j COPY 1 INBOX
            S: * 2 EXISTS
            S: * 2 RECENT
            S: j OK ...
            C: k NOOP
            S: k OK ...
        """)


def test_rfc5465_flags_elsewhere():
    with Mail() as mail:
        one, two = streams(mail)
        append(two, "INBOX")
        play(one, """
            C: a NOTIFY SET (PERSONAL (MessageNew MessageExpunge FlagChange))
            S: a OK ...
        """)
        play(two, r"""
            C: a SELECT INBOX
            S: ...
            S: a OK ...
            C: b STORE 1 +FLAGS (\Seen)
            S: ...
            S: b OK ...
        """)
        play(one, """
            S: * STATUS INBOX (UIDVALIDITY $v UNSEEN 0)
            C: b ENABLE CONDSTORE
            S: * ENABLED CONDSTORE
            S: b OK ...
        """)
        play(two, r"""
            C: c STORE 1 +FLAGS (\Deleted)
            S: ...
            S: c OK ...
        """)
        play(one, "S: * STATUS INBOX (UIDVALIDITY $v UNSEEN 0 "
             "HIGHESTMODSEQ $m)")
        play(two, """
            C: d EXPUNGE
            S: ...
            S: d OK ...
        """)
        play(one, "S: * STATUS INBOX (MESSAGES 0 UIDNEXT 2 "
             "HIGHESTMODSEQ $m)")


def test_rfc5465_names():
    """5.4: created, deleted, renamed; the parent is affected too."""
    with Mail() as mail:
        one, two = streams(mail)
        play(one, """
            C: a NOTIFY SET (PERSONAL (MailboxName MessageNew MessageExpunge))
            S: a OK ...
        """)
        play(two, """
            C: a CREATE OldMailbox
            S: a OK ...
        """)
        play(one, r'S: * LIST (\HasNoChildren) "." OldMailbox')
        play(two, """
            C: b RENAME OldMailbox NewMailbox
            S: b OK ...
        """)
        play(one, r'S: * LIST (\HasNoChildren) "." NewMailbox '
             '("OLDNAME" (OldMailbox))')
        append(two, "NewMailbox")
        play(one, "S: * STATUS NewMailbox (MESSAGES 1 UIDNEXT 2)")
        play(two, """
            C: c CREATE NewMailbox.below
            S: c OK ...
        """)
        play(one, r"""
            S: * LIST (\HasNoChildren) "." NewMailbox.below
            S: * LIST (\HasChildren) "." NewMailbox
        """)
        play(two, """
            C: d RENAME NewMailbox other
            S: d OK ...
        """)
        # Nothing about what is below it.
        play(one, r'S: * LIST (\HasChildren) "." other '
             '("OLDNAME" (NewMailbox))')
        append(two, "other.below")
        play(one, "S: * STATUS other.below (MESSAGES 1 UIDNEXT 2)")
        play(two, """
            C: e DELETE other.below
            S: e OK ...
        """)
        play(one, r"""
            S: * LIST (\NonExistent \HasNoChildren) "." other.below
            S: * LIST (\HasNoChildren) "." other
            C: b NOOP
            S: b OK ...
        """)


def test_rfc5465_subscriptions_and_metadata():
    with Mail() as mail:
        one, two = streams(mail)
        play(two, """
            C: a CREATE box
            S: a OK ...
            C: b CREATE more
            S: b OK ...
        """)
        play(one, """
            C: a NOTIFY SET (SUBSCRIBED (SubscriptionChange MailboxMetadataChange ServerMetadataChange MessageNew MessageExpunge))
            S: a OK ...
        """)
        append(two, "box") # not yet
        play(two, """
            C: c SUBSCRIBE box
            S: c OK ...
        """)
        play(one, r'S: * LIST (\HasNoChildren \Subscribed) "." box')
        append(two, "box")
        append(two, "more")
        play(one, "S: * STATUS box (MESSAGES 2 UIDNEXT 3)")
        play(two, """
            C: d SETMETADATA box (/shared/comment "x")
            S: d OK ...
            C: e SETMETADATA more (/shared/comment "x")
            S: e OK ...
            C: f SETMETADATA "" (/shared/comment "y")
            S: f OK ...
        """)
        play(one, """
            S: * METADATA box /shared/comment
            S: * METADATA "" /shared/comment
        """)
        play(two, """
            C: g SETMETADATA box (/shared/comment NIL)
            S: g OK ...
            C: h UNSUBSCRIBE box
            S: h OK ...
        """)
        play(one, r"""
            S: * METADATA box /shared/comment
            S: * LIST (\HasNoChildren) "." box
        """)


def test_other_programs_are_heard():
    """Maildir files, folders and subscriptions that others write."""
    with Mail() as mail:
        one, = streams(mail, 1)
        play(one, """
            C: a CREATE box
            S: a OK ...
            C: b NOTIFY SET (PERSONAL (MailboxName SubscriptionChange MessageNew MessageExpunge))
            S: b OK ...
        """)
        mail.drop(".box/new/1.x.host")
        play(one, "S: * STATUS box (MESSAGES 1 UIDNEXT 2)")
        mail.drop("new/1.y.host")
        play(one, "S: * STATUS INBOX (MESSAGES 1 UIDNEXT 2)")
        os.makedirs(mail.folder + "/made/cur")
        os.mkdir(mail.folder + "/made/new")
        os.mkdir(mail.folder + "/made/tmp")
        os.rename(mail.folder + "/made", mail.path + "/.made")
        play(one, r'S: * LIST (\HasNoChildren) "." made')
        mail.drop(".made/new/1.z.host")
        play(one, "S: * STATUS made (MESSAGES 1 UIDNEXT 2)")
        with open(mail.path + "/subscriptions", "w") as f:
            f.write("made\n")
        play(one, r'S: * LIST (\HasNoChildren \Subscribed) "." made')
        os.unlink(mail.path + "/.box/new/1.x.host")
        play(one, "S: * STATUS box (MESSAGES 0 UIDNEXT 2)")
        os.rename(mail.path + "/.made", mail.folder + "/made")
        play(one, r'S: * LIST (\NonExistent \HasNoChildren \Subscribed) '
             '"." made')


def test_rfc5465_idle_and_errors():
    with Mail() as mail:
        one, two = streams(mail)
        play(one, """
            C: a NOTIFY SET (PERSONAL (AnnotationChange))
            S: a NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange)] ...
            C: b NOTIFY SET (PERSONAL (MessageNew))
            S: b BAD ...
            C: c NOTIFY SET (SELECTED (MailboxName))
            S: c BAD ...
            C: d NOTIFY SET (MAILBOXES (INBOX none) (MessageNew MessageExpunge))
            S: d OK ...
            C: e IDLE
            S: + ...
        """)
        append(two, "INBOX")
        play(one, """
            S: * STATUS INBOX (MESSAGES 1 UIDNEXT 2)
            C: DONE
            S: e OK ...
            C: f NOTIFY NONE
            S: f OK ...
            C: g IDLE
            S: + ...
        """)
        append(two, "INBOX")
        play(one, """
            C: DONE
            S: g OK ...
            C: h LOGOUT
            S: * BYE ...
            S: h OK ...
        """)


def test_too_many_events_overflow():
    with Mail() as mail:
        one, two = streams(mail)
        play(one, """
            C: a NOTIFY SET (PERSONAL (ServerMetadataChange))
            S: a OK ...
            C: b APPEND INBOX {6}
            S: + ...
        """)
        # More than is kept while a command is under way.
        entries = " ".join('/shared/e%d "x"' % i for i in range(90))
        for i in range(9):
            two.write(b'x SETMETADATA "" (%s)\r\n' % entries.encode())
        two.flush()
        for i in range(9):
            equal(two.readline()[:4], b"x OK")
        play(one, """
            C: A: bcd
            S: * OK [NOTIFICATIONOVERFLOW] ...
            S: b OK ...
        """)
        play(two, """
            C: b SETMETADATA "" (/shared/e0 NIL)
            S: b OK ...
        """)
        play(one, """
            C: c NOOP
            S: c OK ...
        """)


if __name__ == "__main__":
    main(globals())
