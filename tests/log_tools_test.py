"""Programs that read a mail log find in ours what they look for: fail2ban's
filters for Postfix and Dovecot, and pflogsumm, as Debian packages them."""
import imaplib
import os
import poplib
import re
import sys
import tempfile

from full import FullInstance
from instance import Failed, Skip, check, equal, main, matches, run
from postfix_peer import unpacked

STRANGER = "192.0.2.9"  # who 127.0.0.1 is in the log that is looked at
EHLO = "EHLO client.example.net"
MAIL = "MAIL FROM:<a@example.net>"


def ask(mta, *lines):
    with mta.raw() as raw:
        raw.reply()
        for line in lines:
            raw.ask(line)


def bad_smtp(mta):
    """Each thing that a filter knows."""
    ask(mta, EHLO, MAIL, "RCPT TO:<x@example.com>", "QUIT")
    ask(mta, EHLO, MAIL, "RCPT TO:<nobody@example.org>", "QUIT")
    ask(mta, "EHLO client", MAIL, "RCPT TO:<alice@example.org>", "QUIT")
    ask(mta, EHLO, "AUTH PLAIN AGFsaWNlAHdyb25n", "QUIT")
    with mta.raw() as raw:
        raw.reply()
        raw.send(EHLO + "\r\n" + MAIL + "\r\n")
        raw.reply()


def fails(call, *args):
    try:
        call(*args)
    except (imaplib.IMAP4.error, poplib.error_proto):
        return
    raise Failed("a wrong password is right")


def bad_login(mta):
    imap = mta.imap(mta.ports["imap"])
    fails(imap.login, "alice@example.org", "wrong")
    imap.shutdown()
    pop3 = mta.pop3(mta.ports["pop3"])
    pop3.user("nobody@example.org")
    fails(pop3.pass_, "wrong")
    pop3.close()


def strange_log():
    """The path of a log with all of that, and one message."""
    with FullInstance() as mta:
        mta.set(mynetworks="127.0.0.2/32", smtpd_helo_required="yes",
                smtpd_helo_restrictions="reject_non_fqdn_helo_hostname",
                smtpd_sasl_auth_enable="yes",
                smtpd_relay_restrictions="reject_unauth_destination")
        mta.start()
        bad_smtp(mta)
        bad_login(mta)
        mta.send("a@example.net", ["alice@example.org"],
                 "Subject: x\r\n\r\ny\r\n")
        mta.wait_log(r"qmgr\[\d+\]: \w+: removed")
        for service in ("imap", "pop3"):
            mta.wait_log(service + r"-login: Disconnected.*auth failed")
        text = mta.log()
    return re.sub(r"\b127\.0\.0\.1\b(?!:)", STRANGER, text)


def fail2ban(path, name, mode):
    """The lines that this filter takes for attempts of STRANGER."""
    home = unpacked("fail2ban")
    done = run(sys.executable, home + "/usr/bin/fail2ban-regex", "-c",
               home + "/etc/fail2ban", "--print-all-matched", path,
               "%s[mode=%s]" % (name, mode), check=False,
               env=dict(os.environ, PYTHONPATH=home +
                        "/usr/lib/python3/dist-packages"))
    if "ModuleNotFoundError" in done.stderr:
        raise Skip("fail2ban does not run with this Python")
    equal((done.returncode, done.stderr), (0, ""))
    return re.findall(r"^\|  (\w{3} [ \d]\d .*)$", done.stdout, re.M)


def write(folder, text):
    path = folder + "/mail.log"
    with open(path, "w") as handle:
        handle.write(text)
    return path


def test_fail2ban():
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, strange_log())
        for name, mode, wanted in (
                ("postfix", "more", (
                    "554 5.7.1 <x@example.com>: Relay access denied",
                    "550 5.1.1 <nobody@example.org>: Recipient address "
                    "rejected: User unknown",
                    "504 5.5.2 <client>: Helo command rejected: need fully",
                    "improper command pipelining after EHLO")),
                ("postfix", "auth", ("SASL PLAIN authentication failed",)),
                ("dovecot", "normal", (
                    "imap-login: Disconnected (auth failed, 1 attempts",
                    "pop3-login: Disconnected (auth failed, 1 attempts"))):
            found = fail2ban(path, name, mode)
            for text in wanted:
                check(len([line for line in found if text in line]) == 1,
                      "%s, %s: %r in %r" % (name, mode, text, found))
            equal(len(found), len(wanted))


def test_pflogsumm():
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, strange_log())
        out = run(unpacked("pflogsumm") + "/usr/sbin/pflogsumm", path).stdout
    for row in (r"^ +1   received$", r"^ +1   delivered$",
                r"^ +3   rejected \(", r"^ +1   alice@example\.org$",
                r"^    Relay access denied \(total: 1\)$",
                r"^         1   .*SASL PLAIN authentication failed"):
        matches("(?m)" + row, out)


if __name__ == "__main__":
    main(globals())
