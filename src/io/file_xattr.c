/*
 * io/file_xattr.c - what stands under a name beside a file's bytes; <weft/file.h> is the reference.
 *
 * As in io/file.c a call is one request. Names, paths and values that are set are the kernel's copy
 * once it was submitted.
 */
#include <weft/file.h>

#include "io/use.h"

/* Of a call that is a mistake of the program. */
static const char no_path[] = "NULL for a path";
static const char no_name[] = "NULL for a name";
static const char no_memory[] = "NULL for memory that is needed";

/* More than the kernel takes for a value: so it says what it has to say of too much. */
enum { SIZE_ENOUGH = 1 << 20 };

static int begin(struct weft__use *use, int fd, const char *name, const void *value, size_t size,
                 const char *what, struct weft__sqe **sqe)
{
    if (!name)
        return weft__misuse(-EFAULT, no_name);
    if (!value && size > 0)
        return weft__misuse(-EFAULT, no_memory);
    return weft__use_begin(use, fd, what, sqe);
}

static uint32_t size_of(size_t size)
{
    return size < SIZE_ENOUGH ? (uint32_t)size : SIZE_ENOUGH;
}

ssize_t weft_getxattr(const char *path, const char *name, void *value, size_t size)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error;

    if (!path)
        return weft__misuse(-EFAULT, no_path);
    error = begin(&use, AT_FDCWD, name, value, size, "getxattr", &sqe);
    if (error < 0)
        return error;
    weft__request_getxattr(sqe, path, name, value, size_of(size));
    return weft__use_end(&use, sqe);
}

ssize_t weft_fgetxattr(int fd, const char *name, void *value, size_t size)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error = begin(&use, fd, name, value, size, "getxattr", &sqe);

    if (error < 0)
        return error;
    weft__request_fgetxattr(sqe, fd, name, value, size_of(size));
    return weft__use_end(&use, sqe);
}

int weft_setxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error;

    if (!path)
        return weft__misuse(-EFAULT, no_path);
    error = begin(&use, AT_FDCWD, name, value, size, "setxattr", &sqe);
    if (error < 0)
        return error;
    weft__request_setxattr(sqe, path, name, value, size_of(size), (uint32_t)flags);
    return weft__use_end(&use, sqe);
}

int weft_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error = begin(&use, fd, name, value, size, "setxattr", &sqe);

    if (error < 0)
        return error;
    weft__request_fsetxattr(sqe, fd, name, value, size_of(size), (uint32_t)flags);
    return weft__use_end(&use, sqe);
}
