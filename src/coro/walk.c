/*
 * coro/walk.c - call frame information, read as the DWARF standard (version 4, 6.4) and the Linux
 * Standard Base (Core, 10.6: .eh_frame, .eh_frame_hdr) say. Rules given by expressions are not
 * followed: compilers write none for their functions.
 */
#define _GNU_SOURCE

#include "coro/walk.h"

#include <dlfcn.h>
#include <string.h>

enum { REMEMBERED_MAX = 4 };

/* How a register of the caller is found. */
enum rule { SAME, UNDEFINED, AT, VALUE, IN };

struct row {
    uint32_t cfa_register;
    int64_t cfa_offset;
    bool cfa_unknown; /* an expression */
    uint8_t rule[WEFT__REGISTERS];
    int32_t offset[WEFT__REGISTERS]; /* from the frame's address; IN: the other register */
};

/* Where we are in a table. `bad`: it ran out, or says what is not known here. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

/* What the tables have about a function. */
struct unit {
    uintptr_t begin;
    uint64_t code_align;
    int64_t data_align;
    struct reader initial;
    struct reader program;
};

/* -- reading --------------------------------------------------------------------------------- */

static uint64_t read_bytes(struct reader *reader, size_t size)
{
    uint64_t value = 0;

    if ((size_t)(reader->end - reader->at) < size) {
        reader->bad = true;
        return 0;
    }
    memcpy(&value, reader->at, size); /* both machines are little-endian */
    reader->at += size;
    return value;
}

static uint64_t read_uleb(struct reader *reader)
{
    uint64_t value = 0, byte = 0x80;

    for (unsigned shift = 0; shift < 64 && (byte & 0x80); shift += 7) {
        byte = read_bytes(reader, 1);
        value |= (byte & 0x7f) << shift;
    }
    return value;
}

static int64_t read_sleb(struct reader *reader)
{
    uint64_t value = 0, byte = 0x80;
    unsigned shift = 0;

    for (; shift < 64 && (byte & 0x80); shift += 7) {
        byte = read_bytes(reader, 1);
        value |= (byte & 0x7f) << shift;
    }
    if (shift < 64 && (byte & 0x40))
        value |= ~UINT64_C(0) << shift;
    return (int64_t)value;
}

/* DW_EH_PE_*: signed or not, of 2, 4 or 8 bytes. */
static int64_t read_number(struct reader *reader, uint8_t encoding)
{
    switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
        return (int64_t)read_bytes(reader, 8);
    case 0x02:
        return (int64_t)read_bytes(reader, 2);
    case 0x0a:
        return (int16_t)read_bytes(reader, 2);
    case 0x03:
        return (int64_t)read_bytes(reader, 4);
    case 0x0b:
        return (int32_t)read_bytes(reader, 4);
    default:
        reader->bad = true;
        return 0;
    }
}

/* An address: absolute, or told from where it stands. */
static uintptr_t read_address(struct reader *reader, uint8_t encoding)
{
    uintptr_t here = (uintptr_t)reader->at;
    int64_t value = read_number(reader, encoding);

    if ((encoding & 0x70) == 0x10)
        return here + (uintptr_t)value;
    reader->bad |= (encoding & 0x70) != 0;
    return (uintptr_t)value;
}

/* -- the tables of a function ---------------------------------------------------------------- */

/* An entry's contents. Those of 4 GiB are not known here. */
static struct reader open_entry(const uint8_t *entry)
{
    struct reader reader = {entry, entry + 4, false};
    uint64_t length = read_bytes(&reader, 4);

    reader.end = reader.at + length;
    reader.bad = length == 0 || length == UINT32_MAX;
    return reader;
}

/* What functions have in common. Gives the encoding of addresses. */
static uint8_t read_common(struct unit *unit, const uint8_t *entry, bool *augmented)
{
    struct reader reader = open_entry(entry);
    const char *letters;
    const uint8_t *rest;
    uint8_t version, encoding = 0;

    unit->initial.bad = reader.bad || read_bytes(&reader, 4) != 0;
    version = (uint8_t)read_bytes(&reader, 1);
    letters = (const char *)reader.at;
    while (read_bytes(&reader, 1))
        ;
    unit->code_align = read_uleb(&reader);
    unit->data_align = read_sleb(&reader);
    (void)(version == 1 ? read_bytes(&reader, 1) : read_uleb(&reader)); /* the return address */
    *augmented = *letters == 'z';
    if (*augmented) {
        uint64_t size = read_uleb(&reader);
        rest = reader.at + size;
        while (*++letters) {
            if (*letters == 'R')
                encoding = (uint8_t)read_bytes(&reader, 1);
            else if (*letters == 'P')
                (void)read_number(&reader, (uint8_t)read_bytes(&reader, 1));
            else if (*letters == 'L')
                (void)read_bytes(&reader, 1);
        }
        reader.at = rest;
    } else if (*letters) {
        reader.bad = true;
    }
    reader.bad |= unit->initial.bad || reader.at > reader.end;
    unit->initial = reader;
    return encoding;
}

static bool read_unit(struct unit *unit, const uint8_t *entry, uintptr_t pc)
{
    struct reader reader = open_entry(entry);
    const uint8_t *back = reader.at;
    uint64_t distance = read_bytes(&reader, 4);
    uint8_t encoding;
    uintptr_t size;
    bool augmented = false;

    if (reader.bad || distance == 0)
        return false;
    encoding = read_common(unit, back - distance, &augmented);
    unit->begin = read_address(&reader, encoding);
    size = (uintptr_t)read_number(&reader, encoding);
    if (augmented) {
        uint64_t skipped = read_uleb(&reader);
        reader.at += skipped;
    }
    unit->program = reader;
    return !reader.bad && !unit->initial.bad && reader.at <= reader.end && pc - unit->begin < size;
}

/* The search table holds pairs of signed 32-bit distances from its own beginning: of a function,
   and of its entry; sorted. */
static const uint8_t *find_entry(const uint8_t *header, uintptr_t pc)
{
    struct reader reader = {header, header + 64, false};
    uint8_t version = (uint8_t)read_bytes(&reader, 1), frame = (uint8_t)read_bytes(&reader, 1),
            counts = (uint8_t)read_bytes(&reader, 1), table = (uint8_t)read_bytes(&reader, 1);
    const int32_t *pairs;
    size_t low = 0, high;

    (void)read_address(&reader, frame);
    high = (size_t)read_number(&reader, counts);
    if (reader.bad || version != 1 || table != 0x3b || high == 0)
        return NULL;
    pairs = (const int32_t *)(const void *)reader.at;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if ((uintptr_t)header + (uintptr_t)(intptr_t)pairs[2 * middle] <= pc)
            low = middle;
        else
            high = middle;
    }
    return header + pairs[2 * low + 1];
}

static bool find_unit(struct unit *unit, uintptr_t pc)
{
    struct dl_find_object object;
    const uint8_t *entry;

    if (_dl_find_object((void *)pc, &object) < 0 || !object.dlfo_eh_frame)
        return false;
    entry = find_entry(object.dlfo_eh_frame, pc);
    return entry && read_unit(unit, entry, pc);
}

/* -- its rules ------------------------------------------------------------------------------- */

/* A run of a program over the rows. */
struct run {
    const struct unit *unit;
    struct reader *reader;
    struct row *row;
    const struct row *initial;
    struct row remembered[REMEMBERED_MAX];
    unsigned depth;
    uintptr_t location;
};

static uint64_t read_register(struct run *run)
{
    uint64_t number = read_uleb(run->reader);

    if (number < WEFT__REGISTERS)
        return number;
    return UINT64_MAX; /* a vector register or such: nobody asks for it */
}

static void set(struct run *run, uint64_t number, enum rule rule, int64_t offset)
{
    if (number >= WEFT__REGISTERS)
        return;
    run->row->rule[number] = (uint8_t)rule;
    run->row->offset[number] = (int32_t)offset;
}

static void restore(struct run *run, uint64_t number)
{
    if (number < WEFT__REGISTERS)
        set(run, number, (enum rule)run->initial->rule[number], run->initial->offset[number]);
}

static void skip_block(struct run *run)
{
    uint64_t size = read_uleb(run->reader);

    if (size > (uint64_t)(run->reader->end - run->reader->at))
        run->reader->bad = true;
    else
        run->reader->at += size;
}

static void remember(struct run *run)
{
    if (run->depth < REMEMBERED_MAX)
        run->remembered[run->depth] = *run->row;
    run->depth++;
}
static void recall(struct run *run)
{
    if (run->depth == 0 || run->depth > REMEMBERED_MAX)
        run->reader->bad = true;
    else
        *run->row = run->remembered[--run->depth];
}

static void define(struct run *run, uint64_t number, int64_t offset)
{
    run->reader->bad |= number >= WEFT__REGISTERS;
    run->row->cfa_register = (uint32_t)number;
    run->row->cfa_offset = offset;
    run->row->cfa_unknown = false;
}

static int64_t factored(struct run *run, bool is_signed)
{
    int64_t n = is_signed ? read_sleb(run->reader) : (int64_t)read_uleb(run->reader);

    return n * run->unit->data_align;
}

/* Instructions that say how a register is found. False: it is none of them. */
static bool run_register(struct run *run, uint8_t code)
{
    uint64_t number;

    switch (code) {
    case 0x05: /* offset_extended */
    case 0x11: /* offset_extended_sf */
        number = read_register(run);
        set(run, number, AT, factored(run, code == 0x11));
        return true;
    case 0x14: /* val_offset */
    case 0x15: /* val_offset_sf */
        number = read_register(run);
        set(run, number, VALUE, factored(run, code == 0x15));
        return true;
    case 0x06: /* restore_extended */
        restore(run, read_register(run));
        return true;
    case 0x07: /* undefined */
        set(run, read_register(run), UNDEFINED, 0);
        return true;
    case 0x08: /* same_value */
        set(run, read_register(run), SAME, 0);
        return true;
    case 0x09: /* register */
        number = read_register(run);
        set(run, number, IN, (int64_t)(read_register(run) & INT32_MAX));
        return true;
    case 0x10: /* expression */
    case 0x16: /* val_expression */
        set(run, read_register(run), UNDEFINED, 0);
        skip_block(run);
        return true;
    default:
        return false;
    }
}

/* The rest of those without an operand in their first byte. */
static void run_other(struct run *run, uint8_t code)
{
    uint64_t number;

    switch (code) {
    case 0x00: /* nop */
    case 0x2d: /* negate_ra_state: signatures are taken off in any case */
        break;
    case 0x02: /* advance_loc1, 2, 4 */
    case 0x03:
    case 0x04:
        run->location += read_bytes(run->reader, (size_t)1 << (code - 2)) * run->unit->code_align;
        break;
    case 0x0a:
        remember(run);
        break;
    case 0x0b:
        recall(run);
        break;
    case 0x0c: /* def_cfa */
        number = read_register(run);
        define(run, number, (int64_t)read_uleb(run->reader));
        break;
    case 0x12: /* def_cfa_sf */
        number = read_register(run);
        define(run, number, factored(run, true));
        break;
    case 0x0d: /* def_cfa_register */
        define(run, read_register(run), run->row->cfa_offset);
        break;
    case 0x0e: /* def_cfa_offset */
        run->row->cfa_offset = (int64_t)read_uleb(run->reader);
        break;
    case 0x13: /* def_cfa_offset_sf */
        run->row->cfa_offset = factored(run, true);
        break;
    case 0x0f: /* def_cfa_expression */
        run->row->cfa_unknown = true;
        skip_block(run);
        break;
    case 0x2e: /* GNU_args_size */
        (void)read_uleb(run->reader);
        break;
    default:
        run->reader->bad = true;
    }
}

/* Up to the row that holds at pc. */
static void run_program(struct run *run, uintptr_t pc)
{
    struct reader *reader = run->reader;

    while (!reader->bad && reader->at < reader->end && run->location <= pc) {
        uint8_t code = (uint8_t)read_bytes(reader, 1), low = code & 0x3f;

        if (code >> 6 == 1)
            run->location += low * run->unit->code_align;
        else if (code >> 6 == 2)
            set(run, low, AT, factored(run, false));
        else if (code >> 6 == 3)
            restore(run, low);
        else if (!run_register(run, code))
            run_other(run, code);
    }
}

static bool find_row(struct row *row, uintptr_t pc)
{
    struct unit unit;
    struct row initial;
    struct run run;

    memset(row, 0, sizeof *row);
    if (!find_unit(&unit, pc))
        return false;
    run = (struct run){.unit = &unit, .row = row, .initial = row, .location = unit.begin};
    run.reader = &unit.initial;
    run_program(&run, UINTPTR_MAX);
    initial = *row;
    run.initial = &initial;
    run.reader = &unit.program;
    run.location = unit.begin;
    run_program(&run, pc);
    return !unit.initial.bad && !unit.program.bad && !row->cfa_unknown;
}

/* -- from frame to frame --------------------------------------------------------------------- */

struct walk {
    struct weft__registers registers;
    uintptr_t low, high;
};

/* Also where the address sanitizer has put something between two variables. */
static __attribute__((no_sanitize_address)) bool load(const struct walk *walk, uintptr_t address,
                                                      uintptr_t *value)
{
    if (address % sizeof *value || address < walk->low || address > walk->high - sizeof *value)
        return false;
    *value = *(const volatile uintptr_t *)address;
    return true;
}

/* By the tables. */
static bool step_by_row(struct walk *walk, const struct row *row)
{
    const struct weft__registers before = walk->registers;
    struct weft__registers *now = &walk->registers;
    uintptr_t cfa = before.value[row->cfa_register] + (uintptr_t)row->cfa_offset;

    if (cfa < before.value[before.sp] || cfa > walk->high)
        return false;
    for (uint32_t i = 0; i < WEFT__REGISTERS; i++) {
        uintptr_t there = cfa + (uintptr_t)(intptr_t)row->offset[i];

        if (row->rule[i] == AT && !load(walk, there, &now->value[i]))
            return false;
        if (row->rule[i] == VALUE)
            now->value[i] = there;
        else if (row->rule[i] == IN && row->offset[i] < WEFT__REGISTERS)
            now->value[i] = before.value[row->offset[i]];
    }
    now->value[now->sp] = cfa;
    now->pc = row->rule[now->ra] == UNDEFINED ? 0 : weft__registers_code(now->value[now->ra]);
    return now->pc != 0 && (cfa != before.value[before.sp] || now->pc != before.pc);
}

/* By the frame pointer: it points at that of the caller, and the return address above it. */
static bool step_by_pointer(struct walk *walk)
{
    struct weft__registers *now = &walk->registers;
    uintptr_t frame = now->value[now->fp], outer, code;

    if (frame < now->value[now->sp] || !load(walk, frame, &outer) ||
        !load(walk, frame + sizeof frame, &code))
        return false;
    now->value[now->fp] = outer;
    now->value[now->sp] = frame + 2 * sizeof frame;
    now->pc = weft__registers_code(code);
    return now->pc != 0;
}

size_t weft__walk(const struct weft__registers *registers, bool interrupted, const void *low,
                  const void *high, const void **frames, size_t count_max)
{
    struct walk walk = {*registers, (uintptr_t)low, (uintptr_t)high};
    size_t count = 0;
    struct row row;
    bool more = walk.registers.pc != 0;

    while (more && count < count_max) {
        /* a return address may be the first of the next function: what it is in is before it */
        uintptr_t pc = walk.registers.pc - (interrupted ? 0 : 1);

        frames[count++] = (const void *)walk.registers.pc;
        interrupted = false;
        more = find_row(&row, pc) ? step_by_row(&walk, &row) : step_by_pointer(&walk);
    }
    return count;
}
