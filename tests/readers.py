#!/usr/bin/python3
"""Which programs read which parameter, from the source and the objects of a
build. lib/config/readers.def says so for postconf(5) and `postconf --readers`;
this test says whether it is still true, and whether somebody reads each
parameter that is marked DONE.

Usage: tests/readers [--update] [build folder]

A program reads a parameter if one of the objects that it consists of was
compiled from a file that names it: as a member of struct conf, in a table of
parameters, or as a string of its own. Objects of the library count if the
linker takes them. Rows of smtp/settings.def stand for two names, the end of a
transport's parameter for all of them; who reads a parameter reads those that
stand in its default.
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = TOP + "/lib/config/readers.def"
# What lib/config knows of parameters, what postconf shows for a row, and what
# `posthorn check sandbox` tries in each daemon, is no use of them.
NO_USE = ("lib/config/params.def", "lib/config/ranges.def",
          "lib/config/readers.def", "lib/config/readers.c",
          "lib/config/params.c",
          "lib/config/findings.c", "lib/config/load.c",
          "commands/postconf_show.c",
          "lib/sandbox/probe.c", "lib/sandbox/probe_acts.c",
          "lib/ipc/messages.def")
# A command that opens tables is linked with what could ask a daemon.
DAEMONS_ONLY = r"lib/service/(service|clients|peers|channel|options|stand)"
# Members of other structs than struct conf, which may have the same names.
OTHERS = r"(?<!conf)(?<!conf\))(?<!primary)(?:->|\.)\s*\w+"
# Nobody but $name in main.cf has a use for these.
VALUES_ONLY = ("mail_release_date",)
# Of the transports that have parameters of their own.
TRANSPORTS = ("local", "relay", "smtp", "lmtp", "virtual")
HEAD = """/*
 * config/readers.def - which programs read which parameter. Made by
 * tests/readers --update; `make check` tells when it is out of date.
 *
 * READERS(name, "programs")   "all": every program; "daemons": every daemon;
 *                             rows that nobody reads are left out
 */

/* clang-format off */
"""


def text_of(path):
    with open(path, encoding="utf-8") as handle:
        return handle.read()


def programs():
    """Name of each program that is installed -> its source files."""
    makefile = ""
    for folder, _, files in os.walk(TOP):
        if "Makefile.inc" in files and "/build" not in folder:
            makefile += text_of(folder + "/Makefile.inc") + "\n"
    makefile = re.sub(r"\\\n", " ", makefile)
    values = dict(re.findall(r"(?m)^(\w+) *= *(.*)$", makefile))
    for _ in range(3):  # $(name), and names within names
        makefile = re.sub(r"\$\((\w+)\)",
                          lambda m: values.get(m.group(1), ""), makefile)
    sources = {name: words.split() for name, words in re.findall(
        r"(?m)^(\w+)_SOURCES *\+?= *(.*)$", makefile)}
    found = {}
    for words in re.findall(
            r"(?m)^(?:daemon|sbin|bin|command)_PROGRAMS *\+?= *(.*)$",
            makefile):
        for name in words.split():
            files = sources.get(re.sub(r"\W", "_", name), [name + ".c"])
            if not name.startswith("modules/"):  # they see no configuration
                found[name] = [file for file in files if file.endswith(".c")]
    return found


def symbols(objects):
    """For each object: what it defines, and what it wants."""
    text = subprocess.run(["nm", "-A", *objects], stdout=subprocess.PIPE,
                          check=True).stdout.decode()
    defined, wanted = {}, {}
    for line in text.splitlines():
        where, kind, name = re.match(
            r"(.*?):[0-9a-f ]+ (\w) (\S+)", line).groups()
        if kind in "Uw" or kind.isupper():  # others are its own
            (wanted if kind in "Uw" else defined).setdefault(
                where, set()).add(name)
    return defined, wanted


class Source:
    def __init__(self, all_rows):
        self.rows = all_rows
        self.seen = {}

    def reads(self, path):
        """Parameters that the file names, with the tables it includes."""
        if path in self.seen:
            return self.seen[path]
        self.seen[path] = found = set()
        if path in NO_USE or not os.path.exists(TOP + "/" + path):
            return found
        text = re.sub(r"(?s)/\*.*?\*/", " ", text_of(TOP + "/" + path))
        for file in re.findall(r'#include "([^"]+\.def)"', text):
            for folder in ("", "lib/"):
                found |= self.reads(folder + file)
        text = re.sub(r"(?m)^#include.*$", "", text)
        # a '"' begins no string
        text = re.sub(r"'(\\.|[^'\\\n])'", "''", text)
        strings = set(re.findall(r'"(\w+)"', text))
        named(found, strings, self.rows)
        found |= strings & set(self.rows)
        text = re.sub(r'"(\\.|[^"\\])*"', '""', text)
        words = set(re.findall(r"\w+", re.sub(OTHERS, " ", text)))
        if path == "smtp/settings.def":
            for name in re.findall(r"(?m)^(?:SETTING|REFUSED)\((\w+),", text):
                words |= {"smtp_" + name, "lmtp_" + name}
            for name in re.findall(r"(?m)^SETTING_SMTP\((\w+),", text):
                words.add("smtp_" + name)
        found |= words & set(self.rows)
        return found


def c_name(name):
    """2bounce_notice_recipient is p2bounce_notice_recipient in C."""
    return "p" + name if name[0].isdigit() else name


def rows():
    """Name in C -> default and mark of each row of params.def."""
    return {name: (value, mark) for name, value, mark in re.findall(
        r"(?m)^PARAM\((\w+), \w+, (.*), (\w+),$",
        text_of(TOP + "/lib/config/params.def"))}


def named(found, words, all_rows):
    """Rows that the words of a file stand for."""
    for word in words:
        pattern = "transport_" + word
        if pattern in all_rows and all_rows[pattern][0].startswith('"$'):
            found.add(pattern)
            found |= {name for name in ("%s_%s" % (transport, word)
                                        for transport in TRANSPORTS)
                      if name in all_rows}


def add_defaults(found, all_rows):
    """Who reads a parameter reads what its default is made of."""
    changed = True
    while changed:
        changed = False
        for name, (value, _) in all_rows.items():
            for inner in re.findall(r"\$[{(]?(\w+)", value):
                inner = c_name(inner)
                if inner not in all_rows or name not in found:
                    continue
                before = len(found.setdefault(inner, set()))
                found[inner] |= found[name]
                changed = changed or len(found[inner]) > before


# Of two forms of a file the one that tests/readers asks for is in the library;
# a test may have built the other.
OTHER_FORMS = r"lib/maps/(db_lmdb|cdb_none)\.o$"


def readers(build):
    """Name of each parameter -> programs that read it."""
    library = [os.path.relpath(os.path.join(folder, name), build)
               for folder, _, files in os.walk(build + "/lib")
               for name in files if name.endswith(".o") and
               not re.search(r"_(test|fuzz|bench|cost|man)\.o$", name)]
    library = [path for path in library if not re.search(OTHER_FORMS, path)]
    own = programs()
    os.chdir(build)
    objects = {file[:-2] + ".o" for files in own.values() for file in files}
    defined, wanted = symbols(sorted(set(library) | objects))
    where = {name: path for path in library
             for name in defined.get(path, ())}
    source = Source(rows())
    found = {}
    for program, files in own.items():
        todo, taken = [file[:-2] + ".o" for file in files], set()
        is_daemon = any("service_main" in wanted.get(path, ())
                        for path in todo)
        while todo:
            path = todo.pop()
            if path in taken or (not is_daemon and
                                 re.match(DAEMONS_ONLY, path)):
                continue
            taken.add(path)
            todo += [where[name] for name in wanted.get(path, ())
                     if name in where]
        for path in taken:
            for name in source.reads(path[:-2] + ".c"):
                found.setdefault(name, set()).add(os.path.basename(program))
    add_defaults(found, rows())
    return found, own, wanted


def table(build):
    found, own, wanted = readers(build)
    everybody = {os.path.basename(name) for name in own}
    daemons = {os.path.basename(name) for name, files in own.items()
               if any("service_main" in wanted.get(file[:-2] + ".o", ())
                      for file in files)}
    out = HEAD
    for name in sorted(found):
        words = found[name]
        if words == everybody:
            words = {"all"}
        elif words >= daemons:
            words = (words - daemons) | {"daemons"}
        text = "READERS(%s, \"%s\")" % (name, " ".join(sorted(words)))
        out += text + "\n"
    return out + "/* clang-format on */\n", found


def check(build):
    text, found = table(build)
    if "--update" in sys.argv:
        with open(TABLE, "w", encoding="utf-8") as handle:
            handle.write(text)
    status = 0
    if not os.path.exists(TABLE) or text_of(TABLE) != text:
        import difflib
        print("\n".join(difflib.unified_diff(
            text_of(TABLE).splitlines(), text.splitlines(), "readers.def",
            "what is read", lineterm="", n=0)))
        print("lib/config/readers.def is out of date: tests/readers --update")
        status = 1
    for name, (_, mark) in sorted(rows().items()):
        if mark == "DONE" and name not in found and name not in VALUES_ONLY:
            print("%s is marked DONE, and nobody reads it" % name)
            status = 1
    print("%d parameters are read by somebody" % len(found))
    return status


if __name__ == "__main__":
    sys.exit(check(os.path.abspath(
        ([word for word in sys.argv[1:] if word[0] != "-"] or ["."])[0])))
