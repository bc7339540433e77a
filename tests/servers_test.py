"""Lookup tables that servers answer, in the running system and in postmap:
tcp:, socketmap:, memcache:, sqlite:, pgsql:, mysql:, ldap:. A server that is
away gives a temporary error, never "not found"; what a key says is never taken
for a part of the query."""
import hashlib
import os
import socket
import socketserver
import sqlite3
import subprocess
import threading

from instance import (PATIENCE, SBIN, Instance, check, equal, free_port, main,
                      matches, run, wait_for)
from servers import Mariadb, Memcached, Postgres, Slapd

SINK = "gone unix - - n - - discard\n"

# Keys that mean something in some language of queries.
HOSTILE = ["x' or '1'='1", "x'; drop table users; --", 'x" or ""="',
           "x\\' or 1=1 -- ", "*)(mail=*", "a%", "\\", "'", "*",
           "x') union select 'found", "%s", "a\tb", "é", "\udcff"]


def rcpt(mta, address):
    with mta.smtp() as client:
        client.ehlo("client.example.net")
        client.mail("a@example.net")
        return client.rcpt(address)[0]


def wait_code(mta, address, code):
    wait_for(lambda: rcpt(mta, address) == code,
             "%d for %s" % (code, address))


class Answers(socketserver.ThreadingTCPServer):
    """A server in this process; `talk(request handler)` answers."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, talk, port=None):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.server.open.add(self.connection)
                try:
                    talk(self)
                except OSError:
                    pass
        self.open = set()
        self.silence = threading.Event()
        super().__init__(("127.0.0.1", port or free_port()), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def close(self):
        self.silence.set()
        self.shutdown()
        self.server_close()
        for connection in self.open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def tcp_server(rows, port=None):
    def talk(handler):
        for line in handler.rfile:
            key = line.decode().rstrip("\n")[4:]
            if key == "silent@example.org":
                return handler.server.silence.wait() and None
            if key == "broken":
                handler.wfile.write(b"400 come%20later\n")
            elif key == "garbage":
                handler.wfile.write(b"maybe\n")
            elif key in rows:
                handler.wfile.write(b"200 %s\n" % rows[key].encode())
            else:
                handler.wfile.write(b"500 no\n")
    return Answers(talk, port)


def netstring(handler):
    digits = b""
    while True:
        octet = handler.rfile.read(1)
        if not octet:
            return None
        if octet == b":":
            break
        digits += octet
    text = handler.rfile.read(int(digits))
    handler.rfile.read(1)
    return text.decode("utf-8", "surrogateescape")


def socketmap_server(rows, port=None):
    def talk(handler):
        while True:
            text = netstring(handler)
            if text is None:
                return
            name, key = text.split(" ", 1)
            answer = "OK " + rows[name, key] if (name, key) in rows else \
                "TEMP not now" if key == "broken" else "NOTFOUND "
            handler.wfile.write(b"%d:%s," % (len(answer), answer.encode()))
    return Answers(talk, port)


def query(mta, table, key):
    """postmap -q: status, output, errors."""
    if not os.path.exists(mta.conf + "/main.cf"):
        mta.write_configuration()
    done = run(SBIN + "/postmap", "-c", mta.conf, "-q", key, table,
               check=False, env=mta.env)
    return done.returncode, done.stdout.rstrip("\n"), done.stderr


def check_users(mta, table, stop, start):
    """alice is there, bob not, and nobody is while the server is away."""
    mta.set(local_recipient_maps=table, local_transport="gone:")
    mta.start()
    wait_code(mta, "alice@example.org", 250)
    equal(rcpt(mta, "bob@example.org"), 550)
    stop()
    wait_code(mta, "alice@example.org", 451)
    equal(rcpt(mta, "bob@example.org"), 451)
    start()
    wait_code(mta, "alice@example.org", 250)
    equal(rcpt(mta, "bob@example.org"), 550)


def check_hostile(mta, table):
    """Each is a key that is not there, and nothing else."""
    done = run(SBIN + "/postmap", "-c", mta.conf, "-q", "-", table,
               check=False, env=mta.env, input="\n".join(HOSTILE) + "\n")
    equal((done.returncode, done.stdout, done.stderr), (1, "", ""))


def test_tcp():
    rows = {"alice@example.org": "x", "a%20b%25": "two%20words"}
    server = tcp_server(rows)
    table = "tcp:127.0.0.1:%d" % server.port
    with Instance(master=SINK) as mta:
        equal(query(mta, table, "a b%")[:2], (0, "two words"))
        equal(query(mta, table, "nobody")[:2], (1, ""))
        for key in ("broken", "garbage"):
            status, out, errors = query(mta, table, key)
            equal((status, out), (1, ""))
            matches("fatal: table %s: query error" % table, errors)
        equal(query(mta, table, "A B%")[:2], (1, ""))  # as it was written
        check_hostile(mta, table)

        def start():
            nonlocal server
            server = tcp_server(rows, server.port)
        check_users(mta, table, lambda: server.close(), start)
        # a question that gets no answer keeps nobody else from theirs
        with mta.raw() as client:
            client.reply()
            for line in ("HELO x", "MAIL FROM:<a@example.net>"):
                client.ask(line)
            client.send("RCPT TO:<silent@example.org>\r\n")
            for number in range(5):
                equal(rcpt(mta, "alice@example.org"), 250)
                equal(rcpt(mta, "bob@example.org"), 550)
            server.silence.set()
            matches("^451", client.reply())
        server.close()


def test_socketmap():
    rows = {("users", "alice@example.org"): "x", ("m", "k w"): "v, w"}
    server = socketmap_server(rows)
    place = "socketmap:inet:127.0.0.1:%d" % server.port
    with Instance(master=SINK) as mta:
        equal(query(mta, place + ":m", "k w")[:2], (0, "v, w"))
        equal(query(mta, place + ":other", "k w")[:2], (1, ""))
        status, out, errors = query(mta, place + ":m", "broken")
        equal((status, out), (1, ""))
        matches("query error", errors)
        check_hostile(mta, place + ":m")

        def start():
            nonlocal server
            server = socketmap_server(rows, server.port)
        check_users(mta, place + ":users", lambda: server.close(), start)
        server.close()


# ---- a server that never answers, beside cleanup and trivial-rewrite ----

def slow_server(kind):
    """Knows nothing, and says nothing of a key with "silent"; its table."""
    def tcp(handler):
        for line in handler.rfile:
            if b"silent" in line:
                return handler.server.silence.wait() and None
            handler.wfile.write(b"500 no\n")

    def socketmap(handler):
        while True:
            text = netstring(handler)
            if text is None or "silent" in text:
                return text and handler.server.silence.wait() and None
            handler.wfile.write(b"9:NOTFOUND ,")
    server = Answers(tcp if kind == "tcp" else socketmap)
    return server, "tcp:127.0.0.1:%d" % server.port if kind == "tcp" else \
        "socketmap:inet:127.0.0.1:%d:m" % server.port


def others_pass(mta, count=5):
    """Mail whose addresses are answered, also that of sendmail."""
    for number in range(count):
        mta.send("a@example.net", ["bob@example.org"], "Subject: x\n\n.\n")
    mta.command("sendmail", "-f", "a@example.net", "bob@example.org",
                input="Subject: x\n\nbody\n")
    mta.wait_mail("bob", count + 1)


def submitted(mta, sender, recipient):
    """sendmail with a message, still running."""
    sendmail = subprocess.Popen(
        [SBIN + "/sendmail", "-f", sender, recipient], env=mta.env,
        stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    sendmail.stdin.write(b"Subject: slow\n\nbody\n")
    sendmail.stdin.close()
    return sendmail


def wait_asked(server, count):
    wait_for(lambda: len(server.open) >= count, "a question to the server")


def beside_cleanup(kind):
    server, table = slow_server(kind)
    with Instance(sender_canonical_maps=table) as mta:
        mta.virtual_mailboxes()
        mta.start()
        with mta.raw() as client:
            client.reply()
            for line in ("HELO x", "MAIL FROM:<silent@example.net>",
                         "RCPT TO:<alice@example.org>"):
                matches("^250", client.ask(line))
            matches("^354", client.ask("DATA"))
            client.send("Subject: slow\r\n\r\nbody\r\n.\r\n")
            sendmail = submitted(mta, "silent@example.net",
                                 "alice@example.org")
            wait_asked(server, 1)
            others_pass(mta)
            equal(sendmail.poll(), None)
            server.silence.set()
            matches("^451 4.3.0", client.reply())
        equal(sendmail.wait(timeout=PATIENCE), 75)
        # Its sender was never taken for one that has no other address.
        equal(mta.maildir("alice"), [])
        equal(mta.queue_list(), [])
    server.close()


def beside_rewrite(kind):
    server, table = slow_server(kind)
    with Instance(master=SINK, default_transport="gone:",
                  minimal_backoff_time="1000s") as mta:
        mta.virtual_mailboxes()
        mta.set(transport_maps=table)
        mta.start()
        with mta.raw() as client:
            client.reply()
            for line in ("HELO x", "MAIL FROM:<a@example.net>"):
                matches("^250", client.ask(line))
            client.send("RCPT TO:<x@silent.example>\r\n")
            sendmail = submitted(mta, "a@example.net", "y@silent.example")
            wait_asked(server, 1)
            others_pass(mta)
            server.silence.set()
            matches("^451 4.3.0", client.reply())
        equal(sendmail.wait(timeout=PATIENCE), 0)
        line = mta.wait_log("to=<y@silent.example>.*").group()
        matches(r"dsn=4\.3\.0, status=deferred", line)
        # It was not sent by the transport of those that are not found.
        check("relay=gone" not in mta.log(), "it was taken for not found")
    server.close()


def test_a_slow_server_beside_cleanup():
    beside_cleanup("tcp")
    beside_cleanup("socketmap")


def test_a_slow_server_beside_rewrite():
    beside_rewrite("tcp")
    beside_rewrite("socketmap")


def test_sizes_of_socketmap():
    rows = {("m", "k" * 8): "v" * 47, ("m", "long"): "v" * 48}
    server = socketmap_server(rows)
    place = "socketmap:inet:127.0.0.1:%d:m" % server.port
    with Instance(master=SINK, socketmap_max_query_size="10",
                  socketmap_max_reply_size="50") as mta:
        equal(query(mta, place, "k" * 8)[:2], (0, "v" * 47))
        status, out, errors = query(mta, place, "k" * 9)
        equal((status, out), (1, ""))
        matches("search key is too long", errors)
        status, out, errors = query(mta, place, "long")
        equal((status, out), (1, ""))
        matches("query error", errors)
        server.close()


def test_memcache_and_its_backup():
    with Memcached() as server, Instance(master=SINK) as mta:
        backup = mta.map("users", [("alice@example.org", "x")])
        cf = mta.write("conf/users.cf",
                       "memcache = %s\nbackup = %s\nkey_format = u-%%s\n"
                       "ttl = 100\nretry_pause = 1\nmax_try = 1\n"
                       % (server.place, backup))
        bare = mta.write("conf/bare.cf", "memcache = %s\nmax_try = 1\n"
                         % server.place)
        equal(query(mta, "memcache:" + bare, "k")[:2], (1, ""))
        equal(server.ask("set k 0 0 7\r\na value\r\n"), ["STORED"])
        equal(query(mta, "memcache:" + bare, "k")[:2], (0, "a value"))
        hashed = mta.write("conf/hashed.cf", "memcache = %s\nmax_try = 1\n"
                           "key_digest = sha1\n" % server.place)
        equal(server.ask("set %s 0 0 6\r\nhashed\r\n" %
                         hashlib.sha1(b"k").hexdigest()), ["STORED"])
        equal(query(mta, "memcache:" + hashed, "k")[:2], (0, "hashed"))
        check_hostile(mta, "memcache:" + bare)
        mta.set(local_recipient_maps="memcache:" + cf,
                local_transport="gone:")
        mta.start()
        wait_code(mta, "alice@example.org", 250)
        equal(rcpt(mta, "bob@example.org"), 550)
        equal(server.ask("get u-alice@example.org\r\n"),
              ["VALUE u-alice@example.org 0 1", "x", "END"])
        # what memcached has needs no backup; without it the backup answers
        equal(server.ask("set u-carol@example.org 0 0 1\r\nx\r\n"),
              ["STORED"])
        equal(rcpt(mta, "carol@example.org"), 250)
        server.stop()
        wait_code(mta, "carol@example.org", 550)
        equal(rcpt(mta, "alice@example.org"), 250)
        status, out, errors = query(mta, "memcache:" + bare, "k")
        equal((status, out), (1, ""))
        matches("query error", errors)


def test_sqlite():
    with Instance(master=SINK) as mta:
        path = mta.path("users.sqlite")

        def fill():
            with sqlite3.connect(path) as db:
                db.execute("create table users (name text, value text)")
                db.executemany("insert into users values (?, ?)", [
                    ("alice@example.org", "x"), ("two", "a"), ("two", "b"),
                    ("odd'name", "quoted"), ("empty", "")])
            db.close()
            os.chmod(path, 0o644)
        fill()
        cf = mta.write("conf/users.cf", "dbpath = %s\nquery = select value "
                       "from users where name = '%%s'\n" % path)
        table = "sqlite:" + cf
        equal(query(mta, table, "ALICE@example.org")[:2], (0, "x"))
        equal(query(mta, table, "two")[:2], (0, "a,b"))
        equal(query(mta, table, "odd'name")[:2], (0, "quoted"))
        equal(query(mta, table, "empty")[:2], (1, ""))
        check_hostile(mta, table)
        mta.write("conf/parts.cf", "dbpath = %s\ndomain = example.org\n"
                  "query = select '%%u|%%d|%%2.%%1'\n"
                  "result_format = <%%s> for %%S\nexpansion_limit = 1\n"
                  % path)
        parts = "sqlite:" + mta.path("conf/parts.cf")
        equal(query(mta, parts, "u@example.org")[:2],
              (0, "<u|example.org|example.org> for u@example.org"))
        for key in ("u@other.example", "u", "@example.org", "example.org"):
            equal(query(mta, parts, key)[:2], (1, ""))
        mta.write("conf/limit.cf", "dbpath = %s\nexpansion_limit = 1\nquery = "
                  "select value from users where name = '%%s'\n" % path)
        status, out, errors = query(mta, "sqlite:" +
                                    mta.path("conf/limit.cf"), "two")
        equal((status, out), (1, ""))
        matches("expansion_limit", errors)
        # the same by parameters of main.cf
        mta.set(mine_dbpath=path, mine_query="select value from users where "
                "name = '%s'")
        mta.write_configuration()
        equal(query(mta, "sqlite:mine", "two")[:2], (0, "a,b"))
        check_users(mta, table, lambda: os.rename(path, path + ".away"),
                    lambda: os.rename(path + ".away", path))


def test_postgresql():
    Postgres.sql = (
        "create table users (name text, value text);\n\n"
        "insert into users values ('alice@example.org','x'),('two','a'),"
        "('two','b'),('odd''name','quoted'),('back\\slash','kept');\n\n"
        "create function find(text) returns setof text as 'select value from "
        "users where name = $1' language sql;\n\n")
    with Postgres() as server, Instance(master=SINK) as mta:
        head = "hosts = %s\nuser = mail\ndbname = postgres\n" \
            "retry_interval = 1\n" % server.place
        table = "pgsql:" + mta.write(
            "conf/users.cf", head +
            "query = SELECT value FROM users WHERE name = '%s'\n")
        equal(query(mta, table, "ALICE@example.org")[:2], (0, "x"))
        equal(query(mta, table, "two")[:2], (0, "a,b"))
        equal(query(mta, table, "odd'name")[:2], (0, "quoted"))
        equal(query(mta, table, "back\\slash")[:2], (0, "kept"))
        check_hostile(mta, table)
        equal(query(mta, "pgsql:" + mta.write(
            "conf/function.cf", head + "select_function = find\n"),
            "odd'name")[:2], (0, "quoted"))
        status, out, errors = query(mta, "pgsql:" + mta.write(
            "conf/bad.cf", head + "query = SELECT nothing FROM nowhere\n"),
            "two")
        equal((status, out), (1, ""))
        matches("nowhere.*does not exist", errors)
        # the first server is away, the second answers
        equal(query(mta, "pgsql:" + mta.write(
            "conf/hosts.cf", "hosts = unix:/nonexistent %s\nuser = mail\n"
            "dbname = postgres\nquery = SELECT value FROM users WHERE name = "
            "'%%s'\n" % server.place), "two")[:2], (0, "a,b"))
        check_users(mta, table, server.stop, server.start)


def test_mysql():
    Mariadb.sql = (
        "create database if not exists mail;\n"
        "create table if not exists mail.users (name varchar(100) character "
        "set utf8mb4 collate utf8mb4_bin, value varchar(100));\n"
        "delete from mail.users;\n"
        "insert into mail.users values ('alice@example.org','x'),('two','a'),"
        "('two','b'),('odd''name','quoted'),('back\\\\slash','kept');\n")
    with Mariadb() as server, Instance(master=SINK) as mta:
        head = "hosts = %s\nuser = mail\ndbname = mail\n" \
            "retry_interval = 1\n" % server.place
        table = "mysql:" + mta.write(
            "conf/users.cf", head +
            "query = SELECT value FROM users WHERE name = '%s'\n")
        wait_for(lambda: query(mta, table, "two")[:2] == (0, "a,b"),
                 "the table to be filled")
        equal(query(mta, table, "ALICE@example.org")[:2], (0, "x"))
        equal(query(mta, table, "odd'name")[:2], (0, "quoted"))
        equal(query(mta, table, "back\\slash")[:2], (0, "kept"))
        check_hostile(mta, table)
        equal(query(mta, "mysql:" + mta.write(
            "conf/old.cf", head + "table = users\nselect_field = value\n"
            "where_field = name\nadditional_conditions = and value <> 'a'\n"),
            "two")[:2], (0, "b"))
        status, out, errors = query(mta, "mysql:" + mta.write(
            "conf/bad.cf", head + "query = SELECT nothing FROM nowhere\n"),
            "two")
        equal((status, out), (1, ""))
        matches("nowhere.*doesn't exist", errors)
        check_users(mta, table, server.stop, server.start)


LDIF = """dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: cn=alice,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: inetLocalMailRecipient
cn: alice
sn: a
mail: alice@example.org
mailLocalAddress: alice@example.org
mailRoutingAddress: x

dn: cn=group,dc=example,dc=org
objectClass: groupOfNames
objectClass: extensibleObject
cn: group
mail: group@example.org
mailRoutingAddress: direct@example.com
member: cn=alice,dc=example,dc=org
member: cn=inner,dc=example,dc=org
member: cn=nobody,dc=example,dc=org

dn: cn=inner,dc=example,dc=org
objectClass: groupOfURLs
objectClass: extensibleObject
cn: inner
memberURL: ldap:///dc=example,dc=org??sub?(cn=odd*)

dn: cn=odd\\2aname,dc=example,dc=org
objectClass: inetOrgPerson
cn: odd*name
sn: o
mail: odd*name@example.org

dn: cn=loop,dc=example,dc=org
objectClass: groupOfNames
objectClass: extensibleObject
cn: loop
mail: loop@example.org
member: cn=loop,dc=example,dc=org
"""


def test_ldap():
    Slapd.ldif = LDIF.replace("objectClass: groupOfURLs",
                              "objectClass: device").replace(
        "memberURL: ", "labeledURI: ")
    with Slapd() as server, Instance(master=SINK) as mta:
        head = "server_host = %s\nsearch_base = dc=example,dc=org\n" \
            "version = 3\nbind = no\nretry_interval = 1\n" % server.place
        table = "ldap:" + mta.write(
            "conf/users.cf", head + "query_filter = (mail=%s)\n"
            "result_attribute = mailRoutingAddress, cn\n")
        equal(query(mta, table, "ALICE@example.org")[:2], (0, "x,alice"))
        equal(query(mta, table, "odd*name@example.org")[:2], (0, "odd*name"))
        equal(query(mta, table, "odd*")[:2], (1, ""))
        check_hostile(mta, table)
        group = "ldap:" + mta.write(
            "conf/group.cf", head + "query_filter = (&(mail=%s)(cn=%u))\n"
            "result_attribute = mailRoutingAddress\n"
            "special_result_attribute = member labeledURI\n"
            "leaf_result_attribute = mail\nrecursion_limit = 20\n")
        equal(query(mta, group, "group@example.org")[:2],
              (0, "direct@example.com,x,alice@example.org,"
                  "odd*name@example.org"))
        status, out, errors = query(mta, group, "loop@example.org")
        equal((status, out), (1, ""))
        matches("recursion_limit", errors)
        bound = head.replace("bind = no", "bind = yes\nbind_dn = cn=admin,"
                             "dc=example,dc=org\nbind_pw = %s")
        rest = "search_base = cn=%u,dc=example,dc=org\nscope = base\n" \
            "query_filter = (objectClass=*)\nresult_attribute = sn\n" \
            "result_format = %s!%d\n"
        for password, wanted in ((server.password, 0), ("wrong", 1)):
            status, out, errors = query(
                mta, "ldap:" + mta.write("conf/bound.cf", bound % password +
                                         rest.replace("%d", "%D")),
                "alice@example.org")
            equal((status, out), (wanted, "a!example.org" if not wanted
                                  else ""))
        matches("Invalid credentials", errors)
        check_users(mta, table, server.stop, server.start)


def test_nothing_else_is_asked():
    """What no parameter names is not looked up, whoever wants it; and a table
    whose module or file is missing is a temporary error."""
    with Instance(master=SINK) as mta:
        mta.set(local_transport="gone:",
                local_recipient_maps="mongodb:/x, inline:{alice=x}",
                virtual_alias_domains="v.example",
                virtual_alias_maps="pgsql:" + mta.path("conf/missing.cf"))
        mta.start()
        equal(rcpt(mta, "alice@example.org"), 451)
        equal(rcpt(mta, "a@v.example"), 451)
        mta.wait_log("mongodb:/x: there is no client for MongoDB here")
        mta.wait_log("open .*missing.cf: No such file")
        check("pgsql" in mta.command("postconf", "-m").stdout.split())


if __name__ == "__main__":
    main(globals())
