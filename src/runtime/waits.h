/*
 * runtime/waits.h - who waits for what on a reactor, as a tree: for reports of a world that has
 * stopped, and for who asks a running one (print.c).
 */
#ifndef WEFT_RUNTIME_WAITS_H
#define WEFT_RUNTIME_WAITS_H

#include "ring/ring.h"

/*
 * Describes the scopes and tasks of `reactor` (a struct weft__reactor), each task below the scope
 * whose child it is, each scope below the task that has it open, the outermost first. Looks, and
 * changes nothing; follows calls to other reactors, unless those run meanwhile (to->live).
 */
void weft__describe_waits(void *reactor, struct weft__describer *to);

struct weft__line;
struct weft__reactor;
struct weft__task;

/* Tasks of one reactor that wait for one another in a circle: by joins, for the first of those
   whose ends they need, and for locks. For who runs there. */
struct weft__circles {
    void (*tell)(struct weft__circles *circles, const struct weft__task *task); /* one of it */
    uint32_t first;                                                             /* its own */
};
void weft__circles_find(struct weft__reactor *reactor, struct weft__circles *circles);
/* "a cycle: task 2 "a" -> task 3 "b" -> task 2 "a"": the circle that this one is of. */
void weft__circle_put(struct weft__line *line, const struct weft__task *task);

#endif
