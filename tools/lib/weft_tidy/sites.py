"""include/weft/call_sites.h against the other public headers, from which it is made."""
import re

from . import files

HEADER = "include/weft/call_sites.h"
UMBRELLA = "include/weft/weft.h"
# These stand beside <weft/weft.h>, for programs that bring the simulated kernel, or link a library
# beside the core: they have their own errors.
ASIDE = ("include/weft/sim.h", "include/weft/names.h", "include/weft/tls.h")

# Functions that cannot be called wrongly, each group with its reason. All others are in the header.
EXEMPT = {
    # they only answer a question, from any place
    "weft_version", "weft_now", "weft_after_ms", "weft_after_us", "weft_after_ns", "weft_cancelled",
    "weft_cause", "weft_draining", "weft_current_task", "weft_stack_remaining", "weft_reactors",
    "weft_reactor_index", "weft_root", "weft_lock_held", "weft_event_is_set",
    "weft_semaphore_value",
    # NULL is an answer, and is taken for one
    "weft_inbox_get", "weft_inbox_here", "weft_inbox_retain", "weft_inbox_put",
    "weft_future_retain", "weft_future_put", "weft_future_done", "weft_process_output_free",
    # called by the compiler's cleanup, or by a macro whose beginning has been checked
    "weft_scope_fall_", "weft_scope_leave_", "weft_no_suspend_enter_", "weft_no_suspend_leave_",
    "weft_locked_leave_",
    # what all of this rests on
    "weft_misuse_hook_set", "weft_call_site_set_",
}

PROTOTYPE = re.compile(r"\bWEFT_API\b([^;{}]*);")
MARKS = re.compile(r"\b(?:WEFT_NODISCARD|WEFT_SUSPENDS)\b|__attribute__\s*\(\(.*?\)\)\s*")

TOP = """/*
 * weft/call_sites.h - debug builds of a program: which call, in which line, is being made.
 *
 * Made from the other headers by `tools/tidy --fix sites`; not to be edited. <weft/weft.h> has it
 * last. Where WEFT_DEBUG is defined, each call that can be a mistake (weft/misuse.h) goes through a
 * function of its own, which notes the place, calls, and puts back the place noted before; the
 * arguments have been evaluated by then. A name without a parenthesis behind it, or in parentheses
 * itself, is the library's function as ever: its address can be taken.
 */
#ifndef WEFT_CALL_SITES_H
#define WEFT_CALL_SITES_H

#if defined(WEFT_DEBUG) && defined(__GNUC__)

%(includes)s

/* clang-format off */
/* As if written in place of the call: debuggers step over it. */
#define WEFT_AT_FUNCTION_ static inline __attribute__((always_inline, artificial, unused))

#define WEFT_AT_BODY_(type, name, arguments)                                                    \\
    {                                                                                           \\
        struct weft_call_site weft_site = {weft_source, #name, weft_line};                      \\
        struct weft_call_site weft_before = weft_call_site_set_(weft_site);                     \\
        type weft_result = name arguments;                                                      \\
        weft_call_site_set_(weft_before);                                                       \\
        return weft_result;                                                                     \\
    }
#define WEFT_AT_(type, name, arguments, ...)                                                    \\
    WEFT_AT_FUNCTION_ type name##_at_(const char *weft_source, int weft_line, __VA_ARGS__)      \\
    WEFT_AT_BODY_(type, name, arguments)
#define WEFT_AT_0_(type, name)                                                                  \\
    WEFT_AT_FUNCTION_ type name##_at_(const char *weft_source, int weft_line)                   \\
    WEFT_AT_BODY_(type, name, ())

#define WEFT_HERE_ __FILE__, __LINE__

WEFT_BEGIN_DECLS

"""

BOTTOM = """/* clang-format on */
#endif

#endif
"""


def prototypes(text):
    """(nodiscard, type, name, parameters) of each function that a header declares."""
    for found in PROTOTYPE.finditer(files.bare(text)):
        words = found.group(1)
        nodiscard = "WEFT_NODISCARD" in words
        words = " ".join(MARKS.sub(" ", words).split())
        kind, name, parameters = re.fullmatch(r"(.*?)(\w+) ?\((.*)\)", words).groups()
        yield nodiscard, kind.strip(), name, [] if parameters == "void" else split(parameters)


def split(parameters):
    """At the commas that stand in no parentheses."""
    depth, parts = 0, [""]
    for letter in parameters:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def name_of(parameter):
    pointer = re.search(r"\(\*(\w+)\)", parameter)
    return pointer.group(1) if pointer else re.search(r"(\w+)(?:\[\w*\])?$", parameter).group(1)


def fill(text, width=100):
    """The text in lines, broken behind commas, those after the first indented."""
    lines = [""]
    for word in text.split(", "):
        word = ", " * (lines != [""]) + word
        if len(lines[-1]) + len(word) + len(",") > width:
            lines[-1] += ","
            lines.append("    ")
            word = word[2:]
        lines[-1] += word
    return "\n".join(lines) + "\n"


def wrapper(nodiscard, kind, name, parameters):
    mark = "WEFT_NODISCARD " if nodiscard else ""
    if not parameters:
        return (f"{mark}WEFT_AT_0_({kind}, {name})\n"
                f"#define {name}() {name}_at_(WEFT_HERE_)\n\n")
    names = ", ".join(name_of(p) for p in parameters)
    return (fill(f"{mark}WEFT_AT_({kind}, {name}, ({names}), {', '.join(parameters)})")
            + define(f"#define {name}(...)", f"{name}_at_(WEFT_HERE_, __VA_ARGS__)") + "\n")


def define(left, right, width=100):
    """On one line if there is room."""
    between = " " if len(left) + 1 + len(right) <= width else " \\\n    "
    return left + between + right + "\n"


def made(root):
    """The text that the header should have, and the names in EXEMPT that no header declares."""
    headers, wrappers, unknown = [], "", set(EXEMPT)
    for path in files.tracked(root):
        if not re.fullmatch(r"include/weft/\w+\.h", path) or path in (HEADER, UMBRELLA, *ASIDE):
            continue
        headers.append(path[len("include/"):])
        for prototype in prototypes((root / path).read_text()):
            unknown.discard(prototype[2])
            if prototype[2] not in EXEMPT:
                wrappers += wrapper(*prototype)
    includes = "\n".join(f"#include <{header}>" for header in headers)
    return TOP % {"includes": includes} + wrappers + "WEFT_END_DECLS\n" + BOTTOM, unknown


def check_sites(options):
    path = options.root / HEADER
    if not (options.root / UMBRELLA).is_file():
        return []
    text, unknown = made(options.root)
    if options.fix:
        path.write_text(text)
    findings = [f"tools/lib/weft_tidy/sites.py exempts {name}, which no header declares"
                for name in sorted(unknown)]
    if not path.is_file() or path.read_text() != text:
        findings.append(f"{HEADER} is not what the other headers make: tools/tidy --fix sites")
    return findings
