"""local(8) beside Debian's Postfix: the same aliases, .forward files and mail;
what is logged of each recipient, and what then lies in homes and files."""
import difflib
import os
import pwd
import re
import shutil
import smtplib
import tempfile

from instance import (SBIN, Failed, Instance, Skip, check, is_root, main, run,
                      wait_for)
from postfix_peer import Postfix

USERS = ("alice", "bob", "carol")
# Commands write here: what they were given, without what differs by nature.
SHOW = """#!/bin/sh
{
	id -un
	pwd | sed 's|^/.*/queue|QUEUE|'
	for name in SHELL HOME USER EXTENSION DOMAIN LOGNAME LOCAL \\
		ORIGINAL_RECIPIENT RECIPIENT SENDER CLIENT_ADDRESS CLIENT_HELO \\
		CLIENT_HOSTNAME CLIENT_PROTOCOL SASL_METHOD TZ LANG MARK; do
		eval "echo $name=\\${$name-unset}"
	done
	echo "args: $*"
	cat
} >>FOLDER/out/$1
"""
ALIASES = """\
one: alice
"quoted name": bob
Mixed: carol
owner-list: carol
file: FOLDER/out/file
command: "|FOLDER/show command $SENDER"
quotes: "|FOLDER/show quotes 'a b' \\"c d\\""
shell: "|FOLDER/show shell one; FOLDER/show shell two"
remote: someone@remote.example
gone: nobody-of-that-name
void: /dev/null
folder: FOLDER/out/folder/
extension+special: bob
status0: "|exit 0"
status1: "|exit 1"
status64: "|exit 64"
status65: "|exit 65"
status67: "|exit 67"
status69: "|exit 69"
status73: "|exit 73"
status75: "|exit 75"
status77: "|exit 77"
status78: "|exit 78"
status99: "|exit 99"
status126: "|/etc/hosts"
status127: "|/nonexistent/command"
signal: "|kill -9 $$"
says: "|echo some words; echo and more; exit 69"
says4: "|echo 4.3.4 some words; exit 1"
says5: "|echo 5.3.4 some words; exit 75"
says2: "|echo 2.3.4 some words; exit 0"
postmaster: bob
"""
FORWARDS = {
    "alice": {
        ".forward+file": "HOME/saved\n",
        ".forward+command": "\"|FOLDER/show alice $EXTENSION\"\n",
        ".forward+loop": "alice+loop\n",
        ".forward+empty": "",
        "list": "bob\n",
    },
    "bob": {".forward": "bob\n"},
    "carol": {".forward": "\\carol, \"|FOLDER/show carol $EXTENSION $USER\"\n"},
}
RULES = {
    "mydestination": "example.org", "myorigin": "example.org",
    "mydomain": "example.org", "myhostname": "mail.example.org",
    "local_recipient_maps": "", "recipient_delimiter": "+",
    "home_mailbox": "Maildir/", "default_privs": "nobody",
    "default_transport": "discard:away", "notify_classes": "",
    "virtual_alias_maps": "", "minimal_backoff_time": "1000s",
    "queue_run_delay": "1000s", "bounce_notice_recipient": "postmaster",
    "smtputf8_enable": "no", "mailbox_size_limit": "0",
}
# An alias of several destinations, a list and a forward to somebody else become
# messages of their own at other points (posthorn-differences(7)); these do not.
SENT = [
    "one", "\"quoted name\"", "mixed", "file", "command", "command+ext-b",
    "quotes", "shell", "remote", "gone", "void", "folder", "one+ext",
    "extension+special", "extension+other", "owner-list", "status0", "status1",
    "status64", "status65", "status67", "status69", "status73", "status75",
    "status77", "status78", "status99", "status126", "status127", "signal",
    "says", "says4", "says5", "says2", "alice", "Alice", "alice+file",
    "alice+command", "alice+loop", "alice+empty", "alice+nothing", "bob",
    "carol+e", "nobody-here",
]


def own_homes():
    """The users' homes in a folder of our own, in this mount namespace: others
    may be at the usual ones."""
    folder = tempfile.mkdtemp(prefix="posthorn-homes-")
    os.chmod(folder, 0o755)
    with open("/etc/passwd") as handle:
        rows = [row.split(":") for row in handle.read().splitlines()]
    for row in rows:
        if row[0] in USERS:
            row[5] = folder + "/" + row[0]
            os.mkdir(row[5])
            os.chown(row[5], int(row[2]), int(row[3]))
    with open(folder + "/passwd", "w") as handle:
        handle.write("".join(":".join(row) + "\n" for row in rows))
    run("mount", "--bind", folder + "/passwd", "/etc/passwd")
    return folder


def prepared(kind):
    mta = kind()
    mta.write_configuration()
    for user in USERS:
        home = pwd.getpwnam(user).pw_dir
        run("find", home, "-mindepth", "1", "-delete")
        for name, text in FORWARDS[user].items():
            path = home + "/" + name
            with open(path, "w") as handle:
                handle.write(filled(text, mta).replace("HOME", home))
            os.chmod(path, 0o644)
            shutil.chown(path, user, user)
    os.makedirs(mta.folder + "/out")
    os.chmod(mta.folder, 0o755)
    os.chmod(mta.folder + "/out", 0o1777)
    for name, text in (("aliases", ALIASES), ("show", SHOW)):
        with open(mta.folder + "/" + name, "w") as handle:
            handle.write(filled(text, mta))
    os.chmod(mta.folder + "/show", 0o755)
    mta.parameters.update(RULES, alias_maps="hash:%s/aliases" % mta.folder)
    mta.write_configuration()
    theirs = kind is Postfix
    done = run("/usr/sbin/postalias" if theirs else SBIN + "/postalias", "-c",
               mta.conf, "hash:%s/aliases" % mta.folder,
               env=dict(os.environ, MAIL_CONFIG=mta.conf) if theirs
               else mta.env)
    check(not done.stderr.strip(), done.stderr)
    return mta


def filled(text, mta):
    return text.replace("FOLDER", mta.folder)


def send(mta, name):
    with smtplib.SMTP("127.0.0.1", mta.smtp_port, timeout=60) as client:
        client.ehlo("client.example.net")
        client.mail("s@remote.example")
        client.docmd("RCPT TO:<%s@example.org>" % name)
        client.data(b"From: s@remote.example\r\nTo: x@example.org\r\n"
                    b"Subject: x\r\n\r\nHello.\r\nFrom here\r\n")


def plain(text, mta):
    homes = os.path.dirname(pwd.getpwnam("alice").pw_dir)
    for old, new in ((mta.folder, "FOLDER"), (homes, "HOMES")):
        text = text.replace(old, new)
    return text


def statuses(mta):
    """Of each recipient, in any order; local's and what local forwards."""
    found = []
    for line in mta.log().splitlines():
        row = re.search(r"/(local|discard|error)\[\d+\]: \w+: to=<(.*?)>, (?:orig_to=<"
                        r"(.*?)>, )?relay=.*?, .*dsn=(.*?), "
                        r"status=(\w+) (\(.*\))", line)
        if row and row.group(3) is not None or row and \
                row.group(2) != "s@remote.example":
            found.append("|".join(re.sub(
                r"forwarded as \w+", "forwarded as ID", word or "").replace(
                    " )", ")") for word in row.groups()))
    return sorted(plain(row, mta) for row in found)


def tree(mta):
    """What lies in homes and in out/, message by message."""
    found = []
    for top in (mta.folder + "/out", *(pwd.getpwnam(user).pw_dir
                                       for user in USERS)):
        for folder, _, names in os.walk(top):
            for name in names:
                path = folder + "/" + name
                owner = pwd.getpwuid(os.stat(path).st_uid).pw_name
                with open(path, errors="replace") as handle:
                    text = handle.read()
                # The index of ours and its files are no mail.
                if name.startswith((".forward", "dovecot", "posthorn")) or \
                        "/." in folder[len(top):]:
                    continue
                if "/new" in path or "/cur" in path:
                    path = folder + "/MESSAGE"
                found.append(plain("%s %s %o\n%s" % (
                    path, owner, os.stat(folder + "/" + name).st_mode & 0o777,
                    cleaned(text)), mta))
    return sorted(found)


def cleaned(text):
    text = re.sub(r"(?m)^(Received|Message-Id|Date|X-Postfix-\S+|"
                  r"Arrival-Date|Reporting-MTA|X-Posthorn-\S+):.*\n([ \t].*\n)*",
                  "", text, flags=re.I)
    text = re.sub(r"(?m)^(From \S+) .*", r"\1", text)
    return text


def outcome(mta):
    mta.start()
    for count, name in enumerate(SENT):
        send(mta, name)
        wait_for(lambda: at_rest(mta, count + 1), "rest after " + name)
    return statuses(mta), tree(mta)


def at_rest(mta, count):
    """So many have come, and each message that became active is removed, or
    has been tried."""
    log = mta.log()
    active = re.findall(r"qmgr\[\d+\]: (\w+): from=.*queue active", log)
    done = set(re.findall(r"qmgr\[\d+\]: (\w+): removed", log)) | set(
        re.findall(r": (\w+): to=.*status=deferred", log))
    accepted = re.findall(r"smtpd\[\d+\]: (\w+): client=", log)
    return len(accepted) == count and set(active) <= done and \
        set(accepted) <= set(active)


def unlike(row):
    """A command that is not there: ours has its own words."""
    return row.startswith("local|status127@") and "|4.3.0|deferred|" in row


def test_each():
    if not is_root():
        raise Skip("needs users to deliver to")
    got = []
    homes = own_homes()
    try:
        for kind in (Postfix, Instance):
            with prepared(kind) as mta:
                got.append(outcome(mta))
    finally:
        run("umount", "/etc/passwd")
        shutil.rmtree(homes)
    wrong = []
    for theirs, ours in zip(*got):
        check(len(theirs) > 10)
        wrong += difflib.unified_diff(*[
            "\n".join(row for row in rows if not unlike(row)).split("\n")
            for rows in (theirs, ours)], "theirs", "ours", lineterm="", n=1)
    if wrong:
        raise Failed("\n".join(wrong))


if __name__ == "__main__":
    main(globals())
