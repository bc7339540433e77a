"""DANE for SMTP (RFC 7672): smtp's levels dane and dane-only over a name server
that says what is validated, and the same mail through Debian's Postfix."""
import hashlib
import os
import re
import subprocess
import tempfile

from capture import Capture
from instance import (Failed, Instance, check, equal, free_port, main, run,
                      wait_for)
from name_server import NameServer, system_name_server
from postfix_peer import Postfix, lay_over_usr

OTHER = "ab" * 32  # a digest of something else


class Keys:
    """A certificate of an authority, shown together with the authority's."""

    def __init__(self, *names):
        self.folder = tempfile.mkdtemp(prefix="posthorn-dane-")
        os.chmod(self.folder, 0o755)
        ca, key = self.folder + "/ca.pem", self.folder + "/ca.key"
        leaf, request = self.folder + "/leaf.pem", self.folder + "/request"
        curve = ("-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes")
        run("openssl", "req", "-x509", *curve, "-keyout", key, "-out", ca,
            "-days", "30", "-subj", "/CN=Test CA")
        self.key = self.folder + "/leaf.key"
        run("openssl", "req", *curve, "-keyout", self.key, "-out", request,
            "-subj", "/CN=" + names[0])
        with open(self.folder + "/names", "w") as handle:
            handle.write("subjectAltName=" + ",".join(
                "DNS:" + name for name in names))
        run("openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey",
            key, "-CAcreateserial", "-days", "30", "-out", leaf, "-extfile",
            self.folder + "/names")
        self.chain = self.folder + "/chain.pem"
        with open(self.chain, "w") as handle:
            for path in (leaf, ca):
                with open(path) as part:
                    handle.write(part.read())
        self.leaf_key = self.digest(leaf, key=True)
        self.leaf = self.digest(leaf)
        self.ca = self.digest(ca)
        self.ca_file = ca

    def digest(self, path, key=False):
        if not key:
            der = subprocess.check_output(
                ["openssl", "x509", "-in", path, "-outform", "der"])
        else:
            pem = run("openssl", "x509", "-in", path, "-noout",
                      "-pubkey").stdout
            der = subprocess.run(
                ["openssl", "pkey", "-pubin", "-outform", "der"],
                input=pem.encode(), stdout=subprocess.PIPE, check=True).stdout
        return hashlib.sha256(der).hexdigest()


class Site:
    """A domain DOMAIN.example with its server mx.DOMAIN.example.

    tlsa: numbers and digest, or SERVFAIL, or nothing. insecure: what of "mx",
    "host", "tlsa" is not validated. `dane`, `only`: what becomes of mail at the
    levels dane and dane-only: a word for the connection's trust, or a pattern
    of why it is deferred.
    """

    def __init__(self, domain, tlsa, dane, only=None, insecure=(), tls=True,
                 rows=None):
        self.domain, self.tlsa, self.tls = domain + ".example", tlsa, tls
        self.expected = {"dane": dane, "dane-only": only or dane}
        self.insecure, self.rows = insecure, rows

    def add(self, names, port):
        host = "mx." + self.domain
        rows = self.rows
        if rows is None:
            rows = ["{d} MX 10 mx.{d}", "mx.{d} A 127.0.0.1"]
            for one in self.tlsa:
                rows.append("_{p}._tcp.mx.{d} TLSA " + one)
        for row in rows:
            kind = "mx" if " MX " in row else \
                "tlsa" if " TLSA " in row else "host"
            names.add(row.format(d=self.domain, p=port),
                      kind not in self.insecure)


NOT_VERIFIED = r"Server certificate not verified"
NO_STARTTLS = r"TLS is required, but was not offered by host mx\S+"


def sites(keys):
    good = "3 1 1 " + keys.leaf_key
    return [
        Site("ee", [good], "Verified"),
        Site("cert", ["3 0 1 " + keys.leaf], "Verified"),
        Site("second", ["3 1 1 " + OTHER, good], "Verified"),
        Site("ta", ["2 0 1 " + keys.ca], "Verified"),
        Site("taname", ["2 0 1 " + keys.ca], NOT_VERIFIED),
        Site("wrong", ["3 1 1 " + OTHER], NOT_VERIFIED),
        Site("none", [], "Untrusted", r"no TLSA records found"),
        Site("unsigned", [good], "Untrusted", r"no TLSA records found",
             insecure=("tlsa",)),
        Site("anymx", [good], "Trusted", r"non DNSSEC destination",
             insecure=("mx",)),
        Site("anymxwrong", ["3 1 1 " + OTHER],
             NOT_VERIFIED, r"non DNSSEC destination",
             insecure=("mx",)),
        Site("anymxnone", [], "Untrusted", r"non DNSSEC destination",
             insecure=("mx",)),
        Site("anymxpkix", ["1 1 1 " + keys.leaf_key], "Untrusted",
             r"non DNSSEC destination", insecure=("mx",)),
        Site("anyhost", [good], "Untrusted", r"no TLSA records found",
             insecure=("host", "tlsa")),
        Site("failing", ["SERVFAIL"],
             r"TLSA lookup error for mx.failing.example:\d+"),
        Site("pkix", ["1 1 1 " + keys.leaf_key], "Untrusted",
             r"TLSA records unusable"),
        Site("unknown", ["3 1 9 " + keys.leaf_key], "Untrusted",
             r"TLSA records unusable"),
        Site("plain", [good], NO_STARTTLS, tls=False),
        Site("plainpkix", ["0 0 1 " + keys.ca], NO_STARTTLS,
             r"TLSA records unusable", tls=False),
        Site("open", [], "none", r"no TLSA records found", tls=False),
        Site("alias", [], "Verified", rows=[
            "{d} MX 10 mx.{d}", "mx.{d} CNAME end.{d}", "end.{d} A 127.0.0.1",
            "_{p}._tcp.end.{d} TLSA " + good]),
        Site("aliasfirst", [], "Verified", rows=[
            "{d} MX 10 mx.{d}", "mx.{d} CNAME end.{d}", "end.{d} A 127.0.0.1",
            "_{p}._tcp.mx.{d} TLSA " + good]),
        Site("nomx", [], "Verified", rows=[
            "{d} A 127.0.0.1", "_{p}._tcp.{d} TLSA " + good]),
        Site("backup", [], "Verified", rows=[
            "{d} MX 10 mx.{d}", "mx.{d} A 127.0.0.1",
            "_{p}._tcp.mx.{d} TLSA 3 1 1 " + OTHER,
            "{d} MX 20 mx2.{d}", "mx2.{d} A 127.0.0.1",
            "_{p}._tcp.mx2.{d} TLSA " + good]),
        Site("broken", [], "Verified", rows=[
            "{d} MX 10 mx.{d}", "mx.{d} A 127.0.0.1",
            "_{p}._tcp.mx.{d} TLSA SERVFAIL",
            "{d} MX 20 mx2.{d}", "mx2.{d} A 127.0.0.1",
            "_{p}._tcp.mx2.{d} TLSA " + good]),
    ]


class World:
    """The sites, their servers and the name server."""

    def __init__(self, names):
        self.keys = Keys("mx.ta.example")
        self.sites = sites(self.keys)
        self.names = names
        self.secure = Capture(free_port(), certificate=(self.keys.chain,
                                                        self.keys.key))
        self.plain = Capture(free_port())
        for site in self.sites:
            site.add(self.names, self.port_of(site))

    def port_of(self, site):
        return (self.secure if site.tls else self.plain).server_address[1]

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        for part in (self.secure, self.plain):
            part.__exit__()
        run("rm", "-r", self.keys.folder)

    def parameters(self):
        rows = ", ".join("{%s=smtp:%s:%d}" % (
            site.domain, site.domain, self.port_of(site))
            for site in self.sites)
        return {"transport_maps": "inline:{%s}" % rows,
                "smtp_dns_support_level": "dnssec", "smtp_tls_loglevel": "1",
                "smtp_host_lookup": "dns", "mydestination": "",
                "smtp_tls_security_level": "dane",
                "smtp_tls_mandatory_protocols": ">=TLSv1.2",
                "transport_retry_time": "1s"}


def outcomes(log, sites):
    """By domain: (trust of the last connection, or none; status; dsn; text)."""
    found = {}
    for site in sites:
        line = re.search(
            r"to=<x@%s>,.* dsn=([\d.]+), status=(\w+) \((.*)\)" %
            re.escape(site.domain), log)
        if not line:
            return None
        trust = re.findall(
            r"(\w+) TLS connection established to (?:\w+\.)?%s\[" %
            re.escape(site.domain), log)
        found[site.domain] = (trust[-1] if trust else "none",
                              line[2], line[1], line[3])
    return found


def deliver(mta, world, level):
    mta.command("sendmail", "-f", "alice@example.org",
                *["x@" + site.domain for site in world.sites],
                input="Subject: %s\n\nHello.\n" % level)
    return wait_for(lambda: outcomes(mta.log(), world.sites),
                    "all recipients")


def ours(world, **parameters):
    mta = Instance(resolver_servers="%s:%d" % (world.names.address,
                                               world.names.port),
                   dialer_local_destinations="any")
    mta.set(**world.parameters())
    mta.set(**parameters)
    return mta


def judge(world, level, found):
    for site in world.sites:
        trust, status, dsn, text = found[site.domain]
        wanted = site.expected[level]
        fine = (trust, status, dsn) == (wanted, "sent", "2.0.0") or (
            status == "deferred" and dsn.startswith("4.7.") and
            re.fullmatch(wanted, text))
        if not fine:
            raise Failed("%s, %s: wanted %s: %r" % (
                site.domain, level, wanted, found[site.domain]))


def test_dane():
    with NameServer() as names, World(names) as world, ours(world) as mta:
        mta.start()
        judge(world, "dane", deliver(mta, world, "dane"))
        # SNI is the base domain
        for name in ("mx.ee.example", "end.alias.example",
                     "mx.aliasfirst.example", "nomx.example"):
            check(name in world.secure.asked_names, name)


def test_dane_only():
    with NameServer() as names, World(names) as world, ours(
            world, smtp_tls_security_level="dane-only") as mta:
        mta.start()
        judge(world, "dane-only", deliver(mta, world, "dane-only"))


SETTINGS = [
    {"smtp_dns_support_level": ""}, {"tls_dane_digests": "sha512=1"},
    {"smtp_tls_dane_insecure_mx_policy": "may"},
    {"smtp_tls_dane_insecure_mx_policy": "encrypt"},
    {"smtp_tls_force_insecure_host_tlsa_lookup": "yes"},
]
FEW = ("ee", "anymx", "anymxnone", "anyhost", "none")


def test_validation_is_probed():
    warning = "warning: DNSSEC validation may be unavailable"
    with NameServer() as names, World(names) as world, ours(world) as mta:
        world.sites = [site for site in world.sites
                       if site.domain == "anyhost.example"]
        mta.start()
        deliver(mta, world, "dane")
        check(warning not in mta.log())
        names.rows[("", 2)] = [(b"\1a\0", False)]
        mta.stop()
        mta.start()
        mta.command("sendmail", "-f", "alice@example.org",
                    "y@anyhost.example", input="Subject: again\n\nHello.\n")
        mta.wait_log("to=<y@anyhost.example>.*status=sent")
        equal(mta.log().count(warning), 1)
        check("dnssec_probe 'ns:.' received a response that is not DNSSEC "
              "validated" in mta.log())


def test_fingerprints_as_in_postfix():
    lay_over_usr("postfix")
    with system_name_server() as names, World(names) as world:
        world.sites = [site for site in world.sites
                       if site.domain == "ee.example"]
        right = ":".join(re.findall("..", world.keys.leaf.upper()))
        key = ":".join(re.findall("..", world.keys.leaf_key.upper()))
        wrong = ":".join(re.findall("..", OTHER.upper()))
        policies = "inline:{{ee.example:%d=fingerprint match=%s|%s}}"
        port = world.secure.server_address[1]
        for settings in (
                {"smtp_tls_fingerprint_cert_match": right},
                {"smtp_tls_fingerprint_cert_match": wrong + ", " + key},
                {"smtp_tls_fingerprint_cert_match": wrong},
                {"smtp_tls_fingerprint_cert_match": ""},
                {"smtp_tls_policy_maps": policies % (port, wrong, key)}):
            compare(world, "fingerprint",
                    smtp_tls_fingerprint_digest="sha256", **settings)


def test_trust_anchors_as_in_postfix():
    lay_over_usr("postfix")
    other = Keys("other.example")
    with system_name_server() as names, World(names) as world:
        world.sites = [site for site in world.sites
                       if site.domain in ("ta.example", "ee.example")]
        public = world.keys.folder + "/ca.pub"
        with open(public, "w") as handle:
            handle.write(run("openssl", "x509", "-in", world.keys.ca_file,
                             "-noout", "-pubkey").stdout)
        both = "%s, %s" % (other.ca_file, world.keys.ca_file)
        for settings in (
                {"smtp_tls_trust_anchor_file": world.keys.ca_file},
                {"smtp_tls_trust_anchor_file": public},
                {"smtp_tls_trust_anchor_file": both},
                {"smtp_tls_trust_anchor_file": other.ca_file,
                 "smtp_tls_CAfile": world.keys.ca_file}):
            compare(world, "verify", **settings)
    run("rm", "-r", other.folder)


def test_anchors_that_cannot_be_read():
    with NameServer() as names, World(names) as world, ours(
            world, smtp_tls_security_level="verify",
            smtp_tls_CAfile=world.keys.ca_file,
            smtp_tls_trust_anchor_file="/nonexistent/ca.pem") as mta:
        world.sites = [site for site in world.sites
                       if site.domain == "ta.example"]
        mta.start()
        found = deliver(mta, world, "verify")["ta.example"]
        equal(found[1:3], ("deferred", "4.7.5"))
        mta.wait_log("warning: trust anchors: /nonexistent/ca.pem: "
                     "No such file or directory")


def test_replies_before_the_command():
    with NameServer() as names, World(names) as world, ours(
            world, smtp_tls_block_early_mail_reply="yes") as mta:
        world.sites = [site for site in world.sites
                       if site.domain == "ee.example"]
        mta.start()
        equal(deliver(mta, world, "dane")["ee.example"][1], "sent")
        world.secure.early = "\r\n250 2.1.0 Ok"
        mta.command("sendmail", "-f", "alice@example.org", "y@ee.example",
                    input="Subject: again\n\nHello.\n")
        mta.wait_log(r"to=<y@ee.example>.*dsn=4\.7\.0, status=deferred "
                     r"\(host mx\.ee\.example\S+ sent a reply before the "
                     "command")
        equal(len(world.secure.messages), 1)


def test_patterns_of_mta_sts():
    with NameServer() as names, World(names) as world, ours(world) as mta:
        world.sites = [site for site in world.sites
                       if site.domain in ("ta.example", "backup.example")]
        policy = "{ %s:%d = secure match=%s policy_type=sts " \
            "mx_host_pattern=%s }"
        mta.set(smtp_tls_CAfile=world.keys.ca_file,
                smtp_tls_policy_maps="inline:{%s, %s}" % (
                    policy % ("ta.example", world.secure.server_address[1],
                              "nonsense.example", "*.ta.example"),
                    policy % ("backup.example",
                              world.secure.server_address[1],
                              "mx.ta.example", "mx3.backup.example")))
        mta.start()
        found = deliver(mta, world, "secure")
        # the server's name must be in the certificate, not that of "match"
        equal(found["ta.example"][:2], ("Verified", "sent"))
        equal(found["backup.example"][1:],
              ("deferred", "4.7.5",
               "host mx2.backup.example is not in the MTA-STS policy of "
               "backup.example:%d" % world.secure.server_address[1]))


class Peer(Postfix):
    def command(self, name, *args, **more):
        return run("/usr/sbin/" + name, "-C", self.conf, *args, **more)


def test_as_postfix_does():
    lay_over_usr("postfix")  # while names are still found
    with system_name_server() as names, World(names) as world:
        for level in ("dane", "dane-only"):
            compare(world, level)


def test_settings_as_in_postfix():
    lay_over_usr("postfix")
    with system_name_server() as names, World(names) as world:
        world.sites = [site for site in world.sites
                       if site.domain.split(".")[0] in FEW]
        names.add("_%d._tcp.mx.anyhost.example TLSA 3 1 1 %s" % (
            world.secure.server_address[1], OTHER))
        for settings in SETTINGS:
            compare(world, "dane", **settings)
        compare(world, "dane-only", smtp_dns_support_level="enabled")


# Postfix 3.7 connects before it says that no record is usable.
OTHERWISE = {("unknown.example", "dane-only"): ("none", "deferred", "4.7.5",
                                                "TLSA records unusable")}


def compare(world, level, **settings):
    found = []
    for mta in (ours(world, resolver_servers=""),
                Peer()):
        mta.parameters.update(world.parameters(),
                              smtp_tls_security_level=level, **settings)
        with mta:
            mta.start()
            found.append(deliver(mta, world, level))
    for domain, (one, other) in zip(found[0], zip(*[f.values()
                                                    for f in found])):
        equal((domain, level, one),
              (domain, level, OTHERWISE.get((domain, level), other)))


if __name__ == "__main__":
    main(globals())
