"""A public header as what it declares: groups of functions, types, and what is said of each.

What stands in a header without an empty line in between belongs together, and is one page. A
comment is about the declarations behind it, up to the next comment.
"""
import dataclasses
import re

from weft_tidy.sites import split

COMMENT, BLANK, DIRECTIVE, DECLARATION = "comment", "blank", "directive", "declaration"
MARKS = re.compile(r"\b(?:WEFT_API|WEFT_NODISCARD|WEFT_SUSPENDS)\b|__attribute__\s*\(\(.*?\)\)\s*")
PRIVATE = ("weft_no_suspend",)  # a macro's own
NOT_PROSE = re.compile(r"^(-- .* -+|clang-format (on|off))$")


@dataclasses.dataclass
class Function:
    name: str
    returns: str
    parameters: list
    suspends: bool


@dataclasses.dataclass
class Block:
    """A comment, as lines, and the functions that it is about."""
    comment: list
    functions: list


@dataclasses.dataclass
class Type:
    kind: str  # struct, enum or function
    name: str  # as prototypes have it
    text: str  # a function's whole typedef
    comment: list
    fields: list  # (declarations, lines of a comment)
    initialisers: list


class Header:
    """One public header. name: "weft/task.h"; chunks: [Block, ...] of each page."""

    def __init__(self, path):
        self.name = f"weft/{path.name}"
        self.stem = path.stem
        self.comment, self.chunks, self.types, self.remarks = [], [], [], []
        self.macros, self.constants, chunk = [], [], []
        for kind, text in [*tokens(path.read_text()), (BLANK, "")]:
            if kind != BLANK:
                chunk.append((kind, text))
            elif chunk:
                self._take(chunk)
                chunk = []

    @property
    def functions(self):
        return [f for blocks in self.chunks for block in blocks for f in block.functions]

    def _take(self, chunk):
        blocks, types, kinds = [Block([], [])], [], {kind for kind, _ in chunk}
        for kind, text in chunk:
            if kind == COMMENT and not self.comment:
                self.comment = lines_of(text)
            elif kind == COMMENT:
                lines = lines_of(text)
                if not NOT_PROSE.match(" ".join(lines)):
                    blocks.append(Block(lines, []))
            elif kind == DIRECTIVE:
                self._take_macro(text, blocks[-1].comment, types)
            else:
                found = function(text)
                if found and not found.name.endswith("_"):
                    blocks[-1].functions.append(found)
                elif not found:
                    types += type_of(text, blocks[-1].comment)
        self.types += types
        if any(block.functions for block in blocks):
            self.chunks.append([b for b in blocks if b.functions])
        elif not types and DIRECTIVE not in kinds:
            # about the header as a whole, or about a macro whose functions are its own affair
            self.remarks += [b.comment for b in blocks if b.comment and not behind(b.comment)]

    def _take_macro(self, text, comment, types):
        made = re.match(r"#\s*define (WEFT_\w*[A-Z0-9])(\(?)", text)
        if not made:
            return
        if made[1].endswith("_INIT") and types:
            types[-1].initialisers.append(made[1])
        elif made[2]:
            self.macros.append(made[1])
        elif comment and not types:
            self.constants.append((made[1], comment))


def behind(comment):
    """A comment that only says what private functions are there for."""
    return " ".join(comment).startswith("Behind ")


def tokens(text):
    """(kind, text) of what stands in a header, but for what only C++ sees."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            end = at + len(text[at:]) - len(text[at:].lstrip())
            if text.count("\n", at, end) > 1:
                yield BLANK, ""
        elif text.startswith("/*", at):
            end = text.index("*/", at) + 2
            if not text[:at].rpartition("\n")[2].strip():  # else it is about what stands before it
                yield COMMENT, text[at:end]
        elif text[at] == "#":
            end = re.compile(r"(?:[^\\\n]|\\.)*", re.DOTALL).match(text, at).end()
            if re.match(r"#\s*ifdef __cplusplus", text[at:end]):
                end = after_condition(text, end)
            else:
                yield DIRECTIVE, text[at:end]
        elif re.compile(r"WEFT_(BEGIN|END)_DECLS").match(text, at):
            end = text.index("DECLS", at) + 5
        else:
            end = declaration_end(text, at)
            yield DECLARATION, text[at:end]
        at = end


def after_condition(text, at):
    """Behind the #else or #endif of the condition that has been entered at `at`."""
    depth = 1
    for found in re.compile(r"^[ \t]*#\s*(if|else|endif)[^\n]*", re.MULTILINE).finditer(text, at):
        depth += {"if": 1, "endif": -1}.get(found[1], -1 if depth == 1 else 0)
        if depth == 0:
            return found.end()
    return len(text)


def declaration_end(text, at):
    depth, body = 0, text.startswith("static inline", at)
    while at < len(text):
        if text.startswith("/*", at):
            at = text.index("*/", at) + 1
        depth += (text[at] in "({") - (text[at] in ")}")
        at += 1
        if depth == 0 and text[at - 1] == ("}" if body else ";"):
            return at
    return at


def lines_of(comment):
    """The lines of a comment without what makes it one."""
    body = comment[2:-2].rstrip()
    lines = [re.sub(r"^ \* ?|^   ", "", line.rstrip()) for line in body.split("\n")]
    lines[0] = lines[0].strip()
    return lines[1:] if not lines[0] else lines


def bare(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def function(text):
    inline = text.startswith("static inline ")
    if not inline and not text.startswith("WEFT_API"):
        return None
    words = bare(text)
    words = words[len("static inline "):words.index("{")] if inline else words[:-1]
    words = " ".join(MARKS.sub(" ", words).split())
    returns, name, parameters = re.fullmatch(r"(.*?)(\w+) ?\((.*)\)", words).groups()
    return Function(name, returns.strip(), split(parameters), "WEFT_SUSPENDS" in text)


def type_of(text, comment):
    """[Type] of a definition that a reader is to see."""
    plain = " ".join(bare(text).split())
    made = re.match(r"(?:typedef )?(struct|enum)(?: (\w+))? \{", plain)
    if made and made[2] not in PRIVATE:
        alias = re.search(r"\} (\w+);$", plain)
        name = alias[1] if alias else f"{made[1]} {made[2] or ''}".strip()
        body = text[text.index("{") + 1:text.rindex("}")]
        found = fields(body, "," if made[1] == "enum" else ";")
        return [Type(made[1], name, "", comment, found, [])]
    if not made and plain.startswith("typedef ") and "(" in plain:
        name = re.search(r"\(\*(\w+)\)\(", plain) or re.search(r"(\w+) ?\(", plain)
        return [Type("function", name[1], plain, comment, [], [])]
    return []


def fields(body, end):
    """
    [([declaration, ...], lines)]: a comment behind a field is about that one; a comment on lines of
    its own is about those that follow without one. What is called opaque is nobody's to see.
    """
    inside = rf"(?:[^{end}/(]|\((?:[^()]|\([^()]*\))*\))+?"
    piece = re.compile(rf"\s*(?:(/\*.*?\*/)|({inside})\s*(?:{end}|(?=/\*)|$))", re.DOTALL)
    found, above, at = [], None, 0
    while body[at:].strip():
        match = piece.match(body, at)
        if match[1] and "\n" in body[at:match.start(1)]:
            above = ([], lines_of(match[1]))
            found.append(above)
        elif match[1]:
            if found[-1] is above and above[0]:
                found.append(([above[0].pop()], []))
            found[-1][1].extend(lines_of(match[1]))
            above = None
        elif match[2].strip():
            declaration = " ".join(match[2].split())
            if above is None:
                found.append(([], []))
            (above or found[-1])[0].append(declaration)
        at = match.end()
    return [(names, lines) for names, lines in found
            if names and not any(re.search(r"\bopaque\[", name) for name in names)]
