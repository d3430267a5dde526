/*
 * pipes.c - checks: bytes through pipes, room, ends, and cancels of who waits.
 */
#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

enum { READ = 100, WRITE, BIG = 200000, ATOMIC = 4096 };

static char big[BIG];

static struct weft__ring *piped(struct contract *c, int ends[2], int flags)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int error;

    ends[0] = ends[1] = -1;
    error = weft__host_pipe(ends, flags);
    contract_need(c, error == 0, "a pipe can be made");
    contract_keep(c, ends[0]);
    contract_keep(c, ends[1]);
    return ring;
}

static int32_t wrote(struct contract *c, struct weft__ring *ring, int fd, const void *bytes,
                     uint32_t size)
{
    CONTRACT_ASK(c, ring, WRITE, write, fd, bytes, size, WEFT__OFFSET_CURRENT);
    return contract_wait(c, ring, WRITE).result;
}

static int32_t was_read(struct contract *c, struct weft__ring *ring, int fd, void *bytes,
                        uint32_t size)
{
    CONTRACT_ASK(c, ring, READ, read, fd, bytes, size, WEFT__OFFSET_CURRENT);
    return contract_wait(c, ring, READ).result;
}

static void bytes_go_through(struct contract *c)
{
    int ends[2];
    struct weft__ring *ring = piped(c, ends, 0);
    char text[8] = "";

    contract_say(c, "%s", ends[0] > 2 && ends[1] > 2 ? "above 2" : "below 3");
    contract_say_result(c, "write", wrote(c, ring, ends[1], "abc", 3));
    contract_say_result(c, "read", was_read(c, ring, ends[0], text, 2));
    contract_say_result(c, "more", was_read(c, ring, ends[0], text, 8));
    contract_say(c, "%.1s", text);
}

static void who_reads_waits(struct contract *c, int flags)
{
    int ends[2];
    struct weft__ring *ring = piped(c, ends, flags);
    char text[8] = "";

    CONTRACT_ASK(c, ring, READ, read, ends[0], text, 8, WEFT__OFFSET_CURRENT);
    contract_say(c, "%s", contract_silent(c, ring, READ) ? "waits" : "does not wait");
    contract_say_result(c, "write", wrote(c, ring, ends[1], "ab", 2));
    contract_say_result(c, "read", contract_wait(c, ring, READ).result);
}

static void waiting(struct contract *c)
{
    who_reads_waits(c, 0);
}

static void waiting_nonblocking(struct contract *c)
{
    who_reads_waits(c, O_NONBLOCK);
}

static void full(struct contract *c)
{
    int ends[2];
    struct weft__ring *ring = piped(c, ends, O_NONBLOCK);
    int32_t n = wrote(c, ring, ends[1], big, BIG);

    contract_say(c, "%s", n == 65536 ? "as much as fits" : n == BIG ? "all" : "part");
    CONTRACT_ASK(c, ring, WRITE, write, ends[1], "x", 1, WEFT__OFFSET_CURRENT);
    contract_say(c, "%s", contract_silent(c, ring, WRITE) ? "then it waits" : "and more");
    contract_say(c, "%s", was_read(c, ring, ends[0], big, BIG) == n ? "all came" : "part came");
    contract_say_result(c, "write", contract_wait(c, ring, WRITE).result);
}

/* Without O_NONBLOCK an older kernel has a worker wait for the whole of it. */
static void more_than_fits(struct contract *c)
{
    int ends[2];
    struct weft__ring *ring = piped(c, ends, 0);
    int32_t came = 0, n;

    CONTRACT_ASK(c, ring, WRITE, write, ends[1], big, BIG, WEFT__OFFSET_CURRENT);
    if (contract_silent(c, ring, WRITE)) {
        contract_say(c, "waits");
        while (came < BIG && (n = was_read(c, ring, ends[0], big, BIG)) > 0)
            came += n;
        contract_say(c, "%s", contract_wait(c, ring, WRITE).result == BIG ? "all" : "part");
    } else {
        contract_say(c, "part");
    }
}

static void the_end(struct contract *c)
{
    int ends[2];
    struct weft__ring *ring = piped(c, ends, 0);
    char text[8];

    wrote(c, ring, ends[1], "ab", 2);
    contract_drop(c, ends[1]);
    contract_say_result(c, "what was there", was_read(c, ring, ends[0], text, 8));
    contract_say_result(c, "then", was_read(c, ring, ends[0], text, 8));
    contract_say_result(c, "again", was_read(c, ring, ends[0], text, 8));
}

static void the_end_while_waiting(struct contract *c)
{
    int ends[2];
    struct weft__ring *ring = piped(c, ends, 0);
    char text[8];

    CONTRACT_ASK(c, ring, READ, read, ends[0], text, 8, WEFT__OFFSET_CURRENT);
    contract_need(c, contract_silent(c, ring, READ), "it waits");
    contract_drop(c, ends[1]);
    contract_say_result(c, "read", contract_wait(c, ring, READ).result);
}

/* The signal is ignored, as it is while a runtime is there. */
static void nobody_reads(struct contract *c)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    int ends[2];
    struct weft__ring *ring = piped(c, ends, 0);

    weft__host_signal_action(SIGPIPE, &ignore, &before);
    contract_drop(c, ends[0]);
    contract_say_result(c, "write", wrote(c, ring, ends[1], "ab", 2));
    weft__host_signal_action(SIGPIPE, &before, NULL);
}

static void a_cancel_ends_who_reads(struct contract *c)
{
    int ends[2];
    struct weft__ring *ring = piped(c, ends, 0);
    char text[8] = "";
    int32_t said = 0;

    CONTRACT_ASK(c, ring, READ, read, ends[0], text, 8, WEFT__OFFSET_CURRENT);
    contract_need(c, contract_silent(c, ring, READ), "it waits");
    contract_cancel(c, ring, READ, &said);
    contract_say_result(c, "read", contract_wait(c, ring, READ).result);
    wrote(c, ring, ends[1], "ab", 2);
    contract_say_result(c, "afterwards", was_read(c, ring, ends[0], text, 8));
}

static void a_cancel_ends_who_writes(struct contract *c)
{
    int ends[2];
    struct weft__ring *ring = piped(c, ends, O_NONBLOCK);
    int32_t said = 0, n = wrote(c, ring, ends[1], big, BIG);

    CONTRACT_ASK(c, ring, WRITE, write, ends[1], big, ATOMIC, WEFT__OFFSET_CURRENT);
    contract_need(c, contract_silent(c, ring, WRITE), "it waits");
    contract_cancel(c, ring, WRITE, &said);
    contract_say_result(c, "write", contract_wait(c, ring, WRITE).result);
    contract_say(c, "%s", was_read(c, ring, ends[0], big, BIG) == n ? "nothing went" : "some went");
}

/* Small ones are whole, or not yet. */
static void small_ones_are_whole(struct contract *c)
{
    int ends[2];
    struct weft__ring *ring = piped(c, ends, 0);
    int32_t n;

    wrote(c, ring, ends[1], big, 65536 - 100);
    CONTRACT_ASK(c, ring, WRITE, write, ends[1], big, ATOMIC, WEFT__OFFSET_CURRENT);
    contract_say(c, "%s", contract_silent(c, ring, WRITE) ? "waits" : "does not wait");
    n = was_read(c, ring, ends[0], big, BIG);
    contract_say(c, "%s", n == 65536 - 100 ? "none of it came" : "some of it came");
    contract_say_result(c, "write", contract_wait(c, ring, WRITE).result);
}

#define MOVES "src/io/rw.c"

const struct contract_check contract_pipes[] = {
    {"pipes/bytes-go-through",
     "A pipe carries bytes, by numbers above 2.",
     MOVES ", weft_pipe",
     bytes_go_through,
     0,
     {ANSWER("above 2, write 3, read 2, more 1, c")}},
    {"pipes/waiting",
     "Who reads from an empty one waits.",
     MOVES ", here",
     waiting,
     0,
     {ANSWER("waits, write 2, read 2")}},
    {"pipes/waiting-nonblocking",
     "O_NONBLOCK changes nothing in that.",
     "include/weft/fd.h",
     waiting_nonblocking,
     0,
     {ANSWER("waits, write 2, read 2")}},
    {"pipes/full",
     "A write takes what room there is; without any it waits.",
     MOVES ", move_all",
     full,
     0,
     {ANSWER("as much as fits, then it waits, all came, write 1")}},
    {"pipes/more-than-fits",
     "A write of more than fits is short, or waits until all has gone.",
     "include/weft/fd.h",
     more_than_fits,
     0,
     {ANSWER("part", .since = CONTRACT_KERNEL(6, 2)),
      ANSWER("waits, all", .before = CONTRACT_KERNEL(6, 12))}},
    {"pipes/small-ones-are-whole",
     "Up to PIPE_BUF bytes go whole or not yet.",
     "include/weft/fd.h",
     small_ones_are_whole,
     0,
     {ANSWER("waits, none of it came, write 4096")}},
    {"pipes/the-end",
     "When the last writer is gone, what was there comes, and the end.",
     MOVES,
     the_end,
     0,
     {ANSWER("what was there 2, then 0, again 0")}},
    {"pipes/the-end-while-waiting",
     "The end ends who waits.",
     MOVES,
     the_end_while_waiting,
     0,
     {ANSWER("read 0")}},
    {"pipes/nobody-reads",
     "Where nobody reads, a write says so.",
     MOVES,
     nobody_reads,
     0,
     {ANSWER("write -EPIPE")}},
    {"pipes/a-cancel-ends-who-reads",
     "A cancel ends a read that waits, and takes no bytes.",
     "src/reactor/op.c",
     a_cancel_ends_who_reads,
     0,
     {ANSWER("read -ECANCELED, afterwards 2")}},
    {"pipes/a-cancel-ends-who-writes",
     "A cancel ends a write that waits.",
     "src/reactor/op.c",
     a_cancel_ends_who_writes,
     0,
     {ANSWER("write -ECANCELED, nothing went")}},
    {0},
};
