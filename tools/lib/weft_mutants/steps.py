"""The steps of a build, by what ninja knows of it, and which of them a changed file asks for."""
import json
import os
import re
import shutil
import subprocess

SONAME = re.compile(r"-Wl,-soname,(\S+)")


class Steps:
    """Each output's command, the outputs its words name, and the outputs that read each file."""

    def __init__(self, root, build):
        self.root, self.build = root, build
        self.commands = {entry["output"]: entry["command"]
                         for entry in json.loads(self._ninja("-t", "compdb", "-x"))
                         if entry["command"] and "cmake_symlink_library" not in entry["command"]}
        self.inputs = {output: [word for word in command.split()
                                if word != output and word in self.commands]
                       for output, command in self.commands.items()}
        self.readers = {}
        output = ""
        for line in self._ninja("-t", "deps").splitlines():
            if line.startswith(" "):
                path = os.path.normpath(os.path.join(build, line.strip()))
                self.readers.setdefault(path, set()).add(output)
            else:
                output = line.partition(":")[0]
        # The tree's path in a command, but where that goes on into the build.
        inside = "" if not build.is_relative_to(root) else f"(?!{re.escape(str(build))}(?:/|$))"
        self.ours = re.compile(inside + re.escape(str(root)) + r"(?=/)")

    def _ninja(self, *arguments):
        return subprocess.run(["ninja", "-C", str(self.build), "--quiet", *arguments], check=True,
                              capture_output=True, text=True).stdout


class Made:
    """What is made anew of the build because the files differ in `tree`: it lies in `out`, under
    the names it has in the build."""

    def __init__(self, steps, files, tree, out):
        self.steps, self.tree, self.out = steps, tree, out
        self.changed = {output for name in files
                        for output in steps.readers.get(str(steps.root / name), ())}
        self.anew, self.same = {}, set()  # the first: output to where it is
        self.libraries = set()            # folders of shared ones
        shutil.rmtree(out, ignore_errors=True)

    def commands(self, targets):
        """The commands that make the programs, in order, without those given before."""
        commands = []
        for target in targets:
            self._visit(target, commands)
        return commands

    def _visit(self, output, commands):
        """Whether the output is another. A program stays whose shared library alone is another."""
        if output in self.anew or output in self.same:
            return output in self.anew
        inputs = self.steps.inputs.get(output, ())
        others = [self._visit(i, commands) and ".so" not in i for i in inputs]
        if output not in self.changed and not any(others):
            self.same.add(output)
            return False
        self.anew[output] = self.out / output
        commands.append(self._command(output))
        return True

    def _command(self, output):
        path = self.anew[output]
        path.parent.mkdir(parents=True, exist_ok=True)
        command = self.steps.commands[output]
        if output in self.changed:
            command = self.steps.ours.sub(lambda _: str(self.tree), command)
            command = re.sub(r" -Werror(?= )", "", command)
        if name := SONAME.search(command):
            if name[1] != path.name:
                (path.parent / name[1]).symlink_to(path.name)
            self.libraries.add(str(path.parent))
        return re.sub(r"\S+", lambda word: self._word(word[0]), command)

    def _word(self, word):
        stem = word.removesuffix(".d")
        return str(self.anew[stem]) + word[len(stem):] if stem in self.anew else word

    def instead(self, word):
        """A word of a test's command: the program made anew for that of the build."""
        output = word.removeprefix(f"{self.steps.build}/")
        return str(self.anew.get(output, word))

    def environment(self):
        return {"LD_LIBRARY_PATH": ":".join(sorted(self.libraries))} if self.libraries else {}
