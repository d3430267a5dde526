/*
 * ready.c - checks: polls of what others read and write: what counts, once and at each change.
 */
#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

enum { POLL = 100, OTHER };

static void say_events(struct contract *c, const char *what, struct weft__cqe cqe)
{
    static const struct {
        int event;
        const char *name;
    } names[] = {
        {POLLIN, "in"}, {POLLOUT, "out"}, {POLLERR, "err"}, {POLLHUP, "hup"}, {POLLRDHUP, "rdhup"}};
    char text[64] = "";
    size_t length = 0;

    if (cqe.result < 0) {
        contract_say_result(c, what, cqe.result);
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (cqe.result & names[i].event)
            length += (size_t)snprintf(text + length, sizeof text - length, " %s", names[i].name);
    contract_say(c, "%s%s", what, text);
}

static struct weft__cqe polled(struct contract *c, struct weft__ring *ring, int fd, int events)
{
    CONTRACT_ASK(c, ring, POLL, poll, fd, (uint32_t)events, false);
    return contract_wait(c, ring, POLL);
}

static struct weft__ring *paired(struct contract *c, int pair[2])
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    contract_pair(c, ring, AF_INET, pair);
    return ring;
}

static void what_is_so(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = paired(c, pair);

    say_events(c, "room", polled(c, ring, pair[0], POLLIN | POLLOUT));
    contract_send(c, ring, pair[1], "a", 1);
    say_events(c, "bytes", polled(c, ring, pair[0], POLLIN));
    say_events(c, "still", polled(c, ring, pair[0], POLLIN));
}

static void what_comes(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = paired(c, pair);
    struct weft__cqe cqe;

    CONTRACT_ASK(c, ring, POLL, poll, pair[0], POLLIN, false);
    CONTRACT_ASK(c, ring, OTHER, poll, pair[0], POLLIN, false);
    contract_say(c, "%s", contract_silent(c, ring, POLL) ? "waits" : "does not wait");
    contract_send(c, ring, pair[1], "a", 1);
    cqe = contract_wait(c, ring, POLL);
    say_events(c, "one", cqe);
    contract_say(c, "%s", contract_more(cqe));
    say_events(c, "the other", contract_wait(c, ring, OTHER));
}

static void a_pipe_ends(struct contract *c, bool reader)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int ends[2] = {-1, -1};

    contract_need(c, weft__host_pipe(ends, 0) == 0, "a pipe can be made");
    contract_keep(c, ends[0]);
    contract_keep(c, ends[1]);
    CONTRACT_ASK(c, ring, POLL, poll, ends[!reader], 0, false);
    contract_say(c, "%s", contract_silent(c, ring, POLL) ? "waits" : "does not wait");
    contract_drop(c, ends[reader]);
    say_events(c, "ended", contract_wait(c, ring, POLL));
}

static void pipes(struct contract *c)
{
    a_pipe_ends(c, true);
    a_pipe_ends(c, false);
}

static void half_closed(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = paired(c, pair);

    contract_fill(c, ring, pair[0]);
    contract_need(c, weft__host_shutdown(pair[1], SHUT_WR) == 0, "a side can be ended");
    say_events(c, "in", polled(c, ring, pair[0], POLLIN));
    say_events(c, "out", polled(c, ring, pair[0], POLLOUT));
}

static void at_each_change(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = paired(c, pair);
    struct weft__cqe cqe;
    unsigned idle;

    contract_fill(c, ring, pair[0]);
    contract_need(c, weft__host_shutdown(pair[1], SHUT_WR) == 0, "a side can be ended");
    polled(c, ring, pair[0], POLLIN); /* it has come */
    CONTRACT_ASK(c, ring, POLL, poll, pair[0], POLLOUT, true);
    for (idle = 0; contract_next(c, ring, POLL, contract_soon(), &cqe) && idle < 100; idle++)
        if (cqe.result & POLLOUT)
            contract_trouble(c, "there is room");
    contract_say(c, "%s", idle <= 2 ? "silent then" : "again and again");
    contract_reset_on_close(c, pair[1]);
    contract_drop(c, pair[1]);
    cqe = contract_wait(c, ring, POLL);
    contract_say(c, "%s", cqe.result & (POLLERR | POLLHUP) ? "an end is told" : "another thing");
}

static void cancelled(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = paired(c, pair);
    int32_t answer = 0;

    CONTRACT_ASK(c, ring, POLL, poll, pair[0], POLLIN, false);
    contract_submit(c, ring);
    contract_say(c, "%s", contract_cancel(c, ring, POLL, &answer) ? "silent" : "an answer");
    contract_say_result(c, "poll", contract_wait(c, ring, POLL).result);
}

static void closed_under(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = paired(c, pair);

    CONTRACT_ASK(c, ring, POLL, poll, pair[0], POLLIN, false);
    contract_submit(c, ring);
    contract_close(c, ring, pair[0]);
    contract_say(c, "%s", contract_silent(c, ring, POLL) ? "goes on" : "ends");
    contract_send(c, ring, pair[1], "a", 1);
    say_events(c, "then", contract_wait(c, ring, POLL));
    say_events(c, "again", polled(c, ring, pair[0], POLLIN));
}

static void files(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC};

    CONTRACT_ASK(c, ring, OTHER, openat2, AT_FDCWD, "/tmp", &how);
    say_events(c, "folder",
               polled(c, ring, contract_keep(c, contract_wait(c, ring, OTHER).result),
                      POLLIN | POLLOUT));
}

#define ONCE "src/io/poll.c, src/io/watcher.c: armed again, it is about the present"

const struct contract_check contract_ready[] = {
    {"ready/what-is-so",
     "A poll of what is so already completes at once, and takes nothing.",
     ONCE,
     what_is_so,
     0,
     {ANSWER("room out, bytes in, still in")}},
    {"ready/what-comes",
     "A poll completes when it comes to be so, once, and so does another.",
     ONCE,
     what_comes,
     0,
     {ANSWER("waits, one in, the last, the other in")}},
    {"ready/pipes",
     "The other end's end is told though nothing was asked for.",
     "include/weft/poll.h",
     pipes,
     0,
     {ANSWER("waits, ended hup, waits, ended err")}},
    {"ready/half-closed",
     "POLLRDHUP is told though it was not asked for.",
     "src/io/watcher.c, weft__polled",
     half_closed,
     0,
     {ANSWER("in in rdhup, out rdhup")}},
    {"ready/at-each-change",
     "A poll that stays armed is silent while nothing changes.",
     "src/io/watcher.c, ended",
     at_each_change,
     0,
     {ANSWER("silent then, an end is told")}},
    {"ready/cancelled",
     "A poll that is cancelled ends by that.",
     "src/io/watcher.c, remove_watcher",
     cancelled,
     0,
     {ANSWER("silent, poll -ECANCELED")}},
    {"ready/closed-under",
     "A poll goes on though its descriptor is closed.",
     "src/io/close.c: weft_close ends it first",
     closed_under,
     0,
     {ANSWER("goes on, then in, again -EBADF")}},
    {"ready/files",
     "Files are ready, always.",
     "include/weft/poll.h",
     files,
     0,
     {ANSWER("folder in out")}},
    {0},
};
