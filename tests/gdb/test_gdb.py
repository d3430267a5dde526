"""
The gdb commands of tools/gdb/weft.py on the program parked.

    test_gdb.py GDB WEFT_PY PROGRAM

Live at a breakpoint in a running task, in a core made there, and attached to the process while all
of it waits: each time every task is listed with what it waits for, and every backtrace has the
user's functions in their order and ends at the task's entry. Would catch a frame of the switch that
differs from what the script expects, a field that was renamed, a core without the stacks, a
register of the process left changed.
"""
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import tempfile
import unittest

GDB, SCRIPT, PROGRAM = sys.argv[1:4]

# reactor, name: function, state, what it waits for, functions from the inside out
TASKS = {
    (0, "main"): ("everybody", "parked", "scope", ["weft_scope_close", "everybody", "main_task"]),
    (0, "sleeper"): ("sleep_long", "parked", "sleep", ["weft_sleep", "sleep_long"]),
    (0, "receiver"): ("receive_for_ever", "parked", "recv", ["weft_recv", "receive_for_ever"]),
    (0, "joiner"): ("join_sleeper", "parked", "join", ["weft_join", "join_sleeper"]),
    (0, "closer"): ("hold_scope", "parked", "scope", ["weft_scope_fall_", "hold_scope"]),
    (0, "child"): ("sleep_long", "parked", "sleep", ["weft_sleep", "sleep_long"]),
    (0, "nested"): ("nested_outer", "parked", "sleep",
                    ["weft_sleep", "nested_inner", "nested_middle", "nested_outer"]),
    (0, "far nested"): ("nested_outer", "parked", "call", ["remote_child_main"]),
    (0, "far receiver"): ("receive_for_ever", "parked", "call", ["remote_child_main"]),
    (0, "watcher"): ("watch_the_other", "parked", "call", ["remote_child_main"]),
    (1, "far nested"): ("nested_outer", "parked", "sleep",
                        ["weft_sleep", "nested_inner", "nested_middle", "nested_outer"]),
    (1, "far receiver"): ("receive_for_ever", "parked", "recv",
                          ["weft_recv", "receive_for_ever", "remote_main"]),
    (1, "watcher"): ("watch_the_other", "parked", "sleep", ["weft_sleep", "watch_the_other"]),
}
KEPT = {"x86_64": "rbx rbp r12 r13 r14 r15 rsp rip",
        "aarch64": "x19 x20 x21 x22 x23 x24 x25 x26 x27 x28 x29 sp pc"}[platform.machine()]
RUNNER = ["running_leaf", "running_middle", "running_outer"]
# At the breakpoint, and when the runner waits like everybody else.
STOPPED = {**TASKS, (0, "runner"): ("running_outer", "running", "-", RUNNER),
           (0, "newborn"): ("never_started", "new", "-", [])}
HELD = {**TASKS, (0, "runner"): ("running_outer", "parked", "sleep",
                                 ["weft_sleep", "sleep_long", "running_outer"])}

# slot, generation, name, function, state, what it waits for, fd, since turn
ROW = re.compile(r"  (\d+) +(\d+)  (\S+(?: \S+)*)  +(\S+)  +(\S+)  +(\S+)  +(\S+)  +(\d+)  ")


def gdb(*commands, program=PROGRAM, more=()):
    arguments = [GDB, "-nx", "-batch", "-iex", "set debuginfod enabled off"]
    for command in ("source " + SCRIPT,) + commands:
        arguments += ["-ex", command]
    done = subprocess.run([*arguments, program, *more], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=120,
                          env={**os.environ, "LC_ALL": "C"}, stdin=subprocess.DEVNULL)
    return done.stdout


def need_ptrace(output):
    """To a test that asks for a debugger, none is a failure; it should say which."""
    for sign in ("ptrace:", "Could not trace the inferior", "Couldn't get registers"):
        if sign in output:
            raise AssertionError("gdb may not trace a process here: see kernel.yama.ptrace_scope, "
                                 "CAP_SYS_PTRACE and the container's seccomp filter.\n" + output)


def echoed(*commands):
    """Each command, its output under a heading of its own."""
    for command in commands:
        yield "echo \\n==== %s\\n" % command
        yield command


def sections(output):
    parts = re.split(r"^==== (.*)\n", output, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def functions(text):
    return re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?([^ (]+) \(", text, flags=re.M)


class Case(unittest.TestCase):
    def check_list(self, text, expected):
        """One line for each task, below the title of its reactor."""
        found, reactor = {}, None
        for line in text.splitlines():
            title = re.match(r"reactor (\d+) of runtime \d+, thread \d+ \(\d+\): turn \d+, ", line)
            row = ROW.match(line)
            if title:
                reactor = int(title.group(1))
            elif row:
                name, function, state, wait, fd = row.groups()[2:7]
                found[reactor, name] = function, state, wait
                self.assertEqual(wait == "recv", fd.isdigit(), line)
        self.assertEqual(found, {key: task[:3] for key, task in expected.items()}, text)

    def check_backtraces(self, text, expected):
        parts = re.split(r'^task (\d+):\d+ "(.*?)", (.*)\n', text, flags=re.M)
        found = {(int(parts[i]), parts[i + 1]): parts[i + 3] for i in range(1, len(parts), 4)}
        self.assertEqual(set(found), set(expected), text)
        for key, (function, _, _, calls) in expected.items():
            names = functions(found[key])
            self.assertEqual([name for name in names if name in calls], calls, found[key])
            self.assertEqual(names[-1], "trampoline", found[key])
            self.assertNotIn(names[0], ("weft__reactor_turn", "weft__ring_enter"))
            if "nested_inner" in calls:  # the argument is in a register that was saved
                self.assertRegex(found[key], r"nested_inner \(depth=(depth@entry=)?41\)")
        self.assertNotIn("stopped", text)
        self.assertNotIn("corrupt", text)

    def test_live_and_core(self):
        with tempfile.TemporaryDirectory() as folder:
            core = pathlib.Path(folder, "core")
            output = gdb("break running_leaf", "run",
                         *echoed("bt", "weft tasks", "up", "weft bt all", "frame",
                                 "weft with nested frame function nested_middle",
                                 "weft core %s" % core),
                         "tbreak weft__arch_switch", "continue",
                         *echoed("backtrace", "frame 1", "info registers " + KEPT),
                         "tbreak never_started", "continue",
                         *echoed("weft with runner info registers " + KEPT),
                         "delete", "continue")
            need_ptrace(output)
            part = sections(output)
            self.assertEqual(functions(part["bt"])[:3], RUNNER, output)
            self.assertEqual(functions(part["bt"])[-1], "trampoline", output)
            self.check_list(part["weft tasks"], STOPPED)
            self.check_backtraces(part["weft bt all"], STOPPED)
            self.assertEqual(part["frame"].strip(), part["up"].strip())  # still selected
            self.assertIn("nested_middle", part["weft with nested frame function nested_middle"])
            # into the switch, on the same task
            names = functions(part["backtrace"])
            self.assertEqual(names[0], "weft__arch_switch", output)
            self.assertEqual([name for name in names if name in RUNNER], RUNNER, output)
            self.assertEqual(names[-1], "trampoline", output)
            # and away from it: the same registers, now from the frame of the switch
            count = len(KEPT.split())
            registers = part["info registers " + KEPT].splitlines()[:count]
            parked = part["weft with runner info registers " + KEPT].splitlines()[:1 + count]
            self.assertIn("running_outer: ready", parked[0])
            self.assertEqual(parked[1:], registers, output)
            self.assertEqual([line.split()[0] for line in registers], KEPT.split(), output)
            # nothing was left changed: all of them ended in order
            self.assertIn("exited normally", output)
            self.assertNotIn("Backtrace stopped", output)
            self.check_core(core)

    def check_core(self, core):
        self.assertLess(core.stat().st_blocks * 512, 1 << 30)
        output = gdb(*echoed("weft tasks", "weft bt all", "weft bt -full receiver"),
                     more=[str(core)])
        part = sections(output)
        self.check_list(part["weft tasks"], STOPPED)
        self.check_backtraces(part["weft bt all"], STOPPED)
        self.assertRegex(part["weft bt -full receiver"], r"\n +bytes = ")

    def test_attach(self):
        process = subprocess.Popen([PROGRAM, "hold"], stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(process.stdout.readline(), "parked\n")
            output = gdb(*echoed("weft tasks", "weft bt"), "detach", more=["-p", str(process.pid)])
            need_ptrace(output)
            part = sections(output)
            self.check_list(part["weft tasks"], HELD)
            self.check_backtraces(part["weft bt"], HELD)
            process.send_signal(signal.SIGTERM)  # it goes on as if nothing had happened
            self.assertEqual(process.wait(60), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_says_what_is_missing(self):
        """Without a process, without the library, without such a task: a sentence, no traceback."""
        self.assertIn("weft: no process and no core", gdb("weft tasks"))
        output = gdb("break main", "run", "weft tasks", "weft bt 7")
        need_ptrace(output)
        self.assertIn("weft: no reactor is open", output)
        self.assertIn("weft: no task is 7", output)
        output = gdb("break main", "run", "weft tasks", program="/bin/true")
        self.assertNotIn("Python Exception", output)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
