/*
 * io/fd_verify.c - debug builds: was the descriptor closed behind our back?
 *
 * A close(2) by foreign code, and the number given out again, cannot be seen by anything but the
 * file's identity. Asking costs a system call, so release builds do not.
 */
#include "io/fd.h"

#ifdef WEFT_DEBUG

static int closed_behind(void)
{
    return weft__misuse(-EBADF, "the descriptor was closed, but not by weft_close");
}

int weft__fd_verify(struct weft__io *io, int fd, struct weft__fd *record)
{
    uint32_t identity = weft__fd_identity(fd);

    if (identity == 0) {
        weft__fd_forget(io, record);
        return record->identity ? closed_behind() : -EBADF;
    }
    if (record->identity == 0)
        record->identity = identity;
    if (record->identity == identity)
        return 0;
    record->flags &= ~(uint32_t)WEFT__FD_FILE; /* it had the one that was closed */
    weft__fd_forget(io, record);
    return closed_behind();
}

#else
typedef int weft__fd_verify_is_for_debug_builds;
#endif
