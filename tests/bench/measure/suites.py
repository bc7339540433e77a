"""posthorn and Debian's Postfix, each set up for a kind of load."""
import os
import pwd
import shutil

import disks
from instance import Instance, make_certificate, run
from measure.group import Group
from measure.peers import PASSWORD, AuthServer
from postfix_peer import Postfix, lay_over_usr

USERS = 100
TOP = os.environ.get("POSTHORN_ACCOUNTS", "/nonexistent")
DISK = TOP + "/disk"   # of a run with a file system of its own
HOMES = TOP + "/bench"  # else on that

# Postfix with its limits raised. The better of both counts.
TUNED = {"in_flow_delay": "0", "default_process_limit": "250",
         "smtp_destination_concurrency_limit": "50",
         "virtual_destination_concurrency_limit": "50",
         "virtual_destination_recipient_limit": "50",
         "local_destination_concurrency_limit": "20",
         "smtp_tls_connection_reuse": "yes",
         "qmgr_message_active_limit": "40000"}


def boxes(domain="example.org"):
    return ", ".join("{user%d@%s=%s/user%d/}" % (n, domain, domain, n)
                     for n in range(USERS))


def plain(suite):
    vmail = pwd.getpwnam("vmail")
    os.makedirs(suite.mail, exist_ok=True)
    os.chown(suite.mail, vmail.pw_uid, vmail.pw_gid)
    suite.set(mydestination="localhost",
              virtual_mailbox_domains="example.org",
              virtual_mailbox_base=suite.mail,
              virtual_mailbox_maps="inline:{" + boxes() + "}",
              virtual_uid_maps="static:%d" % vmail.pw_uid,
              virtual_gid_maps="static:%d" % vmail.pw_gid)


def crowd(suite):
    """Room for a thousand clients, whatever a client costs."""
    plain(suite)
    if suite.is_peer:
        suite.set(default_process_limit="1100")


def flood(suite):
    """Clients that nobody sends away for being many or slow."""
    plain(suite)
    suite.set(default_process_limit="200", smtpd_timeout="600s")


def with_certificate(suite, **parameters):
    plain(suite)
    os.makedirs(suite.conf, exist_ok=True)
    cert, key = make_certificate(suite.conf)
    suite.set(smtpd_tls_cert_file=cert, smtpd_tls_key_file=key, **parameters)


def tls(suite):
    """STARTTLS on both sides, with sessions that can be resumed."""
    with_certificate(suite, smtpd_tls_security_level="may",
                     smtp_tls_security_level="encrypt")
    if suite.is_peer:
        suite.set(smtp_tls_session_cache_database="btree:%s/data/scache"
                  % suite.mta.folder)
        suite.mta.services += "\ntlsproxy unix - - n - 0 tlsproxy"
    else:
        suite.set(smtp_tls_connection_reuse="yes")


def big(suite):
    """The queue is a file system of its own (unless all is): a million files
    are gone at once with it."""
    plain(suite)
    if suite.mta.folder.startswith(DISK):
        return
    folder = suite.mta.folder + "/disk"
    disk = disks.Disk(folder)
    disk.open("ext4-nojournal")
    suite.closing.append(disk.close)
    suite.mta.queue = suite.queue = folder + "/queue"
    os.mkdir(suite.queue)
    suite.set(queue_directory=suite.queue)


def submission(suite):
    with_certificate(suite, smtpd_tls_security_level="encrypt",
                     smtpd_sasl_auth_enable="yes", smtpd_tls_auth_only="yes",
                     smtpd_relay_restrictions="permit_sasl_authenticated,"
                                              "reject")
    if suite.is_peer:
        path = suite.mta.folder + "/auth"
        suite.closing.append(AuthServer(path).close)
        suite.set(smtpd_sasl_type="dovecot", smtpd_sasl_path=path)
        return
    # a quick hash: the price of a good one is not what is measured
    hashed = run("openssl", "passwd", "-5", "-salt",
                 "rounds=1000$abcdefgh", PASSWORD).stdout.strip()
    suite.mta.write("conf/users", "alice@example.org:%s:\n" % hashed, 0o640)
    shutil.chown(suite.conf + "/users", "root", "posthorn-auth")


def alias(suite):
    """An alias of 100 system users, each with a Maildir."""
    make_users()
    names = ", ".join("bench%d" % n for n in range(USERS))
    suite.set(mydestination="example.org, localhost", myorigin="example.org",
              home_mailbox="Maildir/", mailbox_command="",
              alias_maps="inline:{{user0 = %s}}" % names,
              local_recipient_maps="")


def leave(folder):
    """Out of the way, to be removed when all is over (by with-accounts). ext4
    without a journal passes over each inode of a group that was freed during
    the last minutes, whenever it looks for a free one there: 0.4 ms for a file
    next to 10,000 that an earlier load left, 0.02 ms otherwise."""
    room = os.path.dirname(HOMES) + "/left"
    try:
        os.makedirs(room, exist_ok=True)
        os.rename(folder, "%s/%d" % (room, len(os.listdir(room))))
    except OSError:
        pass  # not there, or on another file system


def make_users():
    leave(HOMES)
    shutil.rmtree(HOMES, ignore_errors=True)
    os.makedirs(HOMES)
    os.chmod(os.path.dirname(HOMES), 0o755)
    with open("/etc/passwd") as handle:
        known = "bench0:" in handle.read()
    for n in range(USERS):
        home = "%s/bench%d" % (HOMES, n)
        os.mkdir(home)
        os.chown(home, 62000 + n, 62000)
        if not known:
            with open("/etc/passwd", "a") as handle:
                handle.write("bench%d:x:%d:62000::%s:/bin/sh\n" % (
                    n, 62000 + n, home))
    if not known:
        with open("/etc/group", "a") as handle:
            handle.write("bench:x:62000:\n")


def world(suite):
    """Many destinations, found in the DNS of a network of its own."""
    plain(suite)
    suite.set(inet_interfaces="all", smtp_tls_security_level="none")
    for name in ("relay_domains", "transport_maps"):
        suite.mta.parameters.pop(name, None)
    suite.set(smtpd_relay_restrictions="permit_mynetworks, reject")
    if suite.is_peer:
        suite.set(smtp_host_lookup="dns")
    else:
        suite.set(resolver_servers="192.0.2.53:53")


class Suite:
    """`folder`, `conf`, `queue`, `mail` and `port` of a suite, which is
    started in a control group."""
    is_peer = False

    def __init__(self, setup, sink_port):
        self.closing = []
        self.mta = self.make()
        self.conf = self.mta.conf
        self.queue = self.mta.folder + "/queue"
        self.mail = self.mta.folder + "/mail"
        self.port = self.mta.smtp_port
        self.group = Group(self.name)
        self.set(relay_domains="relay.example.com",
                 transport_maps="inline:{{relay.example.com="
                                "smtp:[127.0.0.1]:%d}}" % sink_port,
                 smtpd_client_connection_count_limit="0",
                 smtpd_recipient_limit="2000",
                 smtpd_peername_lookup="no",
                 smtp_tls_security_level="none",
                 maximal_queue_lifetime="2d")
        setup(self)

    def set(self, **parameters):
        self.mta.parameters.update(parameters)

    def start(self):
        self.group.run_inside(self.mta.start)
        return self

    def close(self):
        try:
            if not self.is_peer:
                self.mta.stop()
            for close in self.closing:
                close()
        finally:
            leave(self.mail)
            self.mta.close()
            self.group.close()

    def command(self, name, *args, timeout=600, **more):
        return run(*self.mta.inside, *self.argv(name), *args,
                   env=getattr(self.mta, "env", None), timeout=timeout, **more)


class Posthorn(Suite):
    name = "posthorn"

    def make(self):
        return Instance()

    def argv(self, name):
        from instance import SBIN
        return [SBIN + "/" + name]


class Shipped(Suite):
    name = "postfix-shipped"
    is_peer = True
    parameters = {}

    def make(self):
        return Postfix(**self.parameters)

    def argv(self, name):
        return ["/usr/sbin/" + name, "-c", self.conf]


class Tuned(Shipped):
    name = "postfix-tuned"
    parameters = TUNED


def prepare(make):
    """What a suite needs from outside, while there is an outside."""
    if make.is_peer:
        lay_over_usr("postfix")
