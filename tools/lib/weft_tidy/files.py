"""Which files the tree has, and C text without its comments and strings."""
import os
import pathlib
import re
import subprocess


def tracked(root):
    """Paths of the project's files under root: git's list, or every file where git has none."""
    try:
        top = subprocess.run(["git", "-C", root, "rev-parse", "--show-toplevel"], check=True,
                             capture_output=True, text=True).stdout.strip()
        if pathlib.Path(top).resolve() == pathlib.Path(root).resolve():
            listed = subprocess.run(["git", "-C", root, "ls-files", "-z"], check=True,
                                    capture_output=True, text=True).stdout
            return sorted(p for p in listed.split("\0") if p and (root / p).is_file())
    except (OSError, subprocess.CalledProcessError):
        pass
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", "build", "__pycache__")]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def is_c(path):
    return path.endswith((".c", ".h", ".cc"))


_PIECES = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def _blank(match):
    piece = match.group(0)
    if piece.startswith("/"):
        return re.sub(r"[^\n]", " ", piece)
    return piece[0] + " " * (len(piece) - 2) + piece[-1]


def bare(text):
    """The text with comments and the insides of literals blanked, every line where it was."""
    return _PIECES.sub(_blank, text)
