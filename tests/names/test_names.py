"""weft::names against servers of names on loopback ports: one of our own, which is silent, cuts its
answers and talks nonsense where it is told to, and dnsmasq where there is one.

usage: test_names.py LOOKUP      (docs/examples/lookup.c, linked with weft::names)
"""
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

LOOKUP = ""
PATIENCE_S = 60
A, AAAA = 1, 28

# What the server knows: name -> {type: [address]}; and how it behaves about it.
KNOWN = {
    "www.test": {A: ["192.0.2.1", "192.0.2.2"], AAAA: ["2001:db8::1"]},
    "four.test": {A: ["192.0.2.4"]},
    "here.test": {A: ["127.0.0.1"]},
    "long.test": {A: [f"192.0.2.{i}" for i in range(1, 15)]},
    "both.test": {A: ["127.0.0.1"], AAAA: ["2001:db8::dead"]},
    "slow.test": {A: ["127.0.0.1"], AAAA: ["::1"]},
}
SILENT, CUT, WRONG_ID = "silent.test", "long.test", "wrong.test"
GARBAGE, FAILS = "bad.test", "no.test"


def question(packet):
    """(the name, the type, where the question ends) of a query."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    return ".".join(labels), struct.unpack_from(">H", packet, at + 1)[0], at + 5


def answer(packet, by_tcp, seen):
    name, kind, end = question(packet)
    seen.append((name, kind, "tcp" if by_tcp else "udp"))
    identity, asked = packet[:2], packet[12:end]
    if name == SILENT:
        return None
    if name == GARBAGE:
        return identity + b"\xff" * 7
    if name == FAILS:
        return identity + struct.pack(">HHHHH", 0x8182, 1, 0, 0, 0) + asked
    if name == WRONG_ID:
        identity, name = bytes([identity[0] ^ 255, identity[1]]), "www.test"
    if name not in KNOWN:
        return identity + struct.pack(">HHHHH", 0x8183, 1, 0, 0, 0) + asked
    if name == CUT and not by_tcp:
        return identity + struct.pack(">HHHHH", 0x8380, 1, 0, 0, 0) + asked
    records = b""
    addresses = KNOWN[name].get(kind, [])
    for address in addresses:
        data = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, address)
        records += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 300, len(data)) + data
    return identity + struct.pack(">HHHHH", 0x8180, 1, len(addresses), 0, 0) + asked + records


class Server:
    """Answers on one port by UDP and TCP, in two threads, until it is closed."""

    def __init__(self):
        self.seen = []
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.over = False
        self.threads = [threading.Thread(target=run) for run in (self.by_udp, self.by_tcp)]
        for one in (self.udp, self.tcp):
            one.settimeout(0.05)
        for thread in self.threads:
            thread.start()

    def by_udp(self):
        while not self.over:
            try:
                packet, peer = self.udp.recvfrom(4096)
            except socket.timeout:
                continue
            said = answer(packet, False, self.seen)
            if said:
                self.udp.sendto(said, peer)

    def by_tcp(self):
        while not self.over:
            try:
                peer, _ = self.tcp.accept()
            except socket.timeout:
                continue
            with peer:
                peer.settimeout(5)
                size = peer.recv(2, socket.MSG_WAITALL)
                packet = peer.recv(struct.unpack(">H", size)[0], socket.MSG_WAITALL)
                said = answer(packet, True, self.seen)
                peer.sendall(struct.pack(">H", len(said)) + said)

    def close(self):
        self.over = True
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()


def look_up(*arguments, before=(), **environment):
    return subprocess.run([*before, LOOKUP, *arguments], capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False, env=os.environ | environment)


# A program with /etc/hosts and /etc/resolv.conf of its own, in a namespace of its own.
OWN_FILES = ["unshare", "--mount", "sh", "-c", 'mount --bind "$1" /etc/hosts && '
             'mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"', "sh"]


def can_have_own_files():
    return bool(shutil.which("unshare")) and subprocess.run(
        [*OWN_FILES, "/etc/hosts", "/etc/resolv.conf", "true"], capture_output=True,
        check=False).returncode == 0


class Names(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.at = f"127.0.0.1:{self.server.port}"

    def tearDown(self):
        self.server.close()

    def asked(self, name):
        return [(kind, way) for asked, kind, way in self.server.seen if asked == name]

    def test_addresses(self):
        done = look_up("-s", self.at, "www.test", "four.test", "192.0.2.9")
        self.assertEqual(done.returncode, 0, done.stderr)
        www, four, number = done.stdout.splitlines()
        self.assertEqual(set(www.split()), {"www.test:", "192.0.2.1", "192.0.2.2", "2001:db8::1"})
        self.assertEqual(four, "four.test: 192.0.2.4")
        self.assertEqual(number, "192.0.2.9: 192.0.2.9")

    def test_remembered(self):
        done = look_up("-s", self.at, "four.test", "FOUR.test", "four.test")
        self.assertEqual(done.stdout.count("192.0.2.4"), 3)
        self.assertEqual(sorted(self.asked("four.test")), [(A, "udp"), (AAAA, "udp")])

    def test_searched_for(self):
        done = look_up("-s", self.at, "four", "www.test", LOCALDOMAIN="nowhere.test test")
        self.assertEqual(done.stdout.splitlines()[0], "four: 192.0.2.4")
        self.assertEqual(list(dict.fromkeys(name for name, _, _ in self.server.seen)),
                         ["four.nowhere.test", "four.test", "www.test"])

    @unittest.skipUnless(can_have_own_files(), "a mount of its own is not to be had here")
    def test_files_of_the_machine(self):
        """What is in hosts is asked of nobody; resolv.conf says where to search."""
        with tempfile.TemporaryDirectory() as folder:
            hosts, conf = (os.path.join(folder, name) for name in ("hosts", "resolv.conf"))
            pathlib.Path(hosts).write_text("192.0.2.77 inhosts.test\n2001:db8::77 inhosts.test\n")
            pathlib.Path(conf).write_text("search test\n")
            done = look_up("-s", self.at, "inhosts.test", "four",
                           before=[*OWN_FILES, hosts, conf])
        first, second = done.stdout.splitlines()
        self.assertEqual(set(first.split()[1:]), {"192.0.2.77", "2001:db8::77"})
        self.assertEqual(second, "four: 192.0.2.4")
        self.assertEqual(self.asked("inhosts.test"), [])

    def test_no_such_name(self):
        done = look_up("-s", self.at, "nobody.test")
        self.assertEqual((done.returncode, done.stdout),
                         (1, "nobody.test:No such file or directory\n"))

    def test_no_answer(self):
        done = look_up("-s", self.at, "-t", "100", "silent.test", "four.test")
        self.assertEqual(done.stdout,
                         "silent.test:Connection timed out\nfour.test: 192.0.2.4\n")
        self.assertGreater(len(self.asked("silent.test")), 2)  # it was asked again

    def test_answer_to_another_question(self):
        done = look_up("-s", self.at, "-t", "100", "wrong.test")
        self.assertEqual(done.stdout, "wrong.test:Connection timed out\n")

    def test_nonsense(self):
        done = look_up("-s", self.at, "-t", "100", "bad.test", "four.test")
        self.assertRegex(done.stdout,
                         r"^bad.test:(Bad message|Connection timed out)\nfour.test: 192")

    def test_server_fails(self):
        done = look_up("-s", self.at, "-t", "100", "no.test")
        self.assertRegex(done.stdout,
                         r"^no.test:(Resource temporarily unavailable|Connection refused)\n$")

    def test_cut_answer_comes_by_tcp(self):
        done = look_up("-s", self.at, "long.test")
        self.assertEqual(set(done.stdout.split()[1:]), set(KNOWN["long.test"][A]))
        self.assertIn((A, "udp"), self.asked("long.test"))
        self.assertIn((A, "tcp"), self.asked("long.test"))

    def test_second_server(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.bind(("127.0.0.1", 0))
            done = look_up("-s", f"127.0.0.1:{deaf.getsockname()[1]},{self.at}", "-t", "100",
                           "four.test")
        self.assertEqual(done.stdout, "four.test: 192.0.2.4\n")

    def test_bad_servers(self):
        self.assertEqual(look_up("-s", "not an address", "four.test").returncode, 2)

    def test_connect(self):
        with socket.create_server(("127.0.0.1", 0)) as peer:
            port = str(peer.getsockname()[1])
            done = look_up("-s", self.at, "-c", port, "here.test", "both.test")
        self.assertEqual(done.stdout, "here.test: connected\nboth.test: connected\n")
        refused = look_up("-s", self.at, "-c", port, "here.test")
        self.assertEqual(refused.stdout, "here.test: Connection refused\n")

    def connect_past(self, full, free):
        """Connects to slow.test, whose one address takes no more connections and says nothing."""
        with socket.socket(full[0]) as silent, socket.socket(free[0]) as peer:
            silent.bind((full[1], 0))
            silent.listen(0)
            address = silent.getsockname()[:2]
            try:
                peer.bind((free[1], address[1]))
            except OSError:  # somebody has that port there: with another one, then
                return self.connect_past(full, free)
            peer.listen(8)
            waiting = [socket.socket(full[0]) for _ in range(8)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(address)
            done = look_up("-s", self.at, "-c", str(address[1]), "slow.test")
            for one in waiting:
                one.close()
        return self.assertEqual(done.stdout, "slow.test: connected\n")

    def test_connect_to_whoever_answers(self):
        """Whichever is tried first: the other is not kept waiting for it, which takes minutes."""
        v4, v6 = (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")
        self.connect_past(v4, v6)
        self.connect_past(v6, v4)

    @unittest.skipUnless(shutil.which("dnsmasq"), "there is no dnsmasq")
    def test_dnsmasq(self):
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = one.getsockname()[1]
        with tempfile.TemporaryDirectory() as folder:
            hosts = pathlib.Path(folder) / "hosts"
            hosts.write_text("192.0.2.7 mail.example\n2001:db8::7 mail.example\n")
            hosts.chmod(0o644)
            os.chmod(folder, 0o755)
            with subprocess.Popen(
                    ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                     "--no-hosts", f"--addn-hosts={hosts}", f"--port={port}", "--bind-interfaces",
                     "--listen-address=127.0.0.1", "--local=/example/", "--local-ttl=60",
                     f"--pid-file={folder}/pid", "--user=", "--group="]) as server:
                try:
                    until = time.monotonic() + PATIENCE_S
                    done = look_up("-s", f"127.0.0.1:{port}", "-t", "200", "mail.example")
                    while done.returncode != 0 and time.monotonic() < until:
                        done = look_up("-s", f"127.0.0.1:{port}", "-t", "200", "mail.example")
                    none = look_up("-s", f"127.0.0.1:{port}", "none.example")
                finally:
                    server.terminate()
        self.assertEqual(set(done.stdout.split()[1:]), {"192.0.2.7", "2001:db8::7"})
        self.assertEqual(none.stdout, "none.example:No such file or directory\n")


if __name__ == "__main__":
    LOOKUP = os.path.abspath(sys.argv.pop(1))
    unittest.main()
