"""The commands as the reference has them: --help and --version everywhere,
sendmail -bs, -bv, -v and -XV, postlog's words, postsuper -r and the listing
while the suite is down, postconf -b and -t."""
import json
import os
import re
import subprocess

from instance import (LIBEXEC, PATIENCE, SBIN, Instance, check, equal, is_root,
                      main, matches, run, wait_for)

MESSAGE = "Subject: %s\n\nbody\n"


def new(**more):
    rules = {"default_transport": "retry:4.4.1 try again",
             "minimal_backoff_time": "1000s"}
    rules.update(more)
    mta = Instance(**rules)
    mta.virtual_mailboxes()
    return mta


def feed(mta, text, *argv, user=None, check_rc=0):
    """Run a command with text on its standard input, perhaps as a user."""
    words = [SBIN + "/" + argv[0], *argv[1:]]
    if user and is_root():
        words = ["setpriv", "--reuid=" + user, "--regid=" + user,
                 "--clear-groups"] + words
    done = subprocess.run(words, input=text.encode(), env=mta.env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=PATIENCE)
    out, err = done.stdout.decode(), done.stderr.decode()
    if check_rc is not None and done.returncode != check_rc:
        raise AssertionError("%r: %d: %s%s" % (argv, done.returncode, out,
                                               err))
    return out, err


def stop(mta):
    mta.command("posthorn", "stop")
    wait_for(lambda: not mta.pids(), "the end of all processes")


def test_every_program_says_what_it_is():
    seen = 0
    for folder in (SBIN, LIBEXEC):
        for name in sorted(os.listdir(folder)):
            path = folder + "/" + name
            if os.path.isdir(path) or not os.access(path, os.X_OK) or \
                    name.endswith(".so"):
                continue
            for option, pattern in (("--help", r"(?i)usage: \S+"),
                                    ("--version", r"\d+\.\d+")):
                done = run(path, option, stdin=subprocess.DEVNULL,
                           timeout=PATIENCE)
                matches(pattern, done.stdout)
                equal(done.stderr, "")
            seen += 1
    check(seen >= 35, "only %d programs" % seen)


DIALOGUE = """EHLO client.example.net
MAIL FROM:<list@example.net> XVERP
RCPT TO:<alice@example.org> NOTIFY=NEVER
RCPT TO:<joe@example.com>
DATA
Subject: by -bs

body
.
MAIL FROM:<> XVERP
MAIL FROM:<a@example.net> XVERP=a
RSET
QUIT
""".replace("\n", "\r\n")


def codes(out):
    return [line[:3] for line in out.splitlines() if line[3:4] == " "]


def test_smtp_on_standard_input():
    with new() as mta:
        mta.start()
        out, err = feed(mta, DIALOGUE, "sendmail", "-bs", user="61900")
        equal(err, "")
        equal(codes(out), ["220", "250", "250", "250", "250", "354", "250",
                           "503", "501", "250", "221"])
        matches("250-XVERP", out)
        ours = re.search(r"queued as (\S+)", out).group(1)
        mta.wait_log(r"pickup\[\d+\]: %s: uid=\d+ from=<list@example.net>" %
                     ours)
        mail = mta.wait_mail("alice")[0].decode()
        matches(r"Return-Path: <list\+alice=example.org@example.net>", mail)
        matches(r"(?s)from userid \d+\).*Received: from client.example.net "
                r"\(localhost \[127.0.0.1\]\)", mail)
        # More than fits a packet.
        lines = "".join("%070d\r\n" % i for i in range(4000))
        feed(mta, "EHLO x\r\nMAIL FROM:<a@example.net>\r\n"
             "RCPT TO:<bob@example.org>\r\nDATA\r\n\r\n" + lines +
             ".\r\nQUIT\r\n", "sendmail", "-bs")
        large = mta.wait_mail("bob")[0].decode()
        check(large.endswith(lines.replace("\r", "")), "large content")
        # The suite is down: into maildrop, and no farther.
        stop(mta)
        out, err = feed(mta, "MAIL FROM:<a@example.net>\r\n"
                        "RCPT TO:<bob@example.org>\r\nDATA\r\n"
                        "Subject: later\r\n\r\n.\r\nQUIT\r\n",
                        "sendmail", "-bs", user="61900")
        equal(codes(out), ["220", "250", "250", "354", "250", "221"])
        mta.command("posthorn", "start")
        matches("Subject: later", mta.wait_mail("bob", 2)[1].decode() +
                mta.wait_mail("bob", 2)[0].decode())


def test_a_sender_for_each_recipient():
    with new(transport_maps="inline:{ {gone.example.org = error:5.1.2 gone} }",
             relay_domains="gone.example.org") as mta:
        mta.start()
        feed(mta, MESSAGE % "verp", "sendmail", "-XV", "-f",
             "alice@example.org", "bob@example.org")
        matches(r"Return-Path: <alice\+bob=example.org@example.org>",
                mta.wait_mail("bob")[0].decode())
        feed(mta, MESSAGE % "verp", "sendmail", "-XV-=", "-f",
             "alice@example.org", "bob@example.org")
        mta.wait_mail("bob", 2)
        check(any(b"<alice-bob=example.org@example.org>" in mail
                  for mail in mta.maildir("bob")), "other delimiters")
        # Bounces go to each of those senders.
        mta.set(recipient_delimiter="+")
        mta.reload()
        feed(mta, MESSAGE % "verp", "sendmail", "-XV", "-f",
             "alice@example.org", "x@gone.example.org", "y@gone.example.org")
        found = b"".join(mta.wait_mail("alice", 2)).decode()
        for name in "xy":
            matches(r"X-Original-To: alice\+%s=gone.example.org@example.org"
                    % name, found)
        out, err = feed(mta, "", "sendmail", "-XVab", "-f", "a@example.org",
                        "bob@example.org", check_rc=75)
        equal(err, "sendmail: fatal: -V requires two characters from -=+\n")


def test_reports_of_what_would_happen():
    with new() as mta:
        mta.start()
        out, err = feed(mta, "", "sendmail", "-bv", "-f", "bob@example.org",
                        "joe@example.com", "alice@example.org")
        equal(out, "Mail Delivery Status Report will be mailed to "
              "<bob@example.org>.\n")
        report = mta.wait_mail("bob")[0].decode()
        matches(r"(?s)joe@example.com\n.*Action: undeliverable\nStatus: 4\.",
                report)
        matches(r"(?s)alice@example.org\n.*Action: deliverable\nStatus: 2\.",
                report)
        equal(mta.maildir("alice"), [])
        mta.wait_empty()
        feed(mta, MESSAGE % "traced", "sendmail", "-v", "-f",
             "bob@example.org", "joe@example.com", "alice@example.org")
        mta.wait_mail("bob", 2)
        report = b"".join(mta.maildir("bob")).decode()
        matches(r"(?s)joe@example.com\n.*Action: delayed\nStatus: 4\.",
                report)
        matches(r"(?s)alice@example.org\n.*Action: delivered\nStatus: 2\.",
                report)
        mta.wait_mail("alice")


def test_recipients_from_the_header():
    """extract_recipient_limit; and no original recipient when none is
    wanted."""
    with Instance(extract_recipient_limit="3",
                  enable_original_recipient="no",
                  virtual_alias_maps="inline:{carol@example.org="
                  "alice@example.org}") as mta:
        mta.virtual_mailboxes()
        mta.start()
        for count, status in ((3, 0), (4, None)):
            done = mta.command(
                "sendmail", "-t", "-f", "a@example.net", check=False,
                input="To: %s\n\nx\n" %
                ", ".join(["carol@example.org"] * count))
            check(done.returncode == status if status == 0 else
                  done.returncode != 0 and
                  "extract_recipient_limit" in done.stderr, done.stderr)
        text = mta.wait_mail("alice")[0].decode()
        check("X-Original-To" not in text and "Delivered-To" in text, text)
        # Who is the same by another name gets it once; the log has a name.
        mta.wait_log(r"to=<alice@example.org>, orig_to=<carol@example.org>, "
                     "relay=")


def test_the_log():
    with new() as mta:
        mta.start()
        for level, word in (("info", ""), ("warn", "warning: "),
                            ("error", "error: "), ("fatal", "fatal: "),
                            ("panic", "panic: ")):
            mta.command("postlog", "-t", "tagged", "-p", level, "told", level)
            mta.wait_log(r"tagged\[\d+\]: %stold %s" % (word, level))
        equal(mta.command("postlog", "-p", "loud", "x",
                          check=False).returncode, 1)


def test_requeue_and_list_while_down():
    with new() as mta:
        mta.start()
        feed(mta, MESSAGE % "one", "sendmail", "-N", "success,failure", "-V",
             "ID7", "-f", "bob@example.org", "joe@example.com")
        wait_for(lambda: [m["queue_name"] for m in mta.queue_list()] ==
                 ["deferred"], "a deferred message")
        old = mta.queue_list()[0]
        stop(mta)
        done = mta.command("postsuper", "-r", old["queue_id"])
        matches("Requeued: 1 message", done.stderr)
        feed(mta, MESSAGE % "two", "sendmail", "-f", "bob@example.org",
             "joe@example.com", user="61900")
        listed = mta.queue_list()
        equal([m["queue_name"] for m in listed], ["maildrop", "maildrop"])
        equal({m["sender"] for m in listed}, {"bob@example.org"})
        equal({m["recipients"][0]["address"] for m in listed},
              {"joe@example.com"})
        check(old["arrival_time"] in [m["arrival_time"] for m in listed],
              "the time of arrival is kept")
        matches("-- [0-9]+ Kbytes in 2 Requests", mta.command(
            "mailq").stdout)
        done = mta.command("postsuper", "-d", "ALL", "maildrop", "nowhere",
                           check=False)
        equal(done.returncode, 1)
        mta.command("posthorn", "start")
        mta.wait_log(r"uid=\d+ from=<bob@example.org> orig_id=" +
                     old["queue_id"])
        wait_for(lambda: [m["queue_name"] for m in mta.queue_list()] ==
                 ["deferred"] * 2, "both in the queue")
        text = "".join(mta.command("postcat", "-q", m["queue_id"]).stdout
                       for m in mta.queue_list())
        matches("ID7", text)
        stop(mta)
        feed(mta, MESSAGE % "three", "sendmail", "-f", "bob@example.org",
             "bob@example.org")
        done = mta.command("postsuper", "-d", "ALL", "maildrop")
        matches("Deleted: 1 message", done.stderr)
        equal(len(mta.queue_list()), 2)


def test_tables_as_json():
    """postmap -j, which 3.7 has not."""
    with new() as mta:
        path = mta.write("conf/table", 'plain a "b" \\c\nother \u00e9\n')
        mta.write_configuration()
        mta.command("postmap", "hash:" + path)
        rows = [json.loads(line) for line in mta.command(
            "postmap", "-j", "-s", "hash:" + path).stdout.splitlines()]
        equal(sorted(rows, key=str), [{"other": "\u00e9"},
                                      {"plain": 'a "b" \\c'}])
        out, err = feed(mta, "plain\nnothing\n", "postmap", "-j", "-q", "-",
                        "hash:" + path)
        equal(json.loads(out), {"plain": 'a "b" \\c'})
        equal(feed(mta, "", "postmap", "-j", "-q", "nothing", "hash:" + path,
                   check_rc=1), ("", ""))
        aliases = mta.write("conf/names", "root: alice, bob\n")
        mta.command("postalias", "hash:" + aliases)
        equal(json.loads(mta.command("postalias", "-j", "-q", "root", "hash:" +
                                     aliases).stdout), {"root": "alice, bob"})


def test_templates():
    with new() as mta:
        mta.write_configuration()
        out = mta.command("postconf", "-t").stdout
        for kind in ("failure", "delay", "success", "verify"):
            matches(r"(?m)^%s_template = <<EOF$" % kind, out)
        matches(r"\$myhostname", out)
        out = mta.command("postconf", "-b").stdout
        matches(r"(?m)^expanded_failure_text = <<EOF$", out)
        matches("mail.example.org", out)
        check("$myhostname" not in out, "names are replaced")
        own = mta.write("conf/templates", "failure_template = <<EOT\n"
                        "Subject: Own\n\nOn ${myhostname}.\nEOT\n")
        out = mta.command("postconf", "-b", own).stdout
        matches(r"<<EOF\nOn mail.example.org.\nEOF", out)
        mta.set(bounce_template_file=own)
        mta.write_configuration()
        matches("Subject: Own", mta.command("postconf", "-t").stdout)
        check("Subject: Own" not in mta.command("postconf", "-t", "").stdout,
              "an empty name: the built-in ones")


def test_readers_of_parameters():
    """postconf --readers, beside what the daemons do with the parameter."""
    with Instance() as mta:
        def readers(*names):
            return mta.command("postconf", "--readers", *names).stdout
        equal(readers("smtpd_banner", "anvil_rate_time_unit",
                      "mailbox_command"),
              "smtpd_banner = smtpd\nanvil_rate_time_unit = anvil\n"
              "mailbox_command = local\n")
        equal(readers("x_destination_rate_delay"),
              "x_destination_rate_delay = qmgr\n")
        check(readers().count("\n") > 900)
        done = mta.command("postconf", "--readers", "nosuch")
        matches("nosuch: unknown parameter", done.stderr)


if __name__ == "__main__":
    main(globals())
