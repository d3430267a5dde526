"""The echo example from outside: every byte comes back, over each kind of address; it stops cleanly
under open connections; what it cannot do it says. usage: test_echo.py PROGRAM"""
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from outside import end, free_port

PROGRAM = ""
PATIENCE_S = 30


def connect(address):
    if address.startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        where = address[5:]
    else:
        s = socket.socket()
        host, port = address.rsplit(":", 1)
        where = (host, int(port))
    s.settimeout(PATIENCE_S)
    s.connect(where)
    return s


class Server:
    def __init__(self, test, address, *more):
        self.address = address
        self.process = subprocess.Popen([PROGRAM, address, *more], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        test.addCleanup(end, self.process)
        self.first_line = self.process.stdout.readline()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, self.first_line + out, err


def exchange(address, seed, size, failures):
    """Random bytes in random pieces, read while they are written; then the end of the stream."""
    data = random.Random(seed).randbytes(size)
    rng = random.Random(seed + 1)
    s = connect(address)

    def write():
        at = 0
        while at < size:
            n = rng.randint(1, 20000)
            s.sendall(data[at:at + n])
            at += n
        s.shutdown(socket.SHUT_WR)

    writer = threading.Thread(target=write)
    writer.start()
    got = bytearray()
    while piece := s.recv(65536):
        got += piece
    writer.join()
    s.close()
    if got != data:
        failures.append(seed)


class Echo(unittest.TestCase):
    def echoes(self, address, *more):
        server = Server(self, address, *more)
        self.assertEqual(server.first_line, f"listening on {address}\n")
        failures = []
        clients = [threading.Thread(target=exchange, args=(address, i, 300000 + i, failures))
                   for i in range(16)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(failures, [])
        self.assertEqual(server.stop(), (0, f"listening on {address}\n", ""))

    def test_tcp(self):
        self.echoes(f"127.0.0.1:{free_port()}")

    def test_two_reactors(self):
        self.echoes(f"127.0.0.1:{free_port()}", "2")

    def test_unix(self):
        with tempfile.TemporaryDirectory() as folder:
            self.echoes(f"unix:{folder}/echo")

    def test_unix_two_reactors(self):
        with tempfile.TemporaryDirectory() as folder:
            self.echoes(f"unix:{folder}/echo", "2")

    def test_stops_under_open_connections(self):
        for reactors in ("1", "2"):
            address = f"127.0.0.1:{free_port()}"
            server = Server(self, address, reactors)
            connections = [connect(address) for _ in range(50)]
            for connection in connections:
                connection.sendall(b"hello")
                self.assertEqual(connection.recv(5), b"hello")
            code, _, err = server.stop()
            self.assertEqual((code, err), (0, ""))
            for connection in connections:
                self.assertEqual(connection.recv(1), b"")
                connection.close()

    def test_who_does_not_read_is_let_go(self):
        address = f"127.0.0.1:{free_port()}"
        server = Server(self, address, "1", "500")
        with connect(address) as greedy, connect(address) as other:
            with self.assertRaises(ConnectionError):
                while True:
                    greedy.sendall(b"x" * 65536)
            other.sendall(b"hello")
            self.assertEqual(other.recv(5), b"hello")
        self.assertEqual(server.stop()[0], 0)

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            server = Server(self, f"127.0.0.1:{taken.getsockname()[1]}")
            self.assertEqual(server.wait(), (1, "", "echo: Address already in use\n"))

    def test_no_address(self):
        self.assertEqual(Server(self, "nowhere").wait(), (1, "", "echo: Invalid argument\n"))

    def test_is_short(self):
        source = pathlib.Path(__file__).with_name("echo.c")
        self.assertLess(len(source.read_text().splitlines()), 40)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
