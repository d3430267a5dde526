"""weft-load from outside: its counts against an independent client's, its latencies against servers
that are late on purpose, and every kind of wrong answer.

usage: test_load.py WEFT_LOAD [ECHO_SERVER BLOCKING_CLIENT]
"""
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

WEFT_LOAD = ""
ECHO_SERVER = ""
BLOCKING_CLIENT = ""
PATIENCE_S = 60


class EchoServer:
    """Echoes on a thread. `alter` is called with (connection number, offset, data) and returns what
    to send back, or None to end every connection."""

    def __init__(self, alter=None):
        self.alter = alter or (lambda connection, offset, data: data)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.wake, self.waker = os.pipe()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        connections = {}
        running = True
        while running:
            ready, _, _ = select.select([self.wake, self.listener, *connections], [], [])
            if self.wake in ready:
                break
            for sock in ready:
                if sock is self.listener:
                    accepted = self.listener.accept()[0]
                    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connections[accepted] = [len(connections), 0]
                else:
                    running = self.answer(sock, connections)
                    if not running:
                        break
        for sock in connections:
            sock.close()
        self.listener.close()

    def answer(self, sock, connections):
        try:
            data = sock.recv(65536)
            state = connections[sock]
            if not data:
                sock.close()
                del connections[sock]
                return True
            reply = self.alter(state[0], state[1], data)
            state[1] += len(data)
            if reply is None:
                return False
            sock.sendall(reply)
        except OSError:
            del connections[sock]
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.write(self.waker, b"x")
        self.thread.join()
        os.close(self.wake)
        os.close(self.waker)


def load(address, *options):
    ran = subprocess.run([WEFT_LOAD, *options, address], capture_output=True, text=True,
                         stdin=subprocess.DEVNULL, timeout=PATIENCE_S)
    return ran.returncode, ran.stdout, ran.stderr


def measured(address, *options):
    code, out, err = load(address, "--json=-", *options)
    return code, json.loads(out), err


class Right(unittest.TestCase):
    def fine(self, address, *options):
        code, result, err = measured(address, *options)
        self.assertEqual((code, err), (0, ""))
        self.assertTrue(result["right"])
        self.assertLessEqual(result["p50_us"], result["p99_us"])
        self.assertLessEqual(result["p99_us"], result["p99_9_us"])
        self.assertLessEqual(result["p99_9_us"], result["max_us"])
        return result

    def test_count_of_messages(self):
        with EchoServer() as server:
            for options in ([], ["--depth=7"], ["--reactors=2"], ["--rate=5000"],
                            ["--rate=100000", "--reactors=2"]):
                result = self.fine(server.address, "--messages=1003", "--connections=10", *options)
                self.assertEqual(result["messages_total"], 1003)
                self.assertEqual(result["latencies"], 1003)

    def test_sizes(self):
        with EchoServer() as server:
            for size, depth in ((1, 1), (1, 1000), (63, 5), (16381, 2), (100000, 1), (300001, 3)):
                result = self.fine(server.address, "--messages=20", f"--size={size}",
                                   f"--depth={depth}", "--connections=2")
                self.assertEqual(result["messages_total"], 20)
            self.fine(server.address, "--messages=20", "--size=300001", "--rate=1000")

    def test_duration(self):
        with EchoServer() as server:
            result = self.fine(server.address, "--duration=0.5", "--warmup=0.2", "--connections=3")
            self.assertGreaterEqual(result["seconds"], 0.5)
            self.assertGreaterEqual(result["messages_total"], result["messages"])
            self.assertGreater(result["messages"], 0)

    def test_table(self):
        with EchoServer() as server:
            code, out, err = load(server.address, "--messages=10")
            self.assertEqual((code, err), (0, ""))
            self.assertIn("every one came back right", out)

    def test_json_file_and_watched_server(self):
        with EchoServer() as server, tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "result.json")
            code, out, _ = load(server.address, f"--json={path}", "--messages=10",
                                f"--server={os.getpid()}")
            self.assertEqual(code, 0)
            self.assertIn("in the server", out)
            self.assertGreater(json.loads(path.read_text())["server_cpu_us"], 0)


class Independent(unittest.TestCase):
    """The same work through the blocking client: the server must have seen the same."""

    def served(self, address, command):
        server = subprocess.Popen([ECHO_SERVER, address], stdout=subprocess.PIPE, text=True)
        self.assertEqual(server.stdout.readline(), f"listening on {address}\n")
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        server.send_signal(signal.SIGTERM)
        counters = json.loads(server.communicate(timeout=PATIENCE_S)[0])
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return json.loads(ran.stdout), {k: counters[k] for k in ("bytes", "connections", "errors")}

    @unittest.skipUnless(len(sys.argv) > 2, "built without the comparison programs")
    def test_same_counts(self):
        with tempfile.TemporaryDirectory() as folder:
            with socket.socket() as kept:  # or somebody else is given the port in between
                kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                kept.bind(("127.0.0.1", 0))
                self.same_counts(f"127.0.0.1:{kept.getsockname()[1]}")
            self.same_counts(f"unix:{folder}/echo")

    def same_counts(self, address):
        for connections, messages, size in ((1, 500, 64), (20, 50, 1000), (4, 10, 70000)):
            ours, seen = self.served(address, [
                WEFT_LOAD, f"--connections={connections}", f"--size={size}",
                f"--messages={messages * connections}", "--json=-", address])
            theirs, seen_too = self.served(address, [
                BLOCKING_CLIENT, address, str(connections), str(messages), str(size)])
            self.assertEqual(seen, seen_too)
            self.assertEqual(ours["messages_total"], theirs["messages"])


class Latency(unittest.TestCase):
    def test_never_below_what_the_server_waits(self):
        def late(connection, offset, data):
            time.sleep(0.02)
            return data
        with EchoServer(late) as server:
            code, result, _ = measured(server.address, "--messages=20")
            self.assertEqual(code, 0)
            self.assertGreaterEqual(result["p50_us"], 20000)

    def stalls_once(self, *options):
        stalled = []

        def alter(connection, offset, data):
            if offset > 64 * 50 and not stalled:
                stalled.append(True)
                time.sleep(1)
            return data
        with EchoServer(alter) as server:
            code, result, _ = measured(server.address, *options)
            self.assertEqual(code, 0)
            return result

    def test_coordinated_omission(self):
        """A stall of a second in a run of one and a half: the open loop charges it to every message
        that was due meanwhile, the closed loop to the one that met it."""
        # 1000 a second for 1.5 s, of which 1 s is stalled: at least half are late by 0.2 s and more
        self.assertGreater(self.stalls_once("--rate=1000", "--duration=1.5")["p50_us"], 200000)
        closed = self.stalls_once("--messages=1000")
        self.assertGreater(closed["max_us"], 900000)
        self.assertLess(closed["p50_us"], 200000)


class Wrong(unittest.TestCase):
    def caught(self, alter, *options):
        with EchoServer(alter) as server:
            code, result, err = measured(server.address, "--messages=1000", "--connections=4",
                                         *options)
            self.assertEqual(code, 1)
            self.assertFalse(result["right"])
            return result, err

    def test_one_bit_of_one_byte(self):
        def alter(connection, offset, data):
            if connection == 2 and offset <= 5000 < offset + len(data):
                place = 5000 - offset
                data = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1:]
            return data
        for options in ([], ["--depth=4"], ["--rate=20000"]):
            result, err = self.caught(alter, *options)
            self.assertEqual(result["wrong_bytes"], 1)
            self.assertIn("1 wrong bytes; the first on connection 2 at offset 5000", err)

    def test_bytes_of_another_connection(self):
        kept = {}

        def alter(connection, offset, data):
            kept.setdefault(offset, data)
            return kept[offset]
        self.assertGreater(self.caught(alter)[0]["wrong_bytes"], 0)

    def test_an_old_answer_again(self):
        before = {}

        def alter(connection, offset, data):
            old = before.get(connection, data)
            before[connection] = data
            return old
        self.assertGreater(self.caught(alter)[0]["wrong_bytes"], 0)

    def test_server_dies(self):
        def alter(connection, offset, data):
            return None if offset > 3000 else data
        for options in ([], ["--depth=16"], ["--rate=20000"]):
            result, err = self.caught(alter, *options)
            self.assertGreater(result["ended_early"], 0)
            self.assertIn("ended in the middle", err)

    def test_no_answer(self):
        for options in ([], ["--rate=1000"]):
            result, err = self.caught(lambda connection, offset, data: b"", "--patience=0.5",
                                      *options)
            self.assertEqual(result["unanswered"], 4)
            self.assertIn("no answer for 0.5 seconds; 4 connections were waiting", err)

    def test_a_byte_too_few(self):
        def alter(connection, offset, data):
            return data[:-1] if offset == 640 else data
        result, _ = self.caught(alter, "--patience=0.5")
        self.assertFalse(result["right"])

    def test_answers_missing_at_the_end(self):
        def alter(connection, offset, data):
            return data if offset < 640 else b""
        with EchoServer(alter) as server:
            code, _, err = measured(server.address, "--rate=1000", "--duration=0.5")
            self.assertEqual(code, 1)
            self.assertIn("1 of 1 connections ended in the middle", err)

    def test_no_server(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % s.getsockname()[1]
            for reactors in ("1", "2"):
                code, _, err = load(address, "-c", "4", "-t", reactors)
                self.assertEqual((code, err), (
                    1, f"weft-load: cannot connect to {address}: Connection refused\n"))
        code, _, err = load("unix:/nowhere/at/all")
        self.assertEqual(code, 1)
        self.assertIn("cannot connect to unix:/nowhere/at/all: No such file", err)

    def test_usage(self):
        for options in (["--connections=0"], ["--connections=x"], ["--size=0"], ["--size=-1"],
                        ["--size=99999999"], ["--depth=0"], ["--depth=2000"], ["--rate=-5"],
                        ["--duration=0"], ["--duration=x"], ["--messages=0"], ["--reactors=0"],
                        ["--messages=3", "--connections=4"], ["--nonsense"], ["another:1"]):
            code, _, err = load("127.0.0.1:1", *options)
            self.assertEqual(code, 2, options)
            self.assertIn("usage: weft-load", err)

    def test_bad_address(self):
        code, _, err = load("nowhere")
        self.assertEqual((code, err), (
            1, "weft-load: cannot connect to nowhere: Invalid argument\n"))

    def test_descriptors(self):
        code, _, err = load("127.0.0.1:1", "--connections=999999")
        self.assertEqual(code, 1)
        self.assertIn("limit of", err)

    def test_no_such_process(self):
        code, _, err = load("127.0.0.1:1", "--server=2000000000")
        self.assertEqual(code, 1)
        self.assertIn("no process 2000000000", err)


if __name__ == "__main__":
    WEFT_LOAD, *more = [os.path.abspath(a) for a in sys.argv[1:]]
    if more:
        ECHO_SERVER, BLOCKING_CLIENT = more
    unittest.main(argv=sys.argv[:1], verbosity=2)
