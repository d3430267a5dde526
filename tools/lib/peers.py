"""The measuring half of tools/bench-spine --peers: weft's echo servers beside those of other
runtimes, a bare ring and epoll, and how far each claim about them holds.

One server on one CPU, the load generator on another. In a round every server is measured in every
row, the servers of one row right after each other, in an order that turns; a ratio is weft's CPU
time a message over another's in the same round, and the median over the rounds counts, with its
quartiles. contest.py says the rest.

Two processes on two CPUs resolve less than bench/load/paired does, but anyone's server can be
measured so. A peer is compared when its program is in build/bin; --also takes further programs that
keep to the same command line (bench/load/server.h).
"""
import argparse
import collections
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from contest import (Failed, Load, Progress, cell, describe_machine, end_on_signals, measure,
                     print_machine, ratios, start_all, stop_all)
from machine import choose_cpus
from spine import Table

OURS = [
    ("plain", "weft, docs' echo", "weft-echo"),
    ("stream", "weft, streams", "weft-stream-echo"),
]
BARE = [
    ("ring", "bare ring", "bare-echo"),
    ("ring-single", "single-shot ring", "bare-echo single buffer=65536"),
    ("epoll", "epoll", "epoll-echo"),
]
PEERS = [
    ("libuv", "libuv", "libuv-echo"),
    ("asio", "Asio", "asio-echo"),
    ("tokio", "Tokio", "tokio-echo"),
    ("go", "Go", "go-echo"),
    ("photon", "Photon", "photon-echo"),
    ("seastar", "Seastar", "seastar-echo"),
]

# title, transport, load; weft's CPU time a message at most so many times that of the best "peer",
# or of the best of "all", the bare servers too
Row = collections.namedtuple("Row", "title transport load at_most best_of")
ROWS = [
    Row("TCP, 1 connection", "tcp", Load(1), None, "peer"),
    Row("TCP, 64 connections", "tcp", Load(64), 1.0, "peer"),
    Row("TCP, 1000 connections", "tcp", Load(1000), 1.0, "peer"),
    Row("Unix, 64 connections", "unix", Load(64), 0.9, "peer"),
    Row("Unix, 1000 connections", "unix", Load(1000), 0.82, "peer"),
    Row("Unix, 64 connections, 16 deep", "unix", Load(64, depth=16), 1.0, "peer"),
    Row("TCP, 16 connections of 64 KiB", "tcp", Load(16, size=65536), 1.1, "all"),
]

WHOSE = {"peer": "the best peer", "all": "the best of all"}

CPU = "cpu_us_per_message"
# key in the result, heading, digits
COLUMNS = [
    (CPU, "CPU us/msg", 2),
    ("messages_per_second", "messages/s", 0),
    ("p50_us", "p50 us", 1),
    ("p99_us", "p99 us", 1),
]


# --- the run -------------------------------------------------------------------------------------


def wanted(options, server):
    return not options.servers or server[0] in options.servers


class Contest:
    """Who takes part, and what was measured: results[row title][name] is a list, one a round."""

    def __init__(self, options):
        also = [(f"also-{n}", label, program) for n, (label, program) in enumerate(options.also)]
        here = [p for p in PEERS if (options.build / "bin" / p[2]).exists()]
        self.missing = [label for _, label, _ in set(PEERS) - set(here)]
        self.peers = [p for p in here if wanted(options, p)] + also
        self.bare = [b for b in BARE if wanted(options, b)]
        self.servers = OURS + self.bare + self.peers
        self.rows = [row for row in ROWS if options.row.lower() in row.title.lower()]
        self.results = {row.title: {name: [] for name, *_ in self.servers} for row in self.rows}

    def run(self, options, processes, load_cpu):
        progress = Progress(options.rounds * len(self.rows) * len(self.servers))
        for round_number in range(1, options.rounds + 1):
            for place, row in enumerate(self.rows):
                turn = (round_number + place) % len(self.servers)
                for name, label, _ in self.servers[turn:] + self.servers[:turn]:
                    result = measure(options.build, processes[name, row.transport], row.load,
                                     options.seconds, load_cpu)
                    self.results[row.title][name].append(result)
                    progress.step(round_number, row.title, label, result)
        progress.clear()

    def wrong(self):
        for title, rounds in self.results.items():
            for name, label, _ in self.servers:
                for number, result in enumerate(rounds[name], 1):
                    if not result["right"]:
                        yield f"{label}, {title}, round {number}: {result['trouble']}"


# --- figures -------------------------------------------------------------------------------------


def quartiles(values):
    """Median, and the quartiles on both sides of it."""
    if len(values) == 1:
        return values * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return [middle, low, high]


def compare(rounds, name, reference):
    """How many times the reference's CPU time a message this server took: median, quartiles."""
    return quartiles(ratios(rounds, name, reference, CPU) or [float("nan")])


def best_rival(rounds, ours, rivals):
    """The one that ours compares worst with: its name, and the comparison."""
    return max(((name, compare(rounds, ours, name)) for name, *_ in rivals),
               key=lambda found: found[1][0])


def ratio_text(ratio):
    return "{:.3f} ({:.2f} - {:.2f})".format(*ratio)


def judge(contest, table):
    labels = {name: label for name, label, _ in contest.servers}
    for row in contest.rows:
        rounds = contest.results[row.title]
        rivals = contest.peers if row.best_of == "peer" else contest.bare + contest.peers
        if not rivals:
            continue
        whose = WHOSE[row.best_of] if row.at_most != 1 else "every peer"
        for ours, label, _ in OURS:
            rival, ratio = best_rival(rounds, ours, rivals)
            bare = [f"{compare(rounds, ours, name)[0]:.3f} x {labels[name]}"
                    for name, *_ in contest.bare if name != rival]
            table.add(f"{row.title}: {label}", f"{ratio_text(ratio)} x {labels[rival]}",
                      ", ".join(bare), f"<= {row.at_most} x {whose}" if row.at_most else "",
                      ratio[0] <= row.at_most if row.at_most else None)


def print_row(contest, row):
    rounds = contest.results[row.title]
    print(f"\n{row.title}")
    print(f"  {'':18s}" + "".join(f"{heading:>17s}" for _, heading, _ in COLUMNS)
          + f"{'server / load busy':>21s}"
          + "".join(f"{label + ' / it':>26s}" for _, label, _ in OURS))
    for name, label, _ in contest.servers:
        cells = "".join(f"{cell([r[key] for r in rounds[name]], digits):>17s}"
                        for key, _, digits in COLUMNS)
        busy = " / ".join(f"{statistics.median(r[key] for r in rounds[name]) * 100:.0f}"
                          for key in ("server_busy", "load_busy")) + " %"
        beside = "".join(f"{'-' if ours == name else ratio_text(compare(rounds, ours, name)):>26s}"
                         for ours, _, _ in OURS)
        print(f"  {label:18s}{cells}{busy:>21s}{beside}")


def to_json(contest, machine, options, table):
    rows = []
    for row in contest.rows:
        rounds = contest.results[row.title]
        servers = {}
        for name, label, program in contest.servers:
            summary = {"label": label, "program": program, "rounds": rounds[name]}
            for key in [key for key, *_ in COLUMNS] + ["server_busy", "load_busy"]:
                summary[key] = dict(zip(("median", "low", "high"),
                                        quartiles([r[key] for r in rounds[name]])))
            for ours, *_ in OURS:
                summary[f"{ours}_to_it"] = dict(zip(("median", "low", "high"),
                                                    compare(rounds, ours, name)))
            servers[name] = summary
        rows.append({"title": row.title, "transport": row.transport, **row.load._asdict(),
                     "at_most": row.at_most, "best_of": row.best_of, "servers": servers})
    return {"machine": machine, "rounds": options.rounds, "seconds": options.seconds,
            "missing": contest.missing, "targets": table.rows, "rows": rows}


# --- main ----------------------------------------------------------------------------------------


def labelled(text):
    label, _, program = text.partition("=")
    if not (label and program.startswith("/")):
        raise argparse.ArgumentTypeError("LABEL=/PATH/OF/PROGRAM is wanted")
    return label, program


def names(text):
    known = {name for name, *_ in BARE + PEERS}
    if text != "none" and not known.issuperset(text.split(",")):
        raise argparse.ArgumentTypeError(f"names are {', '.join(sorted(known))}; or none")
    return text.split(",")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/bench-spine --peers")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.2, help="of each slice")
    parser.add_argument("--row", default="", help="only rows whose title contains this")
    parser.add_argument("--also", type=labelled, action="append", default=[],
                        metavar="LABEL=PROGRAM", help="an echo server built elsewhere")
    parser.add_argument("--servers", type=names, default=[], metavar="NAME,...",
                        help="only these beside weft's, by the names in the JSON, or none")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("rounds and seconds are above 0")
    options.build = options.build.resolve()
    options.given = arguments[4:]  # what tools/bench-spine itself was given
    return options


def run(options):
    server_cpu, load_cpu = choose_cpus()
    contest = Contest(options)
    if not contest.rows:
        raise Failed(f"no row's title contains {options.row}")
    machine = describe_machine(["tools/bench-spine", "--peers", *options.given], server_cpu,
                               load_cpu)
    print_machine(machine, f"closed loop, {options.rounds} rounds of {options.seconds} s a slice")
    if contest.missing:
        print(f"not here: {', '.join(sorted(contest.missing))}")
    folder = tempfile.mkdtemp(prefix="weft-peers-")
    processes = {}
    try:
        processes = start_all(options.build, [(name, program) for name, _, program in
                                              contest.servers],
                              sorted({row.transport for row in contest.rows}), folder, server_cpu)
        contest.run(options, processes, load_cpu)
    finally:
        try:
            stop_all(processes)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return report(contest, machine, options)


def report(contest, machine, options):
    for row in contest.rows:
        print_row(contest, row)
    print("\nEach figure: median ± half the distance between the quartiles. Ratios: of CPU time a "
          "message, taken round\nby round, median (quartiles); below 1 weft is cheaper. Beside "
          "each claim stands the rival that weft compares\nworst with.\n")
    table = Table()
    judge(contest, table)
    table.print()
    options.json.write_text(json.dumps(to_json(contest, machine, options, table), indent=1) + "\n")
    print(f"JSON: {options.json}")
    wrong = list(contest.wrong())
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    if not wrong:
        print("Every echoed byte was right.")
    return 1 if wrong else 0


def main():
    end_on_signals()
    try:
        return run(parse(sys.argv[1:]))
    except (Failed, subprocess.TimeoutExpired) as failure:
        print(f"\ntools/bench-spine --peers: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
