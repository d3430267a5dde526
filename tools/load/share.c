/*
 * share.c - the connections of one reactor: connected one after the other, then all set going.
 *
 * Runs as a task on its reactor; everything it writes is that reactor's, but for the counters in
 * struct load that say how far the shares have come.
 */
#include <errno.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "load.h"

enum { LOOK_NS = 200000 }; /* how often a share looks whether the start was given */

static int connect_all(struct share *share)
{
    const struct plan *plan = share->load->plan;
    int fd;

    while (share_connection(share, share->count) < plan->connections) {
        fd = weft_connect_tcp(plan->address, NULL);
        if (fd < 0)
            return fd;
        share->fds[share->count++] = fd;
    }
    return 0;
}

static int64_t await_start(struct share *share)
{
    int64_t start_ns;

    while ((start_ns = atomic_load(&share->load->start_ns)) == 0)
        if (weft_sleep(LOOK_NS) < 0)
            return -1;
    return start_ns;
}

/* Returns how many took their connection over. */
static uint32_t talk_all(struct share *share, int *error)
{
    weft_task_fn fn = share->load->plan->rate > 0 ? talk_open : talk_closed;
    struct talk_arg arg = {.share = share};

    WEFT_SCOPE(all, .on_error = WEFT_KEEP_GOING) {
        for (; arg.slot < share->count; arg.slot++) {
            *error = weft_spawn(&all, fn, &arg, sizeof arg, NULL);
            if (*error < 0)
                break;
        }
        if (*error < 0)
            weft_scope_cancel(&all);
    }
    return arg.slot;
}

int share_run(void *arg)
{
    struct share *share = arg;
    uint32_t begun = 0;

    share->fds = calloc(share->load->plan->connections / share->load->plan->reactors + 1,
                        sizeof *share->fds);
    share->latency_ns = calloc(1, sizeof *share->latency_ns);
    share->result = share->fds && share->latency_ns ? connect_all(share) : -ENOMEM;
    share->trouble.connect_error = share->result;
    atomic_fetch_add(&share->load->connected, 1);
    if (await_start(share) > 0)
        begun = talk_all(share, &share->result);
    while (begun < share->count)
        weft_close(share->fds[begun++]);
    atomic_fetch_add(&share->load->ended, 1);
    return 0;
}
