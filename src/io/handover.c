/*
 * io/handover.c - listening sockets passed to the process that comes after this one.
 *
 * One message goes each way over a Unix socket: a greeting, with the sockets beside it; and, once
 * the successor serves, one byte back. What always holds: descriptors that came with anything but a
 * whole greeting are closed before the call returns.
 */
#include <weft/handover.h>

#include <errno.h>
#include <string.h>

#include "task/task.h"
#include "task/wait.h"

enum { SERVES = 'S' };

struct greeting {
    char words[12];
    uint32_t count; /* of the sockets beside it: one process is no other byte order's */
};

static const char words[sizeof((struct greeting *)0)->words] = "weft socks 1";

/* -- handing over -------------------------------------------------------------------------------
 */

static ssize_t greet(int channel, const int *fds, uint32_t count)
{
    struct greeting greeting = {.count = count};
    ssize_t sent;

    memcpy(greeting.words, words, sizeof words);
    sent = weft_send_fds(channel, &greeting, sizeof greeting, fds, count);
    if (sent < 0 || (size_t)sent == sizeof greeting)
        return sent;
    return weft_send_all(channel, (char *)&greeting + sent, sizeof greeting - (size_t)sent, NULL);
}

int weft_hand_over(int channel, const int *fds, uint32_t count)
{
    ssize_t result = greet(channel, fds, count);
    char answer = 0;

    if (result >= 0)
        result = weft_recv(channel, &answer, 1, 0);
    if (result < 0)
        return (int)result;
    if (result == 0)
        return -ENODATA;
    return answer == SERVES ? 0 : -EPROTO;
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

/* Is it the greeting, of as many sockets as came? What there was no room for has been closed. */
static int check(const struct greeting *greeting, uint32_t count, uint32_t room)
{
    if (memcmp(greeting->words, words, sizeof words) != 0 || greeting->count == 0 ||
        greeting->count > WEFT_FDS_MAX)
        return -EPROTO;
    if (greeting->count > room)
        return -EMSGSIZE;
    return greeting->count == count ? 0 : -EPROTO;
}

static int hear(int channel, int *fds, uint32_t *count)
{
    struct greeting greeting;
    uint32_t room = *count;
    ssize_t n = weft_recv_fds(channel, &greeting, sizeof greeting, fds, count);

    if (n <= 0)
        return n < 0 ? (int)n : -ENODATA;
    if ((size_t)n < sizeof greeting)
        n = weft_recv_exactly(channel, (char *)&greeting + n, sizeof greeting - (size_t)n, NULL);
    return n < 0 ? (int)n : check(&greeting, *count, room);
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
    const char answer = SERVES;
    ssize_t result = weft_send_all(channel, &answer, 1, NULL);

    return result < 0 ? (int)result : 0;
}
