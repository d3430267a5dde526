/*
 * runtime/dump.h - what a server does, told on a signal (weft_run_opt.dump_signal).
 *
 * A handler cannot walk a tree that may be in the middle of a change, so each reactor tells its own
 * when it comes back to its loop: by a message, one at a time. For a reactor that does not come
 * back, because of the task that it runs, its own thread's handler says at once which that is and
 * where. A signal finds any thread; its handler sends it on to the threads of the others.
 */
#ifndef WEFT_RUNTIME_DUMP_H
#define WEFT_RUNTIME_DUMP_H

#include <pthread.h>

#include "reactor/inbox.h"

struct weft__member;

/* A member's part in it. */
struct weft__dump {
    struct weft__message message;
    _Atomic(bool) asked; /* the message is under way */
    pthread_t thread;
    _Atomic(uint64_t)
        *passed;  /* that thread's: signals that come from another's handler, as bits */
    bool blocked; /* it was, on the thread: reactors' own threads are started so */
};

/* Begins and ends to listen for a member, on its thread; last in, first out with who else takes the
   signal there. A handler that somebody else has put on top of ours stays, and ours below it. 0;
   -EINVAL no such signal; -EAGAIN too many reactors listen. Harmless where nothing was begun. */
int weft__dump_begin(struct weft__member *member);
void weft__dump_end(struct weft__member *member);

#endif
