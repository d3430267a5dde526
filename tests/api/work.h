/*
 * What gather and wait are tried with: a worker that sleeps, in a shield or not, counts that it was
 * there, and ends with a result, or with what cut it, or with something in place of that.
 */
#ifndef WEFT_TESTS_API_WORK_H
#define WEFT_TESTS_API_WORK_H

#include <weft/weft.h>

#include "support/misuse.h"
#include "support/net.h"

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define MS INT64_C(1000000)
#define LONG_NS (INT64_C(100000) * MS)

struct work {
    int64_t ns;
    int result;
    bool shielded;
    int instead; /* what it ends with when it is cut; 0: what cut it */
};
static int begun, ended, cut;
static int works(void *arg)
{
    struct work *work = arg;
    int error = 0;

    begun++;
    if (work->shielded)
        WEFT_SHIELD(weft_after_ms(100000))
            error = weft_sleep(work->ns);
    else
        error = weft_sleep(work->ns);
    ended++;
    cut += error < 0;
    if (error < 0)
        return work->instead ? work->instead : error;
    return work->result;
}
#define CORO(work) weft_coro(works, &(work), sizeof(work))

/* not every test uses all of them */
static __attribute__((unused)) struct work one = {.ns = 3 * MS, .result = 1},
                                           two = {.ns = 1 * MS, .result = 2},
                                           fails = {.ns = 1 * MS, .result = -ENOENT},
                                           never = {.ns = LONG_NS, .result = 9},
                                           stubborn = {.ns = 4 * MS, .result = 5, .shielded = true};

#endif
