"""The machine a measurement was made on, and which of its CPUs to use."""
import os
import pathlib
import platform


def siblings(cpu):
    path = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        text = path.read_text()
    except OSError:
        return {cpu}
    found = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def choose_cpus():
    """One for the server and one for the load: different cores where there are, (None, None) when
    there is only one CPU to be had."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return None, None
    apart = [cpu for cpu in usable[1:] if cpu not in siblings(usable[0])]
    return usable[0], (apart or usable[1:])[0]


def processor_name():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Processor")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def commit():
    """Of the tree we stand in; git itself may not be there."""
    try:
        head = pathlib.Path(".git/HEAD").read_text().strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head[:7]
        loose = pathlib.Path(".git", name)
        if loose.exists():
            return loose.read_text()[:7]
        for line in pathlib.Path(".git/packed-refs").read_text().splitlines():
            if line.endswith(" " + name):
                return line[:7]
    except OSError:
        pass
    return "of an unknown commit"
