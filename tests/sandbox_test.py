"""No process can do more than its job: the acts that `posthorn check sandbox`
tries in the live daemons, and what the kernel says of every thread."""
import os
import re
import shutil

from instance import PATIENCE, Instance, check, equal, is_root, main, wait_for

# By lib/sandbox/profiles.def; parents of DELIVER and ACCESS stay root.
USERS = {
    "smtpd": "posthorn-in", "cleanup": "posthorn-intake",
    "pickup": "posthorn-intake", "qmgr": "posthorn",
    "rewrite": "posthorn-map", "resolver": "posthorn-net",
    "postlogd": "posthorn-log", "anvil": "posthorn", "virtual": "vmail",
    "proxywrite": "posthorn", "verify": "posthorn",
}


def threads(pid):
    """The status of each thread of a process, as dictionaries."""
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task)) as handle:
            found.append(dict(line.rstrip("\n").split(":\t", 1)
                              for line in handle if ":\t" in line))
    return found


def name_of(pid):
    with open("/proc/%d/stat" % pid) as handle:
        return handle.read().split("(", 1)[1].rsplit(")", 1)[0]


def busy_instance():
    mta = Instance(master="proxywrite unix - - n - 1 proxymap\n")
    mta.virtual_mailboxes()
    os.makedirs(mta.path("written"))
    if is_root():
        shutil.chown(mta.path("written"), "posthorn", "posthorn")
    table = "proxy:lmdb:" + mta.path("written/table")
    mta.set(proxy_write_maps=table, address_verify_poll_count="100",
            smtpd_recipient_restrictions="reject_unverified_recipient, "
            "permit_mynetworks, reject")
    mta.start()
    mta.command("postmap", "-i", table, input="a b\n")
    mta.send("a@example.net", ["alice@example.org"], "Subject: x\r\n\r\ny\r\n")
    mta.wait_mail("alice")
    wait_for(lambda: mta.pids("virtual"), "virtual to stay")
    return mta


def test_every_thread_is_confined():
    import pwd
    with busy_instance() as mta:
        seen = set()
        for pid in mta.pids():
            name = name_of(pid)
            if name == "master":
                continue
            seen.add(name)
            for status in threads(pid):
                what = "%s[%d]" % (name, pid)
                equal((what, status["Seccomp"].strip()), (what, "2"))
                equal((what, status["NoNewPrivs"].strip()), (what, "1"))
                uids = set(map(int, status["Uid"].split()))
                if is_root() and name in USERS:
                    wanted = pwd.getpwnam(USERS[name]).pw_uid
                    equal((what, uids), (what, {wanted}))
                elif not is_root():
                    equal((what, uids), (what, {os.getuid()}))
                if uids != {0}:
                    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                        equal((what, kind, int(status[kind], 16)),
                              (what, kind, 0))
        for name in ("smtpd", "cleanup", "qmgr", "virtual", "postlogd",
                     "proxywrite", "verify"):
            check(name in seen, name + " does not run")


def test_forbidden_acts_are_refused():
    with busy_instance() as mta:
        done = mta.command("posthorn", "check", "sandbox", check=False,
                           timeout=PATIENCE)
        lines = done.stdout.splitlines()
        acts = [line for line in lines if re.search(
            r"\b(refused|succeeded)\b", line)]
        check(len(acts) > 300, "only %d acts:\n%s%s" % (
            len(acts), done.stdout[-2000:], done.stderr))
        bad = [line for line in acts
               if "succeeded" in line and "must-not" in line]
        equal(bad, [])
        equal(done.returncode, 0)


if __name__ == "__main__":
    main(globals())
