#!/usr/bin/env python3
"""Does a program print what it should?

    test_tutorial.py PROGRAM GOLDEN                 every byte: on the simulated kernel
    test_tutorial.py PROGRAM GOLDEN --real SERIAL   on the real one: the same lines in the same
                                                    order, no time earlier than it should be, and
                                                    the last one less than SERIAL seconds, which is
                                                    what doing one thing after the other takes ("-":
                                                    nothing goes side by side)

A machine may be busy with other things for a while; so of several runs one must be below SERIAL.
"""
import argparse
import os
import re
import subprocess
import sys

TIME = re.compile(r"\d+\.\d{3}(?= s)")
RUNS = 5


def output_of(program, second_ms):
    environment = dict(os.environ)
    environment.pop("SECOND_MS", None)
    if second_ms:
        environment["SECOND_MS"] = second_ms
    done = subprocess.run([program], stdout=subprocess.PIPE, env=environment, timeout=100,
                          text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{program} ends with {done.returncode}\n{done.stdout}")
    return done.stdout


def compare(got, golden):
    """Exits when they differ by more than times that are late; gives the last time."""
    if TIME.sub("T", got) != TIME.sub("T", golden):
        sys.exit(f"it prints\n{got}\nand should print\n{golden}")
    times = [float(t) for t in TIME.findall(got)]
    for is_at, should in zip(times, (float(t) for t in TIME.findall(golden))):
        if is_at < should:
            sys.exit(f"{is_at} s is earlier than {should} s:\n{got}")
    return times[-1] if times else 0


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
    took = []
    while len(took) < RUNS and not (took and took[-1] < serial):
        took.append(compare(output_of(arguments.program, "50"), golden))
    if took[-1] >= serial:
        sys.exit(f"{took} s; one after the other takes {serial} s")


if __name__ == "__main__":
    main()
