"""local(8) beside Debian's Postfix: the same aliases, .forward files and mail;
what is logged of each recipient, and what then lies in homes and files. Other
settings have a row of local(8) each, and a domain."""
import os
import pwd
import re
import shutil
import socket
import tempfile

from agents import (add_rows, compare, filled, plain, send_all, statuses,
                    tree, write)
from instance import (SBIN, Instance, Skip, check, equal, is_root, main, run,
                      wait_for)
from postfix_peer import Postfix

# vmail, dovecot and dovenull have aliases that lead back to them.
USERS = ("alice", "bob", "carol", "vmail", "dovecot", "dovenull")
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
members: :include:FOLDER/members
owner-members: keeper
list2: alice, someone@remote.example, "|FOLDER/show list2 $SENDER"
owner-list2: bob, carol
special: \\bob
""" + """\
self: self
self2: self2, bob
a1: b1
b1: a1
r1: ring1@example.org
ring1: r1
t1: t2
t2: t3
t3: t1, alice
dup: bob, bob, BOB, bob@example.org
vmail: vmail
dovecot: dovenull
dovenull: dovecot
inc: :include:FOLDER/again
inc2: :include:FOLDER/members, :include:FOLDER/members
back: \\back
twice: "|FOLDER/show twice", "|FOLDER/show twice"
""" + "".join("deep%d: deep%d\n" % (i, i + 1) for i in range(1, 120)) + \
    "deep120: alice\n"
INCLUDED = {"members": "alice\n# nobody\nsomeone@remote.example, bob\n",
            "again": "inc\nalice\n"}
FORWARDS = {
    "alice": {
        ".forward+file": "HOME/saved\n",
        ".forward+command": "\"|FOLDER/show alice $EXTENSION\"\n",
        ".forward+loop": "alice+loop\n",
        ".forward+empty": "",
        "list": "bob\n",
        "paths/alice.one": "HOME/by-one\n",
        "paths/with": "HOME/by-with\n",
        "paths/without": "HOME/by-without\n",
        "paths/x.a_b": "HOME/by-filtered\n",
    },
    "bob": {".forward": "bob\n"},
    "carol": {".forward": "\\carol, \"|FOLDER/show carol $EXTENSION $USER\"\n"},
    "vmail": {}, "dovecot": {}, "dovenull": {},
}
RULES = {
    "mydestination": "example.org", "myorigin": "example.org",
    "mydomain": "example.org", "myhostname": "mail.example.org", "mail_name": "Mail",
    "local_recipient_maps": "", "recipient_delimiter": "+",
    "home_mailbox": "Maildir/", "default_privs": "nobody",
    "default_transport": "discard:away", "notify_classes": "",
    "virtual_alias_maps": "", "minimal_backoff_time": "1000s",
    "queue_run_delay": "1000s", "bounce_notice_recipient": "postmaster",
    "smtputf8_enable": "no", "mailbox_size_limit": "0", "biff": "no",
    "import_environment": "MAIL_CONFIG LANG=C {IMPORTED=of the suite}",
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
    "carol+e", "nobody-here", "self", "a1", "r1", "vmail",
    "dovecot", "inc", "inc2", "back", "twice", "deep100", "deep1", "members",
    "list2",
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


# A lock is waited for a second; older than some hours it is nobody's.
HURRY = {"deliver_lock_attempts": "1", "deliver_lock_delay": "1s",
         "stale_lock_time": "10000s"}
# Rows of local(8): its settings, and what is sent to DOMAIN of that name.
ROWS = {
    "tables": ({
        "mailbox_transport_maps": "inline:{{vmail=error:5.7.1 not for it}}",
        "mailbox_command_maps": "inline:{{alice=FOLDER/show by-table "
        "$EXTENSION \"$RECIPIENT\"}}",
        "mailbox_command": "FOLDER/show by-parameter $USER $LOCAL $HOME"},
        "alice Alice+ext alice+a+b bob bob+x vmail vmail+x one owner-list "
        "nobody-here"),
    "transport": ({
        "mailbox_transport": "discard:here",
        "mailbox_command": "FOLDER/show never"}, "alice+x bob nobody-here"),
    "fallback": ({
        "fallback_transport_maps": "inline:{{ghost=error:5.1.6 has moved}, "
        "{spirit=discard:silently}}",
        "fallback_transport": "error:5.1.1 nobody of that name",
        "luser_relay": "bob"},
        "ghost Ghost+ext spirit nobody-here alice gone"),
    "some-fallback": ({
        "fallback_transport_maps": "inline:{{ghost=error:5.1.6 has moved}}",
        "luser_relay": "$user+lost@remote.example"},
        "ghost nobody-here nobody-here+ext MAILER-DAEMON gone"),
    "luser": ({"luser_relay": "$local@remote.example"},
              "nobody-here+Ext \"odd;name\" alice+x"),
    "luser-all": ({"luser_relay": "x.$user.$extension.$domain.$recipient."
                   "$recipient_delimiter.$shell.$home.$mail@remote.example"},
                  "nobody-here+Ext nobody-else"),
    "luser-conditions": ({"luser_relay": "${extension?yes}${extension:no}"
                          "$(user)@remote.example"},
                         "nobody-here+Ext nobody-else"),
    "luser-here": ({"luser_relay": "bob+lost"}, "nobody-here"),
    "luser-command": ({"luser_relay": "|FOLDER/show luser"}, "nobody-here"),
    "luser-file": ({"luser_relay": "FOLDER/out/luser"}, "nobody-here"),
    "owner": ({"expand_owner_alias": "yes"}, "members one+x"),
    "no-owner": ({}, "members list2 members-request owner-members"),
    "exported": ({
        "export_environment": "TZ MARK=of-a-row {SPACED=a b} NOTHING IMPORTED "
        "LANG=C",
        "mailbox_command": "FOLDER/names"}, "alice bob+x"),
    "allowed": ({"command_expansion_filter": "abcdefghijklmnopqrstuvwxyz.@",
                 "mailbox_command": "FOLDER/show filtered"},
                "alice+UP-per \"alice+x;y\" \"alice+x y\""),
    "shell": ({"local_command_shell": "FOLDER/shell -x"},
              "command shell quotes status1"),
    "directory": ({"command_execution_directory": "$home",
                   "mailbox_command": "pwd >FOLDER/out/directory"}, "alice"),
    "directory-ext": ({
        "command_execution_directory": "FOLDER/out/$extension",
        "mailbox_command": "pwd >>FOLDER/out/directory"},
        "alice+sub alice+none alice"),
    "no-commands": ({"allow_mail_to_commands": "forward",
                     "allow_mail_to_files": ""},
                    "command file alice+command alice+file"),
    "extended": ({"propagate_unmatched_extensions": "alias, forward, include",
                  "mailbox_command": "FOLDER/show extended"},
                 "one+e members+e remote+e alice+e"),
    "forwards": ({"forward_path": "$home/paths/$user.$extension, "
                  "$home/paths/${extension?with}${extension:without}, "
                  "/nonexistent/$home"},
                 "alice+one alice+two alice bob"),
    "filtered-path": ({"forward_path": "$home/paths/x.$extension",
                       "forward_expansion_filter": "abc"}, "alice+axb"),
    "mbox": ({"home_mailbox": "Mailbox"}, "alice alice bob"),
    "spool": ({"home_mailbox": "", "mail_spool_directory": "FOLDER/spool"},
              "alice bob alice+x"),
    "spool-maildir": ({"home_mailbox": "",
                       "mail_spool_directory": "FOLDER/spool-md/"},
                      "alice bob"),
    "plain-head": ({"prepend_delivered_header": "", "mailbox_command": ""},
                   "alice file command remote"),
    "some-head": ({"prepend_delivered_header": "command"},
                  "alice file command remote"),
    "delimiters": ({"recipient_delimiter": "-+",
                    "mailbox_command": "FOLDER/show delimited"},
                   "alice-x+y alice+x-y owner-list owner-list-x"),
    "no-delimiter": ({"recipient_delimiter": ""}, "alice+x one+x"),
    "small": ({"mailbox_size_limit": "1300", "message_size_limit": "1300",
               "home_mailbox": "Small"}, "alice alice alice alice"),
    "announced": ({"home_mailbox": "", "biff": "yes",
                   "mail_spool_directory": "FOLDER/spool-biff"},
                  "alice bob alice+x"),
    "announced-home": ({"home_mailbox": "Box", "biff": "yes"}, "alice bob"),
    "several": ({"alias_maps": "inline:{{one=bob},{gone=alice}}, "
                 "hash:FOLDER/aliases"}, "one gone remote"),
    "broken": ({"alias_maps": "hash:FOLDER/aliases, fail:x"},
               "one nobody-here alice"),
    # nobody's home is not there
    "need-home": ({"require_home_directory": "yes",
                   "mailbox_command": "FOLDER/show homes"},
                  "nobody nobody+x alice"),
    "no-home": ({"mailbox_command": "FOLDER/show no-home"}, "nobody"),
    "strict": ({"home_mailbox": "", "mail_spool_directory": "FOLDER/owned"},
               "alice bob"),
    "lenient": ({"home_mailbox": "", "mail_spool_directory": "FOLDER/owned",
                 "strict_mailbox_ownership": "no"}, "alice"),
    # alice.lock lies in "held"; nobody but root makes files in "closed"
    "locked": ({"home_mailbox": "", "mail_spool_directory": "FOLDER/held",
                "mailbox_delivery_lock": "fcntl, dotlock", **HURRY},
               "alice bob"),
    "dot-locked": ({"home_mailbox": "", "mail_spool_directory": "FOLDER/held",
                    "mailbox_delivery_lock": "dotlock", **HURRY}, "alice"),
    "not-locked": ({"home_mailbox": "", "mail_spool_directory": "FOLDER/held",
                    "mailbox_delivery_lock": "flock, fcntl", **HURRY},
                   "alice"),
    "stale-lock": ({"home_mailbox": "", "mail_spool_directory": "FOLDER/stale",
                    "mailbox_delivery_lock": "dotlock", "stale_lock_time":
                    "1s", "deliver_lock_delay": "1s"}, "alice"),
    "closed-dot": ({"home_mailbox": "",
                    "mail_spool_directory": "FOLDER/closed"}, "alice bob"),
    "closed": ({"home_mailbox": "", "mail_spool_directory": "FOLDER/closed",
                "mailbox_delivery_lock": "flock"}, "alice bob"),
    "slow": ({"command_time_limit": "1s", "mailbox_command": "sleep 500"},
             "alice"),
}
# Commands tell the names of what they are given.
NAMES = """#!/bin/sh
env | sed 's|^\(PATH\|_\|PWD\|SHLVL\|OLDPWD\)=.*||' | sort -u \
	>>FOLDER/out/names
"""
SHELL = """#!/bin/sh
echo "shell: $*" >>FOLDER/out/shell-words
shift
exec /bin/sh -c "$1"
"""


def prepared(kind):
    mta = kind()
    mta.write_configuration()
    for user in USERS:
        home = pwd.getpwnam(user).pw_dir
        run("find", home, "-mindepth", "1", "-delete")
        for name, text in FORWARDS[user].items():
            write(home + "/" + name, filled(text, mta).replace("HOME", home),
                  0o644)
        run("chown", "-R", user + ":" + user, home)
    for name, mode in (("out", 0o1777), ("out/sub", 0o777), ("spool", 0o1777),
                       ("spool-md", 0o1777), ("spool-biff", 0o1777),
                       ("owned", 0o1777), ("held", 0o1777),
                       ("stale", 0o1777), ("closed", 0o755)):
        os.makedirs(mta.folder + "/" + name)
        os.chmod(mta.folder + "/" + name, mode)
    os.chmod(mta.folder, 0o755)
    for name, owner in (("owned/alice", "bob"), ("held/alice.lock", "root"),
                        ("stale/alice.lock", "alice"),
                        ("closed/alice", "alice")):
        write(mta.folder + "/" + name, "", 0o666)
        shutil.chown(mta.folder + "/" + name, owner)
    for name, text in {"aliases": ALIASES, **INCLUDED}.items():
        write(mta.folder + "/" + name, filled(text, mta), 0o644)
    for name, text in (("show", SHOW), ("names", NAMES), ("shell", SHELL)):
        write(mta.folder + "/" + name, filled(text, mta), 0o755)
    mta.parameters.update(RULES, alias_maps="hash:%s/aliases" % mta.folder)
    add_variants(mta)
    mta.write_configuration()
    theirs = kind is Postfix
    done = run("/usr/sbin/postalias" if theirs else SBIN + "/postalias", "-c",
               mta.conf, "hash:%s/aliases" % mta.folder,
               env=dict(os.environ, MAIL_CONFIG=mta.conf) if theirs
               else mta.env)
    check(not done.stderr.strip(), done.stderr)
    return mta


def add_variants(mta):
    """A row for each of ROWS, and its domain."""
    add_rows(mta, {name: "local" + "".join(
        "\n  -o { %s = %s }" % setting for setting in settings.items())
        for name, (settings, _) in ROWS.items()})
    mta.parameters["mydestination"] += "".join(
        ", %s.example" % name for name in ROWS)


def outcome(mta):
    mta.start()
    answers = send_all(mta, [([address],) for address in addresses()])
    homes = os.path.dirname(pwd.getpwnam("alice").pw_dir)
    more = [(homes, "HOMES")]
    return (statuses(mta, "local|discard|error", more),
            tree(mta, [mta.folder + "/" + name for name in (
                "out", "spool", "spool-md", "spool-biff", "owned", "held",
                "stale", "closed")] +
                [pwd.getpwnam(user).pw_dir for user in USERS], more),
            senders(mta), answers)


def addresses():
    for name in SENT:
        yield name + "@example.org"
    for domain, (_, names) in ROWS.items():
        for name in re.findall(r'"[^"]*"|\S+', names):
            yield "%s@%s.example" % (name, domain)


def senders(mta):
    """Of all that was queued."""
    return sorted(re.findall(r"qmgr\[\d+\]: \w+: from=<(.*?)>, size=",
                             mta.log()))


def unlike(row):
    """A command that is not there: ours has its own words. What becomes a
    message of its own does so at other points."""
    return row.startswith("local|status127@") and "|4.3.0|deferred|" in row or \
        row.endswith("|(forwarded as ID)")


class Comsat:
    """Hears what biff(1) would, in this mount namespace."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.folder = tempfile.mkdtemp(prefix="posthorn-services-")
        os.chmod(self.folder, 0o755)
        with open("/etc/services") as handle:
            text = handle.read().replace("512/udp", "%d/udp" %
                                         self.socket.getsockname()[1])
        write(self.folder + "/services", text, 0o644)
        run("mount", "--bind", self.folder + "/services", "/etc/services")
        return self

    def __exit__(self, *why):
        run("umount", "/etc/services")
        shutil.rmtree(self.folder)
        self.socket.close()

    def take(self, count):
        """So many datagrams, without the length that only one of the two
        gives a message."""
        heard = []

        def all_heard():
            try:
                heard.append(self.socket.recv(1000).decode())
            except BlockingIOError:
                pass
            return len(heard) == count
        wait_for(all_heard, "%d datagrams" % count)
        return sorted(heard)


def test_each():
    if not is_root():
        raise Skip("needs users to deliver to")
    got, heard = [], []
    homes = own_homes()
    try:
        with Comsat() as comsat:
            for kind in (Postfix, Instance):
                with prepared(kind) as mta:
                    got.append(outcome(mta))
                    heard.append([plain(re.sub(r"@[1-9]\d*", "@N", row), mta)
                                  for row in comsat.take(3)])
    finally:
        run("umount", "/etc/passwd")
        shutil.rmtree(homes)
    compare(got, unlike)
    equal(heard[1], heard[0])


if __name__ == "__main__":
    main(globals())
