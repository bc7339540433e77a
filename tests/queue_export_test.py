"""posthorn queue export: the queue goes to another server by SMTP, with its
envelopes; what is refused there stays."""
import json
import re
import subprocess

from capture import Capture
from instance import (SBIN, Instance, check, equal, free_port, main,
                      make_certificate, matches, wait_for)

LONG = "x" * 70 + "\r\n"


def new(**more):
    rules = {"default_transport": "retry:4.4.1 try again",
             "minimal_backoff_time": "1000s", "maximal_backoff_time": "1000s"}
    rules.update(more)
    return Instance(**rules)


def send(mta, sender, recipients, text, options=()):
    with mta.smtp() as client:
        client.ehlo("client.example.net")
        equal(client.mail(sender, list(options))[0], 250)
        for address, words in recipients:
            equal(client.rcpt(address, words)[0], 250)
        equal(client.data(text)[0], 250)


def fill(mta):
    text = "Subject: %s\r\n\r\n.dot\r\n%s"
    send(mta, "s@example.net",
         [("r@example.com", ["NOTIFY=SUCCESS,DELAY",
                             "ORCPT=rfc822;r+2Bx@example.com"]),
          ("refused@example.com", [])], text % ("dsn", LONG),
         ("RET=HDRS", "ENVID=e+2B1", "BODY=8BITMIME"))
    send(mta, "", [("r@example.com", [])], text % ("null", LONG))
    send(mta, "l@example.net", [("r@example.com", [])],
         text % ("large", LONG * 2000))
    wait_for(lambda: len([m for m in mta.queue_list()
                          if m["queue_name"] == "deferred"]) == 3, "3")
    mta.command("posthorn", "queue", "hold", "--from", "l@*")


def by_sender(mta):
    return {m["sender"]: m for m in mta.queue_list()}


def test_export():
    access = "inline:{{refused@example.com=550 5.1.1 not here}}"
    with new() as ours, new(
            smtpd_recipient_restrictions="check_recipient_access " + access +
            ", permit_mynetworks, reject") as theirs:
        theirs.start()
        ours.start()
        fill(ours)
        where = "127.0.0.1:%d" % theirs.smtp_port
        done = ours.command("posthorn", "queue", "export", where, check=False)
        equal(done.returncode, 1)
        matches("stop the mail system first", done.stderr)
        ours.command("posthorn", "stop")
        wait_for(lambda: not ours.pids(), "the end of all processes")
        done = ours.command("posthorn", "queue", "export", "--dry-run",
                            "--from", "l@*", where)
        matches("1 message would be handed over, 0 kept", done.stderr)
        done = ours.command("posthorn", "queue", "export", "--json", where,
                            check=False)
        equal(done.returncode, 1)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        equal(sorted((r["recipient"], r["done"]) for r in rows),
              [("r@example.com", True)] * 3 + [("refused@example.com", False)])
        check("not here" in str(rows))
        matches("2 messages handed over, 1 kept", done.stderr)
        # Here: what was refused. There: all else, as it was.
        left = ours.queue_list()
        equal([[r["address"] for r in m["recipients"]] for m in left],
              [["refused@example.com"]])
        wait_for(lambda: len([m for m in theirs.queue_list()
                              if m["queue_name"] == "deferred"]) == 3, "3")
        there = by_sender(theirs)
        equal(sorted(there), ["MAILER-DAEMON", "l@example.net",
                              "s@example.net"])
        shown = theirs.command("postcat", "-q",
                               there["s@example.net"]["queue_id"]).stdout
        matches("(?s)dsn_envid=e[+]1\n.*dsn_ret=2\n.*encoding=8bit\n.*"
                "orcpt=rfc822;r[+]2Bx@example.com\n.*notify=10\n", shown)
        matches(r"\n\n\.dot\nx{70}\n", shown)
        large = theirs.command("postcat", "-b", "-q",
                               there["l@example.net"]["queue_id"]).stdout
        equal(large.count("x" * 70 + "\n"), 2000)
        check(not re.search("Subject: (null|large)", "".join(
            ours.command("postcat", "-q", m["queue_id"]).stdout
            for m in left)), "what was taken is not here")


def test_requiretls_stays_in_the_clear():
    """RFC 8689 4.2.1: over TLS to a server that is known, or not at all; also
    where the server says that it can."""
    with new() as ours, Capture(free_port(), features=(
            "8BITMIME", "REQUIRETLS")) as sink:
        ours.start()
        for word in ("no", "yes"):
            ours.command("sendmail", "-O", "requiretls=" + word, "-f",
                         word + "@example.net", "r@example.com",
                         input="Subject: x\n\nbody\n")
        wait_for(lambda: len([m for m in ours.queue_list()
                              if m["queue_name"] == "deferred"]) == 2, "2")
        ours.command("posthorn", "stop")
        ours.command("posthorn", "queue", "export", "127.0.0.1:%d" %
                     sink.server_address[1], check=False)
        equal([m[0] for m in sink.messages], ["no@example.net"])
        equal(list(by_sender(ours)), ["yes@example.net"])


def test_what_asks_for_addresses_is_no_mail():
    with new(header_checks="static:HOLD", smtpd_recipient_restrictions=
             "permit_mynetworks, reject") as ours, new(
            default_transport="discard:") as theirs:
        theirs.start()
        ours.start()
        ours.command("sendmail", "-bv", "r@example.com")
        wait_for(lambda: [m for m in ours.queue_list()
                          if m["queue_name"] == "hold"], "it to be held")
        ours.command("posthorn", "stop")
        wait_for(lambda: not ours.pids(), "the end of all processes")
        done = ours.command("posthorn", "queue", "export", "127.0.0.1:%d" %
                            theirs.smtp_port, check=False)
        equal(done.returncode, 1)
        matches("it only asks for addresses", done.stderr + done.stdout)
        equal(len(ours.queue_list()), 1)
        check("status=" not in theirs.log(), "it was handed over")


def test_export_over_tls():
    with new() as ours, new(mydestination="") as theirs:
        cert, key = make_certificate(theirs.conf)
        theirs.set(smtpd_tls_security_level="may", smtpd_tls_cert_file=cert,
                   smtpd_tls_key_file=key, smtpd_tls_loglevel="1")
        theirs.start()
        ours.start()
        send(ours, "s@example.net", [("r@example.com", [])], "Subject: x\r\n")
        ours.wait_log("status=deferred")
        ours.stop()
        there = "localhost:%d" % theirs.smtp_port
        export = ("posthorn", "queue", "export")
        for level, trust, where, reason in (
                ("encrypt", "", "127.0.0.1:%d" % free_port(), "connect to"),
                ("verify", "", there, "verification failed: self-signed"),
                ("verify", cert, "127.0.0.1:%d" % theirs.smtp_port,
                 "verification failed: certificate name mismatch")):
            ours.set(smtp_tls_security_level=level, smtp_tls_CAfile=trust)
            ours.write_configuration()
            done = ours.command(*export, where, check=False)
            equal(done.returncode, 1)
            matches(reason, done.stderr)
        equal(len(ours.queue_list()), 1)
        ours.set(smtp_tls_security_level="secure", smtp_tls_CAfile=cert)
        ours.write_configuration()
        ours.command(*export, there)
        theirs.wait_log("TLS connection established from")
        wait_for(theirs.queue_list, "the message")
        equal(ours.queue_list(), [])


def test_no_bare_cr_goes_out():
    """What the queue has of them, as Postfix's may: RFC 5321 2.3.8."""
    rules = {"cleanup_replace_stray_cr_lf": "no"}
    with new(**rules) as ours, new(**rules) as theirs:
        theirs.start()
        ours.start()
        with ours.raw() as client:
            client.reply()
            for line in ("EHLO c.example", "MAIL FROM:<s@example.net>",
                         "RCPT TO:<r@example.com>", "DATA",
                         "Subject: cr\r\n\r\na\r.\rb\r\n."):
                client.ask(line)
        wait_for(lambda: [m["queue_name"] for m in ours.queue_list()] ==
                 ["deferred"], "the deferred message")
        check("a\r.\rb\n" in bodies(ours))
        ours.stop()
        ours.command("posthorn", "queue", "export",
                     "127.0.0.1:%d" % theirs.smtp_port)
        wait_for(theirs.queue_list, "the message")
        check("a . b\n" in bodies(theirs), bodies(theirs))


def bodies(mta):
    with open(mta.path("bodies"), "wb") as out:
        for message in mta.queue_list():
            subprocess.run([SBIN + "/postcat", "-b", "-q",
                            message["queue_id"]], env=mta.env, stdout=out,
                           check=True)
    with open(mta.path("bodies"), newline="") as text:
        return text.read()


if __name__ == "__main__":
    main(globals())
