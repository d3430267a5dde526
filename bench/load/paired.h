/* What a server must offer to be measured by `paired`.
 *
 * All variants live in one process and on one thread. `paired` owns the list and the order of
 * calls: open once, serve many times, close once. Between two calls of one variant others run on
 * the same thread, so nothing may be left that expects to go on meanwhile.
 */
#ifndef BENCH_LOAD_PAIRED_H
#define BENCH_LOAD_PAIRED_H

#include <stddef.h>
#include <stdint.h>

struct paired_setup {
    const int *fds; /* connected blocking stream sockets, no bytes in them yet */
    unsigned count; /* of fds */
    size_t size;    /* bytes of one message */
    unsigned depth; /* messages written on each socket before serve is called */
};

struct variant {
    const char *name;

    /* Creates the server side. The descriptors are the variant's from here on, also on failure.
     * Returns 0 or a negative errno. */
    int (*open)(struct variant *self, const struct paired_setup *setup);

    /* Called when `messages` whole messages are waiting in the sockets, setup->depth in each. Runs
     * the server until all their bytes have been sent back, and not longer. Boundaries are not
     * kept: count bytes, messages * size of them. Returns 0 or a negative errno; must not wait for
     * ever. Must add the system calls it made to `enters`. */
    int (*serve)(struct variant *self, unsigned messages);

    /* Closes the descriptors and frees everything. Not called when open failed. */
    void (*close)(struct variant *self);

    uint64_t enters; /* system calls made by serve so far: io_uring_enter, or whatever it uses */
    void *state;     /* the variant's own */
};

/* Where weft's own variants come from: paired_weft.c, when it is built in. Fills at most `room`
 * entries and returns how many. Absent, the symbol is weak and null. */
unsigned paired_weft_variants(struct variant *into, unsigned room) __attribute__((weak));

#endif
