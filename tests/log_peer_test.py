"""smtpd's and cleanup's lines in the log beside those of Debian's Postfix: the
same clients, good and bad, and then the same lines.

Since Postfix 3.10 (Debian's is older) the queue ID, or NOQUEUE, stands before
what is said of a connection that ends early."""
import re
import smtplib

from instance import Failed, Instance, Raw, equal, main, make_certificate, \
    untrusting, wait_for
from postfix_peer import Postfix

EHLO, MAIL = "EHLO client.example.net", "MAIL FROM:<a@example.net>"
RCPT, DATA = "RCPT TO:<x@example.org>", "DATA"

ACTIONS = """hold@example.org HOLD
disc@example.org DISCARD
redir@example.org REDIRECT x@example.org
warn@example.org WARN be careful
info@example.org INFO some words
filter@example.org FILTER smtp:[127.0.0.1]:9
doubt@example.org DEFER_IF_PERMIT later
421@example.org 421 4.7.0 go away
521@example.org 521 gone
"""
CHECKS = """/^Subject: bad/ REJECT no
/^Subject: hold/ HOLD first
/^Subject: warn/ WARN hm
/^Subject: other/ REPLACE Subject: new
/^Subject: more/ PREPEND X-A: b
"""

SETTINGS = {
    "mydestination": "example.org", "mynetworks": "192.0.2.0/24",
    "local_recipient_maps": "inline:{x=x}",
    "smtpd_relay_restrictions": "reject_unauth_destination",
    "smtpd_recipient_restrictions": "check_recipient_access texthash:"
    "%(folder)s/actions, reject_unlisted_recipient",
    "smtpd_error_sleep_time": "0", "smtpd_hard_error_limit": "4",
    "smtpd_soft_error_limit": "3", "smtpd_helo_required": "yes",
    "smtpd_helo_restrictions":
    "reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname",
    "smtpd_sender_restrictions": "reject_non_fqdn_sender",
    "smtpd_forbid_unauth_pipelining": "yes", "message_size_limit": "5000",
    "strict_rfc821_envelopes": "yes",
    "header_checks": "regexp:%(folder)s/checks",
    "smtpd_tls_security_level": "may",
    "smtpd_tls_cert_file": "%(folder)s/cert.pem",
    "smtpd_tls_key_file": "%(folder)s/key.pem",
}

# Lines that are sent one by one; what stands in a tuple is sent without
# waiting, and then the client is gone.
DIALOGUES = [
    [EHLO, MAIL, "RCPT TO:<%s@example.org>" % name, "QUIT"] for name in
    "hold disc redir warn info filter doubt 421 521 nobody x".split()
] + [
    [EHLO, MAIL, RCPT, DATA, "Subject: %s\r\n\r\nb\r\n." % name, "QUIT"]
    for name in "bad hold warn other more".split()
] + [
    [EHLO, MAIL, "RCPT TO:<x@example.com>", "QUIT"],
    ["EHLO client", MAIL, RCPT, "QUIT"],
    ["EHLO b!d", MAIL, RCPT, "QUIT"],
    [MAIL, "QUIT"],
    [EHLO, "MAIL FROM:<a>", RCPT, "QUIT"],
    [EHLO, "MAIL FROM:a@example.net", "QUIT"],
    [EHLO, MAIL, "RCPT TO:x@example.org", "QUIT"],
    [EHLO, "foo", "foo", "foo", "foo"],
    [EHLO, MAIL, RCPT, ()],
    [EHLO, ()],
    [()],
    [EHLO, MAIL, RCPT, DATA, ("x\r\n",)],
    [EHLO, MAIL, RCPT, ("BDAT 5\r\nx",)],
    [EHLO, "BDAT x"],
    [EHLO, "MAIL FROM:<a@example.net> SIZE=10000", "QUIT"],
    ["GET / HTTP/1.0"],
    [EHLO, "VRFY nobody@example.org", "NOOP x", "RSET", "QUIT"],
    [(EHLO + "\r\n" + MAIL + "\r\n\x01\\\t\r\n",)],
    [EHLO, "STARTTLS", ("this is no TLS\r\n",)],
    [EHLO, "STARTTLS", ()],
]


def play(port, dialogue):
    raw = Raw(port)
    raw.reply()
    for line in dialogue:
        if isinstance(line, str):
            try:
                raw.ask(line)
            except (Failed, ConnectionError):  # it was hung up
                break
        else:
            raw.send("".join(line))
            if line:
                raw.socket.shutdown(1)
                try:
                    raw.file.read()
                except ConnectionResetError:
                    pass
    raw.close()


def lines_of(text):
    """What must be the same of a connection's lines."""
    found = re.findall(r"^\S+ +\d+ \S+ \S+ postfix/(smtpd|cleanup)\[\d+\]: "
                       r"(.*)$", text, re.M)
    lines = []
    for program, line in found:
        line = re.sub(r"^(\w+: )?(lost connection after|too many errors)",
                      r"\2", line)
        line = re.sub(r"\b[0-9A-F]{9,}\b", "ID", line)
        if not re.search(r"message-id=|TLS library problem|SSL_accept error|"
                         r"journal/serial", line):
            lines.append("%s: %s" % (program, line))
    return lines


def log_of(mta, dialogue):
    before = len(mta.log())
    play(mta.smtp_port, dialogue)

    def rest():
        text = mta.log()[before:]
        return "disconnect from" in text and text
    return lines_of(wait_for(rest, "the end of " + repr(dialogue)))


def fill(folder):
    for name, text in (("actions", ACTIONS), ("checks", CHECKS)):
        with open(folder + "/" + name, "w") as handle:
            handle.write(text)
    make_certificate(folder)
    return {name: value % {"folder": folder} for name, value in
            SETTINGS.items()}


def both():
    ours, theirs = Instance(), Postfix()
    ours.set(**fill(ours.folder))
    theirs.parameters.update(fill(theirs.folder))
    return ours, theirs


def test_the_lines_are_the_same():
    ours, theirs = both()
    with ours, theirs:
        ours.start()
        theirs.start()
        for mta in (ours, theirs):  # what starting says is over
            with smtplib.SMTP("127.0.0.1", mta.smtp_port) as client:
                client.ehlo("first.example.net")
                client.starttls(context=untrusting())
                client.quit()
            wait_for(lambda: "starttls=1" in mta.log(), "the first client")
        for dialogue in DIALOGUES:
            equal((dialogue, log_of(ours, dialogue)),
                  (dialogue, log_of(theirs, dialogue)))


if __name__ == "__main__":
    main(globals())
