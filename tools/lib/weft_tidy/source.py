"""Checks of the sources alone: format, headers, text."""
import re
import shutil
import subprocess

from . import files

# --- format ------------------------------------------------------------------------------------


def check_format(options):
    """.clang-format of version 14, the one Debian 12 has; another version formats otherwise."""
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not program:
        raise RuntimeError("clang-format is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    if " 14." not in version:
        raise RuntimeError(f"clang-format 14 is needed, this is: {version.strip()}")
    names = [n for n in files.tracked(options.root) if files.is_c(n)]
    findings = []
    for start in range(0, len(names), 64):
        command = [program, "--style=file", "-i" if options.fix else "--dry-run"]
        result = subprocess.run(command + names[start:start + 64], cwd=options.root,
                                capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(result.stderr.strip())
        findings += re.findall(r"^(\S+?:\d+):\d+: warning: code should be clang-formatted",
                               result.stderr, re.MULTILINE)
    return [f"{place}: not as .clang-format would have it (tools/tidy --fix format)"
            for place in findings]


# --- headers -----------------------------------------------------------------------------------

WARNINGS = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
COMPILERS = [
    ("gcc", ["-x", "c", "-std=c11", "-Wstrict-prototypes"]),
    ("clang", ["-x", "c", "-std=c11", "-Wstrict-prototypes"]),
    ("g++", ["-x", "c++", "-std=c++17"]),
    ("clang++", ["-x", "c++", "-std=c++17"]),
]


def _compile(options, compiler, flags, text):
    command = [compiler, *flags, *WARNINGS, "-I", str(options.root / "include"), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True)


def check_headers(options):
    """
    Each public header compiles alone, and a second time after itself, as C11 and as C++17, for a
    program's debug build (WEFT_DEBUG) and for any other.
    """
    names = [n[len("include/"):] for n in files.tracked(options.root)
             if n.startswith("include/") and n.endswith(".h")]
    if not names:
        raise RuntimeError("no public header found")
    findings = []
    for compiler, flags in COMPILERS:
        for name in names:
            text = f"#include <{name}>\n#include <{name}>\nint main(void);\n"
            if "c++" in flags:
                text = text.replace("(void)", "()")
            for debug in ([], ["-DWEFT_DEBUG"]):
                result = _compile(options, compiler, flags + debug, text)
                if result.returncode != 0:
                    how = " ".join([compiler, flags[2]] + debug)
                    findings.append(f"<{name}> alone, {how}:\n{result.stderr.strip()}")
    return findings


# --- text --------------------------------------------------------------------------------------

OWN = re.compile(r"^(src|include|tests|bench|tools|docs)/")
HOMES = re.compile(r"(?<![\w.])/(?:home|root|Users)/[A-Za-z_]")
# The files where a sanitizer or a header's age is chosen, once for all others.
CHOICES = ("src/coro/sanitize.c", "src/coro/sanitize.h", "src/base/annotate.h",
           "src/ring/uring_abi.h")
CORPUS = re.compile(r"^tests/fuzz/\w+/")  # what a fuzzer begins with: any bytes
CONFLICT = re.compile(r"^(<{7}|={7}|>{7})(\s|$)")


def _line_findings(name, text):
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{name}:{number}"
        empty_context = line == " " and name.endswith(".patch")  # as git writes it
        if line != line.rstrip() and not empty_context:
            yield f"{place}: white space at the end of the line"
        if "\t" in line and (files.is_c(name) or name.endswith((".py", ".sh", ".txt", ".cmake"))):
            yield f"{place}: a tab"
        if len(line) > 100 and (files.is_c(name) or name.endswith(".py")):
            yield f"{place}: {len(line)} columns, 100 are allowed"
        if HOMES.search(line):
            yield f"{place}: a path of somebody's home"
        if CONFLICT.match(line):
            yield f"{place}: a merge conflict"


def _conditional_findings(name, text):
    """#if in the middle of a function: two programs woven into one. Braces of macros count too."""
    depth = 0
    for number, line in enumerate(files.bare(text).splitlines(), 1):
        if re.match(r"\s*#\s*if", line) and depth > 0:
            yield f"{name}:{number}: #if in the middle of a function"
        if not re.match(r"\s*#", line):
            # extern "C" opens a brace that is no function's
            depth += line.count("{") - line.count("}") - ('extern "' in line)
            depth = max(depth, 0)


def check_text(options):
    findings = []
    for name in files.tracked(options.root):
        if CORPUS.match(name):
            continue
        try:
            text = (options.root / name).read_bytes().decode()
        except UnicodeDecodeError:
            findings.append(f"{name}: not UTF-8")
            continue
        if text and not text.endswith("\n"):
            findings.append(f"{name}: no end of line at the end of the file")
        findings += _line_findings(name, text)
        if files.is_c(name) and OWN.match(name) and not text.startswith("/*"):
            findings.append(f"{name}: begins with no comment that says what it is")
        if name.startswith("src/") and files.is_c(name) and name not in CHOICES:
            findings += _conditional_findings(name, text)
    return findings
