"""The text of a comment as paragraphs, and what of it is about results.

A docstring ends, as a rule, in "Returns THIS; -EONE for that reason; -ETWO, -ETHREE for another.":
what stands before the first error is the return value, each error with its words an entry of a
list. What does not read like that stays where it is, in the description.
"""
import dataclasses
import re

TEXT, CODE, TERM, ITEM = "text", "code", "term", "item"
CODES = re.compile(r"-E[A-Z0-9]+\b(?:(?:, and |, or |, | and | or )-E[A-Z0-9]+\b|, \.\.\.)*")
RESULT = re.compile(r"(?:_\w+ )?[Rr]eturns?,? (?!when|to\b|at\b|until)|-E[A-Z]"
                    r"|[01](?:[;,.:]| (?:or|when|if|after)\b)|.*\breturns? [^;]*; (?:else 0; )?-E")
ASIDE = re.compile(r"(?:.* )?(?:[Nn]ever|[Dd]oes not|do not) suspends?(?: either)?\."
                   r"|(?:Never suspends?|Allocates nothing|Always finish)\b.*|Any thread\b[^;]*\."
                   r"|By any thread\.|NULL (?:is allowed|does)\b.*|Safe in a signal handler\."
                   r"|(?:In|From) a task or (?:in )?a? ?callback\.")
# An entry of a list of errors that names none.
OTHERS = re.compile(r"; (?=(?:and |or |also )?(?:what|whatever|as|the error|else what) )")
ABBREVIATION = re.compile(r"(?:\.\.|e\.g|i\.e|etc)\.$")


@dataclasses.dataclass
class Results:
    """value: sentences; errors: [(codes, text)] with sentences between, of the codes "". """
    value: list
    errors: list


def paragraphs(lines):
    """[(kind, text or lines)]; a TERM is (term, text)."""
    found, fresh = [], True
    for line in [*lines, ""]:
        indent, last = len(line) - len(line.lstrip()), found[-1] if found else (None, None)
        term = (re.match(r" {1,3}([^\s-].*?|-E\w+) {2,}(\S.*)", line)
                or (re.match(r"(\w+) {2,}(\S.*)", line) if fresh or last[0] == TERM else None))
        item = re.match(r" {1,3}- (.*)", line)
        if not line.strip():
            if last[0] == CODE:
                last[1].append("")
            fresh = True
        elif indent >= 4 and (fresh or last[0] == CODE):
            if last[0] != CODE:
                found.append((CODE, []))
            found[-1][1].append(line)
            fresh = False
        elif term:
            found.append((TERM, [term[1], term[2]]))
            fresh = False
        elif item:
            found.append((ITEM, [item[1]]))
            fresh = False
        elif fresh or last[0] == CODE or (last[0] in (TERM, ITEM) and indent == 0):
            found.append((TEXT, [line.strip()]))
            fresh = False
        else:
            last[1].append(line.strip())
    return [finished(kind, lines) for kind, lines in found]


def finished(kind, lines):
    if kind == CODE:
        while not lines[-1]:
            lines.pop()
        least = min(len(line) - len(line.lstrip()) for line in lines if line)
        return kind, [line[least:] for line in lines]
    if kind == TERM:
        return kind, (lines[0], " ".join(lines[1:]))
    return kind, " ".join(lines)


def sentences(text):
    """At a full stop, outside of parentheses; what follows may begin with a parameter's name."""
    found, start, depth = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        behind = text[at + 1:at + 3]
        if letter not in ".?" or depth > 0 or not re.match(r" [\w*-]", behind):
            continue
        if not ABBREVIATION.search(text[start:at + 1]) or re.match(r" [A-Z]", behind):
            found.append(text[start:at + 1].strip())
            start = at + 1
    return [*found, text[start:].strip()] if text[start:].strip() else found


def clauses(sentence):
    """[(codes, text)] of one sentence, in order; what stands before the first error has none."""
    found, start, depth, at = [["", ""]], 0, 0, 0
    while at < len(sentence):
        depth += (sentence[at] == "(") - (sentence[at] == ")")
        codes = CODES.match(sentence, at) if depth == 0 and begins(sentence, at) else None
        other = OTHERS.match(sentence, at) if depth == 0 and len(found) > 1 else None
        if codes or other:
            found[-1][1] = sentence[start:at]
            found.append([codes[0] if codes else "", ""])
            at = start = (codes or other).end()
        else:
            at += 1
    found[-1][1] = sentence[start:]
    return [pair for codes, text in found for pair in apart(codes, tidy(text))]


def apart(codes, text):
    """Words in parentheses are about the last of several errors, and no words are about none."""
    if re.match(r"and (?:what|as)\b", text):
        return [*apart(codes, ""), ("", text)]
    text = re.sub(r"^and then ", "then ", text)
    names = re.split(r", (?=-E)", codes)
    if len(names) > 1 and " " not in "".join(names) and (not text or text.startswith("(")):
        return [(name, "") for name in names[:-1]] + [(names[-1], text)]
    return [(codes, text)]


def begins(sentence, at):
    """Is what stands at `at` an entry of a list, rather than a word of its text?"""
    before = sentence[:at].rstrip()
    return (not before or before[-1] in ";,:"
            or re.search(r"[;,] (?:and|or|else)$|\belse$|^Returns$", before))


def tidy(text):
    text = re.sub(r"^[:,;]\s*", "", text.strip())
    text = re.sub(r"(?:[;,:]|[;,] (?:and|or|else))$", "", text).strip()
    return text


def divide(found):
    """(description, Results or None, notes) of the paragraphs of one comment."""
    description, notes, results = [], [], Results([], [])
    for kind, text in found:
        if kind != TEXT:
            description.append((kind, text))
            continue
        kept, telling = [], False
        for sentence in sentences(text):
            if ASIDE.fullmatch(sentence) and len(sentence) < 60 and not CODES.search(sentence):
                notes.append(sentence)
                continue
            telling = telling or bool(RESULT.match(sentence))
            if telling:
                take(sentence, results)
            else:
                kept.append(sentence)
        if kept:
            description.append((TEXT, " ".join(kept)))
    if not description and results.value:
        description.append((TEXT, results.value[0] + "."))
    return description, results, notes


def take(sentence, results):
    parts = clauses(re.sub(r"(?<!\.)\.$", "", sentence))
    lead = parts[0][1]
    if re.match(r"After (?:an|one|-E)", sentence):  # what then is so
        results.errors.append(("", sentence))
        return
    if lead and (is_value(lead) or (not results.errors and len(parts) == 1)):
        results.value.append(lead)
    elif lead:
        results.errors.append(("", lead + ("." if len(parts) == 1 else ":")))
    results.errors += parts[1:]


def is_value(lead):
    return bool(re.match(r"(?:_\w+ )?[Rr]eturns?\b|[01]\b|.*\breturns [^;]*(?:; else 0)?$", lead))
