"""The programs that people use: swaks, curl, mutt, mbsync, and Python's
standard clients, over the whole path."""
import os
import pty
import select
import shutil
import signal
import smtplib

from full import PASSWORD, FullInstance
from instance import (Failed, Skip, check, equal, main, matches, run,
                      untrusting, wait_for)


def need(program):
    path = shutil.which(program)
    if not path:
        raise Skip(program + " is not there")
    return path


def test_python_clients():
    with FullInstance() as mta:
        mta.start()
        with smtplib.SMTP("127.0.0.1", mta.ports["submission"]) as client:
            client.starttls(context=untrusting())
            client.login("alice@example.org", PASSWORD)
            client.sendmail("alice@example.org", ["bob@example.org"],
                            "Subject: from python\n\nHello.\n")
        mta.wait_mail("bob")
        imap = mta.login_imap("bob")
        equal(imap.select("INBOX"), ("OK", [b"1"]))
        equal(imap.search(None, "SUBJECT", '"from python"'), ("OK", [b"1"]))
        status, parts = imap.fetch("1", "(FLAGS BODY.PEEK[TEXT])")
        equal(status, "OK")
        check(parts[0][1].replace(b"\r\n", b"\n") == b"Hello.\n",
              repr(parts))
        imap.logout()
        pop3 = mta.pop3(mta.ports["pop3s"], tls=True)
        pop3.user("bob@example.org")
        pop3.pass_(PASSWORD)
        equal(pop3.stat()[0], 1)
        check(b"Subject: from python" in pop3.retr(1)[1])
        pop3.dele(1)
        pop3.quit()
        wait_for(lambda: not mta.maildir("bob"), "the message to go")


def test_wrong_password_is_refused():
    with FullInstance() as mta:
        mta.start()
        with smtplib.SMTP("127.0.0.1", mta.ports["submission"]) as client:
            client.starttls(context=untrusting())
            try:
                client.login("alice@example.org", "wrong")
                raise Failed("the wrong password was taken")
            except smtplib.SMTPAuthenticationError as error:
                equal(error.smtp_code, 535)
        mta.wait_log(r"SASL \w+ authentication failed")


def test_swaks():
    program = need("swaks")
    with FullInstance() as mta:
        mta.start()
        done = run(program, "--server", "127.0.0.1:%d" %
                   mta.ports["submission"], "--tls", "--auth", "PLAIN",
                   "--auth-user", "alice@example.org", "--auth-password",
                   PASSWORD, "--from", "alice@example.org", "--to",
                   "bob@example.org", "--header", "Subject: from swaks")
        matches(r"queued as", done.stdout)
        check(b"Subject: from swaks" in mta.wait_mail("bob")[0])


def test_curl():
    program = need("curl")
    with FullInstance() as mta:
        mta.start()
        letter = mta.write("letter", "Subject: from curl\r\n\r\nHi.\r\n")
        user = ["-sS", "--insecure", "--user",
                "alice@example.org:" + PASSWORD]
        run(program, *user, "--ssl-reqd", "--url",
            "smtp://127.0.0.1:%d" % mta.ports["submission"], "--mail-from",
            "alice@example.org", "--mail-rcpt", "alice@example.org",
            "--upload-file", letter)
        mta.wait_mail("alice")
        for url in ("imaps://127.0.0.1:%d/INBOX;MAILINDEX=1" %
                    mta.ports["imaps"],
                    "pop3s://127.0.0.1:%d/1" % mta.ports["pop3s"]):
            matches("Subject: from curl", run(program, *user, url).stdout)
        for url in ("imap://127.0.0.1:%d/INBOX;MAILINDEX=1" %
                    mta.ports["imap"],
                    "pop3://127.0.0.1:%d/1" % mta.ports["pop3"]):
            matches("Subject: from curl",
                    run(program, *user, "--ssl-reqd", url).stdout)


def in_terminal(argv, env, condition):
    """Run a full-screen program until the condition is true."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, env)

    screen = []

    def look():
        if select.select([terminal], [], [], 0)[0]:
            try:
                screen.append(os.read(terminal, 65536))
            except OSError:
                pass
        return condition()
    try:
        wait_for(look, argv[0])
    except Failed:
        print(repr(b"".join(screen)[-3000:]))
        raise
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_mutt():
    program = need("mutt")
    with FullInstance() as mta:
        mta.start()
        mta.send("a@example.net", ["alice@example.org"],
                 "Subject: for mutt\r\n\r\nHello.\r\n")
        mta.wait_mail("alice")
        config = mta.write("muttrc", """
set folder="imaps://localhost:%d/"
set spoolfile="+INBOX"
set imap_user="alice@example.org"
set imap_pass="%s"
set ssl_verify_host=no
set ssl_verify_dates=no
set certificate_file="%s"
set move=no
set quit=yes
set delete=no
set confirmappend=no
set confirmcreate=no
set wait_key=no
set sort=date
""" % (mta.ports["imaps"], PASSWORD, mta.conf + "/cert.pem"))
        copy = mta.folder + "/copy"
        in_terminal(
            [program, "-n", "-F", config, "-e",
             "push '<tag-pattern>~A<enter><tag-prefix><copy-message>%s"
             "<enter><quit>y'" % copy],
            dict(os.environ, TERM="vt100", HOME=mta.folder),
            lambda: os.path.exists(copy) and os.path.getsize(copy))
        with open(copy) as handle:
            matches("Subject: for mutt", handle.read())


def test_mbsync():
    program = need("mbsync")
    with FullInstance() as mta:
        mta.start()
        for i in range(3):
            mta.send("a@example.net", ["alice@example.org"],
                     "Subject: sync %d\r\n\r\nHello.\r\n" % i)
        mta.wait_mail("alice", 3)
        local = mta.folder + "/local"
        os.makedirs(local)
        config = mta.write("mbsyncrc", """
IMAPAccount t
Host localhost
Port %d
User alice@example.org
Pass "%s"
SSLType IMAPS
CertificateFile %s/cert.pem
AuthMechs PLAIN

IMAPStore far
Account t

MaildirStore near
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""" % (mta.ports["imaps"], PASSWORD, mta.conf, local, local))
        argv = (program, "-c", config, "c")
        env = dict(os.environ, HOME=mta.folder)
        run(*argv, env=env)
        inbox = local + "/INBOX"
        names = os.listdir(inbox + "/new") + os.listdir(inbox + "/cur")
        equal(len(names), 3)
        # a message that was deleted on one side goes on the other
        for folder in ("new", "cur"):
            for name in os.listdir("%s/%s" % (inbox, folder)):
                with open("%s/%s/%s" % (inbox, folder, name)) as handle:
                    text = handle.read()
                if "Subject: sync 1" in text:
                    os.unlink("%s/%s/%s" % (inbox, folder, name))
        run(*argv, env=env)
        imap = mta.login_imap()
        equal(imap.select("INBOX"), ("OK", [b"2"]))
        imap.create("Sent")
        imap.append("Sent", r"(\Seen)", None, b"Subject: a\r\n\r\nb\r\n")
        imap.logout()
        run(*argv, env=env)
        equal(len(os.listdir(local + "/Sent/cur")), 1)


if __name__ == "__main__":
    main(globals())
