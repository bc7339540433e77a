"""Completion in bash and zsh: what is offered is what the commands have."""
import os
import pty
import re
import select
import shutil
import subprocess
import time

from instance import (PATIENCE, SBIN, Failed, Instance, Skip, check, equal,
                      main, matches, wait_for)

SHARE = os.path.dirname(SBIN) + "/share"
ASK = """
. "$0"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
_posthorn
printf '%s\\n' "${COMPREPLY[@]}"
"""


def environment(mta):
    return dict(mta.env, PATH=SBIN + ":" + os.environ["PATH"], TERM="dumb")


def offered(mta, *words):
    """By the file that bash finds under the command's name."""
    run = subprocess.run(
        ["bash", "-c", ASK, "%s/bash-completion/completions/%s" %
         (SHARE, words[0])] + list(words), env=environment(mta),
        stdout=subprocess.PIPE, check=True, text=True)
    return run.stdout.split()


def helped(mta, *words):
    return mta.command(*words, "--help", check=False).stdout


def test_verbs_and_options():
    with Instance() as mta:
        mta.write_configuration()
        verbs = re.findall(r"(?m)^  ([a-z-]+)  ", helped(mta, "posthorn"))
        check(len(verbs) > 15)
        equal(offered(mta, "posthorn", ""), verbs)
        equal(offered(mta, "postfix", "-c", mta.conf, "st"),
              [verb for verb in verbs if verb.startswith("st")])
        for verb in ("queue", "user", "mailbox"):
            usage = helped(mta, "posthorn", verb)
            first = re.search(r"[a-z-]+(\|[a-z-]+)+", usage)[0].split("|")
            for one in first:
                check(one in offered(mta, "posthorn", verb, ""))
            for one in offered(mta, "posthorn", verb, ""):
                matches(r"\b%s\b" % one, usage)
        equal(offered(mta, "postqueue", "-"),
              ["-c", "-f", "-i", "-j", "-p", "-s", "-v"])
        equal(offered(mta, "posthorn", "-"), ["-D", "-c", "-v"])
        equal(offered(mta, "postconf", "virtual_mailbox_b"),
              ["virtual_mailbox_base"])
        check("texthash:" in offered(mta, "postmap", "text"))


def test_messages():
    with Instance(inet_interfaces="127.0.0.1", defer_transports="smtp",
                  relay_domains="example.com") as mta:
        mta.start()
        mta.send("a@example.net", ["b@example.com"], "Subject: x\r\n\r\nx\r\n")
        queue_id = wait_for(mta.queue_list, "a queued message")[0]["queue_id"]
        equal(offered(mta, "postsuper", "-d", queue_id[:4]), [queue_id])
        equal(offered(mta, "postcat", "-q", ""), [queue_id])
        check(queue_id in offered(mta, "posthorn", "queue", "hold", ""))


def test_zsh():
    if not shutil.which("zsh"):
        raise Skip("no zsh")
    with Instance() as mta:
        mta.write_configuration()
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment(mta))
        seen = b""

        def until(pattern):
            nonlocal seen
            end = time.monotonic() + PATIENCE
            while not re.search(pattern, seen):
                if not select.select([terminal], [], [],
                                     end - time.monotonic())[0]:
                    raise Failed("zsh did not say %r: %r" % (pattern, seen))
                seen += os.read(terminal, 4096)
            seen = b""
        os.write(terminal, b"fpath=(%s/zsh/site-functions $fpath); "
                 b"autoload -U compinit; compinit -D -u; echo re''ady\n" %
                 SHARE.encode())
        until(rb"ready")
        os.write(terminal, b"posthorn quick-\t")
        until(rb"quick-stop")
        os.write(terminal, b"\x15posthorn queue req\t")
        until(rb"requeue")
        os.write(terminal, b"\x15exit\n")
        os.waitpid(pid, 0)
        os.close(terminal)


if __name__ == "__main__":
    main(globals())
