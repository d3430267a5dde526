/*
 * io/listen_fds.c - taking the descriptors that the process was started with.
 */
#include <weft/handover.h>

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "base/option.h"
#include "io/activation.h"
#include "ring/host.h"
#include "task/task.h"

enum { FIRST_DEFAULT = 3 };

static int mark(int fd)
{
    int flags = weft__host_fcntl(fd, F_GETFD, 0);

    return flags < 0 ? flags : weft__host_fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static int take(struct weft_handed *fds, uint32_t room, const struct weft_listen_fds_opt *opt)
{
    const char *names = secure_getenv("LISTEN_FDNAMES");
    int first = opt->first ? opt->first : FIRST_DEFAULT;
    int count = weft__activation_count(secure_getenv("LISTEN_PID"), secure_getenv("LISTEN_FDS"),
                                       weft__host_pid(), opt->any_process);
    int error = count <= 0 ? count : weft__activation_check(names, (uint32_t)count);

    if (error == 0 && count > INT_MAX - first)
        error = -EINVAL;
    for (int i = 0; i < count && error == 0; i++)
        error = mark(first + i);
    if (error < 0)
        return error;
    for (uint32_t i = 0; i < (uint32_t)count && i < room; i++) {
        fds[i].fd = first + (int)i;
        weft__activation_name(names, i, fds[i].name);
    }
    return count;
}

int weft_listen_fds(struct weft_handed *fds, uint32_t count, const struct weft_listen_fds_opt *opt)
{
    struct weft_listen_fds_opt own;
    int result = weft__option_copy(&own, sizeof own, opt);

    if (result < 0)
        return result;
    if (!weft__task_self())
        return weft__outside();
    if ((!fds && count > 0) || own.first < 0)
        return weft__misuse(-EINVAL, "nowhere to put the descriptors, or a negative first one");
    result = take(fds, count, &own);
    if (own.clear) {
        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDS");
        unsetenv("LISTEN_FDNAMES");
    }
    return result;
}
