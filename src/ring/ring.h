/*
 * ring/ring.h - the boundary, part one: what weft asks of a kernel's request ring.
 *
 * Two implementations stand behind this header, chosen at link time: the real io_uring
 * (ring/uring_*.c) and a simulated kernel. Everything above is the same object code for both, so
 * nothing here is inlined that differs between them: both lay requests and completions out as the
 * kernel does (io_uring's ABI), and both keep the struct below at the head of their state.
 *
 * A ring belongs to one thread, which opens, uses and closes it. It knows nothing of tasks.
 *
 * What always holds:
 *   - a request taken is submitted by the next weft__ring_enter, in the order taken;
 *   - memory a request points at is the kernel's until the completion without WEFT__CQE_MORE;
 *   - WEFT__CQE_BUFFER may stand on any completion, failed ones included.
 */
#ifndef WEFT_RING_RING_H
#define WEFT_RING_RING_H

#include "base/annotate.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One request, in the layout of struct io_uring_sqe. */
struct weft__sqe {
    uint8_t opcode;
    uint8_t flags;
    uint16_t ioprio;
    int32_t fd;
    uint64_t offset;
    uint64_t address;
    uint32_t length;
    uint32_t op_flags;
    uint64_t user_data;
    uint16_t buffer_group;
    uint16_t personality;
    uint32_t file_index;
    uint64_t address3;
    uint64_t reserved;
};
static_assert(sizeof(struct weft__sqe) == 64, "the kernel's layout");

/* One completion, in the layout of struct io_uring_cqe. */
struct weft__cqe {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
};
static_assert(sizeof(struct weft__cqe) == 16, "the kernel's layout");

enum weft__opcode {
    WEFT__OP_NOP = 0,
    WEFT__OP_READV = 1,
    WEFT__OP_WRITEV = 2,
    WEFT__OP_FSYNC = 3,
    WEFT__OP_READ_FIXED = 4,
    WEFT__OP_WRITE_FIXED = 5,
    WEFT__OP_POLL_ADD = 6,
    WEFT__OP_SYNC_RANGE = 8,
    WEFT__OP_SENDMSG = 9,
    WEFT__OP_RECVMSG = 10,
    WEFT__OP_ACCEPT = 13,
    WEFT__OP_ASYNC_CANCEL = 14,
    WEFT__OP_CONNECT = 16,
    WEFT__OP_FALLOCATE = 17,
    WEFT__OP_CLOSE = 19,
    WEFT__OP_STATX = 21,
    WEFT__OP_READ = 22,
    WEFT__OP_WRITE = 23,
    WEFT__OP_FADVISE = 24,
    WEFT__OP_MADVISE = 25,
    WEFT__OP_SEND = 26,
    WEFT__OP_RECV = 27,
    WEFT__OP_OPENAT2 = 28,
    WEFT__OP_SPLICE = 30,
    WEFT__OP_RENAMEAT = 35,
    WEFT__OP_UNLINKAT = 36,
    WEFT__OP_MKDIRAT = 37,
    WEFT__OP_SYMLINKAT = 38,
    WEFT__OP_LINKAT = 39,
    WEFT__OP_MSG_RING = 40,
    WEFT__OP_FSETXATTR = 41,
    WEFT__OP_SETXATTR = 42,
    WEFT__OP_FGETXATTR = 43,
    WEFT__OP_GETXATTR = 44,
    WEFT__OP_SEND_ZC = 47,    /* WEFT__FEATURE_SEND_ZC */
    WEFT__OP_WAITID = 50,     /* 6.7: WEFT__FEATURE_WAITID */
    WEFT__OP_FUTEX_WAIT = 51, /* 6.7: WEFT__FEATURE_FUTEX */
    WEFT__OP_FTRUNCATE = 55,  /* 6.9: WEFT__FEATURE_FTRUNCATE */
};

/* The offset of a read or write that goes on where the file's own position is; also of what has
   none (pipes, sockets). */
#define WEFT__OFFSET_CURRENT UINT64_MAX

enum { WEFT__FSYNC_DATA = 1 << 0 }; /* op_flags of FSYNC: fdatasync */

/* What OPENAT2 points at, in the layout of struct open_how. */
struct weft__open_how {
    uint64_t flags;   /* O_* */
    uint64_t mode;    /* of a file that is made; else 0 */
    uint64_t resolve; /* RESOLVE_* */
};
static_assert(sizeof(struct weft__open_how) == 24, "the kernel's layout");
enum { WEFT__RESOLVE_IN_ROOT = 1 << 4 }; /* a path from the root begins at the directory given */

enum {                                /* flags of a request */
       WEFT__SQE_FIXED_FILE = 1 << 0, /* fd was given to weft__ring_file_hold */
       WEFT__SQE_ASYNC = 1 << 4,
       WEFT__SQE_BUFFER_SELECT = 1 << 5,
       WEFT__SQE_SKIP_SUCCESS = 1 << 6,
};

enum { /* ioprio of receives and accepts */
       WEFT__RECV_POLL_FIRST = 1 << 0,
       WEFT__RECV_MULTISHOT = 1 << 1,
       WEFT__ACCEPT_MULTISHOT = 1 << 0,
};

enum {
    WEFT__SEND_ZC_REPORT = 1 << 3
}; /* ioprio of SEND_ZC: the notification says whether it copied */

enum { WEFT__POLL_MULTI = 1 << 0 };    /* length of POLL_ADD */
enum { WEFT__POLL_IN = 1 << 0 };       /* an event: POLLIN */
enum { WEFT__MSG_RING_PASS = 1 << 1 }; /* op_flags of MSG_RING: file_index are CQE flags */

enum { /* flags of a completion */
       WEFT__CQE_BUFFER = 1 << 0,
       WEFT__CQE_MORE = 1 << 1,
       WEFT__CQE_SOCK_NONEMPTY = 1 << 2,
       WEFT__CQE_NOTIFICATION = 1 << 3, /* of a zero-copy send: its memory is given back */
};
#define WEFT__NOTIFIED_COPIED (1u << 31) /* in such a result: it was copied all the same */
enum { WEFT__CQE_BUFFER_SHIFT = 16 };

/* Optional features, probed at start. WEFT_RING_MASK (a comma-separated list of the names that
   weft__ring_features prints) switches single ones off, so that the older paths can be tested. */
enum weft__feature {
    WEFT__FEATURE_NO_SQARRAY = 1 << 0,    /* 6.6: no indirection in the submission queue */
    WEFT__FEATURE_REGISTERED_FD = 1 << 1, /* the ring's own descriptor registered */
    WEFT__FEATURE_TASKRUN_FLAG = 1 << 2,  /* the queue says when completions wait to be fetched */
    WEFT__FEATURE_RECV_MULTISHOT = 1 << 3,
    WEFT__FEATURE_ACCEPT_MULTISHOT = 1 << 4,
    WEFT__FEATURE_BUFFER_RING = 1 << 5,
    WEFT__FEATURE_MSG_RING = 1 << 6,
    WEFT__FEATURE_MIN_TIMEOUT = 1 << 7,    /* 6.12: a shorter wait for a larger batch */
    WEFT__FEATURE_NO_IOWAIT = 1 << 8,      /* 6.15: sleeping is not shown as waiting for a disk */
    WEFT__FEATURE_ABS_TIMER = 1 << 9,      /* 6.12: absolute deadlines for the wait */
    WEFT__FEATURE_FIXED_FILES = 1 << 10,   /* 6.15: descriptors the ring holds by itself */
    WEFT__FEATURE_FTRUNCATE = 1 << 11,     /* 6.9: files are cut through the ring */
    WEFT__FEATURE_WAITID = 1 << 12,        /* 6.7: waits for the end of a process */
    WEFT__FEATURE_FUTEX = 1 << 13,         /* 6.7: waits for a word of memory */
    WEFT__FEATURE_SEND_ZC = 1 << 14,       /* 6.2, told from 6.3 on: zero-copy sends that report */
    WEFT__FEATURE_FIXED_BUFFERS = 1 << 15, /* memory the ring holds by itself */
};

enum { /* bits the kernel sets in *kernel_flags */
       WEFT__SQ_CQ_OVERFLOW = 1 << 1,
       WEFT__SQ_TASKRUN = 1 << 2,
};

struct weft__ring_counts {
    uint64_t enters;
    uint64_t enters_waiting;
    uint64_t sqes;
    uint64_t sq_full;
    uint64_t overflows;
};

struct weft__ring {
    struct weft__sqe *sqes;
    uint32_t sq_mask;
    uint32_t sq_tail;      /* requests taken so far */
    uint32_t sq_submitted; /* of them, those the kernel has consumed */
    uint32_t sq_entries;
    const struct weft__cqe *cqes;
    uint32_t cq_mask;
    uint32_t cq_entries;
    uint32_t *cq_head;            /* ours to write, with release */
    const uint32_t *cq_tail;      /* the kernel writes it: read with acquire */
    const uint32_t *kernel_flags; /* WEFT__SQ_*; the kernel writes it */
    uint32_t features;            /* WEFT__FEATURE_* in use */
    int fd;                       /* for other rings' bells; -1 where there is none */
    struct weft__ring_counts counts;
    void *state; /* the implementation's own */
};

/*
 * What describes who waits for what, piece by piece: the things of a tree in its order, each below
 * the last one of a lower depth, and who waits for which of them. `who` and `whom` are addresses
 * that stand for tasks and scopes; a piece may be named before it comes.
 */
struct weft__describer {
    void (*piece)(struct weft__describer *to, uint32_t depth, const void *who, const char *text);
    void (*waits)(struct weft__describer *to, const void *who, const void *whom);
    int64_t now_ns;    /* what a deadline is told against */
    const void *asker; /* the task that asks, if one does: it runs */
    bool live;         /* other threads run meanwhile: nothing of theirs is looked at */
    void (*below)(struct weft__describer *to, uint32_t depth, const void *task); /* each task; or
                                                                                    NULL */
};

/*
 * What the owner of a ring lets the kernel below it see. The simulated one counts its steps by it,
 * and says in its reports what the owner's tasks wait for; io_uring never looks. All of it may be
 * NULL. It is read while the ring is open, by the owner's thread or when no thread runs any more.
 */
struct weft__ring_owner {
    const uint64_t *switches; /* of tasks, so far */
    void (*describe)(void *owner, struct weft__describer *to);
    void *owner;
};

struct weft__ring_opt {
    uint32_t sq_entries;
    uint32_t cq_entries;
    char *error_text; /* receives cause and cure when opening fails; NULL allowed */
    size_t error_text_size;
    struct weft__ring_owner owner;
};

/*
 * Opens the calling thread's ring. 0; -ENOSYS, -EPERM, -ENOMEM, -EINVAL when io_uring cannot be
 * had: error_text then names the cause (kernel age, sysctl, seccomp, memlock) and the cure.
 */
int weft__ring_open(struct weft__ring *ring, const struct weft__ring_opt *opt);
/* Nothing may be in flight. */
void weft__ring_close(struct weft__ring *ring);

/* Submits what was taken and makes room; NULL when the kernel takes nothing more now. */
struct weft__sqe *weft__ring_take_slow(struct weft__ring *ring);

/* A free request, its contents undefined: fill all of it. NULL: try again after an enter. */
static inline struct weft__sqe *weft__ring_take(struct weft__ring *ring)
{
    if (__builtin_expect(ring->sq_tail - ring->sq_submitted < ring->sq_entries, 1))
        return &ring->sqes[ring->sq_tail++ & ring->sq_mask];
    return weft__ring_take_slow(ring);
}

/* Requests taken and not yet submitted. */
static inline uint32_t weft__ring_queued(const struct weft__ring *ring)
{
    return ring->sq_tail - ring->sq_submitted;
}

/*
 * Submits everything taken; fetches completions; with wait_count > 0 sleeps until that many are
 * there, or until the absolute time `deadline_ns` (INT64_MAX: no limit). Queued overflow is
 * flushed. Completions not yet read count towards wait_count. Returns 0, also when the time ran out
 * or a signal came; -EBADR when the kernel lost a completion (fatal); -EBUSY or -EAGAIN when it
 * would not take everything: reap and come again (what it did not take stays queued, and it has not
 * slept).
 */
int weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns);

/* True when an enter would bring completions, found out without a system call. Where the kernel
   does not tell (WEFT__FEATURE_TASKRUN_FLAG), false means nothing. */
static inline bool weft__ring_pending(const struct weft__ring *ring)
{
    return __atomic_load_n(ring->kernel_flags, __ATOMIC_RELAXED) &
           (WEFT__SQ_TASKRUN | WEFT__SQ_CQ_OVERFLOW);
}

/* True when there were more completions at the last enter than it brought: one is there for
   certain, or nearly so, and no queue is full. False means nothing, as above. */
static inline bool weft__ring_more(const struct weft__ring *ring)
{
    return (__atomic_load_n(ring->kernel_flags, __ATOMIC_RELAXED) &
            (WEFT__SQ_TASKRUN | WEFT__SQ_CQ_OVERFLOW)) == WEFT__SQ_TASKRUN;
}

/* Completions ready for reading, starting at *head, which the caller passes back to _seen. */
static inline uint32_t weft__ring_ready(const struct weft__ring *ring, uint32_t *head)
{
    *head = *ring->cq_head; /* only we write it */
    uint32_t ready = __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) - *head;
    weft__tsan_acquire(ring->sqes);
    return ready;
}

/* Everything before `head` has been read: the kernel may use those slots again. */
static inline void weft__ring_seen(struct weft__ring *ring, uint32_t head)
{
    __atomic_store_n(ring->cq_head, head, __ATOMIC_RELEASE);
}

/* Buffer rings: `count` (a power of two) slots of buffers from which the kernel picks. */
struct weft__buffer_ring {
    void *entries; /* the shared array; its tail lies in its first slot */
    uint32_t mask;
    uint16_t tail;
    uint16_t group;
};
int weft__buffer_ring_open(struct weft__ring *ring, struct weft__buffer_ring *buffers,
                           uint16_t group, uint32_t count);
/* Nothing may be armed on the group. */
void weft__buffer_ring_close(struct weft__ring *ring, struct weft__buffer_ring *buffers);

struct weft__buffer_slot { /* the kernel's layout (struct io_uring_buf) */
    uint64_t address;
    uint32_t length;
    uint16_t id;
    uint16_t tail; /* in slot 0: the ring's tail */
};

/* Offers one buffer to the kernel; _publish makes those offered visible. */
static inline void weft__buffer_ring_add(struct weft__buffer_ring *buffers, void *memory,
                                         uint32_t length, uint16_t id)
{
    struct weft__buffer_slot *slot =
        (struct weft__buffer_slot *)buffers->entries + (buffers->tail++ & buffers->mask);
    slot->address = (uint64_t)(uintptr_t)memory;
    slot->length = length;
    slot->id = id;
}
static inline void weft__buffer_ring_publish(struct weft__buffer_ring *buffers)
{
    struct weft__buffer_slot *first = (struct weft__buffer_slot *)buffers->entries;
    /* release: the slots filled above must be seen before the tail that covers them */
    __atomic_store_n(&first->tail, buffers->tail, __ATOMIC_RELEASE);
}

/*
 * Has the ring hold the open file behind descriptor `fd`, so that requests marked
 * WEFT__SQE_FIXED_FILE need not look it up and count it each time: 40 ns of a send. The file stays
 * open until it is let go, whatever close(2) says: let go before closing. One system call each, for
 * descriptors used often. 0, or a negative errno: then requests go on naming it as usual.
 */
int weft__ring_file_hold(struct weft__ring *ring, int fd);
void weft__ring_file_let_go(struct weft__ring *ring, int fd);

/*
 * From how many bytes on a zero-copy send costs less than one that copies, in this process, on this
 * machine. UINT32_MAX: never, or there is none. 0: another thread is finding out, ask again later.
 * The first call that needs it measures, on connections of its own, for some milliseconds.
 */
uint32_t weft__ring_zero_copy_min(const struct weft__ring *ring);

/*
 * Has the ring hold `size` bytes of `memory` as its piece `index`, below WEFT__PIECES: its pages
 * are found, kept in place and counted (RLIMIT_MEMLOCK) once, and not for each request. Requests
 * that weft__request_held has turned name the piece. A piece is held once; all are let go together,
 * with none of them in flight. 0, or a negative errno (-ENOMEM the limit, -ENOTSUP no table): then
 * it is memory like any.
 */
enum { WEFT__PIECES = 16 };
int weft__ring_memory_hold(struct weft__ring *ring, uint32_t index, void *memory, size_t size);
void weft__ring_memory_let_go(struct weft__ring *ring);

/*
 * The bell of another ring. It wakes that ring's thread if it sleeps in weft__ring_enter and shows
 * up there as a completion with user_data `token`.
 *
 * weft__bell_open arms the receiving side on `ring`. It may be rung in two ways, which look alike
 * at the other end:
 *   - weft__bell_ring, by any thread, in a signal handler too; one system call, at once;
 *   - weft__bell_prepare fills a request of the caller's own ring instead, which rides along with
 *     its next enter (false: not possible here, the request is untouched: ring directly). Cheaper
 *     for a thread about to enter and sleep. Success makes no completion; failure makes one, with
 *     the user_data the caller has set and a negative result: then, and only then, call
 *     weft__bell_ring.
 *
 * At the receiving end every completion of the bell but the last has WEFT__CQE_MORE, however it was
 * rung; without it, call weft__bell_rearm. Rings of a sleeper make a completion each, those of an
 * awake one may melt together; re-arming may give one that nobody rang.
 *
 * For a loop of another kind that sleeps in the ring's place, weft__bell_signal gives a descriptor
 * (the bell's, made when first asked for) that is readable from when a completion has come up, or
 * the bell was rung, until weft__bell_signal_seen, which is to come before an enter.
 *
 * A bell outlives the ring it wakes, and ringing it then does nothing; weft__bell_close once nobody
 * can ring it any more, after the ring itself was closed.
 */
struct weft__bell {
    int eventfd;
    int ring_fd; /* a descriptor of the bell's own for the ring; -1: MSG_RING cannot be used */
    uint64_t token;
    int signal_fd; /* 0: nobody asked for it. Written once, while others may ring */
};
int weft__bell_open(struct weft__bell *bell, struct weft__ring *ring, uint64_t token);
/* Arms the bell again after a completion of it came without WEFT__CQE_MORE. -EAGAIN: no request to
   be had now, come again after an enter. */
int weft__bell_rearm(struct weft__bell *bell, struct weft__ring *ring);
void weft__bell_ring(struct weft__bell *bell);
bool weft__bell_prepare(const struct weft__bell *bell, const struct weft__ring *from,
                        struct weft__sqe *sqe);
/* Waits until the bell has been rung by weft__bell_ring `count` times in its life, which is known
   to happen: whoever is to ring still uses it. Rings by request do not count. False when that took
   over a second: do not close it. */
bool weft__bell_settle(struct weft__bell *bell, uint64_t count);
void weft__bell_close(struct weft__bell *bell);
/* The descriptor; -ENOTSUP; or what eventfd(2) answers. On the ring's thread. */
int weft__bell_signal(struct weft__bell *bell, struct weft__ring *ring);
void weft__bell_signal_seen(struct weft__bell *bell);

/* A line naming the features in use; snprintf's result. */
int weft__ring_features(const struct weft__ring *ring, char *text, size_t size);

#endif
