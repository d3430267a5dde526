"""The measuring half of tools/demo: four echo servers side by side, and what each message cost.

In each round every server is measured in every scenario, the servers of one scenario right after
each other, in an order that turns from round to round. io_uring_enter calls come from the server's
counters (for epoll: all its system calls), asked for before and after the round. contest.py says
the rest.
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from contest import (WARMUP_S, Failed, Load, Progress, cell, describe_machine, end_on_signals,
                     measure, print_machine, ratios, start_all, stop_all)
from machine import choose_cpus

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
BUDGET_S = 165  # rounds get shorter rather than the run longer

# key in the result, heading, digits
COLUMNS = [
    ("messages_per_second", "messages/s", 0),
    ("p50_us", "p50 us", 1),
    ("p99_us", "p99 us", 1),
    ("p99_9_us", "p99.9 us", 1),
    ("cpu_us_per_message", "CPU us/msg", 2),
    ("enters_per_message", "enters/msg", 3),
]


# --- the run -------------------------------------------------------------------------------------


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
                result = measure(options.build, servers[name, transport],
                                 Load(connections, SIZE), seconds, load_cpu)
                spent = time.monotonic() - begun - seconds
                overhead_s += (spent - overhead_s) / 8
                results[transport, connections][name].append(result)
                progress.step(round_number, scenario_name(dict(TRANSPORTS)[transport], connections),
                              label, result)
    progress.clear()
    return results


# --- the tables ----------------------------------------------------------------------------------


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


def run(options):
    server_cpu, load_cpu = choose_cpus()
    machine = describe_machine(["tools/demo", *options.given], server_cpu, load_cpu)
    print_machine(machine, f"{SIZE} bytes, closed loop, {options.rounds} rounds")
    folder = tempfile.mkdtemp(prefix="weft-demo-")
    servers = {}
    try:
        servers = start_all(options.build, [(name, program) for name, _, program in SERVERS],
                            [transport for transport, _ in TRANSPORTS], folder, server_cpu)
        results = run_rounds(options, servers, load_cpu)
    finally:
        try:
            stop_all(servers)
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
    end_on_signals()
    try:
        return run(options)
    except (Failed, subprocess.TimeoutExpired) as failure:
        print(f"\ntools/demo: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
