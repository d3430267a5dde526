/*
 * sim/tree.h - a tree of who waits for what, as the owners of rings describe it (ring/ring.h), and
 * the cycles in it.
 */
#ifndef WEFT_SIM_TREE_H
#define WEFT_SIM_TREE_H

#include "ring/ring.h"

struct weft__sim_piece {
    const void *who;
    uint32_t depth;
    uint32_t group; /* whose description it is from */
    char *text;
};

struct weft__sim_tree {
    struct weft__describer describer; /* first: what the owners are handed */
    struct weft__sim_piece *pieces;   /* in the order they were told */
    uint32_t piece_count, piece_room;
    struct weft__sim_edge *edges;
    uint32_t edge_count, edge_room;
    uint32_t group; /* of what is told now */
};

void weft__sim_tree_begin(struct weft__sim_tree *tree, int64_t now_ns);
/* Has one owner describe what is its; the pieces from the last one's end on are it. */
void weft__sim_tree_add(struct weft__sim_tree *tree, const struct weft__ring_owner *owner);
void weft__sim_tree_end(struct weft__sim_tree *tree);

/* Calls `cycle` for each cycle found, at most `count_max`: `path` are the numbers of its pieces,
   each of which waits for the next, and the last for the first. Of cycles that share a part, not
   all. */
void weft__sim_tree_cycles(const struct weft__sim_tree *tree, uint32_t count_max,
                           void (*cycle)(void *context, const uint32_t *path, uint32_t length),
                           void *context);

#endif
