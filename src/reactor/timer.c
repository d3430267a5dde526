/*
 * reactor/timer.c - the timer wheel; timer.h says how it is laid out and what holds.
 */
#include "reactor/timer.h"

#include <stdlib.h>
#include <string.h>

void weft__timers_open(struct weft__timers *timers, int64_t now_ns)
{
    memset(timers, 0, sizeof *timers);
    timers->tick = (uint64_t)now_ns >> WEFT__TIMER_TICK_SHIFT;
    timers->due_tail = &timers->due;
}

static void list_push(struct weft__timer **list, struct weft__timer *timer)
{
    timer->next = *list;
    if (timer->next)
        timer->next->link = &timer->next;
    timer->link = list;
    *list = timer;
}

/* The tick whose end fires the timer; the past counts as the present. */
static uint64_t tick_of(const struct weft__timers *timers, const struct weft__timer *timer)
{
    uint64_t tick = timer->due_ns < 0 ? 0 : (uint64_t)timer->due_ns >> WEFT__TIMER_TICK_SHIFT;
    return tick < timers->tick ? timers->tick : tick;
}

static void place(struct weft__timers *timers, struct weft__timer *timer)
{
    uint64_t tick = tick_of(timers, timer);
    uint64_t differs = tick ^ timers->tick;
    uint32_t level = differs ? (63 - (uint32_t)__builtin_clzll(differs)) / 6 : 0;
    uint32_t slot = (uint32_t)(tick >> (6 * level)) % WEFT__TIMER_SLOTS;

    timers->next_ns = 0;
    timers->maps[level] |= UINT64_C(1) << slot;
    list_push(&timers->lists[level][slot], timer);
}

void weft__timer_arm(struct weft__timers *timers, struct weft__timer *timer, int64_t due_ns)
{
    timer->due_ns = due_ns;
    timer->order = timers->order++;
    timers->alive++;
    place(timers, timer);
}

/* When the list that `link` heads has become empty, its bit in the map goes. */
static void list_emptied(struct weft__timers *timers, struct weft__timer **link)
{
    struct weft__timer **first = &timers->lists[0][0];
    size_t index = ((uintptr_t)link - (uintptr_t)first) / sizeof *first;

    if ((uintptr_t)link >= (uintptr_t)first && index < WEFT__TIMER_LEVELS * WEFT__TIMER_SLOTS)
        timers->maps[index / WEFT__TIMER_SLOTS] &= ~(UINT64_C(1) << (index % WEFT__TIMER_SLOTS));
}

void weft__timer_disarm(struct weft__timers *timers, struct weft__timer *timer)
{
    struct weft__timer **link = timer->link;

    if (!link)
        return;
    *link = timer->next;
    if (timer->next)
        timer->next->link = link;
    else if (timers->due_tail == &timer->next)
        timers->due_tail = link;
    else
        list_emptied(timers, link);
    timer->link = NULL;
    timers->next_ns = 0;
    timers->alive--;
}

/* The next list that holds anything: its level, and the tick at which it begins. */
static bool next_list(const struct weft__timers *timers, uint32_t *level, uint64_t *begin)
{
    for (uint32_t l = 0; l < WEFT__TIMER_LEVELS; l++) {
        if (!timers->maps[l])
            continue;
        uint64_t slot = (uint64_t)__builtin_ctzll(timers->maps[l]);
        uint64_t above = l + 1 < WEFT__TIMER_LEVELS ? ~UINT64_C(0) << (6 * (l + 1)) : 0;
        *level = l;
        *begin = (timers->tick & above) | slot << (6 * l);
        return true;
    }
    return false;
}

static bool fires_before(const struct weft__timer *a, const struct weft__timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

/* Takes the longest sorted run off the front of *list. Lists are pushed at the front, so runs lie
   there backwards: reversing while taking makes the usual case, armed in order, one single run. */
static struct weft__timer *take_run(struct weft__timer **list)
{
    struct weft__timer *run = *list, *rest = run->next;

    run->next = NULL;
    while (rest && fires_before(rest, run)) {
        struct weft__timer *next = rest->next;
        rest->next = run;
        run = rest;
        rest = next;
    }
    *list = rest;
    return run;
}

static struct weft__timer *merge(struct weft__timer *a, struct weft__timer *b)
{
    struct weft__timer *merged = NULL, **tail = &merged;

    while (a && b) {
        struct weft__timer **first = fires_before(a, b) ? &a : &b;
        *tail = *first;
        tail = &(*first)->next;
        *first = (*first)->next;
    }
    *tail = a ? a : b;
    return merged;
}

/* Sorts a list by merging its runs, the sizes kept balanced as in a binary counter. */
static struct weft__timer *sort(struct weft__timer *list)
{
    struct weft__timer *piles[64] = {NULL}, *sorted = NULL;

    while (list) {
        struct weft__timer *run = take_run(&list);
        uint32_t i = 0;
        for (; piles[i]; i++) {
            run = merge(piles[i], run);
            piles[i] = NULL;
        }
        piles[i] = run;
    }
    for (uint32_t i = 0; i < 64; i++)
        sorted = merge(piles[i], sorted);
    return sorted;
}

static void append_due(struct weft__timers *timers, struct weft__timer *list)
{
    list = sort(list);
    *timers->due_tail = list;
    for (struct weft__timer **link = timers->due_tail; *link; link = &(*link)->next) {
        (*link)->link = link;
        timers->due_tail = &(*link)->next;
    }
}

/* Is there a list that has to be dealt with before the present may become `tick_now`? One of level
   0 when its tick has wholly passed; one above as soon as its span begins, because the present must
   never lie inside the span of a list that has not been spread out. */
static bool overdue(const struct weft__timers *timers, uint64_t tick_now, uint32_t *level,
                    uint64_t *begin)
{
    return next_list(timers, level, begin) && (*level ? *begin <= tick_now : *begin < tick_now);
}

/* Makes `tick_now` the present: what has wholly passed moves to the due list. */
static void advance(struct weft__timers *timers, uint64_t tick_now)
{
    uint32_t level;
    uint64_t begin;

    while (overdue(timers, tick_now, &level, &begin)) {
        uint32_t slot = (uint32_t)(begin >> (6 * level)) % WEFT__TIMER_SLOTS;
        struct weft__timer *list = timers->lists[level][slot];
        timers->next_ns = 0;
        timers->lists[level][slot] = NULL;
        timers->maps[level] &= ~(UINT64_C(1) << slot);
        timers->tick = begin;
        if (level == 0) {
            append_due(timers, list);
            continue;
        }
        while (list) {
            struct weft__timer *next = list->next;
            place(timers, list);
            list = next;
        }
    }
    if (tick_now > timers->tick)
        timers->tick = tick_now;
}

uint32_t weft__timers_run(struct weft__timers *timers, int64_t now_ns, uint32_t count_max)
{
    uint32_t count = 0;

    advance(timers, (uint64_t)now_ns >> WEFT__TIMER_TICK_SHIFT);
    while (timers->due && count < count_max) {
        struct weft__timer *timer = timers->due;
        weft__timer_disarm(timers, timer);
        timer->fire(timer);
        count++;
    }
    return count;
}

/* The time by which every timer of the list has to be looked at: the earliest due time, when
   finding it is cheap; else the time at which the list's span begins, where it will be spread out.
 */
static int64_t list_deadline(const struct weft__timer *list, uint32_t level, uint64_t begin)
{
    int64_t earliest = INT64_MAX;

    if (level > 0) {
        uint32_t count = 0;
        for (; list && count < 16; list = list->next, count++)
            if (list->due_ns < earliest)
                earliest = list->due_ns;
        if (!list)
            begin = (uint64_t)earliest >> WEFT__TIMER_TICK_SHIFT;
    }
    if (begin + 1 > (uint64_t)INT64_MAX >> WEFT__TIMER_TICK_SHIFT)
        return INT64_MAX;
    return (int64_t)((begin + 1) << WEFT__TIMER_TICK_SHIFT); /* the end of the tick */
}

static int64_t next_deadline(const struct weft__timers *timers)
{
    uint32_t level;
    uint64_t begin;

    if (!next_list(timers, &level, &begin))
        return INT64_MAX;
    return list_deadline(timers->lists[level][(begin >> (6 * level)) % WEFT__TIMER_SLOTS], level,
                         begin);
}

/* Asked each turn, of timers that are mostly far away and whose memory is cold: found once for as
   long as they are the same. The present moves, but the first list is no other for that. */
int64_t weft__timers_next(struct weft__timers *timers)
{
    if (timers->due)
        return 0;
    if (timers->next_ns == 0)
        timers->next_ns = next_deadline(timers);
    return timers->next_ns;
}

void weft__timers_check(const struct weft__timers *timers)
{
    uint64_t count = 0;

    for (const struct weft__timer *t = timers->due; t; t = t->next, count++)
        if (*t->link != t || (t->next && fires_before(t->next, t)))
            abort();
    for (uint32_t i = 0; i < WEFT__TIMER_LEVELS * WEFT__TIMER_SLOTS; i++) {
        const struct weft__timer *list = timers->lists[i / 64][i % 64];
        if (!list != !(timers->maps[i / 64] >> (i % 64) & 1))
            abort();
        for (; list; list = list->next, count++)
            if (*list->link != list)
                abort();
    }
    if (count != timers->alive)
        abort();
    if (timers->next_ns != 0 && timers->next_ns != next_deadline(timers))
        abort();
}
