"""The loads that are many connections at once: idle clients, slow servers,
many destinations."""
import subprocess
import time

from flood import Flood, allow_descriptors
from measure.limit import until
from measure.loads import Missing, RELAY, flow
from measure.peers import Sink, load
from network import Network

DOMAIN = "world.example.net"


def idle(bench, suite, count, sink):
    """Clients that say nothing after EHLO."""
    before = suite.group.pss_mb()
    begin = time.monotonic()
    client = subprocess.Popen(
        [bench.build + "/tests/bench/load", "-p", str(suite.port), "-s",
         str(count), "-i"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = client.stdout.readline().decode().split()
        seconds = time.monotonic() - begin
        if line[:2] != ["open", str(count)]:
            raise Missing("of %d connections: %s" % (count, " ".join(line)))
        after = suite.group.pss_mb()
        processes = len(suite.group.pids())
    finally:
        client.stdin.close()
        client.stdout.close()
        try:
            client.wait(60)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()
    return {"open_s": seconds * 1000 / count, "all_mb": after,
            "kb_each": (after - before) * 1024 / count,
            "processes": processes}


def flood(bench, suite, count, sink):
    """What a legitimate sender notices of clients of which a third says
    nothing, a third an octet a second, a third garbage: of the second in which
    that comes, and of the seconds after it."""
    def send():
        return flow(bench, suite, 1, 4 * bench.messages(suite),
                    sink.recipients, domain=RELAY)

    allow_descriptors(count)
    before = send()
    crowd = Flood(bench.build, suite.port, count)
    try:
        is_open = crowd.wait(60)
        if is_open < 0.99 * count:
            raise Missing("of %d connections: %d" % (count, is_open))
        during = send()
    finally:
        crowd.stop()
    return {"p99_before": before["p99"], "p99_during": during["p99"],
            "p99_times": during["p99"] / before["p99"],
            "p50_before": before["p50"], "p50_during": during["p50"]}


class World:
    """A network with a suite on one host and a sink on another that is
    10,000 mail servers; their DNS."""

    def __init__(self, domains=10000):
        self.net = Network("mail.example.org", "sinks.example.net")
        self.net.__enter__()
        try:
            self.fill(domains)
        except BaseException:
            self.close()
            raise

    def fill(self, domains):
        inside = self.net.inside
        run = subprocess.check_call
        sinks = self.net.address("sinks.example.net")
        run([*inside("sinks.example.net"), "ip", "route", "add", "local",
             "198.18.0.0/15", "dev", "lo"])
        for host in ("mail.example.org", "dns"):
            run([*inside(host), "ip", "route", "add", "198.18.0.0/15",
                 "via", sinks])
        records = []
        for n in range(domains):
            records.append("d%d MX 10 mx.d%d" % (n, n))
            records.append("mx.d%d A 198.18.%d.%d" % (n, n // 250,
                                                      n % 250 + 1))
        self.net.zone(DOMAIN, *records)
        self.net.start_dns()

    def place(self, suite):
        """The suite's processes are on the mail host."""
        suite.mta.inside = self.net.inside("mail.example.org")

    def sink(self, build, delay_ms):
        return Sink(build, port=25, delay_ms=delay_ms, address="0.0.0.0",
                    inside=self.net.inside("sinks.example.net"))

    def close(self):
        self.net.close()


def slow(bench, suite, count, sink):
    """One message to each of so many destinations, where each reply takes
    its time: the connections open at once, and what that takes."""
    world = bench.world
    with closing(world.sink(bench.build, 4000)) as far:
        before = suite.group.pss_mb()
        said = load(bench.build, suite.port, 20, count // 10, domain=DOMAIN,
                    recipients=10, domains=count, users=count,
                    inside=suite.mta.inside)
        if said.get("sent") != count // 10:
            raise Missing("%d of %d messages were accepted" % (
                said.get("sent", 0), count // 10))
        most_mb = processes = 0
        while far.recipients() < count:
            if far.counts()["open"] >= 0.9 * far.counts()["most"]:
                most_mb = max(most_mb, suite.group.pss_mb())
                processes = max(processes, len(suite.group.pids()))
            time.sleep(0.5)
        return {"at_once": far.counts()["most"], "all_mb": most_mb,
                "before_mb": before, "processes": processes}


LATENCIES = (0, 10, 50, 200)


def spread(bench, suite, recipients, sink):
    """Recipients over 10,000 destinations, 100 to a message; a second of
    them by the time that each reply takes."""
    if suite.is_peer:
        recipients //= 20
    results = {}
    for delay in LATENCIES[:2] if suite.is_peer else LATENCIES:
        with closing(bench.world.sink(bench.build, delay)) as far:
            cpu, begin = suite.group.cpu_ms(), time.monotonic()
            said = load(bench.build, suite.port, 10, recipients // 100,
                        domain=DOMAIN, recipients=100, domains=10000,
                        users=10000, inside=suite.mta.inside)
            if said.get("sent") != recipients // 100:
                raise Missing("%d of %d messages were accepted" % (
                    said.get("sent", 0), recipients // 100))
            until(lambda: far.recipients() >= recipients, 0.1)
            seconds = time.monotonic() - begin
            results["rate_%dms" % delay] = recipients / seconds
            results["at_once_%dms" % delay] = far.counts()["most"]
            results["cpu_%dms" % delay] = (
                suite.group.cpu_ms() - cpu) / recipients
            if far.recipients() > recipients:
                raise Missing("%d arrived" % far.recipients())
    return results


class closing:
    def __init__(self, thing):
        self.thing = thing

    def __enter__(self):
        return self.thing

    def __exit__(self, *ignored):
        self.thing.close()
