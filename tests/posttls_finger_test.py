"""posttls-finger: against our smtpd, a sink without TLS, and beside Debian's
against the same server."""
import difflib
import re
import subprocess

import dane_test
from capture import Capture
from instance import (SBIN, Failed, Instance, check, equal, free_port, main,
                      make_certificate, matches, run, wait_for)
from name_server import system_name_server
from network import Network
from postfix_peer import Postfix, lay_over_usr


class Server(Instance):
    def __init__(self):
        super().__init__()
        self.cert, key = make_certificate(self.conf)
        self.set(smtpd_tls_security_level="may", smtpd_tls_cert_file=self.cert,
                 smtpd_tls_key_file=key)
        self.where = "[127.0.0.1]:%d" % self.smtp_port

    def finger(self, *words):
        done = self.command("posttls-finger", *words, check=False)
        return done.returncode, done.stdout + done.stderr


def test_what_is_shown():
    with Server() as mta:
        wrapped = mta.port("wrapped")
        mta.master = ("127.0.0.1:%d inet n - n - - smtpd\n"
                      " -o smtpd_tls_wrappermode=yes\n" % wrapped)
        mta.start()
        status, shown = mta.finger("-l", "encrypt", "-C", mta.where)
        equal(status, 0)
        where = re.escape("127.0.0.1[127.0.0.1]:%d" % mta.smtp_port)
        for pattern in (
                "Connected to %s" % where, "< 220 ", "> EHLO mail.example.org",
                "> STARTTLS", "< 220 2.0.0 Ready to start TLS",
                "%s: subjectAltName: mail.example.org" % where,
                "%s: subject_CN=mail.example.org, issuer_CN=mail.example.org, "
                "fingerprint=[0-9A-F:]{95}, pkey_fingerprint=[0-9A-F:]{95}"
                % where, "%s: valid from .* GMT to .* GMT" % where,
                r"Untrusted TLS connection established to %s: TLSv1.3 with "
                r"cipher \S+ \(\d+/\d+ bits\)" % where, "> QUIT", "< 221 "):
            matches("(?m)^posttls-finger: " + pattern, shown)
        with open(mta.cert) as handle:
            check(handle.read().strip() in shown)
        status, shown = mta.finger("-c", "-L", "none", "-l", "may", mta.where)
        equal((status, shown), (0, ""))
        mta.wait_port(wrapped)
        status, shown = mta.finger("-w", "-l", "encrypt",
                                   "[127.0.0.1]:%d" % wrapped)
        equal(status, 0)
        check("STARTTLS" not in shown)


def test_what_satisfies():
    with Server() as mta:
        mta.start()
        shown = mta.finger("-l", "encrypt", mta.where)[1]
        prints = re.search(r"fingerprint=(\S+), pkey_fingerprint=(\S+)", shown)
        for words, status, pattern in (
                (("-l", "none"), 0, "QUIT"),
                (("-l", "fingerprint", mta.where, prints[1]), 0, "Verified"),
                (("-l", "fingerprint", mta.where, prints[2]), 0, "Verified"),
                (("-l", "fingerprint", mta.where, "00:11"), 1,
                 "no fingerprint matches"),
                (("-l", "verify", mta.where, "mail.example.org"), 1,
                 "self-signed certificate"),
                (("-l", "verify", "-F", mta.cert, mta.where,
                  "mail.example.org"), 0, "Verified TLS connection"),
                (("-l", "verify", "-A", mta.cert, mta.where,
                  ".example.org"), 0, "Verified TLS connection"),
                (("-F", mta.cert, mta.where, "other.example.org"), 1,
                 "Trusted TLS connection"),
                (("-h", "native", "-l", "secure", "-F", mta.cert,
                  "[localhost]:%d" % mta.smtp_port), 0,
                 "Verified TLS connection")):
            words = words if len(words) > 2 else words + (mta.where,)
            got, shown = mta.finger(*words)
            matches(pattern, shown)
            equal((words, got), (words, status))


def test_sessions_are_resumed():
    with Server() as mta:
        mta.start()
        status, shown = mta.finger("-l", "encrypt", "-r", "0", "-m", "2",
                                   mta.where)
        equal(status, 0)
        equal(re.findall("TLS connection (established|reused)", shown),
              ["established", "reused"])


def test_servers_without_tls():
    with Capture(free_port()) as sink, Instance() as mta:
        mta.write_configuration()
        where = "[127.0.0.1]:%d" % sink.server_address[1]
        for words, status in ((("-l", "may"), 0), (("-l", "encrypt"), 1),
                              (("-S", "-l", "may"), 0)):
            done = mta.command("posttls-finger", *words, where, check=False)
            equal((words, done.returncode), (words, status))
            matches("LHLO" if "-S" in words else "EHLO", done.stdout)
        done = mta.command("posttls-finger", "-l", "may", "[127.0.0.1]:%d" %
                           free_port(), check=False)
        equal(done.returncode, 1)
        matches("Connection refused", done.stdout)
        for wrong in (("-l", "nonsense", where), ("-M", "no", where), (),
                      ("unix:/tmp/x",)):
            equal(mta.command("posttls-finger", *wrong,
                              check=False).returncode, 1)


def test_mx():
    with Network("mx.example.org") as net, Instance() as mta:
        mta.write_configuration()
        net.zone("example.org", "@ MX 20 mx.example.org.",
                 "@ MX 10 absent.example.org.", "mx A 192.0.2.1")
        net.start_dns()
        mta.inside = net.inside("mx.example.org")
        sink = subprocess.Popen([*mta.inside, SBIN + "/smtp-sink",
                                 "-u", "nobody", "192.0.2.1:25", "10"])
        try:
            done = wait_for(lambda: succeeded(mta.command(
                "posttls-finger", "-l", "may", "example.org", check=False)),
                "the sink")
            matches(r"Connected to mx.example.org\[192.0.2.1\]:25",
                    done.stdout)
        finally:
            sink.terminate()
            sink.wait()


def succeeded(done):
    return done if done.returncode == 0 else None


# What differs by nature: names, keys of the session, words of our own.
def summary(shown):
    return [re.sub(r" key-exchange.*", "", line) for line in
            shown.replace("Ready to start TLS", "").splitlines()
            if re.search("TLS connection|subject_CN|^posttls-finger: [<>]",
                         line)]


# Each against both servers. FILE is the server's certificate.
LINES = [
    "-l encrypt", "-l may", "-l none", "-l verify -F FILE",
    "-l secure -F FILE", "-l verify -A FILE",
    "-l encrypt -a ipv4 -t 5 -T 5 -h native", "-l encrypt -d sha1",
    "-l encrypt -s mail.example.org -f -m 1", "-l encrypt -L summary",
    "-l encrypt -L none -c", "-l encrypt -L certmatch,peercert",
    "-l encrypt -P /etc/ssl/certs -v", "-l nonsense", "-Q",
    "-l verify -F FILE -p TLSv1.2 -g high",
]
# What differs, and what ours does instead: status and a pattern.
OTHERWISE = {
    # Theirs offers ciphers without a certificate when none is asked for; our
    # smtp(8) does not, nor does this.
    "-l encrypt -p !TLSv1.3": (0, "Untrusted TLS connection .* TLSv1.2"),
    # Theirs says 0 whatever it sees.
    "-l fingerprint -d sha256": (1, "no fingerprint matches"),
    # Theirs goes on without TLS.
    "-l encrypt -k FILE": (1, "fatal: "),
    # Theirs takes no protocols from main.cf.
    "-l encrypt -o smtp_tls_mandatory_protocols=TLSv1.2": (0, "TLSv1.2"),
    # Theirs does what it is asked for.
    "-X -l encrypt": (0, "warning: -X: there is no tlsproxy"),
    # A later Postfix knows it.
    "-x -l encrypt": (0, "warning: -x: raw public keys"),
    # Theirs says 0 whatever it sees.
    "-l half-dane": (1, "Invalid TLS level"),
}

# Over the sites of dane_test: what both print, besides the dialogue.
DANE_LINES = [
    "-L dane,summary ee", "-L dane,summary second", "-L summary,dane ta",
    "-L summary wrong", "-L summary none", "-L summary -l dane-only none",
    "-L summary anymx", "-L summary -M may anymx",
    "-L summary -M encrypt anymx", "-L summary anyhost",
    "-L summary -f anyhost", "-L summary pkix", "-L summary failing",
    "-L summary,certmatch ee", "-L summary alias", "-L summary aliasfirst",
    "-L summary nomx", "-L summary taname", "-L summary plain",
    "-L summary -l encrypt wrong", "-L none -c ee",
]
# Lines of one of the two.
OURS_ONLY = ("subjectAltName:|subject_CN=|does not satisfy|STARTTLS is not offered|"
             "matched peername|server certificate verification failed|"
             "DANE TLSA lookup problem| [<>] ")


def dane_lines(done):
    return [re.sub(" key-exchange.*", "", line)
            for line in done.stdout.splitlines()
            if not re.search(OURS_ONLY, line)]


def test_dane_beside_postfix():
    lay_over_usr("postfix")
    with system_name_server() as names, dane_test.World(names) as world, \
            Postfix() as peer, Instance(resolver_servers="") as mta:
        peer.write_configuration()
        mta.write_configuration()
        ports = {site.domain: world.port_of(site) for site in world.sites}
        wrong = []
        for line in DANE_LINES:
            *words, domain = line.split()
            domain += ".example"
            words.append("%s:%d" % (domain, ports[domain]))
            theirs = run("/usr/sbin/posttls-finger", *words, check=False,
                         env=dict(mta.env, MAIL_CONFIG=peer.conf))
            ours = mta.command("posttls-finger", *words, check=False)
            wrong += difflib.unified_diff(
                dane_lines(theirs), dane_lines(ours), "theirs: " + line,
                "ours", lineterm="", n=0)
    if wrong:
        raise Failed("\n".join(wrong))


def test_dane_satisfies():
    with system_name_server() as names, dane_test.World(names) as world, \
            Instance(resolver_servers="") as mta:
        mta.write_configuration()
        where = ".example:%d" % world.secure.server_address[1]
        for line, status in (("ee", 0), ("ta", 0), ("anymx", 0), ("wrong", 1),
                             ("taname", 1), ("failing", 1), ("none", 1),
                             ("pkix", 1), ("-M may anymx", 0),
                             ("-M encrypt anymx", 0), ("-l may wrong", 0)):
            done = mta.command("posttls-finger", *(line + where).split(),
                               check=False)
            equal((line, done.returncode), (line, status))
        check("mx.ee.example" in world.secure.asked_names)
        # the name of SNI is that of the records, whatever is asked for
        world.secure.asked_names.clear()
        mta.command("posttls-finger", "-s", "x.example", "ee" + where)
        equal(world.secure.asked_names, ["mx.ee.example"])


def test_srv():
    with system_name_server() as names, dane_test.World(names) as world, \
            Instance(resolver_servers="") as mta:
        mta.write_configuration()
        port = world.secure.server_address[1]
        names.add("_submission._tcp.srv.example SRV 1 0 %d mx.srv.example" %
                  port)
        names.add("_submission._tcp.srv.example SRV 0 0 %d no.srv.example" %
                  free_port())
        names.add("no.srv.example A 127.0.0.1")
        names.add("mx.srv.example A 127.0.0.1")
        names.add("_%d._tcp.mx.srv.example TLSA 3 1 1 %s" % (
            port, world.keys.leaf_key))
        done = mta.command("posttls-finger", "-R", "srv.example:submission")
        matches(r"no\.srv\.example\[127\.0\.0\.1\]:\d+: connect: "
                "Connection refused", done.stdout)
        matches(r"Verified TLS connection established to mx\.srv\.example\["
                r"127\.0\.0\.1\]:%d" % port, done.stdout)
        done = mta.command("posttls-finger", "-R", "srv.example", check=False)
        equal(done.returncode, 1)
        matches("name=_smtp._tcp.srv.example type=SRV: Host not found",
                done.stdout)


def test_beside_postfix():
    with Server() as mta, Postfix() as peer:
        mta.start()
        cert, key = make_certificate(peer.folder)
        peer.parameters.update(smtpd_tls_security_level="may",
                               smtpd_tls_cert_file=cert,
                               smtpd_tls_key_file=key,
                               myhostname="mail.example.org")
        peer.start()
        wrong = []
        for port, file in ((mta.smtp_port, mta.cert), (peer.smtp_port, cert)):
            for line in LINES + list(OTHERWISE):
                words = tuple(line.replace("FILE", file).split())
                words += ("[127.0.0.1]:%d" % port, "mail.example.org")
                ours = mta.command("posttls-finger", *words, check=False)
                theirs = run("/usr/sbin/posttls-finger", "-o",
                             "smtp_tls_fingerprint_digest=sha256", *words,
                             env=dict(mta.env, MAIL_CONFIG=peer.conf),
                             check=False)
                if line in OTHERWISE:
                    status, pattern = OTHERWISE[line]
                    equal((line, ours.returncode), (line, status))
                    matches(pattern, ours.stdout)
                    continue
                wrong += difflib.unified_diff(*[
                    [line, str(done.returncode)] + summary(done.stdout)
                    for done in (theirs, ours)], "theirs: " + line, "ours",
                    lineterm="", n=0)
    if wrong:
        raise Failed("\n".join(wrong))


if __name__ == "__main__":
    main(globals())
