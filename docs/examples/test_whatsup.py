"""The whatsup example from outside: on a signal it tells what each of its tasks does, and goes on.
usage: test_whatsup.py PROGRAM"""
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from outside import end, free_port

PROGRAM = ""
PATIENCE_S = 60


def tree(text):
    """Without stacks and places, and with turns and descriptors that are all alike."""
    lines = [line for line in text.splitlines() if not re.match(r" *(#|at )", line)]
    return re.sub(r"(turn|descriptor) \d+", r"\1 N", "\n".join(lines) + "\n")


EXPECTED = """reactor 0, in turn N
  scope "root": 1 task
    task 1 "main": accept on descriptor N, since turn N
      scope "conversations": 2 tasks, at most 100
        task 2 "conversation": recv on descriptor N, since turn N
        task 3 "conversation": sleep for ever, since turn N
"""


class Whatsup(unittest.TestCase):
    def test_signal(self):
        with tempfile.NamedTemporaryFile("a+") as errors:
            address = f"127.0.0.1:{free_port()}"
            server = subprocess.Popen([PROGRAM, address], stdout=subprocess.PIPE, stderr=errors,
                                      text=True)
            self.addCleanup(end, server)
            self.assertEqual(server.stdout.readline(), f"listening on {address}\n")
            host, port = address.split(":")
            with socket.create_connection((host, int(port)), PATIENCE_S) as first:
                first.sendall(b"hello\n")
                self.assertEqual(first.recv(64), b"hello\n")
                with socket.create_connection((host, int(port)), PATIENCE_S) as second:
                    second.sendall(b"why?\n")
                    self.wait_for(server, errors, EXPECTED)
                    first.sendall(b"still there\n")
                    self.assertEqual(first.recv(64), b"still there\n")
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=PATIENCE_S)
            self.assertEqual(server.returncode, 0)
            self.assertRegex(pathlib.Path(errors.name).read_text(),
                             r"#\d+ 0x[0-9a-f]+ whatsup\+0x[0-9a-f]+")

    def wait_for(self, server, errors, expected):
        """Asks until it is so: the question may still be on its way."""
        limit = time.monotonic() + PATIENCE_S
        text = ""
        while expected not in tree(text):
            self.assertLess(time.monotonic(), limit, tree(text))
            server.send_signal(signal.SIGUSR1)
            time.sleep(0.05)
            text = pathlib.Path(errors.name).read_text()


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
