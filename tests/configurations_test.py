"""Real-world configurations, beside Debian's Postfix: postconf over each in
every mode, and edits with the files compared afterwards; what differs stands
in EXPECTED with its reason. Those that can run on loopback are used in place
and pass mail."""
import json
import os
import re
import shutil
import subprocess
import tempfile

from instance import PATIENCE, SBIN, Failed, check, equal, main, matches
from postfix_peer import lay_over_usr

HERE = os.path.dirname(os.path.abspath(__file__)) + "/configurations/"
NAMES = sorted(os.listdir(HERE))

# Command lines that only show: those of EACH over every configuration, those
# of SHOWS and EDITS over SHARE of them, in turn.
SHARE = int(os.environ.get("POSTHORN_SHARE", "2"))
EACH = ["-nx", "-Mfx", "-P"]
SHOWS = [
    "-n", "-M", "-F",
    "-nh", "-nf", "-nH", "-C all -h no_such_name",
    "-Mf", "-Mx", "-M smtp", "-M smtp/unix", "-M inet", "-M /unix",
    "-M nothing", "-F smtp/inet", "-F */unix/command", "-F */*/chroot",
    "-Fh smtp/inet/command", "-F nothing/unix", "-FH smtp/unix/private",
    "-Px", "-P smtp/inet", "-P */*/syslog_name", "-Ph", "-PH",
    "-P submission/inet/smtpd_banner", "-o myhostname=o.example.org -n",
    "-o myhostname=o.example.org -x myhostname smtpd_banner",
    "-o compatibility_level=2 -x smtputf8_enable", "-o bad",
    "no_such_name", "-n -d", "-e", "-MX", "-x -n -h", "-c /nowhere -n",
    "-C nothing", "-C builtin mydestination relayhost",
    "-C service -n", "-C user",
    "-xp relayhost mydomain myorigin", "-p mynetworks_style",
    "-h compatibility_level", "-f mydestination mynetworks",
]
# Command lines that change: the files are compared after each.
EDITS = [
    "-e relayhost=[new.example.org] mydestination=",
    "relay_domains=a.example, b.example",
    "-e new_name = value", "-e  'bad name=x'", "-e =x",
    "-# mydestination relayhost", "-# no_such_name",
    "-X compatibility_level", "-X no_such_name", "-X myhostname mynetworks",
    "-F smtp/unix/maxproc=7", "-F smtp/inet/command=smtpd -v",
    "-F nothing/unix/process_limit=7", "-F smtp/unix/process_limit=7", "-F */unix/wakeup=5", "-F smtp/inet/x=1",
    "-F smtp/unix/chroot=maybe", "-F smtp/unix/type=unix",
    "-P smtp/unix/smtp_helo_name=p.example.org",
    "-P relay/unix/syslog_name=relayed", "-P nothing/unix/x=1",
    "-P */unix/max_use=3", "-PX relay/unix/syslog_name", "-PX smtp/inet/nope",
    "-M smtp/unix=smtp unix - - n - 9 smtp -o smtp_timeout=3",
    "-M extra/inet=extra inet n - n - - smtpd -o { a = b c }",
    "-M extra/inet=other inet n - n - - smtpd", "-M extra/inet=extra inet n",
    "-MX relay/unix", "-MX nothing/unix", "-M# discard/unix",
    "-M# nothing/unix", "-MX */inet",
]


def words_of(line):
    """The command line as words; those of -e, -F, -P and -M that change are
    one word after the option, but for spaces before the next name=."""
    words = line.split()
    for at, word in enumerate(words):
        if "=" in word and words[0] in ("-F", "-P", "-M", "relay_domains=a"):
            return words[:at] + [" ".join(words[at:])]
    return words


def outcome(program, folder, line):
    argv = [program, "-c", folder] + words_of(line)
    if "-c /nowhere" in line:
        argv = [program] + words_of(line)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=PATIENCE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, MAIL_CONFIG=folder))

    def text(octets):
        return octets.decode("utf-8", "replace").replace(
            program, "postconf").replace(folder, "DIR")
    # Warnings come in the order of a hash table there; some come twice.
    warnings = "\n".join(sorted(set(text(done.stderr).splitlines())))
    return done.returncode, text(done.stdout), warnings


# What differs, each with its reason: a pattern of lines (of either) that do
# not count, or what stands in its place; and the command lines concerned.
EXPECTED = [
    # posthorn-differences(7): other names and folders.
    (r"/var/lib/posthorn", "/var/lib/postfix", ""),
    (r"/usr/local/sbin", "/usr/sbin", ""),
    (r"ESMTP posthorn", "ESMTP Postfix", ""),
    # Debian builds another default into its alias_maps.
    (r"hash:/etc/aliases, nis:mail.aliases", "hash:/etc/aliases", ""),
    (r"\$default_database_type:/etc/aliases", "hash:/etc/aliases", ""),
    # The configuration of a table is opened when it is used, not by postconf.
    (r'.*warning: open "ldap" configuration.*', None, ""),
    # Theirs keeps the blanks of continuation lines, ours shows the value; and
    # ours says it for edits too.
    (r".*overriding earlier entry.*", None, ""),
    # In the reference, not in 3.7.
    (r".*smtpd_sasl_application_name.*", None, ""),
    # Ours says it for -X and -# too: nothing was changed.
    (r".*unmatched service_name/type.*", None, "-MX -M#"),
    # Ours names what is wrong and what to write.
    (r".*(invalid|bad) chroot .*", "chroot", ""),
    (r".*(bad field count|missing .* field).*", "fields", ""),
    # The process id, and folders.
    (r"debugger_command = .*", "debugger_command", ""),
    # Theirs looks for undefined names before a bad command line.
    (r".*undefined parameter.*", None, "/unix bad"),
]


def plain(line, text):
    """The text without what may differ."""
    out = []
    for row in str(text).splitlines():
        for pattern, instead, lines in EXPECTED:
            if lines and not any(part in line for part in lines.split()):
                continue
            if instead is not None:
                row = re.sub(pattern, instead, row)
            elif re.fullmatch(pattern, row):
                row = None
                break
        out += [row] if row is not None else []
    return "\n".join(out)


def copies(name, folder):
    """The configuration twice, in folders whose names are equally long."""
    both = []
    for who in ("ours__", "theirs"):
        shutil.copytree(HERE + name, folder + "/" + who)
        both.append(folder + "/" + who)
    return both


def differences(name, lines, compare_files):
    found = []
    with tempfile.TemporaryDirectory(prefix="posthorn-conf-") as folder:
        ours, theirs = copies(name, folder)
        for line in lines:
            a = outcome("/usr/sbin/postconf", theirs, line)
            b = outcome(SBIN + "/postconf", ours, line)
            for what, x, y in zip(("status", "stdout", "stderr"), a, b):
                if plain(line, x) != plain(line, y):
                    found.append((name, line, what, x, y))
            if compare_files:
                for file in ("main.cf", "master.cf"):
                    x, y = (open(f + "/" + file).read()
                            for f in (theirs, ours))
                    if x != y:
                        found.append((name, line, file, x, y))
                        shutil.copy(theirs + "/" + file, ours)
    return found


def judge(found):
    if found:
        import difflib
        text = []
        for name, line, what, x, y in found:
            text.append("%s: postconf %s: %s" % (name, line, what))
            text += list(difflib.unified_diff(
                str(x).splitlines(), str(y).splitlines(), "theirs", "ours",
                lineterm="", n=0))[2:]
        raise Failed("\n".join(text))


def share(lines, name):
    """What of the lines this configuration takes."""
    at = NAMES.index(name)
    return [line for i, line in enumerate(lines)
            if (i * 7 + at) % len(NAMES) < SHARE]


def test_each_shown():
    lay_over_usr("postfix")
    judge([d for name in NAMES for d in differences(name, EACH, False)])


def test_shown():
    lay_over_usr("postfix")
    judge([d for name in NAMES
           for d in differences(name, share(SHOWS, name), False)])


def test_edited():
    lay_over_usr("postfix")
    judge([d for name in NAMES
           for d in differences(name, share(EDITS, name), True)])


def test_rows_that_are_named_like_parameters():
    """transport_maps is a parameter of its own; a row "transport" has
    generated ones beside it."""
    lay_over_usr("postfix")
    with tempfile.TemporaryDirectory(prefix="posthorn-conf-") as folder:
        with open(folder + "/main.cf", "w") as handle:
            handle.write("compatibility_level = 3.6\n"
                         "transport_maps = static:x\n"
                         "transport_destination_rate_delay = 7s\n"
                         "smtpd_policy_time_limit = 8s\n")
        with open(folder + "/master.cf", "w") as handle:
            handle.write("transport unix - - n - - smtp\n"
                         "maps unix - n n - - pipe argv=x\n"
                         "smtpd_policy unix - n n - 0 spawn argv=x\n")
        for line in ("-C service", "-C service -d", "-C service -x", "-n",
                     "-C builtin transport_maps transport_retry_time",
                     "-h transport_destination_rate_delay",
                     "transport_recipient_limit transport_time_limit",
                     "-d maps_time_limit smtpd_policy_time_limit",
                     "smtpd_policy_recipient_limit smtp_recipient_limit"):
            theirs = outcome("/usr/sbin/postconf", folder, line)
            check(theirs[1] + theirs[2], line)
            equal((line, outcome(SBIN + "/postconf", folder, line)),
                  (line, theirs))


def objects(text):
    """-j: an object with one name on each line."""
    found = {}
    for line in text.splitlines():
        (name, value), = json.loads(line).items()
        found[name] = value
    return found


def test_forms_of_the_reference():
    """-j and -q (not in 3.7); lists of types, which are ours: -m -a -A -T."""
    with tempfile.TemporaryDirectory(prefix="posthorn-conf-") as folder:
        def ours(line):
            return outcome(SBIN + "/postconf", folder, line)
        for name in ("main.cf", "master.cf"):
            shutil.copy(HERE + "submission/" + name, folder)
        with open(folder + "/main.cf", "a") as handle:
            handle.write("nobody_knows_this = x\n")
        lines = dict(re.split(" = ?", line, maxsplit=1)
                     for line in ours("-n")[1].splitlines())
        check(len(lines) > 5)
        equal(objects(ours("-nj")[1]), lines)
        rows = objects(ours("-jM")[1])
        equal(list(rows), [row["service"] + "/" + row["type"] for row in [
            dict(zip(("service", "type"), line.split()))
            for line in ours("-M")[1].splitlines()]])
        for option in ("-F", "-P"):
            equal(["%s = %s" % item for item in
                   objects(ours("-j " + option)[1]).items()],
                  ours(option)[1].splitlines())
        matches("unused parameter: nobody_knows_this=x", ours("-n")[2])
        equal(ours("-q -n")[2], "")
        equal(ours("-q -n")[1], ours("-n")[1])
        types = ours("-m")[1].split()
        for wanted in ("hash btree lmdb cdb texthash inline static environ "
                       "fail regexp pcre cidr unionmap pipemap randmap unix "
                       "proxy socketmap tcp memcache").split():
            check(wanted in types, wanted)
        check("cyrus" in ours("-a")[1].split())
        check("cyrus" in ours("-A")[1].split())
        for mode in ("compile-version", "run-version"):
            matches("^OpenSSL \\d", ours("-T " + mode)[1])
        check("rsa" in ours("-T public-key-algorithms")[1])
        check(ours("-T nothing")[0] != 0)


if __name__ == "__main__":
    main(globals())
