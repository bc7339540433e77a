#!/usr/bin/python3
"""resolver and dialer, each alone, started as master starts it (peer-call):
the resolver against a real name server (knot) and against name servers that
lie, cut, delay and say nothing; the dialer against its policy.
"""
import errno
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/lib")

from instance import (LIBEXEC, PATIENCE, Failed, Skip, check, equal, free_port,
                      main, wait_for)

BUILD = os.environ.get("POSTHORN_BUILD", HERE + "/../build")
FOUND, NO_DATA, NO_NAME, TEMPORARY, MALFORMED = range(5)
A, CNAME, SOA, PTR, MX, TXT, AAAA = 1, 5, 6, 12, 15, 16, 28
NATIVE, NO_DNS = 4, 8

ZONE = """
$ORIGIN example.org.
$TTL 300
@ SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 60
@ NS ns.example.org.
@ MX 10 mx1.example.org.
@ MX 20 mx2.example.org.
ns A 127.0.0.1
mx1 A 192.0.2.1
mx1 AAAA 2001:db8::1
mx2 A 192.0.2.2
www CNAME alias.example.org.
alias CNAME mx1.example.org.
null MX 0 .
text TXT "v=spf1 " "-all"
odd\\.label A 192.0.2.3
""" + "".join("big TXT \"%03d%s\"\n" % (i, "x" * 200) for i in range(30))

REVERSE = """
$ORIGIN 2.0.192.in-addr.arpa.
$TTL 300
@ SOA ns.example.org. hostmaster.example.org. 1 3600 600 86400 60
@ NS ns.example.org.
1 PTR mx1.example.org.
"""


def program(name):
    for path in (LIBEXEC + "/" + name, BUILD + "/%s/%s" % (name, name)):
        if os.path.exists(path):
            return path
    raise Skip("no " + name)


def wire(name):
    return b"".join(bytes([len(l)]) + l.encode()
                    for l in name.split(".") if l) + b"\0"


class Daemon:
    """resolver or dialer with a main.cf of its own."""

    def __init__(self, name, master="", asker="smtp", **parameters):
        tool = BUILD + "/tests/peer-call"
        if not os.path.exists(tool):
            raise Skip("no peer-call")
        self.folder = tempfile.mkdtemp(prefix="posthorn-test-")
        os.chmod(self.folder, 0o755)
        with open(self.folder + "/main.cf", "w") as handle:
            handle.write("compatibility_level = 3.11\n"
                         "myhostname = mail.example.org\n"
                         "queue_directory = %s\n" % self.folder)
            for item in parameters.items():
                handle.write("%s = %s\n" % item)
        with open(self.folder + "/master.cf", "w") as handle:
            handle.write(master)
        self.process = subprocess.Popen(
            [tool, program(name), self.folder, asker],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, *questions):
        """The answers to questions that are asked at once."""
        line = ";".join(questions) + "\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        return [self.process.stdout.readline().decode().rstrip("\n")
                for _ in questions]

    def dns(self, name, type, flags=0):
        """(status, ttl, secure, canonical, [records])"""
        answer = self.ask("dns %s %d %d" % (name, type, flags))[0]
        return parse(answer)

    def dial(self, purpose, endpoint):
        number, text = self.ask("dial %s %s" %
                                (purpose, endpoint))[0].split(" ", 1)
        return int(number), text


def parse(answer):
    words = answer.split(" ")
    if len(words) < 4:
        raise Failed("no answer: %r" % answer)
    return (int(words[0]), int(words[1]), words[2] == "1", words[3],
            [bytes.fromhex(word) for word in words[4:]])


class Knot:
    """knotd on a loopback port."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="posthorn-knot-")
        os.chmod(self.folder, 0o777)
        self.port = free_port()
        for name, text in (("example.org", ZONE), ("reverse", REVERSE)):
            with open(self.folder + "/" + name, "w") as handle:
                handle.write(text)
        with open(self.folder + "/knot.conf", "w") as handle:
            handle.write("""
server:
    rundir: {0}
    listen: 127.0.0.1@{1}
database:
    storage: {0}
log:
  - target: {0}/log
    any: warning
zone:
  - domain: example.org
    storage: {0}
    file: example.org
  - domain: 2.0.192.in-addr.arpa
    storage: {0}
    file: reverse
""".format(self.folder, self.port))
        if not shutil.which("knotd"):
            raise Skip("knotd is not installed")
        self.process = subprocess.Popen(
            ["knotd", "-c", self.folder + "/knot.conf"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers, "knotd")

    def answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.5)
            client.connect(("127.0.0.1", self.port))
            try:
                client.send(b"ID\0\0\0\1\0\0\0\0\0\0" + wire("example.org") +
                            struct.pack("!HH", SOA, 1))
                return client.recv(4096)[3] & 15 == 0
            except OSError:
                return False

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)


class Liar:
    """A UDP name server; respond(query, number) gives the packet or None."""

    def __init__(self, respond):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.queries, self.ports = [], []
        self.respond = respond
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            query, client = self.socket.recvfrom(65535)
            if query == b"end":
                return
            self.queries.append(query)
            self.ports.append(client[1])
            packet = self.respond(query, len(self.queries))
            if packet is not None:
                self.socket.sendto(packet, client)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"end", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()


def question(query):
    """The question section of a packet with one question."""
    end = query.index(b"\0", 12) + 5
    return query[12:end]


def answer(query, flags=0x8180, records=(), count=None):
    """An answer with (owner, type, ttl, data) records."""
    body = b"".join(owner + struct.pack("!HHIH", type, 1, ttl, len(data)) +
                    data for owner, type, ttl, data in records)
    return query[:2] + struct.pack(
        "!HHHHH", flags, 1, len(records) if count is None else count,
        0, 0) + question(query) + body


HERE_IS = (b"\xc0\x0c", A, 60, bytes([192, 0, 2, 7]))


def resolver(port, timeout="%ds" % PATIENCE, **more):
    """A question is asked once more where nothing comes for that time: not
    because this program stood still."""
    return Daemon("resolver", resolver_servers="127.0.0.1:%d" % port,
                  resolver_timeout=timeout, resolver_attempts="2", **more)


def test_real_name_server():
    with Knot() as knot, resolver(knot.port) as dns:
        status, ttl, secure, owner, records = dns.dns("example.org", MX)
        equal((status, owner), (FOUND, "example.org"))
        check(290 <= ttl <= 300)
        equal(sorted(records), [b"\0\x0a" + wire("mx1.example.org"),
                                b"\0\x14" + wire("mx2.example.org")])
        equal(dns.dns("MX1.Example.ORG", A)[4], [bytes([192, 0, 2, 1])])
        equal(dns.dns("www.example.org", A)[3:],
              ("mx1.example.org", [bytes([192, 0, 2, 1])]))
        equal(dns.dns("mx2.example.org", AAAA)[0], NO_DATA)
        status, ttl = dns.dns("nowhere.example.org", A)[:2]
        equal(status, NO_NAME)
        check(0 < ttl <= 60)  # of the SOA's minimum
        equal(dns.dns("null.example.org", MX)[4], [b"\0\0\0"])
        equal(dns.dns("text.example.org", TXT)[4], [b"\x07v=spf1 \x04-all"])
        equal(dns.dns("1.2.0.192.in-addr.arpa", PTR)[4],
              [wire("mx1.example.org")])
        equal(dns.dns("odd\\046label.example.org", A)[4],
              [bytes([192, 0, 2, 3])])
        # over 1232 octets: by TCP
        equal(len(dns.dns("big.example.org", TXT)[4]), 30)
        # knot is no resolver: it refuses, and that may change
        equal(dns.dns("example.com", A)[0], TEMPORARY)


def test_equal_questions_are_one():
    release = threading.Event()

    def respond(query, number):
        release.wait(PATIENCE)
        return answer(query, records=[HERE_IS])
    with Liar(respond) as liar, resolver(liar.port) as dns:
        threading.Timer(0.2, release.set).start()
        answers = dns.ask(*["dns a.example.org 1 0"] * 20)
        equal(set(parse(a)[0] for a in answers), {FOUND})
        equal(dns.dns("A.example.org", A)[0], FOUND)  # cached
        equal(len(liar.queries), 1)


def test_each_question_has_a_port_of_its_own():
    with Liar(lambda query, number: answer(query, records=[HERE_IS])) \
            as liar, resolver(liar.port) as dns:
        for number in range(12):  # one after the other: what can be shared is
            equal(dns.dns("a%d.example.org" % number, A)[0], FOUND)
        equal(len(liar.ports), 12)
        ids = set(query[:2] for query in liar.queries)
        # chance makes two of them equal now and then, hardly four
        check(len(set(liar.ports)) >= 11, liar.ports)
        check(len(ids) >= 11, ids)


def test_asks_again_when_nothing_comes():
    def respond(query, number):
        return answer(query, records=[HERE_IS]) if number > 1 else None
    with Liar(respond) as liar, Daemon(
            "resolver", resolver_timeout="1s", resolver_attempts="10",
            resolver_servers="127.0.0.1:%d" % liar.port) as dns:
        equal(dns.dns("a.example.org", A)[0], FOUND)
        check(len(liar.queries) >= 2, liar.queries)


def test_gives_up_and_asks_the_next_server():
    with Liar(lambda query, number: None) as silent, Liar(
            lambda query, number: answer(query, records=[HERE_IS])) as liar:
        with Daemon("resolver", resolver_timeout="1s",
                    resolver_attempts="10",
                    resolver_servers="127.0.0.1:%d, 127.0.0.1:%d" %
                    (silent.port, liar.port)) as dns:
            equal(dns.dns("a.example.org", A)[0], FOUND)
        with resolver(silent.port, "1s") as dns:
            equal(dns.dns("a.example.org", A)[0], TEMPORARY)


def test_server_failure():
    with Liar(lambda query, number: answer(query, 0x8182)) as liar, \
            resolver(liar.port) as dns:
        equal(dns.dns("a.example.org", A)[0], TEMPORARY)


def test_ad_of_far_servers():
    """It counts if all servers are here, or resolver_trust_ad says so."""
    with Liar(lambda query, number: answer(query, 0x81a0, [HERE_IS])) as liar:
        here = "127.0.0.1:%d" % liar.port
        for servers, trust, secure in ((here, "no", True),
                                       (here + ", 192.0.2.1", "no", False),
                                       (here + ", 192.0.2.1", "yes", True)):
            with Daemon("resolver", resolver_timeout="30s",
                        resolver_servers=servers,
                        resolver_trust_ad=trust) as dns:
                found = dns.dns("a.example.org", A)[:3]
                equal((found[0], found[2]), (FOUND, secure))


def test_question_asks_for_ad_and_edns():
    with Liar(lambda query, number: answer(query, 0x81a0, [HERE_IS])) \
            as liar, resolver(liar.port) as dns:
        status, ttl, secure = dns.dns("a.example.org", A)[:3]
        equal((status, secure), (FOUND, True))  # the server is on loopback
        check(liar.queries[0][3] & 0x20, "AD in the question")
        equal(liar.queries[0][10:12], b"\0\1")
        equal(liar.queries[0][-11:-6], b"\0\0\x29\x04\xd0")


def test_lies_are_not_believed():
    other = wire("b.example.org")
    lies = {
        "owner": lambda q, n: answer(q, records=[(other,) + HERE_IS[1:]]),
        "loop": lambda q, n: answer(q, records=[
            (b"\xc0\x0c", CNAME, 60, b"\xc0\x0c")]),
        "short": lambda q, n: answer(q, records=[HERE_IS], count=2),
        "pointer": lambda q, n: answer(q, records=[
            (b"\xc0\xff",) + HERE_IS[1:]]),
    }
    for name, respond in lies.items():
        with Liar(respond) as liar, resolver(liar.port) as dns:
            status, records = (lambda a: (a[0], a[4]))(
                dns.dns("a.example.org", A))
            if status not in (NO_DATA, MALFORMED) or records:
                raise Failed("%s: %d %r" % (name, status, records))


def test_hosts_file():
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts:
        hosts.write("192.0.2.9 box.example alias.example # comment\n"
                    "2001:db8::9 box.example\nnonsense\n")
        hosts.flush()
        os.chmod(hosts.name, 0o644)
        with resolver(9, resolver_hosts_file=hosts.name) as dns:
            equal(dns.dns("BOX.example", A, NATIVE)[4],
                  [bytes([192, 0, 2, 9])])
            equal(len(dns.dns("box.example", AAAA, NATIVE)[4]), 1)
            equal(dns.dns("alias.example", AAAA, NATIVE)[0], NO_DATA)
            equal(dns.dns("9.2.0.192.in-addr.arpa", PTR, NATIVE)[4],
                  [wire("box.example")])
            equal(dns.dns("other.example", A, NO_DNS)[0], NO_NAME)
            equal(dns.dns("a..b", A)[0], MALFORMED)


def test_dialer_goes_where_configuration_says():
    with socket.create_server(("127.0.0.1", free_port())) as named, \
            socket.create_server(("127.0.0.1", 0)) as unnamed:
        port, other = named.getsockname()[1], unnamed.getsockname()[1]
        with Daemon("dialer", relayhost="[127.0.0.1]:%d" % port,
                    master="127.0.0.1:%d inet n - n - - smtpd\n" % other,
                    smtpd_milters="inet:127.0.0.1:%d" % other) as dialer:
            equal(dialer.dial("smtp", "inet:127.0.0.1:%d" % port),
                  (0, "connected"))
            equal(dialer.dial("smtpd_milters", "inet:127.0.0.1:%d" % other),
                  (0, "connected"))
            equal(dialer.dial("smtpd_milters", "inet:127.0.0.1:%d" %
                              port)[0], errno.EACCES)
            equal(dialer.dial("smtp", "inet:127.0.0.1:22")[0], errno.EACCES)
            equal(dialer.dial("smtp", "inet:localhost:%d" % port)[0],
                  errno.EACCES)
            equal(dialer.dial("smtp", "unix:/run/x")[0], errno.EACCES)
            named.close()
            equal(dialer.dial("smtp", "inet:127.0.0.1:%d" % port)[0],
                  errno.ECONNREFUSED)


def test_dialer_knows_who_asks():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with Daemon("dialer", asker="cleanup",
                    relayhost="[127.0.0.1]:%d" % port) as dialer:
            equal(dialer.dial("smtp", "inet:127.0.0.1:%d" % port)[0],
                  errno.EACCES)


def test_dialer_opens_unix_sockets():
    folder = tempfile.mkdtemp(prefix="posthorn-test-")
    os.chmod(folder, 0o755)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(folder + "/lmtp")
            os.chmod(folder + "/lmtp", 0o666)
            server.listen()
            with Daemon("dialer",
                        virtual_transport="lmtp:unix:%s/lmtp" % folder) \
                    as dialer:
                equal(dialer.dial("lmtp", "unix:%s/lmtp" % folder),
                      (0, "connected"))
                equal(dialer.dial("lmtp", "unix:%s/other" % folder)[0],
                      errno.EACCES)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(globals())
