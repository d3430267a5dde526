"""src/ against tools/layers.txt: who includes whom, and who asks the kernel."""
import fnmatch
import re

from . import files

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', re.MULTILINE)
CALL = re.compile(r"(?<![\w.])(?<!->)([A-Za-z_]\w*)[ \t]*\(")


class Rules:
    """tools/layers.txt, read."""

    def __init__(self, path):
        self.order, self.apart, self.kernel = [], [], []
        self.headers, self.calls, self.never, self.allowed = [], [], [], {}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words = line.split("#")[0].split()
            if words:
                self._read(words, f"{path}:{number}")

    def _read(self, words, where):
        verb, names = words[0], words[1:]
        lists = {"layer": self.order, "kernel": self.kernel, "header": self.headers,
                 "call": self.calls, "never": self.never}
        if verb in lists and names:
            lists[verb] += names
        elif verb == "apart" and len(names) == 2:
            self.apart.append(set(names))
        elif verb == "allow" and len(names) > 1:
            self.allowed.setdefault(names[0], []).extend(names[1:])
        else:
            raise RuntimeError(f"{where}: not understood: {' '.join(words)}")

    def may_include(self, layer, other):
        if {layer, other} in self.apart:
            return False
        return self.order.index(other) <= self.order.index(layer)

    def is_allowed(self, path, name):
        return matches(name, self.allowed.get(path, []))


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _include_findings(rules, path, layer, text, where, root):
    for found in INCLUDE.finditer(text):
        quote, name = found.groups()
        place = where(found.start())
        if quote == "<":
            if layer not in rules.kernel and matches(name, rules.headers) \
                    and not rules.is_allowed(path, name):
                yield f"{place}: <{name}> is for {', '.join(rules.kernel)} only"
            continue
        other = name.split("/")[0]
        if "/" not in name or other not in rules.order:
            yield f'{place}: "{name}" does not begin with a layer'
        elif not (root / "src" / name).is_file():
            yield f'{place}: "{name}" is not there'
        elif not rules.may_include(layer, other):
            yield f'{place}: {layer} may not include "{name}"'


def _call_findings(rules, path, layer, text, where):
    for found in CALL.finditer(files.bare(text)):
        name = found.group(1)
        if rules.is_allowed(path, name):
            continue
        if matches(name, rules.never):
            yield f"{where(found.start())}: {name}() is called nowhere in the library"
        elif layer not in rules.kernel and matches(name, rules.calls):
            yield f"{where(found.start())}: {name}() is for {', '.join(rules.kernel)} only"


def check_layers(options):
    rules = Rules(options.root / "tools" / "layers.txt")
    findings = []
    for name in files.tracked(options.root):
        if not name.startswith("src/") or not name.endswith((".c", ".h", ".S")):
            continue
        path = name[len("src/"):]
        layer = path.split("/")[0]
        text = (options.root / name).read_text()

        def where(offset):
            return f"{name}:{text.count(chr(10), 0, offset) + 1}"

        if layer not in rules.order:
            findings.append(f"{name}: tools/layers.txt knows no layer {layer}")
            continue
        findings += _include_findings(rules, path, layer, text, where, options.root)
        if not name.endswith(".S"):
            findings += _call_findings(rules, path, layer, text, where)
    return findings
