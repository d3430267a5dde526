"""The copy of the tree on which a mutant is applied, built and tested, and put right again."""
import filecmp
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

BASELINE_S = 200
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

    def run(self, name, limit, case=""):
        command, folder = self.commands[name]
        environment = os.environ | ONE_IS_ENOUGH | self.environments.get(name, {})
        if case:
            environment["CK_RUN_CASE"] = case
        return output_of(command, folder, environment, limit)


class Copy:
    """A copy of the tree and its builds, one for each preset that a mutant asks for."""

    def __init__(self, root, place, limit):
        self.root, self.place, self.limit = root, place, limit
        self.tree = place / "tree"
        self.builds, self.took = {}, {}
        self._copy()

    def _files(self):
        listed = subprocess.run(["git", "-C", self.root, "ls-files", "-z", "--cached", "--others",
                                 "--exclude-standard"], capture_output=True, text=True)
        names = listed.stdout.split("\0") if listed.returncode == 0 else [
            str(path.relative_to(self.root)) for path in self.root.rglob("*")
            if path.relative_to(self.root).parts[0] not in (".git", "build")]
        return {name for name in names if name and (self.root / name).is_file()}

    def _copy(self):
        """Only what differs is written, with the time of now: what was built of it is old then."""
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

    def _tests(self, preset):
        if preset not in self.builds:
            build = self.place / preset
            code, said = output_of(
                ["cmake", "--preset", preset, "-B", str(build), "-DWEFT_WERROR=OFF",
                 "-DWEFT_BENCHES=OFF", "-DWEFT_EXAMPLES=OFF"], self.tree)
            if code != 0:
                raise Trouble(f"cmake --preset {preset} failed:\n{said[-SAID:]}")
            self.builds[preset] = Tests(build)
        return self.builds[preset]

    def _make(self, tests, names):
        return output_of(["ninja", "-C", str(tests.build), *tests.targets(names)], self.tree)

    def _baseline(self, tests, names, case):
        """What one of the tests said that fails on the tree as it is, or nothing. Each once."""
        todo = [n for n in names if (tests.build, n, case) not in self.took]
        if not todo:
            return ""
        code, said = self._make(tests, todo)
        if code != 0:
            raise Trouble(f"the tree does not compile:\n{said[-SAID:]}")
        for name in todo:
            began = time.monotonic()
            code, said = tests.run(name, BASELINE_S, case)
            if code != 0:
                return f"{name}: {said[-SAID:]}"
            self.took[tests.build, name, case] = time.monotonic() - began
        return ""

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
        verdict, how, test, said = self._try(mutant)
        return {"mutant": mutant.name, "files": mutant.files, "breaks": mutant.breaks,
                "verdict": verdict, "how": how, "test": test, "said": said[-SAID:],
                "expected": mutant.survives, "seconds": round(time.monotonic() - began, 1)}

    def _try(self, mutant):
        tests = self._tests(mutant.build)
        names = tests.named(mutant.killed_by)
        if not names:
            return "no test", "", "", f"no test's name is like {mutant.killed_by}"
        if said := self._baseline(tests, names, mutant.case):
            return "fails without it", "", "", said
        code, said = self._apply(mutant)
        if code != 0:
            return "does not apply", "", "", said
        try:
            code, said = self._make(tests, names)
            if code != 0:
                return "does not compile", "", "", said
            return self._judge(mutant, tests, names)
        finally:
            self._restore(mutant)

    def _judge(self, mutant, tests, names):
        for name in names:
            limit = max(self.limit, 5 * self.took[tests.build, name, mutant.case])
            code, said = tests.run(name, limit, mutant.case)
            if code != 0:
                verdict = "killed after all" if mutant.survives else "killed"
                return verdict, how_killed(name, code, said), name, said
        if mutant.survives:
            return "survived, as due", "", "", mutant.survives
        return "survived", "", "", ""
