"""The logtask example from outside: with a file, every line is there; with a device that is always
full, it complains once and serves on. usage: test_logtask.py PROGRAM"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from outside import end, free_port

PROGRAM = ""
PATIENCE_S = 60
MESSAGES = 500


def connected(port):
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


class Logtask(unittest.TestCase):
    def serve(self, log):
        """Talks to a server that logs there; what it printed."""
        port = free_port()
        server = subprocess.Popen([PROGRAM, f"127.0.0.1:{port}", log], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        self.addCleanup(end, server)
        with connected(port) as s:
            for number in range(MESSAGES):
                message = b"%08d" % number
                s.sendall(message)
                self.assertEqual(s.recv(100), message)
        connected(port).close()
        server.send_signal(signal.SIGTERM)
        out, errors = server.communicate(timeout=PATIENCE_S)
        self.assertEqual(server.returncode, 0, errors)
        written, dropped = map(int, re.fullmatch(r"(\d+) lines written, (\d+) dropped\n",
                                                 out).groups())
        return written, dropped, errors

    def test_file(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "log"
            written, dropped, errors = self.serve(str(log))
            text = log.read_text()
        missing = sum(map(int, re.findall(r"\((\d+) lines are missing here\)", text)))
        self.assertEqual(len(re.findall(r"^connection ", text, re.M)), written)
        self.assertGreaterEqual(written + dropped, MESSAGES + 2)
        self.assertLessEqual(missing, dropped)
        if dropped == 0:
            self.assertEqual(errors, "")

    def test_full(self):
        written, dropped, errors = self.serve("/dev/full")
        self.assertEqual(written, 0)
        self.assertGreaterEqual(dropped, MESSAGES + 2)
        self.assertEqual(errors.count("lines of the log are dropped"), 1)
        self.assertIn("No space left on device", errors)

    def test_no_file(self):
        done = subprocess.run([PROGRAM, f"127.0.0.1:{free_port()}", "/nowhere/log"],
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file or directory", done.stderr)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
