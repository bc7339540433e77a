#!/usr/bin/python3
"""Names of mailboxes: both layouts of the store, and namespaces towards the
client."""
import os
import smtplib
import subprocess

from full import PASSWORD, FullInstance
from imap import LETTER, Mail, play
from instance import LIBEXEC, check, equal, main, matches, wait_for

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
    sock.settimeout(60)
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


def mailbox(mail, verb):
    done = subprocess.run(
        [LIBEXEC + "/posthorn-mailbox", verb, mail.path], timeout=120,
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
                timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
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
        with smtplib.SMTP("127.0.0.1", mta.ports["smtp"], timeout=60) as out:
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
