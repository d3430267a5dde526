"""The measuring half of tools/bench-servers: what servers are made of, beside what the system
itself offers or a program everybody knows.

    files    random reads of 4 KiB, 64 in flight, past the page cache and out of it, and a bare ring
    spawn    a program started and reaped, beside posix_spawn and waitpid
    proxy    docs/examples/proxy beside HAProxy, one thread each; and for small requests a bare
             ring, which is the least there can be and no proxy that anybody would run
    idle     what a connection that says nothing takes: a task on a stream, a protocol without one
    million  so many connections at a time, of protocols

Contenders take turns in slices, and ratios are taken between slices of one round: the median over
the rounds counts, with its quartiles. CPU time is the kernel's accounting, user and system. Every
byte is checked by who asked for it.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time

from contest import Failed, Load, describe_machine, end_on_signals, kept_port, pin, print_machine
from machine import choose_cpus
from peers import quartiles, ratio_text
from spine import Table

PATIENCE_S = 120
TRIES = 5 # of a proxy's slice
OTHERS_MAX = 0.1 # how much of a CPU others may have meanwhile
PARTS = ("files", "spawn", "proxy", "idle", "million")
SKIPPED = 77

# Load of the proxies, what is counted by it, how often a message holds that, and whether the bare
# ring takes part: its buffers are made for small messages
Row = collections.namedtuple("Row", "title load unit of_a_unit bare")
PROXY_ROWS = [
    Row("64 B requests, 64 connections", Load(64, 64), "request", 1, True),
    Row("64 B requests, 1000 connections", Load(1000, 64), "request", 1, True),
    Row("64 KiB messages, 16 connections", Load(16, 65536, 2), "GiB", (1 << 30) / (2 * 65536),
        False),
]
BARE = "bare-ring"
HAPROXY = [
    ("haproxy-auto", "HAProxy, splice-auto", "    option splice-auto\n"),
    ("haproxy-splice", "HAProxy, splice",
     "    option splice-request\n    option splice-response\n"),
    ("haproxy-copy", "HAProxy, no splice", ""),
]
HAPROXY_CONFIGURATION = """global
    nbthread 1
    maxconn 4000
    maxpipes 2000
defaults
    mode tcp
    timeout connect 10s
    timeout client 300s
    timeout server 300s
{options}
frontend here
    bind 127.0.0.1:{port}
    default_backend there
backend there
    server target {target}
"""


def say(text):
    print(f"  {text}", flush=True)


def of_rounds(ours, theirs):
    """Median and quartiles of the ratios taken round by round."""
    return quartiles([a / b for a, b in zip(ours, theirs) if b > 0] or [float("nan")])


def figure(values, digits=2):
    middle, low, high = quartiles(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} - {high:,.{digits}f})"


def run_bench(options, program, *arguments):
    """The JSON a program of build/bin prints; None, and the reason, where the system has not what
    it takes."""
    command = [options.build / "bin" / program, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                         preexec_fn=pin(options.server_cpu if program != "spawn-reap" else None),
                         timeout=10 * PATIENCE_S)
    if ran.returncode == SKIPPED:
        return None, ran.stderr.strip()
    if ran.returncode != 0:
        raise Failed(f"{program}: {ran.stderr.strip() or ran.returncode}\n{ran.stdout[-500:]}")
    return json.loads(ran.stdout), ""


# --- files and processes -------------------------------------------------------------------------


def files(options, table, raw):
    for mode, title in (("direct", "4 KiB reads, O_DIRECT, depth 64"),
                        ("cached", "4 KiB reads, page cache, depth 64")):
        say(title)
        result, why = run_bench(options, "file-reads", options.folder, mode, options.rounds,
                                options.reads, options.mebibytes)
        if result is None:
            say(f"not measured: {why}")
            continue
        raw[f"files {mode}"] = result
        them = result["contenders"]
        for own, name, label, limit in (
                ("weft-file", "ring-fixed",
                 "a file object, beside bare ring, fixed files and buffers", 1.05),
                ("weft", "ring", "a descriptor, beside bare ring", None)):
            ours = them[own]
            rate = quartiles([result["reads"] / s for s in ours["seconds"]])[0]
            ratio = of_rounds(ours["cpu_us"], them[name]["cpu_us"])
            table.add(f"{title}, {label}", f"{ratio_text(ratio)} x, "
                      f"{figure(ours['cpu_us'])} us a read",
                      f"{figure(them[name]['cpu_us'])} us; enters a read "
                      f"{quartiles(ours['enters_per_read'])[0]:.3f} to "
                      f"{quartiles(them[name]['enters_per_read'])[0]:.3f}; {rate:,.0f} reads/s",
                      f"<= {limit} x" if limit else "", ratio[0] <= limit if limit else None)


def spawn(options, table, raw):
    say("processes")
    result, _ = run_bench(options, "spawn-reap", options.rounds, options.processes)
    raw["spawn"] = result
    them = result["contenders"]
    for ours, theirs, title, limit in (
            ("weft", "spawn-apart", "as posix_spawn with a group and signals of its own", 1.1),
            ("weft-same-group", "spawn", "in our group, as posix_spawn with nothing asked", 1.1)):
        for key, what in (("cpu_us", "CPU"), ("elapsed_us", "elapsed")):
            ratio = of_rounds(them[ours][key], them[theirs][key])
            judged = key == "cpu_us"
            table.add(f"{result['program']} started and reaped, {title}: {what}",
                      f"{ratio_text(ratio)} x, {figure(them[ours][key], 0)} us",
                      f"{figure(them[theirs][key], 0)} us",
                      f"<= {limit} x" if judged else "", ratio[0] <= limit if judged else None)


# --- the proxy -----------------------------------------------------------------------------------


class Process:
    """A program that lives until it is stopped."""

    def __init__(self, command, cpu=None, stdin=subprocess.DEVNULL):
        self.name = pathlib.Path(command[0]).name
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([str(word) for word in command], text=True, stdin=stdin,
                                        stdout=subprocess.PIPE, stderr=self.errors,
                                        preexec_fn=pin(cpu))
        self.pid = self.process.pid

    def line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        return self.process.stdout.readline() if ready else ""

    def expect(self, pattern):
        line = self.line()
        found = re.fullmatch(pattern, line.rstrip("\n"))
        if not found:
            self.fail(f"{pattern} was expected, {line!r} came")
        return found

    def fail(self, what):
        self.kill()
        self.errors.seek(0)
        raise Failed(f"{self.name}: {what}: {self.errors.read().strip()}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()


def wait_for_listener(process, port):
    """Without a connection, which would count."""
    deadline = time.monotonic() + PATIENCE_S
    while not re.search(rf"0100007F:{port:04X} 00000000:0000 0A",
                        pathlib.Path("/proc/net/tcp").read_text()):
        if process.process.poll() is not None or time.monotonic() > deadline:
            process.fail(f"does not listen on port {port}")
        time.sleep(0.02)


def start_ours(options, command, target, started):
    """The address and the process of a proxy that says where it listens."""
    process = Process([options.build / "bin" / command[0], *command[1:], "127.0.0.1:0", target],
                      options.server_cpu)
    started.append(process)
    return f"127.0.0.1:{process.expect(r'proxy: port ([0-9]+), to .*')[1]}", process.pid


def start_proxies(options, target, folder, started):
    """{name: (label, address, pid)}; what is started goes to that list."""
    proxies = {
        "weft": ("weft, splice", *start_ours(options, ["proxy", "-n", 4000], target, started)),
        BARE: ("bare ring", *start_ours(options, ["bare-proxy"], target, started)),
    }
    for name, label, how in HAPROXY if options.haproxy else []:
        port = kept_port()
        configuration = pathlib.Path(folder, f"{name}.cfg")
        configuration.write_text(HAPROXY_CONFIGURATION.format(options=how, port=port,
                                                              target=target))
        process = Process([options.haproxy, "-q", "-db", "-f", configuration], options.server_cpu)
        started.append(process)
        wait_for_listener(process, port)
        proxies[name] = (label, f"127.0.0.1:{port}", process.pid)
    return proxies


def ask_through(options, address, pid, load):
    span = ["--messages=200"] if options.smoke else [f"--duration={options.seconds:.3f}",
                                                     "--warmup=0.15"]
    command = [options.build / "bin" / "weft-load", f"--connections={load.connections}",
               f"--size={load.size}", f"--depth={load.depth}", *span, f"--server={pid}",
               f"--patience={PATIENCE_S}", "--json=-", address]
    ran = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                         preexec_fn=pin(options.load_cpu), timeout=2 * PATIENCE_S)
    try:
        result = json.loads(ran.stdout)
    except ValueError:
        raise Failed(f"weft-load through {address}: {ran.stderr.strip()}") from None
    if ran.returncode != 0 or not result["right"]:
        raise Failed(f"weft-load through {address}: {ran.stderr.strip()}")
    return result


class Others:
    """What the CPUs that are measured on do for anybody but us: for other programs, or, as a
    virtual machine's, for other machines."""

    def __init__(self, options, pids):
        self.cpus, self.pids = {options.server_cpu, options.load_cpu} - {None}, pids
        self.tick = os.sysconf("SC_CLK_TCK")
        self.start()

    def busy(self):
        fields = [line.split() for line in pathlib.Path("/proc/stat").read_text().splitlines()]
        shares = [list(map(int, line[1:9])) for line in fields
                  if line[0] in {f"cpu{cpu}" for cpu in self.cpus}]
        return sum(sum(share) - share[3] - share[4] for share in shares) / self.tick

    def ours(self):
        spent = 0
        for pid in self.pids:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent += (int(fields[11]) + int(fields[12])) / self.tick
        for who in resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN:
            usage = resource.getrusage(who)
            spent += usage.ru_utime + usage.ru_stime
        return spent

    def start(self):
        self.began, self.before = time.monotonic(), self.busy() - self.ours()

    def share(self):
        """Since the start; 0 where the CPUs are not known."""
        spent = self.busy() - self.ours() - self.before
        return spent / (time.monotonic() - self.began) if self.cpus else 0


def ask_undisturbed(options, address, pid, load, others):
    """The result, and how often it was asked again: where others had the CPUs, or where the machine
    stood still for the whole window. The last try counts if something came at all."""
    for again in range(TRIES):
        others.start()
        result = ask_through(options, address, pid, load)
        if result["messages"] > 0 and (options.smoke or others.share() <= OTHERS_MAX):
            break
    if result["messages"] == 0:
        raise Failed(f"nothing came through {address} in {options.seconds} s")
    return result, again


def proxy_rounds(options, proxies, others):
    """{title: {name: one result a round}}, and how many slices were taken again."""
    results = {row.title: {name: [] for name in proxies if row.bare or name != BARE}
               for row in options.proxy_rows}
    repeats = 0
    for number in range(options.rounds):
        say(f"proxies, round {number + 1} of {options.rounds}")
        for place, row in enumerate(options.proxy_rows):
            order = list(results[row.title])
            turn = (number + place) % len(order)
            for name in order[turn:] + order[:turn]:
                _, address, pid = proxies[name]
                result, again = ask_undisturbed(options, address, pid, row.load, others)
                results[row.title][name].append(result)
                repeats += again
    return results, repeats


def proxy_tables(options, table, proxies, results):
    for row in options.proxy_rows:
        cpu = {name: [r["server_cpu_us_per_message"] * row.of_a_unit for r in rounds]
               for name, rounds in results[row.title].items()}
        shown, scale = ("ms", 1e-3) if row.unit == "GiB" else ("us", 1)
        rivals = [name for name in proxies if name not in ("weft", BARE)]
        mine = figure([c * scale for c in cpu["weft"]])
        if not rivals:
            table.add(f"proxy, {row.title}", f"{mine} {shown} a {row.unit}")
        worst = max((of_rounds(cpu["weft"], cpu[n])[0], n) for n in rivals)[1] if rivals else None
        for name in rivals:
            ratio = of_rounds(cpu["weft"], cpu[name])
            judged = name == worst
            table.add(f"proxy, {row.title}, beside {proxies[name][0]}",
                      f"{ratio_text(ratio)} x, {mine} {shown} a {row.unit}",
                      f"{figure([c * scale for c in cpu[name]])} {shown}",
                      "<= 0.8 x the best" if judged else "", ratio[0] <= 0.8 if judged else None)
        if worst and row.bare: # how much of that any proxy on a ring could have
            ratio, floor = of_rounds(cpu["weft"], cpu[BARE]), of_rounds(cpu[BARE], cpu[worst])
            table.add(f"proxy, {row.title}, beside a bare ring",
                      f"{ratio_text(ratio)} x, {mine} {shown} a {row.unit}",
                      f"{figure([c * scale for c in cpu[BARE]])} {shown}, "
                      f"{ratio_text(floor)} x {proxies[worst][0]}")


def proxy(options, table, raw):
    if not options.haproxy:
        say("HAProxy is not here: the proxy stands alone")
    started = []
    with tempfile.TemporaryDirectory(prefix="weft-proxies-") as folder:
        try:
            target = f"127.0.0.1:{kept_port()}"
            started.append(Process([options.build / "bin" / "bare-echo", target, "buffer=65536"],
                                   options.load_cpu))
            started[0].expect("listening on .*")
            proxies = start_proxies(options, target, folder, started)
            results, repeats = proxy_rounds(options, proxies,
                                            Others(options, [p.pid for p in started]))
        finally:
            for process in reversed(started):
                process.stop()
    if repeats:
        say(f"{repeats} slices were taken again: others had the CPUs")
    raw["proxy"] = results
    proxy_tables(options, table, proxies, results)


# --- connections that say nothing ----------------------------------------------------------------


def descriptors_max():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    del soft
    try: # with the right to, one process takes as many as the kernel allows any
        most = int(pathlib.Path("/proc/sys/fs/nr_open").read_text())
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return most
    except (OSError, ValueError):
        return hard


def available():
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(re.search(r"MemAvailable:\s+(\d+)", text)[1]) * 1024


class Group:
    """A server and who holds connections to it."""

    def __init__(self, options, kind):
        self.options = options
        self.address = f"127.0.0.1:{kept_port()}"
        self.clients = []
        self.count = 0
        self.server = Process([options.build / "bin" / "idle-server", kind, self.address],
                              options.server_cpu)
        self.server.expect("listening on .*")
        self.at_first = self.memory()

    def memory(self):
        """Bytes of the server's own: what it has touched and no file stands behind."""
        text = pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", text)[1]) * 1024

    def add(self, count):
        client = Process([self.options.build / "bin" / "idle-client", self.address, count],
                         self.options.load_cpu, subprocess.PIPE)
        self.clients.append(client)
        client.expect(f"open {count}")
        self.count += count

    def ask(self):
        """They all still answer: how many were asked."""
        asked = 0
        for client in self.clients:
            client.process.stdin.write("\n")
            client.process.stdin.flush()
            asked += int(client.expect(r"right (\d+)")[1])
        return asked

    def end(self):
        for client in self.clients:
            client.process.stdin.close()
            try:
                client.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                client.kill()
        self.server.stop()


def idle(options, table, raw):
    count = min(options.idle, options.descriptors - 200) // 2 * 2
    for kind, title, limit in (("stream", "idle stream, a task each", 5000),
                               ("protocol", "idle protocol, no stack", 400)):
        say(f"{title}: {count:,} connections")
        before = available()
        group = Group(options, kind)
        try:
            group.add(count // 2)
            half = group.memory()
            group.add(count // 2)
            whole = group.memory()
            kernel = (before - available()) / count
            asked = group.ask()
        finally:
            group.end()
        each = (whole - group.at_first) / count
        next_one = (whole - half) / (count // 2)
        raw[f"idle {kind}"] = {"connections": count, "bytes_each": each, "bytes_next": next_one,
                               "machine_bytes_each": kernel, "asked": asked}
        table.add(f"{title}, {count:,} connections", f"{each:,.0f} B of user memory",
                  f"the second half {next_one:,.0f} B; the whole machine, both ends, "
                  f"{kernel:,.0f} B", f"<= {limit} B", each <= limit)


def fitting(options):
    """How many connections, of those wanted, and what kept it from more."""
    open_max = int(pathlib.Path("/proc/sys/fs/file-max").read_text())
    by_files = (open_max - int(pathlib.Path("/proc/sys/fs/file-nr").read_text().split()[0])
                - 20000) // 2
    by_memory = int(available() * 0.85 / options.bytes_each)
    count = min(options.connections, by_files, by_memory)
    if count == options.connections:
        return count, ""
    if by_files <= by_memory:
        return max(count, 0), f"fs.file-max of {open_max:,}"
    return max(count, 0), f"memory: {available() >> 20:,} MiB free, {options.bytes_each} B for " \
                          "both ends of one"


def million(options, table, raw):
    count, limited_by = fitting(options)
    a_process = min(options.descriptors - 200, count)
    groups, began, before = [], time.monotonic(), available()
    if limited_by:
        say(f"{count:,} connections, not {options.connections:,}: limited by {limited_by}")
    if a_process < 1:
        return
    try:
        while (there := sum(g.count for g in groups)) < count:
            groups.append(Group(options, "protocol"))
            groups[-1].add(min(a_process, count - there))
            say(f"{there + groups[-1].count:,} connections, {len(groups)} servers, "
                f"{time.monotonic() - began:.0f} s, {available() >> 20:,} MiB free")
        whole = sum(g.memory() - g.at_first for g in groups)
        machine = (before - available()) / count
        asked = sum(g.ask() for g in groups)
    finally:
        for group in groups:
            group.end()
    split = f"in {len(groups)} server processes, since one may open no more than " \
            f"{options.descriptors:,} files" if len(groups) > 1 else "in one server process"
    raw["million"] = {"connections": count, "servers": len(groups), "bytes_each": whole / count,
                      "machine_bytes_each": machine, "asked": asked, "limited_by": limited_by,
                      "seconds": time.monotonic() - began}
    table.add(f"{count:,} idle connections at a time, {split}",
              f"{whole / count:,.0f} B of user memory each",
              f"the whole machine, both ends, {machine:,.0f} B each; {asked:,} of them asked again",
              f"{options.connections:,}", count >= options.connections)


# --- main ----------------------------------------------------------------------------------------


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/bench-servers")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.12, help="of a proxy's slice")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--connections", type=int, default=1000000, help="of the last part")
    parser.add_argument("--folder", type=pathlib.Path, help="where to make the file that is read")
    parser.add_argument("--smoke", action="store_true", help="everything for a moment")
    options = parser.parse_args(arguments)
    options.parts = options.only.lower().split(",")
    if options.rounds < 1 or options.seconds <= 0 or options.connections < 1 or \
            not set(options.parts) <= set(PARTS):
        parser.error("rounds, seconds and connections are above 0, parts are " + ", ".join(PARTS))
    options.given = arguments[4:]
    return options


def fill_in(options):
    options.build = options.build.resolve()
    options.folder = options.folder or options.build
    options.server_cpu, options.load_cpu = choose_cpus()
    options.haproxy = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
    options.descriptors = descriptors_max()
    options.reads, options.mebibytes, options.processes = 4096, 256, 40
    options.idle, options.proxy_rows = 19000, PROXY_ROWS
    options.bytes_each = 9000
    if options.smoke:
        options.rounds, options.seconds, options.connections = 1, 0.05, 600
        options.reads, options.mebibytes, options.processes = 256, 4, 3
        options.idle, options.proxy_rows = 200, [PROXY_ROWS[0], PROXY_ROWS[2]]
        options.descriptors = min(options.descriptors, 500) # so that they are split
    return options


def measure(options):
    machine = describe_machine(["tools/bench-servers", *options.given], options.server_cpu,
                               options.load_cpu)
    print_machine(machine, f"{options.rounds} rounds")
    table, raw = Table(), {}
    for part in PARTS:
        if part in options.parts:
            globals()[part](options, table, raw)
    print()
    table.print()
    options.json.write_text(json.dumps({"machine": machine, "rounds": options.rounds,
                                        "rows": table.rows, "measured": raw}, indent=1) + "\n")
    print(f"JSON: {options.json}")


def main():
    end_on_signals()
    try:
        measure(fill_in(parse(sys.argv[1:])))
    except (Failed, subprocess.TimeoutExpired) as failure:
        print(f"\ntools/bench-servers: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
