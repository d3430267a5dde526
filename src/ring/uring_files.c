/*
 * ring/uring_files.c - files that the ring holds by itself.
 *
 * The ring's own thread. What always holds: a descriptor's slot in the ring's table has the number
 * of the descriptor, so nothing needs to be allotted or remembered; a table too small for it says
 * no.
 */
#include "ring/host.h"
#include "ring/uring.h"

#include <errno.h>
#include <sys/resource.h>

enum { FILES_MAX = 65536 }; /* 8 bytes of kernel memory each */

/* One slot for each descriptor there can be. The kernel allows no more than the soft limit of now,
   which is often far below the hard one; descriptors above it, if it is raised later, are not held.
 */
static uint32_t table_size(void)
{
    struct rlimit limit;
    uint32_t count = weft__host_fd_max();

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < count)
        count = (uint32_t)limit.rlim_cur;
    return count < FILES_MAX ? count : FILES_MAX;
}

/* Once refused, always refused: there is no table, and nobody will ask again. */
static int make_table(struct weft__ring *ring, struct weft__uring *state)
{
    uint32_t count = table_size();
    int error = io_uring_register_files_sparse(&state->uring, count);
    if (error < 0)
        ring->features &= ~(uint32_t)WEFT__FEATURE_FIXED_FILES;
    else
        state->file_count = count;
    return error;
}

static int set_slot(struct weft__uring *state, int slot, int fd)
{
    int result = io_uring_register_files_update(&state->uring, (unsigned)slot, &fd, 1);
    return result < 0 ? result : 0;
}

int weft__ring_file_hold(struct weft__ring *ring, int fd)
{
    struct weft__uring *state = weft__uring_of(ring);
    if (!(ring->features & WEFT__FEATURE_FIXED_FILES))
        return -ENOTSUP;
    int error = state->file_count ? 0 : make_table(ring, state);
    if (error < 0)
        return error;
    return (uint32_t)fd < state->file_count ? set_slot(state, fd, fd) : -EMFILE;
}

void weft__ring_file_let_go(struct weft__ring *ring, int fd)
{
    set_slot(weft__uring_of(ring), fd, -1);
}
