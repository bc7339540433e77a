"""The loads that send mail through a suite and wait until all has arrived."""
import os
import time

from measure import suites
from measure.group import kernel_ms
from measure.limit import until
from measure.peers import load

RELAY = "relay.example.com"


def count_files(folders):
    total = 0
    for folder in folders:
        try:
            total += len(os.listdir(folder))
        except OSError:
            pass
    return total


def in_maildirs(suite):
    return count_files("%s/example.org/user%d/new" % (suite.mail, n)
                       for n in range(suites.USERS))


def in_homes(_):
    return count_files("%s/bench%d/Maildir/new" % (suites.HOMES, n)
                       for n in range(suites.USERS))


class Missing(Exception):
    """Something was refused or did not arrive."""


def flow(bench, suite, sessions, messages, arrived, each=1, **how):
    """Send `messages` and wait until `each` times as many have arrived:
    {"rate": a second, "cpu": ms each, "p50": ms, "p99": ms}"""
    cpu, before = suite.group.cpu_ms(), arrived()
    kernel = kernel_ms()
    begin = time.monotonic()
    said = load(bench.build, suite.port, sessions, messages, **how)
    if said.get("sent") != messages:
        raise Missing("%d of %d messages were accepted" % (
            said.get("sent", 0), messages))
    wanted = before + messages * each
    until(lambda: arrived() >= wanted)
    seconds = time.monotonic() - begin
    time.sleep(1.5)  # what is written behind belongs to the message
    if arrived() > wanted:
        raise Missing("%d arrived, %d were sent" % (
            arrived() - before, wanted - before))
    units = messages * each
    figures = {"rate": units / seconds,
               "cpu": (suite.group.cpu_ms() - cpu) / units,
               "p50": said["p50"], "p99": said["p99"],
               "client_cpu": said["cpu"], "resumed": said["resumed"]}
    if bench.args.filesystem:
        figures["kernel_cpu"] = (kernel_ms() - kernel) / units
    return figures


def only(result, *names):
    return {name: result[name] for name in names if name in result}


USUAL = ("rate", "cpu", "kernel_cpu", "p50", "p99")


def relay(bench, suite, sessions, sink):
    messages = bench.messages(suite) // (4 if sessions == 1 else 1)
    return only(flow(bench, suite, sessions, messages, sink.recipients,
                     domain=RELAY), *USUAL)


def maildir(bench, suite, sessions, sink, octets=4096):
    messages = bench.messages(suite) // (4 if sessions == 1 else 1)
    if octets > 65536:
        messages //= 4
    return only(flow(bench, suite, sessions, messages,
                     lambda: in_maildirs(suite), octets=octets), *USUAL)


def maildir100k(bench, suite, sessions, sink):
    return maildir(bench, suite, sessions, sink, 100 * 1024)


def connections(bench, suite, sessions, count, **how):
    """The same connections without a message."""
    cpu = suite.group.cpu_ms()
    said = load(bench.build, suite.port, sessions, count, only_connect=True,
                **how)
    if said.get("sent") != count:
        raise Missing("%d of %d connections" % (said.get("sent", 0), count))
    return {"login_rate": said["rate"],
            "login_cpu": (suite.group.cpu_ms() - cpu) / count}


def tls(bench, suite, sessions, sink):
    """STARTTLS in, resumed, and out, on connections used again."""
    messages = bench.messages(suite)
    before = sink.counts()
    result = flow(bench, suite, sessions, messages, sink.recipients,
                  domain=RELAY, tls="resumed")
    after = sink.counts()
    handshakes = after["handshakes"] - before["handshakes"]
    return dict(only(result, *USUAL, "client_cpu"),
                **connections(bench, suite, sessions, messages, tls="resumed"),
                resumed_in=100 * result["resumed"] / messages,
                handshakes_out=handshakes / messages)


def submission(bench, suite, sessions, sink):
    """TLS, never resumed, and AUTH; one connection for each message. Then
    the same without the message."""
    messages = bench.messages(suite) // 2
    result = only(flow(bench, suite, sessions, messages, sink.recipients,
                       domain=RELAY, tls="full", login=True), *USUAL,
                  "client_cpu")
    return dict(result, **connections(bench, suite, sessions, messages,
                                      tls="full", login=True))


def alias(bench, suite, sessions, sink):
    messages = max(bench.messages(suite) // 50, 4 if suite.is_peer else 10)
    return only(flow(bench, suite, sessions, messages, lambda:
                     in_homes(suite), each=suites.USERS, users=1), *USUAL)


def list_one(bench, suite, sessions, sink):
    return list_many(bench, suite, 1, sink, 10)


def list_many(bench, suite, sessions, sink, messages=100):
    """Each message goes to 1,000 recipients at one host."""
    if suite.is_peer:
        messages = max(messages // 5, 5)
    return only(flow(bench, suite, sessions, messages, sink.recipients,
                     each=1000, domain=RELAY, recipients=1000, users=1000),
                *USUAL)
