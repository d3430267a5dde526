/*
 * weft/file_object.h - a file with a position of its own, and what comes next read ahead.
 *
 *     weft_file *file;
 *     const void *data;
 *     size_t size;
 *     if (weft_file_open("log", O_RDONLY, 0, NULL, &file) == 0) {
 *         while (weft_file_peek(file, &data, &size) > 0) {
 *             add_up(data, size);                       // meanwhile the next blocks are read
 *             weft_file_consume(file, size);
 *         }
 *         weft_file_close(file);
 *     }
 *
 * Who reads on finds the next blocks read, or being read, while he computes. Reading ahead begins
 * once the first block was filled, so a small file costs one block; after a seek to elsewhere, once
 * a block has been used up. Blocks are of the reactor's pool; a file has at most `ahead` + 2 of
 * them, those of requests that were given up and have yet to end counted.
 *
 * What could not be read ahead is said to who reads at that place, not before, and asked for again
 * after that. Cancelling who waits for a block loses nothing: it goes on being read, for the next
 * call. Writes go through at once; reading sees what was written through the object. What others
 * change, or was changed through its descriptor, shows where it has not been read ahead yet:
 * weft_file_discard has it read anew.
 *
 * With O_DIRECT memory, sizes and offsets may be any all the same: what does not lie as the
 * device takes it is copied through a block, and a part of a unit, as at the file's end, is written
 * with O_DIRECT taken away from the open file for as long as that lasts (who shares it sees so).
 *
 * A file belongs to the reactor that opened it (-EXDEV elsewhere). One task at a time moves its
 * position, and none while a view is lent (-EBUSY); any number read and write at offsets beside it.
 * Once it is being closed others get -EBADF, those inside a call -ECANCELED. One that is still open
 * when the run ends is closed and freed. Its descriptor is its own: weft_close refuses that with
 * -EBUSY. If it was closed all the same, as by close(2), and weft saw that or has the number again,
 * every call answers -EBADF, weft_file_close too, which then closes nothing and frees the file.
 *
 * Every call here may also answer -EPERM outside a task, -EINVAL (NULL for the file), those that
 * take memory -EFAULT when it is NULL and its size is not 0, those that suspend -ECANCELED, -ENOMEM
 * and what a disk says (-EIO, -ENOSPC, ...).
 */
#ifndef WEFT_FILE_OBJECT_H
#define WEFT_FILE_OBJECT_H

#include <fcntl.h>
#include <sys/types.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

typedef struct weft_file weft_file;

struct weft_file_opt {
    size_t size;         /* sizeof(struct weft_file_opt) */
    uint32_t block_size; /* bytes read by one request: a power of two from 4 KiB to 4 MiB; 0: 128
                            KiB */
    uint32_t ahead;      /* blocks read ahead, at most 64; 0: 2 */
    bool no_ahead;       /* none, whatever `ahead` says */
};

/*
 * Opens a file, as weft_open, with the position 0.
 * Returns 0 and *file; what weft_open says; -EINVAL bad options; -ESPIPE it has no position.
 */
WEFT_API WEFT_NODISCARD int weft_file_open(const char *path, int flags, mode_t mode,
                                           const struct weft_file_opt *opt,
                                           weft_file **file) WEFT_SUSPENDS;

/*
 * Makes a file object of the descriptor `fd`, which it then owns: close the file, not the
 * descriptor. Its position is 0; that of the descriptor is neither used nor moved. Never suspends.
 * On an error the descriptor stays the caller's.
 * Returns 0 and *file; -EINVAL bad options; -ESPIPE it has no position (a pipe, a socket); -EBADF;
 * -EXDEV; -EBUSY a stream or a file object has the descriptor.
 */
WEFT_API WEFT_NODISCARD int weft_file_from_fd(int fd, const struct weft_file_opt *opt,
                                              weft_file **file);

/* The file's descriptor, for weft_fsync, weft_statx and their kin; not for closing. */
WEFT_API int weft_file_fd(const weft_file *file);

/* -- at the file's position ----------------------------------------------------------------- */

/* Reads some bytes, as many as have been read ahead and fit; else it waits for the first. Returns
   the count; 0 at the end of the file, which may have grown when it is asked again. */
WEFT_API ssize_t weft_file_read(weft_file *file, void *buffer, size_t size) WEFT_SUSPENDS;

/* Reads exactly `size` bytes, or a negative errno, -ENODATA at the end; *done (NULL allowed) how
   many were read, which the position has moved by. */
WEFT_API ssize_t weft_file_read_exactly(weft_file *file, void *buffer, size_t size,
                                        size_t *done) WEFT_SUSPENDS;

/*
 * Reads up to and with the first `delimiter` (delimiter_size bytes, at least one), at most `size`
 * bytes. All or nothing: on any error the position is where it was; the buffer may have been
 * written to. Returns the count, the delimiter's bytes included; -EMSGSIZE the delimiter does not
 * end within `size` bytes; -ENODATA the end of the file came before it, whether or not bytes are
 * left.
 */
WEFT_API ssize_t weft_file_read_until(weft_file *file, const void *delimiter, size_t delimiter_size,
                                      void *buffer, size_t size) WEFT_SUSPENDS;

/* A line, as weft_file_read_until: up to and with '\n', and a '\0' behind it; so a line has at most
   size - 1 bytes. Returns its length, the '\n' counted. A last line that does not end is none:
   -ENODATA, and weft_file_read gives it. */
WEFT_API ssize_t weft_file_read_line(weft_file *file, char *line, size_t size) WEFT_SUSPENDS;

/*
 * Lends the bytes at the position: *data points at *size contiguous bytes (at least one), where
 * they were read to. What is written to the file meanwhile may or may not show there.
 * Returns 1, 0 at the end of the file, or a negative errno.
 */
WEFT_API int weft_file_peek(weft_file *file, const void **data, size_t *size) WEFT_SUSPENDS;

/* Ends the view, and moves the position by `size` bytes of it, 0 up to all. Never suspends. Returns
   0; -EINVAL no view, or not so long. */
WEFT_API int weft_file_consume(weft_file *file, size_t size);

/*
 * Writes all of it, or a negative errno; *done (NULL allowed) how many bytes were written, which
 * the position has moved by. With O_APPEND they go to the end, and the position stays.
 */
WEFT_API ssize_t weft_file_write(weft_file *file, const void *buffer, size_t size,
                                 size_t *done) WEFT_SUSPENDS;

/*
 * Moves the position: by `offset` from the beginning (SEEK_SET), from where it is (SEEK_CUR) or
 * from the end (SEEK_END, which asks for the file's size and may suspend for it; the others do
 * not). What was read ahead and is still ahead stays. Returns the new position; -EINVAL another
 * whence, or it would be negative.
 */
WEFT_API off_t weft_file_seek(weft_file *file, off_t offset, int whence) WEFT_SUSPENDS;

/* The position; in a task or in a callback. -EINVAL; -EXDEV; -EPERM on a thread that has no
   reactor. */
WEFT_API off_t weft_file_tell(const weft_file *file);

/* Forgets what was read ahead. Never suspends. Returns 0. */
WEFT_API int weft_file_discard(weft_file *file);

/* -- at an offset, by any number of tasks at once ------------------------------------------- */

/* Reads some bytes at `offset`, as weft_pread. Returns the count, 0 at the end. */
WEFT_API ssize_t weft_file_pread(weft_file *file, void *buffer, size_t size,
                                 off_t offset) WEFT_SUSPENDS;
/* Writes all of it at `offset`, as weft_pwrite_all. Allowed while a view is lent, and from it. */
WEFT_API ssize_t weft_file_pwrite(weft_file *file, const void *buffer, size_t size, off_t offset,
                                  size_t *done) WEFT_SUSPENDS;

/* -- memory --------------------------------------------------------------------------------- */

/*
 * Takes `size` bytes of memory that file objects read into, and write from, at the least cost: on a
 * boundary of 4 KiB, as O_DIRECT has it, and of a pool that the kernel has found and keeps in place
 * beforehand. What it does not keep so, for want of room (16 MiB a reactor, a MiB a piece) or
 * because it may not (RLIMIT_MEMLOCK), is memory like any. Its content is undefined. It is the
 * reactor's: what is not put back is gone when the run ends; for files of other reactors it is
 * memory like any. Never suspends. Returns 0 and *memory; -EINVAL no size; -ENOMEM.
 */
WEFT_API WEFT_NODISCARD int weft_file_memory_take(size_t size, void **memory);

/* Puts it back, with nothing in flight that uses it. NULL is allowed and does nothing. Never
   suspends. Returns 0; -EINVAL it was not taken on this reactor, or is back already. */
WEFT_API int weft_file_memory_put(void *memory);

/* -- the end -------------------------------------------------------------------------------- */

/* Ends what is in flight, waits for that, closes the descriptor, frees the file; a view ends.
   Always finishes. NULL is allowed and does nothing. Syncs nothing: for that, weft_fsync.
   Returns 0, or what close(2) said; -EBADF the descriptor was closed already; -EALREADY another
   task is closing it; -EXDEV, -EPERM. */
WEFT_API int weft_file_close(weft_file *file) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
