#!/usr/bin/env python3
"""The example `shell`, with the programs it is for: sh, cat, sleep.

Would catch output that is lost or mixed, more commands at once than asked for, and a process, or
what it started, that lives on when the shell was interrupted or ran out of time.
"""
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

from outside import end

SHELL = sys.argv.pop(1)


def run(lines, *options, **more):
    return subprocess.run([SHELL, *options], input="\n".join(lines) + "\n", text=True,
                          capture_output=True, timeout=100, **more)


def said(output, number):
    return [line.split(": ", 1)[1] for line in output.splitlines()
            if line.startswith(f"{number}: ")]


def is_gone(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] == "Z"


class Shell(unittest.TestCase):
    def test_output(self):
        result = run(["echo one; echo two >&2; printf three", "cat </dev/null", "exit 7",
                      "kill -KILL $$"])
        self.assertEqual(said(result.stdout, 1), ["one", "two", "three"])
        self.assertEqual(said(result.stdout, 2), [])
        self.assertEqual(said(result.stdout, 3), ["returned 7"])
        self.assertEqual(said(result.stdout, 4), ["ended by Killed"])
        self.assertEqual(result.returncode, 1)
        self.assertEqual(run(["true", "true"]).returncode, 0)

    def test_much(self):
        result = run([f"seq {number} 3 30000" for number in range(1, 9)], "-j", "3")
        for number in range(1, 9):
            self.assertEqual(said(result.stdout, number),
                             [str(value) for value in range(number, 30001, 3)])

    def test_bounded(self):
        """Each command notes how many run: a file for each, removed at its end."""
        script = "d=$DIR; : >$d/$$; ls $d | wc -l; sleep 0.05; rm $d/$$"
        directory = pathlib.Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
        result = run([script] * 12, "-j", "2", env=os.environ | {"DIR": str(directory)})
        directory.rmdir()
        counts = [int(said(result.stdout, number)[0]) for number in range(1, 13)]
        self.assertLessEqual(max(counts), 2)
        self.assertEqual(result.returncode, 0)

    def expect_gone(self, pids):
        deadline = time.monotonic() + 60
        while not all(is_gone(pid) for pid in pids):
            self.assertLess(time.monotonic(), deadline, "a process lives on")
            time.sleep(0.01)

    def test_out_of_time(self):
        """On a busy machine a second may be over before all have begun, and 25 are not."""
        for seconds in "1", "5", "25":
            result = run(["sleep 1000 & echo $!; echo $$; wait", "echo $$; exec sleep 1000"], "-t",
                         seconds)
            pids = [int(word) for number in (1, 2) for word in said(result.stdout, number)
                    if word.isdigit()]
            self.assertIn("out of time", result.stdout)
            self.expect_gone(pids)
            self.assertEqual(result.returncode, 1)
            if len(pids) == 3:
                return
        self.fail("not all that had begun was said")

    def test_interrupted(self):
        shell = subprocess.Popen([SHELL], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(end, shell)
        shell.stdin.write("sleep 1000 & echo $!; echo $$; wait\necho $$; exec sleep 1000\n")
        shell.stdin.close()
        pids = [int(shell.stdout.readline().split()[1]) for _ in range(3)]
        shell.send_signal(signal.SIGINT)
        self.assertEqual(shell.wait(60), 130)
        self.expect_gone(pids)


if __name__ == "__main__":
    unittest.main()
