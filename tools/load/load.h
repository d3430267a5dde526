/*
 * load.h - the load generator: what is asked for, and what is shared while it runs.
 *
 * Reactor 0 leads: it starts a share of the connections on each reactor (share.c), opens and shuts
 * the window in which things are measured, and watches over progress (lead.c). Each connection is a
 * task, in the open loop two (talk.c). A share is written by its own reactor alone; the leader
 * reads its atomic counters meanwhile, and the rest when the share has ended.
 */
#ifndef WEFT_LOAD_LOAD_H
#define WEFT_LOAD_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "histogram.h"

struct plan {
    const char *address; /* ADDRESS:PORT or unix:PATH */
    uint32_t connections;
    uint32_t reactors;
    uint32_t depth;      /* closed loop: messages in flight on each connection */
    size_t size;         /* of a message, bytes */
    double rate;         /* open loop: messages a second over all connections; 0: closed loop */
    uint64_t messages;   /* over all connections; 0: until the time is over */
    int64_t duration_ns; /* of the window; 0: until the messages are through */
    int64_t warmup_ns;   /* before the window */
    int64_t patience_ns; /* this long without any message: given up */
    pid_t server;        /* whose CPU time is measured too; 0: nobody's */
    const char *json;    /* where the JSON goes: a file, "-", or NULL */
    bool progress;
};

/* What went wrong on the connections of one share; the first instance of each in full. */
struct trouble {
    uint64_t wrong_bytes;
    uint64_t ended;  /* connections that the server ended, or that failed, in the middle */
    uint64_t unsent; /* connections given up, still owed an answer */
    uint32_t wrong_connection;
    uint64_t wrong_offset;
    uint8_t wrong_expected, wrong_got;
    int ended_error; /* 0: the stream's end */
    int connect_error;
};

struct load;

/* The connections of one reactor. */
struct share {
    struct load *load;
    uint32_t index;
    int *fds;
    uint32_t count;               /* of fds, open */
    _Atomic(uint64_t) messages;   /* answered whole */
    struct histogram *latency_ns; /* of those in the window */
    struct trouble trouble;
    int result;
};

struct load {
    const struct plan *plan;
    struct share *shares;
    _Atomic(uint32_t) connected; /* shares that have all their connections, or failed */
    _Atomic(uint32_t) ended;     /* shares that are through */
    _Atomic(int64_t) start_ns;   /* 0: not yet; -1: never */
    _Atomic(bool) measuring;     /* closed loop: the window is open */
    _Atomic(bool) stopping;      /* nothing new is sent */
};

/* What is known after the run. */
struct outcome {
    struct histogram latency_ns;
    struct trouble trouble;
    uint64_t messages; /* in the window */
    uint64_t messages_total;
    double seconds;      /* of the window */
    double cpu_s;        /* our own in the window, user and system */
    double server_cpu_s; /* the server's, if asked for; else negative */
    bool stalled;
    int error; /* of the run itself */
};

/* talk.c: the task of connection `fds[slot]` of a share; arg is a struct talk_arg. */
struct talk_arg {
    struct share *share;
    uint32_t slot;
};
int talk_closed(void *arg);
int talk_open(void *arg);
/* Messages this connection is to send, UINT64_MAX when only time limits it. */
uint64_t talk_limit(const struct plan *plan, uint32_t connection);

/* share.c: the task of a share; arg is its address. */
int share_run(void *arg);
static inline uint32_t share_connection(const struct share *share, uint32_t slot)
{
    return slot * share->load->plan->reactors + share->index;
}

/* lead.c: all of it. Returns 0, or what weft_run said; `text` then may say more. */
int lead(const struct plan *plan, struct outcome *outcome, char *text, size_t text_size);

/* report.c: returns the exit code. */
int report(const struct plan *plan, const struct outcome *outcome, const char *text);

#endif
