"""
gdb commands for programs on weft, in a live process and in a core:

    source tools/gdb/weft.py
    weft tasks              every task of every reactor, and what each waits for
    weft bt [WHICH]         the backtraces of tasks, parked ones included; without WHICH of all
    weft with WHICH CMD     any gdb command in the place where a task stands: weft with 3 bt -full
    weft core FILE          a core of a live process, its tasks' stacks included

WHICH is a slot (3), a reactor and a slot (1:3), the name of a task or of its function, or `all`.

How a parked task is unwound: its registers are in the frame that weft__arch_switch left at the
saved stack pointer (src/arch/<machine>/switch.S). While a command of ours runs, an unwinder tells
gdb that the caller of the selected thread's innermost frame is the place the task was left at, with
these registers. gdb goes on from there by itself, to the trampoline at the task's entry. No
register and no memory of the process is written, so a core will do.

The library must have its debug information (-g, not stripped). The way in is its list of runtimes,
weft__runtimes; all else is found by the types. Reads gdb 12 and newer's Python interface only.
"""
import collections
import contextlib
import re

import gdb
import gdb.unwinder

# Offsets in the frame of src/arch/<machine>/switch.S. Registers 8 to 15 of aarch64's floating point
# are left out: a half of a register is nothing an unwinder can give.
Machine = collections.namedtuple("Machine", "pc sp size pc_offset kept")
MACHINES = {
    "i386:x86-64": Machine("rip", "rsp", 64, 56, {
        "r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48}),
    "aarch64": Machine("pc", "sp", 176, 152, {
        **{"x%d" % n: 64 + 8 * (n - 19) for n in range(19, 30)}, "x30": 152}),
}


def machine():
    name = gdb.selected_inferior().architecture().name()
    if name not in MACHINES:
        raise gdb.GdbError("weft: no layout of a parked task's frame for %s" % name)
    return MACHINES[name]


# -- reading memory --------------------------------------------------------------------------------

class Struct:
    """Some fields of a structure, read by one look at memory. A million gdb.Values take minutes."""

    def __init__(self, struct, seen_from=None, **fields):
        try:
            whole = gdb.lookup_type("struct " + struct, *([seen_from] if seen_from else []))
        except gdb.error:
            raise gdb.GdbError("weft: no debug information of libweft here (struct %s)" % struct)
        self.size = whole.sizeof
        self.offsets = {key: self.find(whole, path) for key, path in fields.items()}
        self.tuple = collections.namedtuple(struct, list(fields) + ["address"])

    @staticmethod
    def find(whole, path):
        offset = 0
        for name in path.split("."):
            field = whole.strip_typedefs()[name]
            offset += field.bitpos // 8
            whole = field.type
        kind = whole.strip_typedefs()
        signed = kind.code == gdb.TYPE_CODE_INT and kind.is_signed
        return offset, kind.sizeof, signed

    def at(self, address):
        memory = gdb.selected_inferior().read_memory(address, self.size).tobytes()
        values = [int.from_bytes(memory[offset:offset + size], "little", signed=signed)
                  for offset, size, signed in self.offsets.values()]
        return self.tuple(*values, address)

    def offset(self, key):
        return self.offsets[key][0]


def words_at(address, count):
    memory = gdb.selected_inferior().read_memory(address, 8 * count).tobytes()
    return [int.from_bytes(memory[i:i + 8], "little") for i in range(0, 8 * count, 8)]


def symbol_at(address):
    """The function around an address, if there is debug information of it."""
    block = gdb.block_for_pc(address)
    while block and not block.function:
        block = block.superblock
    return block.function if block else None


def function_at(address):
    """Its name; without debug information what the symbol table says, else the address."""
    symbol = symbol_at(address)
    if symbol:
        return symbol.print_name
    text = gdb.execute("info symbol 0x%x" % address, to_string=True)
    return text.split()[0] if " in section " in text else "0x%x" % address


class Cache(dict):
    """What a function said of an address, or why it could not."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def __missing__(self, address):
        try:
            self[address] = self.function(address)
        except (gdb.MemoryError, UnicodeError):
            self[address] = "(unreadable)"
        return self[address]


def text_at(address):
    if not address:
        return "-"
    return gdb.Value(address).cast(gdb.lookup_type("char").pointer()).string(
        errors="backslashreplace")


# -- the library's structures ----------------------------------------------------------------------

class Wrapped:
    """The user's function behind one of the library's own, which the task was started with."""

    FILES = {("main_task", "/runtime/run.c"): "main",
             ("remote_main", "/task/call.c"): "remote",
             ("remote_child_main", "/task/call.c"): "stand_in"}

    def __init__(self):
        self.kinds = Cache(self.kind_of)

    def kind_of(self, fn):
        symbol = symbol_at(fn)
        for (name, end), kind in self.FILES.items():
            if symbol and symbol.name == name and symbol.symtab.fullname().endswith(end):
                return kind
        return None

    def function(self, reactor, record):
        try:
            kind = self.kinds[record.fn]
            return getattr(self, kind)(reactor, record) if kind else record.fn
        except gdb.MemoryError:  # at the end of a remote call its record goes first
            return record.fn

    def main(self, reactor, record):
        return reactor.runtime.fn

    def remote(self, reactor, record):
        call = Struct("call", gdb.block_for_pc(record.fn), fn="fn")
        return call.at(words_at(record.arg, 1)[0]).fn

    def stand_in(self, reactor, record):
        return Struct("remote_child", gdb.block_for_pc(record.fn), fn="fn").at(record.arg).fn


class Weft:
    """All there is to be known at one stop: reactors, tasks, and the threads that run them."""

    def __init__(self):
        root = gdb.lookup_global_symbol("weft__runtimes")
        if root is None:
            raise gdb.GdbError("weft: the program has no libweft with debug information (yet)")
        self.runtime = Struct("weft__runtime", next="next", serial="serial", count="count",
                              members="members", fn="fn")
        self.reactor = Struct("weft__reactor", current="current", turn="turn", index="index",
                              tasks="tasks", ready="ready.entries", mask="ready.mask",
                              head="ready.head", tail="ready.tail", guard="stacks.guard_size",
                              classes="stacks.class_of")
        self.stack_class = Struct("weft__stack_class", first="slot_first", fresh="slot_fresh",
                                  low="low_bias", stride="stride")
        self.tasks = Struct("weft__tasks", root="root")
        self.scope = Struct("weft__scope", outer="outer", children="children")
        self.task = Struct("weft__task", sp="fiber.context.sp", wait="fiber.wait",
                           slot="fiber.slot", since="fiber.since_turn", generation="generation",
                           next="next", scope="scope", fn="fn", arg="arg", name="name",
                           cause="visible", ended="ended")
        self.wait = Struct("weft__wait", what="what", fd="fd")
        self.causes = {field.enumval: field.name.replace("WEFT_CAUSE_", "").lower()
                       for field in gdb.lookup_type("enum weft_cause").fields()}
        self.text = Cache(text_at)
        self.function = Cache(function_at)
        self.wrapped = Wrapped()
        self.machine = machine()
        self.reactors = list(self.find_reactors(int(root.value())))
        self.find_threads()

    def find_reactors(self, address):
        while address:
            runtime = self.runtime.at(address)
            members = words_at(address + self.runtime.offset("members"), runtime.count)
            for member in members:
                # opened, and not closed again
                if member and self.reactor.at(member).tasks:
                    yield Reactor(self, runtime, member)
            address = runtime.next

    def find_threads(self):
        """Which thread stands on the stack of which task."""
        with unmoved():
            for thread in gdb.selected_inferior().threads():
                if not thread.is_valid() or thread.is_running():
                    continue
                thread.switch()
                frame = gdb.newest_frame()
                sp = int(frame.read_register(self.machine.sp)) & (1 << 64) - 1
                home = self_of_thread()
                for reactor in self.reactors:
                    slot = reactor.slot_of(sp)
                    if slot is not None:
                        reactor.threads[slot] = thread
                    if home == reactor.address:
                        reactor.thread = thread
                    # on a signal's stack: the task that runs is below that
                    if home == reactor.address and slot is None and in_signal(frame):
                        reactor.signalled = thread

    def all_tasks(self):
        for reactor in self.reactors:
            yield from reactor.all_tasks()


def self_of_thread():
    """The reactor of the selected thread. Where thread-local storage cannot be read: None."""
    try:
        return int(gdb.parse_and_eval("(unsigned long) weft__self"))
    except gdb.error:
        return None


def in_signal(frame):
    while frame is not None and frame.is_valid():
        if frame.type() == gdb.SIGTRAMP_FRAME:
            return True
        frame = frame.older()
    return False


class Reactor:
    def __init__(self, weft, runtime, address):
        self.weft, self.runtime, self.address = weft, runtime, address
        self.is_ = weft.reactor.at(address)
        self.threads = {}  # by slot
        self.thread = None  # whose reactor this is
        self.signalled = None  # the same, while it handles a signal
        at = address + weft.reactor.offset("classes")
        count = weft.reactor.offsets["classes"][1] // weft.stack_class.size
        self.classes = [weft.stack_class.at(at + i * weft.stack_class.size) for i in range(count)]

    def slot_of(self, sp):
        """The slot on whose stack, or in whose guard, an address lies."""
        for c in self.classes:
            if c.stride and c.low + c.first * c.stride <= sp < c.low + c.fresh * c.stride:
                return (sp - c.low) // c.stride
        return None

    def edge_of(self, slot):
        """One past the highest byte of a slot."""
        c = max((c for c in self.classes if c.first <= slot), key=lambda c: c.first)
        return c.low + (slot + 1) * c.stride

    def ready(self):
        """The addresses that stand in the ready queue."""
        count = (self.is_.tail - self.is_.head) & 0xffffffff
        if not count:
            return set()
        entries = words_at(self.is_.ready, self.is_.mask + 1)
        return {entries[(self.is_.head + i) & self.is_.mask] for i in range(count)}

    def all_tasks(self):
        """Those below the root scope, parents before their children, in the order spawned."""
        weft, ready = self.weft, self.ready()
        todo = [weft.scope.at(self.is_.tasks + weft.tasks.offset("root")).children]
        seen = set()
        while todo:
            address = todo.pop()
            if not address or address in seen:  # caught while a list is changed
                continue
            seen.add(address)
            record = weft.task.at(address)
            if not record.generation:
                print("weft: the record of a task is blank. A core written by gcore or "
                      "generate-core-file lacks the tasks' stacks: `help weft core`.")
                continue
            task = Task(self, record, ready)
            yield task
            todo.append(task.is_.next)
            scope, inside = task.is_.scope, []
            while scope and scope not in seen:
                seen.add(scope)
                opened = weft.scope.at(scope)
                inside.append(opened.children)
                scope = opened.outer
            todo.extend(reversed(inside))


class Task:
    def __init__(self, reactor, record, ready):
        weft = reactor.weft
        self.reactor, self.is_ = reactor, record
        self.slot, self.name = record.slot, weft.text[record.name]
        self.function = weft.function[weft.wrapped.function(reactor, record)]
        self.wait = weft.wait.at(record.wait) if record.wait else None
        self.thread = reactor.threads.get(record.slot)
        if not self.thread and reactor.is_.current == record.address:
            self.thread = reactor.signalled
        self.state = self.find_state(ready)

    def find_state(self, ready):
        if self.thread:
            return "running"
        if self.is_.ended:
            return "ended"
        if self.wait:
            return "parked"
        if self.is_.address in ready:
            return "new" if self.where() == "trampoline" else "ready"
        # about to be switched to, or away on the loop's stack
        return "running" if self.reactor.is_.current == self.is_.address else "errand"

    def where(self):
        """The function in which it was left."""
        at = self.is_.sp + self.reactor.weft.machine.pc_offset
        return self.reactor.weft.function[words_at(at, 1)[0] - 1]

    def has_stack(self):
        return self.thread is not None or (not self.is_.ended and self.is_.sp != 0)

    def waits_for(self):
        return self.reactor.weft.text[self.wait.what] if self.wait else "-"

    def fd(self):
        return str(self.wait.fd) if self.wait and self.wait.fd >= 0 else "-"

    def cancelled(self):
        return self.reactor.weft.causes.get(self.is_.cause, "?") if self.is_.cause else "-"

    def is_named(self, which):
        """Is it one of those that a command's argument names?"""
        numbers = re.fullmatch(r"(?:(\d+):)?(\d+)", which)
        if not numbers:
            return which in ("all", self.name, self.function)
        reactor, slot = numbers.group(1), int(numbers.group(2))
        if reactor is None and slot >> 32:  # as in a weft_task
            reactor, slot = (slot >> 32) - 1, slot & 0xffffffff
        return slot == self.slot and (reactor is None or int(reactor) == self.reactor.is_.index)

    def title(self):
        text = 'task %d:%d "%s", %s: %s' % (self.reactor.is_.index, self.slot, self.name,
                                            self.function, self.state)
        if self.wait and not self.thread:
            text += " in %s" % self.waits_for()
            if self.wait.fd >= 0:
                text += ", fd %d" % self.wait.fd
            text += ", since turn %d of %d" % (self.is_.since, self.reactor.is_.turn)
        if self.thread:
            text += " on thread %d" % self.thread.num
        if self.is_.cause:
            text += ", cancelled (%s)" % self.cancelled()
        return text


# -- unwinding -------------------------------------------------------------------------------------

class Unwinder(gdb.unwinder.Unwinder):
    """While enabled: below the selected thread's innermost frame lies the parked task's."""

    def __init__(self):
        super().__init__("weft")
        self.enabled = False

    def point_at(self, layout, sp):
        newest = gdb.newest_frame()
        self.layout, self.sp = layout, sp
        self.top = (int(newest.read_register(layout.pc)), int(newest.read_register(layout.sp)))
        self.word = newest.architecture().integer_type(64, False)
        memory = gdb.selected_inferior().read_memory(sp, layout.size).tobytes()
        self.saved = {name: memory[at:at + 8] for name, at in layout.kept.items()}
        self.saved[layout.pc] = memory[layout.pc_offset:layout.pc_offset + 8]
        self.saved[layout.sp] = (sp + layout.size).to_bytes(8, "little")

    def is_top(self, frame):
        """Inlined frames above the innermost real one have its registers."""
        return self.top == (int(frame.read_register(self.layout.pc)),
                            int(frame.read_register(self.layout.sp)))

    def __call__(self, pending_frame):
        if not self.is_top(pending_frame):
            return None
        # gdb refuses a caller whose frame lies lower: this one pretends to lie just below.
        info = pending_frame.create_unwind_info(
            FrameId(gdb.Value(self.sp), pending_frame.read_register(self.layout.pc)))
        for name, value in self.saved.items():
            info.add_saved_register(name, gdb.Value(value, self.word))
        return info


FrameId = collections.namedtuple("FrameId", "sp pc")
unwinder = Unwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


@contextlib.contextmanager
def unmoved():
    """Thread and frame are afterwards what they were."""
    thread = gdb.selected_thread()
    level = gdb.selected_frame().level()
    try:
        yield
    finally:
        thread.switch()
        frame = gdb.newest_frame()
        while frame.level() < level and frame.older() is not None:
            frame = frame.older()
        frame.select()


@contextlib.contextmanager
def standing_in(task):
    """With the task's innermost frame selected. Yields how many frames above it are not its own."""
    with unmoved():
        if task.thread:
            task.thread.switch()
            gdb.newest_frame().select()
            yield 0
            return
        if not task.has_stack():
            raise gdb.GdbError("weft: %s has no stack any more" % task.name)
        unwinder.point_at(task.reactor.weft.machine, task.is_.sp)
        unwinder.enabled = True
        gdb.invalidate_cached_frames()
        try:
            frame = gdb.newest_frame()
            while frame is not None and unwinder.is_top(frame):
                frame = frame.older()
            if frame is None:
                raise gdb.GdbError("weft: %s cannot be unwound" % task.name)
            frame.select()
            yield frame.level()
        finally:
            unwinder.enabled = False
            gdb.invalidate_cached_frames()


def backtrace(task, options):
    """What gdb's own bt says, without the frames that are not the task's."""
    with standing_in(task) as foreign:
        lines = gdb.execute("with width 0 -- bt " + options, to_string=True).splitlines()
    kept, keep = [], False
    for line in lines:
        number = re.match(r"#(\d+)( *)", line)
        if number:
            level = int(number.group(1)) - foreign
            keep = level >= 0
            line = "#%-2d %s" % (level, line[number.end():])
        if keep or not line.startswith((" ", "#")):
            kept.append(line)
    return "\n".join(kept)


# -- commands --------------------------------------------------------------------------------------

class WeftCommand(gdb.Command):
    """Looks into a program on weft: its tasks, and where each of them stands."""

    def __init__(self):
        super().__init__("weft", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


def look():
    if gdb.selected_thread() is None:
        raise gdb.GdbError("weft: no process and no core")
    return Weft()


class TasksCommand(gdb.Command):
    """weft tasks: every task of every reactor.

States: running; ready (in the queue); new (in the queue, never ran); parked (waits for what is
named); errand (waits for a weft_call_on_big_stack of its own); ended (not joined yet).
`since turn` is the turn of the loop in which it began to wait; the reactor's own is in its title.
`cancelled` is the cause why its suspending calls are refused now."""

    HEADS = ("slot", "generation", "name", "function", "state", "waits for", "fd", "since turn",
             "cancelled")

    def __init__(self):
        super().__init__("weft tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        reactors = look().reactors
        if not reactors:
            print("weft: no reactor is open")
        for reactor in reactors:
            self.show(reactor)

    def show(self, reactor):
        rows = []
        try:
            for task in reactor.all_tasks():
                rows.append((str(task.slot), str(task.is_.generation), task.name, task.function,
                             task.state, task.waits_for(), task.fd(), str(task.is_.since),
                             task.cancelled()))
        except gdb.MemoryError as error:
            print("the list breaks off: %s" % error)
        thread = ", thread %d (%d)" % (reactor.thread.num, reactor.thread.ptid[1]) \
            if reactor.thread else ""
        print("reactor %d of runtime %d%s: turn %d, %d task%s" %
              (reactor.is_.index, reactor.runtime.serial, thread, reactor.is_.turn, len(rows),
               "" if len(rows) == 1 else "s"))
        widths = [max(map(len, column)) for column in zip(self.HEADS, *rows)]
        for row in [self.HEADS] + rows:
            print("  " + "  ".join(map(str.ljust, row, widths)).rstrip())


def chosen(which):
    tasks = [task for task in look().all_tasks() if task.is_named(which)]
    if not tasks and which != "all":
        raise gdb.GdbError("weft: no task is %s; `weft tasks` lists them" % which)
    return tasks


class BacktraceCommand(gdb.Command):
    """weft bt [OPTION...] [WHICH]: where tasks stand.

WHICH: a slot, REACTOR:SLOT, a task's name or function; `all`, or nothing, for every one.
Options, which begin with a dash, are those of bt: weft bt -full 1:3"""

    def __init__(self):
        super().__init__("weft bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = argument.split()
        options = [word for word in words if word.startswith("-")]
        which = " ".join(word for word in words if not word.startswith("-")) or "all"
        for task in chosen(which):
            print(task.title())
            if task.has_stack():
                print(backtrace(task, " ".join(options)))
            print()


class WithCommand(gdb.Command):
    """weft with WHICH COMMAND: runs a gdb command with the innermost frame of a task selected.

    weft with receiver info locals
    weft with 1:3 frame function serve"""

    def __init__(self):
        super().__init__("weft with", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = argument.split(None, 1)
        if len(words) != 2:
            raise gdb.GdbError("weft with WHICH COMMAND")
        for task in chosen(words[0]):
            print(task.title())
            if task.has_stack():
                try:
                    with standing_in(task):
                        gdb.execute(words[1], from_tty)
                except gdb.error as error:
                    raise gdb.GdbError(str(error))


class Core:
    """The segments of a core file, to be written to."""

    def __init__(self, file):
        self.file = file
        at, count = self.number(32, 8), self.number(56, 2)
        if count == 0xffff:  # too many for the field: the first section's sh_info has it
            count = self.number(self.number(40, 8) + 44, 4)
        headers = [at + i * self.number(54, 2) for i in range(count)]
        # p_offset, p_vaddr, p_filesz of each PT_LOAD
        self.segments = [tuple(self.number(h + field, 8) for field in (8, 16, 32))
                         for h in headers if self.number(h, 4) == 1]

    def number(self, at, size):
        self.file.seek(at)
        return int.from_bytes(self.file.read(size), "little")

    def write(self, address, memory):
        for offset, start, size in self.segments:
            if start <= address and address + len(memory) <= start + size:
                self.file.seek(offset + address - start)
                self.file.write(memory)
                return True
        return False


class CoreCommand(gdb.Command):
    """weft core FILE: a core of a live process, in which `weft tasks` and `weft bt` work.

gdb's own generate-core-file, which this calls first, reads a mapping up to the first page that
cannot be read and leaves out the rest. The stacks of tasks stand in one mapping with guards in
between, so it has none of them; this adds what is in use of each. The kernel's cores are whole."""

    PAGE = 4096

    def __init__(self):
        super().__init__("weft core", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        if len(gdb.string_to_argv(argument)) != 1:
            raise gdb.GdbError("weft core FILE")
        path = gdb.string_to_argv(argument)[0]
        weft = look()
        gdb.execute("generate-core-file " + argument, from_tty)
        with open(path, "r+b") as file:
            core = Core(file)
            tasks = list(weft.all_tasks())
            missing = [task.name for task in tasks if not self.add(core, weft, task)]
        print("weft: added the stacks of %d tasks, whatever gdb said of sections it could not read"
              % (len(tasks) - len(missing)))
        if missing:
            raise gdb.GdbError("weft: without those of %s" % ", ".join(missing))

    def add(self, core, weft, task):
        """From the stack pointer up, by pages, and the record at the top."""
        low = task.is_.address if task.is_.ended else task.is_.sp
        if task.thread:
            frame = innermost_on(task, weft)
            low = frame - 128 if frame else low  # the red zone
        low -= low % self.PAGE
        high = task.reactor.edge_of(task.slot)
        inferior = gdb.selected_inferior()
        return all([core.write(page, inferior.read_memory(page, self.PAGE).tobytes())
                    for page in range(low, high, self.PAGE)])


def innermost_on(task, weft):
    """The stack pointer of the innermost frame that stands on a running task's stack."""
    with unmoved():
        task.thread.switch()
        frame = gdb.newest_frame()
        while frame is not None:
            sp = int(frame.read_register(weft.machine.sp)) & (1 << 64) - 1
            if task.reactor.slot_of(sp) == task.slot:
                return sp
            frame = frame.older()
    return None


WeftCommand()
TasksCommand()
BacktraceCommand()
WithCommand()
CoreCommand()
