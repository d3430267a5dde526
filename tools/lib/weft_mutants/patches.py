"""tests/mutants: patches with a header, and the list of those that are expected to survive."""
import dataclasses
import re

FOLDER = "tests/mutants"
SURVIVORS = "survivors.txt"
KEYS = {"breaks", "killed by", "case", "build"}


class Malformed(Exception):
    """A patch or a list that does not say what it has to; the text says which and what."""


@dataclasses.dataclass
class Mutant:
    name: str
    files: list          # of the tree, that it changes
    diff: str
    breaks: str
    killed_by: str       # a regular expression for names of tests
    origin: str = ""     # the file it comes from
    case: str = ""
    build: str = "release"
    survives: str = ""   # why that is expected


def survivors(root):
    """{name: why}, from lines "NAME: WHY"; further lines of a reason are indented."""
    path = root / FOLDER / SURVIVORS
    reasons, name = {}, None
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace() and name:
            reasons[name] += " " + line.strip()
            continue
        name, colon, why = line.partition(": ")
        if not colon or not why.strip():
            raise Malformed(f"{path}: no reason for {name}")
        reasons[name] = why.strip()
    return reasons


def read_one(root, path):
    header = {}
    lines = path.read_text().splitlines(keepends=True)
    while lines and lines[0].startswith("#"):
        key, _, value = lines.pop(0)[1:].strip().partition(": ")
        if key in KEYS:
            header[key] = value.strip()
        elif header:  # a line more of the last value
            last = list(header)[-1]
            header[last] += " " + f"{key}: {value}".removesuffix(": ")
    for key in ("breaks", "killed by"):
        if not header.get(key):
            raise Malformed(f"{path}: does not say \"# {key}: ...\"")
    diff = "".join(lines)
    files = sorted(set(re.findall(r"^\+\+\+ b/(\S+)", diff, re.M)))
    if not files:
        raise Malformed(f"{path}: changes nothing")
    return Mutant(path.stem, files, diff, header["breaks"], header["killed by"],
                  str(path.relative_to(root)), header.get("case", ""),
                  header.get("build", "release"))


def read(root):
    mutants = [read_one(root, path) for path in sorted((root / FOLDER).glob("*.patch"))]
    numbered = {}
    for mutant in mutants: # they are asked for by number
        number = mutant.name.partition("-")[0]
        if number in numbered:
            raise Malformed(f"{numbered[number]} and {mutant.name} have the same number")
        numbered[number] = mutant.name
    expected = survivors(root)
    for mutant in mutants:
        mutant.survives = expected.get(mutant.name, "")
    return mutants
