"""
Run by gdb on the program steps: walks through the switch one instruction at a time, and at each one
asks the unwinder for the whole stack and for the caller's callee-saved registers.

Would catch a missing or wrong line of call frame information at any single instruction: a debugger
or profiler that stops there would show nonsense, or run off the end of the stack.
"""
import gdb

KEPT = {"i386:x86-64": ["rbx", "rbp", "r12", "r13", "r14", "r15"],
        "aarch64": ["x%d" % n for n in range(19, 30)]}
SWITCH = "weft__arch_switch"
FILLED = "test_switch_filled"
STACKS = [["main_inner", "main"],
          [FILLED, "fill_and_switch", "main_inner", "main"],
          [FILLED, "fill_and_switch", "task_inner", "task_outer", "trampoline"],
          ["trampoline"]]

state = {"steps": 0, "left": {}, "trouble": []}


def frames():
    frame, names = gdb.newest_frame(), []
    while frame is not None and len(names) < 20:
        names.append(frame.name())
        frame = frame.older()
    return names


def kept_by_caller():
    names = KEPT[gdb.newest_frame().architecture().name()]
    caller = gdb.newest_frame().older()
    return [int(caller.read_register(name)) for name in names]


def check_step():
    """One instruction inside the switch; what its caller keeps was noted when it called."""
    state["steps"] += 1
    where = gdb.execute("x/i $pc", to_string=True).strip()
    names = frames()
    if names[1:] not in STACKS:
        state["trouble"].append("%s: stack is %s" % (where, names))
        return
    known = state["left"].get(names[-1])
    if known is not None and known != kept_by_caller():
        state["trouble"].append("%s: registers in %s are %s, were %s"
                                % (where, names[-1], kept_by_caller(), known))


def walk():
    gdb.execute("set pagination off")
    gdb.execute("set confirm off")
    gdb.execute("set debuginfod enabled off")
    gdb.Breakpoint("*" + SWITCH)
    gdb.execute("run", to_string=True)
    for _ in range(8):
        state["left"][frames()[-1]] = kept_by_caller()
        while gdb.newest_frame().name() == SWITCH:
            check_step()
            gdb.execute("stepi", to_string=True)
        gdb.execute("continue", to_string=True)
        if not gdb.selected_thread():
            break
    for line in state["trouble"]:
        print("steps:", line)
    print("steps: %d instructions looked at, %d wrong" % (state["steps"], len(state["trouble"])))
    gdb.execute("quit %d" % (0 if state["steps"] > 100 and not state["trouble"] else 1))


try:
    walk()
except gdb.error as error:
    print("steps:", error)
    gdb.execute("quit 1")
