"""fetch against servers of this machine: many at once and never more than asked for, whole or for a
reason not, cut short and gone on with, over HTTP and HTTPS. usage: test_fetch.py PROGRAM"""
import email.utils
import hashlib
import http.server
import os
import pathlib
import random
import re
import shutil
import signal
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM = ""
PATIENCE_S = 60


def noise(size, state=0):
    return random.Random(size + (state << 40)).randbytes(size)


class Server:
    """Serves noise: /N gives N bytes. What else it does is for the test to say."""

    def __init__(self, tls=None):
        self.lock = threading.Lock()
        self.requests = []        # (path, Range or None)
        self.now = self.most = 0  # requests being answered
        self.before = lambda path: None
        self.ranges = True
        self.state = 0            # of all files: what they hold
        self.headers = {}         # that say so
        self.conditional = True   # it knows If-Range
        self.conditions = []      # If-Range, of each request
        self.cut = {}             # path: close after so many bytes, once
        self.go = threading.Event()
        self.held = {}            # path: send so many bytes, then wait for `go`
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                with server.lock:
                    server.requests.append((self.path, self.headers.get("Range")))
                    server.conditions.append(self.headers.get("If-Range"))
                    server.now += 1
                    server.most = max(server.most, server.now)
                try:
                    server.before(self.path)
                    self.answer()
                except OSError:
                    self.close_connection = True
                finally:
                    with server.lock:
                        server.now -= 1

            def answer(self):
                name = self.path.strip("/").split("?")[0]
                if name.startswith("to-"):
                    self.send_response(302)
                    self.send_header("Location", "/" + name[3:])
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if not name.isdigit():
                    self.send_error(404)
                    return
                data, start = noise(int(name), server.state), 0
                wanted, state = self.headers.get("Range"), self.headers.get("If-Range")
                if state and server.conditional and state not in server.headers.values():
                    wanted = None
                if wanted and server.ranges:
                    start = int(wanted[len("bytes="):].rstrip("-"))
                    if start >= len(data):
                        self.send_response(416)
                        self.send_header("Content-Range", f"bytes */{len(data)}")
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                    self.send_response(206)
                    self.send_header("Content-Range",
                                     f"bytes {start}-{len(data) - 1}/{len(data)}")
                else:
                    self.send_response(200)
                for header in server.headers.items():
                    self.send_header(*header)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                body = data[start:]
                with server.lock:
                    cut = server.cut.pop(self.path, None)
                if cut is not None:
                    self.wfile.write(body[:cut])
                    self.close_connection = True
                elif self.path in server.held:
                    self.wfile.write(body[:server.held[self.path]])
                    self.wfile.flush()
                    server.go.wait(PATIENCE_S)
                    self.wfile.write(body[server.held[self.path]:])
                else:
                    self.wfile.write(body)

        class Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.server = Threads(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_port
        self.scheme = "https" if tls else "http"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.port}/{path}"

    def close(self):
        self.go.set()
        self.server.shutdown()
        self.server.server_close()


class Fetch(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-fetch-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def serve(self, **more):
        server = Server(**more)
        self.addCleanup(server.close)
        return server

    def start(self, *arguments):
        return subprocess.Popen([PROGRAM, "-d", str(self.folder), *map(str, arguments)], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def fetch(self, *arguments, result=0):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, result, out + err)
        return out, err

    def check(self, size, name=None, state=0):
        data = (self.folder / (name or str(size))).read_bytes()
        self.assertEqual(hashlib.sha256(data).digest(),
                         hashlib.sha256(noise(size, state)).digest())
        for more in "part", "mark":
            self.assertFalse((self.folder / f"{name or size}.{more}").exists())

    def test_four_servers_at_once(self):
        """Each server answers when all four have been asked, and 100 ms later."""
        together = threading.Barrier(4)

        def before(_):
            together.wait(PATIENCE_S)
            time.sleep(0.1)
        servers = [self.serve() for _ in range(4)]
        for server in servers:
            server.before = before
        out, _ = self.fetch(*(s.url(f"{1000 + i}") for i, s in enumerate(servers)))
        for i in range(4):
            self.check(1000 + i)
        print(out.splitlines()[-1])

    def test_never_more_than_asked_for(self):
        server = self.serve()
        server.before = lambda _: time.sleep(0.01)
        self.fetch("-j", 3, *(server.url(str(2000 + i)) for i in range(20)))
        for i in range(20):
            self.check(2000 + i)
        self.assertLessEqual(server.most, 3)
        server.most = 0
        together = threading.Barrier(16)
        server.before = lambda _: together.wait(PATIENCE_S)
        self.fetch("-j", 16, *(server.url(str(3000 + i)) for i in range(16)))
        self.assertEqual(server.most, 16)

    def test_large_ones(self):
        server = self.serve()
        out, err = self.fetch("-p", server.url("9000000"), server.url("5000001=other"),
                              server.url("to-700000=moved"), server.url("0"))
        self.check(9000000)
        self.check(5000001, "other")
        self.check(700000, "moved")
        self.check(0)
        self.assertIn("4 of 4 files, 14.0 MiB", out)
        self.assertNotIn("failed", out + err)

    def test_one_fails_the_others_do_not(self):
        server = self.serve()
        out, _ = self.fetch(server.url("100"), server.url("none"), server.url("200"), result=1)
        self.check(100)
        self.check(200)
        self.assertIn("failed  none: ", out)
        self.assertIn("404", out)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["100", "200"])

    def test_cut_and_gone_on_with(self):
        """Cut twice within one run, then over two runs; nothing is asked for twice."""
        server = self.serve()
        server.cut = {"/500000": 100000}
        self.fetch(server.url("500000"))
        self.check(500000)
        self.assertEqual([r for _, r in server.requests], [None, "bytes=100000-"])

        server.requests.clear()
        server.cut = {"/600000": 250000}
        out, _ = self.fetch("-r", 0, server.url("600000"), result=1)
        self.assertIn("failed  600000: ", out)
        part = self.folder / "600000.part"
        self.assertEqual(part.read_bytes(), noise(600000)[:250000])
        self.fetch(server.url("600000"))
        self.check(600000)
        self.assertEqual([r for _, r in server.requests], [None, "bytes=250000-"])

    def cut_and_again(self, server, size, before, after, state):
        """Cut after 1,000 bytes, and asked for in a second run, when it may be another file. What
        the second run asked for."""
        server.state, server.headers, server.cut = 0, before, {f"/{size}": 1000}
        self.fetch("-r", 0, server.url(str(size)), result=1)
        server.state, server.headers = state, after
        server.requests.clear()
        server.conditions.clear()
        self.fetch(server.url(str(size)))
        self.check(size, state=state)
        return [r for _, r in server.requests], server.conditions

    def test_changed_meanwhile(self):
        """What is there goes on only if it is of the same file as what would come."""
        server = self.serve()
        part, long_ago = ["bytes=1000-"], {"Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}
        one, two = {"ETag": '"one"'}, {"ETag": '"two"'}
        self.assertEqual(self.cut_and_again(server, 50000, one, one, 0), (part, ['"one"']))
        self.assertEqual(self.cut_and_again(server, 50001, one, two, 1), (part, ['"one"']))
        self.assertEqual(self.cut_and_again(server, 50002, one | long_ago, one | long_ago, 0),
                         (part, ['"one"']))
        for after, state in (long_ago, 0), ({"Last-Modified": "Mon, 07 Nov 1994 08:49:37 GMT"}, 1):
            self.assertEqual(self.cut_and_again(server, 50003, long_ago, after, state),
                             (part, list(long_ago.values())))
        server.conditional = False  # it sends a part of the new file, and says so
        self.assertEqual(self.cut_and_again(server, 50004, one, two, 1),
                         (part + [None], ['"one"', None]))

    def test_nothing_to_tell_by(self):
        """A weak tag, a date that may be of two states, none at all, and one no header can hold."""
        server = self.serve()
        now = email.utils.formatdate(usegmt=True)
        for i, headers in enumerate(({"ETag": 'W/"weak"'}, {"Last-Modified": now}, {},
                                     {"Last-Modified": "once"}, {"ETag": '"' + "x" * 400 + '"'})):
            self.assertEqual(self.cut_and_again(server, 60000 + i, headers, headers, 0),
                             (["bytes=1000-"], [None]))
        (self.folder / "3000.part").write_bytes(noise(3000)[:2000])
        (self.folder / "3000.mark").write_bytes(b'"x"\r\nX-More: yes\r\n')
        server.conditions.clear()
        self.fetch(server.url("3000"))
        self.check(3000)
        self.assertEqual(server.conditions, [None])

    def test_parts_that_do_not_fit(self):
        server = self.serve()
        (self.folder / "4000.part").write_bytes(noise(4000))        # whole already
        (self.folder / "5000.part").write_bytes(b"x" * 6000)        # more than there is
        self.fetch(server.url("4000"), server.url("5000"))
        self.check(4000)
        self.check(5000)
        server.ranges = False                                       # it sends all, asked or not
        (self.folder / "300000.part").write_bytes(b"x" * 350000)
        (self.folder / "0.part").write_bytes(b"x")
        self.fetch(server.url("300000"), server.url("0"))
        self.check(300000)
        self.check(0)

    def test_limits(self):
        server = self.serve()
        out, _ = self.fetch("-m", 0.5, server.url("600000"), server.url("500000"), result=1)
        self.check(500000)
        self.assertIn("failed  600000: larger than the limit of 512.0 KiB", out)
        server.held = {"/50000": 1000}
        out, _ = self.fetch("-t", 0.5, server.url("50000"), result=1)
        self.assertIn("failed  50000: it took too long", out)
        self.assertFalse((self.folder / "50000").exists())

    def test_interrupted(self):
        server = self.serve()
        server.held = {"/800000": 300000}
        part = self.folder / "800000.part"
        process = self.start("-p", server.url("800000"))
        deadline = time.monotonic() + PATIENCE_S
        while not part.exists() or part.stat().st_size < 300000:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 1)
        self.assertIn("failed  800000: interrupted", out)
        server.held = {}
        server.go.set()
        self.fetch(server.url("800000"))
        self.check(800000)
        self.assertEqual(server.requests[-1], ("/800000", "bytes=300000-"))

    def test_progress(self):
        """The line says how far it is; without a terminal there is none."""
        server = self.serve()
        server.held = {"/400000": 200000}
        process = self.start("-p", server.url("400000"), server.url("100"))
        said = b""
        while not re.search(rb"1/2 \[=+> +\] 195.4 KiB of 390.7 KiB  .*/s  [0-9:-]+ left", said):
            more = os.read(process.stderr.fileno(), 4096)
            self.assertTrue(more, said)
            said += more
        server.go.set()
        process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.fetch(server.url("300"))[1], "")

    def test_https(self):
        if not shutil.which("openssl"):
            self.skipTest("openssl makes the certificate")
        keys = self.folder / "keys"
        keys.mkdir()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=weft", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", keys / "key", "-out", keys / "certificate"],
                       check=True, capture_output=True)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(keys / "certificate", keys / "key")
        server = self.serve(tls=tls)
        together = threading.Barrier(4)
        server.before = lambda _: together.wait(PATIENCE_S)
        self.fetch("-c", keys / "certificate", *(server.url(str(70000 + i)) for i in range(4)))
        for i in range(4):
            self.check(70000 + i)
        out, _ = self.fetch("-r", 0, server.url("80000"), result=1)
        self.assertIn("certificate", out)
        self.assertFalse((self.folder / "80000").exists())

    def test_usage(self):
        for arguments in [], ["-j", "0", "http://x/y"], ["http://127.0.0.1"], ["-q"]:
            self.fetch(*arguments, result=2)
        self.fetch("http://127.0.0.1/a", "http://127.0.0.2/a", result=2)
        out, _ = self.fetch("-r", 0, "ftp://127.0.0.1/a", result=1)
        self.assertIn("failed  a: ", out)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)
