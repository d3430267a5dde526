"""
A breakpoint behind the start of a process, under gdb. Would catch a child on our memory that gdb
takes for a fork: it takes the breakpoints out of what it believes to be the child's memory, and
none is hit any more.

    test_starts.py GDB PROGRAM
"""
import subprocess
import sys
import tempfile
import unittest

GDB, PROGRAM = sys.argv[1:3]
SCRIPT = r"""set pagination off
set confirm off
break started
commands
silent
printf "hit %d\n", which
continue
end
run
"""


class Starts(unittest.TestCase):

    def test_hit_each_time(self):
        with tempfile.NamedTemporaryFile("w", suffix=".gdb") as script:
            script.write(SCRIPT)
            script.flush()
            ran = subprocess.run([GDB, "-nx", "-batch", "-iex", "set debuginfod enabled off",
                                  "-x", script.name, PROGRAM], stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, timeout=200)
        said = [line for line in ran.stdout.splitlines() if line.startswith("hit ")]
        self.assertEqual(said, ["hit 0", "hit 1", "hit 2"], ran.stdout + ran.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
