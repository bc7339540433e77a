"""posthorn queue: what it shows, and what it does to all that is selected,
while the suite runs and while it does not."""
import json
import re
import time

from instance import Instance, check, equal, main, matches, wait_for

TEXT = "Subject: %s\r\nFrom: a@example.net\r\n\r\n%s\r\n"


def new(**more):
    rules = {"default_transport": "retry:4.4.1 try again",
             "local_transport": "error:5.1.1 nobody of that name",
             "local_recipient_maps": "",
             "transport_maps":
                 "inline:{{far.example=retry:4.4.1 no route to far}}",
             "minimal_backoff_time": "1000s",
             "maximal_backoff_time": "1000s",
             "smtpd_recipient_restrictions": "permit_mynetworks, reject"}
    rules.update(more)
    return Instance(**rules)


def fill(mta):
    """Four messages; their IDs by subject."""
    rows = [("one", "s@example.net", ["r@example.com"], 10),
            ("two", "S+x@example.net", ["r@far.example", "q@example.com"], 10),
            ("big", "s@example.com", ["r@sub.far.example"], 9000),
            ("null", "", ["r@example.com"], 10)]
    found = {}
    for subject, sender, to, octets in rows:
        line = ("x" * 70 + "\r\n") * (octets // 70)
        reply = mta.send(sender, to, TEXT % (subject, line))
        found[subject] = re.search(r"queued as (\S+)", reply).group(1)
    wait_for(lambda: len([m for m in mta.queue_list()
                          if m["queue_name"] == "deferred"]) == 4,
             "four deferred messages")
    return found


def queue(mta, *words, **more):
    return mta.command("posthorn", "queue", *words, **more)


def chosen(mta, ids, *words):
    """The subjects of what is selected."""
    names = {value: key for key, value in ids.items()}
    out = queue(mta, "list", "--json", *words).stdout
    return sorted(names[json.loads(line)["queue_id"]]
                  for line in out.splitlines())


SELECTIONS = [
    ((), "big null one two"),
    (("--from", "s@example.net"), "one"),
    (("--from", "*@EXAMPLE.net"), "one two"),
    (("--from", "<>"), "null"),
    (("--from", "*"), "big one two"),
    (("--to", "q@*"), "two"),
    (("--domain", "example.com"), "null one two"),
    (("--domain", ".far.example"), "big"),
    (("--reason", "NO ROUTE"), "two"),
    (("--reason", "no route", "--to", "q@*"), ""),
    (("--size", "+8k"), "big"),
    (("--size", "-8k"), "null one two"),
    (("--older", "1h"), ""),
    (("--newer", "1h", "--from", "<>"), "null"),
    (("--queue", "hold,active"), ""),
    (("--queue", "deferred", "--size", "8k"), "big"),
]


def selections(mta, ids):
    for words, wanted in SELECTIONS:
        equal((words, " ".join(chosen(mta, ids, *words))), (words, wanted))
    equal(chosen(mta, ids, ids["one"], ids["big"]), ["big", "one"])


def in_queue(mta, name):
    return sorted(m["queue_id"] for m in mta.queue_list()
                  if m["queue_name"] == name)


def actions(mta, ids):
    """Each verb, by selection and by ID."""
    out = queue(mta, "hold", "--domain", "example.com", "--dry-run").stdout
    matches("3 messages, 4 recipients", out)
    equal(in_queue(mta, "hold"), [])
    done = queue(mta, "hold", "--domain", "example.com", "--json")
    wanted = sorted([ids["one"], ids["two"], ids["null"]])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    equal(sorted(row["queue_id"] for row in rows), wanted)
    equal([(row["action"], row["done"]) for row in rows],
          [("hold", True)] * 3)
    equal(in_queue(mta, "hold"), wanted)
    done = queue(mta, "release", "--all")
    matches("Released from hold: 3 of 3 selected", done.stderr)
    equal(in_queue(mta, "hold"), [])
    # What is so already, and what is not there.
    matches(": 0 of 0 ", queue(mta, "release", ids["one"]).stderr)
    done = queue(mta, "hold", ids["one"], "4A5F21FFFFFF", check=False)
    equal(done.returncode, 1)
    matches("4A5F21FFFFFF: no such message", done.stderr)
    equal(in_queue(mta, "hold"), [ids["one"]])
    queue(mta, "delete", "-", input="%s x\n%s\n" % (ids["one"], ids["null"]))
    equal(sorted(m["queue_id"] for m in mta.queue_list()),
          sorted([ids["two"], ids["big"]]))


def refusals(mta):
    for words, says in (
            (("delete",), "nothing is selected"),
            (("show",), "name messages"),
            (("hold", "--older", "3y"), "not an age"),
            (("hold", "--size", "big"), "not a size"),
            (("hold", "--queue", "offered"), "no queue"),
            (("burn", "--all"), "usage: posthorn queue"),
            (("list", "--nothing"), "usage: posthorn queue"),
            ((), "usage: posthorn queue")):
        done = queue(mta, *words, check=False)
        equal((words, done.returncode), (words, 1))
        matches(says, done.stderr)


def test_while_it_runs():
    with new() as mta:
        mta.start()
        ids = fill(mta)
        selections(mta, ids)
        refusals(mta)
        out = queue(mta, "list").stdout
        matches(r"(?m)^%s +deferred +\d+[sm] +\d+B from=<s@example.net>\n"
                r"    to=<r@example.com>\n        try again" % ids["one"],
                out)
        matches(r"4 messages, 5 recipients, \d", out)
        actions(mta, ids)
        mta.wait_log(r"queue\S* " + ids["one"] + ": removed")
        queue(mta, "requeue", ids["two"])
        mta.wait_log("orig_id=" + ids["two"])
        queue(mta, "expire", "--all")
        mta.command("postqueue", "-f")
        mta.wait_log(ids["big"] + r": from=.*status=force-expired")


def test_while_it_does_not():
    with new() as mta:
        mta.start()
        ids = fill(mta)
        mta.command("posthorn", "stop")
        wait_for(lambda: not mta.pids(), "the end of all processes")
        selections(mta, ids)
        actions(mta, ids)
        # What sendmail left: it is listed, and can be deleted.
        mta.command("sendmail", "-f", "m@example.net", "r@example.org",
                    input="Subject: dropped\n\nbody\n")
        out = queue(mta, "list", "--json", "--queue", "maildrop").stdout
        name = json.loads(out)["queue_id"]
        matches(name + ": not placed on hold",
                queue(mta, "hold", "--from", "m@*", check=False).stderr)
        matches(name + ": removed",
                queue(mta, "delete", "--from", "m@*").stderr)
        equal(in_queue(mta, "maildrop"), [])
        queue(mta, "requeue", ids["two"])
        equal(len(in_queue(mta, "maildrop")), 1)
        mta.command("posthorn", "start")
        mta.wait_log("orig_id=" + ids["two"])


def test_show():
    with new() as mta:
        mta.start()
        ids = fill(mta)
        out = queue(mta, "show", ids["two"]).stdout
        matches("(?s)to=<r@far.example>\n.*no route to far.*"
                "    attempts: 1\n.*    helo: client.example.net\n"
                ".*    \\| Subject: two\n", out)
        more = json.loads(queue(mta, "show", "--json", ids["big"]).stdout)
        equal(more["recipients"][0]["address"], "r@sub.far.example")
        check("Subject: big\n" in more["details"]["header"], str(more))
        check(abs(more["arrival_time"] - time.time()) < 3600)
        mta.command("posthorn", "stop")
        matches("Subject: one", queue(mta, "show", ids["one"]).stdout)


if __name__ == "__main__":
    main(globals())
