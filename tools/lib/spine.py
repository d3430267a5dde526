"""The measuring half of tools/bench-spine: runs the benches, sets the figures beside the targets.

Echo is decided by `paired`: its ratios are medians of pairs taken milliseconds apart, with the 95 %
interval of the median. The bare ring a server is held against is the better of the two ways of
receiving, in the same run. The micro-benches run all once a round; a ratio is taken within the
round, and the median over the rounds counts.
"""
import argparse
import json
import os
import pathlib
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from machine import commit, processor_name

# transport, connections, size, depth, target (times the best bare server), what may be best
ECHO = [
    ("tcp", 1, 64, 1, 1.03, "ring"),
    ("tcp", 64, 64, 1, 1.03, "ring"),
    ("tcp", 1000, 64, 1, 1.03, "ring"),
    ("tcp", 10000, 64, 1, 1.03, "ring"),
    ("unix", 1, 64, 1, None, "ring"),
    ("unix", 64, 64, 1, 1.05, "ring"),
    ("unix", 1000, 64, 1, 1.05, "ring"),
    ("unix", 64, 64, 16, 1.05, "ring"),
    ("tcp", 64, 64, 16, 1.05, "ring"),
    ("tcp", 16, 65536, 1, 1.10, "any"),
]
OURS = ("weft", "weft-stream")
LABELS = {"weft": "documentation's echo", "weft-stream": "echo on streams", "epoll": "epoll"}

# program, filter of its benches
MICRO = [
    ("bench_switch", "there_and_back/cxx:0|bare_inline"),
    ("bench_stack", "take_make_run_give"),
    ("bench_yield", "yields/2/|yields/10000|yields_traced|yields_apart|count"),
    ("bench_spawn", "spawn_join|spawn_scope|parked"),
    ("bench_timer", "wheel/1000000|heap/1000000"),
    ("bench_inbox", ""),
    ("bench_operation", ""),
    ("bench_ring", "round_trip"),
]


class Failed(Exception):
    """Something that ends the run; its text says what."""


def run(command):
    ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                         timeout=600)
    if ran.returncode != 0:
        raise Failed(f"{shlex.join(map(str, command))}: {ran.stderr.strip() or ran.returncode}")
    return ran.stdout


def say(text):
    if sys.stdout.isatty():
        print(f"\r\033[K  {text}", end="", flush=True)
    else:
        print(f"  {text}", flush=True)


# --- rows ----------------------------------------------------------------------------------------


class Table:
    """What was measured, what stood beside it, the target, and whether it is met."""

    def __init__(self):
        self.rows = []

    def add(self, what, measured, beside="", target="", met=None):
        self.rows.append({"what": what, "measured": measured, "beside": beside, "target": target,
                          "met": met})

    def print(self):
        heading = {"what": "what", "measured": "measured", "beside": "in the same run",
                   "target": "target", "met": "met"}
        rows = [heading] + [{**r, "met": {None: "", True: "yes", False: "NO"}[r["met"]]}
                            for r in self.rows]
        widths = {key: max(len(r[key]) for r in rows) for key in heading}
        for row in rows:
            print("  ".join(row[key].ljust(widths[key]) for key in heading).rstrip())
            if row is heading:
                print("  ".join("-" * widths[key] for key in heading))
        judged = [r for r in self.rows if r["met"] is not None]
        print(f"\n{sum(r['met'] for r in judged)} of {len(judged)} targets met")


# --- echo ----------------------------------------------------------------------------------------


def paired(options, transport, connections, size, depth):
    command = [options.build / "bin" / "paired", f"--{transport}", f"--connections={connections}",
               f"--size={size}", f"--depth={depth}", f"--seconds={options.seconds}", "--json"]
    if connections > 1000:  # descriptors do not reach for all contenders at once
        command.append("--variants=bare-multishot,weft-stream")
    return json.loads(run(command))


def echo_rows(options, table, raw):
    for transport, connections, size, depth, target, best_of in ECHO:
        title = f"echo {transport}, {size} B, {connections} connections"
        title += f", {depth} deep" if depth > 1 else ""
        say(title)
        result = paired(options, transport, connections, size, depth)
        raw.append(result)
        if result["connections"] != connections:
            title += f" ({result['connections']} fit)"
        variants = {v["name"]: v for v in result["variants"]}
        bare = [v for n, v in variants.items() if n.startswith("bare-")
                or (best_of == "any" and n == "epoll")]
        best = min(bare, key=lambda v: v["ratio"])
        for name in OURS:
            if name not in variants:
                continue
            ours = variants[name]
            low, ratio, high = (ours[key] / best["ratio"] for key in
                                ("ratio_median_low", "ratio", "ratio_median_high"))
            beside = f"{best['name']} {best['ns_per_message']:.0f} ns, " \
                     f"{best['enters_per_message']:.3f} enters"
            if "epoll" in variants and best["name"] != "epoll":
                beside += f"; {ours['ratio'] / variants['epoll']['ratio']:.3f} x epoll"
            table.add(f"{title}: {LABELS[name]}",
                      f"{ratio:.3f} x ({low:.3f} - {high:.3f}), {ours['ns_per_message']:.0f} ns, "
                      f"{ours['enters_per_message']:.3f} enters",
                      beside, f"<= {target} x bare" if target else "",
                      ratio <= target if target else None)


# --- counts and idleness --------------------------------------------------------------------------


class Server:
    def __init__(self, options, program, address):
        self.process = subprocess.Popen([options.build / "bin" / program, address],
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != f"listening on {address}\n":
            raise Failed(f"{program} did not start")

    def counters(self):
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self.process.stdout.readline())

    def wakeups(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def count_rows(options, table):
    messages = 200000
    for program, label in (("weft-echo", LABELS["weft"]),
                           ("weft-stream-echo", LABELS["weft-stream"])):
        say(f"counts of {label}")
        with tempfile.TemporaryDirectory() as folder:
            address = f"unix:{folder}/echo"
            with Server(options, program, address) as server:
                load = [options.build / "bin" / "weft-load", "-c", "64", address, "--json=-"]
                run([*load, "-n", "20000"])
                before = server.counters()
                run([*load, "-n", str(messages)])
                after = server.counters()
                # accepting and closing 64 connections is in it: two requests and a few blocks each
                sqes = (after["sqes"] - before["sqes"]) / messages
                blocks = (after["allocations"] - before["allocations"]) / messages
                most = 1.01 if program == "weft-stream-echo" else 2.01
                table.add(f"requests a message: {label}", f"{sqes:.4f}", "",
                          f"{most:.0f}", sqes <= most)
                table.add(f"allocations a message: {label}", f"{blocks:.4f}", "", "0",
                          blocks <= 0.01)
                time.sleep(0.5)
                woken = server.wakeups()
                time.sleep(2)
                woken = (server.wakeups() - woken) / 2
                table.add(f"idle: {label}", f"{woken:g} wake-ups a second", "", "0", woken == 0)


# --- micro-benches --------------------------------------------------------------------------------


def micro_round(options):
    """{bench: (ns per item, its user counters)}"""
    found = {}
    for program, wanted in MICRO:
        output = run([options.build / "bin" / program, "--benchmark_format=json",
                      "--benchmark_min_time=0.05", f"--benchmark_filter={wanted or '.'}"])
        for bench in json.loads(output)["benchmarks"]:
            name = bench["name"]
            for suffix in ("/real_time", "/manual_time", "/iterations:1"):
                name = name.removesuffix(suffix)
            if bench.get("error_occurred"):
                raise Failed(f"{program}, {name}: {bench['error_message']}")
            found[f"{program}:{name}"] = (ns_of(bench), bench)
    return found


def ns_of(bench):
    """Nanoseconds for whatever the bench counts: a counter of that name, the items, or the time."""
    if "ns" in bench:
        return bench["ns"]
    if "items_per_second" in bench:
        return 1e9 / bench["items_per_second"]
    return bench["real_time" if bench["name"].endswith("/real_time") else "cpu_time"]


class Micro:
    def __init__(self, rounds):
        self.rounds = rounds

    def values(self, name):
        return [r[name][0] for r in self.rounds]

    def ns(self, name):
        return statistics.median(self.values(name))

    def text(self, name):
        values = self.values(name)
        quarter = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
        return f"{self.ns(name):,.1f} ns ({quarter[0]:,.1f} - {quarter[2]:,.1f})"

    def ratio(self, name, reference):
        return statistics.median(a / b for a, b in zip(self.values(name), self.values(reference)))

    def difference(self, name, reference):
        return statistics.median(a - b for a, b in zip(self.values(name), self.values(reference)))


def micro_rows(options, table, raw):
    rounds = []
    for number in range(1, options.rounds + 1):
        say(f"micro-benches, round {number} of {options.rounds}")
        rounds.append(micro_round(options))
    m = Micro(rounds)
    raw.extend({name: ns for name, (ns, _) in r.items()} for r in rounds)

    def at_most(what, name, limit_ns, beside=""):
        table.add(what, m.text(name), beside, f"<= {limit_ns} ns", m.ns(name) <= limit_ns)

    at_most("context switch, two tasks", "bench_switch:there_and_back/cxx:0", 5,
            f"inline, nothing kept: {m.ns('bench_switch:bare_inline'):.1f} ns")
    at_most("yield, 2 tasks", "bench_yield:yields/2", 9,
            f"of different functions: {m.ns('bench_yield:yields_apart/2'):.1f} ns")
    at_most("yield, 10,000 tasks", "bench_yield:yields/10000", 25)
    table.add("what the trace adds to a yield, on",
              f"{m.difference('bench_yield:yields_traced/2', 'bench_yield:yields/2'):.1f} ns",
              f"a counter: {m.ns('bench_yield:count'):.1f} ns")
    at_most("spawn + join, pooled stack", "bench_spawn:spawn_join", 45,
            f"bare stack and context: {m.ns('bench_stack:take_make_run_give'):.1f} ns")
    table.add("spawn into a scope, 64 at a time", m.text("bench_spawn:spawn_scope"))
    resident = statistics.median(r["bench_spawn:parked"][1]["rss_bytes"] for r in rounds)
    table.add("resident memory of a parked task", f"{resident / 1024:.2f} KiB", "100,000 of them",
              "<= 4.2 KiB", resident <= 4.2 * 1024)
    at_most("timer: cancel one of a million, arm another", "bench_timer:wheel/1000000", 45,
            f"4-ary heap: {m.ns('bench_timer:heap/1000000'):.0f} ns")
    for name, what in (("post_slot", "post to a busy reactor"),
                       ("post", "the same, memory brought by weft")):
        rate = 1e3 / m.ns(f"bench_inbox:{name}")
        table.add(what, f"{rate:.1f} M/s",
                  f"bare queue {1e3 / m.ns('bench_inbox:bare_queue'):.1f} M/s",
                  ">= 20 M/s" if name == "post_slot" else "",
                  rate >= 20 if name == "post_slot" else None)
    trip = m.ratio("bench_inbox:round_trip_sleeping", "bench_ring:round_trip_message")
    table.add("round trip, both asleep",
              f"{trip:.3f} x, {m.text('bench_inbox:round_trip_sleeping')}",
              f"bare MSG_RING {m.ns('bench_ring:round_trip_message'):,.0f} ns, "
              f"eventfd {m.ns('bench_ring:round_trip_eventfd'):,.0f} ns",
              "<= 1.05 x MSG_RING", trip <= 1.05)
    at_most("round trip, both just went idle", "bench_inbox:round_trip_idle", 600)
    at_most("round trip, both busy", "bench_inbox:round_trip_busy", 600)
    for batch in (1, 32):
        more = m.difference(f"bench_operation:nop_task/{batch}",
                            f"bench_operation:nop_bare/{batch}")
        table.add(f"an operation through a task, {batch} in flight", f"{more:+.1f} ns",
                  f"bare ring {m.ns(f'bench_operation:nop_bare/{batch}'):.1f} ns",
                  "<= +25 ns", more <= 25)


# --- main ----------------------------------------------------------------------------------------


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/bench-spine")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=15, help="of the micro-benches")
    parser.add_argument("--seconds", type=int, default=5, help="of each echo scenario")
    parser.add_argument("--only", choices=["echo", "micro", "ECHO", "MICRO"])
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds < 1:
        parser.error("rounds and seconds are above 0")
    options.build = options.build.resolve()
    options.only = (options.only or "").lower()
    return options


def measure(options):
    table, echo, micro = Table(), [], []
    machine = f"{processor_name()}, {len(os.sched_getaffinity(0))} CPUs, {platform.system()} " \
              f"{platform.release()}, weft {commit()}, load {os.getloadavg()[0]:.1f}"
    print(machine)
    if options.only != "micro":
        echo_rows(options, table, echo)
        count_rows(options, table)
    if options.only != "echo":
        micro_rows(options, table, micro)
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    print()
    table.print()
    options.json.write_text(json.dumps({"machine": machine, "rows": table.rows, "paired": echo,
                                        "micro": micro}, indent=1) + "\n")
    print(f"JSON: {options.json}")


def main():
    try:
        measure(parse(sys.argv[1:]))
    except (Failed, subprocess.TimeoutExpired) as failure:
        print(f"\ntools/bench-spine: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
