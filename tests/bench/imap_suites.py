"""The two that tests/bench/imap compares: posthorn, and Debian's Dovecot from
its unpacked packages, with its shipped settings or its fast mode (processes
that serve many clients one after the other).
"""
import os
import pwd
import shutil
import subprocess
import tempfile

from instance import Instance, free_port, run, wait_for

PASSWORD = "secret"
HASH = "$1$ab$dslkcXxVH.x8LwW1W/oAB/"  # cheap: 1,000 rounds of MD5


def names(users):
    """Of those who log in again and again, and some who do it for one load."""
    return ["user%d" % n for n in range(users + 100)]


def owner():
    vmail = pwd.getpwnam("vmail")
    return vmail.pw_uid, vmail.pw_gid


def copy_mail(source, target):
    """A Maildir that shares the messages' files, and belongs to vmail."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    run("cp", "-al", source, target)
    own(os.path.dirname(target))


def own(path):
    uid, gid = owner()
    run("chown", "-R", "%d:%d" % (uid, gid), path)


class Posthorn:
    name = "posthorn"
    index_files = ("posthorn-index", "posthorn-index-lock",
                   "posthorn-index-boot", "dovecot-uidlist")

    def __init__(self, users):
        self.mta = Instance()
        self.mta.virtual_mailboxes(users=names(users) + ["big"])
        self.mta.set(login_disable_plaintext_auth="no",
                     smtpd_peername_lookup="no")
        self.ports = {name: self.mta.port(name)
                      for name in ("imap", "pop3", "lmtp")}
        self.mta.master += (
            "127.0.0.1:%(imap)d inet n - n - - login -o login_service=imap\n"
            "127.0.0.1:%(pop3)d inet n - n - - login -o login_service=pop3\n"
            "127.0.0.1:%(lmtp)d inet n - n - - lmtpd\n" % self.ports)
        self.users = users

    def maildir(self, user):
        return self.mta.mail + "/example.org/" + user

    def start(self):
        self.mta.write("conf/users", "".join(
            "%s@example.org:%s:\n" % (name, HASH)
            for name in names(self.users) + ["big"]))
        shutil.chown(self.mta.conf + "/users", "posthorn-auth")
        self.mta.start()
        for port in self.ports.values():
            self.mta.wait_port(port)

    def stop(self):
        self.mta.stop()

    def close(self):
        self.mta.close()


SHIPPED = """
protocols = imap pop3 lmtp
base_dir = %(folder)s/run
state_dir = %(folder)s/state
log_path = %(folder)s/log
ssl = no
listen = 127.0.0.1
disable_plaintext_auth = no
mail_location = maildir:%(folder)s/mail/%%n
first_valid_uid = 1
postmaster_address = postmaster@example.org
passdb {
  driver = passwd-file
  args = scheme=MD5-CRYPT username_format=%%u %(folder)s/users
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=%(folder)s/mail/%%n
}
mail_max_userip_connections = 0
service imap-login {
  process_limit = 2000
  inet_listener imap {
    port = %(imap)d
  }
  inet_listener imaps {
    port = 0
  }
%(fast_login)s
}
service pop3-login {
  inet_listener pop3 {
    port = %(pop3)d
  }
  inet_listener pop3s {
    port = 0
  }
%(fast_login)s
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = %(lmtp)d
  }
%(fast)s
}
service imap {
  process_limit = 2000
%(fast)s
}
service pop3 {
%(fast)s
}
service anvil {
  client_limit = 5000
}
service auth {
  client_limit = 5000
}
"""


class Dovecot:
    index_files = ("dovecot.index", "dovecot.index.log",
                   "dovecot.index.cache", "dovecot-uidlist",
                   "dovecot.list.index", "dovecot.list.index.log")
    packages = ("dovecot-core", "dovecot-imapd", "dovecot-pop3d",
                "dovecot-lmtpd", "libstemmer0d", "libexttextcat-2.0-0",
                "liblua5.3-0")

    def __init__(self, users, fast=False):
        from postfix_peer import lay_over_usr
        self.name = "dovecot-fast" if fast else "dovecot"
        lay_over_usr(*self.packages, found="/usr/sbin/dovecot")
        self.folder = tempfile.mkdtemp(prefix="posthorn-dovecot-")
        os.chmod(self.folder, 0o755)
        self.ports = {name: free_port() for name in ("imap", "pop3", "lmtp")}
        self.users, self.fast = users, fast

    def maildir(self, user):
        return self.folder + "/mail/" + user

    def start(self):
        words = dict(self.ports, folder=self.folder, fast="", fast_login="")
        if self.fast:
            words["fast"] = "  service_count = 0\n  process_min_avail = 2"
            words["fast_login"] = words["fast"] + "\n  client_limit = 2000"
        with open(self.folder + "/dovecot.conf", "w") as out:
            out.write(SHIPPED % words)
        with open(self.folder + "/users", "w") as out:
            for name in names(self.users) + ["big"]:
                out.write("%s@example.org:%s\n" % (name, HASH))
        os.chmod(self.folder + "/users", 0o644)
        os.makedirs(self.folder + "/mail", exist_ok=True)
        own(self.folder + "/mail")
        subprocess.run(["/usr/sbin/dovecot", "-c",
                        self.folder + "/dovecot.conf"], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=30)
        for port in self.ports.values():
            Instance.wait_port(self, port)

    def pids(self):
        """The master's and its children's."""
        try:
            with open(self.folder + "/run/master.pid") as handle:
                master = int(handle.read())
        except (OSError, ValueError):
            return []
        done = subprocess.run(["pgrep", "-P", str(master)],
                              stdout=subprocess.PIPE)
        return [master] + [int(p) for p in done.stdout.split()]

    def stop(self):
        if not os.path.exists(self.folder + "/run/master.pid"):
            return
        with open(self.folder + "/run/master.pid") as handle:
            pid = handle.read().strip()
        subprocess.run(["/usr/bin/doveadm", "-c",
                        self.folder + "/dovecot.conf", "stop"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: not os.path.exists("/proc/" + pid),
                 "the end of dovecot")

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
