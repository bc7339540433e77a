"""A private instance of posthorn for one test: its own configuration, queue,
ports and log, in a folder that goes when the test ends.

    with Instance() as mta:
        mta.start()
        mta.smtp().sendmail("a@example.org", ["bob@example.org"], text)
        mta.wait_log(r"to=<bob@example.org>.*status=sent")

Nothing here waits for a time: every wait is for a condition, with an end.
"""
import errno
import grp
import imaplib
import os
import poplib
import pwd
import random
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

STAGE = os.environ.get("POSTHORN_STAGE", "/")
PREFIX = os.environ.get("POSTHORN_PREFIX", "/usr/local")
SBIN = STAGE + PREFIX + "/sbin"
LIBEXEC = STAGE + PREFIX + "/libexec/posthorn"
# So long that only what is dead reaches the end of a wait: a sanitized build on
# a busy machine is slow, and stands still for seconds.
PATIENCE = float(os.environ.get("POSTHORN_PATIENCE", "180"))


class Failed(AssertionError):
    """A condition that did not come true."""


def wait_for(condition, what, patience=None):
    """The first true value of condition(), or Failed."""
    end = time.monotonic() + (patience or PATIENCE)
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("waited in vain for " + what)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


OURS = []  # sockets whose names say which ports are this process's
PORTS = []  # of these, what was not given away yet
MANY = 64


def take_ports():
    """MANY ports that no other test is given while this process lives, below
    those that connections go out from."""
    firsts = list(range(10240, 32768, MANY))
    random.shuffle(firsts)
    for first in firsts:
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind("\0posthorn-test-ports-%d" % first)
        except OSError:
            name.close()
            continue
        OURS.append(name)
        return range(first, first + MANY)
    raise Failed("no ports are left")


def free_port(address="127.0.0.1"):
    """One where nobody listens, and until somebody does, none of another
    test's takes it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        if not PORTS:
            PORTS.extend(take_ports())
        port = PORTS.pop()
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((address, port))
                return port
            except OSError as e:
                if e.errno != errno.EADDRINUSE:
                    raise


def made_at(path):
    """When this file was made; 0: it is gone, or its file system does not
    tell."""
    made = run("stat", "-c", "%.6W", path, check=False).stdout.strip()
    return float(made or 0)


def run(*argv, input=None, check=True, timeout=2 * PATIENCE, **more):
    """Run a command; its CompletedProcess with text output."""
    if isinstance(input, str):
        input = input.encode("utf-8", "surrogateescape")
    done = subprocess.run(argv, input=input, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout, **more)
    done.stdout = done.stdout.decode("utf-8", "surrogateescape")
    done.stderr = done.stderr.decode("utf-8", "surrogateescape")
    if check and done.returncode != 0:
        raise Failed("%s: exit status %d\n%s%s" % (
            " ".join(argv), done.returncode, done.stdout, done.stderr))
    return done


def make_certificate(folder, name="mail.example.org"):
    """A self-signed certificate and its key, as PEM files."""
    cert, key = folder + "/cert.pem", folder + "/key.pem"
    if not os.path.exists(cert):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
            cert, "-days", "30", "-subj", "/CN=" + name, "-addext",
            "subjectAltName=DNS:" + name + ",DNS:localhost,IP:127.0.0.1")
        os.chmod(key, 0o600)
    return cert, key


def is_root():
    return os.geteuid() == 0


def is_sanitized(program):
    with open(program, "rb") as handle:
        return b"__asan_init" in handle.read()


class Instance:
    """See the module. Parameters given as keywords go into main.cf."""

    def __init__(self, master="", folder=None, **parameters):
        """`folder`: one that stays when the instance is closed; what is in
        there already is used again."""
        self.keep = bool(folder or os.environ.get("POSTHORN_KEEP"))
        self.folder = folder or tempfile.mkdtemp(prefix="posthorn-test-")
        os.chmod(self.folder, 0o755)
        self.conf = self.folder + "/conf"
        self.queue = self.folder + "/queue"
        self.data = self.folder + "/data"
        self.mail = self.folder + "/mail"
        self.log_path = self.folder + "/log/mail.log"
        for path in (self.conf, self.queue, self.data, self.mail,
                     os.path.dirname(self.log_path)):
            os.makedirs(path, exist_ok=True)
        self.ports = {}
        self.inside = ()  # what commands are run with: a namespace
        self.env = dict(os.environ, MAIL_CONFIG=self.conf,
                        PATH=SBIN + ":" + os.environ["PATH"])
        self.parameters = {
            "compatibility_level": "3.11",
            "queue_directory": self.queue,
            "data_directory": self.data,
            "daemon_directory": LIBEXEC,
            "command_directory": SBIN,
            "maillog_file": self.log_path,
            "maillog_file_prefixes": "/var, /dev/stdout, " + self.folder,
            "myhostname": "mail.example.org",
            "mydomain": "example.org",
            "myorigin": "example.org",
            "mydestination": "example.org, localhost",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "alias_maps": "",
            "alias_database": "",
            "biff": "no",
            "notify_classes": "",
            "resolver_servers": "127.0.0.1:9",
        }
        self.parameters.update(parameters)
        self.master = master
        self.smtp_row = None  # instead of the one for smtp_port
        self.smtp_port = self.port("smtp")

    # -- configuration ---------------------------------------------------

    def port(self, name):
        """A free port, the same for the same name."""
        if name not in self.ports:
            self.ports[name] = free_port()
        return self.ports[name]

    def set(self, **parameters):
        self.parameters.update(parameters)

    def path(self, name):
        return self.folder + "/" + name

    def write(self, name, text, mode=0o644):
        """A file in the instance's folder; its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as handle:
            handle.write(text)
        os.chmod(path, mode)
        return path

    def map(self, name, rows, type="hash"):
        """A lookup table made with postmap; "type:path"."""
        text = "".join("%s %s\n" % row for row in rows)
        path = self.write("conf/" + name, text)
        if not os.path.exists(self.conf + "/main.cf"):
            self.write_configuration()
        run(SBIN + "/postmap", "-c", self.conf, type + ":" + path,
            env=self.env)
        return type + ":" + path

    def virtual_mailboxes(self, domain="example.org",
                          users=("alice", "bob"), base=None):
        """Every user of the domain gets a Maildir below mail/."""
        if is_root():
            sys_uid = pwd.getpwnam("vmail").pw_uid
            sys_gid = pwd.getpwnam("vmail").pw_gid
            os.chown(self.mail, sys_uid, sys_gid)
        else:
            sys_uid, sys_gid = os.getuid(), os.getgid()
        boxes = ", ".join("{%s@%s=%s/%s/}" % (u, domain, domain, u)
                          for u in users)
        self.set(mydestination="localhost",
                 virtual_mailbox_domains=domain,
                 virtual_mailbox_base=base or self.mail,
                 virtual_mailbox_maps="inline:{" + boxes + "}",
                 virtual_uid_maps="static:%d" % sys_uid,
                 virtual_gid_maps="static:%d" % sys_gid,
                 virtual_minimum_uid="100")

    def write_configuration(self):
        text = "".join("%s = %s\n" % item
                       for item in self.parameters.items())
        self.write("conf/main.cf", text)
        row = self.smtp_row or "127.0.0.1:%d inet n - n - - smtpd\n" % \
            self.smtp_port
        self.write("conf/master.cf", row + self.master)

    # -- life --------------------------------------------------------------

    def start(self):
        self.write_configuration()
        self.command("posthorn", "set-permissions")
        if not os.path.exists(self.log_path):
            open(self.log_path, "w").close()
            if is_root():
                shutil.chown(self.log_path, "posthorn-log")
        self.command("posthorn", "start")
        if not self.inside:
            self.wait_port(self.smtp_port)
        return self

    def stop(self):
        if os.path.exists(self.conf + "/main.cf"):
            self.command("posthorn", "stop", check=False)
            wait_for(lambda: not self.master_pid(), "the master's end")

    def reload(self):
        self.write_configuration()
        self.command("posthorn", "reload")

    def kill(self):
        """kill -9 of everything that belongs to the instance, also of what
        master starts while others are killed."""
        def all_dead():
            pids = self.pids()
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not pids
        wait_for(all_dead, "the death of all processes")

    def master_pid(self):
        """The running master's pid, or None."""
        try:
            with open(self.queue + "/pid/master.pid") as handle:
                pid = int(handle.read())
            os.kill(pid, 0)
            with open("/proc/%d/stat" % pid) as handle:
                return None if handle.read().split(") ")[1][0] == "Z" else pid
        except (OSError, ValueError, IndexError):
            return None

    def pids(self, name=None):
        """Processes of this instance (by their MAIL_CONFIG), all or those
        of one program."""
        found = []
        wanted = ("MAIL_CONFIG=" + self.conf).encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                with open("/proc/%s/environ" % entry, "rb") as handle:
                    if wanted not in handle.read().split(b"\0"):
                        continue
                with open("/proc/%s/stat" % entry) as handle:
                    program, rest = handle.read().split("(", 1)[1].rsplit(
                        ")", 1)
                if rest.split()[0] == "Z":
                    continue
            except OSError:
                continue
            if name is None or program == name:
                found.append(int(entry))
        return found

    def close(self):
        try:
            self.stop()
        finally:
            self.kill()
            if not self.keep:
                shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            print("---- the log of the instance:")
            print("\n".join(self.log().splitlines()[-80:]))
        self.close()

    # -- talking to it -----------------------------------------------------

    def command(self, name, *args, **more):
        return run(*self.inside, SBIN + "/" + name, *args, env=self.env,
                   **more)

    def wait_port(self, port, address="127.0.0.1"):
        def answers():
            try:
                socket.create_connection((address, port), PATIENCE).close()
                return True
            except OSError:
                return False
        wait_for(answers, "port %d to answer" % port)

    def smtp(self, port=None, **more):
        return smtplib.SMTP("127.0.0.1", port or self.smtp_port,
                            timeout=PATIENCE, **more)

    def send(self, sender, recipients, text, **more):
        """One message over SMTP; the reply to its data as text."""
        with self.smtp(**more) as client:
            client.ehlo("client.example.net")
            reply = client.mail(sender)
            if reply[0] != 250:
                raise Failed("MAIL: %r" % (reply,))
            for recipient in recipients:
                reply = client.rcpt(recipient)
                if reply[0] != 250:
                    raise Failed("RCPT: %r" % (reply,))
            reply = client.data(text)
            if reply[0] != 250:
                raise Failed("DATA: %r" % (reply,))
            return reply[1].decode()

    def raw(self, port=None):
        return Raw(port or self.smtp_port)

    def log(self):
        try:
            with open(self.log_path, errors="surrogateescape") as handle:
                return handle.read()
        except OSError:
            return ""

    def wait_log(self, pattern, patience=None, count=1):
        """The count-th match of the pattern in the log."""
        def found():
            matches = list(re.finditer(pattern, self.log()))
            return matches[count - 1] if len(matches) >= count else None
        return wait_for(found, "the log line " + pattern, patience)

    def queue_list(self):
        import json
        out = self.command("postqueue", "-j").stdout
        return [json.loads(line) for line in out.splitlines()]

    def wait_empty(self, patience=None):
        wait_for(lambda: not self.queue_list(), "an empty queue", patience)

    def maildir(self, user, domain="example.org"):
        """The messages in new/ and cur/ of a virtual mailbox, as bytes."""
        messages = []
        for folder in ("new", "cur"):
            path = "%s/%s/%s/%s" % (self.mail, domain, user, folder)
            try:
                names = sorted(os.listdir(path))
            except OSError:
                continue
            for name in names:
                with open(path + "/" + name, "rb") as handle:
                    messages.append(handle.read())
        return messages

    def wait_mail(self, user, count=1, domain="example.org", patience=None):
        wait_for(lambda: len(self.maildir(user, domain)) >= count,
                 "%d messages of %s" % (count, user), patience)
        return self.maildir(user, domain)

    def imap(self, port, tls=False):
        if tls:
            return imaplib.IMAP4_SSL("127.0.0.1", port,
                                     ssl_context=untrusting())
        return imaplib.IMAP4("127.0.0.1", port)

    def pop3(self, port, tls=False):
        if tls:
            return poplib.POP3_SSL("127.0.0.1", port, context=untrusting())
        return poplib.POP3("127.0.0.1", port, timeout=PATIENCE)


def renewed_is_noticed(mta, cert, key, seen):
    """seen() tells what a client is shown: the same until the files are new
    ones, and then, without a reload, another."""
    first = seen()
    equal(seen(), first)
    os.makedirs(mta.path("next"))
    for old, new in zip((cert, key), make_certificate(mta.path("next"))):
        os.rename(new, old)

    def is_new():
        try:
            return seen() != first
        except (OSError, smtplib.SMTPException, imaplib.IMAP4.error, Failed):
            return False  # between the two renames
    wait_for(is_new, "the new certificate")


def untrusting():
    """A TLS context that takes the test's own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Raw:
    """A connection that sends exactly what it is told."""

    def __init__(self, port, address="127.0.0.1"):
        self.socket = socket.create_connection((address, port), PATIENCE)
        self.file = self.socket.makefile("rb")

    def send(self, octets):
        if isinstance(octets, str):
            octets = octets.encode("utf-8", "surrogateescape")
        self.socket.sendall(octets)

    def reply(self):
        """One reply with all its lines, as text without line ends."""
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                raise Failed("connection closed; so far: %r" % lines)
            lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def ask(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def message(self, sender, recipient):
        """One from the greeting on, whatever the replies to it are."""
        self.reply()
        for line in ("EHLO x", "MAIL FROM:<%s>" % sender,
                     "RCPT TO:<%s>" % recipient, "DATA"):
            self.ask(line)
        self.ask("Subject: x\r\n\r\ny\r\n.")

    def at_end(self):
        return self.file.read(1) == b""

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()


def check(condition, text=""):
    if not condition:
        raise Failed(text or "condition is false")


def equal(got, wanted):
    if got != wanted:
        raise Failed("got %r, wanted %r" % (got, wanted))


def matches(pattern, text):
    if not re.search(pattern, text):
        raise Failed("%r does not match %s" % (text, pattern))


class Skip(Exception):
    """This test cannot run here; says why."""


def main(names):
    """Run the functions called test_* of a module's globals(), and print
    "ok name", "not ok name" or "skip name reason" for each."""
    import sys
    import traceback
    wanted = sys.argv[1:]
    failed = 0
    for name, function in list(names.items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        started = time.monotonic()
        try:
            function()
            verdict, reason = "ok", ""
        except Skip as why:
            verdict, reason = "skip", " " + str(why)
        except Exception:
            traceback.print_exc(file=sys.stdout)
            verdict, reason = "not ok", ""
            failed += 1
        print("%s %s (%.1f s)%s" % (verdict, name,
                                    time.monotonic() - started, reason))
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
