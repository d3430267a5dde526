"""proxy between real peers: bytes both ways, ends passed on one way at a time, resets, limits, a
target that is not there, iperf3 and redis-benchmark. usage: test_proxy.py PROGRAM"""
import hashlib
import json
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from outside import end, free_port

PROGRAM = ""
PATIENCE_S = 60


class Target:
    """A server whose connections are handed to a function of the test's, on a thread each."""

    def __init__(self, converse):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.converse = converse
        self.accepted = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            s.settimeout(PATIENCE_S)
            threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def talk(self, s):
        with s:
            try:
                self.converse(s)
            except OSError:
                pass

    def close(self):
        self.listener.close()


def echo(s):
    while data := s.recv(65536):
        s.sendall(data)


def receive_all(s):
    pieces = []
    while data := s.recv(65536):
        pieces.append(data)
    return b"".join(pieces)


class Proxy(unittest.TestCase):
    def target(self, converse):
        target = Target(converse)
        self.addCleanup(target.close)
        return target

    def proxy(self, target, *options):
        process = subprocess.Popen([PROGRAM, *map(str, options), "127.0.0.1:0", target], text=True,
                                   stdout=subprocess.PIPE)
        self.addCleanup(self.kill, process)
        self.process = process
        self.port = int(re.search(r"port (\d+)", process.stdout.readline()).group(1))
        return process

    def kill(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()

    def stop(self):
        """SIGTERM; what it says of its work."""
        self.process.send_signal(signal.SIGTERM)
        try:
            said, _ = self.process.communicate(timeout=PATIENCE_S)
        finally:
            end(self.process)
        self.assertEqual(self.process.returncode, 0)
        return said

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        self.addCleanup(s.close)
        return s

    def wait_for_listener(self, port):
        """Without a connection, which the server might take for its client."""
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(rf"0100007F:{port:04X} 00000000:0000 0A",
                            pathlib.Path("/proc/net/tcp").read_text()):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_both_ways_at_once(self):
        self.proxy(self.target(echo).address)
        data = random.Random(1).randbytes(20_000_000)
        s = self.connect()
        writer = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        writer.start()
        back = receive_all(s)
        writer.join()
        self.assertEqual(hashlib.sha256(back).digest(), hashlib.sha256(data).digest())
        self.assertIn("1 connections, 0 failed, 40000000 bytes", self.stop())

    def test_large_and_small_by_turns(self):
        """Copied, spliced, and copied again: every byte in its place."""
        self.proxy(self.target(echo).address)
        source = random.Random(2)
        s = self.connect()
        total = 0
        for _ in range(5):
            for size in [300_000, *[100] * 12, 8192, 8193, *[1] * 10]:
                data = source.randbytes(size)
                writer = threading.Thread(target=s.sendall, args=(data,))
                writer.start()
                back = b""
                while len(back) < size:
                    back += s.recv(size - len(back))
                writer.join()
                self.assertEqual(back, data)
                total += size
        s.close()
        self.assertIn(f"1 connections, 0 failed, {2 * total} bytes", self.stop())

    def test_many(self):
        self.proxy(self.target(echo).address)
        failures = []

        def talk(seed):
            data = random.Random(seed).randbytes(1 + seed * 997)
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as s:
                for _ in range(3):
                    s.sendall(data)
                    back = b""
                    while len(back) < len(data):
                        back += s.recv(65536)
                    if back != data:
                        failures.append(seed)
        threads = [threading.Thread(target=talk, args=(i,)) for i in range(60)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        self.assertIn("60 connections, 0 failed", self.stop())

    def test_half_closed(self):
        """An end is passed on, and the other way goes on: from the client, and from the server."""
        def answers_after_the_end(s):
            data = receive_all(s)
            s.sendall(b"%d bytes\n" % len(data) * 1000)
        self.proxy(self.target(answers_after_the_end).address)
        s = self.connect()
        s.sendall(b"x" * 300000)
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(s), b"300000 bytes\n" * 1000)

        heard = []

        def speaks_first(s):
            s.sendall(b"go on")
            s.shutdown(socket.SHUT_WR)
            heard.append(receive_all(s))
        self.proxy(self.target(speaks_first).address)
        s = self.connect()
        self.assertEqual(receive_all(s), b"go on")
        s.sendall(b"y" * 200000)
        s.close()
        deadline = time.monotonic() + PATIENCE_S
        while not heard and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(heard, [b"y" * 200000])

    def test_resets(self):
        """A reset on one side ends the other, and nobody else."""
        ended = threading.Event()

        def converse(s):
            s.sendall(b"hello")
            try:
                receive_all(s)
            except OSError:
                pass
            ended.set()
        self.proxy(self.target(converse).address)
        other = self.connect()
        self.assertEqual(other.recv(5), b"hello")
        s = self.connect()
        self.assertEqual(s.recv(5), b"hello")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        self.assertTrue(ended.wait(PATIENCE_S))
        other.sendall(b"still there")

        def resets(s):
            s.recv(1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.proxy(self.target(resets).address)
        s = self.connect()
        s.sendall(b"x")
        with self.assertRaises(ConnectionResetError):
            while s.recv(100):
                pass
            raise ConnectionAbortedError("a proper end")

    def test_nobody_there(self):
        self.proxy("127.0.0.1:%d" % free_port())
        for _ in range(3):
            with self.assertRaises(ConnectionResetError): # while connecting, even
                self.connect().recv(1)
        self.assertIn("3 connections, 3 failed, 0 bytes", self.stop())

    def test_never_more_than_asked_for(self):
        target = self.target(echo)
        self.proxy(target.address, "-n", 2)
        first, second, third = self.connect(), self.connect(), self.connect()
        for s in first, second:
            s.sendall(b"a")
            self.assertEqual(s.recv(1), b"a")
        third.sendall(b"b")
        third.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            third.recv(1)
        self.assertEqual(target.accepted, 2)
        first.close()
        third.settimeout(PATIENCE_S)
        self.assertEqual(third.recv(1), b"b")

    def test_silent_ones_are_closed(self):
        """Where the first exchange takes that long, in one of several runs."""
        for seconds in 0.3, 3, 30:
            self.proxy(self.target(echo).address, "-i", seconds)
            s = self.connect()
            got = b""
            with self.assertRaises(ConnectionResetError):
                s.sendall(b"a")
                got = s.recv(1)
                s.recv(1)
            if got == b"a":
                return
        self.fail("it closes whoever speaks to it")

    def test_slow_reader_stops_the_sender(self):
        """What waits in the proxy is a pipe and what the kernel's sockets hold."""
        sent = [0]
        full = threading.Event()

        def pours(s):
            s.settimeout(0.5)
            try:
                while True:
                    sent[0] += s.send(b"z" * 65536)
            except TimeoutError:
                full.set()
            s.settimeout(PATIENCE_S)
            s.recv(1)
        self.proxy(self.target(pours).address)
        s = self.connect()
        self.assertTrue(full.wait(PATIENCE_S))
        self.assertLess(sent[0], 64 << 20)
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        self.assertLess(int(re.search(r"VmRSS:\s+(\d+)", status).group(1)), 64 << 10)
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(len(receive_all(s)), sent[0])

    def test_stops_with_open_connections(self):
        self.proxy(self.target(echo).address)
        s = self.connect()
        s.sendall(b"a")
        self.assertEqual(s.recv(1), b"a")
        self.assertIn("1 connections", self.stop())

    @unittest.skipUnless(shutil.which("iperf3"), "iperf3 is not installed")
    def test_iperf3(self):
        port = free_port()
        server = subprocess.Popen(["iperf3", "-s", "-1", "-p", str(port), "-B", "127.0.0.1"],
                                  stdout=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.wait_for_listener(port)
        self.proxy(f"127.0.0.1:{port}")
        out = subprocess.run(["iperf3", "-c", "127.0.0.1", "-p", str(self.port), "-n", "200M",
                              "-P", "2", "-J"], capture_output=True, text=True, timeout=PATIENCE_S)
        report = json.loads(out.stdout)
        self.assertEqual(out.returncode, 0, report.get("error"))
        self.assertGreaterEqual(report["end"]["sum_sent"]["bytes"], 200 << 20)
        print("\niperf3: %.1f Gbit/s" % (report["end"]["sum_received"]["bits_per_second"] / 1e9))

    @unittest.skipUnless(shutil.which("redis-server") and shutil.which("redis-benchmark"),
                         "redis is not installed")
    def test_redis_benchmark(self):
        port = free_port()
        folder = tempfile.mkdtemp(prefix="weft-proxy-")
        self.addCleanup(shutil.rmtree, folder)
        server = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1",
                                   "--save", "", "--appendonly", "no", "--dir", folder],
                                  stdout=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.wait_for_listener(port)
        self.proxy(f"127.0.0.1:{port}")
        out = subprocess.run(["redis-benchmark", "-p", str(self.port), "-n", "5000", "-c", "50",
                              "-P", "4", "-d", "1000", "-t", "set,get,lrange_100", "--csv"],
                             capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(out.returncode, 0, out.stdout + out.stderr)
        self.assertIn('"SET"', out.stdout)
        self.assertIn('"GET"', out.stdout)
        self.assertIn(", 0 failed", self.stop())


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)
