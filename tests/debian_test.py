"""Debian's default configuration of Postfix and what administrators make of
it: used as it is."""
import difflib
import hashlib
import json
import os
import re
import smtplib
import subprocess

import debian
from instance import (PATIENCE, PREFIX, SBIN, Failed, Skip, equal, is_root,
                      main, matches, run, untrusting, wait_for)

TEXT = "Subject: %s\n\nHello.\n"


def enter():
    """Once in this process."""
    if not is_root() or "POSTHORN_ACCOUNTS" not in os.environ:
        raise Skip("needs root and tests/with-accounts")
    if not os.path.ismount("/var/mail"):
        debian.enter()


def files():
    """Everything below /etc/postfix and the aliases: octets, owner, mode and
    time."""
    found = {}
    for folder, _, names in os.walk(debian.CONF):
        for path in [folder + "/" + name for name in names]:
            state = os.stat(path)
            with open(path, "rb") as handle:
                found[path] = (hashlib.sha256(handle.read()).hexdigest(),
                               state.st_uid, state.st_mode, state.st_mtime_ns)
    return found


def read(path):
    with open(path, errors="replace") as handle:
        return handle.read()


def mailbox(user, subject):
    path = "/var/mail/" + user
    wait_for(lambda: os.path.exists(path) and
             "\nSubject: %s\n" % subject in read(path),
             "%s in the mailbox of %s" % (subject, user))


def theirs(*words, **more):
    folder = "/usr/bin/" if words[0] == "newaliases" else "/usr/sbin/"
    return run(folder + words[0], *words[1:], **more)


def ours(*words, **more):
    return run(SBIN + "/" + words[0], *words[1:], **more)


def as_edited():
    """As somebody left it who had Debian's Postfix; tables by its commands."""
    debian.install()
    theirs("postconf", "-e", "virtual_alias_maps=hash:/etc/postfix/virtual",
           "transport_maps=hash:/etc/postfix/transport",
           "smtpd_sender_restrictions=check_sender_access "
           "cidr:/etc/postfix/nothing, check_sender_access "
           "hash:/etc/postfix/access", "header_checks="
           "regexp:/etc/postfix/header_checks", "relayhost=[127.0.0.1]:9")
    theirs("postconf", "-M", "submission/inet=submission inet n - y - - smtpd")
    theirs("postconf", "-P", "submission/inet/syslog_name=postfix/submission",
           "submission/inet/smtpd_tls_security_level=encrypt")
    for name, text in (
            ("virtual", "info@example.org bob\n"),
            ("transport", "gone.example discard:\n"),
            ("access", "bad.example REJECT not you\n"), ("nothing", ""),
            ("header_checks", "/^Subject: (old)/ REPLACE Subject: was $1\n")):
        debian.write(name, text)
        if name not in ("nothing", "header_checks"):
            theirs("postmap", debian.CONF + "/" + name)
    theirs("newaliases")


def connected(port):
    client = smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE)
    client.ehlo("client.example.net")
    return client


def test_used_as_it_is():
    enter()
    as_edited()
    before = files()
    try:
        ours("postfix", "-c", debian.CONF, "start")
        with smtplib.SMTP(timeout=PATIENCE) as client:
            client._host = "localhost"  # what starttls() wants of connect()
            matches(rb"mail\.example\.org ESMTP \S+ \(Debian/GNU\)",
                    client.connect("127.0.0.1", 25)[1])
            client.starttls(context=untrusting())
            client.ehlo("client.example.net")
            client.sendmail("a@example.net", ["root", "info@example.org",
                                              "x@gone.example"],
                            TEXT % "first")
            equal(client.docmd("MAIL FROM:<x@bad.example>")[0], 250)
            code, said = client.docmd("RCPT TO:<root@example.org>")
            equal(code, 554)
            matches(b"not you", said)
            client.rset()
            equal(client.mail("a@example.net")[0], 250)
            equal(client.rcpt("nobody-here@example.org")[0], 550)
        with connected(587) as client:
            equal(client.mail("a@example.net")[0], 530)
        with smtplib.SMTP("::1", 25, timeout=PATIENCE) as client:
            client.sendmail("a@example.net", ["alice@localhost"],
                            TEXT % "second")
        ours("sendmail", "-f", "bob", "postmaster", input=TEXT % "old")
        mailbox("alice", "first")
        mailbox("alice", "second")
        mailbox("alice", "was old")
        mailbox("bob", "first")
        wait_for(lambda: "is empty" in ours("mailq").stdout, "an empty queue")
        matches("is running", ours("postfix", "status").stderr)
        ours("postfix", "reload")
        # A table that changes, by either's postmap.
        debian.write("virtual", "info@example.org alice\n")
        theirs("postmap", debian.CONF + "/virtual")

        def arrives():
            with connected(25) as client:
                client.sendmail("a@example.net", ["info@example.org"],
                                TEXT % "third")
            return "\nSubject: third\n" in read("/var/mail/alice")
        wait_for(arrives, "the new alias")
    finally:
        subprocess.run([SBIN + "/postfix", "-c", debian.CONF, "stop"],
                       stderr=subprocess.DEVNULL)
    after = files()
    for path in list(before):
        if "/virtual" in path:
            del before[path], after[path]
    equal(after, before)


# ---- what an administrator types, and what is said to that ----

# In a shell in /etc/postfix, one after the other; @WORDS: wait.
EDITS = r"""
postconf -n
postconf -M
postconf -Mf
postconf -F smtp/inet
postconf -P
newaliases
ls -l /etc/aliases.db | cut -c1-10
postalias -q root hash:/etc/aliases
postmap -q root hash:/etc/aliases
postconf -e mydestination=example.org,localhost
postconf -# relayhost
postconf -X relayhost
postconf -e relayhost=y
cat main.cf
postconf -e a_name=1
postconf -n
postconf a_name
postconf -e smtpd_foo_restrictions=permit
postconf -n smtpd_foo_restrictions
postconf -X a_name smtpd_foo_restrictions
postconf -M submission/inet='submission inet n - y - - smtpd'
postconf -P submission/inet/smtpd_tls_security_level=encrypt submission/inet/smtpd_sasl_auth_enable=yes
postconf -M submission/inet
postconf -Mf submission/inet
postconf -P submission/inet
postconf -F submission/inet/chroot=n smtp/inet/chroot=n
postconf -F submission/inet smtp/inet/chroot
postconf -PX submission/inet/smtpd_sasl_auth_enable
grep -v '^#' master.cf
postconf -M# submission/inet
postconf -MX scache/unix
grep -v '^#' master.cf
tail -3 master.cf
postconf -h myhostname mydestination
postconf -x mydestination
postconf -d mydestination
postconf -H -n
postconf -f mynetworks smtpd_relay_restrictions
postconf -C service | head -3
postconf -l
postconf -A
postconf -# foo
postconf -P foo/inet/x=1
postconf -P '*/*/syslog_name'
postconf -M foo/inet
postconf -c /etc/postfix -n config_directory
postconf -e
postconf -e foo bar=1
postconf -F smtp/inet/foo
postconf -M foo/inet='bar inet n - n - - smtpd'
postconf -n -d
postconf -c /nonexistent
echo 'foo bar' >>main.cf; postconf -n; sed -i '$d' main.cf
echo 'x = $x' >>main.cf; postconf -x x; sed -i '$d' main.cf
echo 'smtp_connect_timeout = soon' >>main.cf; postconf smtp_connect_timeout; sed -i '$d' main.cf
printf 'example.com OK\nexample.net REJECT\n"q k" v\n' >access; postmap access
postmap -q EXAMPLE.com hash:access
postmap -q nothing hash:access
printf 'example.com\nnothing\nexample.net\n' | postmap -q - hash:access
postmap -s access | sort
postmap -d example.com access
echo 'new value' | postmap -i access
echo 'new other' | postmap -i access
echo 'new other' | postmap -ir access
postmap -q new access
chmod 600 access; rm access.db; postmap access; ls -l access.db | cut -c1-10
postmap -q x hash:missing
postmap -q x regexp:missing
postmap -q x unionmap:{static:a,static:b}
postmap -q x 'pipemap:{static:a,inline:{a=b}}'
postmap -q x randmap:{a}
postmap -q x fail:y
postmap -q root unix:passwd.byname
postmap -q root unix:group.byname
setpriv --reuid=65534 --regid=65534 --clear-groups postconf -n | head -2
setpriv --reuid=65534 --regid=65534 --clear-groups postconf -e a=b
setpriv --reuid=65534 --regid=65534 --clear-groups postsuper -d ALL
setpriv --reuid=65534 --regid=65534 --clear-groups postqueue -c /tmp -p
""".strip().splitlines()
QUEUE = r"""
newaliases
mailq
postqueue -p
postqueue -j
postsuper -d ALL
postsuper -h ABCDEF012345
postsuper -r ALL
postsuper -s
postsuper
postcat -q ABCDEF012345
postcat -bh /nonexistent
postfix start
mailq
postqueue -j
postqueue -f
postqueue -i ABCDEF012345
postsuper -d ABCDEF012345
postsuper -e ABCDEF012345
postsuper -H ALL
postqueue -i 'bad id'
postqueue -s ''
printf 'Subject: hi\n\nhello\n' | sendmail -f root root
@mail
grep -v '^From \|^Received\|^	\|^Message-I\|^Date' /var/mail/alice
ls -l /var/mail/alice | cut -d' ' -f1,3,4
postconf -e 'relayhost = [192.0.2.1]:25'
postfix reload
printf 'Subject: away\n\nhello\n' | sendmail -f root someone@example.com
@deferred
mailq | sed 1,2d
postsuper -h $ID
mailq | grep -c !
postsuper -h $ID
postsuper -H $ID
postcat -qb $ID
postsuper -h ALL
postsuper -H ALL
postsuper -e ALL
mailq | grep -c '#'
postsuper -d $ID deferred
mailq
postfix stop
""".strip().splitlines()


def await_queue(env, word):
    def typed(line):
        return subprocess.run(line, shell=True, env=env, text=True,
                              stdout=subprocess.PIPE).stdout
    if word == "@mail":
        wait_for(lambda: os.path.exists("/var/mail/alice") and
                 "hello" in read("/var/mail/alice"), "mail of alice")
        wait_for(lambda: "is empty" in typed("mailq"), "an empty queue")
        return
    row = wait_for(lambda: '"delay_reason"' in typed("postqueue -j") and
                   '"queue_name": "deferred"' in typed("postqueue -j") and
                   typed("postqueue -j"), "a deferral")
    env["ID"] = json.loads(row)["queue_id"]


def typed(lines, path):
    debian.install()
    env = dict(LC_ALL="C", HOME="/root", TZ="UTC", PATH=path)
    # As the installation does; theirs stumbles over a /usr that is read-only.
    run("sh", "-c", "postfix set-permissions", env=env, check=False)
    said = []
    for line in lines:
        if line.startswith("@"):
            await_queue(env, line)
            continue
        done = subprocess.run(["sh", "-c", line], env=env, cwd=debian.CONF,
                              stdin=subprocess.DEVNULL, timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, errors = (part.decode("utf-8", "replace")
                       for part in (done.stdout, done.stderr))
        # Warnings about names come in the order of a hash table there.
        errors = "\n".join(sorted(set(errors.splitlines())))
        said.append("$ %s\n%s%s\n=> %d" % (line, out, errors,
                                          done.returncode))
    return said


def masked(text):
    for pattern, word in (
            (re.escape(SBIN) + "/", "/usr/sbin/"),
            (PREFIX + "/etc/postfix", debian.CONF), (r"\b[0-9A-F]{7,}\b", "ID"),
            ("postfix-script: (starting|stopping).*\n?", "")):
        text = re.sub(pattern, word, text)
    return text


def session(lines):
    enter()
    # Not what stands first there: /usr/sbin has theirs.
    both = zip(typed(lines, "/usr/sbin:/usr/bin:/bin"),
               typed(lines, SBIN + ":/usr/bin:/bin"))
    wrong = []
    for pair in both:
        pair = [masked(text).splitlines() for text in pair]
        if pair[0] != pair[1]:
            wrong += [pair[0][0], *list(difflib.unified_diff(
                *pair, "theirs", "ours", "", "", 0, ""))[2:]]
    if wrong:
        raise Failed("\n".join(wrong))


def test_what_is_said_of_the_configuration():
    session(EDITS)


def test_what_is_said_of_the_queue():
    session(QUEUE)


if __name__ == "__main__":
    main(globals())
