"""postmulti: beside Debian's with the same words; two instances that pass
mail; what `posthorn start` makes of several instances."""
import os
import shutil
import subprocess
import tempfile

from instance import (PATIENCE, SBIN, STAGE, Failed, Instance, Skip, check,
                      equal, is_root, main, matches, run)
from postfix_peer import cover, lay_over_usr

# What both are told; ETC, SPOOL and LIB stand for folders, one line after
# the other. What is printed and the exit status have to be the same. Those
# that begin with "!" Debian's was seen to refuse too; it sleeps for a second
# each time, so only ours is asked.
LINES = """
postmulti -l
! postmulti
! postmulti -Z
! postmulti -l -p status
! postmulti -l x
! postmulti -p
! postmulti -x
! postmulti -e
! postmulti -e foo
postmulti -x printenv MAIL_CONFIG config_directory multi_instance_enable
postmulti -e create -I postfix-a
! postmulti -e enable -i -
! postmulti -e init x
postmulti -e init
postconf -n multi_instance_wrapper multi_instance_enable
postmulti -l
! postmulti -e create
! postmulti -e create -I a
! postmulti -e create -I postfix-a/b
postmulti -e create -I postfix-a -G mta
postmulti -l
postconf -c ETC/postfix-a multi_instance_name multi_instance_group multi_instance_enable
postconf -c ETC/postfix-a queue_directory data_directory inet_protocols
postconf -c ETC/postfix-a master_service_disable authorized_submit_users
postmulti -e create -I postfix-a
postmulti -e create -I postfix-b -G out -g mta queue_directory=SPOOL/bb
postmulti -e create -I postfix-c -a data_directory=LIB/cc config_directory=ETC/cc
! postmulti -e create -I postfix-d foo=bar
! postmulti -e create -I postfix-d queue_directory=relative
! postmulti -e create -I postfix-d x
! postmulti -e create -I postfix-d -i nope
! postmulti -e create -I postfix-d -g nope
! postmulti -e create -I postfix-d queue_directory=SPOOL/bb
postmulti -l
postmulti -l -R
postmulti -l -g mta
postmulti -l -i postfix-b
postmulti -l -i ETC/cc
! postmulti -l -a -i postfix-b
! postmulti -l -I postfix-z
postmulti -x -i postfix-a printenv multi_instance_name multi_instance_group queue_directory
postmulti -x -R printenv data_directory
! postmulti -x no_such_command
! postmulti -e enable
postmulti -e enable -i postfix-a
! postmulti -e disable -g mta
! postmulti -e enable -i postfix-a x=y
postmulti -p start
postmulti -p stop
postmulti -p reload
postmulti -p status
! postmulti -p -R check
postmulti -g mta -p start
postmulti -p bad
postmulti -e assign -i postfix-a -I postfix-b
! postmulti -e assign -i postfix-a
! postmulti -e assign -i postfix-a -I z
postmulti -e assign -i - -I postfix-main
postmulti -e assign -i postfix-c -I - -G -
! postmulti -e destroy -i -
postmulti -e deport -i ETC/cc
! postmulti -e deport -i -
! postmulti -e deport -i nope
postmulti -e import config_directory=ETC/cc
! postmulti -e import -I postfix-cc config_directory=ETC/cc
! postmulti -e import -I postfix-x
postmulti -l
postmulti -e destroy -i postfix-b
! postmulti -e destroy -i postfix-b
postmulti -l
postmulti -e disable -i -
postmulti -l
postmulti -p start
postmulti -e enable -i postfix-a
""".strip().splitlines()

FAKE = """#!/bin/sh
case $1 in
--) echo "postfix $* for $MAIL_CONFIG" ;;
esac
case $* in
*bad) exit 4 ;;
*status) exit 1 ;;
esac
"""


def default_directory(mta):
    if not os.path.exists(mta.conf + "/main.cf"):
        mta.write_configuration()
    return mta.command("postconf", "-d", "-h",
                       "config_directory").stdout.strip()


def transcript(conf, commands, extra, refused):
    """Each line of LINES with what is said and the exit status; `refused`:
    also those that are, which have no part in it."""
    folder = tempfile.mkdtemp(prefix="posthorn-multi-")
    os.chmod(folder, 0o755)
    etc, tools = os.path.dirname(conf), folder + "/bin"
    names = {"ETC": etc, "SPOOL": folder + "/spool", "LIB": folder + "/lib"}
    for path in (conf, tools, names["SPOOL"], names["LIB"]):
        os.makedirs(path, exist_ok=True)
    for name in ("postconf", "postmulti", "postqueue", "postsuper"):
        os.symlink("%s/%s" % (commands, name), tools + "/" + name)
    with open(tools + "/postfix", "w") as handle:
        handle.write(FAKE)
    os.chmod(tools + "/postfix", 0o755)
    settings = dict(extra, queue_directory=names["SPOOL"] + "/postfix",
                    data_directory=names["LIB"] + "/postfix",
                    command_directory=tools, myhostname="mail.example.org",
                    inet_interfaces="127.0.0.1", inet_protocols="ipv4",
                    compatibility_level="3.6")
    with open(conf + "/main.cf", "w") as handle:
        handle.writelines("%s = %s\n" % item for item in settings.items())
    with open(conf + "/master.cf", "w") as handle:
        handle.write("smtp inet n - n - - smtpd\n")
    for name in ("main.cf", "master.cf"):
        shutil.copy("%s/%s" % (conf, name), "%s/%s.proto" % (conf, name))
    env = {"PATH": os.environ["PATH"]}
    result = []
    for line in LINES:
        is_refused = line.startswith("! ")
        if is_refused and not refused:
            continue
        line = line.removeprefix("! ")
        for name, path in names.items():
            line = line.replace(name + "/", path + "/")
        words = line.split()
        done = subprocess.run([tools + "/" + words[0]] + words[1:], env=env,
                              stdout=subprocess.PIPE, timeout=PATIENCE,
                              stderr=subprocess.PIPE)
        if is_refused:
            equal((line, done.returncode), (line, 1))
            continue
        text = "%s\n%sexit status %d" % (line, done.stdout.decode(),
                                         done.returncode)
        for name, path in names.items():
            text = text.replace(path + "/", name + "/")
        result.append(text.replace(folder, "FOLDER"))
    shutil.rmtree(folder)
    shutil.rmtree(conf)
    return result


def test_the_same_words():
    if not is_root():
        raise Skip("needs root")
    lay_over_usr("postfix")
    with Instance() as mta:
        conf = default_directory(mta)
    for folder in {"/etc", os.path.dirname(conf)}:
        cover(folder)
    theirs = transcript("/etc/postfix", "/usr/sbin", {
        "daemon_directory": "/usr/lib/postfix/sbin",
        "shlib_directory": "/usr/lib/postfix",
        "meta_directory": "/etc/postfix", "setgid_group": "postdrop"}, False)
    ours = transcript(conf, SBIN, {}, True)
    wrong = ["---- theirs\n%s\n---- ours\n%s" % pair
             for pair in zip(theirs, ours) if pair[0] != pair[1]]
    if wrong:
        raise Failed("\n".join(wrong))


def make_second(mta, out):
    """An instance `out`, which delivers what mta sends it; enabled."""
    meta = STAGE + default_directory(mta)
    mta.set(relayhost="[127.0.0.1]:%d" % out.smtp_port, meta_directory=meta,
            mydestination="")
    mta.write_configuration()

    def multi(*args, **more):
        return mta.command("postmulti", "-c", mta.conf, *args, **more)
    multi("-e", "init")
    multi("-e", "create", "-I", "postfix-out", "-G", "mta",
          "config_directory=" + out.conf, "queue_directory=" + out.queue,
          "data_directory=" + out.data)
    out.virtual_mailboxes()
    mta.command("postconf", "-c", out.conf, "-X", "master_service_disable",
                "authorized_submit_users")
    mta.command("postconf", "-c", out.conf, "-e",
                *("%s=%s" % item for item in out.parameters.items()))
    out.write("conf/master.cf", "127.0.0.1:%d inet n - n - - smtpd\n" %
              out.smtp_port)
    for one in (mta, out):
        open(one.log_path, "w").close()
        if is_root():
            shutil.chown(one.log_path, "posthorn-log")
    multi("-e", "enable", "-i", "postfix-out")
    return multi


def pass_mail(mta, out, count):
    mta.wait_port(mta.smtp_port)
    mta.send("a@example.net", ["alice@example.org"],
             "Subject: x\r\n\r\nthrough two\r\n")
    check(b"through two" in out.wait_mail("alice", count)[0])
    mta.wait_log(r"relay=127.0.0.1\[127.0.0.1\]:%d.*status=sent" %
                 out.smtp_port)
    matches(r"postfix-out/smtpd\[", out.log())


def gone(path):
    return not os.path.exists(path)


def second_folder():
    folder = tempfile.mkdtemp(prefix="posthorn-test-")
    os.chmod(folder, 0o755)
    return folder


def test_two_instances():
    folder = second_folder()
    with Instance() as mta, Instance(folder=folder) as out:
        multi = make_second(mta, out)
        matches(r"^-  .* y .* %s\npostfix-out +mta +y +%s\n$" %
                (mta.conf, out.conf), multi("-l").stdout)
        equal(multi("-j", "-g", "mta").stdout,
              '{"name": "postfix-out", "group": "mta", "enabled": "y", '
              '"config_directory": "%s"}\n' % out.conf)
        equal(multi("-p", "status", check=False).returncode, 1)
        multi("-p", "set-permissions")
        multi("-p", "start")
        pass_mail(mta, out, 1)
        multi("-p", "status")
        multi("-p", "reload")
        pass_mail(mta, out, 2)
        done = multi("-e", "destroy", "-i", "postfix-out", check=False)
        matches("is enabled", done.stderr)
        multi("-e", "disable", "-i", "postfix-out")
        done = multi("-e", "destroy", "-i", "postfix-out", check=False)
        matches("runs: stop it first", done.stderr)
        mta.command("posthorn", "-c", out.conf, "stop")
        check(mta.master_pid())
        out.command("sendmail", "-f", "a@example.net", "alice@example.org",
                    input="Subject: y\n\nlater\n")
        done = multi("-e", "destroy", "-i", "postfix-out", check=False)
        matches("maildrop is not empty", done.stderr)
        for name in os.listdir(out.queue + "/maildrop"):
            os.unlink("%s/maildrop/%s" % (out.queue, name))
        multi("-e", "destroy", "-i", "postfix-out")
        check(gone(out.queue) and gone(out.data) and gone(out.conf))
        equal(len(multi("-l").stdout.splitlines()), 1)
        multi("-p", "stop")
        check(not mta.master_pid())
    shutil.rmtree(folder)


def test_mail_is_not_destroyed():
    folder = second_folder()
    with Instance() as mta, Instance(folder=folder) as out:
        multi = make_second(mta, out)
        out.command("postconf", "-e", "defer_transports=virtual")
        out.command("posthorn", "set-permissions")
        out.command("posthorn", "start")
        out.send("a@example.net", ["alice@example.org"], "Subject: z\r\n")
        out.command("posthorn", "stop")
        multi("-e", "disable", "-i", "postfix-out")
        done = multi("-e", "destroy", "-i", "postfix-out", check=False)
        matches("1 messages|deferred is not empty", done.stderr)
        equal(len(out.queue_list()), 1)
        equal(len(multi("-l").stdout.splitlines()), 2)
    shutil.rmtree(folder)


def test_posthorn_works_on_all():
    """Without -c and MAIL_CONFIG, where several instances are set up."""
    if not is_root() or "POSTHORN_ACCOUNTS" not in os.environ:
        raise Skip("needs root and tests/with-accounts")
    folder = second_folder()
    with Instance() as mta, Instance(folder=folder) as out:
        make_second(mta, out)
        conf = default_directory(mta)
        if not conf.startswith("/etc/") or gone(conf):
            cover(os.path.dirname(conf))
        os.makedirs(conf, exist_ok=True)
        run("mount", "--bind", mta.conf, conf)
        env = {key: value for key, value in mta.env.items()
               if key != "MAIL_CONFIG"}

        def posthorn(*args, **more):
            return run(SBIN + "/posthorn", *args, env=env, **more)
        posthorn("set-permissions")
        posthorn("start")
        pass_mail(mta, out, 1)
        equal(posthorn("status").stderr.count("is running"), 2)
        done = posthorn("start-fg", check=False)
        matches("name one with -c", done.stderr)
        posthorn("-c", out.conf, "stop")
        check(mta.master_pid() and not out.master_pid())
        equal(posthorn("status", check=False).returncode, 1)
        mta.command("postconf", "-c", out.conf, "-e",
                    "multi_instance_enable=no")
        posthorn("reload")
        posthorn("stop")
        check(not mta.master_pid())
        posthorn("start")
        check(mta.master_pid() and not out.master_pid())
        posthorn("stop")
        run("umount", conf)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(globals())
