"""weft::tls against other people's programs: the server of docs/examples/tls is asked by OpenSSL's
s_client and by curl, its client asks OpenSSL's s_server. Catches whatever two ends that share a
mistake agree on. usage: test_peers.py GET SERVE"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

GET, SERVE = "", ""
PATIENCE_S = 60
FOLDER = pathlib.Path()
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def run(*words, said=b"", expect=0):
    """What a program prints, both ways."""
    result = subprocess.run([str(word) for word in words], input=said, timeout=PATIENCE_S,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = result.stdout.decode(errors="replace")
    if expect is not None and (result.returncode == 0) != (expect == 0):
        raise AssertionError(f"{words}: {result.returncode}\n{text}")
    return text


def certificate(name, subject_names, authority="ca"):
    """NAME.pem, with its key in it; by openssl itself."""
    key, request, made = (FOLDER / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request,
        "-subj", f"/CN={name}")
    extensions = FOLDER / f"{name}.ext"
    extensions.write_text(f"subjectAltName={subject_names}\n")
    run("openssl", "x509", "-req", "-in", request, "-CA", FOLDER / f"{authority}.pem", "-CAkey",
        FOLDER / f"{authority}.key", "-set_serial", str(len(name) * 7), "-days", "2", "-extfile",
        extensions, "-out", made)
    made.write_text(made.read_text() + key.read_text())


def make_certificates():
    for name in ("ca", "other"):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", FOLDER / f"{name}.key", "-out", FOLDER / f"{name}.pem", "-days",
            "2", "-subj", f"/CN={name}")
    certificate("server", "DNS:server.test,IP:127.0.0.1")
    certificate("second", "DNS:second.test")
    certificate("client", "email:client@server.test")


def all_of(connection):
    """What comes until the end."""
    said = b""
    while piece := connection.recv(65536):
        said += piece
    return said


def first_message(connection):
    """The record in which a client says its first message; less, if it leaves before."""
    said = b""
    while len(said) < 5 or len(said) < 5 + int.from_bytes(said[3:5], "big"):
        piece = connection.recv(65536)
        if not piece:
            break
        said += piece
    return said


class Process:
    """A server, from its first word to its end."""

    def __init__(self, *words):
        self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def line(self):
        return self.process.stdout.readline().decode()

    def __exit__(self, *exc):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.output = self.process.communicate(timeout=PATIENCE_S)[0].decode(errors="replace")
        finally:
            self.process.kill()


class Serve(Process):
    def __init__(self, *options):
        super().__init__(SERVE, *options, "127.0.0.1:0", FOLDER / "server.pem")
        word = self.line()
        if not word.startswith("listening on "):
            raise AssertionError(word)
        self.port = int(word.split()[-1])

    def __exit__(self, *exc):
        super().__exit__(*exc)
        if self.process.returncode != 0:
            raise AssertionError(f"serve ended with {self.process.returncode}: {self.output}")


class OurServer(unittest.TestCase):
    def s_client(self, server, *options, said=REQUEST, expect=0):
        return run("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile",
                   FOLDER / "ca.pem", "-verify_return_error", "-ign_eof", *options, said=said,
                   expect=expect)

    def test_versions(self):
        with Serve() as server:
            for option, version in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
                text = self.s_client(server, option, "-servername", "server.test")
                self.assertIn(f"{version}, protocol '', name 'server.test', client ''\n", text)
                self.assertIn("Verify return code: 0 (ok)", text)
                self.assertIn("closed", text)  # close_notify, or it would complain of the end
                self.assertNotIn("unexpected eof", text)
            text = self.s_client(server, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", expect=1)
            self.assertIn("alert", text)

    def test_names_and_protocols(self):
        with Serve("-n", f"second.test={FOLDER / 'second.pem'}", "-p", "h2,http/1.1") as server:
            text = self.s_client(server, "-servername", "second.test", "-alpn", "http/1.1")
            self.assertIn("subject=CN = second", text)
            self.assertIn("protocol 'http/1.1', name 'second.test'", text)
            self.assertIn("ALPN protocol: http/1.1", text)
            text = self.s_client(server, "-servername", "server.test", "-alpn", "spdy", expect=1)
            self.assertIn("no application protocol", text)

    def test_resumption(self):
        kept = FOLDER / "kept"
        with Serve() as server:
            for version in ("-tls1_2", "-tls1_3"):
                first = self.s_client(server, version, "-sess_out", kept)
                self.assertNotIn("resumed", first)
                text = self.s_client(server, version, "-sess_in", kept)
                self.assertIn("Reused, ", text)
                self.assertIn(", resumed\n", text)

    def test_clients(self):
        with Serve("-c", FOLDER / "ca.pem") as server:
            text = self.s_client(server, "-cert", FOLDER / "client.pem")
            self.assertIn("client 'CN = client'", text)
            text = self.s_client(server, expect=1)
            self.assertIn("certificate required", text)

    def test_garbage(self):
        with Serve() as server:
            for said in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(500),
                         b"\x16\x03\x01\xff\xff" + b"x" * 70000):
                with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as peer:
                    try:
                        peer.sendall(said)
                        peer.shutdown(socket.SHUT_WR)
                        while peer.recv(4096):
                            pass
                    except ConnectionError:
                        pass
            self.assertIn("TLSv1.3", self.s_client(server))

    def test_called_off(self):
        """s_client, whose answers stay away, hears so: through a relay that tells it nothing of
        what the server says before the server has had enough."""
        def relay(server, listener):
            peer = listener.accept()[0]
            with peer, socket.create_connection(("127.0.0.1", server.port)) as ours:
                ours.sendall(first_message(peer))
                said.append(all_of(ours))
                peer.sendall(said[-1])
                peer.shutdown(socket.SHUT_WR)
                try:
                    all_of(peer)
                except ConnectionError:
                    pass

        said, patience_ms = [b""], 100
        while len(said[-1]) < 500:  # the server was busy, and its answer came too late
            patience_ms *= 2
            with Serve("-w", patience_ms) as server, socket.create_server(("127.0.0.1", 0)) as stop:
                thread = threading.Thread(target=relay, args=(server, stop))
                thread.start()
                text = run("openssl", "s_client", "-connect", f"127.0.0.1:{stop.getsockname()[1]}",
                           "-tls1_2", "-msg", expect=None)
                thread.join()
        self.assertRegex(text, r"<<< .*Alert .*, warning user_canceled")
        self.assertRegex(text, r"<<< .*Alert .*, warning close_notify")

    @unittest.skipUnless(shutil.which("curl"), "no curl")
    def test_curl(self):
        with Serve("-n", f"second.test={FOLDER / 'second.pem'}", "-p", "http/1.1") as server:
            for name in ("server.test", "second.test"):
                text = run("curl", "--silent", "--show-error", "--cacert", FOLDER / "ca.pem",
                           "--noproxy", "*", "--max-time", PATIENCE_S, "--resolve",
                           f"{name}:{server.port}:127.0.0.1", f"https://{name}:{server.port}/")
                self.assertIn(f"protocol 'http/1.1', name '{name}'", text)
            run("curl", "--silent", "--cacert", FOLDER / "other.pem", "--noproxy", "*", "--resolve",
                f"server.test:{server.port}:127.0.0.1", f"https://server.test:{server.port}/",
                expect=1)


class OurClient(unittest.TestCase):
    def s_server(self, *options, page="-www"):
        server = Process("openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
                         FOLDER / "server.pem", page, *options)
        while True:
            line = server.line()
            if line.startswith("ACCEPT"):
                server.port = int(line.rsplit(":", 1)[-1])
                return server
            if not line:
                raise AssertionError("s_server does not listen")

    def get(self, server, *options, name="server.test", authority="ca", expect=0):
        return run(GET, "-a", FOLDER / f"{authority}.pem", *options, f"127.0.0.1:{server.port}",
                   name, expect=expect)

    def test_page(self):
        for option, version in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            with self.s_server(option) as server:
                said = self.get(server)
                self.assertRegex(said, rf"^HTTP/1.0 200 .k \({version}, protocol ''\)\n")
                self.assertIn("HTTP/1.0 200", self.get(server, name="127.0.0.1"))

    def test_protocol(self):
        with self.s_server("-alpn", "http/1.1") as server:
            self.assertIn("protocol 'http/1.1'", self.get(server, "-p", "h2,http/1.1"))

    def test_resumption(self):
        for option in ("-tls1_2", "-tls1_3"):
            with self.s_server(option) as server:
                self.assertEqual(self.get(server, "-t", "4").count("resumed"), 3)

    def test_refused(self):
        with self.s_server() as server:
            self.assertIn("ostname mismatch", self.get(server, name="another.test", expect=1))
            self.assertIn("issuer", self.get(server, authority="other", expect=1))

    def test_called_off(self):
        """What a client says to a server that does not answer is told to s_server later."""
        said, patience_ms = b"", 100
        with socket.create_server(("127.0.0.1", 0)) as mute:
            while len(said) < 100:  # the client was busy, and its time over before it had begun
                patience_ms *= 2
                run(GET, "-w", patience_ms, f"127.0.0.1:{mute.getsockname()[1]}", "server.test",
                    expect=1)
                with mute.accept()[0] as peer:
                    said = all_of(peer)
        for option in ("-tls1_2", "-tls1_3"):
            with self.s_server(option, "-msg") as server:
                with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as ours:
                    ours.sendall(said)
                    all_of(ours)
            self.assertRegex(server.output, r"<<< .*Alert .*, warning user_canceled")
            self.assertRegex(server.output, r"<<< .*Alert .*, warning close_notify")

    def test_client_certificate(self):
        with self.s_server("-Verify", "1", "-verify_return_error", "-CAfile",
                           FOLDER / "ca.pem") as server:
            self.assertIn("HTTP/1.0 200", self.get(server, "-c", FOLDER / "client.pem"))
            self.assertIn("alert", self.get(server, expect=1))


if __name__ == "__main__":
    GET, SERVE = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as name:
        FOLDER = pathlib.Path(name)
        make_certificates()
        unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
