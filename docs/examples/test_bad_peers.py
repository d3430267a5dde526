"""What peers may do to the example servers, and what a machine that is short of something may: the
one concerned gets a clear answer or an end, the others notice nothing, memory stays bounded.
usage: test_bad_peers.py ECHO KV PROXY LOGTASK RESTART WHATSUP [TLS_SERVE]"""
import contextlib
import os
import random
import resource
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from outside import end, free_port

PATIENCE_S = 60
PROGRAMS = []
RSS_MAX_KB = 48 * 1024
OVERSIZED = 2 * RSS_MAX_KB * 1024  # bytes, of one message or request: could not be held in memory
FEW = 8  # descriptors
SPARE_KB = 1024  # for some stacks where each is opened alone, for none where many are at once
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


def send_too_much(s, line):
    """Until it closes: that much is never taken in. What it had to say to that, as far as it came
    before a reset."""
    try:
        for _ in range(OVERSIZED // len(line)):
            s.sendall(line)
    except (ConnectionError, ssl.SSLError):
        pass
    else:
        raise AssertionError("it has taken all of it")
    try:
        return receive_all(s)
    except ssl.SSLError:
        return b""


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class Bad:
    """The cases; `question` and `answer` are one exchange with the server in order."""
    question = answer = b""
    descriptors_max = 0  # 0: as many as this program may have
    peers = 200  # more than a server has stacks for without asking for memory
    malformed = staticmethod(random.Random.randbytes)

    def setUp(self):
        self.processes = []
        self.start()
        self.other = self.connect()  # who must not notice anything
        self.exchange(self.other)

    def tearDown(self):
        self.exchange(self.other)
        self.other.close()
        self.exchange_anew()
        self.end_servers()

    def end_servers(self):
        while self.processes:
            process = self.processes.pop()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(PATIENCE_S), 0)

    def run_server(self, *command, **more):
        if self.descriptors_max:
            command = ("prlimit", f"--nofile={self.descriptors_max}:", *command)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **more)
        self.processes.append(process)
        self.addCleanup(end, process)

    def connect(self, port=None):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
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

    def test_oversized(self):
        """One message that is larger than the memory it may take. To who sends back what it
        receives none is too long: all of it comes back, and the others are answered meanwhile."""
        rng = random.Random(11)
        piece = self.malformed(rng, 1 << 16)
        twice = 2 * piece
        with self.connect() as s:
            writer = threading.Thread(target=self.send_pieces, args=(s, piece), daemon=True)
            writer.start()
            size = 0
            while data := s.recv(1 << 16):
                at = size % len(piece)
                self.assertTrue(data == twice[at:at + len(data)], f"other bytes after {size}")
                size += len(data)
                if size - len(data) < OVERSIZED // 2 <= size:
                    self.exchange(self.other)
                    self.assert_small()
            writer.join()
        self.assertEqual(size, OVERSIZED // len(piece) * len(piece))
        self.assert_small()

    def send_pieces(self, s, piece):
        for _ in range(OVERSIZED // len(piece)):
            s.sendall(piece)
        s.shutdown(socket.SHUT_WR)

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
                    s.sendall(self.malformed(rng, i * 11) + b"\0\n\n\0" * i)
                    s.shutdown(socket.SHUT_WR)
                    receive_all(s)
                except TimeoutError:
                    raise
                except OSError:
                    pass  # it was reset: even before the shutdown, which says ENOTCONN then
            self.exchange(self.other)

    def test_no_descriptors(self):
        """Some get one; who does not waits or is closed; and who has waited is answered once there
        are more."""
        before = self.restart_with_few_descriptors()
        peers = self.connect_many(40)
        time.sleep(0.2)
        self.exchange(self.other)
        heard, _, _ = select.select(peers, [], [], 0)
        served = sum(self.is_answered(s) for s in heard)
        self.assertLessEqual(served, FEW)
        resource.prlimit(self.processes[-1].pid, resource.RLIMIT_NOFILE, before)
        served += sum(self.is_answered(s) for s in peers if s not in heard)
        self.assertGreater(served, 0)
        for s in peers:
            s.close()

    def restart_with_few_descriptors(self):
        """From its start, as accepting goes by the limit that was when it began. Returns the limit
        that was."""
        pid = self.processes[-1].pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
        self.other.close()
        self.end_servers()
        self.descriptors_max = used + FEW
        self.start()
        self.other = self.connect()
        self.exchange(self.other)
        return before

    def test_no_memory(self):
        """Who finds none is closed without a word, the others are answered; and so are all of them
        afterwards."""
        with self.limited_memory():
            peers = self.connect_many(self.peers)
            served = sum(self.is_answered(s) for s in peers)
            self.exchange(self.other)
            self.assert_small()
            for s in peers:
                s.close()
        self.assertGreater(served, 0)
        self.assertLess(served, self.peers, "it was not short of memory")
        peers = [self.connect() for _ in range(self.peers)]
        for s in peers:
            self.exchange(s)
        for s in peers:
            s.close()

    def is_answered(self, s):
        """Whole, or not at all."""
        try:
            got = self.receive(s, len(self.answer))
        except ConnectionError:
            return False
        self.assertIn(got, (b"", self.answer))
        return got == self.answer

    @contextlib.contextmanager
    def limited_memory(self, limit=resource.RLIMIT_DATA):
        """A little more than what it has now. For stacks address space is no limit: it is reserved
        from the beginning, and counts as data only once it is opened."""
        pid = self.processes[-1].pid
        name = "VmData" if limit == resource.RLIMIT_DATA else "VmSize"
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            used = next(int(line.split()[1]) for line in status if line.startswith(name))
        before = resource.prlimit(pid, limit)
        resource.prlimit(pid, limit, ((used + SPARE_KB) * 1024, before[1]))
        yield
        resource.prlimit(pid, limit, before)


class Echo(Bad, unittest.TestCase):
    question = answer = b"hello there\n"

    def start(self):
        self.port = free_port()
        self.run_server(PROGRAMS[0], f"127.0.0.1:{self.port}")


class Logtask(Bad, unittest.TestCase):
    question = answer = b"hello there\n"

    def start(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.port = free_port()
        self.run_server(PROGRAMS[3], f"127.0.0.1:{self.port}", os.path.join(folder.name, "log"),
                        stderr=subprocess.DEVNULL)  # where it complains of each burst


class Whatsup(Bad, unittest.TestCase):
    question = answer = b"hello there\n"
    peers = 90  # it takes a hundred at most, and others wait their turn
    malformed = staticmethod(lambda rng, size: rng.randbytes(size).replace(b"?", b"!"))

    def start(self):
        self.port = free_port()
        self.run_server(PROGRAMS[5], f"127.0.0.1:{self.port}")

    def test_questions(self):
        """Each takes for ever, and nobody else waits for that."""
        peers = [self.connect() for _ in range(30)]
        for s in peers:
            s.sendall(b"why?\n" * 1000)
            self.exchange(self.other)
        for s in peers:
            reset(s)
        self.exchange_anew()
        self.assert_small()


class Restart(Bad, unittest.TestCase):
    question = b"hello there\n"

    def start(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.port = free_port()
        self.run_server(PROGRAMS[4], f"127.0.0.1:{self.port}", os.path.join(folder.name, "meet"))
        self.answer = f"{self.processes[-1].pid}: ".encode() + self.question

    def test_oversized(self):
        with self.connect() as s:
            self.assertEqual(send_too_much(s, b"x" * 65536), b"")
        self.assert_small()


class KV(Bad, unittest.TestCase):
    question, answer = b"GET nothing\n", b"NONE\n"

    def start(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.port = free_port()
        self.run_server(PROGRAMS[1], f"127.0.0.1:{self.port}", folder.name)

    def test_oversized(self):
        with self.connect() as s:
            self.assertIn(send_too_much(s, b"x" * 65536), (b"", b"ERR too long\n"))
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
        descriptors_max, self.descriptors_max = self.descriptors_max, 0
        super().start()
        self.descriptors_max = descriptors_max
        target = self.port
        self.connect(target).close()  # it listens
        self.port = free_port()
        self.run_server(PROGRAMS[2], f"127.0.0.1:{self.port}", f"127.0.0.1:{target}")


class Tls(Bad, unittest.TestCase):
    """Below TLS: what Bad sends as it is, is no TLS at all; and in TLS what follows it here. One
    answer to a connection."""
    question = b"GET / HTTP/1.0\r\n\r\n"
    answer = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" \
        b"TLSv1.3, protocol '', name '', client ''\n"
    patience_ms = 120000
    peers = 100

    def start(self):
        if len(PROGRAMS) < 7:
            self.skipTest("without OpenSSL")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "server.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server.test", "-keyout",
                        self.file + ".key", "-out", self.file], check=True, capture_output=True)
        with open(self.file, "ab") as both, open(self.file + ".key", "rb") as key:
            both.write(key.read())
        self.early = []
        self.listen(self.patience_ms)
        self.early = [self.secured(self.connect()) for _ in range(3)]  # asked when all is short
        for s in self.early:
            self.addCleanup(s.close)

    def listen(self, patience_ms):
        self.port = free_port()
        self.run_server(PROGRAMS[6], "-w", str(patience_ms), f"127.0.0.1:{self.port}", self.file)

    def secured(self, s):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(s)

    def exchange(self, s):
        """As another comes; who stays, and how long, is this class's own to say."""
        with self.secured(self.connect()) as another:
            self.ask(another)

    def ask(self, s):
        s.sendall(self.question)
        self.assertEqual(receive_all(s), self.answer)

    def exchange_anew(self):
        for s in self.early:
            self.ask(s)
        self.exchange(None)

    def test_no_descriptors(self):
        """Peers who say nothing have them all. Who was there before is answered, and who comes is
        once they have gone."""
        before = self.restart_with_few_descriptors()
        peers = [self.connect() for _ in range(40)]
        time.sleep(0.2)
        self.ask(self.early.pop())
        for s in peers:
            s.close()
        self.exchange(None)
        resource.prlimit(self.processes[-1].pid, resource.RLIMIT_NOFILE, before)

    def short_of(self, limit):
        """Who finds none is closed, the others are answered; and so are all of them afterwards."""
        with self.limited_memory(limit):
            peers = list(filter(None, (self.secured_or_refused() for _ in range(self.peers))))
            served = sum(self.is_answered(s) for s in peers)
            self.assert_small()
            for s in peers:
                s.close()
        self.assertGreater(served, 0)
        self.assertLess(served, self.peers, "it was not short of memory")
        peers = [self.secured(self.connect()) for _ in range(self.peers)]
        for s in peers:
            self.ask(s)
            s.close()

    def test_no_memory(self):
        """For stacks."""
        self.short_of(resource.RLIMIT_DATA)

    def test_no_memory_for_tls(self):
        self.short_of(resource.RLIMIT_AS)

    def secured_or_refused(self):
        """None: refused."""
        s = self.connect()
        try:
            return self.secured(s)
        except (ConnectionError, ssl.SSLError):
            s.close()
            return None

    def is_answered(self, s):
        """Whole, or with less than all and no proper end."""
        try:
            s.sendall(self.question)
            got = receive_all(s)
        except (ConnectionError, ssl.SSLError):
            return False
        self.assertIn(got, (b"", self.answer))
        return got == self.answer

    def test_pipelined(self):
        """One answer, and the rest is none's."""
        with self.secured(self.connect()) as s:
            s.sendall(self.question * 200)
            self.assertEqual(receive_all(s), self.answer)

    def test_slow(self):
        with self.secured(self.connect()) as s:
            for byte in self.question:
                s.sendall(bytes([byte]))
                self.exchange(None)
            self.assertEqual(receive_all(s), self.answer)

    def test_truncated(self):
        super().test_truncated()
        for size in range(0, len(self.question), 4):
            with self.secured(self.connect()) as s:
                s.sendall(self.question[:size])

    def test_half_closed(self):
        """Before TLS it is an end; in it, the question has been asked all the same."""
        with self.connect() as s:
            s.shutdown(socket.SHUT_WR)
            receive_all(s)
        s = self.secured(self.connect())
        s.sendall(self.question)
        with socket.socket(fileno=os.dup(s.fileno())) as below:
            below.shutdown(socket.SHUT_WR)
        self.assertEqual(receive_all(s), self.answer)
        s.close()

    def test_reset(self):
        super().test_reset()
        for i in range(20):
            s = self.secured(self.connect())
            s.sendall(self.question[:i])
            reset(s)

    def test_oversized(self):
        for line in (b"x" * 65536, b"x: y\r\n" * 10000):
            with self.secured(self.connect()) as s:
                self.assertEqual(send_too_much(s, line), b"")
            self.exchange(None)
        self.assert_small()

    def test_never_ends(self):
        """Neither who says nothing, nor half a request, nor a line now and then, stays for ever."""
        port = self.port
        peers = None
        for patience_ms in (500, 2000, 8000, 32000):  # on a busy machine TLS takes its time
            self.listen(patience_ms)
            try:
                peers = [self.connect()] + [self.secured(self.connect()) for _ in range(3)]
                break
            except OSError:
                pass
        until = time.monotonic() + 2 * PATIENCE_S
        try:
            peers[2].sendall(self.question[:5])
            while time.monotonic() < until:
                peers[3].sendall(b"x: y\r\n")
                time.sleep(0.05)
            raise AssertionError("the slow one is let be")
        except (ConnectionError, ssl.SSLError):
            pass
        for s in peers[:3]:
            try:
                self.assertEqual(receive_all(s), b"")
            except ssl.SSLError:
                pass
            s.close()
        peers[3].close()
        self.port = port


if SANITIZED:  # a sanitizer ends where there is no memory
    Bad.test_no_memory = Tls.test_no_memory = Tls.test_no_memory_for_tls = None


if __name__ == "__main__":
    while len(sys.argv) > 1 and os.path.exists(sys.argv[1]):
        PROGRAMS.append(os.path.abspath(sys.argv.pop(1)))
    unittest.main(verbosity=2)
