/*
 * contract.h - what weft relies on from a kernel, as a table of checks.
 *
 * Each check is a few requests and one answer in words, which is compared with the answer recorded
 * for the kernel at hand. The checks know the boundary's headers alone (ring/ring.h,
 * ring/request.h, ring/host.h), so that the same objects run on the real ring of whatever machine
 * this is and on a simulated kernel. A kernel that answers otherwise than recorded has failed the
 * check, also where weft could live with the answer: then it is to be recorded, with a reason.
 *
 * Two ways to run one: contract_run_forked gives it a process and a time limit, so that a hung
 * check is a result; contract_run runs it where the caller stands, for a kernel that has neither.
 *
 * How a check is written. The helpers below never fail to their caller: the first thing that goes
 * wrong is kept in `trouble`, whatever follows does nothing, and the check has failed. What a
 * helper opened is closed after the check, in the opposite order. Waiting is done in the ring with
 * a deadline and nowhere else; nothing reads another clock than the boundary's. What is still in
 * flight when the check is over is cancelled and waited for, as a reactor does before it closes.
 */
#ifndef WEFT_TESTS_CONTRACT_CONTRACT_H
#define WEFT_TESTS_CONTRACT_CONTRACT_H

#include "ring/host.h"
#include "ring/request.h"
#include "ring/ring.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- kernels and their answers --------------------------------------------------------------- */

#define CONTRACT_KERNEL(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor))

/* Which kernel answers. */
struct contract_kernel {
    uint32_t version;  /* CONTRACT_KERNEL; of a simulated one, the kernel it is to be like */
    bool simulated;    /* not the machine's own */
    uint32_t features; /* WEFT__FEATURE_* that its ring has in use */
    uint32_t masked;   /* those that WEFT_RING_MASK names */
};

enum contract_whose { CONTRACT_ANY, CONTRACT_REAL, CONTRACT_SIMULATED };

/* ANSWER("words", .since = ...) in the list of a check. */
#define ANSWER(...)                                                                                \
    {                                                                                              \
        .text = __VA_ARGS__                                                                        \
    }

/* One recorded answer, and for which kernels it stands. Where the change between two kernels lies
   is not always known: then the ranges of two answers overlap, and either is right between. */
struct contract_answer {
    const char *text;       /* NULL ends the list */
    uint32_t since, before; /* kernels from `since` on and below `before`; 0: no limit */
    uint32_t with, without; /* those of whose features all, none of which, are in use */
    enum contract_whose whose;
};

enum { CONTRACT_ANSWERS = 4, CONTRACT_TEXT = 200 };

struct contract;

struct contract_check {
    const char *name;      /* topic/what-is-asked */
    const char *relied_on; /* one sentence, true of every kernel weft runs on */
    const char *where;     /* the code that relies on it */
    void (*run)(struct contract *c);
    uint32_t uses; /* features without which that code does not run, so that nothing is asked */
    struct contract_answer answers[CONTRACT_ANSWERS];
};

/* All of them, topic by topic; a topic is a file, and ends with a check that has no name. */
extern const struct contract_check *const contract_topics[];
extern const size_t contract_topic_count;
size_t contract_count(void);
const struct contract_check *contract_at(size_t index);

/* -- running ---------------------------------------------------------------------------------- */

enum contract_outcome {
    CONTRACT_HELD,
    CONTRACT_UNUSED, /* a feature it is about is not in use */
    CONTRACT_BROKEN, /* another answer than recorded, or none */
    CONTRACT_HUNG,
    CONTRACT_DIED, /* by a signal, or by an exit of its own */
};

struct contract_result {
    enum contract_outcome outcome;
    char answer[CONTRACT_TEXT];  /* what the kernel said */
    char trouble[CONTRACT_TEXT]; /* why there is no whole answer, or "" */
};

/* Here and now, on this thread. */
void contract_run(const struct contract_check *check, const struct contract_kernel *kernel,
                  struct contract_result *result);
/* In a process of its own, which is ended after `limit_s` seconds. */
void contract_run_forked(const struct contract_check *check, const struct contract_kernel *kernel,
                         unsigned limit_s, struct contract_result *result);
/* Lowers this process's limit, so that a check can come to the end of the descriptors. */
void contract_limit_descriptors(void);
/* True when some recorded answer for this kernel reads so. */
bool contract_expected(const struct contract_check *check, const struct contract_kernel *kernel,
                       const char *answer);
/* The recorded answers for this kernel, joined by " or ". */
void contract_expectation(const struct contract_check *check, const struct contract_kernel *kernel,
                          char *text, size_t size);

/* Opens a ring and notes what it can do; version and simulated are the caller's to set. 0, or what
   weft__ring_open said, with its text. */
int contract_kernel_ask(struct contract_kernel *kernel, char *text, size_t size);
/* The same for this machine's kernel, its version and WEFT_RING_MASK included. */
int contract_kernel_here(struct contract_kernel *kernel, char *text, size_t size);

/* The features that WEFT_RING_MASK names. */
uint32_t contract_masked(void);

/* The optional features by name, and the kernel that brought each. */
struct contract_feature {
    const char *name;
    uint32_t bit;
    uint32_t since; /* the first kernel where weft finds it */
};
extern const struct contract_feature contract_features[];
extern const size_t contract_feature_count;

/* -- for the checks --------------------------------------------------------------------------- */

enum {
    CONTRACT_RINGS = 8,
    CONTRACT_FDS = 600,
    CONTRACT_STASH = 1024,
    CONTRACT_FD_LIMIT = 256, /* descriptors a check may have open */
};

struct contract_ring {
    struct weft__ring ring; /* first: helpers go from the one to the other */
    bool open;
    uint32_t walked; /* requests taken that were noted below */
    uint32_t in_flight_count;
    uint64_t in_flight[CONTRACT_STASH]; /* the names of requests that will complete once more */
    uint32_t stashed;                   /* completions that came while another was waited for */
    struct weft__cqe stash[CONTRACT_STASH];
    struct weft__buffer_ring groups[4];
    uint32_t group_count;
};

struct contract {
    const struct contract_kernel *kernel;
    char answer[CONTRACT_TEXT];
    char trouble[CONTRACT_TEXT];
    struct contract_ring rings[CONTRACT_RINGS];
    uint32_t ring_count;
    int fds[CONTRACT_FDS]; /* -1: closed by the check */
    uint32_t fd_count;
    struct weft__bell bells[4];
    uint32_t bell_count;
    uint64_t own_tokens; /* given to requests that helpers make */
    struct weft__sqe nowhere;
};

/* Adds words to the answer, after a comma. */
void contract_say(struct contract *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "what 12" or "what -ECANCELED". */
void contract_say_result(struct contract *c, const char *what, int64_t result);
/* What happened where nothing should have. Only the first is kept. */
void contract_trouble(struct contract *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Trouble unless it holds: for what a check needs before it can ask. */
void contract_need(struct contract *c, bool holds, const char *what);

/* A ring of this thread; 0 entries: 16, and four times as many completions. Never NULL. */
struct weft__ring *contract_ring(struct contract *c, uint32_t sq_entries, uint32_t cq_entries);
/* Closes one before the check ends. */
void contract_ring_close(struct contract *c, struct weft__ring *ring);
bool contract_has(const struct contract *c, uint32_t feature);

/* A request to be filled, then submitted by the next enter. Never NULL. */
struct weft__sqe *contract_take(struct contract *c, struct weft__ring *ring);
/* CONTRACT_ASK(c, ring, token, recv, fd, ...) takes a request, fills it and names it. */
#define CONTRACT_ASK(c, ring, token, kind, ...)                                                    \
    do {                                                                                           \
        struct weft__sqe *contract_sqe = contract_take(c, ring);                                   \
        weft__request_##kind(contract_sqe, ##__VA_ARGS__);                                         \
        contract_sqe->user_data = (token);                                                         \
    } while (0)

void contract_enter(struct contract *c, struct weft__ring *ring, uint32_t wait_count,
                    int64_t deadline_ns);
/* Submits what was taken, and fetches. */
void contract_submit(struct contract *c, struct weft__ring *ring);
/* The next completion of `token`, waiting for it at most CONTRACT_PATIENCE_NS. */
struct weft__cqe contract_wait(struct contract *c, struct weft__ring *ring, uint64_t token);
/* The same until `deadline_ns`, without trouble: false when none came. */
bool contract_next(struct contract *c, struct weft__ring *ring, uint64_t token, int64_t deadline_ns,
                   struct weft__cqe *cqe);
/* Whether nothing of `token` comes within a moment. */
bool contract_silent(struct contract *c, struct weft__ring *ring, uint64_t token);
/* Reads what is there without entering, into the stash; how many of `token` the stash then has. */
uint32_t contract_here(struct contract *c, struct weft__ring *ring, uint64_t token);
/* Takes a completion out of the stash; false: there is none of that token. */
bool contract_unstash(struct contract *c, struct weft__ring *ring, uint64_t token,
                      struct weft__cqe *cqe);
int64_t contract_soon(void); /* a moment from now: long enough for what is already under way */
int64_t contract_late(void); /* the end of patience */

/* Requests made and waited for. */
int32_t contract_send(struct contract *c, struct weft__ring *ring, int fd, const void *data,
                      size_t size);
int32_t contract_recv(struct contract *c, struct weft__ring *ring, int fd, void *data, size_t size);
int32_t contract_connect(struct contract *c, struct weft__ring *ring, int fd, const void *address,
                         socklen_t length);
int32_t contract_accept(struct contract *c, struct weft__ring *ring, int fd);
int32_t contract_close(struct contract *c, struct weft__ring *ring, int fd);
/* Cancels `target`; true when the cancel was silent, which is success. Else *answer is its result.
   The target's own completion is left to the caller. */
bool contract_cancel(struct contract *c, struct weft__ring *ring, uint64_t target, int32_t *answer);

struct contract_address {
    struct sockaddr_storage storage;
    socklen_t length;
};
/* A stream socket of AF_INET or AF_UNIX, closed after the check. */
int contract_socket(struct contract *c, int family);
/* One that listens at an address of its own. */
int contract_listener(struct contract *c, int family, int backlog,
                      struct contract_address *address);
/* The path of a name of this process's own, in a folder that every machine has. */
const char *contract_path(const char *name);
/* An address on this machine that is free: 127.0.0.1 port 0, or an abstract name. */
void contract_address(struct contract *c, int family, struct contract_address *address);
/* Two ends of one connection. */
void contract_pair(struct contract *c, struct weft__ring *ring, int family, int pair[2]);
/* Puts a descriptor under the check's care (negative: passed over); gives it back. */
int contract_keep(struct contract *c, int fd);
/* host_close of one that the helpers know; its result. */
int contract_drop(struct contract *c, int fd);
/* It was closed in another way. */
void contract_forget(struct contract *c, int fd);
/* Closing it sends a reset. */
void contract_reset_on_close(struct contract *c, int fd);
/* Sends until the kernel takes no more now; how many bytes. */
size_t contract_fill(struct contract *c, struct weft__ring *ring, int fd);
/* Receives until the end of the stream or an error; how many bytes. */
size_t contract_drain(struct contract *c, struct weft__ring *ring, int fd);

/* A ring of buffers, `count` slots; offered are `offered` buffers of `size` bytes of `memory`. */
struct weft__buffer_ring *contract_buffers(struct contract *c, struct weft__ring *ring,
                                           uint16_t group, uint32_t count, void *memory,
                                           uint32_t size, uint32_t offered);
static inline uint32_t contract_buffer_id(struct weft__cqe cqe)
{
    return cqe.flags >> WEFT__CQE_BUFFER_SHIFT;
}

/* A bell of this ring, closed after the check and after its ring. */
struct weft__bell *contract_bell(struct contract *c, struct weft__ring *ring, uint64_t token);

/* "more", "buffer" and the like, for answers. */
const char *contract_more(struct weft__cqe cqe);

#endif
