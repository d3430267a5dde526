/*
 * io/offload.c - calls that have no request, done by a pool of the reactor's; offload.h says how.
 */
#include "io/offload.h"

#include <errno.h>

#include "io/io.h"
#include "ring/host.h"
#include "task/offload.h"
#include "task/task.h"

enum { THREADS_MAX = 4 };

int64_t weft__offload_run(struct weft__task *self, const char *what, int fd,
                          int64_t (*fn)(void *arg), void *arg)
{
    struct weft__io *io = weft__io_of(self->reactor);
    struct weft__offload offload = {.what = what, .fd = fd, .fn = fn, .arg = arg};
    int64_t result;

    if (!io->pool && weft__pool_open(&io->pool, "weft-io", THREADS_MAX) < 0)
        return -ENOMEM;
    offload.pool = io->pool;
    io->offloaded++;
    result = weft__offload_wait(self, &offload);
    io->offloaded--;
    return result;
}

void weft__offload_close(struct weft__io *io)
{
    if (io->offloaded == 0)
        weft__pool_close(io->pool);
}
