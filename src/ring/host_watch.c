/*
 * ring/host_watch.c - inotify(7). The answer that is not simulated.
 *
 * What always holds: what is written to a file is not told through a name that is gone
 * (IN_EXCL_UNLINK, which lets pass that its length or its attributes alone were changed), and a
 * watch that is there is never changed in passing (IN_MASK_CREATE).
 */
#include "ring/host_watch.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <weft/watch.h>

#include "ring/host.h"

_Static_assert(
    sizeof(struct inotify_event) == sizeof(struct weft__watch_record) &&
        offsetof(struct inotify_event, wd) == offsetof(struct weft__watch_record, number) &&
        offsetof(struct inotify_event, mask) == offsetof(struct weft__watch_record, what) &&
        offsetof(struct inotify_event, cookie) == offsetof(struct weft__watch_record, cookie) &&
        offsetof(struct inotify_event, len) == offsetof(struct weft__watch_record, room),
    "a record is the kernel's own");
_Static_assert(WEFT_WATCH_ALL ==
                       (IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO |
                        IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF) &&
                   WEFT_WATCH_ONLY_DIRECTORY == IN_ONLYDIR &&
                   WEFT_WATCH_NO_FOLLOW == IN_DONT_FOLLOW && WEFT_WATCH_UNMOUNTED == IN_UNMOUNT &&
                   WEFT_WATCH_OVERFLOW == IN_Q_OVERFLOW && WEFT_WATCH_IGNORED == IN_IGNORED &&
                   (uint32_t)WEFT_WATCH_DIRECTORY == IN_ISDIR,
               "and so are the bits");

int weft__host_watch_open(void)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    return fd < 0 ? -errno : weft__host_fd_lift(fd);
}

int weft__host_watch_add(int fd, const char *path, uint32_t mask)
{
    int number;

    do
        number = inotify_add_watch(fd, path, mask | IN_EXCL_UNLINK | IN_MASK_CREATE);
    while (number < 0 && errno == EINTR);
    return number < 0 ? -errno : number;
}

int weft__host_watch_remove(int fd, int number)
{
    return inotify_rm_watch(fd, number) < 0 ? -errno : 0;
}

ssize_t weft__host_watch_read(int fd, void *memory, size_t size)
{
    ssize_t n;

    do
        n = read(fd, memory, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    return n;
}
