"""verify(8): what clients are told of addresses, whom it asks and how often,
and what it remembers."""
import concurrent.futures
import os
import re
import signal
import smtplib
import time

from instance import (SBIN, Instance, check, equal, main, matches, run,
                      wait_for)
from probed import Probed

RCPT = "reject_unverified_recipient, permit_mynetworks, reject"


def instance(sink, **parameters):
    relay = "smtp:[127.0.0.1]:%d" % sink.port
    return Instance(**dict({
        "default_transport": relay, "relay_transport": relay,
        "smtp_tls_security_level": "none",
        "smtpd_recipient_restrictions": RCPT,
        "unverified_recipient_reject_code": "550",
        "address_verify_poll_count": "60",
        "address_verify_poll_delay": "1s",
    }, **parameters))


def ask(mta, recipient, sender="s@good.example"):
    """The reply to RCPT."""
    with smtplib.SMTP("127.0.0.1", mta.smtp_port, timeout=120) as client:
        client.ehlo("client.example.net")
        equal(client.mail(sender)[0], 250)
        code, text = client.docmd("RCPT TO:<%s>" % recipient)
        return "%d %s" % (code, text.decode())


GOOD = "250 2.1.5 Ok"
PENDING = "450 4.1.1 <%s>: Recipient address rejected: unverified address: " \
    "Address verification in progress"


def refusal(address, code="550 5.1.1", said="550 5.1.1 No such user",
            what="undeliverable", subject="Recipient"):
    return "%s <%s>: %s address rejected: %s address: host 127.0.0.1" \
        "[127.0.0.1] said: %s (in reply to RCPT TO command)" % (
            code, address, subject, what, said)


def later(address):
    return refusal(address, "450 4.1.1", "450 4.2.0 Come again", "unverified")


def table(mta, type="btree"):
    """The rows of address_verify_map."""
    done = run(SBIN + "/postmap", "-s", "%s:%s/verify_cache" % (
        type, mta.data), env=mta.env, check=False)
    return dict(line.split("\t", 1) for line in done.stdout.splitlines())


def probes(sink, address):
    return sum("<%s>" % address in line for line in sink.asked())


# ---- answers ----

def test_recipients():
    with Probed() as sink, instance(sink) as mta:
        mta.start()
        asked = []
        for _ in range(2):
            equal(ask(mta, "good@a.example"), GOOD)
            equal(ask(mta, "bad@a.example"), refusal("bad@a.example"))
            equal(ask(mta, "later@a.example"), later("later@a.example"))
            asked.append(sink.asked())
        equal(asked[0], asked[1])
        equal([probes(sink, name + "@a.example")
               for name in ("good", "bad")], [1, 1])
        equal(set(sink.asked("MAIL")),
              {"MAIL FROM:<double-bounce@example.org>"})
        check(not sink.asked("DATA"), "a probe has sent DATA")
        mta.wait_empty()
        mta.wait_log(r"to=<good@a.example>.*status=deliverable \(250 2.1.5 Ok")
        mta.wait_log(r"to=<bad@a.example>.*dsn=5.1.1, status=undeliverable "
                     r"\(host")
        check("notification" not in mta.log(), "somebody was told")


def test_senders():
    with Probed() as sink, instance(
            sink, smtpd_recipient_restrictions="reject_unverified_sender, "
            "permit_mynetworks, reject",
            unverified_sender_reject_reason="") as mta:
        mta.start()
        equal(ask(mta, "x@a.example", "good@s.example"), GOOD)
        equal(ask(mta, "x@a.example", "bad@s.example"), refusal(
            "bad@s.example", "450 4.1.7", what="unverified",
            subject="Sender"))
        equal(ask(mta, "x@a.example", ""), GOOD)


def test_sender_of_probes():
    """Whoever verifies it gets an answer, without a probe in return."""
    with Probed() as sink, instance(
            sink, local_recipient_maps="inline:{x=y}",
            mydestination="example.org", address_verify_sender="Probe",
            address_verify_sender_ttl="1000s") as mta:
        mta.start()
        equal(ask(mta, "good@a.example"), GOOD)
        sender = re.match(r"MAIL FROM:<(Probe[0-9B-Z]+@example.org)>$",
                          sink.asked("MAIL")[0]).group(1)
        for address in (sender, sender.lower()):
            equal(ask(mta, address, ""), GOOD)
        matches('^550 5.1.1 .*unknown user: "probe"$',
                ask(mta, "Probe@example.org", ""))
        mta.wait_empty()
        equal(len(sink.asked()), 1)


def test_settings():
    with Probed() as sink, instance(
            sink, unverified_recipient_reject_code="553",
            unverified_recipient_defer_code="451",
            unverified_recipient_reject_reason="Ask <postmaster>",
            unverified_recipient_tempfail_action="defer",
            smtpd_recipient_restrictions="check_recipient_access inline:{ "
            "{a.example=reject_unverified_recipient}, "
            "{w.example=warn_if_reject reject_unverified_recipient} }, "
            "permit_mynetworks, reject",
            smtp_address_verify_target="data", address_verify_sender="",
            address_verify_map="") as mta:
        mta.start()
        told = " <%s@a.example>: Recipient address rejected: %s address: " \
            "Ask <postmaster>"
        equal(ask(mta, "bad@a.example"),
              "553 5.1.1" + told % ("bad", "undeliverable"))
        equal(ask(mta, "later@a.example"),
              "451 4.1.1" + told % ("later", "unverified"))
        equal(ask(mta, "data-x@a.example"),
              "553 5.1.1" + told % ("data-x", "undeliverable"))
        equal(ask(mta, "good@a.example"), GOOD)
        equal(ask(mta, "bad@elsewhere.example"), GOOD)
        equal(ask(mta, "bad@w.example"), GOOD)
        mta.wait_log("reject_warning: RCPT.*553 5.1.1 <bad@w.example>")
        equal(set(sink.asked("MAIL")), {"MAIL FROM:<>"})
        check("MESSAGE" not in sink.commands, "a probe was delivered")
        check("HANGUP" in sink.commands)
        equal(probes(sink, "bad@elsewhere.example"), 0)
        equal(os.listdir(mta.data).count("verify_cache.db"), 0)


def test_routes():
    with Probed() as sink, Probed() as other, instance(
            sink, address_verify_default_transport="error:5.1.2 not from here",
            address_verify_transport_maps="inline:{ "
            "{b.example=smtp:[127.0.0.1]:PORT} }".replace(
                "PORT", str(other.port))) as mta:
        mta.start()
        equal(ask(mta, "good@a.example"), "550 5.1.1 <good@a.example>: "
              "Recipient address rejected: undeliverable address: not from "
              "here")
        equal(ask(mta, "good@b.example"), GOOD)
        equal(len(other.asked()), 1)
        equal(sink.asked(), [])
        mta.set(smtpd_recipient_restrictions="permit_mynetworks, reject")
        mta.reload()
        wait_for(lambda: ask(mta, "x@a.example") == GOOD, "no verification")
        mta.send("s@example.org", ["good@b.example"], "Subject: x\n\nx\n")
        wait_for(lambda: len(sink.asked()) == 1, "ordinary mail")


def test_here():
    """Agents of this host only look."""
    with Probed() as sink, instance(
            sink, local_recipient_maps="", alias_maps="inline:{ "
            "{list=good@a.example, bad@a.example}, {prog=\"|false\"} }",
            virtual_alias_domains="v.example", virtual_alias_maps="inline:{ "
            "{two@v.example=bad@a.example, bad2@a.example}, "
            "{one@v.example=bad@a.example} }", virtual_mailbox_domains=
            "m.example", virtual_mailbox_maps="inline:{ "
            "{joe@m.example=joe/} }", virtual_uid_maps="static:5000",
            virtual_gid_maps="static:5000", virtual_mailbox_base="$data_directory",
            transport_maps="inline:{ {d.example=discard:away}, "
            "{e.example=error:5.2.1 closed} }") as mta:
        mta.start()
        told = "550 5.1.1 <%s>: Recipient address rejected: undeliverable " \
            "address: %s"
        for address in ("list@example.org", "root@example.org",
                        "two@v.example", "joe@m.example", "x@d.example",
                        "double-bounce@example.org"):
            equal((address, ask(mta, address)), (address, GOOD))
        equal(ask(mta, "nobody-x@example.org"), told % (
            "nobody-x@example.org", 'unknown user: "nobody-x"'))
        equal(ask(mta, "jim@m.example"), told % (
            "jim@m.example", 'unknown user: "jim@m.example"'))
        equal(ask(mta, "x@v.example"), told % (
            "x@v.example", "User unknown in virtual alias table"))
        equal(ask(mta, "x@e.example"), told % ("x@e.example", "closed"))
        equal(ask(mta, "one@v.example"), refusal("one@v.example"))
        equal(len(sink.asked()), 1)
        mta.wait_log(r"to=<two@v.example>.*status=deliverable \(aliased to "
                     r"multiple recipients\)")
        check("status=sent" not in mta.log(), "something was sent")
        mta.wait_empty()


# ---- time ----

def test_in_time():
    """A probe that takes longer than clients wait; those who ask meanwhile
    share it."""
    with Probed() as sink, instance(
            sink, address_verify_poll_count="1") as mta:
        mta.start()
        for _ in range(3):
            equal(ask(mta, "slow-good@a.example"),
                  PENDING % "slow-good@a.example")
        wait_for(lambda: probes(sink, "slow-good@a.example"), "the probe")
        sink.release()
        wait_for(lambda: ask(mta, "slow-good@a.example") == GOOD, "its end")
        equal(probes(sink, "slow-good@a.example"), 1)
        sink.released.clear()
        mta.set(address_verify_poll_count="100")
        mta.stop()
        mta.start()
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            asked = [pool.submit(ask, mta, "slow-bad@a.example")
                     for _ in range(5)]
            wait_for(lambda: probes(sink, "slow-bad@a.example"), "the probe")
            wait_for(lambda: mta.log().count("connect from") -
                     mta.log().count("disconnect from") >= 5, "all to ask")
            sink.release()
            equal({one.result() for one in asked},
                  {refusal("slow-bad@a.example")})
        equal(probes(sink, "slow-bad@a.example"), 1)


def test_many_wait():
    """Those who wait leave room for what they wait for."""
    with Probed() as sink, instance(sink, verify_fiber_limit="5") as mta, \
            concurrent.futures.ThreadPoolExecutor(8) as pool:
        mta.start()
        asked = [pool.submit(ask, mta, "slow-good-%d@a.example" % i)
                 for i in range(8)]
        wait_for(lambda: sum(one.done() for one in asked) >= 4, "the others")
        equal({one.result().split(": ", 2)[2] for one in asked if one.done()},
              {"unverified address: Address verification in progress"})
        sink.release()
        equal(sum(one.result() == GOOD for one in asked), 4)


def test_pending_limit():
    with Probed() as sink, instance(
            sink, address_verify_poll_count="1",
            address_verify_pending_request_limit="1") as mta:
        mta.start()
        equal(ask(mta, "slow-1@a.example"), PENDING % "slow-1@a.example")
        wait_for(lambda: probes(sink, "slow-1@a.example"), "the first")
        ask(mta, "good@a.example")
        mta.wait_log(r"to=<good@a.example>, relay=none.*status=undeliverable "
                     r"\(Too many address verification requests\)")
        wait_for(lambda: ask(mta, "good@a.example") == (
            "450 4.1.1 <good@a.example>: Recipient address rejected: "
            "unverified address: Too many address verification requests"),
            "its answer")
        equal(probes(sink, "good@a.example"), 0)
        sink.release()
        mta.wait_empty()
        equal(ask(mta, "slow-1@a.example"), GOOD)


# ---- what is remembered ----

def test_restart_keeps():
    for kind in ("btree", "hash", "lmdb", "proxy:btree"):
        with Probed() as sink, instance(
                sink, address_verify_map=kind +
                ":$data_directory/verify_cache") as mta:
            mta.start()
            equal(ask(mta, "good@a.example"), GOOD)
            equal(ask(mta, "Bad@A.example"), GOOD)  # another local-part
            equal(ask(mta, "bad@a.example"), refusal("bad@a.example"))
            mta.stop()
            rows = table(mta, kind.replace("proxy:", ""))
            matches(r"^0:0:\d+:250 2.1.5 Ok$", rows["good@a.example"])
            matches(r"^2:0:\d+:host 127.0.0.1\[127.0.0.1\] said: 550 5.1.1 No",
                    rows["bad@a.example"])
            before = sink.asked()
            mta.start()
            equal(ask(mta, "good@a.example"), GOOD)
            equal(ask(mta, "bad@a.example"), refusal("bad@a.example"))
            equal(sink.asked(), before)
            mta.wait_log(r"cache %s:\S+ full cleanup: retained=3 dropped=0 "
                         "entries" % kind.replace("proxy:", ""))


def old_table(mta, rows):
    """A table with these rows, as Postfix writes them."""
    mta.write_configuration()
    mta.command("posthorn", "set-permissions")
    text = mta.write("rows", "".join("%s %s\n" % row for row in rows))
    run(SBIN + "/postmap", "btree:" + text, env=mta.env)
    os.rename(text + ".db", mta.data + "/verify_cache.db")


def test_refresh():
    """What is old is told, and probed again; what has expired is not told."""
    now = int(time.time())
    day = 24 * 60 * 60
    with Probed() as sink, instance(sink) as mta:
        old_table(mta, [
            ("_LAST_CACHE_CLEANUP_COMPLETED_", now - day),
            ("stale@a.example", "0:0:%d:old" % (now - 8 * day)),
            ("bad-stale@a.example", "0:0:%d:old" % (now - 8 * day)),
            ("good-now@a.example", "2:0:%d:gone" % (now - day)),
            ("expired@a.example", "0:0:%d:old" % (now - 32 * day)),
            ("bad-expired@a.example", "0:0:%d:old" % (now - 32 * day)),
            ("pending@a.example", "3:%d:0:in progress" % now),
            ("fresh@a.example", "2:0:%d:as it was" % now)])
        mta.start()
        equal(ask(mta, "stale@a.example"), GOOD)
        equal(ask(mta, "bad-stale@a.example"), GOOD)
        told = "550 5.1.1 <%s>: Recipient address rejected: undeliverable " \
            "address: "
        equal(ask(mta, "good-now@a.example"),
              told % "good-now@a.example" + "gone")
        equal(ask(mta, "fresh@a.example"),
              told % "fresh@a.example" + "as it was")
        equal(ask(mta, "bad-expired@a.example"),
              refusal("bad-expired@a.example"))
        equal(ask(mta, "pending@a.example"), GOOD)
        mta.wait_log("to=<good-now@a.example>.*status=deliverable")
        mta.wait_log("to=<bad-stale@a.example>.*status=undeliverable")
        mta.wait_empty()
        wait_for(lambda: ask(mta, "good-now@a.example") == GOOD, "the refresh")
        # A success stands, and is not asked for again at once.
        equal(ask(mta, "bad-stale@a.example"), GOOD)
        equal(probes(sink, "bad-stale@a.example"), 1)
        equal(probes(sink, "fresh@a.example"), 0)
        mta.stop()
        rows = table(mta)
        matches(r"^0:%d\d*:%d:old$" % (now // 10000, now - 8 * day),
                rows["bad-stale@a.example"])
        matches(r"^0:0:\d+:250 2.1.5 Ok$", rows["stale@a.example"])
        check("expired@a.example" not in rows, "an old row is still there")


def test_no_failures_kept():
    with Probed() as sink, instance(
            sink, address_verify_negative_cache="no") as mta:
        mta.start()
        equal(ask(mta, "bad@a.example"), refusal("bad@a.example"))
        equal(ask(mta, "bad@a.example"), refusal("bad@a.example"))
        equal(probes(sink, "bad@a.example"), 2)


def test_sweep():
    with Probed() as sink, instance(
            sink, address_verify_cache_cleanup_interval="1s",
            address_verify_negative_expire_time="1s") as mta:
        mta.start()
        equal(ask(mta, "good@a.example"), GOOD)
        equal(ask(mta, "bad@a.example"), refusal("bad@a.example"))
        mta.wait_log("full cleanup: retained=1 dropped=1 entries")


def test_damaged_table():
    with Probed() as sink, instance(sink) as mta:
        mta.write_configuration()
        mta.command("posthorn", "set-permissions")
        mta.write("data/verify_cache.db", "nothing of a database" * 1000)
        mta.start()
        equal(ask(mta, "good@a.example"), GOOD)
        mta.wait_log("address_verify_map: .*; it is begun anew")
        wait_for(lambda: "good@a.example" in table(mta), "a new table")


# ---- what dies ----

def kill(mta, name):
    for pid in wait_for(lambda: mta.pids(name), name):
        os.kill(pid, signal.SIGKILL)


def test_deaths():
    """A client that waits is told, whoever dies meanwhile."""
    with Probed() as sink, instance(sink) as mta, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        mta.start()
        equal(ask(mta, "good@a.example"), GOOD)
        for number, name in enumerate(("verify", "qmgr", "smtp")):
            sink.released.clear()
            address = "slow-bad-%d@a.example" % number
            asked = pool.submit(ask, mta, address)
            wait_for(lambda: probes(sink, address), "the probe")
            kill(mta, name)
            sink.release()
            equal(asked.result(), refusal(address))
        mta.wait_empty()
        equal(ask(mta, "bad-x@a.example"), refusal("bad-x@a.example"))


def test_reload():
    """A client that waits is answered by the next verify."""
    with Probed() as sink, instance(sink) as mta, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        mta.start()
        asked = pool.submit(ask, mta, "slow-bad@a.example")
        wait_for(lambda: probes(sink, "slow-bad@a.example"), "the probe")
        before = mta.pids("verify")
        mta.reload()
        wait_for(lambda: not set(before) & set(mta.pids("verify")),
                 "another verify")
        check(not asked.done(), "answered at once")
        sink.release()
        equal(asked.result(), refusal("slow-bad@a.example"))
        mta.wait_empty()


def test_nobody_to_ask():
    """Without verify nothing is let in that would have been asked for."""
    with Probed() as sink, instance(
            sink, address_verify_service_name="nothing") as mta:
        mta.start()
        equal(ask(mta, "good@a.example"), "450 4.3.0 <good@a.example>: "
              "Recipient address rejected: address verification problem")
        equal(sink.asked(), [])


if __name__ == "__main__":
    main(globals())
