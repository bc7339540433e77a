"""Debian's default configuration of Postfix in /etc/postfix, as its package
installs it, in folders and a network of this process alone: /etc, /var/spool,
/var/mail, /var/lib and port 25 are its own. What is built here stands at its
usual place."""
import ctypes
import os
import shutil
import tempfile

from instance import PREFIX, STAGE, Failed, make_certificate, run
from postfix_peer import cover, lay_over_usr, make_spool, unpacked

CLONE_NEWNET = 0x40000000
# What its questions are answered with: "Internet Site".
ANSWERS = """
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated \
defer_unauth_destination
myhostname = mail.example.org
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
myorigin = /etc/mailname
mydestination = $myhostname, example.org, localhost.example.org, , localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = all
"""
ALIASES = "# See man 5 aliases for format\npostmaster:    root\nroot: alice\n"
CONF = "/etc/postfix"


def enter():
    """From here on."""
    lay_over_usr("postfix")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise Failed("no network of its own")
    run("ip", "link", "set", "lo", "up")
    cert, key = make_certificate(tempfile.mkdtemp(prefix="posthorn-cert-"))
    for folder in ("/etc", "/var/spool", "/var/mail", "/var/lib"):
        cover(folder)
    shutil.chown("/var/mail", "root", "mail")
    os.chmod("/var/mail", 0o2775)
    for path, kind in ((cert, "certs/ssl-cert-snakeoil.pem"),
                       (key, "private/ssl-cert-snakeoil.key")):
        os.makedirs(os.path.dirname("/etc/ssl/" + kind), exist_ok=True)
        shutil.move(path, "/etc/ssl/" + kind)
    os.rmdir(os.path.dirname(cert))
    run("mount", "--bind", STAGE + PREFIX, PREFIX)
    os.makedirs(CONF, exist_ok=True)
    run("mount", "--bind", CONF, PREFIX + "/etc/postfix")


def install():
    """The configuration, as new; the data folder."""
    package = unpacked("postfix")
    share = package + "/usr/share/postfix/"
    run("find", CONF, "-mindepth", "1", "-delete")
    run("cp", "-a", package + "/etc/postfix/.", CONF)
    write("main.cf", "".join(open(share + name).read() for name in (
        "main.cf.debian", "main.cf.tls")) + ANSWERS)
    shutil.copy(share + "master.cf.dist", CONF + "/master.cf")
    shutil.copy(share + "dynamicmaps.cf", CONF)
    write("/etc/mailname", "example.org\n")
    write("/etc/aliases", ALIASES)
    if os.path.exists("/etc/aliases.db"):
        os.unlink("/etc/aliases.db")
    for path in ("/var/spool/postfix", "/var/spool/posthorn",
                 "/var/lib/posthorn"):
        shutil.rmtree(path, ignore_errors=True)
    run("cp", "-a", package + "/var/spool/postfix", "/var/spool")
    make_spool("/var/spool/postfix")
    os.makedirs("/var/lib/postfix", exist_ok=True)
    shutil.chown("/var/lib/postfix", "postfix", "postfix")
    for name in os.listdir("/var/mail"):
        os.unlink("/var/mail/" + name)


def write(name, text):
    path = os.path.join(CONF, name)
    with open(path, "w") as handle:
        handle.write(text)
    os.chmod(path, 0o644)
