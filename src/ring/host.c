/*
 * ring/host.c - the small things asked of the system: the clock and entropy.
 *
 * Any thread may call these. What always holds: results are >= 0 or a negative errno, errno is not
 * a channel, and EINTR is never seen above.
 */
#include "ring/host.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

int64_t weft__host_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int weft__host_entropy(void *memory, size_t size)
{
    unsigned char *at = memory;
    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
    return 0;
}
