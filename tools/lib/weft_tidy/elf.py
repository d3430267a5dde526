"""Checks of a build: hardening notes and the names the libraries show."""
import json
import pathlib
import re
import shlex
import subprocess
import tempfile

from . import files


def run(*command):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {result.stderr.strip()}")
    return result.stdout


def library(options, pattern):
    if not options.build:
        raise RuntimeError("needs --build DIR")
    found = sorted(p for p in (options.build / "src").glob(pattern) if not p.is_symlink())
    if not found:
        raise RuntimeError(f"no {pattern} in {options.build / 'src'}")
    return found[0]


# --- hardening ---------------------------------------------------------------------------------

BRANCH_NOTE = {"Advanced Micro Devices X86-64": "IBT", "AArch64": "BTI"}


def machine(path):
    return re.search(r"Machine:\s+(.*)", run("readelf", "-hW", path)).group(1)


def shared_findings(path):
    """What the loader is told: read-only relocations, all bound at start, no executable stack."""
    segments = run("readelf", "-lW", path)
    dynamic = run("readelf", "-dW", path)
    name = path.name
    if "GNU_RELRO" not in segments:
        yield f"{name}: no GNU_RELRO segment"
    if not re.search(r"BIND_NOW|\bNOW\b", dynamic):
        yield f"{name}: not bound at start (BIND_NOW)"
    stack = re.search(r"GNU_STACK\s+(?:0x\w+\s+){5}(\S+)", segments)
    if not stack or "E" in stack.group(1):
        yield f"{name}: the stack may be executable"
    for flags in re.findall(r"LOAD\s+(?:0x\w+\s+){5}([RWE ]{3})", segments):
        if "W" in flags and "E" in flags:
            yield f"{name}: a segment is writable and executable"
    if "TEXTREL" in dynamic:
        yield f"{name}: relocations in the code"


def object_findings(path, note):
    """
    The branch-protection note, looked at in our own objects: the linker drops it from the library
    when one input is without it, and the C runtime's start files of a toolchain may be (Debian 12's
    crti.o is), which is nothing of ours.
    """
    name = path.name
    if note and note not in run("readelf", "-nW", path):
        yield f"{name}: no {note} note"
    section = re.search(r"\.note\.GNU-stack\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+ +([A-Z]*) ",
                        run("readelf", "-SW", path))
    if not section:
        yield f"{name}: no .note.GNU-stack: the linker would make the stack executable"
    elif "X" in section.group(1):
        yield f"{name}: asks for an executable stack"


BIG_FRAME = """
void sink(char *);
void big_frame(void);
void big_frame(void) { char room[65536]; sink(room); }
"""


def compile_commands(options):
    """The compile command of each of the library's C files."""
    commands = json.loads((options.build / "compile_commands.json").read_text())
    return [c for c in commands if re.search(r"weft_(above|ring_real)\.dir", c["command"])
            and c["file"].endswith(".c")]


def stack_clash_findings(options):
    """
    A frame of 64 KiB must be touched page by page, or a task's guard could be jumped over. Shown on
    the code that the library's own flags make of such a frame, against the same without the option,
    and each file must be compiled with it.
    """
    commands = compile_commands(options)
    if not commands:
        raise RuntimeError("compile_commands.json names no file of the library")
    for entry in commands:
        if "-fstack-clash-protection" not in entry["command"]:
            yield f"{entry['file']}: compiled without -fstack-clash-protection"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "frame.c"
        source.write_text(BIG_FRAME)
        words = shlex.split(commands[0]["command"])
        # All up to the output, without the bookkeeping of dependencies.
        base = shlex.split(re.sub(r"-MD|-M[TF] \S+", "", " ".join(words[:words.index("-o")])))
        listing = {}
        for option in ("", "-fno-stack-clash-protection"):
            out = source.with_suffix(".s")
            run(*base, *filter(None, [option]), "-g0", "-S", source, "-o", out)
            listing[option] = out.read_text()
        if listing[""] == listing["-fno-stack-clash-protection"]:
            yield "a frame of 64 KiB is not touched page by page"


def check_hardening(options):
    shared = library(options, "libweft.so.*.*")
    note = BRANCH_NOTE.get(machine(shared))
    findings = list(shared_findings(shared))
    objects = sorted((options.build / "src" / "CMakeFiles").glob("weft_*.dir/**/*.o"))
    if not objects:
        raise RuntimeError("no object of the library found")
    for path in objects:
        findings += object_findings(path, note)
    findings += stack_clash_findings(options)
    return findings


# --- symbols -----------------------------------------------------------------------------------

# The address sanitizer's marks of globals, one for each (gcc; clang): not ours to name.
SANITIZER_MARK = re.compile(r"__odr_asan(\.|_gen_)")

# A prototype: WEFT_API, then words, then the name before its parenthesis.
PROTOTYPE = re.compile(r"\bWEFT_API\b[^;(]*?\b(\w+)\s*\(")


def declared(root):
    names = {}
    for header in files.tracked(root):
        if header.startswith("include/") and header.endswith(".h"):
            for name in PROTOTYPE.findall(files.bare((root / header).read_text())):
                names.setdefault(name, header)
    names.pop("__attribute__", None)
    return names


def exported(shared):
    """Names with their version, as (name, version) pairs."""
    pairs = []
    for line in run("nm", "-D", "--defined-only", "--with-symbol-versions", shared).splitlines():
        _, kind, name = line.split(maxsplit=2)
        if kind != "A":
            pairs.append(tuple(re.split(r"@+", name, maxsplit=1)) if "@" in name else (name, ""))
    return pairs


# Headers whose functions are in a library of their own.
BESIDE = {
    "include/weft/sim.h": "libweft-sim.a",
    "include/weft/names.h": "names/libweft-names.a",
    "include/weft/tls.h": "tls/libweft-tls.a",
}
OPTIONAL = {"tls/libweft-tls.a"}  # not built where there is no OpenSSL


def beside_findings(options, promised):
    """Looks for the functions of such a header where they are, and takes them off the list."""
    for header, archive in BESIDE.items():
        names = {name for name in promised if promised[name] == header}
        if not names:
            continue
        if archive in OPTIONAL and options.build and not (options.build / "src" / archive).exists():
            for name in names:
                del promised[name]
            continue
        path = library(options, archive)
        there = {words[-1] for words in map(str.split, run("nm", "-g", "--defined-only", path)
                                            .splitlines()) if len(words) == 3}
        for name in sorted(names):
            del promised[name]
            if name not in there:
                yield f"{path.name} lacks {name}, which {header} declares"


def check_symbols(options):
    shared, static = library(options, "libweft.so.*.*"), library(options, "libweft.a")
    findings = []
    shown = exported(shared)
    promised = declared(options.root)
    if not promised:
        raise RuntimeError("the headers declare no WEFT_API function")
    findings += beside_findings(options, promised)
    for name, version in shown:
        if not name.startswith("weft_") or name.startswith("weft__"):
            findings.append(f"{shared.name} shows {name}")
        elif not version.startswith("WEFT_"):
            findings.append(f"{shared.name}: {name} has no version")
        elif name not in promised:
            findings.append(f"{shared.name} shows {name}, which no public header declares")
    for name in sorted(set(promised) - {name for name, _ in shown}):
        findings.append(f"{shared.name} lacks {name}, which {promised[name]} declares")
    # A static library hides nothing from the linker: there every name must carry the prefix.
    for line in run("nm", "-g", "--defined-only", static).splitlines():
        words = line.split()
        if len(words) == 3 and not words[2].startswith("weft_") \
                and not SANITIZER_MARK.match(words[2]):
            findings.append(f"{static.name} defines {words[2]}, without the prefix")
    return findings
