"""Plain text and C as scdoc has them."""
import re
import textwrap

from .prose import CODE, ITEM, TERM

WORDS = re.compile(
    r"(?P<quoted>`[^`]+`)"
    r"|(?P<header>\bweft/(?P<stem>\w+)\.h\b)"
    r"|(?P<type>\b(?:enum|struct) weft_\w+)"
    r"|(?P<option>(?<![\w.])\.[a-z_]+\b)"
    r"|(?P<error>-E[A-Z0-9]+\b)"
    r"|(?P<manual>\b[a-z_]\w*\([1-8]\))"
    r"|(?P<ours>\bweft_\w+\b(?:\(\))?)"
    r"|(?P<constant>\bWEFT_[A-Z0-9_]*[A-Z0-9]\b)"
    r"|(?P<word>\*?\b[A-Za-z_]\w*\b)")
WIDTH = 70


def escape(text):
    return re.sub(r"([\\*_`+#])", r"\\\1", text)


def bold(text):
    return f"*{escape(text)}*"


def italic(text):
    return f"_{escape(text)}_"


def filled(text, indent=""):
    """In lines of a source's width, none of which begins with what scdoc takes for its own."""
    lines = textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)
    return "\n".join(indent + re.sub(r"^([-.|\[\]:;>!~])", r"\\\1", line) for line in lines)


def sentence(text):
    """With a capital, unless it begins with a name, and a full stop."""
    text = text.rstrip(":;,")
    first = re.match(r"[a-z]+(?=[ ,;:.]|$)", text)
    if first and first[0] not in ("sizeof", "errno", "enum", "struct"):
        text = text[:1].upper() + text[1:]
    return text + ("" if not text or text[-1] in ".?!" else ".")


def literal(lines):
    shown = [line.replace("\\", "\\\\").replace("```", "\\```") for line in lines]
    return "\n".join(["```", *shown, "```"])


class Words:
    """
    Sets names apart: what is declared in bold, parameters in italics, with the number of its
    section what has a page of its own. Notes in `seen` which pages were named.
    """

    def __init__(self, known, own=(), parameters=()):
        self.known, self.own, self.parameters = known, own, parameters
        self.seen = set()

    def __call__(self, text):
        found, at = [], 0
        for match in WORDS.finditer(text):
            found += [escape(text[at:match.start()]), self._word(match, text)]
            at = match.end()
        return "".join([*found, escape(text[at:])])

    def _word(self, match, text):
        kind, word = match.lastgroup if match.lastgroup != "stem" else "header", match[0]
        if kind == "header":
            if match["stem"] not in self.known.stems:
                return bold(f"<{word}>")
            return self.page("weft" if match["stem"] == "weft" else f"weft-{match['stem']}", 7)
        if kind == "manual":
            return self.page(word[:-3], int(word[-2]))
        if kind == "quoted":
            inside = word[1:-1]
            return italic(inside) if inside.lstrip("*") in self.parameters else bold(inside)
        if kind == "ours" and word.removesuffix("()") in self.known.functions:
            return self._function(word, text[match.end():match.end() + 1])
        if kind in ("error", "constant", "type", "option"):
            return bold(word)
        if kind == "word" and word.lstrip("*") in self.parameters and re.search(r"[*_]", word):
            return italic(word)
        return escape(word)

    def _function(self, word, behind):
        name = word.removesuffix("()")
        if name in self.own or word != name:
            self.seen |= {(name, 3)} - {(own, 3) for own in self.own}
            return bold(name) + ("" if behind == "(" else "()")
        if behind == "(":
            self.seen.add((name, 3))
            return bold(name)
        return self.page(name, 3)

    def short(self, text):
        """For NAME and lists of pages, where nothing is set apart."""
        return escape(text.replace("`", ""))

    def paragraph(self, text):
        """The comment of a field, as a sentence."""
        text = " ".join(text.split())
        return self(sentence(text))

    def page(self, name, section):
        self.seen.add((name, section))
        return f"{bold(name)}({section})"

    def paragraphs(self, found):
        """scdoc's text of what prose.paragraphs has found."""
        parts, last = [], None
        for kind, text in found:
            between = "\n" if kind == last == ITEM else "\n\n" if parts else ""
            if kind == CODE:
                made = literal(text)
            elif kind == TERM:
                made = f"{bold(text[0])}\n{filled(self(text[1]), chr(9))}"
            elif kind == ITEM:
                made = "- " + filled(self(text)).replace("\n", "\n  ")
            else:
                made = filled(self(text))
            parts += [between, made]
            last = kind
        return "".join(parts)


def prototype(function):
    """Bold with italic names, broken behind commas; what follows the first line is indented."""
    pieces = [parameter(p) for p in function.parameters] or [("void", "", "")]
    start = function.returns + " " * (not function.returns.endswith("*")) + function.name + "("
    lines, length = [[(bold, start)]], len(start)
    for number, (before, name, behind) in enumerate(pieces):
        last = number == len(pieces) - 1
        piece = [(bold, before), (italic, name), (bold, behind + (");" if last else ","))]
        size = sum(len(text) for _, text in piece)
        if number > 0 and length + 1 + size > WIDTH:
            lines.append([])
            length = 4
        elif number > 0:
            piece.insert(0, (bold, " "))
        lines[-1] += piece
        length += sum(len(text) for _, text in piece)
    lines = [styled(line) for line in lines]
    return "++\n".join(["\n\t".join(lines[:2]), *lines[2:]])


def styled(pieces):
    """Neighbours of one style are one piece: scdoc knows no empty one."""
    merged = []
    for style, text in pieces:
        if merged and merged[-1][0] == style:
            merged[-1][1] += text
        elif text:
            merged.append([style, text])
    return "".join(style(text) for style, text in merged)


def parameter(text):
    """(before, name, behind)"""
    match = (re.fullmatch(r"(.*\(\*)(\w+)(\).*)", text)
             or re.fullmatch(r"(.*?)(\w+)((?:\[\w*\])?)", text))
    before, name, behind = match.groups()
    return (before, name, behind) if before else (name + behind, "", "")
