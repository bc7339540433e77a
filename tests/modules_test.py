"""The core needs no client library of a database: its programs link none, and
they run where the modules are not installed."""
import os
import re
import shutil

from instance import (LIBEXEC, SBIN, Instance, check, equal, main, matches,
                      run, wait_for)

# The library of each module.
MODULES = {"table-pgsql.so": "libpq", "table-mysql.so": "libma",
           "table-sqlite.so": "libsqlite3", "table-ldap.so": "libldap"}
FOREIGN = re.compile(r"lib(pq|mariadb|mysqlclient|sqlite3|ldap|lber)\b")


def needed(path):
    """The shared libraries that a program or module names."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]",
                      run("readelf", "-d", path).stdout)


def programs():
    for folder in (SBIN, LIBEXEC):
        for name in sorted(os.listdir(folder)):
            path = folder + "/" + name
            if name.endswith(".so") or os.path.islink(path):
                continue
            with open(path, "rb") as handle:
                if handle.read(4) == b"\x7fELF":
                    yield path


def test_what_programs_link():
    found = list(programs())
    check(len(found) > 40, found)
    for path in found:
        libraries = needed(path)
        check(any(name.startswith("libc.") for name in libraries), path)
        equal((path, [name for name in libraries if FOREIGN.match(name)]),
              (path, []))


def test_what_modules_link():
    equal(sorted(name for name in os.listdir(LIBEXEC)
                 if name.endswith(".so")), sorted(MODULES))
    for name, library in MODULES.items():
        check(any(FOREIGN.match(needs) and needs.startswith(library)
                  for needs in needed(LIBEXEC + "/" + name)), name)


def test_without_modules():
    """Mail flows; a table that would need one is a temporary error."""
    with Instance() as mta:
        core = mta.path("libexec")
        shutil.copytree(LIBEXEC, core, ignore=shutil.ignore_patterns("*.so"))
        mta.virtual_mailboxes()
        mta.set(daemon_directory=core)
        mta.start()
        mta.send("a@example.net", ["alice@example.org"],
                 "Subject: x\r\n\r\nx\r\n")
        mta.wait_mail("alice")
        table = mta.write("conf/table", "dbpath = /nonexistent\n"
                          "query = SELECT 1\nhosts = localhost\n"
                          "dbname = x\nserver_host = localhost\n"
                          "search_base = dc=example\n")
        for type in ("pgsql", "mysql", "sqlite", "ldap"):
            done = mta.command("postmap", "-q", "x", type + ":" + table,
                               check=False)
            check(done.returncode != 0 and done.stdout == "", done)
            matches("(?s).*the module for this type is not installed",
                    done.stderr)
        mta.set(virtual_alias_maps="sqlite:" + table)
        mta.reload()
        wait_for(lambda: asked(mta) // 100 == 4, "a temporary error")
        mta.wait_log("the module for this type is not installed")


def asked(mta):
    with mta.smtp() as client:
        client.ehlo("client.example.net")
        client.mail("a@example.net")
        return client.rcpt("bob@example.org")[0]


if __name__ == "__main__":
    main(globals())
