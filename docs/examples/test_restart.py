#!/usr/bin/env python3
"""The example `restart`, replaced three times while clients come and go.

    test_restart.py RESTART

Would catch a client that is refused, reset or not answered, a connection that is cut by a restart,
an old process that does not end when its clients have, or does while it has one, and a successor
that fails and takes the server along.
"""
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from outside import end, free_port

RESTART = sys.argv.pop(1)
PATIENCE_S = 100
RESTARTS = 3
CLIENTS = 4


class Client:
    """One that stays connected."""

    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.lines = self.connection.makefile("rw", newline="\n")

    def ask(self, text):
        """Who answers, by number; the answer must be the right one."""
        self.lines.write(text + "\n")
        self.lines.flush()
        who, _, what = self.lines.readline().partition(": ")
        assert what == text + "\n", f"{text!r} was answered {who!r}, {what!r}"
        return int(who)

    def close(self):
        self.lines.close()
        self.connection.close()


class Crowd:
    """Clients that connect, ask, and go, until they are told to stop."""

    def __init__(self, port):
        self.port = port
        self.stop = threading.Event()
        self.failures = []
        self.answers = {}  # number of a process: how often it has answered
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.come_and_go) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def come_and_go(self):
        try:
            while not self.stop.is_set():
                client = Client(self.port)
                who = client.ask("hello")
                client.close()
                with self.lock:
                    self.answers[who] = self.answers.get(who, 0) + 1
                time.sleep(0.002)  # so that the ports last
        except (OSError, AssertionError, ValueError) as failure:
            self.failures.append(failure)

    def until_answered_by(self, pid):
        """Every client comes to that one by and by. False: in vain."""
        limit = time.monotonic() + PATIENCE_S
        while time.monotonic() < limit and not self.failures:
            with self.lock:
                if self.answers.get(pid, 0) >= 2 * CLIENTS:
                    return True
            time.sleep(0.005)
        return False

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class Restart(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.meeting = pathlib.Path(directory.name) / "meeting"
        self.port = free_port()

    def start(self):
        server = subprocess.Popen([RESTART, f"127.0.0.1:{self.port}", self.meeting], text=True,
                                  stdout=subprocess.PIPE)
        self.addCleanup(end, server)
        self.assertEqual(server.stdout.readline(), f"{server.pid} serves\n")
        return server

    def ends_well(self, server):
        self.assertEqual(server.wait(PATIENCE_S), 0)

    def test_nobody_is_lost(self):
        servers, kept = [self.start()], []
        crowd = Crowd(self.port)
        self.addCleanup(crowd.end)
        for _ in range(RESTARTS):
            self.assertTrue(crowd.until_answered_by(servers[-1].pid), crowd.failures)
            client = Client(self.port)
            kept.append((client, client.ask("who is there?")))  # the one before may be, yet
            servers.append(self.start())
        self.assertTrue(crowd.until_answered_by(servers[-1].pid), crowd.failures)
        crowd.end()
        self.assertEqual(crowd.failures, [])
        self.assertEqual(set(crowd.answers), {server.pid for server in servers})
        for client, who in kept:
            self.assertEqual(client.ask("still?"), who)
            client.close()
        for server in servers[:-1]:
            self.ends_well(server)
        servers[-1].send_signal(signal.SIGTERM)
        self.ends_well(servers[-1])
        self.assertFalse(self.meeting.exists())

    def test_no_successor(self):
        """One that comes to the meeting and goes without a word."""
        server = self.start()
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(self.meeting))
        client = Client(self.port)
        self.assertEqual(client.ask("are you there?"), server.pid)
        client.close()
        successor = self.start()
        self.ends_well(server)
        successor.send_signal(signal.SIGTERM)
        self.ends_well(successor)

    def test_left_over(self):
        """After a kill -9 the meeting's name is there, and nobody behind it."""
        server = self.start()
        server.send_signal(signal.SIGKILL)
        self.assertEqual(server.wait(PATIENCE_S), -signal.SIGKILL)
        self.assertTrue(self.meeting.exists())
        server = self.start()
        server.send_signal(signal.SIGTERM)
        self.ends_well(server)


if __name__ == "__main__":
    unittest.main()
