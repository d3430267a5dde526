"""The manual pages: of each group of functions, of each header, and those written by hand."""
import dataclasses
import pathlib
import re

from . import header, markup, prose

LIBRARIES = {
    "names": ("libweft-names", "pkg-config weft-names", "weft::names"),
    "tls": ("libweft-tls", "pkg-config weft-tls", "weft::tls"),
    "sim": ("libweft-sim", "-lweft-sim -pthread", "weft::sim, in place of weft::weft"),
}
CORE = ("libweft", "-lweft; pkg-config weft", "weft::weft")
NOT_THEIRS = ("weft", "call_sites")  # headers that declare nothing of their own
EVERY_CALL = re.compile(r"Errors\b.*:$|"
                        r".*\b(?:may also answer|Errors of every call|They may answer)\b")

SUSPENDS_NOT = re.compile(r"(?:They )?(?:[Nn]ever|[Dd]oes not|[Dd]o not) suspends?\.")


@dataclasses.dataclass
class Page:
    name: str
    section: int
    aliases: list
    text: str
    undescribed: list = dataclasses.field(default_factory=list)  # functions nothing is said of


@dataclasses.dataclass
class Known:
    functions: set
    stems: set
    errors: dict  # what a bare error means


def read(root):
    """The headers of a tree that declare something."""
    paths = sorted((pathlib.Path(root) / "include/weft").glob("*.h"))
    return [header.Header(path) for path in paths if path.stem not in NOT_THEIRS]


def made(root):
    """Every page of the tree at root."""
    headers = read(root)
    version = re.search(r'VERSION_STRING "(.*?)"', (root / "include/weft/version.h").read_text())[1]
    written = {path.name.removesuffix(".scd"): path.read_text()
               for path in sorted((root / "docs/man").glob("*.scd"))}
    known = Known({f.name for h in headers for f in h.functions},
                  {h.stem for h in headers} | {"weft"}, meanings(written.get("weft.7", "")))
    pages = []
    for one in headers:
        pages += [function_page(one, blocks, known, version) for blocks in one.chunks]
        pages.append(header_page(one, known, version))
    for name, text in written.items():
        stem, number = name.rsplit(".", 1)
        pages.append(Page(stem, int(number), [], completed(text, headers, known, version)))
    return pages


def completed(text, headers, known, version):
    """A page written by hand, with what changes by itself."""
    core = [one for one in headers if one.stem not in LIBRARIES]
    aside = [one for one in headers if one.stem in LIBRARIES]
    for mark, shown in (("@VERSION@", version), ("@HEADERS@", header_list(core, known)),
                        ("@ASIDE@", header_list(aside, known))):
        text = text.replace(mark, shown)
    return text


def meanings(text):
    """What weft(7) says of each error in its section of that name."""
    section = re.search(r"^# ERRORS$(.*?)^# ", text, re.DOTALL | re.MULTILINE)
    found = re.findall(r"^\*(-E\w+)\*\n((?:\t.*\n)+)", section[1] if section else "", re.MULTILINE)
    return {code: " ".join(re.sub(r"[*\\]", "", text).split()) for code, text in found}


def title(name, section, version):
    return f'{name}({section}) "weft {version}" "weft manual"\n'


def join(parts):
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


# --- functions ---------------------------------------------------------------------------------


def header_list(headers, known):
    words = markup.Words(known)
    return "\n\n".join(f"{words.page(f'weft-{one.stem}', 7)}\n\t{words.short(title_of(one))}"
                       for one in headers)


def function_page(one, blocks, known, version):
    functions = [f for block in blocks for f in block.functions]
    names = [f.name for f in functions]
    parameters = {markup.parameter(p)[1] for f in functions for p in f.parameters}
    words = markup.Words(known, names, parameters)
    parts = [prose.divide(prose.paragraphs(block.comment)) for block in blocks]
    text = [
        title(names[0], 3, version),
        f"# NAME\n\n{', '.join(names)} - {words.short(summary(parts))}",
        library(one),
        synopsis(one, functions),
        section("DESCRIPTION", blocks, [words.paragraphs(d) for d, _, _ in parts]),
        section("RETURN VALUE", blocks, [values(r, words) for _, r, _ in parts]),
        all_errors(one, blocks, [errors(r, words) for _, r, _ in parts], words),
        types(one, functions, blocks, words),
        notes(functions, parts, words),
        see_also(words, one, names[0], 3),
    ]
    silent = [f.name for block, (told, _, _) in zip(blocks, parts) if not told
              for f in block.functions]
    return Page(names[0], 3, names[1:], join(text), silent)


def summary(parts):
    """A few words for NAME: the first sentence, cut where it may be."""
    for description, _, _ in parts:
        for kind, text in description:
            if kind == prose.TEXT:
                return shortened(prose.sentences(text)[0])
    return "see below"


def shortened(sentence, size=70):
    text = sentence.rstrip(".?:")
    for mark in (r"; ", r": ", r", ", r" \(", r" "):
        if len(text) > size:
            places = [m.start() for m in re.finditer(mark, text) if 20 < m.start() <= size]
            text = text[:places[-1]] if places else text
    if text.count("(") > text.count(")"):
        text = text[:text.rindex("(")].rstrip()
    plain = re.fullmatch(r"[A-Z][a-z]*(?:'s)?[,:]?", text.split()[0])
    return text[0].lower() + text[1:] if plain else text


def library(one):
    name, flags, target = LIBRARIES.get(one.stem, CORE)
    how = markup.escape(f"({flags}; in CMake {target})")
    return f"# LIBRARY\n\n{markup.bold(name)} {how}"


def synopsis(one, functions):
    lines = ["# SYNOPSIS", markup.bold(f"#include <{one.name}>")]
    used = " ".join(p for f in functions for p in [*f.parameters, f.returns])
    lines += [markup.bold(t.text) for t in one.types
              if t.kind == "function" and re.search(rf"\b{t.name}\b", used)]
    return "\n\n".join(lines + [markup.prototype(f) for f in functions])


def section(name, blocks, texts):
    """With a heading of its own for each block, if there are several."""
    if not any(texts):
        return ""
    if len(blocks) == 1:
        return f"# {name}\n\n{texts[0]}"
    parts = [f"## {heading([f.name + '()' for f in block.functions])}\n\n{text}"
             for block, text in zip(blocks, texts) if text]
    return "\n\n".join([f"# {name}", *parts])


def heading(names):
    return names[0] + " to " + names[-1] if len(", ".join(names)) > 70 else ", ".join(names)


def values(results, words):
    if not results.value:
        return ""
    text = re.sub(r"^Return ", "They return ", ". ".join(results.value)) + "."
    return markup.filled(words(f"Returns {text}" if text[0].isdigit() else text))


def errors(results, words):
    parts = []
    for codes, text in results.errors:
        if not codes and text[0].islower():  # the call's that it passes on
            parts.append(markup.filled(words(f"And {text.removeprefix('and ')}.")))
        elif not codes:
            parts.append(markup.filled(words(text if text[-1] in ":." else text + ".")))
        else:
            said = stated(codes, text, words)
            shown = markup.filled(words(said), "\t") if said else ""
            parts.append(f"{words(codes)}\n{shown}".rstrip())
    return "\n\n".join(parts)


def all_errors(one, blocks, texts, words):
    of_header = every_call(one, words)
    own = section("ERRORS", blocks, texts) or ("# ERRORS" if of_header else "")
    return join([own, of_header]) if own else ""


def stated(codes, text, words):
    """The words of an error as a sentence, or what weft(7) says of it."""
    if text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1]
    usual = words.known.errors.get(codes, "")
    if re.fullmatch(r"_\w+(?: only)?", text):  # a form of the call
        return f"From the {text.split()[0]} form. {usual}"
    if re.fullmatch(r"WEFT_\w+", text):  # a flag
        return f"With {text}."
    if not text and codes.endswith("..."):
        return "These, and others, as the kernel says."
    return markup.sentence(text) if text else usual


def every_call(one, words):
    """What the header says of all of its calls."""
    kept, take = [], False
    for kind, text in prose.paragraphs(one.comment):
        telling = kind == prose.TEXT and EVERY_CALL.match(text)
        take = bool(telling) or (take and kind == prose.TERM)
        if take:
            kept.append((kind, text))
    if not kept:
        return ""
    shown = words.paragraphs(kept).replace("call here", "call of this header", 1)
    return f"## Of every call of <{one.name}>\n\n{shown}"


def types(one, functions, blocks, words):
    """The structures and enumerations of this header that the prototypes, or their text, name."""
    text = " ".join([" ".join([f.returns, *f.parameters]) for f in functions]
                    + [" ".join(block.comment) for block in blocks])
    shown, names = [], set()
    while True:
        fresh = [t for t in one.types if t.name not in names and t.name != "enum"
                 and t.kind != "function" and re.search(rf"\b{t.name}\b", text)]
        if not fresh:
            break
        names |= {t.name for t in fresh}
        shown += fresh
        text = " ".join(f"{n}" for t in fresh for ns, lines in t.fields for n in [*ns, *lines])
    shown = [t for t in shown if t.fields or t.comment]
    return "\n\n".join(["# TYPES", *(type_text(t, words) for t in shown)]) if shown else ""


def notes(functions, parts, words):
    kinds = {True: [], False: []}
    for f in functions:
        kinds[f.suspends].append(words(f.name))
    lines = []
    if kinds[True]:
        each = "" if len(kinds[True]) == 1 else " each"
        lines.append(f"{listed(kinds[True])} may suspend the calling task, and{each} is called "
                     "from inside a task only; see *weft*(7).")
    if kinds[False]:
        suspend = "suspends" if len(kinds[False]) == 1 else "suspend"
        lines.append(f"{listed(kinds[False])} never {suspend} the calling task.")
    said = [n for _, _, found in parts for n in found if not SUSPENDS_NOT.fullmatch(n)]
    lines += [words(n) for n in dict.fromkeys(said)]
    return "# NOTES\n\n" + "\n\n".join(markup.filled(line) for line in lines)


def listed(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def see_also(words, one, name, number):
    words.seen |= {("weft", 7)}
    if one and name != f"weft-{one.stem}":
        words.seen.add((f"weft-{one.stem}", 7))
    pages = sorted(words.seen - {(name, number)}, key=lambda page: (page[1] != 3, page[0]))
    ours = [p for p in pages if p[0].startswith("weft")]
    theirs = [p for p in pages if not p[0].startswith("weft")]
    shown = ", ".join(f"{markup.bold(n)}({s})" for n, s in ours + theirs)
    return f"# SEE ALSO\n\n{markup.filled(shown)}"


# --- types -------------------------------------------------------------------------------------


def type_text(one, words):
    head = one.name if one.name != "enum" else one.fields[0][0][0].split(" ")[0]
    lines = [f"## {head}"]
    if one.comment:
        lines.append(words.paragraphs(prose.paragraphs(one.comment)))
    if one.initialisers:
        lines.append("Begins as " + listed_or([markup.bold(i) for i in one.initialisers]) + ".")
    if one.kind == "struct" and one.fields:
        body = [f"    {d};" for names, _ in one.fields for d in names]
        opening = f"{one.name} {{" if one.name.startswith("struct") else "typedef struct {"
        ending = "};" if one.name.startswith("struct") else f"}} {one.name};"
        lines.append(markup.literal([opening, *body, ending]))
    lines += [f"{', '.join(term(d, one.kind) for d in names)}\n"
              + markup.filled(words.paragraph(" ".join(told)), "\t")
              for names, told in gathered(one) if told or one.kind == "enum"]
    return "\n\n".join(line.strip("\n") for line in lines)


def gathered(one):
    """Constants of which nothing is said are told in one line."""
    found = []
    for names, told in one.fields:
        if not told and found and not found[-1][1] and one.kind == "enum":
            found[-1] = (found[-1][0] + names, [])
        else:
            found.append((list(names), told))
    return found


def listed_or(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def term(declaration, kind):
    if kind == "enum":
        return markup.bold(declaration)
    name = re.search(r"\(\*(\w+)\)", declaration)
    if name:
        return markup.bold(name[1])
    names = [re.search(r"(\w+)(?:\[\w*\])?$", part)[1] for part in declaration.split(",")]
    return markup.bold(", ".join(names))


# --- headers -----------------------------------------------------------------------------------


def title_of(one):
    """What a header is about: the first sentence of its comment, without the header's name."""
    first = prose.sentences(prose.paragraphs(one.comment)[0][1])[0]
    return shortened(re.sub(r"^weft/\w+\.h - ", "", first))


def header_page(one, known, version):
    name = f"weft-{one.stem}"
    words = markup.Words(known)
    first, *rest = prose.paragraphs(one.comment)
    more = prose.sentences(first[1])[1:]
    told = words.paragraphs(([(prose.TEXT, " ".join(more))] if more else []) + rest)
    remarks = [words.paragraphs(prose.paragraphs(lines)) for lines in one.remarks]
    text = [
        title(name, 7, version),
        f"# NAME\n\n{name} - {words.short(title_of(one))}",
        library(one) if one.functions else "",
        f"# SYNOPSIS\n\n{markup.bold(f'#include <{one.name}>')}",
        "# DESCRIPTION\n\n" + join([told or words(markup.sentence(title_of(one))), *remarks]),
        functions_list(one, markup.Words(known)),
        all_types(one, words),
        constants(one, words),
        see_also(words, None, name, 7),
    ]
    return Page(name, 7, one.macros, join(text))


def functions_list(one, words):
    lines = []
    for blocks in one.chunks:
        names = [f.name for block in blocks for f in block.functions]
        parts = [prose.divide(prose.paragraphs(block.comment)) for block in blocks]
        shown = ", ".join(words.page(n, 3) for n in names)
        lines.append(f"{shown}\n\t{words.short(summary(parts))}")
    return "\n\n".join(["# FUNCTIONS", *lines]) if lines else ""


def all_types(one, words):
    shown = [t for t in one.types if t.kind != "function" and (t.fields or t.comment)]
    return "\n\n".join(["# TYPES", *(type_text(t, words) for t in shown)]) if shown else ""


def constants(one, words):
    lines = [f"{markup.bold(name)}\n{markup.filled(words.paragraph(' '.join(comment)), chr(9))}"
             for name, comment in one.constants]
    return "\n\n".join(["# CONSTANTS", *lines]) if lines else ""
