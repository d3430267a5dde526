/*
 * coro/blocking.h - system calls that keep their thread waiting.
 */
#ifndef WEFT_CORO_BLOCKING_H
#define WEFT_CORO_BLOCKING_H

#include "arch/dispatch.h"

/* Can calls be seen here? 0, or -ENOSYS. Not with a sanitizer: it makes calls of its own in the
   middle of everything, and its functions stand in the handler. */
int weft__blocking_probe(void);

/*
 * The name of the call if it may wait for somebody: another thread or process, a peer, a disk, a
 * time. NULL: it does not, or was told not to (O_NONBLOCK, MSG_DONTWAIT, RWF_NOWAIT, no time
 * to wait, ...), or what it was given is not there. In a signal handler.
 */
const char *weft__blocking_name(const struct weft__trap *trap);

#endif
