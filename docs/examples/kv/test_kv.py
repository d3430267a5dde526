"""kv on the machine's own kernel: what was answered OK is there after kill -9.

    test_kv.py KV
"""
import atexit
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from outside import end, free_port


class Server:
    def __init__(self, program, directory):
        self.port = free_port()
        self.process = subprocess.Popen([program, f"127.0.0.1:{self.port}", directory])
        atexit.register(end, self.process)
        self.connection = self.connect()

    def connect(self):
        for _ in range(500):
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
                return connection.makefile("rw", newline="\n")
            except ConnectionRefusedError:
                assert self.process.poll() is None, "it has ended"
                time.sleep(0.02)
        raise AssertionError("it does not listen")

    def ask(self, line):
        self.connection.write(line + "\n")
        self.connection.flush()
        return self.connection.readline().rstrip("\n")

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


def main():
    with tempfile.TemporaryDirectory() as directory:
        server = Server(sys.argv[1], directory)
        for i in range(20):
            answer = server.ask(f"SET key{i % 7} {i}")
            assert answer == "OK", answer
        assert server.ask("GET key6") == "VALUE 13"
        assert server.ask("GET nothing") == "NONE"
        assert server.ask("SET " + "x" * 40 + " 1").startswith("ERR ")
        assert server.ask("nonsense") == "ERR what?"
        assert server.end(signal.SIGKILL) == -signal.SIGKILL

        server = Server(sys.argv[1], directory)
        for i in range(13, 20):
            answer = server.ask(f"GET key{i % 7}")
            assert answer == f"VALUE {i}", answer
        assert server.end(signal.SIGTERM) == 0
        assert os.path.getsize(os.path.join(directory, "kv.log")) % 64 == 0
    print("what was answered OK is there")


main()
