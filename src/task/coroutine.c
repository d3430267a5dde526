/*
 * task/coroutine.c - coroutines as values, and the tickets that debug builds give them.
 */
#include "task/coroutine.h"

#include <errno.h>

#include "base/memory.h"
#include "task/task.h"

weft_awaitable weft_coro(weft_task_fn fn, const void *arg, size_t arg_size)
{
    weft_awaitable made = {.kind = WEFT_AWAITABLE_COROUTINE,
                           .arg_size = arg_size,
                           .fn = fn,
                           .arg = arg};

    if (!fn || (arg_size && !arg) || arg_size > WEFT_ARG_SIZE_MAX) {
        (void)weft__misuse(-EINVAL, "no function, no argument of that size, or too large a one");
        made.kind = WEFT_AWAITABLE_NONE; /* which nobody accepts */
        return made;
    }
    if (weft__task_self())
        made.ticket = weft__coroutine_made(weft__task_self());
    return made;
}

#ifdef WEFT_DEBUG

struct ticket {
    struct ticket *next;
    uint64_t maker; /* its generation, which no other task of the process has */
    uint32_t number;
    struct weft_call_site site;
};

/* A task never changes its thread, so neither do its tickets. Newest first. */
static __thread struct ticket *tickets;
static __thread uint32_t latest;

uint32_t weft__coroutine_made(const struct weft__task *maker)
{
    struct ticket *ticket = weft__alloc(sizeof *ticket);

    if (!ticket)
        return 0; /* then nobody will be told of it */
    latest += latest == UINT32_MAX ? 2 : 1;
    *ticket = (struct ticket){.next = tickets,
                              .maker = maker->generation,
                              .number = latest,
                              .site = weft__call_site};
    tickets = ticket;
    return latest;
}

void weft__coroutine_used(const weft_awaitable *awaitable)
{
    for (struct ticket **link = &tickets, *ticket; (ticket = *link); link = &ticket->next)
        if (awaitable->ticket && ticket->number == awaitable->ticket) {
            *link = ticket->next;
            weft__free(ticket);
            return;
        }
}

void weft__coroutines_end(const struct weft__task *maker)
{
    struct ticket **link = &tickets, *ticket;

    while ((ticket = *link)) {
        struct weft_call_site before = weft__call_site;
        if (ticket->maker != maker->generation) {
            link = &ticket->next;
            continue;
        }
        *link = ticket->next;
        weft__call_site = ticket->site;
        (void)weft__misuse(-EINVAL, "the coroutine made here was never awaited");
        weft__call_site = before;
        weft__free(ticket);
    }
}

#endif
