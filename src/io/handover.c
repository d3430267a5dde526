/*
 * io/handover.c - listening sockets passed to the process that comes after this one.
 *
 * One message goes each way over a Unix socket: a greeting, with the sockets beside it; and, once
 * the successor serves, an answer with the greeting's number. An answer to an earlier greeting,
 * whose sender had given up, is passed over. What always holds: descriptors that came with anything
 * but a whole greeting are closed before the call returns.
 */
#include <weft/handover.h>

#include <errno.h>
#include <string.h>

#include "io/fd.h"
#include "ring/host.h"
#include "task/task.h"
#include "task/wait.h"

enum { SERVES = 'S' };

/* One process is no other byte order's. */
struct greeting {
    char words[12];
    uint16_t count;  /* of the sockets beside it */
    uint16_t number; /* never 0 */
};

struct answer {
    uint16_t serves; /* SERVES */
    uint16_t number; /* of the greeting */
};

static const char words[sizeof((struct greeting *)0)->words] = "weft socks 2";

/* -- handing over -------------------------------------------------------------------------------
 */

/* Drawn by lot: there may have been another process at this end of the channel. */
static int number_of(uint16_t *number)
{
    int error = 0;

    for (*number = 0; *number == 0 && error == 0;)
        error = weft__host_entropy(number, sizeof *number);
    return error;
}

static ssize_t greet(int channel, const int *fds, uint32_t count, uint16_t number)
{
    struct greeting greeting = {.count = (uint16_t)count, .number = number};
    ssize_t sent;

    memcpy(greeting.words, words, sizeof words);
    sent = weft_send_fds(channel, &greeting, sizeof greeting, fds, count);
    if (sent < 0 || (size_t)sent == sizeof greeting)
        return sent;
    return weft_send_all(channel, (char *)&greeting + sent, sizeof greeting - (size_t)sent, NULL);
}

/* Is it an answer as far as it goes? */
static bool begins_well(const struct answer *answer, size_t size)
{
    const uint16_t serves = SERVES;

    return memcmp(&answer->serves, &serves, size < sizeof serves ? size : sizeof serves) == 0;
}

/* A stream may yet bring it; what follows a packet is another. */
static ssize_t hear_rest(int channel, char *rest, size_t size)
{
    int type = 0;
    socklen_t length = sizeof type;

    if (weft__host_getsockopt(channel, SOL_SOCKET, SO_TYPE, &type, &length) < 0 ||
        type != SOCK_STREAM)
        return -EPROTO;
    return weft_recv_exactly(channel, rest, size, NULL);
}

/* The next answer; a stream may bring it in pieces. 1, 0 at the end, or a negative errno. */
static int hear_one(int channel, struct answer *answer)
{
    ssize_t n = weft_recv(channel, answer, sizeof *answer, 0);

    if (n <= 0)
        return (int)n;
    if (!begins_well(answer, (size_t)n))
        return -EPROTO;
    if ((size_t)n < sizeof *answer)
        n = hear_rest(channel, (char *)answer + n, sizeof *answer - (size_t)n);
    if (n < 0)
        return (int)n;
    return answer->serves == SERVES ? 1 : -EPROTO;
}

/* The answer with that number. 0 or a negative errno. */
static int hear_answer(int channel, uint16_t number)
{
    struct answer answer = {0, 0};
    int n;

    do {
        n = hear_one(channel, &answer);
        if (n <= 0)
            return n < 0 ? n : -ENODATA;
    } while (answer.number != number);
    return 0;
}

int weft_hand_over(int channel, const int *fds, uint32_t count)
{
    uint16_t number;
    ssize_t result = number_of(&number);

    if (result == 0)
        result = greet(channel, fds, count, number);
    return result < 0 ? (int)result : hear_answer(channel, number);
}

int weft_hand_over_until(int channel, const int *fds, uint32_t count, int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (error < 0)
        return error;
    return (int)weft__until_close(&until, weft_hand_over(channel, fds, count));
}

/* -- taking over --------------------------------------------------------------------------------
 */

/* Is it the greeting, of as many sockets as came? */
static int check(const struct greeting *greeting, uint32_t count)
{
    bool is_one = memcmp(greeting->words, words, sizeof words) == 0 && greeting->number != 0;

    return is_one && greeting->count > 0 && greeting->count == count ? 0 : -EPROTO;
}

/* The number waits in the record of the channel for the answer. 0 or a negative errno. */
static int find_record(int channel, struct weft__fd **record)
{
    struct weft__task *self = weft__task_self();

    return self ? weft__fd_find(weft__io_of(self->reactor), channel, record) : weft__outside();
}

static int remember(int channel, uint16_t number)
{
    struct weft__fd *record;
    int error = find_record(channel, &record);

    if (error == 0)
        record->flags = (record->flags & ~WEFT__FD_GREETED) | (uint32_t)number
                                                                  << WEFT__FD_GREETED_SHIFT;
    return error;
}

static int hear(int channel, int *fds, uint32_t *count)
{
    struct greeting greeting;
    ssize_t n = weft_recv_fds(channel, &greeting, sizeof greeting, fds, count);

    if (n <= 0)
        return n < 0 ? (int)n : -ENODATA;
    if ((size_t)n < sizeof greeting)
        n = weft_recv_exactly(channel, (char *)&greeting + n, sizeof greeting - (size_t)n, NULL);
    if (n >= 0)
        n = check(&greeting, *count);
    return n < 0 ? (int)n : remember(channel, greeting.number);
}

int weft_take_over(int channel, int *fds, uint32_t *count)
{
    uint32_t came = count ? *count : 0;
    int error;

    if (!fds || !count || came == 0 || came > WEFT_FDS_MAX)
        return weft__misuse(-EINVAL, "no room for sockets, or too much");
    error = hear(channel, fds, &came);
    *count = came;
    if (error == 0)
        return 0;
    for (uint32_t i = 0; i < came; i++)
        weft_close(fds[i]);
    *count = 0;
    return error;
}

int weft_take_over_done(int channel)
{
    struct answer answer = {.serves = SERVES};
    struct weft__fd *record;
    ssize_t result = find_record(channel, &record);

    if (result < 0)
        return (int)result;
    answer.number = (uint16_t)(record->flags >> WEFT__FD_GREETED_SHIFT);
    if (answer.number == 0)
        return weft__misuse(-EINVAL, "nothing was taken over through this descriptor");
    result = weft_send_all(channel, &answer, sizeof answer, NULL);
    return result < 0 ? (int)result : 0;
}
