#!/usr/bin/env python3
"""The example `rerun`, with sh and cat.

    test_rerun.py RERUN

Would catch a change that is missed, so that what was said last is not what is there; a command that
runs on beside the next, or when all is over.
"""
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from outside import end

RERUN = sys.argv.pop(1)
PATIENCE_S = 100


def is_gone(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] == "Z"


class Rerun(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def start(self, *command):
        rerun = subprocess.Popen([RERUN, self.directory, *command], text=True,
                                 stdout=subprocess.PIPE)
        self.addCleanup(end, rerun)
        return rerun

    def until(self, rerun, text):
        """Reads what it says up to that line. Hangs, and is ended by who runs the test, if it
        never comes."""
        for line in rerun.stdout:
            if line == text + "\n":
                return
        self.fail(f"it ended without saying {text!r}")

    def interrupt(self, rerun, number=signal.SIGINT):
        rerun.send_signal(number)
        rerun.stdout.close()
        self.assertEqual(rerun.wait(PATIENCE_S), 128 + number)

    def expect_gone(self, pids):
        limit = time.monotonic() + PATIENCE_S
        while not all(is_gone(pid) for pid in pids):
            self.assertLess(time.monotonic(), limit, "a process lives on")
            time.sleep(0.01)

    def test_changes(self):
        """Written in place, replaced, removed, and many in a row: the last state is told."""
        file, other = self.directory / "file", self.directory / "other"
        file.write_text("one\n")
        rerun = self.start("cat", file)
        self.until(rerun, "one")
        self.until(rerun, "rerun: returned 0")
        file.write_text("two\n")
        self.until(rerun, "two")
        other.write_text("three\n")
        other.rename(file)
        self.until(rerun, "three")
        for number in range(100):
            file.write_text(f"{number}\n")
        self.until(rerun, "99")
        self.interrupt(rerun, signal.SIGTERM)

    def processes(self, rerun):
        """The two that the command below has started."""
        pids = []
        while len(pids) < 2:
            line = rerun.stdout.readline()
            self.assertTrue(line, "it has ended")
            if line.strip().isdigit():
                pids.append(int(line))
        return pids

    def test_ended_with_its_group(self):
        rerun = self.start("sh", "-c", "sleep 1000 & echo $!; echo $$; wait")
        first = self.processes(rerun)
        (self.directory / "new").touch()
        second = self.processes(rerun)
        self.expect_gone(first)
        self.interrupt(rerun)
        self.expect_gone(second)

    def test_command_that_fails(self):
        rerun = self.start("sh", "-c", "exit 3")
        self.until(rerun, "rerun: returned 3")
        (self.directory / "new").mkdir()
        self.until(rerun, "rerun: returned 3")
        self.interrupt(rerun)

    def test_no_directory(self):
        result = subprocess.run([RERUN, self.directory / "none", "true"], text=True,
                                capture_output=True, timeout=PATIENCE_S)
        self.assertEqual((result.returncode, result.stderr),
                         (1, "rerun: No such file or directory\n"))


if __name__ == "__main__":
    unittest.main()
