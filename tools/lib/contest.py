"""Echo servers measured against each other: what tools/demo and tools/bench-spine --peers share.

All servers of a run live through the whole of it and sleep while they are not asked. A slice is one
server under one load for a moment; slices of different servers stand next to each other, and ratios
are taken within a round of them, so that a machine that is slow for a while slows both sides.

CPU time is the server process's own, user and system, all its threads, by the kernel's accounting;
the load generator reads it at both ends of its measuring window.
"""
import collections
import json
import os
import platform
import select
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from machine import commit, processor_name

WARMUP_S = 0.15
PATIENCE_S = 20
PORTS_TRIED = 10

# What the load generator does: how many connections, bytes a message, messages in flight on each.
Load = collections.namedtuple("Load", "connections size depth", defaults=(64, 1))


class Failed(Exception):
    """Something that ends the run; its text says what."""


def interrupted(number, _frame):
    raise Failed(f"interrupted by {signal.Signals(number).name}")


def end_on_signals():
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)


# --- the machine ---------------------------------------------------------------------------------


def describe_machine(command, server_cpu, load_cpu):
    return {
        "processor": processor_name(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": f"{platform.system()} {platform.release()}",
        "commit": commit(),
        "command": shlex.join(command),
        "server_cpu": server_cpu,
        "load_cpu": load_cpu,
        "load_average": os.getloadavg()[0],
    }


def print_machine(machine, what):
    print(f"{machine['processor']}, {machine['cpus']} CPUs, {machine['kernel']}, "
          f"weft {machine['commit']}")
    print(f"{machine['command']}: {what}; "
          + (f"servers on CPU {machine['server_cpu']}, load on CPU {machine['load_cpu']}"
             if machine["server_cpu"] is not None
             else "servers and load on the one CPU there is"))
    if machine["load_average"] > 0.5:
        print(f"note: this machine is busy with other things (load {machine['load_average']:.1f})")


# --- processes -----------------------------------------------------------------------------------


def free_port():
    """One that somebody else may be given before it is used."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


kept = []


def kept_port():
    """One that nobody is given before this program ends. Only a server that asks for it and sets
    SO_REUSEADDR, as this does, may listen there."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    kept.append(s)
    return s.getsockname()[1]


def pin(cpu):
    """For preexec_fn: the child runs on this CPU."""
    return (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None


class Server:
    """A program of build/bin, or one with a path, listening on its address. What follows the
    program's name goes to it as options."""

    def __init__(self, build, program, address, cpu):
        self.address = address
        self.program = program
        self.errors = tempfile.TemporaryFile("w+")
        name, *given = shlex.split(program)
        self.process = subprocess.Popen([build / "bin" / name, address, *given], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors, preexec_fn=pin(cpu))
        if self.line() != f"listening on {address}\n":
            self.fail("did not start")

    def line(self):
        """The next line of its output; of one that prints nothing for long, an empty one."""
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        return self.process.stdout.readline() if ready else ""

    def fail(self, what):
        self.process.kill()
        self.process.wait()
        self.errors.seek(0)
        raise Failed(f"{self.program} on {self.address} {what}: {self.errors.read().strip()}")

    def counters(self):
        try:
            self.process.send_signal(signal.SIGUSR1)
            return json.loads(self.line())
        except (OSError, ValueError):
            self.fail("gave no counters")

    def stop(self):
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"{self.program} did not stop on SIGTERM") from None


def start_on_tcp(build, program, cpu):
    """On another port where the first was somebody else's by then."""
    for attempts_left in range(PORTS_TRIED - 1, -1, -1):
        try:
            return Server(build, program, f"127.0.0.1:{free_port()}", cpu)
        except Failed as trouble:
            if attempts_left == 0 or "in use" not in str(trouble):
                raise


def start_all(build, programs, transports, folder, cpu):
    """{(name, transport): Server}; programs are pairs of a name and a program."""
    servers = {}
    try:
        for name, program in programs:
            for transport in transports:
                servers[name, transport] = (start_on_tcp(build, program, cpu)
                                            if transport == "tcp" else
                                            Server(build, program, f"unix:{folder}/{name}", cpu))
    except BaseException:
        stop_all(servers)
        raise
    return servers


def stop_all(servers):
    troubles = []
    for server in servers.values():
        try:
            server.stop()
        except Failed as failure:
            troubles.append(str(failure))
    if troubles:
        raise Failed("; ".join(troubles))


# --- a slice -------------------------------------------------------------------------------------


def measure(build, server, load, seconds, cpu):
    """One server, one load; once more where the machine stood still for the whole window."""
    for _ in range(3):
        result = measure_once(build, server, load, seconds, cpu)
        if result["messages"] > 0 or not result["right"]:
            break
    return result


def measure_once(build, server, load, seconds, cpu):
    before = server.counters()
    command = [build / "bin" / "weft-load", f"--connections={load.connections}",
               f"--size={load.size}", f"--depth={load.depth}", f"--duration={seconds:.3f}",
               f"--warmup={WARMUP_S}", f"--server={server.process.pid}",
               f"--patience={PATIENCE_S}", "--json=-", server.address]
    ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                         preexec_fn=pin(cpu), timeout=4 * PATIENCE_S)
    after = server.counters()
    try:
        result = json.loads(ran.stdout)
    except ValueError:
        raise Failed(f"weft-load against {server.program}: {ran.stderr.strip()}") from None
    result["right"] = result["right"] and ran.returncode == 0
    result["trouble"] = ran.stderr.strip()
    result["cpu_us_per_message"] = result["server_cpu_us_per_message"]
    result["server_busy"] = result["server_cpu_us"] / result["seconds"] / 1e6
    result["load_busy"] = result["cpu_us"] / result["seconds"] / 1e6
    if "enters" in before:
        result["enters_per_message"] = ((after["enters"] - before["enters"])
                                        / max(1, result["messages_total"]))
    return result


class Progress:
    """On a terminal one line that is written over; else a line for each round of a scenario."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.started = time.monotonic()
        self.last = None

    def step(self, round_number, scenario, label, result):
        self.done += 1
        elapsed = time.monotonic() - self.started
        if sys.stdout.isatty():
            left = elapsed / self.done * (self.total - self.done)
            print(f"\r\033[K  {self.done * 100 // self.total:3d} %  round {round_number}  "
                  f"{scenario:30s} {label:22s} {result['messages_per_second']:10,.0f}/s  "
                  f"{left:.0f} s to go", end="", flush=True)
        elif (round_number, scenario) != self.last:
            self.last = (round_number, scenario)
            print(f"  {elapsed:5.0f} s  round {round_number}  {scenario}", flush=True)

    def clear(self):
        if sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)


# --- figures -------------------------------------------------------------------------------------


def spread(values):
    """Median, and half the distance between the quartiles."""
    if len(values) == 1:
        return values[0], 0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, (high - low) / 2


def cell(values, digits):
    middle, half = spread(values)
    percent = f"±{half / middle * 100:.0f}%" if middle > 0 else ""
    return f"{middle:,.{digits}f} {percent:>5s}"


def ratios(rounds, name, reference, key):
    """Round by round, so that both sides of a ratio saw the same weather."""
    return [a[key] / b[key] for a, b in zip(rounds[name], rounds[reference]) if b[key] > 0]
