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

#endif
