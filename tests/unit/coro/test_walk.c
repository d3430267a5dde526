/*
 * coro/walk: the calls of a stack from outside. Would catch a frame left out, one made up, a walk
 * that believes a broken stack, or a table that is damaged, and one that depends on frame pointers.
 */
#define _GNU_SOURCE

#include <alloca.h>
#include <dlfcn.h>
#include <signal.h>
#include <string.h>

#include "coro/context.h"
#include "coro/stack.h"
#include "coro/walk.h"
#include "support/frames.h"
#include "support/test.h"

enum { FRAMES = 64, NOTED = 8 };

static const struct weft__stack_pool_opt few = {.count_max = {64, 64, 64, 64}};

static struct weft__context home, away;
static struct weft__stack stack;
static const void *noted[NOTED]; /* the return addresses, innermost first */
static volatile int sink;

static NOINLINE void park(void)
{
    noted[0] = __builtin_return_address(0);
    weft__context_switch(&away, &home);
    sink++;
}
/* Room of a size that is known in running only: its frame is told from the frame pointer. */
static NOINLINE void with_alloca(int size)
{
    char *room = alloca((size_t)size);

    noted[1] = __builtin_return_address(0);
    memset(room, size, (size_t)size);
    park();
    sink += room[size / 2];
}
/* Keeps registers of its caller's, and no frame pointer where that is the compiler's choice. */
static NOINLINE int with_registers(int a, int b, int c, int d, int e)
{
    int sum = a;

    noted[2] = __builtin_return_address(0);
    for (int i = 0; i < 2; i++) {
        with_alloca(64 + 16 * i);
        sum += a * b + c * d + e;
        a += b, b += c, c += d, d += e, e += sum;
    }
    return sum;
}
static NOINLINE void outermost(void *arg)
{
    (void)arg;
    noted[3] = __builtin_return_address(0);
    for (;;)
        sink += with_registers(sink, 2, 3, 4, 5);
}

static size_t walk_it(const void **frames, const void *high)
{
    struct weft__registers registers;

    weft__registers_parked(&registers, away.sp);
    return weft__walk(&registers, false, stack.low, high, frames, FRAMES);
}

/* In their order, one straight behind the other, and nothing behind the last. */
static void check(const void *const *frames, size_t count, size_t notes)
{
    size_t first = 0;

    while (first < count && frames[first] != noted[0])
        first++;
    ck_assert_msg(first < count, "the innermost call is not among %zu frames", count);
    for (size_t i = 0; i < notes; i++)
        ck_assert_ptr_eq(frames[first + i], noted[i]);
    ck_assert_uint_ge(count, first + notes);
    /* with a sanitizer one more function stands below the body */
    ck_assert_uint_le(count, first + notes + weft__san_is_cramped());
}

/* Also where the address sanitizer has put something between two variables. */
static __attribute__((no_sanitize("address"))) void copy_words(volatile uintptr_t *to,
                                                               const volatile uintptr_t *from,
                                                               size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = from[i];
}
static __attribute__((no_sanitize("address"))) void scribble(volatile uintptr_t *words,
                                                             size_t count, unsigned seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1103515245 + 12345;
        if (seed >> 16 & 1)
            words[i] = seed * UINT64_C(0x100010001);
    }
}

static void begin(struct weft__stack_pool *pool)
{
    ck_assert_int_eq(weft__stack_pool_open(pool, &few), 0);
    ck_assert_int_eq(weft__stack_take(pool, 0, &stack), 0);
    weft__context_adopt(&home);
    weft__context_make(&away, stack.low, stack.top, outermost, NULL);
    weft__context_switch(&home, &away);
}
static void end(struct weft__stack_pool *pool)
{
    weft__context_drop(&away);
    weft__stack_give(pool, stack.slot);
    weft__context_drop(&home);
    weft__stack_pool_close(pool);
}

TEST(a_parked_stack)
{
    struct weft__stack_pool pool;
    const void *frames[FRAMES];

    begin(&pool);
    for (int i = 0; i < 5; i++) {
        check(frames, walk_it(frames, stack.top), 4);
        weft__context_switch(&home, &away);
    }
    end(&pool);
}

TEST(one_that_never_ran)
{
    struct weft__stack_pool pool;
    const void *frames[FRAMES];

    ck_assert_int_eq(weft__stack_pool_open(&pool, &few), 0);
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), 0);
    weft__context_make(&away, stack.low, stack.top, outermost, NULL);
    ck_assert_uint_eq(walk_it(frames, stack.top), 1);
    weft__context_drop(&away);
    weft__stack_give(&pool, stack.slot);
    weft__stack_pool_close(&pool);
}

TEST(no_more_than_asked_for)
{
    struct weft__stack_pool pool;
    const void *frames[FRAMES];
    struct weft__registers registers;

    begin(&pool);
    weft__registers_parked(&registers, away.sp);
    ck_assert_uint_eq(weft__walk(&registers, false, stack.low, stack.top, frames, 2), 2);
    ck_assert_uint_eq(weft__walk(&registers, false, stack.low, stack.top, frames, 0), 0);
    end(&pool);
}

/* Whatever stands there, the walk ends, and reads nothing outside. */
TEST(a_broken_stack)
{
    struct weft__stack_pool pool;
    const void *frames[FRAMES];
    struct weft__registers registers;
    uintptr_t *sp, copy[512];
    size_t count;

    begin(&pool);
    sp = away.sp;
    count = (size_t)((uintptr_t *)stack.top - sp);
    count = count < 512 ? count : 512;
    copy_words(copy, sp, count);
    ck_assert_uint_le(walk_it(frames, sp + 16), 3); /* its bounds are too narrow */
    for (unsigned seed = 1; seed < 200; seed++) {
        scribble(sp, count, seed);
        ck_assert_uint_le(walk_it(frames, stack.top), FRAMES);
        copy_words(sp, copy, count);
    }
    memset(&registers, 0, sizeof registers);
    ck_assert_uint_eq(weft__walk(&registers, false, stack.low, stack.top, frames, FRAMES), 0);
    registers.pc = 64;
    ck_assert_uint_eq(weft__walk(&registers, false, stack.low, stack.top, frames, FRAMES), 1);
    check(frames, walk_it(frames, stack.top), 4);
    end(&pool);
}

/* -- from a signal handler ------------------------------------------------------------------- */

static const void *handler_frames[FRAMES];
static size_t handler_count;
static const void *raised_from;

static void handler(int number, siginfo_t *info, void *frame)
{
    struct weft__registers registers;
    char here;

    (void)number;
    (void)info;
    weft__registers_interrupted(&registers, frame);
    handler_count =
        weft__walk(&registers, true, &here, (char *)frame + (1 << 20), handler_frames, FRAMES);
}

static NOINLINE void raises(void)
{
    raised_from = __builtin_return_address(0);
    raise(SIGUSR1);
    sink++;
}

TEST(an_interrupted_stack)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    size_t i = 0;

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    raises();
    sink++;
    while (i < handler_count && handler_frames[i] != raised_from)
        i++;
    ck_assert_msg(i < handler_count && i > 0, "not among %zu frames", handler_count);
}

/* -- tables made by hand --------------------------------------------------------------------- */

/* Of one function, which nobody executes: a search table, the entry of all functions, and its own.
   What compilers write here is a few of the forms; the others stand in the tables of others. */
enum { CODE = 32, INTERRUPTED = 16, WORDS = 16, SCRATCH = 3, OTHER = 4, HERE = 5, VECTOR = 70 };

#ifdef __x86_64__
enum { SP = 7, FP = 6, RA = 16 };
#else
enum { SP = 31, FP = 29, RA = 30 };
#endif

static struct {
    _Alignas(8) uint8_t index[64]; /* .eh_frame_hdr */
    uint8_t entries[256];          /* .eh_frame */
    size_t length;
    uint8_t code[CODE];
    uint8_t bare[CODE]; /* in an object without tables */
} made;

/* How it is made. NULL: as a compiler would. */
struct form {
    const char *letters; /* "zR" */
    const char *data;    /* what they say */
    unsigned data_size;
    const char *initial; /* instructions of all functions */
    unsigned initial_size;
    uint8_t version;  /* 1 */
    uint8_t encoding; /* of addresses: 0x1b */
    uint8_t own_size; /* of the function's own data: 0 */
};
#define DATA(bytes) .data = (bytes), .data_size = sizeof(bytes) - 1
#define INITIAL(bytes) .initial = (bytes), .initial_size = sizeof(bytes) - 1

int __real__dl_find_object(void *address, struct dl_find_object *object);
int __wrap__dl_find_object(void *address, struct dl_find_object *object);
int __wrap__dl_find_object(void *address, struct dl_find_object *object)
{
    uintptr_t at = (uintptr_t)address;

    if (at - (uintptr_t)made.code >= CODE && at - (uintptr_t)made.bare >= CODE)
        return __real__dl_find_object(address, object);
    memset(object, 0, sizeof *object);
    if (at - (uintptr_t)made.code < CODE)
        object->dlfo_eh_frame = made.index;
    return 0;
}

static void put_bytes(const void *bytes, size_t size)
{
    ck_assert_uint_le(made.length + size, sizeof made.entries);
    if (size)
        memcpy(made.entries + made.length, bytes, size);
    made.length += size;
}
static void put(uint64_t value, size_t size)
{
    put_bytes(&value, size); /* both machines are little-endian */
}
/* The entry that began there is complete. */
static void put_length(size_t begin)
{
    uint32_t length = (uint32_t)(made.length - begin - 4);

    memcpy(made.entries + begin, &length, sizeof length);
}

static size_t encoded_size(uint8_t encoding)
{
    static const uint8_t sizes[16] = {8, 0, 2, 4, 8, 0, 0, 0, 0, 0, 2, 4, 8, 0, 0, 0};

    return sizes[encoding & 0x0f];
}

static void make_common(const struct form *form)
{
    static const int8_t initial[] = {0x0c, SP, 16, (int8_t)(0x80 | RA), 1}; /* at the second word */

    put(0, 4 + 4);
    put(form->version, 1);
    put_bytes(form->letters, strlen(form->letters) + 1);
    put(1, 1);    /* code counts in bytes, */
    put(0x78, 1); /* data in words downwards */
    put(RA, 1);
    if (form->letters[0] == 'z') {
        put(form->data ? form->data_size : 1, 1);
        put_bytes(form->data ? (const void *)form->data : &form->encoding,
                  form->data ? form->data_size : 1);
    }
    put_bytes(form->initial ? (const void *)form->initial : initial,
              form->initial ? form->initial_size : sizeof initial);
    put_length(0);
}

static void make_own(const struct form *form, const void *program, size_t program_size)
{
    static const uint8_t own[128];
    size_t begin = made.length, size = encoded_size(form->encoding);

    put(0, 4);
    put(begin + 4, 4); /* back to the other entry */
    put((uintptr_t)made.code -
            ((form->encoding & 0x70) == 0x10 ? (uintptr_t)made.entries + made.length : 0),
        size);
    put(CODE, size);
    if (form->letters[0] == 'z') {
        put(form->own_size, 1);
        put_bytes(own, form->own_size & 0x0f);
    }
    put_bytes(program, program_size);
    put_length(begin);
}

/* Gives where the function's own entry is. */
static size_t make_as(struct form form, const void *program, size_t program_size)
{
    static const uint8_t header[] = {1, 0x1b, 0x03, 0x3b, 0, 0, 0, 0, 1};
    int32_t pair[2] = {(int32_t)(made.code - made.index)};
    size_t own;

    form.letters = form.letters ? form.letters : "zR";
    form.version = form.version ? form.version : 1;
    memset(&made, 0, sizeof made);
    make_common(&form);
    own = made.length;
    make_own(&form, program, program_size);
    pair[1] = (int32_t)(made.entries + own - made.index);
    memcpy(made.index, header, sizeof header);
    memcpy(made.index + 12, pair, sizeof pair);
    return own;
}
static size_t make(const void *program, size_t program_size)
{
    return make_as((struct form){.encoding = 0x1b}, program, program_size);
}

/* -- and what is found by them --------------------------------------------------------------- */

static uintptr_t words[WORDS]; /* the stack */

/* Nothing that an object has, each another one; NOTHING stands in one of them. */
static uintptr_t word(unsigned i)
{
    return 0x10000 + 16 * i;
}
#define IN_RA UINT64_C(0x20000)
#define IN_OTHER UINT64_C(0x30000)
enum { BY_POINTER = 13, NOTHING = 11 };

/* The caller of the function, as it was interrupted; 0: none was found. */
static uintptr_t caller_from(uintptr_t pc, uintptr_t frame_pointer)
{
    static const uintptr_t parked[16];
    struct weft__registers registers;
    const void *frames[FRAMES];
    size_t count;

    for (unsigned i = 0; i < WORDS; i++)
        words[i] = i == NOTHING ? 0 : word(i);
    weft__registers_parked(&registers, parked); /* for the names */
    memset(registers.value, 0, sizeof registers.value);
    ck_assert_uint_eq(registers.sp, SP);
    ck_assert_uint_eq(registers.ra, RA);
    registers.pc = pc;
    registers.value[SP] = (uintptr_t)words;
    registers.value[FP] = frame_pointer;
    registers.value[RA] = IN_RA;
    registers.value[SCRATCH] = (uintptr_t)(words + 2);
    registers.value[OTHER] = IN_OTHER;
    registers.value[HERE] = pc;
    count = weft__walk(&registers, true, words, words + WORDS, frames, FRAMES);
    ck_assert_uint_ge(count, 1);
    ck_assert_ptr_eq(frames[0], (const void *)pc);
    return count > 1 ? (uintptr_t)frames[1] : 0;
}
static uintptr_t caller(void)
{
    return caller_from((uintptr_t)made.code + INTERRUPTED, (uintptr_t)(words + BY_POINTER - 1));
}

#define ck_caller(expected)                                                                        \
    do {                                                                                           \
        uintptr_t caller_found = caller();                                                         \
        ck_assert_msg(caller_found == (expected), "line %d: %#lx", __LINE__,                       \
                      (unsigned long)caller_found);                                                \
    } while (0)
#define ck_program(expected, ...)                                                                  \
    do {                                                                                           \
        const uint8_t program_bytes[] = {__VA_ARGS__};                                             \
        make(program_bytes, sizeof program_bytes);                                                 \
        ck_caller(expected);                                                                       \
    } while (0)
/* As the tables are not to be believed the frame pointer is. */
#define ck_refused(...) ck_program(word(BY_POINTER), __VA_ARGS__)

TEST(where_the_frame_is)
{
    ck_program(word(1), 0x00);
    ck_program(word(1), 0x2d);
    ck_program(word(3), 0x0c, SP, 32);
    ck_program(word(5), 0x12, SP, 0x7a); /* in words, and signed */
    ck_program(word(7), 0x0e, 64);
    ck_program(word(3), 0x13, 0x7c);
    ck_program(word(3), 0x0d, SCRATCH);
    ck_program(word(3), 0x2e, 5, 0x0e, 32);
    ck_program(word(3), 0x0f, 1, 0x96, 0x0c, SP, 32); /* an expression, and then none */
    ck_program(word(0), 0x13, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
}

TEST(where_the_caller_is_told)
{
    ck_program(word(0), 0x80 | RA, 2);
    ck_program(word(0), 0x05, RA, 2);
    ck_program(word(3), 0x11, RA, 0x7f);
    ck_program(word(0), 0x11, RA, 0x02);
    ck_program((uintptr_t)(words + 1), 0x14, RA, 1);
    ck_program((uintptr_t)(words + 3), 0x15, RA, 0x7f);
    ck_program(IN_RA, 0x08, RA);
    ck_program(IN_OTHER, 0x09, RA, OTHER);
    ck_program(IN_RA, 0x09, RA, VECTOR); /* where nobody looks */
    ck_program(0, 0x07, RA);
    ck_program(0, 0x10, RA, 2, 0x77, 0x08);
    ck_program(0, 0x16, RA, 2, 0x77, 0x08);
    ck_program(word(1), 0x05, VECTOR, 2);
    ck_program(word(1), 0x80 | RA, 2, 0xc0 | RA);
    ck_program(word(1), 0x05, RA, 2, 0x06, RA);
    ck_program(word(0), 0x05, RA, 2, 0x06, VECTOR);
    ck_program(word(0), 0x05, RA, 2, 0xc0 | 40);
    ck_program(word(1), 0x0a, 0x0e, 64, 0x0b);
    ck_program(word(1), 0x0a, 0x0a, 0x0a, 0x0a, 0x0e, 64, 0x0b);
}

TEST(which_row_holds)
{
    ck_program(word(3), 0x40 | 16, 0x0e, 32);
    ck_program(word(1), 0x40 | 17, 0x0e, 32);
    ck_program(word(3), 0x02, 16, 0x0e, 32);
    ck_program(word(1), 0x02, 17, 0x0e, 32);
    ck_program(word(3), 0x03, 16, 0, 0x0e, 32);
    ck_program(word(1), 0x03, 0, 1, 0x0e, 32);
    ck_program(word(3), 0x04, 16, 0, 0, 0, 0x0e, 32);
    ck_program(word(1), 0x04, 0, 0, 0, 1, 0x0e, 32);
}

TEST(instructions_that_are_none)
{
    ck_refused(0x3f);
    ck_refused(0x0b); /* nothing is remembered */
    ck_refused(0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0b);
    ck_refused(0x0c, VECTOR, 32);
    ck_refused(0x0d, VECTOR);
    ck_refused(0x0e);
    ck_refused(0x0e, 0x80);
    ck_refused(0x04, 16, 0);
    ck_refused(0x10, RA, 60, 0x77);
    ck_refused(0x0f, 1, 0x96);
}

/* Frames that cannot be. */
TEST(a_frame_outside)
{
    ck_program(0, 0x0e, 0x80, 0x40); /* above the stack */
    ck_program(0, 0x13, 0x01);       /* below what has been left */
    ck_program(0, 0x0e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    ck_program(0, 0x0e, 17);                /* no word begins there */
    ck_program(0, 0x80 | RA, 0x20);         /* read from below the stack */
    ck_program(0, 0x11, RA, 0x70);          /* from above */
    ck_program(0, 0x11, RA, 0x77);          /* it holds nothing */
    ck_program(0, 0x0e, 0, 0x09, RA, HERE); /* its own caller */
    ck_program(IN_RA, 0x0e, 0, 0x08, RA);
}

#define ck_form(expected, ...)                                                                     \
    do {                                                                                           \
        make_as((struct form){__VA_ARGS__}, NULL, 0);                                              \
        ck_caller(expected);                                                                       \
    } while (0)

TEST(how_addresses_are_written)
{
    ck_form(word(1), .encoding = 0x00);
    ck_form(word(1), .encoding = 0x04);
    ck_form(word(1), .encoding = 0x0c);
    ck_form(word(1), .encoding = 0x10);
    ck_form(word(1), .encoding = 0x12);
    ck_form(word(1), .encoding = 0x13);
    ck_form(word(1), .encoding = 0x1a);
    ck_form(word(1), .encoding = 0x1b);
    ck_form(word(BY_POINTER), .encoding = 0x01);
    ck_form(word(BY_POINTER), .encoding = 0x34);
}

TEST(what_functions_have_in_common)
{
    static const char handlers[] = "\0"
                                   "handler."
                                   "\x1b"
                                   "\x1b";

    ck_form(word(1), .version = 3, .encoding = 0x1b);
    ck_form(word(1), .letters = "");
    ck_form(word(BY_POINTER), .letters = "R", .encoding = 0x1b);
    ck_form(word(1), .letters = "zPLR", DATA(handlers), .encoding = 0x1b, .own_size = 8);
    ck_form(word(1), .letters = "zRS", DATA("\x1b"), .encoding = 0x1b);
    ck_form(word(BY_POINTER), .letters = "zP", DATA("\x01x"), .encoding = 0);
    ck_form(word(BY_POINTER), .encoding = 0x1b, .own_size = 0x70); /* more than there is */
    ck_form(word(BY_POINTER), .encoding = 0x1b, INITIAL("\x3f"));
    ck_form(word(BY_POINTER), .encoding = 0x1b, INITIAL("\x0e"));
}

static void set_byte(size_t at, uint8_t byte, uintptr_t expected, int line)
{
    uint8_t before = made.entries[at];
    uintptr_t found;

    made.entries[at] = byte;
    found = caller();
    ck_assert_msg(found == expected, "line %d: %#lx", line, (unsigned long)found);
    made.entries[at] = before;
}
#define ck_damaged(at, byte) set_byte(at, byte, word(BY_POINTER), __LINE__)

TEST(entries_that_are_damaged)
{
    size_t own = make(NULL, 0);

    ck_caller(word(1));
    ck_damaged(0, 0);     /* it ends the table */
    ck_damaged(4, 1);     /* it is a function's */
    ck_damaged(15, 0x70); /* more than there is */
    ck_damaged(own, 0);
    ck_damaged(own, 6);     /* in the middle of an address */
    ck_damaged(own + 4, 0); /* it is what others have in common */
    ck_damaged(own + 12, INTERRUPTED);
    memset(made.entries + own, 0xff, 4); /* a longer one follows */
    ck_caller(word(BY_POINTER));
    make(NULL, 0);
    memset(made.entries, 0xff, 4);
    ck_caller(word(BY_POINTER));
}

static void set_index(size_t at, uint8_t byte, uintptr_t expected)
{
    uint8_t before = made.index[at];

    made.index[at] = byte;
    ck_caller(expected);
    made.index[at] = before;
}

TEST(an_index_that_is_none)
{
    make(NULL, 0);
    set_index(0, 2, word(BY_POINTER));
    set_index(1, 0xff, word(BY_POINTER));
    set_index(2, 0xff, word(BY_POINTER));
    set_index(3, 0xff, word(BY_POINTER));
    set_index(8, 0, word(BY_POINTER));
    ck_caller(word(1));
}

/* Without tables there is the frame pointer alone. */
TEST(a_frame_pointer)
{
    uintptr_t pc = (uintptr_t)made.bare + INTERRUPTED;

    ck_assert_uint_eq(caller_from(pc, (uintptr_t)(words + 4)), word(5));
    ck_assert_uint_eq(caller_from(pc, (uintptr_t)(words + NOTHING - 1)), 0);
    ck_assert_uint_eq(caller_from(pc, (uintptr_t)(words + WORDS - 1)), 0);
    ck_assert_uint_eq(caller_from(pc, (uintptr_t)(words + WORDS)), 0);
    ck_assert_uint_eq(caller_from(pc, (uintptr_t)words + 4), 0);
    ck_assert_uint_eq(caller_from(pc, 0), 0);
}

TEST_MAIN("walk", 20, a_parked_stack, one_that_never_ran, no_more_than_asked_for, a_broken_stack,
          an_interrupted_stack, where_the_frame_is, where_the_caller_is_told, which_row_holds,
          instructions_that_are_none, a_frame_outside, how_addresses_are_written,
          what_functions_have_in_common, entries_that_are_damaged, an_index_that_is_none,
          a_frame_pointer)
