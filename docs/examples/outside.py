"""What the tests of the servers here share: a port that is theirs alone, and an end for a server
that lives on when its test has failed, which first tells what it was doing."""
import pathlib
import shutil
import socket
import subprocess
import sys

GDB_COMMANDS = pathlib.Path(__file__).resolve().parents[2] / "tools/gdb/weft.py"
PATIENCE_S = 60
kept = []


def free_port():
    """A port of 127.0.0.1 that nobody is given before this program ends, and that refuses whoever
    connects. Only a server that asks for it and sets SO_REUSEADDR, as this does, may listen
    there."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    kept.append(s)
    return s.getsockname()[1]


def end(process):
    """For clean-ups: a server that should have ended. Left alone it would keep open what this
    program's own starter reads, who would wait for it in vain."""
    if process.poll() is None:
        print(f"{process.args[0]} lives on:\n{tasks_of(process.pid)}", file=sys.stderr)
        process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def tasks_of(pid):
    """Each task of that process, and where it is, where there is a debugger and it may look."""
    if not shutil.which("gdb"):
        return "there is no gdb to ask"
    command = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off"]
    for one in (f"source {GDB_COMMANDS}", "weft tasks", "weft bt", "thread apply all bt 12"):
        command += ["-ex", one]
    try:
        return subprocess.run([*command, "-p", str(pid)], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                              timeout=PATIENCE_S, check=False).stdout
    except subprocess.TimeoutExpired:
        return f"gdb said nothing in {PATIENCE_S} s"
