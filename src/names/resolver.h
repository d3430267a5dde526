/*
 * names/resolver.h - a resolver: what it remembers, and who asks for it.
 *
 * Owned by the reactor that opened it, touched by nobody else. Two of these stand behind it, one of
 * which is built in: by_cares.c and by_pool.c.
 *
 * A question is asked for one task; it lives until the answer is there and the task has taken it or
 * given it up, whichever is later.
 */
#ifndef WEFT_NAMES_RESOLVER_H
#define WEFT_NAMES_RESOLVER_H

#include <weft/names.h>
#include <weft/weft.h>

enum { WEFT__NAME_SIZE = 256, WEFT__NAME_ADDRESSES = 32 };

/* What a name came to. */
struct weft__answer {
    char host[WEFT__NAME_SIZE];
    int family;
    int error;      /* 0, or why there are no addresses */
    uint32_t count; /* <= WEFT__NAME_ADDRESSES */
    struct weft_name_address list[WEFT__NAME_ADDRESSES];
};

struct weft__question {
    weft_resolver *resolver;
    weft_future *answered; /* NULL: the asking itself waits */
    int users;             /* the task, and who will answer */
    struct weft__answer answer;
};

struct weft__remembered;

struct weft_resolver {
    weft_inbox *home; /* of the reactor */
    int asking;       /* tasks that wait for it */
    struct weft_resolver_opt opt;
    struct weft__remembered *names; /* the youngest first */
    uint32_t count;
    void *backend;
};

/* What stands behind: opening, closing, and asking, which fills question->answer, at once or later;
   then it calls weft__answered. */
int weft__backend_open(weft_resolver *resolver);
void weft__backend_close(weft_resolver *resolver);
int weft__backend_ask(struct weft__question *question) WEFT_SUSPENDS;

/* `error`, such that weft_cause() is NONE where it is -ETIMEDOUT: time that a server has let pass,
   and no deadline around the caller. */
int weft__names_told(int error) WEFT_SUSPENDS;

/* The answer is there: it is remembered, its task told, and the question let go of. */
void weft__answered(struct weft__question *question);

#endif
