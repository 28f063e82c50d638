#!/usr/bin/env python3
"""Holds the tree to its own laws. Each finding is `file:line: what is wrong and what to do`.

  tidy.py ROOT [--glass build/release/glass]

The laws stand at the top of this file, as tables. tidy_test.py proves that each check finds what it should.
"""
import argparse
import fnmatch
import re
import subprocess
import sys
from bisect import bisect_right
from pathlib import Path

# --- The laws -------------------------------------------------------------------------------------------------------

# The rooms, from the ground up. A file may include its own room and any room on a line above, never one on the same
# line or below.
ROOM_ORDER = [
    ["base"],
    ["trace"],
    ["wire"],
    ["skb"],
    ["net"],
    ["dev"],
    ["driver", "ip"],
    ["udp", "tcp"],
    ["socket"],
    ["stack"],
    ["async"],
    ["runtime", "sim"],
    ["view"],
    ["drill"],
    ["cli"],
]

# Rooms that may include less than the order above would allow.
ONLY_THESE_ROOMS = {"wire": ["base"]}

# (room, room it includes): the only headers of the second that the first may see.
ONLY_THESE_HEADERS = {
    ("udp", "ip"): ["ip/ip.h"],
    ("tcp", "ip"): ["ip/ip.h"],
}

# Rooms that may read the clock, draw entropy and make system calls.
SYSTEM_ROOMS = {"driver", "runtime", "watch", "run", "cli"}

SYSTEM_HEADERS = {
    "arpa/inet.h", "condition_variable", "csignal", "fcntl.h", "future", "ifaddrs.h", "mutex", "net/if.h",
    "netdb.h", "netinet/in.h", "poll.h", "pthread.h", "sched.h", "shared_mutex", "signal.h", "spawn.h", "sys/epoll.h",
    "sys/eventfd.h", "sys/ioctl.h", "sys/mman.h", "sys/random.h", "sys/select.h", "sys/socket.h", "sys/stat.h",
    "sys/syscall.h", "sys/time.h", "sys/timerfd.h", "sys/wait.h", "thread", "time.h", "unistd.h",
}
SYSTEM_WORDS = r"(?:system|steady|high_resolution|utc|tai|gps|file)_clock|random_device|clock_gettime|gettimeofday|" \
               r"timespec_get|getrandom|getentropy|nanosleep|usleep|sleep_for|sleep_until"
# These are ordinary words too, so only a plain call counts: not x.time(), not Other::time(), not a declaration.
SYSTEM_CALLS = r"time|clock|rand|srand|random|srandom|drand48|sleep"
# Names the stack has functions for as well, so only a call with a bare `::` in front is the system's.
SOCKET_CALLS = r"socket|bind|listen|accept4?|connect|shutdown|send|sendto|sendmsg|recv|recvfrom|recvmsg|poll|select|" \
               r"read|write|open|close|ioctl|getsockopt|setsockopt|getsockname|getpeername"

MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 900

# Rooms in which a packet passed by value has to be given to an end before a bare `return;`.
PACKET_ROOMS = {"ip", "udp", "tcp", "dev"}
# What counts as giving it away, on the line of the `return;` or up to three lines before.
PACKET_ENDS = r"std::move\s*\(|consume_skb\s*\(|kfree_skb"
# The trailing comment by which a `return;` says that the packet lives on elsewhere.
KEEPS = "// keeps"

REASONS = "src/trace/drop_reasons.inc"
COUNTERS = "src/trace/counters.inc"
SYSCTLS = "src/net/sysctls.inc"

# Texts whose names of files, sysctls, counters, tests and functions have to be the tree's.
NAMING_DOCS = ["docs/ARCHITECTURE.md", "docs/drill.md", "docs/tcp.md"]
DOC_ROOTS = "bench|docs|scripts|src|tests"
# The index of a room: header whose opening comment names every file of its folder.
INDEXES = {"src/tcp/": "src/tcp/tcp_internal.h"}

# Reasons that no DROP(...) names, each with why that is right.
REASONS_WITHOUT_PLACE = {
}

# (check, path): why this file is excused from this check. An entry that excuses nothing is an error of its own.
EXCUSED = {
    ("system", "src/net/uapi.h"): "the one door to the C library's socket constants; it declares calls but makes none",
    ("system", "src/base/ip_address_test.cc"): "compares with the C library's inet_pton, a pure function",
}

# Marks and places that have no business in the tree. Split, so that this file obeys its own law.
FORBIDDEN_TEXT = [
    (r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b", "a mark for later; do it now, or write an issue"),
    (r"(?<![\w.])/(?:work|farm|root)" r"/", "a path of one machine; say it relative to the tree"),
]
TEXT_SUFFIXES = {".cc", ".h", ".inc", ".c", ".py", ".sh", ".md", ".txt", ".cmake", ".json", ".yml", ".yaml", ".pkt",
                 ".toml", ".html", ".js", ".css", ".scn", ".tsv", ".csv", ""}
SKIPPED_FOLDERS = {".git", "build", "__pycache__"}

# --- Reading C++ ----------------------------------------------------------------------------------------------------

TOKENS = re.compile(
    r'(?P<raw>R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")'
    r'|(?P<line>//(?:\\\n|[^\n])*)'
    r'|(?P<block>/\*.*?\*/)'
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<char>(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+')",
    re.DOTALL)
PREPROCESSOR = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_only(text):
    """The text without comments, literals' contents and preprocessor lines; every line keeps its number."""
    def one(match):
        token = match.group(0)
        if match.lastgroup in ("line", "block"):
            return blank(token)
        return token[0] + blank(token[1:-1]) + token[-1] if len(token) > 1 else token
    return PREPROCESSOR.sub(lambda m: blank(m.group(0)), TOKENS.sub(one, text))


class Function:
    def __init__(self, head, first, last, body):
        self.head, self.first, self.last, self.body = head, first, last, body  # lines count from 1


SCOPE_HEAD = re.compile(r"^(?:template\s*<.*>\s*)?(?:inline\s+|static\s+|constexpr\s+|typedef\s+|export\s+)*"
                        r"(?:namespace|class|struct|union|enum|extern)\b", re.DOTALL)
FUNCTION_TAIL = re.compile(r"\)\s*(?:const|noexcept(?:\s*\([^()]*\))?|override|final|mutable|volatile|try|&&?|"
                           r"->[^;{}]*|requires[^;{}]*|\s)*$", re.DOTALL)
NOISE_IN_HEAD = re.compile(r"alignas\s*\([^()]*\)|\[\[.*?\]\]|__attribute__\s*\(\(.*?\)\)|\b(?:public|private|protected)\s*:"
                           r"|requires\s*\([^{};]*?\)(?=\s*\w)", re.DOTALL)


def functions(code):
    """The outermost functions of code_only() text, and whether its braces balance.

    Outside functions a `{` opens a scope (namespace, class), a function (its head ends in a parameter list), or an
    initialiser, which is passed over."""
    found, line_starts = [], [0] + [m.end() for m in re.finditer("\n", code)]
    line_of = lambda at: bisect_right(line_starts, at)
    head, depth, at = [], 0, 0
    while at < len(code):
        c = code[at]
        if c in ";}":
            depth -= c == "}"
            head = []
        elif c != "{":
            head.append(c)
        else:
            text = NOISE_IN_HEAD.sub(" ", "".join(head)).strip()
            end = matching(code, at)
            if end is None:
                return found, False
            if SCOPE_HEAD.match(text) and not FUNCTION_TAIL.search(text):
                depth += 1
                head = []
            elif FUNCTION_TAIL.search(text) and "=" != text[-1:]:
                found.append(Function(text, line_of(at), line_of(end), code[at:end + 1]))
                head, at = [], end
            else:
                head.append("()")
                at = end
        at += 1
    return found, depth == 0


def matching(code, at):
    """Where the brace at `at` is closed."""
    depth = 0
    for match in re.compile("[{}]").finditer(code, at):
        depth += 1 if match.group(0) == "{" else -1
        if depth == 0:
            return match.start()
    return None


class Source:
    """One C++ file of src/."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.code = code_only(text)
        self.lines = text.split("\n")
        parts = path.split("/")
        self.room = parts[1] if len(parts) > 2 else ""
        self.is_test = bool(re.search(r"(?:^|/)(?:test_[^/]*|[^/]*_test)\.(?:cc|h)$", path))

    def includes(self):
        """(line, name, whether in quotes), of those not commented out."""
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', self.text, re.MULTILINE):
            yield self.text.count("\n", 0, match.start()) + 1, match.group(2), match.group(1) == '"'

    def line_at(self, offset):
        return self.code.count("\n", 0, offset) + 1


# --- The checks: each takes the tree and yields (path, line, sentence) -------------------------------------------------

def check_includes(tree):
    """Who includes whom. Tests may include anything: they are programs over the whole library."""
    rank = {room: i for i, line in enumerate(ROOM_ORDER) for room in line}
    for source in tree.sources:
        if source.room not in rank:
            yield source.path, 1, f"room '{source.room}' is not in ROOM_ORDER; give it its place in tests/tidy/tidy.py"
            continue
        for line, name, quoted in source.includes() if not source.is_test else ():
            other = name.split("/")[0]
            if not quoted or "/" not in name or other == source.room:
                continue
            if other not in rank:
                yield source.path, line, f'"{name}" is in no room of src/; include by room, as in "base/seq.h"'
            elif other not in ONLY_THESE_ROOMS.get(source.room, rank):
                allowed = ", ".join(ONLY_THESE_ROOMS[source.room])
                yield source.path, line, f"{source.room} may include only {allowed}; move what you need from {other} there"
            elif rank[other] >= rank[source.room]:
                yield source.path, line, (f"{source.room} may not include {other} (an include goes only towards base); "
                                          f"let {other} call in through an interface, or join the two in stack")
            elif name not in ONLY_THESE_HEADERS.get((source.room, other), [name]):
                allowed = ", ".join(ONLY_THESE_HEADERS[(source.room, other)])
                yield source.path, line, f"{source.room} sees {other} only through {allowed}; put what you need there"


def check_function_length(tree):
    for source in tree.sources:
        found, balanced = functions(source.code)
        if not balanced:
            yield source.path, 1, "the braces of this file cannot be followed; an #if around half a block? Restructure it"
        for f in found:
            length = f.last - f.first + 1
            if length > MAX_FUNCTION_LINES:
                name = re.search(r"([\w:~]+)\s*\(", f.head)
                yield source.path, f.first, (f"{name.group(1) if name else 'a function'} has {length} lines, more than "
                                             f"{MAX_FUNCTION_LINES}; split it into named steps")


def check_file_length(tree):
    for source in tree.sources:
        count = source.text.count("\n")
        if count > MAX_FILE_LINES:
            yield source.path, count, f"{count} lines, more than {MAX_FILE_LINES}; split the file by idea"


def check_system(tree):
    """No clock, entropy, thread or system call outside the rooms made for them."""
    words = re.compile(rf"\b(?:{SYSTEM_WORDS})\b")
    calls = re.compile(rf"\b(?:{SYSTEM_CALLS})\s*\(")
    sockets = re.compile(rf"::\s*(?:{SOCKET_CALLS})\s*\(")
    for source in tree.sources:
        if source.room in SYSTEM_ROOMS:
            continue
        for line, name, quoted in source.includes():
            if not quoted and name in SYSTEM_HEADERS:
                yield source.path, line, (f"<{name}> makes system calls or threads possible, which only driver, runtime and "
                                          "cli may use; take what it gives as an argument, or a constant of the stack's own")
        for match in words.finditer(source.code):
            yield source.path, source.line_at(match.start()), (f"{match.group(0)}: time and entropy come in as arguments "
                                                               "here; use the `now` or the Rng that was passed")
        for match in sockets.finditer(source.code):
            if is_plain_call(just_before(source.code, match)):
                yield source.path, source.line_at(match.start()), (f"{match.group(0)}): a system call, which only driver, "
                                                                   "runtime and cli may make; let it in by an interface")
        for match in calls.finditer(source.code):
            if is_plain_call(just_before(source.code, match)):
                yield source.path, source.line_at(match.start()), (f"{match.group(0)}): time and entropy come in as "
                                                                   "arguments here; use the `now` or the Rng that was passed")


def just_before(code, match):
    return code[max(0, match.start() - 100):match.start()]


def is_plain_call(before):
    """Whether a name after this text is called as a free function of the C library (or of std), rather than a member, a
    function of another scope, or a declaration."""
    before = before.rstrip()
    before = re.sub(r"(?:\bstd\s*|(?<![\w>]))::$", "", before).rstrip()
    if before.endswith((".", "->", "::", "~", "&", "*")):
        return False
    word = re.search(r"(\w+|>)$", before)
    return word is None or word.group(1) in ("return", "co_return", "co_await", "else", "do", "case")


def check_reasons(tree):
    """Every row of the reasons has a place, and every place a row."""
    rows = tree.rows(REASONS, "REASON")
    places = {}
    for source in tree.sources:
        for match in re.finditer(r"\bDROP\s*\(\s*([A-Z]\w*)\s*\)", source.code):
            if not source.is_test:
                places.setdefault(match.group(1), (source.path, source.line_at(match.start())))
    seen = {}
    for line, (name, *_) in rows:
        if name in seen:
            yield REASONS, line, f"{name} has a row already, on line {seen[name]}; keep one"
        seen.setdefault(name, line)
        if name not in places and name not in REASONS_WITHOUT_PLACE:
            yield REASONS, line, f"no DROP({name}) in src/; use it at the place where such packets end, or remove the row"
        elif name in places and name in REASONS_WITHOUT_PLACE:
            yield REASONS, line, f"{name} has a place now; remove it from REASONS_WITHOUT_PLACE in tests/tidy/tidy.py"
    for name, (path, line) in places.items():
        if name not in seen:
            yield path, line, f"DROP({name}) names no row of {REASONS}; add the row, or use a reason that exists"


def check_counters(tree):
    """A counter exists once, and the reasons name only counters that exist."""
    seen = {}
    for line, (group, field, *_) in tree.rows(COUNTERS, "COUNTER"):
        name = group + field
        if name in seen:
            yield COUNTERS, line, f"{name} exists already, on line {seen[name]}; keep one"
        seen.setdefault(name, line)
    for line, fields in tree.rows(REASONS, "REASON"):
        for name in re.split(r"[,\s]+", fields[1].strip('"')) if len(fields) > 1 else ():
            if name and name not in seen:
                yield REASONS, line, f"{fields[0]} names the counter {name}, which {COUNTERS} does not have; add or correct it"


def check_text(tree):
    for path, text in tree.texts:
        for pattern, why in FORBIDDEN_TEXT:
            for match in re.finditer(pattern, text):
                yield path, text.count("\n", 0, match.start()) + 1, f"'{match.group(0)}' is {why}"


def check_silent_returns(tree):
    """A function that owns a packet does not leave by a bare `return;` without having given the packet away."""
    for source in tree.sources:
        if source.room not in PACKET_ROOMS or source.is_test:
            continue
        for f in functions(source.code)[0]:
            packet = re.search(r"\bSkb\s+(\w+)\s*[,)=]|\bSkb\s*(?=[,)])", f.head)
            if not packet:
                continue
            body, name = f.body.split("\n"), packet.group(1) or "skb"
            given = re.compile(rf"{PACKET_ENDS}|!\s*{name}\b")
            for i, text in enumerate(body):
                line = f.first + i
                if re.search(r"\breturn\s*;", text) and KEEPS not in source.lines[line - 1] and \
                        not given.search("\n".join(body[max(0, i - 3):i + 1])):
                    yield source.path, line, (f"`return;` while {name} may still be held: end it with kfree_skb_reason or "
                                              f"consume_skb, or end the line with `{KEEPS} ...` and say where it lives on")


def check_subcommands(tree):
    """Every subcommand answers --help with an example."""
    main_file = "src/cli"
    if not tree.glass:
        tree.notes.append("not checked: the subcommands' help, since this build has no command `glass`")
        return
    code, out = run(tree.glass, "--help")
    if code != 0:
        yield main_file, 1, f"`glass --help` ends with {code} instead of 0: {out.strip()[:200]}"
        return
    names = subcommands(out)
    if not names:
        yield main_file, 1, "`glass --help` lists no subcommands; they have to be found there"
    for name in names:
        code, out = run(tree.glass, name, "--help")
        if code != 0:
            yield main_file, 1, f"`glass {name} --help` ends with {code} instead of 0: {out.strip()[:200]}"
        elif not re.search(r"\bExamples?\b", out):
            yield main_file, 1, f"`glass {name} --help` shows no example; add a footer that begins with 'Example:'"


def subcommands(help_text):
    """The subcommands that a CLI11 help text lists: its indented names outside Options and Positionals."""
    names, section = [], ""
    for line in help_text.splitlines():
        if line and not line[0].isspace():
            section = line.rstrip(": ").lower()
        entry = re.match(r"  ([a-z][\w-]*)(?:\s|$)", line)
        if entry and section not in ("positionals", "options", "usage") and \
                not section.startswith(("usage", "example")) and entry.group(1) not in names:
            names.append(entry.group(1))
    return names


def run(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, str(error)


class Names:
    """What a document may name."""

    def __init__(self, tree):
        self.paths = set(tree.files)
        self.folders = {path[:i] for path in self.paths for i, c in enumerate(path) if c == "/"}
        self.ends = {path[i + 1:] for path in self.paths for i, c in enumerate(path) if c == "/"} | self.paths
        rows = [fields for _, fields in tree.rows(COUNTERS, "COUNTER")]
        self.counters = {group + field for group, field, *_ in rows}
        self.groups = "|".join(sorted({row[0] for row in rows}, key=len, reverse=True)) or "-"
        self.sysctls = set(re.findall(r'^SYSCTL\w*\(\w+, "([\w.]+)"', tree.files.get(SYSCTLS, ""), re.MULTILINE))
        self.tests, self.words = set(), set()
        for path, text in tree.texts:
            if path.endswith(".cc"):
                self.tests.update(".".join(m) for m in re.findall(r"\bTEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\s*\)", text))
            if path.startswith("src/") and path.endswith((".cc", ".h", ".inc")):
                self.words.update(re.findall(r"\w+", text))

    def is_path(self, path):
        if "*" in path:
            return any(fnmatch.fnmatchcase(other, path) for other in self.ends)
        return path.rstrip("/") in self.paths | self.folders

    def complaint(self, name):
        """What is wrong with a word in backticks; None if nothing is, or if it is no name."""
        if re.match(rf"(?:{DOC_ROOTS})/|net\.", name):
            return None  # looked at wherever it stands
        if re.fullmatch(rf"(?:{self.groups})[A-Z]\w+", name):
            return None if name in self.counters | self.words else f"{name} is no counter of {COUNTERS}"
        if re.fullmatch(r"[\w*/-][\w.*/-]*\.(?:cc|h|inc|pkt|py|tsv)", name):
            return None if name in self.ends or self.is_path(name) else f"no file of the tree is called {name}"
        if re.fullmatch(r"[A-Z]\w+\.[A-Z]\w+", name):
            return None if name in self.tests else f"there is no test {name}"
        if re.fullmatch(r"\w+_\w+(?:\(\))?", name):
            return None if name.removesuffix("()") in self.words | self.ends else f"{name} occurs nowhere in src/"
        return None


def check_doc_names(tree):
    """What the documents name exists: a document that the tree has left behind is worse than none."""
    names = Names(tree)
    for doc in NAMING_DOCS:
        text = tree.files.get(doc, "")
        line_of = lambda match: text.count("\n", 0, match.start()) + 1
        for match in re.finditer(rf"(?<![\w./-])(?:{DOC_ROOTS})/[\w.*/-]*[\w*/]", text):
            if not names.is_path(match.group(0)):
                yield doc, line_of(match), f"{match.group(0)} is not in the tree; correct the path"
        for match in re.finditer(r"\bnet\.(?:ipv4|core)\.[\w.]*\w", text):
            if match.group(0) not in names.sysctls:
                yield doc, line_of(match), f"{match.group(0)} is no sysctl of {SYSCTLS}; correct the name"
        for match in re.finditer(r"`([^`\n]+)`", text):
            if wrong := names.complaint(match.group(1)):
                yield doc, line_of(match), f"{wrong}; correct the name"


def check_indexes(tree):
    """The opening comment of an index names every file beside it."""
    for folder, index in INDEXES.items():
        if index not in tree.files:
            continue
        head = re.match(r"(?://[^\n]*\n)*", tree.files[index]).group(0)
        named = set(re.findall(r"\b\w+\.(?:cc|h)\b", head))
        here = {source.path[len(folder):] for source in tree.sources
                if source.path.startswith(folder) and "/" not in source.path[len(folder):] and not source.is_test}
        for name in sorted(here):
            if name.endswith(".cc") and name not in named:
                yield index, 1, f"{name} is missing in the index; add what it does in a few words"
        for name in sorted(named - here):
            yield index, 1, f"the index names {name}, which is not beside it; correct the name or take it out"


CHECKS = {
    "includes": check_includes,
    "function-length": check_function_length,
    "file-length": check_file_length,
    "system": check_system,
    "reasons": check_reasons,
    "counters": check_counters,
    "text": check_text,
    "doc-names": check_doc_names,
    "indexes": check_indexes,
    "silent-return": check_silent_returns,
    "subcommands": check_subcommands,
}

# --- The tree ---------------------------------------------------------------------------------------------------------


class Tree:
    """What the checks look at: path -> text, paths relative to the root with `/`."""

    def __init__(self, files, glass=None):
        self.glass = glass
        self.files = files
        self.texts = sorted(files.items())
        self.sources = [Source(path, text) for path, text in self.texts
                        if path.startswith("src/") and path.endswith((".cc", ".h"))]
        self.notes = []

    def rows(self, path, macro):
        """(line, arguments) of each `MACRO(...)` row of a table."""
        text = self.files.get(path, "")
        rows = []
        for match in re.finditer(rf"^{macro}\(", text, re.MULTILINE):
            arguments = re.compile(r'\s*("(?:\\.|[^"\\])*"|[^,()"]+)\s*([,)])')
            fields, at, stop = [], match.end(), ","
            while stop == "," and (argument := arguments.match(text, at)):
                fields.append(argument.group(1).strip())
                at, stop = argument.end(), argument.group(2)
            rows.append((text.count("\n", 0, match.start()) + 1, fields))
        return rows


def read_tree(root):
    files = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if SKIPPED_FOLDERS.intersection(relative.parts) or path.is_symlink() or not path.is_file() or \
                path.suffix not in TEXT_SUFFIXES:
            continue
        try:
            files[relative.as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text
    return files


def findings(tree, excused=None):
    """(check, path, line, sentence) of everything that breaks a law and is not excused."""
    excused = EXCUSED if excused is None else excused
    used = set()
    for name, check in CHECKS.items():
        for path, line, sentence in check(tree):
            if (name, path) in excused:
                used.add((name, path))
            else:
                yield name, path, line, sentence
    for name, path in sorted(set(excused) - used):
        yield "excused", path, 1, f"is excused from '{name}' and need not be any more; remove it from EXCUSED"


def main():
    parser = argparse.ArgumentParser(description="Holds the tree to its own laws.")
    parser.add_argument("root", type=Path)
    parser.add_argument("--glass", help="the built command, to look at its subcommands")
    arguments = parser.parse_args()
    tree = Tree(read_tree(arguments.root.resolve()), arguments.glass)
    count = 0
    for name, path, line, sentence in findings(tree):
        print(f"{path}:{line}: {sentence} [{name}]")
        count += 1
    for note in tree.notes:
        print(note)
    print(f"tidy: {len(tree.sources)} sources, {len(CHECKS)} checks, {count} findings")
    return 1 if count or not tree.sources else 0


if __name__ == "__main__":
    sys.exit(main())
