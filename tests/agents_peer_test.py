"""pipe(8) and virtual(8) beside Debian's Postfix: each flag, attribute, macro
and exit status; each kind of mailbox and what is wrong with them."""
import os
import pwd
import re

from agents import (TEXT, add_rows, compare, filled, send_all, statuses, tree,
                    write)
from instance import Instance, Skip, is_root, main
from postfix_peer import Postfix

RULES = {
    "mydestination": "localhost", "myorigin": "example.org",
    "mydomain": "example.org", "myhostname": "mail.example.org", "mail_name": "Mail",
    "recipient_delimiter": "+", "notify_classes": "", "smtputf8_enable": "no",
    "minimal_backoff_time": "1000s", "queue_run_delay": "1000s",
    "default_transport": "discard:away", "virtual_alias_maps": "",
    "smtpd_recipient_restrictions": "permit_mynetworks, reject",
}

# ---- pipe(8) ----

# What it is given: words, message, user and group, folder, some names.
SHOW = """#!/bin/sh
name=$1
shift
{
	id -un
	id -gn
	pwd | sed 's|^/.*/queue|QUEUE|'
	for word in "$@"; do echo "<$word>"; done
	env | sed '/^\\(_\\|PWD\\|SHLVL\\|OLDPWD\\)=/d' | sort
	cat | sed 's/\\r/CR/'
} >>FOLDER/out/$name
"""
SAYS = """#!/bin/sh
cat >/dev/null
test -z "$2" || printf "$2"
exit $1
"""
ARGV = "argv=FOLDER/show %s"
SHORT = ARGV + " ${sender} ${recipient}"
# envid: not in 3.7.
MACROS = ("client_address client_helo client_hostname client_protocol domain "
          "extension mailbox nexthop original_recipient recipient "
          "sasl_method sasl_sender sasl_username sender user").split()
# Attributes of a row, what its arguments are, and who gets mail.
PIPES = {"flags-" + name: ("flags=" + flags, SHORT, '"Joe X"+Ext Joe+Ext')
         for name, flags in (
             ("b", "B"), ("d", "D"), ("f", "F"), ("o", "O"), ("r", "R"),
             ("x", "X"), ("h", "h"), ("q", "q"), ("u", "u"), ("dot", "."),
             ("from", ">"), ("all", "BDFORhqu.>"), ("bq", "Bq"))}
PIPES.update({
    "none": ("", SHORT, "Joe+Ext"),
    "eol": ("eol=\\r\\n flags=BF.", SHORT, "joe"),
    "eol2": ("eol=|", SHORT, "joe"),
    "size": ("size=100", SHORT, "joe"),
    "large": ("size=100000", SHORT, "joe"),
    "directory": ("directory=FOLDER/out", SHORT, "joe"),
    "no-directory": ("directory=FOLDER/nothing", SHORT, "joe"),
    "group": ("user=bob:daemon", SHORT, "joe"),
    "null": ("flags=FR null_sender=nobody@null", SHORT, "<>"),
    "no-null": ("flags=FR null_sender=", SHORT, "<>"),
    "default-null": ("flags=FR", SHORT, "<>"),
    "macros": ("", ARGV + " " + " ".join("%s=${%s}" % (m, m) for m in MACROS),
               "Joe+Ext"),
    "macros-q": ("flags=q", ARGV + " ${sender} ${recipient} ${user} "
                 "${mailbox} ${original_recipient}", '"Joe X"+Ext'),
    "macros-u": ("flags=hu", ARGV + " ${sender} ${recipient} ${user} "
                 "${mailbox} ${extension} ${domain}", "Joe+Ext"),
    "forms": ("", ARGV + " $sender $(recipient) x${user}y $$ $$user a$user "
              "{ two words } ${extension}", "Joe+Ext Joe"),
    "two-in-one": ("", ARGV + " -f ${sender} ${recipient}-${user}",
                   "Joe+Ext"),
    "many": ("", ARGV + " -f ${sender} -- ${recipient} x ${user}@${nexthop} "
             "${extension}", "one three two+x"),
    "many-d": ("flags=D", SHORT, "one two"),
    "chroot": ("chroot=/usr", "argv=/bin/sh -c "
               "{cat >/dev/null; pwd; test -d /share && exit 69}", "joe"),
    "slow": ("", "argv=/bin/sleep 1000", "joe"),
    "absent": ("", "argv=/nonexistent/program", "joe"),
    "no-program": ("", "argv=/etc/hosts", "joe"),
    "signal": ("", "argv=/bin/sh -c {kill -9 $$$$}", "joe"),
    "unread": ("", "argv=/bin/true", "joe"),
    "unread-fails": ("", "argv=/bin/false", "joe"),
})
for number in (0, 1, 2, 63, *range(64, 80), 99, 126, 127):
    PIPES["status%d" % number] = ("", "argv=FOLDER/says %d" % number, "joe")
    PIPES["says%d" % number] = (
        "", "argv=FOLDER/says %d {some words\\\\nand more\\\\n}" % number, "joe")
for number, words in enumerate((
        "4.2.1 for now", "5.7.7 go away", "2.1.5 fine", "4.2 no code",
        "5.1.1", "\\\\n5.1.1 second line", "text 4.2.1 within",
        "\\\\001odd\\\\377octets", "x" * 900)):
    for status in (0, 1, 75):
        PIPES["code%d-%d" % (number, status)] = (
            "", "argv=FOLDER/says %d {%s}" % (status, words), "joe")


def row(name):
    attributes, argv, _ = PIPES[name]
    if "user=" not in attributes:
        attributes += " user=bob"
    return "pipe %s %s" % (attributes.strip(), argv.replace("%s", name, 1))


def letters():
    for name, (_, _, names) in PIPES.items():
        if names == "<>":
            yield ["joe@%s.example" % name], ""
        elif name.startswith("many"):
            yield ["%s@%s.example" % (part, name) for part in names.split()],
        else:
            for part in ('"Joe X"+Ext', "Joe+Ext") if '"' in names else \
                    names.split():
                yield ["%s@%s.example" % (part.replace(
                    '"Joe X"+Ext', '"Joe X+Ext"'), name)], \
                    '"a b"@remote.example' if "q" in name else \
                    "S@Remote.example"


def prepared(kind, rows, rules):
    mta = kind()
    mta.write_configuration()
    os.chmod(mta.folder, 0o755)
    write(mta.folder + "/out/.keep", "", 0o644)
    os.chmod(mta.folder + "/out", 0o1777)
    for name, text in (("show", SHOW), ("says", SAYS)):
        write(mta.folder + "/" + name, filled(text, mta), 0o755)
    mta.parameters.update(RULES, **{
        name: filled(text, mta) for name, text in rules.items()})
    if rows:
        add_rows(mta, rows)
    mta.write_configuration()
    return mta


def beside(rows, rules, letters, agents, fill=lambda mta: None,
           plain=lambda row: row):
    """plain: a row of the log without what has a reason to differ; None: not
    compared."""
    if not is_root():
        raise Skip("needs users to deliver to")
    got = []
    for kind in (Postfix, Instance):
        with prepared(kind, rows, rules) as mta:
            fill(mta)
            mta.start()
            answers = send_all(mta, letters)
            got.append([[row for row in map(plain, rows) if row]
                        for rows in (statuses(mta, agents), tree(
                            mta, [mta.folder + "/out"]), answers)])
    compare(got)


def plain_pipe(row):
    # A 2.x.x that a failing command prints counts for nothing here; there it
    # makes a bounce of what should be tried again.
    if "@code2-" in row and "code2-0" not in row or row.startswith("discard"):
        return None
    # Ours says what is wrong, and what execve(2) said, in its words.
    row = re.sub(r"(\|4.3.5\|deferred\|).*", r"\1", row)
    row = re.sub(r"(joe@absent.*Command output: ).*", r"\1", row)
    # The whole of it is one line there.
    return re.sub(r"Received: from client.*?\|\|Hello", "|Hello", row)


def test_pipe():
    beside({name: row(name) for name in PIPES}, {
        "relay_domains": ", ".join(name + ".example" for name in PIPES),
        "slow_time_limit": "1s", "flags-d_destination_recipient_limit": "1",
        "flags-o_destination_recipient_limit": "1",
        "flags-all_destination_recipient_limit": "1"},
        [*letters(), (["joe@flags-d.example"], "s@remote.example",
                      "Delivered-To: joe@flags-d.example\r\n" + TEXT)],
        "pipe|error|retry|discard", plain=plain_pipe)


# ---- virtual(8) ----

BOXES = {
    "dir": "dir/", "deep": "a/b/deep/", "box": "box", "deepbox": "c/d/box",
    "other+ext": "other/", "noid": "noid/", "nogid": "nogid/", "low": "low/",
    "folder": "folder", "closed": "closed/x/", "foreign": "foreign",
    "linked": "linked", "abs": "/abs/", "dots": "x/../y/",
    "many": "many//z/", "fifo": "fifo", "full": "full",
}
# posthorn-differences(7): no mailbox outside of virtual_mailbox_base, or of the
# base itself.
REFUSED = ("dots@", "x@regexp")


def plain_virtual(row):
    """Why a mailbox cannot be written has other words."""
    if any("|" + name in row or ": " + name in row for name in REFUSED) and \
            not row.startswith("(["):
        return None
    return re.sub(r"(\|(deferred|bounced)\|)\((?!unknown user).*", r"\1", row)



def boxes_of(mta):
    """Mailboxes that are there already, some of them wrong."""
    base = mta.folder + "/out/"
    ids = [pwd.getpwnam(name).pw_uid for name in ("alice", "bob")]
    os.chmod(base, 0o1777)
    os.mkdir(base + "folder")
    os.mkdir(base + "closed", 0o700)
    for name, owner, mode in (("foreign", ids[1], 0o600),
                              ("full", ids[0], 0o600), ("target", ids[0], 0o600)):
        write(base + name, "From x Mon\n\nold\n\n" if name != "full" else
              "x" * 19900 + "\n", mode)
        os.chown(base + name, owner, owner)
    os.symlink("target", base + "linked")
    os.mkfifo(base + "fifo")
    os.chown(base + "folder", ids[0], ids[0])


def test_virtual():
    uid, bob = (pwd.getpwnam(name).pw_uid for name in ("alice", "bob"))
    rules = {
        "virtual_mailbox_domains": "example.org, regexp.example, all.example",
        "virtual_mailbox_base": "FOLDER/out",
        "virtual_mailbox_maps": "inline:{%s, {@all.example=all/}}, regexp:{"
        "{/^(plain)@regexp/ regexp/}, {/^(.*)@regexp/ $1/}}" % ", ".join(
            "{%s@example.org=%s}" % item for item in BOXES.items()),
        "virtual_uid_maps": "inline:{{low@example.org=50}, "
        "{bob@all.example=%d}, {odd@all.example=x}, %s, {@all.example=%d}, "
        "{@regexp.example=%d}}" % (bob, ", ".join(
            "{%s@example.org=%d}" % (name, uid) for name in BOXES
            if name not in ("noid", "low")), uid, uid),
        "virtual_gid_maps": "inline:{%s, {@all.example=%d}, "
        "{@regexp.example=%d}}" % (", ".join(
            "{%s@example.org=%d}" % (name, uid) for name in BOXES
            if name != "nogid"), uid, uid),
        "virtual_minimum_uid": "100", "virtual_mailbox_limit": "20000",
        "message_size_limit": "20000", "mailbox_size_limit": "0",
        "smtpd_reject_unlisted_recipient": "no",
    }
    to = ["%s@example.org" % name for name in BOXES]
    to += ["Dir@Example.org", "dir+ext@example.org", "other+ext@example.org",
           "other@example.org", "nobody@example.org", "any@all.example",
           "any+ext@all.example", "bob@all.example", "odd@all.example",
           "plain@regexp.example", "x@regexp.example", "box@example.org"]
    looped = "Delivered-To: dir@example.org\r\n" + "Subject: x\r\n\r\nx\r\n"
    beside({}, rules, [([address],) for address in to] + [
        (["box@example.org"], ""), (["box@example.org"], '"a b"@x.example'),
        (["dir@example.org"], "s@remote.example", looped)],
        "virtual|error", boxes_of, plain_virtual)


if __name__ == "__main__":
    main(globals())
