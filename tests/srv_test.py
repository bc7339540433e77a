"""smtp's servers by SRV records (use_srv_lookup), and what it does when there
are none."""
from capture import Capture
from instance import Instance, equal, free_port, main, wait_for
from name_server import NameServer


def to(names, **parameters):
    return Instance(resolver_servers="%s:%d" % (names.address, names.port),
                    dialer_local_destinations="any", mydestination="",
                    relayhost="srv.example:submission", smtp_host_lookup="dns",
                    use_srv_lookup="submission", **parameters)


def submit(mta, recipient="bob@example.net"):
    mta.command("sendmail", "-f", "alice@example.org", recipient,
                input="Subject: hello\n\nHello.\n")


def offer(names, priority, port, host):
    names.add("_submission._tcp.srv.example SRV %d 10 %d %s" %
              (priority, port, host))


def test_in_their_order():
    with Capture(free_port()) as first, Capture(free_port()) as second, \
            NameServer() as names, to(names) as mta:
        closed = free_port()
        offer(names, 20, second.server_address[1], "two.srv.example")
        offer(names, 10, first.server_address[1], "one.srv.example")
        offer(names, 5, closed, "none.srv.example")
        for host in ("none", "one", "two"):
            names.add(host + ".srv.example A 127.0.0.1")
        mta.start()
        submit(mta)
        mta.wait_log(r"connect to none\.srv\.example\[127\.0\.0\.1\]:%d: "
                     "Connection refused" % closed)
        mta.wait_log(r"relay=one\.srv\.example\[127\.0\.0\.1\]:%d, .*"
                     "status=sent" % first.server_address[1])
        equal((len(first.messages), len(second.messages)), (1, 0))


def test_without_records():
    with Capture(free_port()) as sink, NameServer() as names, to(
            names) as mta:
        port = sink.server_address[1]
        names.add("srv.example MX 10 mx.srv.example")
        names.add("mx.srv.example A 127.0.0.1")
        mta.start()
        submit(mta)
        mta.wait_log(r"type=SRV: Host not found\)")
        # an error that may pass, and is not to be overlooked
        names.add("_submission._tcp.late.example SRV SERVFAIL")
        mta.set(relayhost="late.example:submission")
        mta.reload()
        submit(mta)
        mta.wait_log(r"status=deferred .*type=SRV: Host not found, try again")
        mta.set(ignore_srv_lookup_error="yes")
        names.add("late.example MX 10 mx.srv.example")
        mta.reload()
        submit(mta)
        # found by MX, at the port of the service
        mta.wait_log(r"connect to mx\.srv\.example\[127\.0\.0\.1\]:587")
        mta.set(relayhost="srv.example:submission",
                ignore_srv_lookup_error="no", allow_srv_lookup_fallback="yes")
        mta.reload()
        submit(mta)
        mta.wait_log(r"connect to mx\.srv\.example\[127\.0\.0\.1\]:587",
                     count=2)
        # another service is a port and no more
        mta.set(relayhost="srv.example:%d" % port)
        mta.reload()
        submit(mta)
        mta.wait_log("relay=mx.srv.example.*status=sent")
        wait_for(lambda: sink.messages, "the message")


def test_service_that_is_not_offered():
    with NameServer() as names, to(names) as mta:
        offer(names, 0, 0, ".")
        mta.start()
        submit(mta)
        mta.wait_log(r"status=bounced \(the service is not offered: SRV "
                     r"record of _submission\._tcp\.srv\.example\)")


if __name__ == "__main__":
    main(globals())
