"""Mutants made by rule: orders weakened, F_MORE not asked, what is put back or handed over not."""
import difflib
import re

from weft_mutants import patches, watchers

# Files whose orders the explorer of interleavings looks at.
ORDERED = ("src/reactor/inbox.c", "src/runtime/post.c", "src/runtime/stats.c", "src/task/future.c",
           "src/task/future.h", "src/task/wake.h")
WEAKER = {"seq_cst": ["acq_rel"], "acq_rel": ["acquire", "release"], "acquire": ["relaxed"],
          "release": ["relaxed"]}
ORDER = re.compile(r"(memory_order_|__ATOMIC_)(seq_cst|acq_rel|acquire|release)\b", re.I)
UNNAMED = re.compile(r"\batomic_(load|fetch_add|fetch_sub)\(([^()]*)\)")
MORE = re.compile(r"\b(?:\w+->)?flags & WEFT__CQE_MORE")
ATTRIBUTE = re.compile(r"__attribute__\(\(.*?\)\)\s*")
LAYERS = ("base", "coro", "reactor", "task", "sync", "io", "runtime")
# What gives back, hands over, lets go or wakes, as a statement of its own.
GIVES = """
    bindings_put buffer_free buffers_give dump_end entry_grant entry_leave fd_close_end
    fd_forget fd_leave fd_table_put fd_use_end fd_watch_end free future_put gate_leave hold_end
    hold_put host_close inbox_release inbox_visit_end lock_give object_exit object_leave
    op_cancel process_free process_leave ready_release roll_leave row_grant scope_cancel
    scope_close slice_end stack_give task_cancel task_release use_close use_end waiters_leave
    waiters_put waiters_wake watches_cancel watches_end
    """.split()
CALL = re.compile(r"^(\s+)(\w+ = |\(void\))?weft__?(" + "|".join(GIVES) + r")\([^;]*\);")


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
        result = called[2] if called[2] and "=" in called[2] else ""
        instead = f"{result}0;" if result else "{}"
        yield "no-" + called[3], called[1] + instead + line[called.end():]


def in_file(root, name, unwatched):
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
            watching, build = watchers.of(name, title)
            if not watching:
                unwatched.append(title)
                continue
            yield patches.Mutant(title, [name], "".join(difflib.unified_diff(
                lines, changed, "a/" + name, "b/" + name)), f"by rule: {what}", watching, name,
                build=build)


def mutants(root):
    expected = patches.survivors(root)
    names = sorted(str(path.relative_to(root)) for layer in LAYERS
                   for path in (root / "src" / layer).glob("*.[ch]"))
    unwatched = []
    made = [m for name in names for m in in_file(root, name, unwatched)]
    print(f"by rule: {len(made)}, and {len(unwatched)} that nobody watches")
    for mutant in made:
        mutant.survives = expected.get(mutant.name, "")
    return made
