#!/usr/bin/python3
"""Other programs in the same folders while imapd has them open: mutt, mblaze,
procmail and Dovecot, the latter three from Debian's unpacked packages."""
import os
import pwd
import re
import subprocess
import traceback

from clients_test import in_terminal, need
from imap import Mail
from instance import PATIENCE, check, equal, main, run, wait_for
from postfix_peer import lay_over_usr, unpacked


def text(subject, lines=1):
    return ("From: a@example.net\nTo: b@example.org\nSubject: %s\n\n"
            % subject + "some words\n" * lines)


def program(package, name):
    """mblaze's programs look at the name by which they are called."""
    folder = unpacked(package) + "/usr/bin"
    if folder not in os.environ["PATH"].split(":"):
        os.environ["PATH"] += ":" + folder
    return name


def subjects(client):
    client.noop()
    data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    return [part[1].split(b": ", 1)[1].strip().decode() for part in data
            if isinstance(part, tuple)]


def flags(client, number):
    client.noop()
    return client.fetch(number, "(FLAGS)")[1][0].decode()


def test_mblaze_delivers_flags_and_moves():
    with Mail() as mail:
        c = mail.connect()
        c.create("box")
        c.select()
        for name in ("one", "two", "three"):
            run(program("mblaze", "mdeliver"), mail.path, input=text(name))
        equal(sorted(subjects(c)), ["one", "three", "two"])
        # Selecting moved them to cur/; mblaze names files.
        names = run(program("mblaze", "mlist"), mail.path).stdout.split()
        equal(len(names), 3)
        first = next(n for n in names if "one" in open(n).read())
        number = str(1 + subjects(c).index("one"))
        run(program("mblaze", "mflag"), "-S", first)
        wait_for(lambda: "\\Seen" in flags(c, number), "the flag of mflag")
        c.store(number, "+FLAGS", r"(\Flagged)")
        wait_for(lambda: len(run(program("mblaze", "mlist"), "-F",
                                 mail.path).stdout.split()) == 1,
                 "the flag of STORE in the file's name")
        flagged = run(program("mblaze", "mlist"), "-F", mail.path)
        run(program("mblaze", "mrefile"), flagged.stdout.strip(),
            mail.path + "/.box")
        wait_for(lambda: sorted(subjects(c)) == ["three", "two"],
                 "the message to leave")
        c.select("box")
        equal(subjects(c), ["one"])
        check(re.search(r"\\Flagged.*\\Seen|\\Seen.*\\Flagged",
                        flags(c, "1")), flags(c, "1"))
        mail.end(c)


def test_mutt_marks_and_removes():
    mutt = need("mutt")
    with Mail() as mail:
        c = mail.connect()
        c.select()
        for n, name in enumerate(("one", "two", "three")):
            mail.drop("new/%d.x" % (n + 1), text(name).encode())
        equal(subjects(c), ["one", "two", "three"])
        config = mail.folder + "/muttrc"
        with open(config, "w") as out:
            out.write("set mbox_type=Maildir move=no delete=yes quit=yes\n"
                      "set wait_key=no folder=%s\n" % mail.folder)
        in_terminal(
            [mutt, "-n", "-F", config, "-f", mail.path, "-e",
             "push '<tag-pattern>~s one<enter><tag-prefix><flag-message>"
             "<delete-pattern>~s two<enter><sync-mailbox>'"],
            dict(os.environ, TERM="vt100", HOME=mail.folder),
            lambda: subjects(c) == ["one", "three"] and
            "\\Flagged" in flags(c, "1"))
        c.store("2", "+FLAGS", r"(\Answered)")
        wait_for(lambda: any("R" in name.split(":2,")[1]
                             for name in mail.files()), "the new name")
        equal(c.uid("SEARCH", "ALL")[1], [b"1 3"])
        mail.end(c)


def test_procmail_delivers_while_imap_changes():
    with Mail() as mail:
        c = mail.connect()
        c.create("lists")
        c.select()
        rules = mail.folder + "/rc"
        with open(rules, "w") as out:
            out.write("MAILDIR=%s\nDEFAULT=%s/\nLOGFILE=%s/log\n"
                      ":0\n* ^Subject: list\n.lists/\n" % (
                          mail.path, mail.path, mail.folder))
        deliveries = []
        for n in range(20):
            p = subprocess.Popen([program("procmail", "procmail"), "-m",
                                  rules], stdin=subprocess.PIPE)
            p.stdin.write(text("%s %d" % ("list" if n % 2 else "mail",
                                          n)).encode())
            p.stdin.close()
            deliveries.append(p)
            c.append("INBOX", "", None, text("own %d" % n).encode())
            c.store("1:*", "+FLAGS.SILENT", r"(\Answered)")
        equal([p.wait(PATIENCE) for p in deliveries], [0] * 20)
        equal(sorted(subjects(c)), sorted(
            ["own %d" % n for n in range(20)]
            + ["mail %d" % n for n in range(0, 20, 2)]))
        c.select("lists")
        equal(sorted(subjects(c)), sorted("list %d" % n
                                          for n in range(1, 20, 2)))
        mail.end(c)


class Dovecot:
    """Its imap process at the same Maildir, logged in."""

    packages = ("dovecot-core", "dovecot-imapd", "libstemmer0d",
                "libexttextcat-2.0-0", "liblua5.3-0")

    def __init__(self, mail, layout=""):
        conf = mail.folder + "/dovecot.conf"
        with open(conf, "w") as out:
            out.write("mail_location = maildir:%s%s\nbase_dir = %s/run\n"
                      "state_dir = %s/state\nlog_path = %s/dovecot.log\n"
                      "ssl = no\nfirst_valid_uid = 1\n"
                      # It sees no second change within a second there.
                      "mailbox_list_index = no\n" % (
                          (mail.path, layout) + (mail.folder,) * 3))
        self.log = mail.folder + "/dovecot.log"
        self.process = subprocess.Popen(
            ["/usr/lib/dovecot/imap", "-c", conf], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=dict(os.environ, USER="vmail",
                                             HOME=mail.folder))
        mail.processes.append(self.process)
        check(b"PREAUTH" in self.process.stdout.readline())

    def ask(self, command, literal=b""):
        self.process.stdin.write(b"x " + command.encode() + b"\r\n" + literal)
        self.process.stdin.flush()
        lines = []
        while not lines or not lines[-1].startswith(b"x "):
            lines.append(self.process.stdout.readline())
            check(lines[-1], "dovecot ended: %r" % lines)
        check(lines[-1].startswith(b"x OK"), "%s: %r" % (command, lines))
        return b"".join(lines).decode()

    def append(self, octets):
        self.ask("APPEND INBOX {%d+}" % len(octets), octets + b"\r\n")

    def uids(self):
        self.ask("NOOP")
        return re.search(r"\* SEARCH([ \d]*)", self.ask(
            "UID SEARCH ALL")).group(1).split()


def uids(client):
    client.noop()
    return client.uid("SEARCH", "ALL")[1][0].decode().split()


def as_vmail(body):
    """In a process of its own: dovecot refuses to work for root."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            vmail = pwd.getpwnam("vmail")
            os.setgroups([])
            os.setresgid(*[vmail.pw_gid] * 3)
            os.setresuid(*[vmail.pw_uid] * 3)
            os.chdir("/")
            body()
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    equal(os.waitpid(child, 0)[1], 0)


def test_dovecot_beside():
    """In turns; both always agree about UIDs and flags."""
    lay_over_usr(*Dovecot.packages, found="/usr/lib/dovecot/imap")
    as_vmail(dovecot_beside)


def dovecot_beside():
    with Mail() as mail:
        c = mail.connect()
        c.select()
        c.append("INBOX", "", None, text("first").encode())
        d = Dovecot(mail)
        d.ask("SELECT INBOX")
        for n in range(6):
            d.append(text("theirs %d" % n).encode())
            wait_for(lambda: len(uids(c)) == 2 + 2 * n, "what dovecot added")
            c.append("INBOX", "", None, text("ours %d" % n).encode())
            wait_for(lambda: len(d.uids()) == 3 + 2 * n, "what we added")
            equal(d.uids(), uids(c))
        d.ask(r"STORE 2 +FLAGS (\Flagged)")
        wait_for(lambda: "\\Flagged" in flags(c, "2"), "dovecot's flag")
        c.store("3", "+FLAGS", r"(\Answered)")
        wait_for(lambda: "\\Answered" in d.ask("FETCH 3 (FLAGS)"),
                 "our flag")
        d.ask(r"STORE 1 +FLAGS (\Deleted)")
        d.ask("EXPUNGE")
        wait_for(lambda: uids(c) == d.uids(), "the same messages")
        equal(len(uids(c)), 12)
        equal(len(set(subjects(c))), 12)
        mail.processes.remove(d.process)
        d.process.stdin.close()
        d.process.wait(PATIENCE)
        mail.end(c)


def test_dovecot_beside_in_a_tree():
    """LAYOUT=fs: names, messages and subscriptions of both."""
    lay_over_usr(*Dovecot.packages, found="/usr/lib/dovecot/imap")
    as_vmail(dovecot_beside_in_a_tree)


def names(text):
    return sorted(re.findall(r'\* (?:LIST|LSUB) \((?!.*Noselect).*\) "/" '
                             r'(.*?)\r?$', text, re.M))


def dovecot_beside_in_a_tree():
    with Mail("mailbox_layout = fs\nimap_namespace_separator = /\n") as mail:
        c = mail.connect()
        c.create("ours/deep/x.y")
        c.subscribe("ours/deep/x.y")
        c.append("ours/deep/x.y", r"(\Flagged)", None, text("one").encode())
        c.select("ours/deep/x.y")
        validity = c.response("UIDVALIDITY")[1][0].decode()
        d = Dovecot(mail, ":LAYOUT=fs")
        equal(names(d.ask('LIST "" *')), ["INBOX", "ours/deep/x.y"])
        equal(names(d.ask('LSUB "" *')), ["ours/deep/x.y"])
        check("UIDVALIDITY %s]" % validity in d.ask("SELECT ours/deep/x.y"))
        check(r"\Flagged" in d.ask("FETCH 1 (FLAGS)"))
        d.ask("CREATE theirs/a")
        d.ask("CREATE ours")
        d.ask("SUBSCRIBE theirs/a")
        d.ask("COPY 1 theirs/a")
        d.ask(r"STORE 1 +FLAGS (\Answered)")
        wait_for(lambda: r"\Answered" in flags(c, "1"), "dovecot's flag")
        equal(sorted(line.decode().split('"/" ')[1]
                     for line in c.list('""', "*")[1]),
              ["INBOX", "ours", "ours/deep", "ours/deep/x.y", "theirs",
               "theirs/a"])
        equal(sorted(line.decode().split('"/" ')[1]
                     for line in c.lsub('""', "*")[1]),
              ["ours/deep/x.y", "theirs/a"])
        c.select("theirs/a")
        equal(subjects(c), ["one"])
        equal(c.rename("ours", "moved/on")[0], "OK")
        equal(c.unsubscribe("ours/deep/x.y")[0], "OK")
        equal(names(d.ask('LIST "" *')),
              ["INBOX", "moved/on", "moved/on/deep/x.y", "theirs/a"])
        equal(names(d.ask('LSUB "" *')), ["theirs/a"])
        check("UIDVALIDITY %s]" % validity
              in d.ask("SELECT moved/on/deep/x.y"))
        d.ask("CLOSE")
        d.ask("DELETE moved/on/deep/x.y")
        equal(c.select("moved/on/deep/x.y")[0], "NO")
        equal(c.delete("theirs/a")[0], "OK")
        check("theirs/a" not in d.ask('LIST "" *'))
        mail.processes.remove(d.process)
        d.process.stdin.close()
        d.process.wait(PATIENCE)
        mail.end(c)


def test_dovecot_beside_with_names_in_utf8():
    """Its location with :UTF-8 and mailbox_list_utf8, in both layouts; and
    neither of them."""
    lay_over_usr(*Dovecot.packages, found="/usr/lib/dovecot/imap")
    as_vmail(dovecot_beside_with_names_in_utf8)


# Of a Dovecot with that location: how a name of ours lies on disk.
SPELLINGS = (
    ("mailbox_list_utf8 = yes\n", ":UTF-8", ".", ".%s.sub",
     "caf\u00e9 & \u65e5\u672c"),
    ("mailbox_list_utf8 = yes\nmailbox_layout = fs\n"
     "imap_namespace_separator = /\n", ":LAYOUT=fs:UTF-8", "/", "%s/sub",
     "caf\u00e9 & \u65e5\u672c"),
    ("", "", ".", ".%s.sub", "caf&AOk- &- &ZeVnLA-"),
)


def dovecot_beside_with_names_in_utf8():
    wire = "caf&AOk- &- &ZeVnLA-"
    for conf, location, separator, path, disk in SPELLINGS:
        with Mail(conf) as mail:
            c = mail.connect()
            ours = '"%s%ssub"' % (wire, separator)
            theirs = '"their &APY-"'
            equal(c.create(ours)[0], "OK")
            equal(c.subscribe(ours)[0], "OK")
            equal(c.append(ours, "", None, text("one").encode())[0], "OK")
            check(os.path.isdir(mail.path + "/" + path % disk))
            d = Dovecot(mail, location)
            check(ours in d.ask('LIST "" *'))
            check(ours in d.ask('LSUB "" *'))
            check("* 1 EXISTS" in d.ask("SELECT " + ours))
            d.ask("CREATE " + theirs)
            d.ask("SUBSCRIBE " + theirs)
            d.ask("COPY 1 " + theirs)
            for verb in (c.list, c.lsub):
                equal(sorted(line.decode().split('"%s" ' % separator)[1]
                             for line in verb('""', "*%s*" % "e")[1]
                             if b"Noselect" not in line),
                      sorted((ours, theirs)))
            equal(c.select(theirs), ("OK", [b"1"]))
            equal(c.unsubscribe(theirs)[0], "OK")
            check(theirs not in d.ask('LSUB "" *'))
            mail.processes.remove(d.process)
            d.process.stdin.close()
            d.process.wait(PATIENCE)
            mail.end(c)


if __name__ == "__main__":
    main(globals())
