"""
tools/mutants, tested on a project of one function: it must tell a mutant that a test kills from one
that survives, does not apply, does not compile or hangs, and fail for each that is not killed.
Would catch a tool that takes everything for killed.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
PRESETS = {"version": 6, "configurePresets": [
    {"name": name.lower(), "generator": "Ninja", "cacheVariables": {"CMAKE_BUILD_TYPE": name}}
    for name in ("Release", "Debug")]}
BUILD = """cmake_minimum_required(VERSION 3.25)
project(x LANGUAGES C)
enable_testing()
add_executable(unit.x x.c test_x.c)
add_test(NAME unit/x COMMAND unit.x)
"""
SOURCE = """/* What it is. */
int weft_x(int n)
{
    while (n > 9)
        n -= 10;
    return n;
}
"""
TEST = """int weft_x(int n);

int main(void)
{
    return weft_x(12) == 2 ? 0 : 1;
}
"""
PATCH = """# breaks: the promise
# killed by: unit/x
--- a/x.c
+++ b/x.c
@@ -1,7 +1,7 @@
"""


def patch(before, after):
    """The mutant that makes one line of the source another."""
    return PATCH + "".join(f"-{line}\n+{after}\n" if line == before else f" {line}\n"
                           for line in SOURCE.splitlines())


class Project(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        for name, text in (("CMakePresets.json", json.dumps(PRESETS)), ("CMakeLists.txt", BUILD),
                           ("x.c", SOURCE), ("test_x.c", TEST)):
            (self.root / name).write_text(text)
        (self.root / "tests" / "mutants").mkdir(parents=True)

    def mutant(self, name, text):
        (self.root / "tests" / "mutants" / name).write_text(text)

    def run_tool(self, *arguments):
        result = subprocess.run([sys.executable, "-B", TOP / "tools" / "mutants", "--root",
                                 self.root, "--json", self.root / "out.json", *arguments],
                                capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr

    def verdicts(self):
        return {r["mutant"]: r["verdict"] for r in json.loads((self.root / "out.json").read_text())}

    def git(self, *arguments):
        subprocess.run(["git", "-C", self.root, "-c", "user.name=x", "-c", "user.email=x@x",
                        *arguments], check=True, capture_output=True)

    def test_a_wrong_result_is_killed(self):
        self.mutant("1-off.patch", patch("    return n;", "    return n + 1;"))
        code, said = self.run_tool()
        self.assertEqual((code, self.verdicts()), (0, {"1-off": "killed"}), said)

    def test_a_survivor_fails_the_run(self):
        self.mutant("1-comment.patch", patch("/* What it is. */", "/* What it was. */"))
        code, said = self.run_tool()
        self.assertEqual((code, self.verdicts()), (1, {"1-comment": "survived"}), said)
        self.mutant("survivors.txt", "1-comment: a comment\n    does nothing\n")
        code, said = self.run_tool()
        self.assertEqual((code, self.verdicts()), (0, {"1-comment": "survived, as due"}), said)

    def test_what_is_noticed_now_and_then_is_killed_and_told(self):
        seen = self.root / "seen"
        (self.root / "test_x.c").write_text(f"""#include <stdio.h>
int weft_x(int n);

/* Looks every other time, as if by a race. */
int main(void)
{{
    if (weft_x(12) == 2 || remove("{seen}") == 0)
        return weft_x(12) != 2;
    fclose(fopen("{seen}", "w"));
    return 0;
}}
""")
        self.mutant("1-off.patch", patch("    return n;", "    return n + 1;"))
        code, said = self.run_tool()
        self.assertEqual((code, self.verdicts()), (0, {"1-off": "killed"}), said)
        self.assertIn("not at the first time: 1-off, by unit/x at the 2.", said)

    def test_what_is_expected_to_survive_may_not_be_killed(self):
        self.mutant("1-off.patch", patch("    return n;", "    return n + 1;"))
        self.mutant("survivors.txt", "1-off: nobody looks\n")
        code, said = self.run_tool()
        self.assertEqual((code, self.verdicts()), (1, {"1-off": "killed after all"}), said)

    def test_what_cannot_be_tried_fails_the_run(self):
        wrong = patch("    return n;", "    return n + 1;")
        self.mutant("1-stale.patch", wrong.replace("-    return n;", "-    return k;"))
        self.mutant("2-text.patch", patch("    return n;", "    return m;"))
        self.mutant("3-nobody.patch", wrong.replace("unit/x", "unit/y"))
        code, said = self.run_tool()
        self.assertEqual((code, self.verdicts()), (1, {
            "1-stale": "does not apply", "2-text": "does not compile", "3-nobody": "no test"}),
            said)

    def test_names_that_are_gone_are_told(self):
        wrong = patch("    return n;", "    return n + 1;")
        self.mutant("1-off.patch", "# case: weft_x\n" + wrong)
        self.run_tool("1-off")
        self.mutant("2-test.patch", wrong.replace("unit/x", "unit/x|unit/y"))
        self.mutant("3-case.patch", "# case: weft_y\n" + wrong)
        build = self.root / "build" / "mutants" / "release"
        code, said = self.run_tool("--named", build)
        self.assertEqual(code, 1, said)
        self.assertEqual(said.splitlines(), [
            "2-test: no test is called unit/y", "3-case: no case of unit/x is called weft_y",
            "3 mutants, 2 of which count on what is not there"])

    def test_two_of_a_number_are_refused(self):
        wrong = patch("    return n;", "    return n + 1;")
        self.mutant("1-off.patch", wrong)
        self.mutant("1-again.patch", wrong)
        code, said = self.run_tool("--list")
        self.assertEqual((code, said), (2, "1-again and 1-off have the same number\n"))

    def test_one_that_never_ends_is_killed_and_the_next_tried(self):
        self.mutant("1-hang.patch", patch("        n -= 10;",
                                          "        __asm__ volatile(\"\" : : : \"memory\");"))
        self.mutant("2-comment.patch", patch("/* What it is. */", "/* What it was. */"))
        code, said = self.run_tool("--limit", "1")
        self.assertEqual((code, self.verdicts()),
                         (1, {"1-hang": "killed", "2-comment": "survived"}), said)
        self.assertIn("hang", said)

    def test_two_at_once_try_each_once_whatever_its_build(self):
        wrong = patch("    return n;", "    return n + 1;")
        for i in range(3):
            self.mutant(f"{i}1-off.patch", wrong)
            self.mutant(f"{i}2-debug.patch", "# build: debug\n" + wrong)
        code, said = self.run_tool("-j", "2")
        self.assertEqual((code, self.verdicts()), (0, {
            f"{i}{name}": "killed" for i in range(3) for name in ("1-off", "2-debug")}), said)
        self.assertEqual(said.count(" killed "), 6, said)

    def test_what_a_header_or_a_shared_library_changes_is_made_anew(self):
        (self.root / "CMakeLists.txt").write_text(BUILD.replace(
            "add_executable(unit.x x.c test_x.c)",
            "add_library(x SHARED x.c y.c)\nadd_executable(unit.x test_x.c)\n"
            "target_link_libraries(unit.x x)\nset_target_properties(x PROPERTIES SOVERSION 1)"))
        (self.root / "y.c").write_text('#include "y.h"\nint weft_y(void) { return Y; }\n')
        (self.root / "y.h").write_text("#define Y 1\n")
        (self.root / "test_x.c").write_text(
            "int weft_x(int n), weft_y(void);\n"
            "int main(void) { return weft_x(12) == 2 && weft_y() == 1 ? 0 : 1; }\n")
        self.mutant("1-off.patch", patch("    return n;", "    return n + 1;"))
        self.mutant("2-same.patch", patch("    return n;", "    return n + 0;"))
        self.mutant("3-header.patch", "# breaks: y\n# killed by: unit/x\n--- a/y.h\n+++ b/y.h\n"
                                      "@@ -1 +1 @@\n-#define Y 1\n+#define Y 2\n")
        code, said = self.run_tool()
        self.assertEqual((code, self.verdicts()), (1, {
            "1-off": "killed", "2-same": "survived", "3-header": "killed"}), said)

    def test_builds_that_are_there_are_brought_up_to_date_and_left_as_they_are(self):
        self.mutant("1-off.patch", patch("    return n;", "    return n + 1;"))
        build = self.root / "build" / "release"
        for _ in range(2):
            code, said = self.run_tool("--builds", self.root / "build")
            self.assertEqual((code, self.verdicts()), (0, {"1-off": "killed"}), said)
            self.assertEqual(subprocess.run([build / "unit.x"]).returncode, 0)
            (self.root / "test_x.c").write_text(TEST.replace("12", "22"))

    def test_one_left_out_is_a_failure_where_all_are_asked_for(self):
        self.mutant("1-off.patch", patch("    return n;", "    return n + 1;"))
        self.assertEqual(self.run_tool("--budget", "0")[0], 0)
        code, said = self.run_tool("--budget", "0", "--complete")
        self.assertEqual(code, 1)
        self.assertIn("not begun in time: 1", said)

    def test_a_test_that_fails_anyway_kills_nothing(self):
        self.mutant("1-off.patch", patch("    return n;", "    return n + 1;"))
        (self.root / "test_x.c").write_text("int main(void) { return 1; }\n")
        code, said = self.run_tool()
        self.assertEqual((code, self.verdicts()), (1, {"1-off": "fails without it"}), said)

    def test_only_what_has_changed(self):
        self.mutant("1-off.patch", patch("    return n;", "    return n + 1;"))
        self.mutant("survivors.txt", "")
        self.git("init")
        self.git("add", ".")
        self.git("commit", "-m", "x")
        code, said = self.run_tool("--changed", "HEAD")
        self.assertEqual((code, said), (0, "0 mutants of files that differ from HEAD\n"))
        (self.root / "x.c").write_text(SOURCE.replace("9", "9 "))
        code, said = self.run_tool("--changed", "HEAD")
        self.assertEqual((code, self.verdicts()), (0, {"1-off": "killed"}), said)


if __name__ == "__main__":
    unittest.main()
