/*
 * weft/file.h - files and their names, through the ring; reading and writing are in weft/fd.h.
 *
 * The twins of the system calls of the same names, with their arguments in the same order; results
 * are >= 0 or a negative errno. A path is taken from `dirfd`, or AT_FDCWD, unless it begins with a
 * slash; the calling reactor owns a dirfd as any other descriptor. A descriptor may be used by any
 * number of these calls at once.
 *
 * Every call here may also answer: -EPERM outside a task (or what the call replaced means by it),
 * -EBADF, -EXDEV another reactor's descriptor (or a rename between devices), -EINVAL, -EFAULT (NULL
 * for memory that is needed), -ECANCELED when the caller is cancelled before any effect, -ENOMEM,
 * and whatever the man page of the call replaced lists. Nothing here is undone by a cancellation:
 * what had an effect says so, and the cancellation shows at the next call. Most of it cannot be
 * interrupted once a disk is asked; the call then returns when the disk has answered, and only
 * then. docs/concepts/files.md says what is done where.
 */
#ifndef WEFT_FILE_H
#define WEFT_FILE_H

#include <fcntl.h>
#include <weft/base.h>
#include <weft/fd.h>

WEFT_BEGIN_DECLS

struct statx;    /* <sys/stat.h>, with _GNU_SOURCE */
struct open_how; /* <linux/openat2.h> */

/*
 * open(2), openat(2); always O_CLOEXEC, never 0, 1 or 2. mode (with O_CREAT or O_TMPFILE) goes
 * through the process's umask. Returns the descriptor, also when the call was cancelled meanwhile
 * and the file was opened all the same. A FIFO should be opened with O_NONBLOCK: without it the
 * call waits for the other end, or, at the kernel's pleasure, does not.
 */
WEFT_API int weft_open(const char *path, int flags, mode_t mode) WEFT_SUSPENDS;
WEFT_API int weft_openat(int dirfd, const char *path, int flags, mode_t mode) WEFT_SUSPENDS;

/*
 * openat2(2): how->resolve says where the path may lead. size: sizeof(struct open_how). Nothing is
 * taken away from the flags, O_CLOEXEC is added to them. With RESOLVE_IN_ROOT a path that begins
 * with a slash is taken from `dirfd`, too.
 *
 * Returns as weft_openat, and: -EINVAL flags, mode, resolve or size that are no good; -E2BIG
 * something behind the fields that weft knows; -EXDEV the path leads out; -ELOOP a link where none
 * may be; -EAGAIN not to be had without the disk (RESOLVE_CACHED), or somebody moved directories
 * meanwhile: try again.
 */
WEFT_API int weft_openat2(int dirfd, const char *path, const struct open_how *how,
                          size_t size) WEFT_SUSPENDS;

/*
 * fsync(2), fdatasync(2): what was written is on the disk: 0. An error is told once to each
 * descriptor that was open when it happened, and the data it is about may be lost though reading
 * shows it: writing it again is what helps, asking again does not. A new file's name is not the
 * file's: for that, its directory.
 */
WEFT_API int weft_fsync(int fd) WEFT_SUSPENDS;
WEFT_API int weft_fdatasync(int fd) WEFT_SUSPENDS;

/* ftruncate(2): makes the file `size` bytes long. Returns 0. */
WEFT_API int weft_ftruncate(int fd, off_t size) WEFT_SUSPENDS;
/* fallocate(2), with its room on the disk. mode: FALLOC_FL_*. Returns 0; -EOPNOTSUPP where the file
 * system cannot. */
WEFT_API int weft_fallocate(int fd, int mode, off_t offset, off_t size) WEFT_SUSPENDS;

/*
 * sync_file_range(2): SYNC_FILE_RANGE_WRITE has that part of the file written, _WAIT_BEFORE and
 * _WAIT_AFTER wait for what is being written. size 0: up to the end. Makes nothing safe, neither
 * the file's size nor what a disk keeps in its cache: for that, weft_fdatasync. -ESPIPE on what is
 * no file. An error of the disk is told as weft_fsync tells it.
 */
WEFT_API int weft_sync_file_range(int fd, off_t offset, off_t size, unsigned flags) WEFT_SUSPENDS;

/* posix_fadvise(2): what is to come of a part of the file; POSIX_FADV_*. size 0: up to the end.
   -ESPIPE on a pipe. */
WEFT_API int weft_fadvise(int fd, off_t offset, off_t size, int advice) WEFT_SUSPENDS;

/* madvise(2), of memory of the process, from the beginning of a page on; MADV_*. -ENOMEM nothing is
   mapped there, or there is no memory; -EBADF no file behind it; -EIO, -EAGAIN. */
WEFT_API int weft_madvise(void *address, size_t size, int advice) WEFT_SUSPENDS;

/* statx(2): what is known of a file. flags: AT_*, mask: STATX_*. Returns 0 and *status. */
WEFT_API int weft_statx(int dirfd, const char *path, int flags, unsigned mask,
                        struct statx *status) WEFT_SUSPENDS;

/* renameat(2): at any moment the new name stands for the old file or the new one. weft_renameat2
   takes flags: RENAME_NOREPLACE, RENAME_EXCHANGE. */
WEFT_API int weft_renameat(int dirfd, const char *path, int new_dirfd,
                           const char *new_path) WEFT_SUSPENDS;
WEFT_API int weft_renameat2(int dirfd, const char *path, int new_dirfd, const char *new_path,
                            unsigned flags) WEFT_SUSPENDS;
/* unlinkat(2) (of a directory: AT_REMOVEDIR), mkdirat(2), symlinkat(2) and linkat(2). Return 0. */
WEFT_API int weft_unlinkat(int dirfd, const char *path, int flags) WEFT_SUSPENDS;
WEFT_API int weft_mkdirat(int dirfd, const char *path, mode_t mode) WEFT_SUSPENDS;
WEFT_API int weft_symlinkat(const char *target, int dirfd, const char *path) WEFT_SUSPENDS;
WEFT_API int weft_linkat(int dirfd, const char *path, int new_dirfd, const char *new_path,
                         int flags) WEFT_SUSPENDS;

/*
 * getxattr(2), fgetxattr(2), setxattr(2), fsetxattr(2): what stands under a name beside a file's
 * bytes. The name begins with its namespace: "user.", as a rule. A path begins in the working
 * directory unless it begins with a slash; its last link is followed. size: of the memory, 0 asks
 * how long the value is; or of the value, 64 KiB at most. flags: XATTR_CREATE (it must not be there
 * yet), XATTR_REPLACE (it must), of <sys/xattr.h>.
 *
 * Getting returns the value's length, setting 0; -ENODATA none of that name; -ERANGE the memory is
 * too small, or the name is empty or longer than 255 bytes; -EOPNOTSUPP the file system has no such
 * names.
 */
WEFT_API ssize_t weft_getxattr(const char *path, const char *name, void *value,
                               size_t size) WEFT_SUSPENDS;
WEFT_API ssize_t weft_fgetxattr(int fd, const char *name, void *value, size_t size) WEFT_SUSPENDS;
/* Setting may also answer: -EEXIST (XATTR_CREATE); -EPERM they are not for such a file; -E2BIG;
   -ENOSPC, -EDQUOT no room for it. -ENODATA is of XATTR_REPLACE. */
WEFT_API int weft_setxattr(const char *path, const char *name, const void *value, size_t size,
                           int flags) WEFT_SUSPENDS;
WEFT_API int weft_fsetxattr(int fd, const char *name, const void *value, size_t size,
                            int flags) WEFT_SUSPENDS;

/*
 * copy_file_range(2): `size` bytes of one file into another, by the file system, which may share
 * them instead of copying. off_in and off_out: where to read and to write, moved on by what was
 * copied; or NULL: at the descriptor's own position, which is moved on, and which one reader and
 * one writer have at a time (-EBUSY). flags: 0. Goes on until all was copied or fd_in ends, as
 * weft_sendfile does, a piece of 1 MiB after the other; no kernel has a request for this, so a
 * worker thread makes the calls. Within one file: up to its end as it was when the call began.
 *
 * Returns how many bytes: fewer than asked at the end of the file, or when there was trouble or a
 * cancellation after some, which shows in the next call; 0 at the end (and of files such as those
 * of /proc, which have no size). A cancellation is met between two pieces: the one under way is
 * waited for, and counted. -EBADF one is not open for it, or fd_out with O_APPEND; -EINVAL no file,
 * or parts of one file that overlap; -EISDIR a directory; -EXDEV, -EOPNOTSUPP, -ENOSYS not between
 * these two: through a pipe, then (docs/concepts/splice.md); -EFBIG the file would be longer than
 * one may be; -ENOSPC, -EDQUOT, -EIO.
 */
WEFT_API ssize_t weft_copy_file_range(int fd_in, off_t *off_in, int fd_out, off_t *off_out,
                                      size_t size, unsigned flags) WEFT_SUSPENDS;

/*
 * getdents64(2): entries of the directory, from its position on, as struct dirent64 (<dirent.h>,
 * with _GNU_SOURCE) one behind the other, each d_reclen bytes long; "." and ".." are among them.
 * The buffer is to be aligned as they are. Returns how many bytes; 0 at the end; -ENOTDIR; -EINVAL
 * too small for one; -EBUSY another task reads from the descriptor. No kernel has a request for
 * this: a worker thread makes the call, and it is not interrupted.
 *
 *     for (ssize_t n; (n = weft_getdents64(fd, buffer, sizeof buffer)) > 0;)
 *         for (ssize_t at = 0; at < n; at += ((struct dirent64 *)(buffer + at))->d_reclen)
 *             puts(((struct dirent64 *)(buffer + at))->d_name);
 */
WEFT_API ssize_t weft_getdents64(int fd, void *buffer, size_t size) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
