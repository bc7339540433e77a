"""sendmail, postsuper, postqueue and postconf beside Debian's: the same words
on the command line, the same text and exit status, as far as LINES says."""
import os
import subprocess

from instance import SBIN, Failed, Instance, main
from postfix_peer import Postfix, lay_over_usr

# A command line, and what of the two must be equal: r: the exit status, e:
# standard error, o: standard output.
LINES = [
    ("sendmail", "re"),
    ("sendmail -bz", "re"),
    ("sendmail -qS x", "re"),
    ("sendmail -qI", "re"),
    ("sendmail -qR", "re"),
    ("sendmail -B x a@example.com", "re"),
    # Theirs looks at the options twice, and complains twice.
    ("sendmail -Z x", "r"),
    ("sendmail -V", "r"),
    ("sendmail -bp -t", "re"),
    ("mailq x", "re"),
    ("sendmail -N foo -f a@example.net a@example.com", "re"),
    ("sendmail -R foo -f a@example.net a@example.com", "re"),
    ("sendmail -XVab -f a@example.net a@example.com", "re"),
    ("sendmail -X log -f a@example.net a@example.com", "re"),
    ("sendmail -O foo=bar -f a@example.net a@example.com", "re"),
    ("sendmail -t -f a@example.net", "re"),
    ("sendmail -q5m", "reo"),
    ("sendmail -bv -f a@example.net a@example.com", "reo"),
    # Ours says usage in other words.
    ("postqueue -p -f", "r"),
    ("postqueue", "r"),
    ("postqueue -Z", "r"),
    ("postsuper -d zzz!", "r"),
    ("postsuper nowhere", "re"),
    ("postsuper -d ALL nowhere", "re"),
    ("postconf -l", "reo"),
    ("postconf -e", "r"),
    ("postconf -Z", "r"),
    ("postconf no_such_name", "reo"),
    ("postconf -h mynetworks_style", "reo"),
    ("postconf -d queue_run_delay", "reo"),
    ("postconf -x smtpd_timeout", "reo"),
    ("postlog -p loud x", "r"),
]


def outcome(folder, line, env):
    words = line.split()
    program = "sendmail" if words[0] == "mailq" else words[0]
    words[0] = folder + "/" + words[0]
    done = subprocess.run(words, executable=folder + "/" + program, env=env,
                          input=b"", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120)

    def text(octets):
        return octets.decode().replace(folder + "/", "")
    return {"r": done.returncode, "o": text(done.stdout),
            "e": text(done.stderr)}


def test_the_same_words():
    lay_over_usr("postfix")
    rules = {"default_transport": "retry:4.4.1 try again"}
    with Postfix(**rules) as theirs, Instance(**rules) as ours:
        theirs.start()
        ours.start()
        wrong = []
        for line, parts in LINES:
            a = outcome("/usr/sbin", line,
                        dict(os.environ, MAIL_CONFIG=theirs.conf))
            b = outcome(SBIN, line, ours.env)
            wrong += ["%s: %s: theirs %r, ours %r" % (line, p, a[p], b[p])
                      for p in parts if a[p] != b[p]]
        if wrong:
            raise Failed("\n".join(wrong))


if __name__ == "__main__":
    main(globals())
