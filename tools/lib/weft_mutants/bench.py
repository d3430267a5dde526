"""Where a mutant is built and tested: one build of the tree as it is, that all share and none
changes, and for each worker a copy of the sources in which the mutant is applied. Of that only what
differs is compiled and linked, into a folder of the worker's own."""
import contextlib
import filecmp
import functools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

from weft_mutants import steps

BASELINE_S = 200
TIMES = 3            # that tests are run before a mutant has survived: some notice by a race
ONE_IS_ENOUGH = {"WEFT_FUZZ_AS_IT_IS": "1"}  # what fails is not made smaller
SAID = 700           # characters of what a tool said that are repeated


class Trouble(Exception):
    """What keeps the run from saying anything."""


def output_of(command, cwd, env=None, limit=None):
    """(exit code, what it printed); the code is None when the time was over. Check passes a SIGTERM
    on to its cases, which are in process groups of their own."""
    process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", start_new_session=True)
    try:
        said, _ = process.communicate(timeout=limit)
        return process.returncode, said
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        said, _ = process.communicate(timeout=3)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):  # what holds the pipe is in another group
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()
        said = ""
    return None, said


# How a test noticed, by what it printed at the beginning of a line; the first that fits. A failed
# assertion is what is left. docs/decisions/0062 says what each of them is.
WAYS = (
    ("model", re.compile(r"\bscenario\b.*\n?.*(violat|wrong|race|fail)", re.I)),
    ("sanitizer", re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")),
    ("kernel", re.compile(r"^weft-sim: ", re.M)),
    ("invariant", re.compile(r"^an invariant of reactor ", re.M)),
    ("accounting", re.compile(
        r": the case began with |"
        r" failing left \d+ allocations, |"
        r"^A LAW IS BROKEN: \d+ (descriptors|blocks of memory) are left", re.M)),
    ("model", re.compile(r"^(A LAW IS BROKEN|the model says otherwise): ", re.M)),
    ("fatal", re.compile(r"^weft: (?!.*misuse)", re.M)),
    ("hang", re.compile(r"Test timeout expired")),
    ("crash", re.compile(r"Received signal|Early exit")),
)


def how_killed(test, code, said):
    if test.startswith("model/"):
        return "model"
    if code is None:
        return "hang"
    for name, pattern in WAYS[1:]:
        if pattern.search(said):
            return name
    return "crash" if code < 0 else "assertion"


class Tests:
    """What CTest knows of a build: each test's command, target, folder and environment."""

    LINE = re.compile(r'^add_test\(\[=\[(.*?)\]=\] (.*)\)$')
    ENVIRONMENT = re.compile(r'^set_tests_properties\(\[=\[(.*?)\]=\].* ENVIRONMENT "(.*?)" ')

    def __init__(self, build):
        self.commands, self.environments = {}, {}
        for path in sorted(build.rglob("CTestTestfile.cmake")):
            for line in path.read_text().splitlines():
                if found := self.LINE.match(line):
                    words = re.findall(r'"((?:[^"\\]|\\.)*)"', found[2])
                    self.commands[found[1]] = (words, path.parent)
                elif found := self.ENVIRONMENT.match(line):
                    self.environments[found[1]] = dict(
                        pair.split("=", 1) for pair in found[2].split(";") if "=" in pair)
        self.build = build

    def named(self, expression):
        """Those the expression matches whole, in the order of its alternatives."""
        names = [n for n in self.commands if re.fullmatch(expression, n)]
        parts = expression.split("|") if "(" not in expression else [expression]
        return sorted(names, key=lambda n: next((i for i, part in enumerate(parts)
                                                 if re.fullmatch(part, n)), 0))

    def targets(self, names):
        """What to build: the programs of this build among the words of the commands."""
        programs = {word for name in names for word in self.commands[name][0]
                    if pathlib.Path(word).is_relative_to(self.build)}
        return sorted(str(pathlib.Path(p).relative_to(self.build)) for p in programs)

    @functools.cache
    def bytes_of(self, target):
        program = self.build / target
        return program.read_bytes() if program.exists() else b""

    def unknown(self, mutant):
        """What the mutant counts on and this build has not: a test, or a case of one; or None."""
        expression = mutant.killed_by
        for part in [expression] if "(" in expression else expression.split("|"):
            if not self.named(part):
                return f"no test is called {part}"
        if not mutant.case:
            return None
        name = mutant.case.encode() + b"\0"
        if not any(name in self.bytes_of(target)
                   for target in self.targets(self.named(expression))):
            return f"no case of {mutant.killed_by} is called {mutant.case}"
        return None

    def run(self, name, limit, case, made=None):
        """With the programs of `made`, a steps.Made, in place of those of the build."""
        command, folder = self.commands[name]
        environment = os.environ | ONE_IS_ENOUGH | self.environments.get(name, {})
        if case:
            environment["CK_RUN_CASE"] = case
        if made:
            command = [made.instead(word) for word in command]
            environment |= made.environment()
        return output_of(command, folder, environment, limit)


class Base:
    """The build of one preset of the tree as it is: made when it is first asked for."""

    def __init__(self, root, build, preset, wanted):
        self.root, self.build, self.preset, self.wanted = root, build, preset, wanted
        self.lock = threading.Lock()
        self.tests = self.steps = None
        self.took = {}

    def ready(self):
        with self.lock:
            if self.steps:
                return self
            if not (self.build / "build.ninja").exists():
                self._do("cmake", "--preset", self.preset, "-B", str(self.build),
                         "-DWEFT_WERROR=OFF", "-DWEFT_BENCHES=OFF", "-DWEFT_EXAMPLES=OFF")
            self.tests = Tests(self.build)
            targets = self.tests.targets({n for w in self.wanted for n in self.tests.named(w)})
            if targets:
                self._do("ninja", "-C", str(self.build), *targets)
                self.tests = Tests(self.build)  # cmake may have run again
            self.steps = steps.Steps(self.root, self.build)
            return self

    def _do(self, *command):
        code, said = output_of(list(command), self.root)
        if code != 0:
            raise Trouble(f"{' '.join(command[:3])} failed, the tree as it is:\n{said[-SAID:]}")

    def trouble(self, names, case):
        """What one of the tests said that fails on the tree as it is, or nothing. Each once."""
        for name in names:
            with self.lock:  # a time that another worker's test did not share
                if (name, case) in self.took:
                    continue
                began = time.monotonic()
                code, said = self.tests.run(name, BASELINE_S, case)
                if code != 0:
                    return f"{name}: {said[-SAID:]}"
                self.took[name, case] = time.monotonic() - began
        return ""


class Copy:
    """A worker's copy of the tree, where mutants are applied, and what it makes of them."""

    def __init__(self, root, place, limit, bases):
        self.root, self.place, self.limit, self.bases = root, place, limit, bases
        self.tree, self.out = place / "tree", place / "out"
        self._copy()

    def _files(self):
        listed = subprocess.run(["git", "-C", self.root, "ls-files", "-z", "--cached", "--others",
                                 "--exclude-standard"], capture_output=True, text=True)
        names = listed.stdout.split("\0") if listed.returncode == 0 else [
            str(path.relative_to(self.root)) for path in self.root.rglob("*")
            if path.relative_to(self.root).parts[0] not in (".git", "build")]
        return {name for name in names if name and (self.root / name).is_file()}

    def _copy(self):
        """Only what differs is written."""
        names = self._files()
        for path in list(self.tree.rglob("*")) if self.tree.exists() else []:
            if path.is_file() and str(path.relative_to(self.tree)) not in names:
                path.unlink()
        for name in names:
            ours, theirs = self.tree / name, self.root / name
            if not ours.exists() or not filecmp.cmp(theirs, ours, shallow=False):
                ours.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(theirs, ours)
                shutil.copymode(theirs, ours)

    def _apply(self, mutant):
        environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(self.place)}
        applied = subprocess.run(["git", "apply", "-C1", "-"], cwd=self.tree, env=environment,
                                 input=mutant.diff, capture_output=True, text=True)
        return applied.returncode, applied.stderr

    def _restore(self, mutant):
        for name in mutant.files:
            shutil.copyfile(self.root / name, self.tree / name)

    def try_mutant(self, mutant):
        began = time.monotonic()
        self.times = 1
        verdict, how, test, said = self._try(mutant)
        return {"mutant": mutant.name, "files": mutant.files, "breaks": mutant.breaks,
                "verdict": verdict, "how": how, "test": test, "said": said[-SAID:],
                "times": self.times, "expected": mutant.survives,
                "seconds": round(time.monotonic() - began, 1)}

    def _try(self, mutant):
        base = self.bases[mutant.build].ready()
        names = base.tests.named(mutant.killed_by)
        if not names:
            return "no test", "", "", f"no test's name is like {mutant.killed_by}"
        if said := base.trouble(names, mutant.case):
            return "fails without it", "", "", said
        code, said = self._apply(mutant)
        if code != 0:
            return "does not apply", "", "", said
        try:
            return self._judge(mutant, base, names)
        finally:
            self._restore(mutant)

    def _judge(self, mutant, base, names):
        made = steps.Made(base.steps, mutant.files, self.tree, self.out)
        for self.times in range(1, TIMES + 1):
            for name in names:
                if self.times == 1 and (said := self._make(made, base, name)):
                    return "does not compile", "", "", said
                limit = max(self.limit, 5 * base.took[name, mutant.case])
                code, said = base.tests.run(name, limit, mutant.case, made)
                if code != 0:
                    verdict = "killed after all" if mutant.survives else "killed"
                    return verdict, how_killed(name, code, said), name, said
        if mutant.survives:
            return "survived, as due", "", "", mutant.survives
        return "survived", "", "", ""

    @staticmethod
    def _make(made, base, name):
        """What a tool said that did not do its part, or nothing."""
        for command in made.commands(base.tests.targets([name])):
            code, said = output_of(["sh", "-c", command], base.build)
            if code != 0:
                return said or f"{command} failed"
        return ""
