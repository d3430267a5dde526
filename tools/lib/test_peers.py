"""Catches a comparison that believes its servers: a peer that echoes a wrong byte must make
tools/bench-spine --peers fail and be named, and so must one that does not start or closes early.

    test_peers.py BUILD
"""
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(sys.argv.pop())

# An echo server by the common command line. `spoil` may change what goes back; it is told how many
# receives there were, over all connections. The third comes however little time there is.
SERVER = """#!{python}
import asyncio, json, signal, sys

def spoil(number, data):
    {spoil}

number = 0

async def conversation(reader, writer):
    global number
    while data := await reader.read(65536):
        number += 1
        data = spoil(number, data)
        if data is None:
            break
        writer.write(data)
        await writer.drain()
    writer.close()

def counters():
    print(json.dumps({{"program": "peer", "connections": 0}}), flush=True)

async def main(path):
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    server = await asyncio.start_unix_server(conversation, path)
    loop.add_signal_handler(signal.SIGUSR1, counters)
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    print("listening on unix:" + path, flush=True)
    await stopped.wait()
    server.close()

asyncio.run(main(sys.argv[1].removeprefix("unix:")))
"""


class Peers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def program(self, text):
        path = self.folder / "peer"
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def run_with(self, program):
        """Nobody but weft and this peer, one short row."""
        return subprocess.run(
            [sys.executable, HERE / "peers.py", "--build", BUILD, "--json", self.folder / "json",
             "--rounds", "1", "--seconds", "0.05", "--row", "Unix, 64 connections, 16",
             "--servers", "none", "--also", f"The Peer={program}"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=100)

    def server(self, spoil):
        return self.program(SERVER.format(python=sys.executable, spoil=spoil))

    def test_honest(self):
        ran = self.run_with(self.server("return data"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("Every echoed byte was right.", ran.stdout)
        self.assertIn("x The Peer", ran.stdout)

    def test_wrong_byte(self):
        ran = self.run_with(self.server(
            "return data if number != 3 else bytes([data[0] ^ 1]) + data[1:]"))
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        self.assertIn("WRONG: The Peer, Unix, 64 connections, 16 deep, round 1", ran.stderr)
        self.assertNotIn("Every echoed byte was right.", ran.stdout)

    def test_closes_early(self):
        ran = self.run_with(self.server("return data if number != 3 else None"))
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        self.assertIn("The Peer", ran.stderr)

    def test_does_not_start(self):
        ran = self.run_with(self.program("#!/bin/sh\necho no luck >&2\nexit 3\n"))
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        self.assertIn("did not start: no luck", ran.stderr)


if __name__ == "__main__":
    unittest.main()
