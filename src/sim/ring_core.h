/*
 * sim/ring_core.h - rings and requests of the simulated kernel, for the files that are one.
 *
 *      taken --enter--> submitted --+--> tried ----> result --enter--> completion
 *                                   |      |  ^        (held back, if drawn: written and told
 * later) later    |      |  | (event) -+      v  | enter waits on its file --changed--> work of the
 * ring
 *
 * Requests are tried inside weft__ring_enter of their own ring's thread, and only there: as with
 * DEFER_TASKRUN, what has become possible is `work`, a flag tells of it, and an enter does it. A
 * request ends by one completion without MORE; until then it holds its file, and the memory it was
 * lent.
 *
 * ring.c: the queues, enter. request.c: the life of a request. op.c: what each opcode does.
 * trouble.c: what goes wrong with it. legal.c: by which errors. vector.c: memory in pieces.
 * file_request.c: names of files. cancel.c: cancelling. buffers.c: rings of buffers. held.c: memory
 * held. bell.c: bells. All of it on the world's thread.
 */
#ifndef WEFT_SIM_RING_CORE_H
#define WEFT_SIM_RING_CORE_H

#include "ring/ring.h"
#include "sim/disk.h"
#include "sim/lent.h"
#include "sim/world.h"

enum weft__sim_request_state {
    WEFT__SIM_LATER, /* `event` will make it work */
    WEFT__SIM_WAITS, /* on its file */
    WEFT__SIM_WORK,  /* on the ring's list */
    WEFT__SIM_HANGS, /* until cancelled */
};

struct weft__sim_request {
    struct weft__sim_request *next;      /* in the table of those in flight, or of the free */
    struct weft__sim_request *work_next; /* on the ring's list */
    struct weft__sim_ring *ring;
    struct weft__sim_file *file; /* with a reference; NULL: none */
    struct weft__sqe sqe;
    struct weft__sim_waiter waiter;
    struct weft__sim_event event;
    struct weft__sim_dice dice;
    uint64_t serial; /* made of its file's (or ring's) and its number there */
    enum weft__sim_request_state state;
    bool listed;      /* in the table: a cancel finds it */
    bool begun;       /* a connect: the object is at it */
    bool woken;       /* what it waited for was told: a try may be drawn to come to nothing */
    bool ended;       /* `result` is known, and held back */
    bool cancelled;   /* by its next try it ends, one way or another */
    bool spared;      /* cancelled, but the next try is a real one */
    int32_t end_code; /* what it ends with then, if nothing else comes of it */
    int32_t result;
    uint32_t flags; /* of the completion */
    uint32_t done;  /* bytes moved so far, with MSG_WAITALL */
    struct weft__sim_lent lent;
    bool nowhere;        /* the memory it names is none */
    bool for_all;        /* goes on after a short count: MSG_WAITALL */
    unsigned char *held; /* bytes received and not written yet; of a connect, the address */
    char *words;         /* paths, and what else is copied with them */
    struct weft__sim_lent *pieces; /* of a vector: memory lent, in order; `lent` is then unused */
    uint32_t piece_count;
    struct msghdr *message;      /* of SENDMSG and RECVMSG: as it was submitted */
    struct msghdr *user_message; /* where what came is told */
    bool told;                   /* a zero-copy send: only its notification is left to come */
    bool stuck;                  /* the disk has it: no cancel ends it */
    bool ready_at_once;          /* it was to wait first, and something was there */
    bool emptied;                /* its file, by the latest receive */
};

struct weft__sim_cqes { /* completions that found no room */
    struct weft__cqe *cqes;
    uint32_t head, count, room;
};

struct weft__sim_group { /* a ring of buffers */
    struct weft__sim_group *next;
    struct weft__buffer_slot *slots;
    uint16_t id;
    uint16_t head; /* picked up to here */
    uint16_t seen; /* poisoned up to here */
    uint32_t mask;
};

struct weft__sim_held { /* memory that the ring holds */
    char *memory;
    size_t size; /* 0: none */
};

enum { WEFT__SIM_CHAINS = 1024 };

struct weft__sim_ring {
    struct weft__sim_ring *next, **link; /* among the world's */
    struct weft__sim *sim;
    struct weft__ring *shown; /* the library's view; moves when the library moves it: see enter */
    struct weft__sim_thread *owner;
    struct weft__ring_owner told; /* what the owner lets us see */
    uint64_t switches;            /* of its tasks, counted as steps so far */
    struct weft__sim_file *file;  /* stands for the ring behind its descriptors */
    uint64_t serial;
    uint64_t requests; /* without a file, so far: names them */
    struct weft__sim_dice dice;
    struct weft__sqe *sqes;
    struct weft__cqe *cqes;
    uint32_t cq_entries;
    uint32_t cq_head, cq_tail, kernel_flags; /* the shared words */
    bool cq_is_full;                         /* drawn: taken to be, until the next enter */
    bool lost;                               /* a completion */
    struct weft__sim_cqes overflow;
    struct weft__sim_request *work, **work_tail;
    uint32_t work_count;
    uint32_t wanted; /* completions that the sleeping owner waits for; 0: it does not sleep */
    struct weft__sim_group *groups;
    struct weft__sim_file **held_files; /* by number of the descriptor */
    uint32_t held_room;
    struct weft__sim_held pieces[WEFT__PIECES];
    uint32_t in_flight;
    struct weft__sim_request *free;
    struct weft__sim_request *table[WEFT__SIM_CHAINS]; /* by user_data */
};

static inline struct weft__sim_ring *weft__sim_ring_of(const struct weft__ring *ring)
{
    return (struct weft__sim_ring *)ring->state;
}

/* ring.c. Posts a completion, which counts as a step. False: it had to go to the overflow. */
bool weft__sim_post(struct weft__sim_ring *ring, uint64_t user_data, int32_t result,
                    uint32_t flags);
/* True when a completion posted now would have to go to the overflow. */
bool weft__sim_cq_full(const struct weft__sim_ring *ring);
/* The ring behind a file; NULL when it is no ring, or one that has been closed. */
struct weft__sim_ring *weft__sim_ring_behind(const struct weft__sim_file *file);

/* request.c */
void weft__sim_submit(struct weft__sim_ring *ring, struct weft__sqe *sqe);
/* A request that is there for the sake of its completion. Not to be cancelled. */
void weft__sim_deliver(struct weft__sim_ring *ring, uint64_t user_data, int32_t result,
                       uint32_t flags, int64_t when_ns);
/* Does what is on the ring's list of work now. */
void weft__sim_do_work(struct weft__sim_ring *ring);
/* Makes it work at that time. */
void weft__sim_work_at(struct weft__sim_request *request, int64_t when_ns);
/* The disk has it, and does not answer for long; no cancel changes that. */
void weft__sim_stick(struct weft__sim_request *request);
/* The request with this user_data that a cancel would find; NULL. */
struct weft__sim_request *weft__sim_find(struct weft__sim_ring *ring, uint64_t user_data);
/* One turn of a request: tries it, and ends it or has it wait. */
void weft__sim_try(struct weft__sim_request *request);
/* Ends it with a result. */
void weft__sim_finish(struct weft__sim_request *request, int32_t result, uint32_t flags);
/* Frees everything a ring has in flight: nothing is told any more. */
void weft__sim_forget_all(struct weft__sim_ring *ring);
bool weft__sim_is_multishot(const struct weft__sim_request *request);
/* What a request that met -EAGAIN waits for; 0: it cannot wait. */
uint32_t weft__sim_events_of(const struct weft__sim_request *request);

/* op.c: does it, once. The result, or -EAGAIN: not now. `limit` bounds a transfer. */
int32_t weft__sim_perform(struct weft__sim_request *request, uint32_t limit, uint32_t *flags);
bool weft__sim_needs_file(uint8_t opcode);
bool weft__sim_moves_bytes(uint8_t opcode);

/* file_request.c: requests that name files, and those of a file as a whole. The first copies what
   the kernel copies when they are submitted: 0, -EFAULT, -ENAMETOOLONG, -EINVAL. */
bool weft__sim_names_files(uint8_t opcode);
int weft__sim_copy_names(struct weft__sim_request *request);
int32_t weft__sim_perform_names(struct weft__sim_request *request);
bool weft__sim_is_of_whole_file(uint8_t opcode);
int32_t weft__sim_perform_whole(struct weft__sim_request *request);

/* Text that ends somewhere: 0 and how long it is, with its end; -EFAULT; -ENAMETOOLONG. */
int weft__sim_copy_text(uint64_t address, char *to, size_t size, size_t *length);
int weft__sim_place_of(struct weft__sim *sim, int dirfd, const char *path,
                       enum weft__sim_walk_for what_for, struct weft__sim_place *place);

/* xattr.c: requests for what stands beside a file's bytes; as the above. */
bool weft__sim_is_xattr(uint8_t opcode);
bool weft__sim_sets_xattr(uint8_t opcode);
int weft__sim_copy_xattr(struct weft__sim_request *request);
int32_t weft__sim_perform_xattr(struct weft__sim_request *request);

/* futex.c: the object of a word, with a reference; whether a request waits for another value; one
   try, which comes to -EAGAIN or an error. */
struct weft__sim_file *weft__sim_futex_of(struct weft__sim *sim, const void *word);
/* Wakes `count` of those who wait for it, at most: how many. */
int weft__sim_futex_wake(struct weft__sim *sim, const void *word, int count);
bool weft__sim_futex_differs(const struct weft__sim_request *request);
int32_t weft__sim_perform_futex(const struct weft__sim_request *request);

/* held.c: a request by memory that the ring holds becomes a plain one; -EFAULT: it does not hold
   that. */
int weft__sim_find_held(const struct weft__sim_ring *ring, struct weft__sqe *sqe);

/* vector.c: memory in pieces. _lend: 0, -EINVAL, -EFAULT; the length of the request becomes the sum
   of theirs. */
bool weft__sim_is_vector(uint8_t opcode);
int weft__sim_vector_lend(struct weft__sim_request *request);
void weft__sim_vector_get(const struct weft__sim_request *request, void *memory, uint32_t length);
void weft__sim_vector_put(const struct weft__sim_request *request, const void *memory,
                          uint32_t length);
bool weft__sim_vector_give_back(struct weft__sim_request *request);

/* message.c: requests with a message. */
typedef int32_t weft__sim_mover(struct weft__sim *sim, struct weft__sim_file *file,
                                struct weft__sim_transfer *transfer);
bool weft__sim_is_message(uint8_t opcode);
int weft__sim_message_lend(struct weft__sim_request *request);
int32_t weft__sim_move_message(struct weft__sim_request *request, weft__sim_mover *by,
                               uint32_t limit);

/* trouble.c: an error that the request may have (legal.h), drawn; 0: there is none. */
int32_t weft__sim_errno_of(struct weft__sim_request *request);
/* What a try is to come to: 0 (what it will), or an error to end with. *postponed: it is
   not tried now, and its state says when. */
int32_t weft__sim_draw_trouble(struct weft__sim_request *request, uint32_t *limit, bool *postponed);
/* How many bytes a try may move. */
uint32_t weft__sim_draw_limit(struct weft__sim_request *request);
/* A result counts for every rule of the plan that it matches. */
void weft__sim_count_result(struct weft__sim_request *request);

/* cancel.c */
void weft__sim_cancel(struct weft__sim_ring *ring, struct weft__sim_request *canceller);

/* buffers.c: the next buffer of the group and its id, without taking it; then taking it. False:
   there is none. */
bool weft__sim_buffer_peek(struct weft__sim_ring *ring, uint16_t group, unsigned char **memory,
                           uint32_t *length, uint16_t *id);
void weft__sim_buffer_take(struct weft__sim_ring *ring, uint16_t group);
/* Poisons what has been offered since the last look. */
void weft__sim_buffers_look(struct weft__sim_ring *ring);
void weft__sim_buffers_end(struct weft__sim_ring *ring);

#endif
