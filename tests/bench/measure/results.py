"""What was measured: a row per figure, written as it comes, and the table."""
import fnmatch
import os
import statistics
import time

# What a figure is, and whether more of it is better.
METRICS = {
    "rate": ("a second", True),
    "cpu": ("CPU ms each", False),
    "kernel_cpu": ("CPU ms each, kernel threads", False),
    "p50": ("p50 ms", False),
    "p99": ("p99 ms", False),
    "resumed_in": ("% resumed in", True),
    "handshakes_out": ("handshakes out each", False),
    "client_cpu": ("CPU ms, client", False),
    "login_rate": ("a second without mail", True),
    "login_cpu": ("CPU ms without mail", False),
    "open_s": ("s to open 1,000", False),
    "kb_each": ("KB a connection", False),
    "p99_times": ("p99, times that without flood", False),
    "p99_before": ("p99 ms, before", False),
    "p99_during": ("p99 ms, during", False),
    "p50_before": ("p50 ms, before", False),
    "p50_during": ("p50 ms, during", False),
    "all_mb": ("MB, all processes", False),
    "before_mb": ("MB before", False),
    "processes": ("processes", False),
    "at_once": ("connections at once", True),
    "defer_rate": ("accepted, deferred/s", True),
    "list_p_s": ("s postqueue -p", False),
    "list_j_s": ("s postqueue -j", False),
    "qmgr_mb": ("MB qmgr, at rest", False),
    "qmgr_most_mb": ("MB qmgr, most", False),
    "drain_rate": ("drained a second", True),
    "drain_cpu": ("CPU ms each drained", False),
    "fill_s": ("s to fill the queue", False),
    "first_delivery_s": ("s from start to mail", False),
    "indexed_s": ("s from start to index", False),
    "octets_each": ("octets a message", False),
    "screen_s": ("s first screen", False),
    "rate_0ms": ("a second, 0 ms", True),
    "rate_10ms": ("a second, 10 ms", True),
    "rate_50ms": ("a second, 50 ms", True),
    "rate_200ms": ("a second, 200 ms", True),
    "at_once_0ms": ("at once, 0 ms", True),
    "at_once_10ms": ("at once, 10 ms", True),
    "at_once_50ms": ("at once, 50 ms", True),
    "at_once_200ms": ("at once, 200 ms", True),
    "cpu_0ms": ("CPU ms, 0 ms", False),
    "cpu_10ms": ("CPU ms, 10 ms", False),
    "cpu_50ms": ("CPU ms, 50 ms", False),
    "cpu_200ms": ("CPU ms, 200 ms", False),
}

# (load, figure, times better than Postfix) or (..., at most, number)
GOALS = [
    ("relay-1", "rate", 2.5), ("relay-1", "p50", 3),
    ("relay-*", "rate", 5), ("relay-*", "cpu", 8),
    ("relay-*", "p99", "<=", 50),
    ("tls-*", "rate", 4), ("submission-*", "rate", 3),
    ("maildir-1", "rate", 1),
    ("maildir*", "rate", 4), ("maildir*", "cpu", 6),
    ("alias-*", "rate", 5),
    ("list", "rate", 5), ("list", "cpu", 10),
    ("lists-*", "rate", 5), ("lists-*", "cpu", 10),
    ("deferred-*", "list_p_s", 20), ("deferred-*", "list_j_s", 20),
    ("deferred-*", "qmgr_most_mb", 2), ("deferred-*", "drain_rate", 4),
    ("queued-*", "first_delivery_s", "<=", 5),
    ("queued-*", "octets_each", "<=", 300),
    ("idle-*", "kb_each", "<=", 40), ("idle-*", "open_s", "<=", 1),
    ("flood-*", "p99_times", "<=", 2),
    ("slow-*", "all_mb", "<=", 300),
    ("slow-2000", "at_once", ">=", 2000),
]


def goal_of(load, metric):
    for pattern, name, *goal in GOALS:
        if name == metric and fnmatch.fnmatch(load, pattern):
            return goal
    return None


class Results:
    """rows: (suite, load, figure, value). A load that did not end has a
    figure "failed" whose value says why."""

    def __init__(self, path=None):
        self.path = path
        self.rows = []

    def begin(self):
        with open(self.path, "a") as handle:
            handle.write("# %s\n" % time.strftime("%Y-%m-%d %H:%M:%S"))

    def read(self):
        """What the last run wrote."""
        with open(self.path) as handle:
            for line in handle:
                if line.startswith("# "):
                    self.rows = []
                else:
                    self.rows.append(tuple(
                        line.rstrip("\n").split("\t")[1:]))
        return self

    def add(self, suite, load, figures):
        with open(self.path, "a") as handle:
            for name, value in figures.items():
                row = (suite, load, name, str(value))
                self.rows.append(row)
                handle.write("\t".join(
                    (time.strftime("%H:%M:%S"),) + row) + "\n")
            handle.flush()
            os.fsync(handle.fileno())

    def values(self, suite, load, metric):
        return [float(value) for s, l, m, value in self.rows
                if (s, l, m) == (suite, load, metric)]

    def middle(self, suite, load, metric):
        values = self.values(suite, load, metric)
        return statistics.median(values) if values else None

    def failures(self):
        return [row for row in self.rows if row[2] == "failed"]

    def loads(self):
        return list(dict.fromkeys(row[1] for row in self.rows))

    def metrics(self, load):
        return [name for name in METRICS if any(
            row[1] == load and row[2] == name for row in self.rows)]

    def best_peer(self, load, main):
        """The Postfix that does better in what the load is about."""
        have = [(self.middle(suite, load, main), suite) for suite in
                ("postfix-shipped", "postfix-tuned")]
        have = [pair for pair in have if pair[0] is not None]
        if not have:
            return None
        return (max if METRICS[main][1] else min)(have)[1]


def number(value):
    if value is None:
        return ""
    if value >= 100:
        return "{:,.0f}".format(value)
    return "%.*f" % (1 if value >= 10 else 2 if value >= 0.1 else 3, value)


def verdict(goal, ours, ratio):
    """The goal as text, and whether it is reached."""
    if goal is None:
        return ""
    if len(goal) == 1:
        if ratio is None:
            return "%sx" % goal[0]
        return "%sx%s" % (goal[0], "" if ratio >= goal[0] else " MISSED")
    reached = ours is not None and (
        ours <= goal[1] if goal[0] == "<=" else ours >= goal[1])
    return "%s %s%s" % (goal[0], goal[1], "" if reached else " MISSED")


def compare(results, load, metric, main):
    """posthorn, Postfix, how many times better, goal."""
    ours = results.middle("posthorn", load, metric)
    peer = results.best_peer(load, main)
    theirs = peer and results.middle(peer, load, metric)
    ratio = None
    if ours and theirs:
        ratio = ours / theirs if METRICS[metric][1] else theirs / ours
    return ours, theirs, ratio, verdict(goal_of(load, metric), ours, ratio)


def table(results):
    """Text in the form of RESULTS.md."""
    lines = ["| load | figure | posthorn | Postfix | times better | goal |",
             "| --- | --- | --- | --- | --- | --- |"]
    for load in results.loads():
        metrics = results.metrics(load)
        for metric in metrics:
            ours, theirs, ratio, goal = compare(results, load, metric,
                                                metrics[0])
            lines.append("| %s | %s | %s | %s | %s | %s |" % (
                load, METRICS[metric][0], number(ours), number(theirs),
                number(ratio), goal))
    for suite, load, _, why in results.failures():
        lines.append("\n%s with %s: %s" % (load, suite, why))
    return "\n".join(lines)
