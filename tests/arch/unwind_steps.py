# unwind_steps.py: run by gdb (see unwind-steps) on walk.c. Steps through journey() instruction
# by instruction and compares each backtrace, spelled as a word, with those of journey.h.
import gdb

LETTERS = {
    "context_switch": "s",
    "switch_with_registers": "r",
    "journey_body": "T",
    "context_entry": "E",
    "context_visit": "v",
    "journey_visitor": "f",
}
STEPPED = ("context_switch", "context_entry", "context_visit")
NEVER_RUN = ("nop", "ud2", "udf", ".inst", "unimp", "c.unimp", "ebreak")
STEPS_MAX = 5000
STEPS_TOLD = 5  # wrong ones
BELOW = 512  # bytes below the stack pointer that a signal's frame might overwrite


def array(name):
    value = gdb.parse_and_eval(name)
    low, high = value.type.range()
    return [value[i] for i in range(low, high + 1)]


def word_of(frame):
    """The word, and the frame that it ends with."""
    word = ""
    while len(word) < 64:
        if frame.name() == "journey" and frame.older() and frame.older().name() == "main":
            return word + "M", frame
        word += LETTERS.get(frame.name(), "?")
        if not frame.older():
            break
        frame = frame.older()
    return word, frame


def register(frame, name):
    if frame.architecture().name() == "aarch64" and name[0] == "d":
        # gdb 13 reads d8 of any frame from the CPU, but unwinds v8, of which it is the half.
        value = frame.read_register("v" + name[1:])["d"]["u"][0]
    else:
        value = frame.read_register(name)
    if value.type.code == gdb.TYPE_CODE_UNION:  # RISC-V's fs0, as float and as double
        return int(value["double"].format_string(format="x"), 16)
    return int(value) & (2**64 - 1)


def overwrite_below(stack):
    """What the port has left below its stack pointer is gone: no row may point there."""
    gdb.selected_inferior().write_memory(stack - BELOW, b"\x5a" * BELOW)
    gdb.invalidate_cached_frames()


def wrong_registers(frame, caller, names, expected):
    """Registers that differ in the frame of that name, if it has called another."""
    while frame and frame.name() != caller:
        frame = frame.older()
    if not frame or frame.level() == 0:
        return []
    found = [(n, register(frame, n), want) for n, want in zip(names, expected)]
    return ["%s is %#x, not %#x" % f for f in found if f[1] != f[2]]


def instructions(function):
    """Addresses of a function's instructions that are meant to run."""
    listing = gdb.execute("disassemble /r " + function, to_string=True).splitlines()
    for line in listing:
        fields = line.replace("=>", "  ").split("\t")
        if "<+" in fields[0] and fields[-1].split()[0] not in NEVER_RUN:
            if not any(f in NEVER_RUN for f in fields):
                yield int(fields[0].split()[0], 16)


def walk():
    names = [v.string() for v in array("register_names")]
    words = {"main": [v.string() for v in array("main_words")],
             "task": [v.string() for v in array("task_words")]}
    expected = {side: [int(v) for v in array("journey_%s_registers" % side)] for side in words}
    low = int(gdb.parse_and_eval("(unsigned long)&journey_room.stack"))
    size = int(gdb.parse_and_eval("sizeof journey_room.stack"))
    visiting = int(gdb.parse_and_eval("(unsigned long)&context_visit"))
    seen, wrong, steps, visitor = set(), 0, 0, []

    while gdb.newest_frame().name() != "main" and steps < STEPS_MAX:
        frame = gdb.newest_frame()
        stack = int(gdb.parse_and_eval("(unsigned long)$sp"))
        side = "task" if low <= stack <= low + size else "main"
        if frame.name() in STEPPED:
            overwrite_below(stack)
            frame = gdb.newest_frame()
        if frame.pc() == visiting:
            visitor = [register(frame, n) for n in names]
        word, last = word_of(frame)
        faults = []
        if word not in words[side]:
            faults += ['on the %s stack it unwinds to "%s"' % (side, word)]
        if side == "task" and last.unwind_stop_reason() != gdb.FRAME_UNWIND_OUTERMOST:
            faults += ["the end is no end: "
                       + gdb.frame_stop_reason_string(last.unwind_stop_reason())]
        faults += wrong_registers(frame, "switch_with_registers", names, expected[side])
        if word == "vM":
            faults += wrong_registers(frame, "journey", names, visitor)
        for fault in faults if wrong < STEPS_TOLD else []:
            where = gdb.execute("info symbol $pc", to_string=True).split(" in ")[0]
            print("# %s: %s" % (where.strip(), fault))
        wrong += bool(faults)
        seen.add(frame.pc())
        steps += 1
        gdb.execute("stepi", to_string=True)
    for function in STEPPED:
        missed = [a for a in instructions(function) if a not in seen]
        if missed:
            print("# %s: not stepped: %s" % (function, " ".join(map(hex, missed))))
            wrong += 1
    print("# %d steps, %d wrong" % (steps, wrong))
    return steps < STEPS_MAX and wrong == 0


try:
    gdb.execute("break *journey", to_string=True)
    gdb.execute("continue" if gdb.selected_inferior().pid else "run", to_string=True)
    right = walk()
except gdb.error as error:
    print("# gdb: %s" % error)
    right = False
if gdb.selected_inferior().pid:
    gdb.execute("kill", to_string=True)
gdb.execute("quit %d" % (0 if right else 1))
