"""weft::names against servers of names on loopback ports: one of our own, which is silent, cuts its
answers and talks nonsense where it is told to; and dnsmasq where there is one, which answers, cuts,
refuses, is stopped, and asks that other for what it does not know.

usage: test_names.py LOOKUP      (docs/examples/lookup.c, linked with weft::names)
"""
import contextlib
import os
import pathlib
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

LOOKUP = ""
PATIENCE_S = 60
A, TXT, AAAA = 1, 16, 28

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
OTHER, TEXT = "other.test", "text.test"  # answers another question; and with another type


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
    if name == OTHER:
        name, asked = "www.test", asked.replace(b"\5other", b"\5third")
    if name == TEXT:
        record = b"\xc0\x0c" + struct.pack(">HHIH", TXT, 1, 300, 5) + b"\4text"
        return identity + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + asked + record
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
        self.listen()
        self.over = False
        self.threads = [threading.Thread(target=run) for run in (self.by_udp, self.by_tcp)]
        for one in (self.udp, self.tcp):
            one.settimeout(0.05)
        for thread in self.threads:
            thread.start()

    def listen(self):
        """On one port by both; where somebody has that by UDP, on another one."""
        while True:
            self.tcp = socket.create_server(("127.0.0.1", 0))
            self.port = self.tcp.getsockname()[1]
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                return self.udp.bind(("127.0.0.1", self.port))
            except OSError:
                self.udp.close()
                self.tcp.close()

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
            with peer, contextlib.suppress(OSError, struct.error):  # it leaves without a word
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


class AtServer(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.at = f"127.0.0.1:{self.server.port}"

    def tearDown(self):
        self.server.close()

    def asked(self, name):
        return [(kind, way) for asked, kind, way in self.server.seen if asked == name]


@unittest.skipUnless(can_have_own_files(), "a mount of its own is not to be had here")
class OwnFiles(AtServer):
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


class Names(AtServer):
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

    def test_another_question(self):
        done = look_up("-s", self.at, "-t", "100", "other.test")
        self.assertEqual(done.stdout, "other.test:Connection timed out\n")

    def test_another_type(self):
        done = look_up("-s", self.at, "-t", "100", "text.test")
        self.assertEqual(done.stdout, "text.test:No such file or directory\n")

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
        with socket.socket() as nobody:  # has the port, and does not listen
            nobody.bind(("127.0.0.1", 0))
            refused = look_up("-s", self.at, "-c", str(nobody.getsockname()[1]), "here.test")
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


def ask_plainly(port, name):
    """Asks for addresses once, without weft; what comes within a moment, or nothing."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", A, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.2)
        try:
            asking.connect(("127.0.0.1", port))
            asking.send(query)
            return asking.recv(4096)
        except OSError:
            return b""


MANY = 60  # addresses: 960 bytes, and what goes into a datagram of 512 is 30 of them
LISTED = 32  # of those, by the library


@unittest.skipUnless(shutil.which("dnsmasq"), "there is no dnsmasq")
class Dnsmasq(unittest.TestCase):
    """dnsmasq knows .example by itself, and asks the server of our own about .test."""

    def setUp(self):
        self.upstream = Server()
        self.addCleanup(self.upstream.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        self.folder = pathlib.Path(folder.name)
        hosts = self.folder / "hosts"
        hosts.write_text("192.0.2.7 mail.example\n2001:db8::7 mail.example\n" +
                         "".join(f"192.0.2.{100 + i} many.example\n" for i in range(MANY)))
        hosts.chmod(0o644)
        self.silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.silent.close)
        self.silent.bind(("127.0.0.1", 0))
        self.start()
        self.ask_plainly("mail.example")

    def start(self):
        with socket.create_server(("127.0.0.1", 0)) as one:
            self.port = one.getsockname()[1]
        self.server = subprocess.Popen(
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
             "--no-hosts", f"--addn-hosts={self.folder}/hosts", f"--port={self.port}",
             "--bind-interfaces", "--listen-address=127.0.0.1", "--local=/example/",
             "--local-ttl=60", "--edns-packet-max=512", "--cname=alias.example,mail.example",
             "--txt-record=text.example,text", f"--server=/test/127.0.0.1#{self.upstream.port}",
             f"--server=/silent/127.0.0.1#{self.silent.getsockname()[1]}",
             f"--pid-file={self.folder}/pid", "--user=", "--group="])
        self.addCleanup(self.end, self.server)

    def ask_plainly(self, name):
        """What dnsmasq says, whenever it does; where it had to go, from another port."""
        until = time.monotonic() + PATIENCE_S
        while True:
            said = ask_plainly(self.port, name)
            if said:
                return said
            self.assertLess(time.monotonic(), until, "dnsmasq does not answer")
            if self.server.poll() is not None:
                self.start()

    def end(self, server):
        server.kill()
        server.wait()

    def look_up(self, *names):
        return look_up("-s", f"127.0.0.1:{self.port}", *names).stdout

    def look_up_in_vain(self, name):
        done = look_up("-s", f"127.0.0.1:{self.port}", "-t", "100", name)
        self.assertEqual(done.stdout, f"{name}:Connection timed out\n")

    def asked(self, name):
        return [(kind, way) for asked, kind, way in self.upstream.seen if asked == name]

    def test_addresses(self):
        mail, alias = self.look_up("mail.example", "alias.example").splitlines()
        self.assertEqual(set(mail.split()[1:]), {"192.0.2.7", "2001:db8::7"})
        self.assertEqual(set(alias.split()[1:]), {"192.0.2.7", "2001:db8::7"})

    def test_no_such_name(self):
        self.assertEqual(self.look_up("none.example"), "none.example:No such file or directory\n")

    def test_no_address(self):
        """The name is there, and has a text only."""
        self.assertEqual(self.look_up("text.example"), "text.example:No such file or directory\n")

    def test_cut_answer_comes_by_tcp(self):
        cut = self.ask_plainly("many.example")
        self.assertLessEqual(len(cut), 512)
        self.assertTrue(cut[2] & 2, "it is not marked as cut")
        addresses = self.look_up("many.example").split()[1:]
        self.assertEqual(len(set(addresses)), LISTED)
        self.assertLessEqual(set(addresses), {f"192.0.2.{100 + i}" for i in range(MANY)})

    def test_cut_by_the_next_server(self):
        """dnsmasq asks that by TCP when it is asked so itself, and only then."""
        self.assertEqual(set(self.look_up("long.test").split()[1:]), set(KNOWN["long.test"][A]))
        self.assertIn((A, "udp"), self.asked("long.test"))
        self.assertIn((A, "tcp"), self.asked("long.test"))

    def test_no_answer_of_the_next_server(self):
        self.look_up_in_vain("deaf.silent")
        self.silent.settimeout(PATIENCE_S)
        self.assertEqual(question(self.silent.recv(512))[0], "deaf.silent")

    def test_no_answer(self):
        """dnsmasq is stopped, and answers again when it goes on."""
        self.server.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.server.pid, os.WSTOPPED)
        try:
            self.look_up_in_vain("mail.example")
        finally:
            self.server.send_signal(signal.SIGCONT)
        self.assertIn("192.0.2.7", self.look_up("mail.example"))

    def test_wrong_answers(self):
        """Of the next server: dnsmasq drops them, and so nothing comes."""
        for name in (WRONG_ID, OTHER, GARBAGE):
            self.look_up_in_vain(name)
            until = time.monotonic() + PATIENCE_S
            while (A, "udp") not in self.asked(name):
                self.assertLess(time.monotonic(), until, "it was not asked")

    def test_answer_of_another_type(self):
        self.assertEqual(self.look_up("text.test"), "text.test:No such file or directory\n")

    def test_fails(self):
        """The next server cannot say; and dnsmasq refuses what it has no server for."""
        for name, code in (("no.test", 2), ("somewhere.invalid", 5)):
            self.assertEqual(self.ask_plainly(name)[3] & 15, code)
            self.assertRegex(self.look_up(name),
                             f"^{name}:(Resource temporarily unavailable|Connection refused)\n$")


if __name__ == "__main__":
    LOOKUP = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
