"""
The checks of tools/tidy, tested: each is run on a small tree that is sound, and then with one thing
wrong at a time, and must find just that. Would catch a check that no longer sees anything.
"""
import json
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
HEADER = """/* What it is. */
#ifndef WEFT_X_H
#define WEFT_X_H
#ifdef __cplusplus
extern "C" {
#endif
#define WEFT_API __attribute__((visibility("default")))
WEFT_API int weft_x(void);
#ifdef __cplusplus
}
#endif
#endif
"""
SOURCE = """/* What it is. */
#include <weft/x.h>

int weft_x(void)
{
    return 1;
}
"""
PROTECTION = ["-fcf-protection=branch"] if platform.machine() == "x86_64" \
    else ["-mbranch-protection=standard"]


class Tree(unittest.TestCase):
    """A project of two files."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.write("include/weft/x.h", HEADER)
        self.write("src/base/x.c", SOURCE)
        for name in (".clang-format", "tools/layers.txt"):
            self.write(name, (TOP / name).read_text())

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def tidy(self, *arguments):
        result = subprocess.run([sys.executable, TOP / "tools" / "tidy", "--root", self.root,
                                 *arguments], capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr

    def sound(self, *arguments):
        code, output = self.tidy(*arguments)
        self.assertEqual(code, 0, output)

    def finds(self, words, *arguments):
        code, output = self.tidy(*arguments)
        self.assertEqual(code, 1, output)
        self.assertIn(words, output)


class Sources(Tree):
    def test_a_sound_tree(self):
        self.sound()

    def test_format(self):
        self.write("src/base/x.c", SOURCE.replace("    return", "  return"))
        self.finds("src/base/x.c:", "format")
        self.sound("--fix", "format")
        self.assertEqual((self.root / "src/base/x.c").read_text(), SOURCE)

    def test_a_header_that_needs_another(self):
        self.write("include/weft/x.h", HEADER.replace("int weft_x(void)", "size_t weft_x(void)"))
        self.finds("gcc -std=c11", "headers")
        self.finds("clang++ -std=c++17", "headers")

    def test_a_header_that_is_wrong_in_debug_builds(self):
        self.write("include/weft/x.h", HEADER.replace(
            "WEFT_API int", "#ifdef WEFT_DEBUG\n#define weft_x( 1\n#endif\nWEFT_API int"))
        self.finds("gcc -std=c11 -DWEFT_DEBUG", "headers")
        self.finds("clang++ -std=c++17 -DWEFT_DEBUG", "headers")

    def test_a_header_of_c_alone(self):
        self.write("include/weft/x.h", HEADER.replace("int weft_x(void)", "int weft_x(int new)"))
        self.finds("<weft/x.h> alone, g++", "headers")

    def test_a_header_that_is_not_guarded(self):
        self.write("include/weft/x.h", "/* What it is. */\nenum { WEFT_X = 1 };\n")
        self.finds("<weft/x.h> alone", "headers")

    def test_text(self):
        for wrong, words in [
            ("int a; \n", "white space at the end"),
            ("\tint a;\n", "a tab"),
            ("int a; /* " + "x" * 100 + " */\n", "columns"),
            ("/* /ho" + "me/someone/weft */\n", "somebody's home"),
            ("<" * 7 + " HEAD\n", "merge conflict"),
            ("int a;", "no end of line"),
        ]:
            with self.subTest(words):
                self.write("src/base/x.c", SOURCE + wrong)
                self.finds(words, "text")
        self.write("src/base/x.c", SOURCE.split("\n", 1)[1])
        self.finds("begins with no comment", "text")
        self.write("src/base/x.c", b"/* \xff */\n")
        self.finds("not UTF-8", "text")

    def test_input_of_a_fuzzer(self):
        self.write("tests/fuzz/address/v4", b"1.2.3.4:5\xff")
        self.sound("text")

    def test_a_condition_in_a_function(self):
        self.write("src/base/x.c", SOURCE.replace("    return 1;",
                                                  "#ifdef A\n    return 2;\n#endif\n    return 1;"))
        self.finds("src/base/x.c:6: #if in the middle", "text")


class Sites(Tree):
    """Would catch a public function that debug builds of a program cannot name the caller of."""

    def setUp(self):
        super().setUp()
        self.write("include/weft/weft.h", "/* All. */\n")
        # what the check exempts has to be declared somewhere
        sys.path.insert(0, str(TOP / "tools" / "lib"))
        from weft_tidy import sites
        self.exempt = "".join(f"WEFT_API int {name}(void);\n" for name in sorted(sites.EXEMPT))
        self.write("include/weft/x.h", HEADER.replace("WEFT_API int weft_x", self.exempt
                                                      + "WEFT_API int weft_x"))

    def test_made_and_then_as_it_should_be(self):
        self.finds("call_sites.h is not what the other headers make", "sites")
        self.sound("--fix", "sites")
        self.sound("sites")
        text = (self.root / "include/weft/call_sites.h").read_text()
        self.assertIn("WEFT_AT_0_(int, weft_x)\n#define weft_x() weft_x_at_(", text)
        self.assertNotIn("weft_now", text)

    def test_a_function_that_was_added_or_changed(self):
        self.sound("--fix", "sites")
        header = (self.root / "include/weft/x.h").read_text()
        for new in [header.replace("weft_x(void)", "weft_x(int a)"),
                    header.replace("int weft_x(void)", "long weft_x(void)"),
                    header.replace("WEFT_API int weft_x",
                                   "WEFT_API int weft_y(void);\nWEFT_API int weft_x")]:
            self.write("include/weft/x.h", new)
            self.finds("call_sites.h is not what", "sites")

    def test_parameters_of_every_shape(self):
        self.write("include/weft/x.h", HEADER.replace(
            "WEFT_API int weft_x(void);", self.exempt +
            "WEFT_API WEFT_NODISCARD ssize_t weft_x(const void *data,\n"
            "    void (*fn)(void *arg, int n), int64_t deadline) WEFT_SUSPENDS;"))
        self.sound("--fix", "sites")
        self.assertIn("WEFT_NODISCARD WEFT_AT_(ssize_t, weft_x, (data, fn, deadline), "
                      "const void *data, void (*fn)(void *arg, int n), int64_t deadline)",
                      " ".join((self.root / "include/weft/call_sites.h").read_text().split()))

    def test_an_exemption_of_nothing(self):
        self.write("include/weft/x.h", HEADER)
        self.finds("exempts weft_now, which no header declares", "sites")


class Layers(Tree):
    def include(self, source, line):
        for name in ("base", "coro", "ring", "task"):
            self.write(f"src/{name}/{name}.h", "/* What it is. */\n")
        self.write(source, f"/* What it is. */\n{line}\n")

    def test_what_is_allowed(self):
        self.include("src/task/a.c", '#include "base/base.h"\n#include "task/task.h"')
        self.include("src/ring/a.c", "#include <liburing.h>\nint f(void) { return socket(1); }")
        self.include("src/coro/a.c", "/* write(1) */ int f(int (*write)(int)) { s.write(1); }")
        self.sound("layers")

    def test_what_is_not(self):
        for source, line, words in [
            ("src/base/a.c", '#include "task/task.h"', "base may not include"),
            ("src/coro/a.c", '#include "ring/ring.h"', "coro may not include"),
            ("src/ring/a.c", '#include "coro/coro.h"', "ring may not include"),
            ("src/task/a.c", '#include "base/none.h"', "is not there"),
            ("src/task/a.c", '#include "task.h"', "does not begin with a layer"),
            ("src/task/a.c", "#include <liburing.h>", "is for ring, sim only"),
            ("src/task/a.c", "#include <linux/io_uring.h>", "is for ring, sim only"),
            ("src/task/a.c", "#include <pthread.h>", "is for ring, sim only"),
            ("src/other/a.c", "", "no layer other"),
            ("src/task/a.c", "int f(void) { return epoll_wait(1, 0, 0, 0); }", "epoll_wait()"),
            ("src/task/a.c", "int f(void) { return clock_gettime(1, 0); }", "clock_gettime()"),
            ("src/task/a.c", "int f(void) { return pthread_create(0); }", "pthread_create()"),
            ("src/task/a.c", "int f(void) { return io_uring_enter(0); }", "io_uring_enter()"),
            ("src/ring/a.c", 'void f(void) { printf("x"); }', "printf()"),
            ("src/io/a.c", "void *f(void) { return malloc(1); }", "malloc()"),
        ]:
            with self.subTest(line or source):
                self.include(source, line)
                self.finds(words, "layers")
                (self.root / source).unlink()


class Built(Tree):
    """A build as CMake lays it out, made by hand so that single flags can be left out."""

    def build(self, compile_flags=(), link_flags=(), without=()):
        out = self.root / "build"
        objects = out / "src" / "CMakeFiles" / "weft_above.dir" / "base"
        shutil.rmtree(out, ignore_errors=True)
        objects.mkdir(parents=True)
        (out / "src" / "weft.map").write_text("WEFT_0.1 { global: weft_*; local: *; };\n")
        source = self.root / "src" / "base" / "x.c"
        flags = [f for f in ["-O2", "-fPIC", "-fvisibility=hidden", "-fstack-clash-protection",
                             *PROTECTION] if f not in without]
        links = [f for f in ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack",
                             f"-Wl,--version-script={out}/src/weft.map"] if f not in without]
        command = ["gcc", f"-I{self.root}/include", *flags, *compile_flags,
                   "-o", str(objects / "x.c.o"), "-c", str(source)]
        subprocess.run(command, check=True)
        (out / "compile_commands.json").write_text(json.dumps(
            [{"directory": str(out), "command": " ".join(command), "file": str(source)}]))
        subprocess.run(["gcc", "-shared", *links, *link_flags, "-o", out / "src/libweft.so.0.1.0",
                        objects / "x.c.o"], check=True)
        subprocess.run(["ar", "rcs", out / "src/libweft.a", objects / "x.c.o"], check=True)

    def built_finds(self, words, check):
        self.finds(words, "--build", str(self.root / "build"), check)

    def test_a_sound_build(self):
        self.build()
        self.sound("--build", str(self.root / "build"), "hardening", "symbols")

    def test_hardening(self):
        for without, flags, links, words in [
            (["-Wl,-z,relro"], [], ["-Wl,-z,norelro"], "no GNU_RELRO"),
            (["-Wl,-z,now"], [], ["-Wl,-z,lazy"], "not bound at start"),
            (["-Wl,-z,noexecstack"], [], ["-Wl,-z,execstack"], "may be executable"),
            (PROTECTION, ["-fcf-protection=none"] if platform.machine() == "x86_64" else [], [],
             " note"),
            (["-fstack-clash-protection"], ["-fno-stack-clash-protection"], [],
             "not touched page by page"),
            ([], ["-Wa,--execstack"], [], "asks for an executable stack"),
        ]:
            with self.subTest(words):
                self.build(flags, links, without)
                self.built_finds(words, "hardening")

    def test_symbols_of_the_address_sanitizer(self):
        """The mark it makes beside each global is no finding."""
        self.write("src/base/x.c", SOURCE + "extern int weft__x;\nint weft__x = 1;\n")
        self.build(["-fsanitize=address"], ["-fsanitize=address"])
        marks = subprocess.run(["nm", "-g", self.root / "build/src/libweft.a"],
                               capture_output=True, text=True, check=True).stdout
        self.assertIn("__odr_asan", marks)
        self.sound("--build", str(self.root / "build"), "symbols")

    def test_symbols_of_a_library_beside(self):
        """What sim.h declares is looked for in the simulated kernel's library, and there only."""
        self.write("include/weft/sim.h", HEADER.replace("weft_x", "weft_sim_x"))
        self.build()
        archive = self.root / "build/src/libweft-sim.a"
        aside = self.root / "aside.c"
        for name, words in [("weft_sim_y", "libweft-sim.a lacks weft_sim_x"), ("weft_sim_x", None)]:
            aside.write_text(f"int {name}(void);\nint {name}(void) {{ return 1; }}\n")
            subprocess.run(["gcc", "-c", aside, "-o", self.root / "aside.o"], check=True)
            archive.unlink(missing_ok=True)
            subprocess.run(["ar", "rcs", archive, self.root / "aside.o"], check=True)
            if words:
                self.built_finds(words, "symbols")
            else:
                self.sound("--build", str(self.root / "build"), "symbols")

    def test_symbols(self):
        for addition, words in [
            ("WEFT_API int weft__inside(void);\nint weft__inside(void) { return 1; }",
             "shows weft__inside"),
            ("WEFT_API int weft_more(void);\nint weft_more(void) { return 1; }",
             "no public header declares"),
            ("int helper(void);\nint helper(void) { return 1; }", "defines helper"),
        ]:
            with self.subTest(words):
                self.write("src/base/x.c", SOURCE + addition + "\n")
                self.build()
                self.built_finds(words, "symbols")
        self.write("src/base/x.c", SOURCE)
        self.build(without=[f"-Wl,--version-script={self.root}/build/src/weft.map"])
        self.built_finds("weft_x has no version", "symbols")
        self.write("include/weft/x.h", HEADER.replace("WEFT_API int weft_x",
                                                      "WEFT_API int weft_y(void);\nint weft_x"))
        self.build()
        self.built_finds("lacks weft_y", "symbols")


if __name__ == "__main__":
    unittest.main(verbosity=2)
