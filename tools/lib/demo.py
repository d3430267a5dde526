"""The measuring half of tools/demo: four echo servers side by side, and what each message cost.

All servers live through the whole run and sleep while they are not asked. In each round every
server is measured in every scenario, the servers of one scenario right after each other, in an
order that turns from round to round; ratios are taken within the round, so that a machine that is
slow for a while slows both sides of them.

CPU time is the server process's own, user and system, read by the load generator at both ends of
its measuring window; io_uring_enter calls come from the server's counters (for epoll: all its
system calls), asked for before and after the round.
"""
import argparse
import json
import os
import pathlib
import platform
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from machine import choose_cpus, commit, processor_name

# name, label, program
SERVERS = [
    ("plain", "documentation's echo", "weft-echo"),
    ("stream", "echo on streams", "weft-stream-echo"),
    ("ring", "bare ring", "bare-echo"),
    ("epoll", "epoll", "epoll-echo"),
]
REFERENCES = ("ring", "epoll")
TRANSPORTS = [("tcp", "TCP"), ("unix", "Unix socket")]
CONNECTIONS = (1, 64, 1000)
SIZE = 64
WARMUP_S = 0.15
BUDGET_S = 165  # rounds get shorter rather than the run longer
PATIENCE_S = 20

# key in the result, heading, digits
COLUMNS = [
    ("messages_per_second", "messages/s", 0),
    ("p50_us", "p50 us", 1),
    ("p99_us", "p99 us", 1),
    ("p99_9_us", "p99.9 us", 1),
    ("cpu_us_per_message", "CPU us/msg", 2),
    ("enters_per_message", "enters/msg", 3),
]


class Failed(Exception):
    """Something that ends the run; its text says what."""


# --- the machine ---------------------------------------------------------------------------------


def describe_machine(options, server_cpu, load_cpu):
    return {
        "processor": processor_name(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": f"{platform.system()} {platform.release()}",
        "commit": commit(),
        "command": shlex.join(["tools/demo", *options.given]),
        "server_cpu": server_cpu,
        "load_cpu": load_cpu,
        "load_average": os.getloadavg()[0],
    }


# --- processes -----------------------------------------------------------------------------------


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pin(cpu):
    """For preexec_fn: the child runs on this CPU."""
    return (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None


class Server:
    def __init__(self, build, program, address, cpu):
        self.address = address
        self.program = program
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([build / "bin" / program, address], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors, preexec_fn=pin(cpu))
        if self.process.stdout.readline() != f"listening on {address}\n":
            self.fail("did not start")

    def fail(self, what):
        self.process.kill()
        self.process.wait()
        self.errors.seek(0)
        raise Failed(f"{self.program} on {self.address} {what}: {self.errors.read().strip()}")

    def counters(self):
        try:
            self.process.send_signal(signal.SIGUSR1)
            return json.loads(self.process.stdout.readline())
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


def measure(options, server, connections, seconds, load_cpu):
    """One server, one scenario; once more where the machine stood still for the whole window."""
    for _ in range(3):
        result = measure_once(options, server, connections, seconds, load_cpu)
        if result["messages"] > 0 or not result["right"]:
            break
    return result


def measure_once(options, server, connections, seconds, load_cpu):
    before = server.counters()
    command = [options.build / "bin" / "weft-load", f"--connections={connections}",
               f"--size={SIZE}", f"--duration={seconds:.3f}", f"--warmup={WARMUP_S}",
               f"--server={server.process.pid}", f"--patience={PATIENCE_S}", "--json=-",
               server.address]
    ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                         preexec_fn=pin(load_cpu), timeout=4 * PATIENCE_S)
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
    result["enters_per_message"] = ((after["enters"] - before["enters"])
                                    / max(1, result["messages_total"]))
    return result


# --- the run -------------------------------------------------------------------------------------


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


def scenario_name(label, connections):
    return f"{label}, {connections} connection{'s' if connections > 1 else ''}"


def seconds_for(options, started, runs_left, overhead_s):
    """How long to measure so that the whole stays within its budget."""
    if options.seconds_given:
        return options.seconds
    left = BUDGET_S - (time.monotonic() - started)
    return max(0.2, min(options.seconds, left / runs_left - overhead_s))


def run_rounds(options, servers, load_cpu):
    """{(transport, connections): {server name: [result of each round]}}"""
    results = {(t, c): {name: [] for name, *_ in SERVERS}
               for t, _ in TRANSPORTS for c in CONNECTIONS}
    total = options.rounds * len(results) * len(SERVERS)
    progress = Progress(total)
    started = time.monotonic()
    overhead_s = WARMUP_S + 0.15
    for round_number in range(1, options.rounds + 1):
        for place, (transport, connections) in enumerate(results):
            turn = (round_number + place) % len(SERVERS)
            for name, label, _ in SERVERS[turn:] + SERVERS[:turn]:
                seconds = seconds_for(options, started, total - progress.done, overhead_s)
                begun = time.monotonic()
                result = measure(options, servers[name, transport], connections, seconds, load_cpu)
                spent = time.monotonic() - begun - seconds
                overhead_s += (spent - overhead_s) / 8
                results[transport, connections][name].append(result)
                progress.step(round_number, scenario_name(dict(TRANSPORTS)[transport], connections),
                              label, result)
    progress.clear()
    return results


def start_servers(options, folder, cpu):
    servers = {}
    try:
        for name, _, program in SERVERS:
            for transport, _ in TRANSPORTS:
                address = (f"127.0.0.1:{free_port()}" if transport == "tcp"
                           else f"unix:{folder}/{name}")
                servers[name, transport] = Server(options.build, program, address, cpu)
    except BaseException:
        stop_servers(servers)
        raise
    return servers


def stop_servers(servers):
    troubles = []
    for server in servers.values():
        try:
            server.stop()
        except Failed as failure:
            troubles.append(str(failure))
    if troubles:
        raise Failed("; ".join(troubles))


# --- the tables ----------------------------------------------------------------------------------


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


def print_scenario(title, rounds):
    print(f"\n{title}")
    print(f"  {'':22s}" + "".join(f"{heading:>17s}" for _, heading, _ in COLUMNS)
          + f"{'server busy':>13s}")
    for name, label, _ in SERVERS:
        cells = "".join(f"{cell([r[key] for r in rounds[name]], digits):>17s}"
                        for key, _, digits in COLUMNS)
        busy = statistics.median(r["server_busy"] for r in rounds[name])
        print(f"  {label:22s}{cells}{busy * 100:11.0f} %")


def print_ratios(results):
    print("\nRatios, taken round by round: median (lowest - highest). CPU below 1 is cheaper, "
          "messages above 1 faster.")
    print(f"  {'':54s}" + "".join(f"{what + ' / ' + label:>25s}" for what in ("CPU", "messages")
                                 for name, label, _ in SERVERS if name in REFERENCES))
    for (transport, connections), rounds in results.items():
        title = scenario_name(dict(TRANSPORTS)[transport], connections)
        for name, label, _ in SERVERS:
            if name == "epoll":
                continue
            line = f"  {title:30s}{label:24s}"
            for key in ("cpu_us_per_message", "messages_per_second"):
                for reference in REFERENCES:
                    values = ratios(rounds, name, reference, key)
                    line += (f"{statistics.median(values):9.3f} ({min(values):5.2f} - "
                             f"{max(values):5.2f})" if values and name != reference
                             else f"{'-':>9s}{'':16s}")
            print(line.rstrip())
            title = ""


def to_json(machine, options, results):
    scenarios = []
    for (transport, connections), rounds in results.items():
        servers = {}
        for name, label, program in SERVERS:
            summary = {"label": label, "program": program, "rounds": rounds[name]}
            for key in [key for key, _, _ in COLUMNS] + ["server_busy", "load_busy"]:
                values = [r[key] for r in rounds[name]]
                summary[key] = {"median": statistics.median(values), "low": min(values),
                                "high": max(values)}
            for reference in REFERENCES:
                for key in ("cpu_us_per_message", "messages_per_second"):
                    values = ratios(rounds, name, reference, key)
                    if values:
                        summary[f"{key}_to_{reference}"] = {
                            "median": statistics.median(values), "low": min(values),
                            "high": max(values)}
            servers[name] = summary
        scenarios.append({"transport": transport, "connections": connections, "size": SIZE,
                          "servers": servers})
    return {"machine": machine, "rounds": options.rounds, "scenarios": scenarios}


def wrong_results(results):
    for (transport, connections), rounds in results.items():
        for name, label, _ in SERVERS:
            for number, result in enumerate(rounds[name], 1):
                if not result["right"]:
                    yield (f"{label}, {scenario_name(transport, connections)}, round {number}: "
                           f"{result['trouble']}")


# --- main ----------------------------------------------------------------------------------------


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/demo")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args(arguments)
    if options.rounds < 1 or (options.seconds is not None and options.seconds <= 0):
        parser.error("rounds and seconds are above 0")
    options.build = options.build.resolve()
    options.seconds_given = options.seconds is not None
    options.seconds = options.seconds or 0.7
    options.given = arguments[4:]  # what tools/demo itself was given
    return options


def interrupted(number, _frame):
    raise Failed(f"interrupted by {signal.Signals(number).name}")


def run(options):
    server_cpu, load_cpu = choose_cpus()
    machine = describe_machine(options, server_cpu, load_cpu)
    print(f"{machine['processor']}, {machine['cpus']} CPUs, {machine['kernel']}, "
          f"weft {machine['commit']}")
    print(f"{machine['command']}: {SIZE} bytes, closed loop, {options.rounds} rounds; "
          + (f"servers on CPU {server_cpu}, load on CPU {load_cpu}" if server_cpu is not None
             else "servers and load on the one CPU there is"))
    if machine["load_average"] > 0.5:
        print(f"note: this machine is busy with other things (load {machine['load_average']:.1f})")
    folder = tempfile.mkdtemp(prefix="weft-demo-")
    servers = {}
    try:
        servers = start_servers(options, folder, server_cpu)
        results = run_rounds(options, servers, load_cpu)
    finally:
        try:
            stop_servers(servers)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    for (transport, connections), rounds in results.items():
        print_scenario(scenario_name(dict(TRANSPORTS)[transport], connections), rounds)
    print(f"\nEach figure: median of {options.rounds} rounds ± half the distance between their "
          "quartiles.\nenters: io_uring_enter calls; for epoll all its system calls. "
          "Where the server is not busy, the load generator\nor the wake-ups between the two are "
          "what limits it.")
    print_ratios(results)
    options.json.write_text(json.dumps(to_json(machine, options, results), indent=1) + "\n")
    print(f"\nJSON: {options.json}")
    wrong = list(wrong_results(results))
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    messages = sum(r["messages_total"] for rounds in results.values() for rs in rounds.values()
                   for r in rs)
    if not wrong:
        print(f"Every byte of {messages:,} echoed messages was right.")
    return 1 if wrong else 0


def main():
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    try:
        return run(options)
    except (Failed, subprocess.TimeoutExpired) as failure:
        print(f"\ntools/demo: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
