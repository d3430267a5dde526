"""What README.md here says of running the examples: the programs that it starts are built, and who
starts one without what it needs is told how it is used.
usage: test_readme.py DIRECTORY [NOT_BUILT]..."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

from outside import end

PATIENCE_S = 60
DIRECTORY = pathlib.Path(sys.argv.pop(1))
NOT_BUILT = {sys.argv.pop() for _ in range(len(sys.argv) - 1)}  # as a library of others is missing
WANT_ARGUMENTS = {"whatsup", "restart", "kv", "proxy", "rerun", "cksum", "lookup", "fetch",
                  "tls_serve", "tls_get"}
HAVE_OPTIONS = {"shell", "proxy", "cksum", "lookup", "fetch", "tls_serve", "tls_get"}


def started():
    """The programs of the commands in README.md."""
    text = pathlib.Path(__file__).with_name("README.md").read_text()
    commands = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    return set(re.findall(r"\bbuild/bin/([a-z_.]+)", commands))


class Readme(unittest.TestCase):
    def test_programs_are_built(self):
        self.assertGreater(len(started()), 20)
        for name in started() - NOT_BUILT:
            self.assertTrue(os.access(DIRECTORY / name, os.X_OK), name)

    def test_servers_and_tools_are_named(self):
        self.assertLessEqual(WANT_ARGUMENTS | HAVE_OPTIONS | {"echo", "logtask"}, started())

    def says_how(self, name, *arguments):
        done = subprocess.run([DIRECTORY / name, *arguments], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=PATIENCE_S, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""), name)
        self.assertRegex(done.stderr, rf"(^|\n)usage: {name} .*\n$")

    def test_without_arguments(self):
        for name in sorted(WANT_ARGUMENTS - NOT_BUILT):
            self.says_how(name)

    def test_an_option_there_is_not(self):
        for name in sorted(HAVE_OPTIONS - NOT_BUILT):
            self.says_how(name, "-Q")

    def test_echo_has_an_address(self):
        """Of its own; somebody else may have it already."""
        process = subprocess.Popen([DIRECTORY / "echo"], stdout=subprocess.PIPE, text=True,
                                   stderr=subprocess.STDOUT)
        self.addCleanup(end, process)
        self.assertIn(process.stdout.readline(), ("listening on 127.0.0.1:7000\n",
                                                  "echo: Address already in use\n"))
        process.terminate()
        self.assertIn(process.wait(PATIENCE_S), (0, 1))


if __name__ == "__main__":
    unittest.main()
