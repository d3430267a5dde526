#!/usr/bin/env python3
"""Does a program print what it should?

    test_tutorial.py PROGRAM GOLDEN                 every byte: on the simulated kernel
    test_tutorial.py PROGRAM GOLDEN --real SERIAL   on the real one: the same lines in the same
                                                    order, no time earlier than it should be, and
                                                    the last one less than SERIAL seconds, which is
                                                    what doing one thing after the other takes ("-":
                                                    nothing goes side by side)

A machine may be busy with other things, so that what was to come first comes late: what should then
be so must be so in one of several runs, in each of which a second is longer than in the one before.
That nothing comes early, and that the program ends with 0, is asked of every run.
"""
import argparse
import os
import re
import subprocess
import sys

TIME = re.compile(r"\d+\.\d{3}(?= s)")
SECONDS_MS = (50, 150, 450, 1000)


def output_of(program, second_ms):
    environment = dict(os.environ)
    environment.pop("SECOND_MS", None)
    if second_ms:
        environment["SECOND_MS"] = str(second_ms)
    done = subprocess.run([program], stdout=subprocess.PIPE, env=environment, timeout=100,
                          text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{program} ends with {done.returncode}\n{done.stdout}")
    return done.stdout


def fault_of(got, golden, serial):
    """What is wrong with it, or None. Exits when something comes before its time."""
    if TIME.sub("T", got) != TIME.sub("T", golden):
        return f"it prints\n{got}\nand should print\n{golden}"
    times = [float(t) for t in TIME.findall(got)]
    for is_at, should in zip(times, (float(t) for t in TIME.findall(golden))):
        if is_at < should:
            sys.exit(f"{is_at} s is earlier than {should} s:\n{got}")
    if times and times[-1] >= serial:
        return f"one after the other takes {serial} s:\n{got}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("golden")
    parser.add_argument("--real", metavar="SERIAL")
    arguments = parser.parse_args()
    with open(arguments.golden, encoding="utf-8") as file:
        golden = file.read()

    if arguments.real is None:
        got = output_of(arguments.program, None)
        if got != golden:
            sys.exit(f"it prints\n{got}\nand should print\n{golden}")
        return
    serial = float("inf" if arguments.real == "-" else arguments.real)
    for second_ms in SECONDS_MS:
        fault = fault_of(output_of(arguments.program, second_ms), golden, serial)
        if fault is None:
            return
    sys.exit(fault)


if __name__ == "__main__":
    main()
