"""Servers of Debian's packages for tests of lookup tables: each is unpacked
(see postfix_peer), runs in a folder of its own as an ordinary user, and is
reached by a UNIX socket or a free port. No service of the system is touched.
"""
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from instance import (PATIENCE, Failed, Skip, free_port, is_root, run,
                      wait_for)
from postfix_peer import unpacked

NOBODY = 65534


class Server:
    """A process in a folder; `packages` are unpacked for it, the program is in
    the first."""
    packages = ()

    def __init__(self):
        self.roots = [unpacked(name) for name in self.packages]
        self.folder = tempfile.mkdtemp(prefix="posthorn-server-")
        os.chmod(self.folder, 0o755)
        if is_root():
            os.chown(self.folder, NOBODY, NOBODY)
        self.process = None
        libraries = [root + sub for root in self.roots for sub in (
            "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu", "/lib/aarch64-linux-gnu",
            "/usr/lib")]
        self.env = dict(os.environ, HOME=self.folder, LC_ALL="C",
                        LD_LIBRARY_PATH=":".join(libraries))

    def path(self, name):
        return self.folder + "/" + name

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as handle:
            handle.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def folder_in(self, name):
        os.mkdir(self.path(name), 0o700)
        if is_root():
            os.chown(self.path(name), NOBODY, NOBODY)
        return self.path(name)

    def as_user(self, *argv):
        if not is_root():
            return argv
        return ("setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY,
                "--clear-groups") + argv

    def run(self, *argv, input=""):
        return run(*self.as_user(*argv), input=input, env=self.env)

    def spawn(self, *argv):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                self.as_user(*argv), env=self.env, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.folder)

    def wait_socket(self, address):
        def connects():
            if self.process.poll() is not None:
                with open(self.path("log"), errors="replace") as handle:
                    raise Failed("the server ended:\n" + handle.read())
            family = socket.AF_UNIX if isinstance(address, str) else \
                socket.AF_INET
            with socket.socket(family) as probe:
                probe.settimeout(PATIENCE)
                try:
                    probe.connect(address)
                except OSError:
                    return False
                return True
        wait_for(connects, "the server's socket", 4 * PATIENCE)

    def stop(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def close(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            self.make()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *ignored):
        self.close()

    def make(self):
        """What a server needs before its first start."""


class Memcached(Server):
    packages = ("memcached",)

    def start(self):
        path = self.path("socket")
        if os.path.exists(path):
            os.unlink(path)
        self.spawn(self.roots[0] + "/usr/bin/memcached", "-s", path, "-a",
                   "0777", "-m", "8", "-t", "1", "-U", "0")
        self.wait_socket(path)
        self.place = "unix:" + path

    def ask(self, text):
        """Lines up to END or another last word."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(self.path("socket"))
            client.sendall(text.encode())
            with client.makefile("r", newline="\r\n") as lines:
                out = []
                for line in lines:
                    out.append(line.rstrip("\r\n"))
                    if out[-1] in ("END", "STORED", "DELETED", "NOT_FOUND",
                                   "ERROR"):
                        break
                return out


class Opendkim(Server):
    """A filter that signs mail of example.org, or (mode "v") verifies."""
    packages = ("opendkim", "libopendkim11", "libmilter1.0.1", "librbl1",
                "libvbr2", "liblua5.3-0", "libmemcached11", "libhashkit2",
                "libopendbx1", "libunbound8", "libbsd0", "libmd0")

    def __init__(self, mode, key=None):
        super().__init__()
        self.mode = mode
        self.key = key or self.folder + "/key.pem"

    def make(self):
        if not os.path.exists(self.key):
            self.run("openssl", "genrsa", "-out", self.key, "2048")
        public = self.run("openssl", "rsa", "-in", self.key, "-pubout",
                          "-outform", "PEM").stdout
        text = "".join(line for line in public.splitlines()
                       if "-----" not in line)
        self.write("dns", "sel._domainkey.example.org v=DKIM1; k=rsa; p=" +
                   text + "\n")
        self.write("hosts", "127.0.0.1\n" if self.mode == "s" else
                   "192.0.2.1\n")
        self.port = free_port()
        self.write("conf", """
Syslog no
Mode %s
Socket inet:%d@127.0.0.1
Domain example.org
Selector sel
KeyFile %s
Canonicalization relaxed/simple
InternalHosts %s
RequireSafeKeys no
TestDNSData %s
""" % (self.mode, self.port, self.key, self.path("hosts"), self.path("dns")))
        self.endpoint = "inet:127.0.0.1:%d" % self.port

    def start(self):
        self.spawn(self.roots[0] + "/usr/sbin/opendkim", "-f", "-x",
                   self.path("conf"))
        self.wait_socket(("127.0.0.1", self.port))


class Postgres(Server):
    packages = ("postgresql-15",)
    sql = ""

    def program(self, name):
        path = "/usr/lib/postgresql/15/bin/" + name
        return self.roots[0] + path

    def make(self):
        try:
            pwd.getpwuid(NOBODY if is_root() else os.getuid())
        except KeyError:
            raise Skip("initdb wants a user with a name")
        self.run(self.program("initdb"), "-D", self.path("data"), "-N", "-A",
                 "trust", "-U", "mail", "-E", "UTF8", "--locale=C")
        self.run(self.program("postgres"), "--single", "-j", "-D",
                 self.path("data"), "-F", "postgres", input=self.sql)

    def is_ready(self):
        """It asks for nothing more when a client begins."""
        text = b"user\0mail\0database\0postgres\0\0"
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(self.path(".s.PGSQL.5432"))
            client.sendall(struct.pack(">II", len(text) + 8, 3 << 16) + text)
            return client.recv(1) == b"R"

    def stop(self, number=signal.SIGINT):  # SIGTERM waits for its clients
        super().stop(number)

    def start(self):
        self.spawn(self.program("postgres"), "-D", self.path("data"), "-F",
                   "-h", "", "-k", self.folder)
        self.wait_socket(self.path(".s.PGSQL.5432"))
        wait_for(self.is_ready, "the database to be ready")
        self.place = "unix:" + self.folder


class Mariadb(Server):
    packages = ("mariadb-server-core", "liburing2", "libaio1")
    sql = ""

    def make(self):
        self.folder_in("data")
        self.write("init.sql", self.sql)

    def start(self):
        root = self.roots[0]
        self.spawn(root + "/usr/sbin/mariadbd", "--no-defaults",
                   "--basedir=" + root + "/usr",
                   "--lc-messages-dir=" + root + "/usr/share/mysql",
                   "--character-sets-dir=" + root +
                   "/usr/share/mysql/charsets",
                   "--datadir=" + self.path("data"), "--skip-grant-tables",
                   "--skip-networking", "--socket=" + self.path("socket"),
                   "--pid-file=" + self.path("pid"),
                   "--innodb-buffer-pool-size=8M",
                   "--innodb-log-file-size=4M",
                   "--innodb-flush-log-at-trx-commit=0",
                   "--init-file=" + self.path("init.sql"))
        self.wait_socket(self.path("socket"))
        self.place = "unix:" + self.path("socket")


class Slapd(Server):
    packages = ("slapd", "libwrap0", "libodbc2", "libltdl7", "libargon2-1")
    ldif = ""
    password = "se#cret"

    def make(self):
        root = self.roots[0]
        self.folder_in("data")
        schema = root + "/etc/ldap/schema/"
        self.config = self.write("slapd.conf", """
include %(schema)score.schema
include %(schema)scosine.schema
include %(schema)snis.schema
include %(schema)smisc.schema
include %(schema)sinetorgperson.schema
pidfile %(folder)s/pid
modulepath %(root)s/usr/lib/ldap
moduleload back_mdb
allow bind_v2
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw "%(password)s"
directory %(folder)s/data
maxsize 16777216
dbnosync
access to * by * read
""" % {"schema": schema, "folder": self.folder, "root": root,
            "password": self.password})
        slapd = root + "/usr/sbin/slapd"
        self.run(slapd, "-T", "add", "-q", "-f", self.config, "-l",
                 self.write("entries.ldif", self.ldif))

    def start(self):
        port = getattr(self, "port", None) or free_port()
        self.port = port
        uri = "ldap://127.0.0.1:%d/" % port
        self.spawn(self.roots[0] + "/usr/sbin/slapd", "-d", "0", "-f",
                   self.config, "-h", uri)
        self.wait_socket(("127.0.0.1", port))
        self.place = uri


__all__ = ["Mariadb", "Memcached", "Postgres", "Server", "Skip", "Slapd"]
