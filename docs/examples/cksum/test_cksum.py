"""The cksum example against cksum(1): files of many sizes, overlapping and serial; missing ones.
usage: test_cksum.py PROGRAM"""
import os
import pathlib
import pty
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from outside import end

PROGRAM = ""
SIZES = [0, 1, 2, 255, 4096, 65537, 262143, 262144, 262145, 524288, 524289, 3_000_001]


def run(*arguments):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=100, check=False)


class Cksum(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        draws = random.Random(7)
        self.names = []
        for number, size in enumerate(SIZES):
            path = pathlib.Path(self.folder.name) / f"file{number}"
            path.write_bytes(draws.randbytes(size))
            self.names.append(str(path))
        self.expected = run("cksum", *self.names).stdout

    def tearDown(self):
        self.folder.cleanup()

    def test_same_as_cksum(self):
        for options in ([], ["-s"], ["-q"]):
            done = run(PROGRAM, *options, *self.names)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, self.expected, ""))

    def test_missing(self):
        missing = os.path.join(self.folder.name, "missing")
        done = run(PROGRAM, self.names[3], missing, self.folder.name, self.names[5])
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stdout.splitlines()), 2)
        self.assertIn(f"{missing}: No such file or directory", done.stderr)
        self.assertIn(f"{self.folder.name}: Is a directory", done.stderr)

    def test_progress(self):
        here, there = pty.openpty()
        self.addCleanup(os.close, here)
        program = subprocess.Popen([PROGRAM, *self.names], stdout=subprocess.PIPE, stderr=there,
                                   text=True)
        self.addCleanup(end, program)
        os.close(there)
        shown = b""
        try:
            while piece := os.read(here, 65536):
                shown += piece
        except OSError:  # the end, in a terminal's words
            pass
        shown = shown.decode()
        self.assertEqual(program.communicate(timeout=100)[0], self.expected)
        self.assertRegex(shown, r"\r\[ {30}\] +0 %  0 of 12 files|\r\[#* *\] +\d+ %")
        self.assertRegex(shown, r"\[#{30}\] 100 %  12 of 12 files, \d+ MB/s \s*$")

    def wait_until_stoppable(self, program):
        """Until a handler of SIGTERM is there, which is the runtime's."""
        status = pathlib.Path(f"/proc/{program.pid}/status")
        until = time.monotonic() + 60
        while True:
            caught = re.search(r"^SigCgt:\s+(\w+)", status.read_text(), re.M).group(1)
            if int(caught, 16) & 1 << signal.SIGTERM - 1:
                return
            self.assertIsNone(program.poll(), "it has ended")
            self.assertLess(time.monotonic(), until, "it does not wait for SIGTERM")
            time.sleep(0.01)

    def test_stopped(self):
        program = subprocess.Popen([PROGRAM, "/dev/zero"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(end, program)
        self.wait_until_stoppable(program)
        self.assertRaises(subprocess.TimeoutExpired, program.wait, 0.3)
        program.send_signal(signal.SIGTERM)
        out, errors = program.communicate(timeout=100)
        self.assertEqual((program.returncode, out), (1, ""))
        self.assertIn("/dev/zero: Operation canceled", errors)

    def test_usage(self):
        self.assertEqual(run(PROGRAM, "-x").returncode, 2)
        self.assertEqual(run(PROGRAM).returncode, 2)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
