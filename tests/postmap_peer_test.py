"""postmap and postalias beside Debian's: the same sources and words, the same
text and exit status; and each reads the files that the other wrote."""
import os
import shutil
import subprocess

from instance import PATIENCE, SBIN, Failed, Instance, equal, main
from postfix_peer import lay_over_usr, unpacked

ODD = r"""# comment
plain value
UPPER Mixed Value
spaced     many   words   in  it
tabbed	value	with	tabs
continued one
  two
	three
# between

  four
"quoted key" value
"quoted \"inner\" key" value
partly"quo ted"key value
unbalanced"key value
novalue
last: looks like an alias
plain second
upper third
user@example.org	x@example.com, y@example.net
@example.org catch@example.com
.example.org sub
192.0.2.1 address
key   value with trailing blanks   
émile è
empty ""
back\slash va\lue
"""

ALIASES = r"""# aliases
root: admin
Postmaster:	root
list: a@example.org,   b@example.com ,c
 d@example.net
"quoted name": target
cmd: "|/bin/true a  b", x
inc: :include:/tmp/x
file: /var/mail/x
novalue:
no colon here
double: one
Double: two
owner-list: admin
bad"quote: x
: nothing
spaces   : value
"""

# What is run in a folder with the sources, in order. What must be equal: r:
# exit status, o: standard output, e: standard error; s: o, lines sorted.
TYPES = ("hash", "btree", "lmdb", "cdb")
LINES = [
    ("postmap T:odd", "re", None),
    ("postmap -s T:odd", "rs", None),
    ("postmap -q plain T:odd", "roe", None),
    ("postmap -q PLAIN T:odd", "roe", None),
    ("postmap -fq PLAIN T:odd", "roe", None),
    ("postmap -q nothing T:odd", "roe", None),
    ("postmap -q - T:odd", "roe", "plain\nnothing\nUSER@example.org\n\nx y\n"),
    ("postmap -q - T:odd", "roe", "nothing\n"),
    ("postmap -q - T:odd", "roe", ""),
    ("postmap -r T:odd", "re", None),
    ("postmap -q plain T:odd", "ro", None),
    ("postmap -w T:odd", "re", None),
    ("postmap -q plain T:odd", "ro", None),
    ("postmap -f T:odd", "re", None),
    ("postmap -fq UPPER T:odd", "ro", None),
    ("postmap -n T:odd", "re", None),
    ("postmap -q plain T:odd", "ro", None),
    ("postmap -N T:odd", "re", None),
    ("postmap -q plain T:odd", "ro", None),
    ("postmap -o -p T:odd", "re", None),
    ("postmap T:missing", "re", None),
    ("postmap -q x T:missing", "re", None),
    ("postmap -s T:missing", "re", None),
    ("postmap -i T:odd", "re", "added value\nPLAIN again\nbad\n\n two\n"),
    ("postmap -q added T:odd", "ro", None),
    ("postmap -ir T:odd", "re", "plain replaced\n"),
    ("postmap -q plain T:odd", "ro", None),
    ("postmap -d plain T:odd", "re", None),
    ("postmap -d plain T:odd", "re", None),
    ("postmap -q plain T:odd", "ro", None),
    ("postmap -d - T:odd", "re", "UPPER\nnothing\n"),
    ("postmap -d - T:odd", "re", "nothing\n"),
    ("postmap -s T:odd", "rs", None),
    ("postmap -F T:files", "re", None),
    ("postmap -F -q one T:files", "ro", None),
    ("postmap -q one T:files", "ro", None),
    ("postmap -F -s T:files", "rs", None),
    ("postmap -q x -s T:odd", "re", None),
    ("postmap -q x -d y T:odd", "re", None),
    ("postmap T:odd T:files", "re", None),
    ("postmap -q plain T:files T:odd", "ro", None),
    ("postalias T:aliases", "re", None),
    ("postalias -q root T:aliases", "roe", None),
    ("postalias -q ROOT T:aliases", "roe", None),
    ("postalias -q 'quoted name' T:aliases", "roe", None),
    ("postalias -q - T:aliases", "roe", "root\nx\nlist\ncmd\ndouble\n"),
    ("postalias -q spaces T:aliases", "roe", None),
    ("postalias -q @ T:aliases", "roe", None),
    ("postalias -s T:aliases", "rs", None),
    ("postalias -r T:aliases", "re", None),
    ("postalias -q double T:aliases", "ro", None),
    ("postalias -i T:aliases", "re", "new: value\nbad\n"),
    ("postalias -q new T:aliases", "ro", None),
    ("postalias -d new T:aliases", "re", None),
    ("postalias -d new T:aliases", "re", None),
]
# Without a type's name in them.
OTHERS = [
    ("postmap nosuch:odd", "re", None),
    ("postmap -q x nosuch:odd", "re", None),
    ("postmap texthash:odd", "re", None),
    ("postmap -q plain texthash:odd", "ro", None),
    ("postmap -q x static:a", "roe", None),
    ("postmap -s static:a", "re", None),
    ("postmap -q x fail:a", "re", None),
    ("postmap -q 192.0.2.1 cidr:cidr", "ro", None),
    ("postmap -q abc regexp:regexp", "ro", None),
    ("postmap -d x static:a", "re", None),
    ("postmap -i static:a", "re", "a b\n"),
    ("postmap -q - regexp:regexp", "ro", "abc\nb\nxyz\n"),
    ("postmap -h -q - regexp:header", "ro", "MESSAGE"),
    ("postmap -b -q - regexp:header", "ro", "MESSAGE"),
    ("postmap -hb -q - regexp:header", "ro", "MESSAGE"),
    ("postmap -hm -q - regexp:header", "ro", "MESSAGE"),
    ("postmap -bm -q - regexp:header", "ro", "MESSAGE"),
    ("postmap -hbm -q - regexp:header", "ro", "MESSAGE"),
]
MESSAGE = """Subject: one
 two
To: a@example.org
Content-Type: multipart/mixed; boundary="b"

before
--b
Content-Type: text/plain
X-Part: one

text one
X-Part: body
--b
Content-Type: message/rfc822

Subject: inner
X-Inner: yes

inner text
--b--
after
"""
FILES = {
    "odd": ODD, "aliases": ALIASES,
    "files": "one part1, part2\ntwo part1\n",
    "part1": "first\n", "part2": "second\n",
    "cidr": "192.0.2.0/24 net\n", "regexp": "/^a(.*)/ <$1>\n/b/ has b\n",
    "header": "/^(Subject|X-[A-Za-z]+|Content-Type): *(.*)/ H $1\n"
              "/text|before|after/ B\n",
}
# Ours has its own words, or does more; each with its reason.
KNOWN = {
    # Debian's names a package of its own.
    ("postmap nosuch:odd", "e"),
    # Theirs names a function.
    ("postmap -i cdb:odd", "e"), ("postmap -d plain cdb:odd", "e"),
    # Postfix lists cdb since 3.10.
    ("postmap -s cdb:odd", "r"), ("postmap -s cdb:odd", "s"),
}
# All of LINES for hash:; the rest of its kinds writes and reads alike.
FEW = [line for line in LINES if line[0] in (
    "postmap T:odd", "postmap -s T:odd", "postmap -q plain T:odd",
    "postmap -r T:odd", "postmap -n T:odd", "postmap -i T:odd",
    "postmap -d plain T:odd", "postalias T:aliases",
    "postalias -q 'quoted name' T:aliases")]


def make_folder(folder):
    os.makedirs(folder, exist_ok=True)
    for name, text in FILES.items():
        with open(folder + "/" + name, "w") as handle:
            handle.write(text)
        os.chmod(folder + "/" + name, 0o640 if name == "odd" else 0o644)


def configure(folder, theirs):
    os.makedirs(folder + "/conf", exist_ok=True)
    with open(folder + "/conf/main.cf", "w") as handle:
        handle.write("compatibility_level = 3.6\nmyhostname = "
                     "mail.example.org\nlmdb_map_size = 1048576\n")
        if theirs:
            handle.write("meta_directory = %s/conf\nshlib_directory = "
                         "/usr/lib/postfix\nmail_owner = postfix\n" % folder)
    for name in ("master.cf", "dynamicmaps.cf"):
        with open(folder + "/conf/" + name, "w") as handle:
            if name == "dynamicmaps.cf" and theirs:
                for kind in ("lmdb", "cdb"):
                    handle.write("%s\tpostfix-%s.so\tdict_%s_open\t"
                                 "mkmap_%s_open\n" % ((kind,) * 4))


def outcome(bin, folder, line, input):
    import shlex
    words = shlex.split(line)
    name = words[0]
    words[0] = bin + "/" + name
    env = dict(os.environ, MAIL_CONFIG=folder + "/conf", LC_ALL="C")
    done = subprocess.run(words, env=env, cwd=folder,
                          input=(MESSAGE if input == "MESSAGE" else
                                 input or "").encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=PATIENCE)

    def text(octets):
        return octets.decode("utf-8", "replace").replace(folder, "F")
    # what 3.7 says when it leaves out a line has these words since 3.8
    done.stderr = done.stderr.replace(b" -- ignoring this line", b"")
    out = text(done.stdout)
    rows = [row for row in out.splitlines(True)
            if not row.startswith("YP_LAST_MODIFIED")]
    return {"r": done.returncode, "o": "".join(rows), "s": sorted(rows),
            "e": text(done.stderr).replace(bin + "/", "")}


def compare(lines, ours, theirs):
    wrong = []
    for line, parts, input in lines:
        a = outcome("/usr/sbin", theirs, line, input)
        b = outcome(SBIN, ours, line, input)
        wrong += ["%s: %s: theirs %r, ours %r" % (line, part, a[part], b[part])
                  for part in parts
                  if a[part] != b[part] and (line, part) not in KNOWN]
    return wrong


def both(mta):
    lay_over_usr("postfix", "postfix-lmdb", "postfix-cdb",
                 found="/usr/lib/postfix/postfix-lmdb.so")
    ours, theirs = mta.path("ours"), mta.path("theirs")
    for folder in (ours, theirs):
        make_folder(folder)
        configure(folder, folder == theirs)
    return ours, theirs


def test_the_same_words():
    with Instance() as mta:
        ours, theirs = both(mta)
        wrong = compare(OTHERS, ours, theirs)
        for kind in TYPES:
            for folder in (ours, theirs):
                make_folder(folder)
            wrong += compare([(line.replace("T:", kind + ":"), parts, input)
                              for line, parts, input in
                              (LINES if kind == "hash" else FEW)],
                             ours, theirs)
        if wrong:
            raise Failed("\n".join(wrong))


def test_each_reads_the_other():
    suffixes = {"hash": "db", "btree": "db", "lmdb": "lmdb", "cdb": "cdb"}
    with Instance() as mta:
        ours, theirs = both(mta)
        for kind in TYPES:
            for line in ("postmap %s:odd", "postmap -n %s:files",
                         "postalias %s:aliases"):
                outcome("/usr/sbin", theirs, line % kind, None)
                outcome(SBIN, ours, line % kind, None)
            for name in ("odd", "files", "aliases"):
                a, b = ["%s/%s.%s" % (folder, name, suffixes[kind])
                        for folder in (ours, theirs)]
                equal(os.stat(a).st_mode & 0o777, os.stat(b).st_mode & 0o777)
                shutil.move(a, a + ".x")
                shutil.move(b, a)
                shutil.move(a + ".x", b)
            for key, name in (("plain", "odd"), ("one", "files"),
                              ("root", "aliases"), ("novalue", "odd")):
                line = "postmap -q %s %s:%s" % (key, kind, name)
                a = outcome("/usr/sbin", theirs, line, None)
                b = outcome(SBIN, ours, line, None)
                equal((line, a["r"], a["o"]), (line, b["r"], b["o"]))


if __name__ == "__main__":
    main(globals())
