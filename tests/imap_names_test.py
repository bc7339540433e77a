#!/usr/bin/python3
"""Names of mailboxes: both layouts and both spellings of the store, and
namespaces towards the client."""
import os
import smtplib
import subprocess

from full import PASSWORD, FullInstance
from imap import LETTER, Mail, play
from instance import LIBEXEC, PATIENCE, check, equal, main, matches, wait_for

FS = "mailbox_layout = fs\n"
SLASH = "imap_namespace_separator = /\n"
BELOW = "imap_namespace_prefix = INBOX.\n"

# main.cf, prefix, separator, and where a mailbox called "fresh" lies.
SETTINGS = (
    ("", "", ".", ".fresh"),
    (FS, "", ".", "fresh"),
    (FS + SLASH, "", "/", "fresh"),
    (BELOW, "INBOX.", ".", ".fresh"),
    (FS + SLASH + "imap_namespace_prefix = Mail/\n", "Mail/", "/", "fresh"),
)


def stream(mail):
    sock = mail.raw()[0]
    sock.settimeout(PATIENCE)
    found = sock.makefile("rwb")
    found.readline()
    return found


def with_names(script, prefix, separator):
    """Where a script has names as <a/b>."""
    parts = script.split("<")
    for i, part in enumerate(parts[1:], 1):
        name, rest = part.split(">", 1)
        parts[i] = prefix + name.replace("/", separator) + rest
    return "".join(parts).replace("%SEP", separator)


def test_every_command_speaks_in_the_namespace():
    for conf, prefix, separator, fresh in SETTINGS:
        with Mail(conf) as mail:
            s = stream(mail)
            play(s, with_names('C: a NAMESPACE\nS: * NAMESPACE (("' + prefix
                               + '" "' + separator + '''")) NIL NIL
                S: a OK ...
                C: b CREATE <a/b/c>
                S: b OK ...
                C: c CREATE <Sent> (USE (\\Sent))
                S: c OK ...
                C: d APPEND <a/b/c> {=}
                L: Subject: x
                L:
                S: d OK ...
                C: e SELECT <a/b/c>
                S: ...
                S: * 1 EXISTS
                S: ...
                S: e OK ...
                C: f COPY 1 <Sent>
                S: f OK ...
                C: g STATUS <Sent> (MESSAGES)
                S: * STATUS <Sent> (MESSAGES 1)
                S: g OK ...
                C: h SUBSCRIBE <a/b/c>
                S: h OK ...
                C: i LSUB "" *
                S: * LSUB (\\HasNoChildren...) "%SEP" <a/b/c>
                S: i OK ...
                C: j LSUB "" <a/%>
                S: * LSUB (\\Noselect \\HasChildren...) "%SEP" <a/b>
                S: j OK ...
                C: k LIST "" <a/%/c>
                S: * LIST (\\HasNoChildren) "%SEP" <a/b/c>
                S: k OK ...
                C: m LIST (SPECIAL-USE) "" "*" RETURN (STATUS (MESSAGES) SUBSCRIBED)
                S: * LIST (\\HasNoChildren \\Sent) "%SEP" <Sent>
                S: * STATUS <Sent> (MESSAGES 1)
                S: m OK ...
                C: n SETMETADATA <a/b/c> (/private/comment "mine")
                S: n OK ...
                C: o GETMETADATA <a/b/c> /private/comment
                S: * METADATA <a/b/c> (/private/comment "mine")
                S: o OK ...
                C: p RENAME <a/b> <x/y/z>
                S: p OK ...
                C: q LIST "" <x/%> RETURN (STATUS (MESSAGES))
                S: * LIST (\\NonExistent \\HasChildren) "%SEP" <x/y>
                S: q OK ...
                C: r STATUS <x/y/z/c> (MESSAGES)
                S: * STATUS <x/y/z/c> (MESSAGES 1)
                S: r OK ...
                C: s DELETE <x/y/z/c>
                S: ...
                S: s OK ...
                C: t SELECT <x/y/z/c>
                S: t NO ...
                C: u UNSUBSCRIBE <a/b/c>
                S: u OK ...
                C: v LIST "" ""
                S: * LIST (\\Noselect) "%SEP" ""
                S: v OK ...
                C: w CREATE <fresh/>
                S: w OK ...
                C: x STATUS inbox (MESSAGES)
                S: * STATUS INBOX (MESSAGES 0)
                S: x OK ...
            ''', prefix, separator))
            check(os.path.isdir(mail.path + "/" + fresh + "/cur"))
            equal([n for n in os.listdir(mail.path) if n[:2] in (
                "a", ".a", "x", ".x")], [])
            play(s, "C: z LOGOUT\nS: ...\nS: z OK ...\n")
            mail.end()


def listed(client, pattern):
    return [line.decode() for line in client.list('""', pattern)[1] if line]


def test_everything_below_inbox():
    with Mail(BELOW) as mail:
        c = mail.connect()
        equal(c.create("INBOX.Sent")[0], "OK")
        equal(c.create("inbox.Trash.2024")[0], "OK")
        equal(listed(c, "%"), [r'(\HasChildren) "." INBOX'])
        equal(listed(c, "INBOX.%"),
              [r'(\HasNoChildren \Sent) "." INBOX.Sent',
               r'(\Noselect \HasChildren) "." INBOX.Trash'])
        for name in ("Sent", "INBOX.", "INBOX.inbox", "INBOX.a..b", "x.y",
                     "INBOX.a/b", "&AOk-"):
            matches("CANNOT", c.create(name)[1][0].decode())
        equal(c.select("Sent")[0], "NO")
        matches("CANNOT", c.rename("Sent", "INBOX.x")[1][0].decode())
        equal(sorted(n for n in os.listdir(mail.path) if n[0] == "."),
              [".Sent", ".Trash.2024"])
        mail.end(c)


HOSTILE = ("..", ".", "../x", "a/../../x", "/etc/passwd", "a//b", "/a",
           "cur", "a/new", "tmp/x", "dovecot-uidlist", "a/dovecot.index",
           "posthorn-index", "subscriptions", "subscriptions/x", "~root",
           "a*", "a%b", "a\tb", "a&b", "caf\u00e9", ".hidden", "a/.hidden",
           "&AC8-etc", "x" * 201, "/".join("x" * 21))


def test_hostile_names_in_a_tree():
    with Mail(FS + SLASH) as mail:
        c = mail.connect()
        c._encoding = "utf-8"
        before = sorted(os.listdir(mail.folder))
        for name in HOSTILE:
            status, text = c.create('"' + name + '"')
            equal((name, status), (name, "NO"))
            matches("CANNOT", text[0].decode())
            equal((name, c.select('"' + name + '"')[0]), (name, "NO"))
            equal((name, c.rename("INBOX", '"' + name + '"')[0]),
                  (name, "NO"))
        equal(sorted(os.listdir(mail.folder)), before)
        equal(listed(c, "*"), [r'(\HasNoChildren) "/" INBOX'])
        # The longest and the deepest that there may be.
        for name in ("x" * 200, "/".join("y" * 20), "lists.example.org/a.b"):
            equal(c.create(name)[0], "OK")
            equal(c.append(name, "", None, LETTER)[0], "OK")
            equal(c.delete(name)[0], "OK")
        mail.end(c)


UTF8 = "mailbox_list_utf8 = yes\n"
LONG = "\u65e5" * 74  # 200 octets in modified UTF-7, 222 in UTF-8

# Refused in any layout, with any spelling on disk; as UTF-8.
NEVER = ("..", "a/../../x", "a//b", "/a", ".hidden/x", "~\u00e9", "a*\u00e9",
         "\u00e9%", "\u00e9\u0001", "\u00e9\u007f", "\u00e9\u0085",
         "\u00e9\u2028x", "\u00e9\n", LONG + "x",
         "/".join(["\u00e9"] * 21))


def test_hostile_names_in_utf8():
    for layout in ("", FS):
        for utf8 in ("", UTF8):
            with Mail(layout + utf8 + SLASH) as mail:
                c = mail.connect()
                c.ok("ENABLE", "UTF8=ACCEPT")
                c._encoding = "utf-8"
                before = sorted(os.listdir(mail.folder))
                for name in NEVER:
                    if "\n" in name:  # has to be a literal
                        c.literal = name.encode()
                        status, words = c._simple_command("CREATE")
                    else:
                        status, words = c.create('"' + name + '"')
                    equal((name, status), (name, "NO"))
                    matches("CANNOT", words[0].decode())
                    if "\n" not in name:
                        equal((name, c.select('"' + name + '"')[0]),
                              (name, "NO"))
                # Octets that are no UTF-8.
                c._encoding = "latin-1"
                equal(c.create('"caf\u00e9"')[0], "NO")
                c._encoding = "utf-8"
                equal(sorted(os.listdir(mail.folder)), before)
                for name in (LONG, "/".join(["\u00e9"] * 20), "a&-b",
                             "caf&AOk-"):
                    name = '"' + name + '"'
                    equal((name, c.create(name)[0]), (name, "OK"))
                    equal(c.append(name, "", None, LETTER)[0], "OK")
                    equal(c.select(name), ("OK", [b"1"]))
                    equal(c.delete(name)[0], "OK")
                equal(c.list('""', "*")[1],
                      [br'(\HasNoChildren) "/" INBOX'])
                mail.end(c)


def test_both_spellings_on_disk():
    """What lies there stays what it is, whatever the option says."""
    for layout, mutf7, utf8, fresh in (
            ("", ".caf&AOk-.&APY-", ".\u00e9t\u00e9", ".%s"),
            (FS, "caf&AOk-/\u00f6", "\u00e9t\u00e9", "%s")):
        for option, spelled in (("", "n&APg-"), (UTF8, "n\u00f8")):
            with Mail(layout + option) as mail:
                make(mail.path + "/" + mutf7)
                make(mail.path + "/" + utf8)
                s = stream(mail)
                play(s, """
                    C: a LIST "" %*
                    S: * LIST (\\HasNoChildren) "." INBOX
                    S: * LIST (\\HasNoChildren) "." &AOk-t&AOk-
                    S: * LIST (\\Noselect \\HasChildren) "." caf&AOk-
                    S: * LIST (\\HasNoChildren) "." caf&AOk-.&APY-
                    S: a OK ...
                    C: b CREATE caf&AOk-.&APY-
                    S: b NO ...
                    C: c STATUS caf&AOk-.&APY- (MESSAGES)
                    S: * STATUS caf&AOk-.&APY- (MESSAGES 0)
                    S: c OK ...
                    C: d CREATE n&APg-
                    S: d OK ...
                    C: e RENAME caf&AOk-.&APY- n&APg-.x
                    S: e OK ...
                    C: f DELETE &AOk-t&AOk-
                    S: f OK ...
                    C: g SUBSCRIBE n&APg-
                    S: g OK ...
                    C: h ENABLE UTF8=ACCEPT
                    S: * ENABLED UTF8=ACCEPT
                    S: h OK ...
                    C: i LIST "" *
                    S: * LIST (\\HasNoChildren) "." INBOX
                    S: * LIST (\\HasChildren) "." "n\u00f8"
                    S: * LIST (\\HasNoChildren) "." "n\u00f8.x"
                    S: i OK ...
                    C: j LSUB "" "n\u00f8"
                    S: * LSUB (\\HasChildren \\Subscribed) "." "n\u00f8"
                    S: j OK ...
                    C: k LOGOUT
                    S: ...
                    S: k OK ...
                """)
                mail.end()
                check(os.path.isdir(mail.path + "/" + fresh % spelled))
                with open(mail.path + "/subscriptions") as lines:
                    equal(lines.read(), spelled + "\n")


def test_names_in_form_c():
    """RFC 9051 5.1: any form is taken, form C is told; 6.3.9.7: OLDNAME."""
    for conf in ("", UTF8, FS, FS + UTF8):
        with Mail(conf) as mail:
            # Somebody else's, in form D.
            make(mail.path + ("/" if "fs" in conf else "/.") + "u\u0308x")
            s = stream(mail)
            play(s, """
                C: a ENABLE IMAP4rev2
                S: * ENABLED IMAP4rev2
                S: a OK ...
                C: b CREATE "cafe\u0301"
                S: * LIST (\\HasNoChildren) "." "caf\u00e9" ("OLDNAME" ("cafe\u0301"))
                S: b OK ...
                C: c LIST "" "*e\u0301"
                S: * LIST (\\HasNoChildren) "." "caf\u00e9"
                S: c OK ...
                C: d STATUS "cafe\u0301" (MESSAGES)
                S: * STATUS "caf\u00e9" (MESSAGES 0)
                S: d OK ...
                C: e SELECT "cafe\u0301"
                S: ...
                S: * LIST (\\HasNoChildren) "." "caf\u00e9" ("OLDNAME" ("cafe\u0301"))
                S: e OK ...
                C: f RENAME "cafe\u0301" "o\u0308"
                S: * LIST (\\HasNoChildren) "." "\u00f6" ("OLDNAME" ("cafe\u0301"))
                S: f OK ...
                C: g DELETE "o\u0308"
                S: ...
                S: * LIST (\\NonExistent \\HasNoChildren) "." "\u00f6" ("OLDNAME" ("o\u0308"))
                S: g OK ...
                C: h LIST "" "u%"
                S: h OK ...
                C: i LIST "" "\u00fc%"
                S: * LIST (\\HasNoChildren) "." "\u00fcx"
                S: i OK ...
                C: j EXAMINE "\u00fcx"
                S: ...
                S: j OK ...
                C: k LOGOUT
                S: ...
                S: k OK ...
            """)
            mail.end()
            c = mail.connect()
            equal(c.create("cafe&AwE-")[0], "OK")
            equal(c.status("caf&AOk-", "(MESSAGES)")[0], "OK")
            equal(c.create("caf&AOk-")[0], "NO")
            equal(c.delete("&APw-x")[0], "OK")
            mail.end(c)


def mailbox(mail, verb):
    done = subprocess.run(
        [LIBEXEC + "/posthorn-mailbox", verb, mail.path], timeout=PATIENCE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, MAIL_CONFIG=mail.folder + "/conf"))
    return done.returncode, done.stdout.decode()


def test_verify_and_rebuild_in_a_tree():
    with Mail(FS + SLASH) as mail:
        c = mail.connect()
        for name in ("INBOX", "a/b", "a/b/c.d"):
            c.create(name)
            c.append(name, r"(\Seen)", None, LETTER)
        c.select("a/b/c.d")
        validity = c.response("UIDVALIDITY")[1]
        mail.end(c)
        status, text = mailbox(mail, "verify")
        matches("3 mailboxes, 0 inconsistencies", text)
        equal(status, 0)
        uids = mail.path + "/a/b/c.d/dovecot-uidlist"
        os.rename(uids, uids + "-away")
        status, text = mailbox(mail, "verify")
        matches("a.b.c/d: dovecot-uidlist is missing", text)
        equal(status, 1)
        os.rename(uids + "-away", uids)
        equal(mailbox(mail, "rebuild"),
              (0, mail.path + ": 3 mailboxes, 3 messages\n"))
        os.rename(mail.path + "/a/b", mail.path + "/moved")
        c = mail.connect()
        equal(listed(c, "*"),
              [r'(\HasNoChildren) "/" INBOX', r'(\HasChildren) "/" moved',
               r'(\HasNoChildren) "/" moved/c.d'])
        equal(c.select("moved/c.d")[0], "OK")
        equal(c.response("UIDVALIDITY")[1], validity)
        mail.end(c)


def make(path):
    for folder in ("tmp", "new", "cur"):
        os.makedirs(path + "/" + folder)


def test_news_of_a_tree():
    """What others do deep down is told at once, in the namespace."""
    with Mail(FS + "imap_namespace_prefix = INBOX/\n" + SLASH) as mail:
        s = stream(mail)
        play(s, """
            C: a CREATE INBOX/a/b
            S: a OK ...
            C: b NOTIFY SET (subtree INBOX/a (MessageNew MessageExpunge MailboxName SubscriptionChange))
            S: b OK ...
        """)
        make(mail.path + "/a/b/c")
        play(s, 'S: * LIST (\\HasNoChildren) "/" INBOX/a/b/c\n'
                'S: * LIST (\\HasChildren) "/" INBOX/a/b\n')
        mail.path += "/a/b/c"
        mail.drop("new/1.a")
        mail.path = mail.path[:-6]
        play(s, "S: * STATUS INBOX/a/b/c (MESSAGES 1 UIDNEXT 2)\n")
        make(mail.path + "/elsewhere/deep")
        with open(mail.path + "/subscriptions.new", "w") as out:
            out.write("V\t2\n\na\tb\n")
        os.rename(mail.path + "/subscriptions.new",
                  mail.path + "/subscriptions")
        play(s, 'S: * LIST (\\HasChildren \\Subscribed) "/" INBOX/a/b\n')
        other = mail.connect()
        equal(other.rename("INBOX/a", "INBOX/z")[0], "OK")
        play(s, """
            C: c NOTIFY SET (mailboxes INBOX/z/b (MessageNew MessageExpunge MailboxName))
            S: ...
            S: c OK ...
            C: d LOGOUT
            S: ...
            S: d OK ...
        """)
        mail.end(other)


def test_settings_that_cannot_be():
    with Mail() as mail:
        for setting in ("mailbox_layout = index",
                        "imap_namespace_separator = ^",
                        "imap_namespace_prefix = INBOX",
                        "imap_namespace_prefix = a..b."):
            with open(mail.folder + "/conf/main.cf", "w") as out:
                out.write(setting + "\n")
            done = subprocess.run(
                [LIBEXEC + "/imapd", "-s", "-c", mail.folder + "/conf"],
                timeout=PATIENCE, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, env=dict(
                    os.environ, POSTHORN_USER="u", POSTHORN_MAIL=mail.path))
            check(done.returncode != 0)
            matches("fatal: .*" + setting.split(" ")[0],
                    done.stdout.decode())


def test_after_login():
    """The whole way: login, the user's process and its walls, delivery."""
    with FullInstance(users=("alice",)) as mta:
        mta.set(mailbox_layout="fs", imap_namespace_separator="/",
                imap_namespace_prefix="INBOX/")
        mta.start()
        c = mta.login_imap()
        equal(c.create("INBOX/lists/example.org")[0], "OK")
        equal(c.append("INBOX/lists/example.org", "", None, LETTER)[0], "OK")
        equal(c.select()[0], "OK")
        with smtplib.SMTP("127.0.0.1", mta.ports["smtp"],
                          timeout=PATIENCE) as out:
            out.sendmail("a@example.net", ["alice@example.org"], LETTER)
        wait_for(lambda: c.noop()[0] == "OK" and c.search(
            None, "ALL")[1] == [b"1"], "the delivery")
        equal(c.copy("1", "INBOX/lists/example.org")[0], "OK")
        c.logout()
        pop = mta.pop3(mta.ports["pop3s"], tls=True)
        pop.user("alice@example.org")
        pop.pass_(PASSWORD)
        equal(pop.stat()[0], 1)
        pop.quit()
        found = mta.login_imap()
        equal(found.select("INBOX/lists/example.org"), ("OK", [b"2"]))
        found.logout()


if __name__ == "__main__":
    main(globals())
