/*
 * ring/host.h - the boundary, part two: everything else weft asks of the system it runs on.
 *
 * The clock, entropy, threads, the pool for calls that block, the signal mask, and the direct calls
 * on descriptors that cannot block. As with ring.h, a simulated kernel may stand behind it: then
 * reactors and pool workers are contexts of one thread, and descriptors are its own.
 *
 * Results are >= 0 or a negative errno. EINTR is handled here and never seen above.
 */
#ifndef WEFT_RING_HOST_H
#define WEFT_RING_HOST_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct weft__reactor;

/* The reactor of the calling thread, or NULL. The implementation owns the variable and may switch
   it inside weft__ring_enter and the other calls of the boundary; nobody keeps its address. */
extern __thread struct weft__reactor *weft__self __attribute__((tls_model("initial-exec")));

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t weft__host_now(void);

/* Fills memory with random bytes. 0 or a negative errno. */
int weft__host_entropy(void *memory, size_t size);

/* The CPUs this process may use: how many (affinity mask, cgroup quota), and the number of the i-th
   of the mask (-ERANGE beyond it). A pinned thread is answered as before it was pinned. */
uint32_t weft__host_cpus(void);
int weft__host_cpu_number(uint32_t index);

/* Threads. fn runs with all signals blocked but those of its own faults (SIGSEGV and the like,
   which must reach their handlers). name: 15 characters show. */
struct weft__thread;
int weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                            const char *name);
int weft__host_thread_join(struct weft__thread *thread);
/* What tells the calling thread from every other that is alive. To be compared, nothing else. */
const void *weft__host_thread_self(void);
int weft__host_pin(int cpu); /* the calling thread */
int weft__host_unpin(
    void); /* back to what it was; a thread that pinned itself does it at its end */
int weft__host_cpu_here(void); /* the CPU the thread runs on now */
void weft__host_relax(void);   /* a pause inside a short spin */
/* For a thread that runs no reactor: sleeps while *word is `value`, until it is told to look again,
   until the deadline, or for no reason. Telling touches nothing but the address, and may come when
   whatever was there is gone. word: of an _Atomic(uint32_t), which C++ cannot name. */
void weft__host_block(const void *word, uint32_t value, int64_t deadline_ns);
void weft__host_unblock(const void *word);

/* Words that others know of, too: futex(2), own: of this process alone. The first sleeps while
   *word is `value`, until woken (0; for no reason, perhaps) or until *stop, of the caller's own, is
   no longer 0 and was woken (-ECANCELED). -EAGAIN it is another value; -EFAULT. The second: how
   many.
   */
int weft__host_futex_wait(const void *word, uint32_t value, bool own, const void *stop);
int weft__host_futex_wake(const void *word, int count, bool own);

/* Work for the pool: a call that blocks or computes, `done` afterwards on the worker's thread. */
struct weft__pool;
struct weft__pool_job {
    struct weft__pool_job *next, **place; /* on the queue: what points at it; else NULL */
    void (*work)(struct weft__pool_job *job);
    void (*done)(struct weft__pool_job *job);
};
/* name: its threads'; must outlive it. */
int weft__pool_open(struct weft__pool **pool, const char *name, uint32_t threads_max);
void weft__pool_submit(struct weft__pool *pool, struct weft__pool_job *job);
/* Only to a worker that is idle, or new: such a job waits for no other one, which may be waiting
   for it. False: there is none, and nothing happened. */
bool weft__pool_submit_at_once(struct weft__pool *pool, struct weft__pool_job *job);
/* Takes a job back that no worker has begun: neither work nor done will be called. False: too late.
 */
bool weft__pool_withdraw(struct weft__pool *pool, struct weft__pool_job *job);
void weft__pool_close(struct weft__pool *pool); /* runs what is queued, joins the workers */

/* Process-wide pieces that weft_run changes and puts back. */
int weft__host_signal_block(const sigset_t *set, sigset_t *old);
int weft__host_signal_restore(const sigset_t *old);
int weft__host_signal_action(int number, const struct sigaction *action, struct sigaction *old);
bool weft__host_forked(void); /* true in a child of a process that had used weft__host_fork_watch */
void weft__host_fork_watch(void);
int64_t weft__host_pid(void);

/* Address space that reads as zero and takes memory only where it is written. NULL: none to be had.
 */
void *weft__host_reserve(size_t size);
void weft__host_unreserve(void *memory, size_t size);

/* The largest descriptor number (exclusive) that the process may ever open. */
uint32_t weft__host_fd_max(void);

/* Direct calls on descriptors. New descriptors are CLOEXEC and never 0, 1 or 2. */

/* Moves a new descriptor above 2 if it is not (for those that came from the ring: accept). An error
   is passed through; when there is no room above, the descriptor is closed. */
int weft__host_fd_lift(int fd);
int weft__host_socket(int domain, int type, int protocol);
int weft__host_bind(int fd, const struct sockaddr *address, socklen_t length);
int weft__host_listen(int fd, int backlog);
/* 1: somebody is bound and listening there; 0: nobody. For Unix addresses: over a network the
   answer would have to be waited for, and 1 says nothing. */
int weft__host_connect_probe(const struct sockaddr *address, socklen_t length);
int weft__host_getsockname(int fd, struct sockaddr *address, socklen_t *length);
int weft__host_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int weft__host_setsockopt(int fd, int level, int option, const void *value, socklen_t length);
int weft__host_getsockopt(int fd, int level, int option, void *value, socklen_t *length);
int weft__host_fcntl(int fd, int command, long argument);
/* Of a socket that was made with SOCK_NONBLOCK: begins, and says -EINPROGRESS. */
int weft__host_connect(int fd, const struct sockaddr *address, socklen_t length);
/* With MSG_DONTWAIT, and MSG_NOSIGNAL: they say -EAGAIN. */
ssize_t weft__host_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
                            socklen_t *length);
ssize_t weft__host_sendto(int fd, const void *buffer, size_t size, int flags,
                          const struct sockaddr *address, socklen_t length);
/* 1: a read, or an accept, finds something; 0. Takes nothing, and nobody's wake-up. */
int weft__host_is_readable(int fd);
/* The same of a write. */
int weft__host_is_writable(int fd);
int weft__host_identity(int fd, uint64_t *device, uint64_t *inode); /* fstat */
int weft__host_unlink(const char *path);
int weft__host_is_socket_file(const char *path); /* 1, 0, or a negative errno */
int weft__host_chmod(const char *path, uint32_t mode);
int weft__host_shutdown(int fd, int how);
int weft__host_close(int fd);
/* A pipe: fds[0] to read from, fds[1] to write to. flags: O_NONBLOCK, O_DIRECT. */
int weft__host_pipe(int fds[2], int flags);
/* splice(2) and tee(2) of what does not block and with SPLICE_F_NONBLOCK among the flags. */
int64_t weft__host_splice(int fd_in, int fd_out, size_t size, unsigned flags);
int64_t weft__host_tee(int fd_in, int fd_out, size_t size, unsigned flags);
/* 0: the file has a position, and can be read at an offset; -ESPIPE: it has none. */
int weft__host_seeks(int fd);

/* Calls that may wait for a disk: for workers of the pool, which are interrupted by nobody. */
int weft__host_ftruncate(int fd, int64_t size);
int weft__host_sync_range(int fd, int64_t offset, int64_t size, unsigned flags);
int weft__host_fadvise(int fd, int64_t offset, int64_t size, int advice);
int weft__host_madvise(void *memory, size_t size, int advice);
/* copy_file_range(2). An offset below 0: the descriptor's position, which then moves. */
int64_t weft__host_copy_file_range(int fd_in, int64_t offset_in, int fd_out, int64_t offset_out,
                                   size_t size);
/* How much of `size` such a copy is: less within one file that ends before, as it is now. -EINVAL:
   what is read and what is written overlap. */
int64_t weft__host_copy_size(int fd_in, int64_t offset_in, int fd_out, int64_t offset_out,
                             size_t size);
/* The same, of a file of that length, and with offsets. */
static inline int64_t weft__copy_within(int64_t length, int64_t offset_in, int64_t offset_out,
                                        size_t size)
{
    int64_t most = offset_in < length ? length - offset_in : 0;
    int64_t copied = size < (size_t)most ? (int64_t)size : most;
    int64_t apart = offset_in < offset_out ? offset_out - offset_in : offset_in - offset_out;

    return apart < copied ? -EINVAL : copied;
}
/* getdents64(2). */
ssize_t weft__host_getdents(int fd, void *buffer, size_t size);

#endif
