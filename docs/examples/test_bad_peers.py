"""What peers may do to the example servers, and what a machine that is short of something may: the
one concerned gets a clear answer or an end, the others notice nothing, memory stays bounded.
usage: test_bad_peers.py ECHO KV PROXY"""
import os
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from outside import end, free_port

PATIENCE_S = 60
PROGRAMS = []
RSS_MAX_KB = 96 * 1024
SANITIZED = bool(os.environ.get("WEFT_SANITIZE"))  # then memory is the sanitizer's


def receive_all(s):
    """Until the end; a reset is one."""
    pieces = []
    try:
        while data := s.recv(65536):
            pieces.append(data)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class Bad:
    """The cases; `question` and `answer` are one exchange with the server in order."""
    question = answer = b""

    def setUp(self):
        self.processes = []
        self.start()
        self.other = self.connect()  # who must not notice anything
        self.exchange(self.other)

    def tearDown(self):
        self.exchange(self.other)
        self.other.close()
        self.exchange_anew()
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(PATIENCE_S), 0)

    def run_server(self, *command):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.processes.append(process)
        self.addCleanup(end, process)

    def connect(self, port=None):
        for _ in range(500):
            try:
                s = socket.create_connection(("127.0.0.1", port or self.port), PATIENCE_S)
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return s
            except ConnectionRefusedError:
                self.assertIsNone(self.processes[-1].poll(), "it has ended")
                time.sleep(0.02)
        raise AssertionError("it does not listen")

    def connect_many(self, count):
        """And ask; whoever is turned away meanwhile is not among them."""
        peers = []
        for _ in range(count):
            try:
                s = self.connect()
                peers.append(s)
                s.sendall(self.question)
            except OSError:
                pass
        return peers

    def receive(self, s, size):
        got = b""
        while len(got) < size:
            piece = s.recv(size - len(got))
            if not piece:
                break
            got += piece
        return got

    def exchange(self, s):
        s.sendall(self.question)
        self.assertEqual(self.receive(s, len(self.answer)), self.answer)

    def exchange_anew(self):
        with self.connect() as s:
            self.exchange(s)

    def assert_small(self):
        for process in [] if SANITIZED else self.processes:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                for line in status:
                    if line.startswith("VmRSS"):
                        self.assertLess(int(line.split()[1]), RSS_MAX_KB)

    def test_pipelined(self):
        with self.connect() as s:
            s.sendall(self.question * 200)
            self.assertEqual(self.receive(s, 200 * len(self.answer)), self.answer * 200)

    def test_slow(self):
        with self.connect() as s:
            for byte in self.question:
                s.sendall(bytes([byte]))
                self.exchange(self.other)
            self.assertEqual(self.receive(s, len(self.answer)), self.answer)

    def test_truncated(self):
        for size in range(len(self.question)):
            s = self.connect()
            s.sendall(self.question[:size])
            s.close()

    def test_half_closed(self):
        with self.connect() as s:
            s.sendall(self.question)
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(s), self.answer)

    def test_reset(self):
        for i in range(60):
            s = self.connect()
            s.sendall(self.question * (i % 3) + self.question[:i % 4])
            if i % 2 and i % 3:
                s.recv(1)
            reset(s)

    def test_never_reads(self):
        """As much as goes, and no answer is ever taken."""
        peers = [self.connect() for _ in range(8)]
        much = self.question * (1 + 262144 // len(self.question))
        for s in peers:
            s.settimeout(0.2)
            try:
                for _ in range(100):
                    s.sendall(much)
            except (TimeoutError, ConnectionError):
                pass
        self.exchange(self.other)
        self.assert_small()
        for s in peers:
            reset(s)

    def test_malformed(self):
        rng = random.Random(7)
        for i in range(30):
            with self.connect() as s:
                try:
                    s.sendall(rng.randbytes(i * 11) + b"\0\n\n\0" * i)
                    s.shutdown(socket.SHUT_WR)
                    receive_all(s)
                except ConnectionError:
                    pass
            self.exchange(self.other)

    def test_no_descriptors(self):
        """Some get one; who does not waits or is closed; and afterwards all is as before."""
        process = self.processes[-1]
        _, hard = before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        used = max(int(fd) for fd in os.listdir(f"/proc/{process.pid}/fd"))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 8, hard))
        waiting = self.connect_many(40)
        time.sleep(0.2)
        self.exchange(self.other)
        for s in waiting:
            s.close()
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        self.exchange_anew()

    @unittest.skipIf(SANITIZED, "a sanitizer ends without memory")
    def test_no_memory(self):
        """No more address space: who cannot be served is closed, the others are."""
        process = self.processes[-1]
        with open(f"/proc/{process.pid}/statm", encoding="ascii") as statm:
            size = int(statm.read().split()[0]) * resource.getpagesize()
        before = resource.prlimit(process.pid, resource.RLIMIT_AS)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (size, before[1]))
        peers = self.connect_many(100)
        time.sleep(0.2)
        self.exchange(self.other)
        for s in peers:
            s.close()
        resource.prlimit(process.pid, resource.RLIMIT_AS, before)
        self.exchange_anew()


class Echo(Bad, unittest.TestCase):
    question = answer = b"hello there\n"

    def start(self):
        self.port = free_port()
        self.run_server(PROGRAMS[0], f"127.0.0.1:{self.port}")


class KV(Bad, unittest.TestCase):
    question, answer = b"GET nothing\n", b"NONE\n"

    def start(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.port = free_port()
        self.run_server(PROGRAMS[1], f"127.0.0.1:{self.port}", folder.name)

    def test_oversized(self):
        with self.connect() as s:
            try:
                for _ in range(100):
                    s.sendall(b"x" * 65536)
            except ConnectionError:
                pass  # it has closed: that much is never taken in
            receive_all(s)
        with self.connect() as s:  # just too long, and not a byte more: the answer is not cut off
            s.sendall(b"SET a " + b"x" * 249)
            self.assertEqual(receive_all(s), b"ERR too long\n")
        self.assert_small()

    def test_never_ends(self):
        """Neither who says nothing, nor half a line, nor a byte now and then, stays for ever."""
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            self.run_server(PROGRAMS[1], f"127.0.0.1:{port}", folder, "0.5")
            silent, half, slow = peers = [self.connect(port) for _ in range(3)]
            half.sendall(self.question[:5])
            self.assertEqual(receive_all(silent), b"")
            self.assertEqual(receive_all(half), b"")
            slow.settimeout(0.2)
            end = time.monotonic() + PATIENCE_S
            ended = False
            while not ended:
                self.assertLess(time.monotonic(), end)
                try:
                    slow.sendall(b"x")
                    ended = slow.recv(1) == b""
                except TimeoutError:
                    pass
                except ConnectionError:
                    ended = True
            for s in peers:
                s.close()

    def test_zeros_in_a_line(self):
        with self.connect() as s:
            s.sendall(b"SET a b\0c\n" + self.question)
            self.assertEqual(self.receive(s, 15), b"ERR what?\n" + self.answer)

    def test_words(self):
        with self.connect() as s:
            for line in (b"", b" ", b"SET", b"SET a", b"GET", b"GETT a", b"SET a b c",
                         b"SET " + b"k" * 100 + b" 1", b"SET k " + b"v" * 100, b"%s %s %n"):
                s.sendall(line + b"\n")
                self.assertRegex(s.makefile("rb").readline(), b"^ERR .*\n$", line)
            self.exchange(s)


class Proxy(KV):
    """The same through the proxy, which is what is short of things then."""
    test_never_ends = None  # it is the server's own

    def start(self):
        super().start()
        target = self.port
        self.connect(target).close()  # it listens
        self.port = free_port()
        self.run_server(PROGRAMS[2], f"127.0.0.1:{self.port}", f"127.0.0.1:{target}")


if __name__ == "__main__":
    PROGRAMS = [os.path.abspath(sys.argv.pop(1)) for _ in range(3)]
    unittest.main()
