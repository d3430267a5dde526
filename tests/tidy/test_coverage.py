"""Catches a tools/coverage that lets something pass: a line or a branch that nothing executes and
nobody has argued, an entry of the list that is needless or of nothing, numbers that are too low, a
build in which nothing ran or whose sources have changed since.

A tree of one source is compiled and run; tools/coverage is asked of that run.
"""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

HALF = """int half(int n)
{
    if (n < 0)
        return -1;
    return n / 2;
}
"""
BOTH = "int both(int n)\n{\n" + "    if (n) n += 2;\n" * 20 + "    return n;\n}\n"
PLAIN = "".join(f"int plain_{i}(void) {{ return {i}; }}\n" for i in range(60))
CALLS = "both(0); both(1);" + "".join(f"plain_{i}();" for i in range(60))
MAIN = "int main(void) { half(4); %s return 0; }\n"


class Tree:
    """src/base/half.c, its list, and what `calls` have executed of it."""

    def __init__(self, folder, entries, calls=CALLS, half=HALF):
        self.root = folder
        self.build = folder / "build" / "coverage"
        self.objects = self.build / "src" / "CMakeFiles" / "weft_above.dir" / "base"
        for path in "src/base", "tests", "tools/lib", self.objects:
            (folder / path).mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "coverage", folder / "tools")
        shutil.copy(ROOT / "tools" / "lib" / "coverage_data.py", folder / "tools" / "lib")
        self.source = folder / "src" / "base" / "half.c"
        self.source.write_text(half + BOTH + PLAIN + MAIN % calls)
        (folder / "tests" / "coverage.txt").write_text(entries)
        self.compile()

    def compile(self):
        compiler = ["gcc", "--coverage", "-O0", "-w"]
        subprocess.run([*compiler, "-c", self.source, "-o", self.objects / "half.c.o"],
                       check=True, cwd=self.objects)
        program = self.build / "program"
        subprocess.run([*compiler, self.objects / "half.c.o", "-o", program], check=True)
        subprocess.run([program], check=True)

    def ask(self, *options):
        """What tools/coverage says of the run, and its exit code."""
        answer = subprocess.run([self.root / "tools" / "coverage", "--report", *options],
                                capture_output=True, text=True)
        return answer.stdout + answer.stderr, answer.returncode


LISTED = "src/base/half.c\n    half: nobody halves less than nothing\n"


class Coverage(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def tree(self, entries, **of):
        return Tree(self.folder, entries, **of)

    def test_all_that_is_missing_is_argued(self):
        said, code = self.tree(LISTED).ask()
        self.assertEqual(code, 0, said)
        self.assertIn("no places to look at", said)

    def test_a_line_and_a_branch_that_nobody_argued(self):
        tree = self.tree("")
        said, code = tree.ask()
        self.assertEqual(code, 1, said)
        self.assertIn("src/base/half.c:3: half: 1 of 2 branches not taken: if (n < 0)", said)
        self.assertIn("src/base/half.c:4: half: not executed: return -1;", said)
        said, _ = tree.ask("--entries")
        entries = "    half [if (n < 0)]: why\n    half [return -1;]: why\n"
        self.assertIn(f"src/base/half.c\n{entries}", said)

    def test_words_excuse_the_line_they_stand_in(self):
        said, code = self.tree("src/base/half.c\n    half [n < 0]: why not\n").ask()
        self.assertEqual(code, 1, said)
        self.assertNotIn("half.c:3", said)
        self.assertIn("half.c:4", said)

    def test_lines_that_move_stay_argued(self):
        said, code = self.tree(LISTED, half="/*\n * More\n * before.\n */\n" + HALF).ask()
        self.assertEqual(code, 0, said)

    def test_a_needless_entry(self):
        said, code = self.tree(LISTED + "    plain_1: why not\n").ask()
        self.assertEqual(code, 1, said)
        self.assertIn("coverage.txt:3: excuses plain_1 of src/base/half.c, where nothing", said)

    def test_what_is_executed_in_some_runs(self):
        said, code = self.tree(LISTED + "    plain_1 ~: as threads meet\n").ask()
        self.assertEqual(code, 0, said)

    def test_entries_of_nothing(self):
        gone = ("    plain_1 [no such words] ~: why not\n    gone ~: why not\n"
                "src/base/gone.c\n    * ~: why\n")
        said, code = self.tree(LISTED + gone).ask()
        self.assertEqual(code, 1, said)
        for number in 3, 4, 6:
            self.assertIn(f"coverage.txt:{number}: excuses", said)
        self.assertEqual(said.count("there is no such line"), 3)

    def test_a_build_named_from_here(self):
        tree = self.tree(LISTED)
        said, code = tree.ask("--build", os.path.relpath(tree.build))
        self.assertEqual(code, 0, said)

    def test_the_numbers_alone(self):
        said, code = self.tree("").ask("--numbers")
        self.assertEqual(code, 0, said)
        self.assertNotIn("places to look at", said)

    def test_too_few_lines(self):
        tree = self.tree(LISTED, calls="both(0); both(1); plain_1();")
        for options in (), ("--numbers",):
            self.assertEqual(tree.ask(*options)[1], 1)

    def test_too_few_branches(self):
        tree = self.tree(LISTED, calls=CALLS.replace("both(1);", ""))
        for options in (), ("--numbers",):
            self.assertEqual(tree.ask(*options)[1], 1)

    def test_nothing_ran(self):
        tree = self.tree(LISTED)
        for data in tree.build.rglob("*.gcda"):
            data.unlink()
        self.assertEqual(tree.ask()[1], 2)

    def test_a_source_that_has_changed_since(self):
        tree = self.tree(LISTED)
        later = time.time() + 100
        os.utime(tree.source, (later, later))
        said, code = tree.ask()
        self.assertEqual(code, 2, said)
        self.assertIn("has changed since", said)


if __name__ == "__main__":
    unittest.main()
