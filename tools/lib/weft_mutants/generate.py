"""Mutants made by rule: orders weakened, F_MORE not asked, what is put back or handed over not."""
import difflib
import re

from weft_mutants import patches

# Who may know each file; the first that fails is enough. A file that is not here is nobody's.
WATCHERS = {
    "src/reactor/inbox.c": r"model/explore/quick",
    "src/runtime/post.c": r"model/explore/quick",
    "src/task/future.c": r"model/explore/quick",
    "src/task/wake.h": r"model/explore/quick",
    "src/reactor/reactor.c": r"unit/runtime/bell_again",
    "src/reactor/reactor.h": r"unit/reactor/op|api-sim/net_(echo|cancel)",
    "src/task/operation.c":
        r"unit/task/inside|cancel-sim/race_operation|api-sim/net_(bad|cancel|echo)",
    "src/io/stream.c": r"api-sim/stream_(calls|busy|echo)|unit/io/(poison|stream_pool)",
    "src/io/stream_read.c": r"unit/io/stream_direct|api-sim/stream_(calls|echo)",
    "src/io/stream_receive.c": r"unit/io/stream_(direct|pool)|api-sim/stream_(calls|busy|echo)",
    "src/io/stream_give.c": r"api-sim/stream_(give|calls)",
    "src/io/accept.c": r"unit/io/accept(_full)?|api-sim/net_accept",
    "src/io/close.c": r"unit/io/fd|api-sim/net_cancel",
    "src/io/fd.c": r"unit/io/(fd|accept)",
    "src/sync/barrier.c": r"fuzz/calm|api-sim/sync_barrier",
    "src/sync/condition.c": r"fuzz/calm|api-sim/sync_condition",
}
ORDERED = ("src/reactor/inbox.c", "src/runtime/post.c", "src/task/future.c", "src/task/wake.h")
WEAKER = {"seq_cst": ["acq_rel"], "acq_rel": ["acquire", "release"], "acquire": ["relaxed"],
          "release": ["relaxed"]}
ORDER = re.compile(r"(memory_order_|__ATOMIC_)(seq_cst|acq_rel|acquire|release)\b", re.I)
UNNAMED = re.compile(r"\batomic_(load|fetch_add|fetch_sub)\(([^()]*)\)")
MORE = re.compile(r"\b(?:\w+->)?flags & WEFT__CQE_MORE")
ATTRIBUTE = re.compile(r"__attribute__\(\(.*?\)\)\s*")
# What gives back, hands over, or lets go: as a statement of its own.
GIVES = ("weft__buffers_give", "weft__host_close", "weft__op_cancel", "weft__entry_grant",
         "weft__row_grant", "weft__object_exit", "weft__object_leave", "weft__hold_end",
         "weft__lock_give")
CALL = re.compile(r"^(\s+)(result = )?(" + "|".join(GIVES) + r")\([^;]*\);")


def weaker_orders(line):
    """(what, the line with it) for each order in the line made weaker."""
    for found in ORDER.finditer(line):
        for order in WEAKER[found[2].lower()]:
            spelled = order.upper() if found[1].startswith("__") else order
            yield f"{found[2].lower()}-to-{order}", \
                line[:found.start(2)] + spelled + line[found.end(2):]
    for found in UNNAMED.finditer(line):
        order = "acquire" if found[1] == "load" else "acq_rel"
        yield f"{found[1]}-to-{order}", \
            (line[:found.start()] + f"atomic_{found[1]}_explicit({found[2]}, memory_order_{order})"
             + line[found.end():])


def changes(name, line):
    if name in ORDERED:
        yield from weaker_orders(line)
    for found in MORE.finditer(line):
        yield "never-more", line[:found.start()] + "0" + line[found.end():]
        yield "always-more", line[:found.start()] + "1" + line[found.end():]
    called = CALL.match(line)
    if called:
        instead = f"{called[2]}0;" if called[2] else "{}"
        yield "no-" + called[3].removeprefix("weft_").lstrip("_"), \
            called[1] + instead + line[called.end():]


def in_file(root, name):
    lines = (root / name).read_text().splitlines(keepends=True)
    function, seen = "", {}
    for number, line in enumerate(lines):
        if line.startswith("{"):
            before = next(l for l in reversed(lines[:number]) if re.match(r"\w", l))
            function = re.search(r"(\w+)\(", ATTRIBUTE.sub("", before))[1]
        for what, instead in changes(name, line):
            title = f"{name.removeprefix('src/')}:{function}:{what}"
            seen[title] = seen.get(title, 0) + 1
            if seen[title] > 1:
                title += f":{seen[title]}"
            changed = lines[:number] + [instead] + lines[number + 1:]
            yield patches.Mutant(title, [name], "".join(difflib.unified_diff(
                lines, changed, "a/" + name, "b/" + name)), f"by rule: {what}", WATCHERS[name],
                name)


def mutants(root):
    expected = patches.survivors(root)
    made = [m for name in sorted(WATCHERS) if (root / name).exists() for m in in_file(root, name)]
    for mutant in made:
        mutant.survives = expected.get(mutant.name, "")
    return made
