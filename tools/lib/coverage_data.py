"""What gcov knows of a coverage build, and the list of what is excused: for tools/coverage.

A line counts once, however many functions or object files it is compiled into, and so does each of
its branches where all of them are shaped alike (an inline function in a header); else each shape by
itself. Branches are gcov's: two for each condition, as many as a switch has ways out.
"""
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess

LAYERS = ("base", "coro", "reactor", "task", "sync", "io", "runtime")


class Line:
    """One line of a source: how often it was executed, and each way out of it, by shape."""

    def __init__(self):
        self.function = None
        self.count = 0
        self.ways = {}  # (function, ways out, which of that size): how often each was taken

    def branches(self):
        return [count for counts in self.ways.values() for count in counts]

    def missed_branches(self):
        return sum(count == 0 for count in self.branches())

    def missed(self):
        return self.count == 0 or self.missed_branches() > 0


def notes(build):
    return sorted((build / "src" / "CMakeFiles" / "weft_above.dir").rglob("*.gcno"))


def forget(build):
    """What an earlier run has counted; of a source that has changed since, it would be nonsense."""
    for data in (build / "src").rglob("*.gcda"):
        data.unlink()


def ask_gcov(note):
    said = subprocess.run(
        ["gcov", "--stdout", "--json-format", "--branch-probabilities", str(note)],
        check=True, capture_output=True, text=True, cwd=note.parent)
    return [json.loads(text) for text in said.stdout.splitlines() if text.startswith("{")]


def layer_of(path, root):
    """The layer of a source of ours, else None."""
    try:
        parts = path.relative_to(root / "src").parts
    except ValueError:
        return None
    return parts[0] if parts[0] in LAYERS else None


class Stale(RuntimeError):
    """A source has changed since it was compiled: its lines are not where gcov says."""


def add(files, root, folder, report, compiled_at):
    for file in report["files"]:
        path = pathlib.Path(os.path.normpath(pathlib.Path(folder, file["file"])))
        if not layer_of(path, root) or not path.exists():  # gone, and its notes are still there
            continue
        if path.stat().st_mtime > compiled_at:
            raise Stale(f"{path.relative_to(root)} has changed since the run: tools/coverage again")
        lines = files[path.relative_to(root)]
        seen = collections.Counter()
        for entry in file["lines"]:
            line = lines[entry["line_number"]]
            line.function = line.function or entry.get("function_name")
            line.count += entry["count"]
            if entry["branches"]:
                shape = (entry.get("function_name"), len(entry["branches"]))
                key = shape + (seen[entry["line_number"], shape],)
                seen[entry["line_number"], shape] += 1
                counts = line.ways.setdefault(key, [0] * len(entry["branches"]))
                for i, branch in enumerate(entry["branches"]):
                    counts[i] += branch["count"]


def read(root, build):
    """{path of a source: {line number: Line}}"""
    files = collections.defaultdict(lambda: collections.defaultdict(Line))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for note, reports in zip(notes(build), pool.map(ask_gcov, notes(build))):
            for report in reports:
                add(files, root, report["current_working_directory"], report, note.stat().st_mtime)
    for path, lines in files.items():
        text = (root / path).read_text().splitlines()
        for number in [n for n in lines if "__builtin_unreachable()" in text[n - 1]]:
            del lines[number]
    return {path: dict(sorted(files[path].items())) for path in sorted(files)}


# --- what is excused -----------------------------------------------------------------------------


class Excuse:
    """`FUNCTION [words of the line]: why`, under the name of its file; `FUNCTION ~: why` of what is
    executed in some runs, as threads happen to meet."""

    form = re.compile(r"(?P<function>\w+|\*)(?: \[(?P<words>.*?)\](?= ~|: ))?(?P<sometimes> ~)?"
                      r": (?P<why>\S.*)")

    def __init__(self, path, match, number):
        self.path, self.number = path, number
        self.function, self.words = match["function"], match["words"]
        self.sometimes, self.why = bool(match["sometimes"]), match["why"]
        self.there = False  # such a line
        self.used = False  # it is not covered in full

    def name(self):
        return self.function + (f" [{self.words}]" if self.words else "")

    def covers(self, path, line, text):
        return (path == self.path and self.function in ("*", line.function) and
                (self.words is None or self.words in text))


def excuses(list_path):
    found, path = [], None
    for number, text in enumerate(list_path.read_text().splitlines(), 1):
        if not text.strip() or text.startswith("#"):
            continue
        if not text[0].isspace():
            path = pathlib.Path(text.strip())
            continue
        match = Excuse.form.fullmatch(text.strip())
        if not match or not path:
            if found and text.startswith("        "):  # goes on with the reason
                found[-1].why += " " + text.strip()
                continue
            raise ValueError(f"{list_path}:{number}: not an entry: {text.strip()}")
        found.append(Excuse(path, match, number))
    return found
