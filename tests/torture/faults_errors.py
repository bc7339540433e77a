"""Which calls may fail, and how: rows of ERRORS; and the faults of a scenario
in a fixed order."""
import errno
from collections import defaultdict

from faults_lab import Fault, KIND_NAMES, JUMP, END, SHORT

STORM = 8  # calls in a row that say EAGAIN
DAY = 86400
MOST = 400  # indices of one call, evenly spread beyond that


class Error:
    def __init__(self, name, number=None, repeat=1, jump_s=0):
        self.name, self.repeat, self.jump_s = name, repeat, jump_s
        self.number = number or getattr(errno, name)


NAMED = {
    "short": Error("short", SHORT), "end": Error("end", END),
    "storm": Error("EAGAIN", errno.EAGAIN, STORM),
    "tomorrow": Error("tomorrow", JUMP, jump_s=DAY),
    "yesterday": Error("yesterday", JUMP, jump_s=-DAY),
    "1971": Error("1971", JUMP, jump_s=-55 * 365 * DAY),
}
NONE, FILE, STREAM, PACKET, OTHER, PIPE = range(6)


def errors(words):
    return [NAMED.get(word) or Error(word) for word in words.split()]


# What may happen to a call: (call, kind of descriptor, errors). "Other" are
# signals, events and timers. An `open` of
# kind FILE is one that makes a file.
ERRORS = {(call, kind): errors(words) for call, kind, words in (
    ("write", FILE, "ENOSPC EIO short"),
    ("write", STREAM, "ECONNRESET storm short"),
    ("write", PACKET, "ECONNRESET storm"),
    ("write", PIPE, "storm short"),
    ("writev", PIPE, "storm short"),
    ("read", PIPE, "storm"),
    ("pwrite", FILE, "ENOSPC EIO short"),
    ("writev", FILE, "ENOSPC EIO short"),
    ("writev", STREAM, "ECONNRESET storm short"),
    ("read", FILE, "EIO"),
    ("read", STREAM, "ECONNRESET storm end"),
    ("read", PACKET, "ECONNRESET storm"),
    ("read", OTHER, "storm"),
    ("pread", FILE, "EIO"),
    ("send", STREAM, "ECONNRESET storm short"),
    ("send", PACKET, "ECONNRESET storm ENOBUFS"),
    ("recv", STREAM, "ECONNRESET storm end"),
    ("recv", PACKET, "ECONNRESET storm end"),
    ("accept", STREAM, "ECONNABORTED EMFILE ENFILE storm"),
    ("accept", PACKET, "ECONNABORTED EMFILE"),
    ("connect", STREAM, "ECONNREFUSED ETIMEDOUT EAGAIN"),
    ("connect", PACKET, "ECONNREFUSED EAGAIN"),
    ("socket", NONE, "EMFILE ENOBUFS"),
    ("socketpair", NONE, "EMFILE"),
    ("fsync", FILE, "EIO ENOSPC"),
    ("fsync", OTHER, "EIO"),
    ("fsync", NONE, "EIO"),
    ("open", NONE, "EMFILE EACCES"),
    ("open", FILE, "EMFILE EACCES ENOSPC"),
    ("opendir", NONE, "EMFILE EACCES"),
    ("rename", FILE, "EXDEV ENOSPC EIO"),
    ("link", FILE, "EXDEV ENOSPC EIO"),
    ("unlink", FILE, "EIO"),
    ("mkdir", FILE, "ENOSPC EACCES"),
    ("truncate", FILE, "ENOSPC EIO"),
    ("flock", FILE, "ENOLCK"),
    ("fcntl", FILE, "EAGAIN"),
    ("fcntl", STREAM, "EMFILE"),
    ("fcntl", PACKET, "EMFILE"),
    ("times", FILE, "EIO"),
    ("times", NONE, "EIO"),
    ("pipe", NONE, "EMFILE"),
    ("memfd", NONE, "EMFILE"),
    ("epoll", NONE, "EMFILE"),
    ("poll", STREAM, "ENOMEM"),
    ("poll", PACKET, "ENOMEM"),
    ("poll", OTHER, "ENOMEM"),
    ("fork", NONE, "EAGAIN"),
    ("thread", NONE, "EAGAIN"),
    ("mmap", NONE, "ENOMEM"),
    ("malloc", NONE, "ENOMEM"),
    ("clock", NONE, "tomorrow yesterday 1971"),
)}

# What goes on failing, from some call on, until it is mended: (name, whose,
# calls, kinds, errors). "all": of every program but postlogd.
LASTING = (
    ("space", "all", "write pwrite writev truncate open mkdir rename link",
     (FILE,), "ENOSPC"),
    ("flushes", "all", "fsync", (NONE, FILE, OTHER), "EIO"),
    ("descriptors", None, "open opendir socket socketpair accept pipe memfd "
     "epoll", (NONE, FILE, STREAM, PACKET), "EMFILE"),
    ("memory", None, "malloc mmap", (NONE,), "ENOMEM"),
    ("forks", None, "fork thread", (NONE,), "EAGAIN"),
)
# How many of the first calls a lasting fault may begin at.
LASTING_MOST = 12


def single(program, counts, calls, names, start):
    """A fault at each call of a program, once each."""
    for (name, call, kind), number in sorted(counts.items()):
        if name != program[:8] or (call, kind) not in ERRORS or (
                calls and call not in calls):
            continue
        word = call + ("/" + KIND_NAMES[kind] if kind else "")
        for error in ERRORS[call, kind]:
            if not names or error.name in names:
                yield from (Fault(program, word, (call,), (kind,), error, at)
                            for at in indices(start, number))


def indices(start, number):
    step = max(1, (number - start) // MOST)
    return range(start, number, step)


def lasting(programs, counts, calls, names):
    """What fails until it is mended, from each of the first calls on."""
    for row in LASTING:
        if calls and row[0] not in calls:
            continue
        for program in ("all",) if row[1] else programs:
            number = sum(count for (name, call, kind), count in counts.items()
                         if (row[1] or name == program[:8]) and
                         call in row[2].split() and kind in row[3])
            for error in errors(row[4]):
                if not names or error.name in names:
                    yield from (
                        Fault(program, row[0], row[2].split(), row[3], error,
                              at, lasting=True)
                        for at in range(min(number, LASTING_MOST)))


def sample(rows, most):
    """At most `most` rows, always the same: of each program, call and error
    the first, then some further ones, evenly spread."""
    if not most or len(rows) <= most:
        return rows
    groups = defaultdict(list)
    for row in rows:
        groups[row.program, row.name, row.error.name].append(row)
    left, chosen = most, []
    for at, group in enumerate(sorted(groups.values(), key=len)):
        number = min(len(group), max(1, left // (len(groups) - at)))
        chosen += [group[n * len(group) // number] for n in range(number)]
        left -= number
    return [chosen[n * len(chosen) // most] for n in range(most)] \
        if len(chosen) > most else chosen
