/*
 * sim/tree.c - keeps what the owners of rings describe, and finds who waits in a circle.
 *
 * What always holds: everything is numbered in the order in which it was told, and looked for in
 * that order, so a report never depends on an address.
 */
#include "sim/tree.h"

#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

struct weft__sim_edge {
    const void *who, *whom;
    uint32_t from, to; /* the numbers of their pieces */
};

static void *room_for(void *memory, uint32_t count, uint32_t *room, size_t size)
{
    uint32_t more = *room ? *room * 2 : 64;

    if (count < *room)
        return memory;
    memory = weft__sim_grow(memory, *room * size, more * size);
    *room = more;
    return memory;
}

static void add_piece(struct weft__describer *to, uint32_t depth, const void *who, const char *text)
{
    struct weft__sim_tree *tree = (struct weft__sim_tree *)to;
    size_t size = strlen(text) + 1;
    char *copy = weft__sim_alloc(size);

    tree->pieces =
        room_for(tree->pieces, tree->piece_count, &tree->piece_room, sizeof *tree->pieces);
    memcpy(copy, text, size);
    tree->pieces[tree->piece_count++] = (struct weft__sim_piece){who, depth, tree->group, copy};
}

static void add_edge(struct weft__describer *to, const void *who, const void *whom)
{
    struct weft__sim_tree *tree = (struct weft__sim_tree *)to;

    tree->edges = room_for(tree->edges, tree->edge_count, &tree->edge_room, sizeof *tree->edges);
    tree->edges[tree->edge_count++] = (struct weft__sim_edge){.who = who, .whom = whom};
}

void weft__sim_tree_begin(struct weft__sim_tree *tree, int64_t now_ns)
{
    *tree = (struct weft__sim_tree){
        .describer = {.piece = add_piece, .waits = add_edge, .now_ns = now_ns}};
}

void weft__sim_tree_add(struct weft__sim_tree *tree, const struct weft__ring_owner *owner)
{
    tree->group++;
    if (owner->describe)
        owner->describe(owner->owner, &tree->describer);
}

void weft__sim_tree_end(struct weft__sim_tree *tree)
{
    for (uint32_t i = 0; i < tree->piece_count; i++)
        weft__sim_free(tree->pieces[i].text);
    weft__sim_free(tree->pieces);
    weft__sim_free(tree->edges);
}

/* -- cycles -------------------------------------------------------------------------------------
 */

/* Pieces by address, to be looked up. */
struct named {
    const void *who;
    uint32_t number;
};

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct named *)a)->who;
    uintptr_t y = (uintptr_t)((const struct named *)b)->who;

    return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
    const struct weft__sim_edge *x = a, *y = b;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return (x->to > y->to) - (x->to < y->to);
}

static uint32_t number_of(const struct named *named, uint32_t count, const void *who)
{
    const struct named key = {.who = who}, *found;

    found = bsearch(&key, named, count, sizeof *named, by_address);
    return found ? found->number : UINT32_MAX;
}

/* Numbers the ends of the edges, and sorts them. Gives how many lead from a piece to a piece. */
static uint32_t number_edges(const struct weft__sim_tree *tree)
{
    struct named *named = weft__sim_alloc((tree->piece_count + 1) * sizeof *named);
    uint32_t kept = 0;

    for (uint32_t i = 0; i < tree->piece_count; i++)
        named[i] = (struct named){tree->pieces[i].who, i};
    qsort(named, tree->piece_count, sizeof *named, by_address);
    for (uint32_t i = 0; i < tree->edge_count; i++) {
        struct weft__sim_edge edge = tree->edges[i];
        edge.from = number_of(named, tree->piece_count, edge.who);
        edge.to = number_of(named, tree->piece_count, edge.whom);
        if (edge.from != UINT32_MAX && edge.to != UINT32_MAX)
            tree->edges[kept++] = edge;
    }
    weft__sim_free(named);
    if (kept > 0)
        qsort(tree->edges, kept, sizeof *tree->edges, by_number);
    return kept;
}

enum { NEW, ON_THE_PATH, DONE };

struct search {
    const struct weft__sim_tree *tree;
    uint32_t *first; /* of a piece's edges; the next one's is where they end */
    uint32_t *next;  /* the edge of a piece to be followed next */
    uint32_t *path;
    unsigned char *state;
    uint32_t length;
};

static void index_edges(struct search *search, uint32_t edges)
{
    uint32_t edge = 0;

    for (uint32_t piece = 0; piece <= search->tree->piece_count; piece++) {
        while (edge < edges && search->tree->edges[edge].from < piece)
            edge++;
        search->first[piece] = edge;
    }
}

static void step_to(struct search *search, uint32_t piece)
{
    search->state[piece] = ON_THE_PATH;
    search->next[piece] = search->first[piece];
    search->path[search->length++] = piece;
}

/* Depth first from `start`; an edge to a piece on the path closes a cycle. */
static uint32_t search_from(struct search *search, uint32_t start, uint32_t count_max,
                            void (*cycle)(void *context, const uint32_t *path, uint32_t length),
                            void *context)
{
    uint32_t found = 0;

    step_to(search, start);
    while (search->length > 0) {
        uint32_t here = search->path[search->length - 1], to, at = search->length;
        if (search->next[here] == search->first[here + 1]) {
            search->state[here] = DONE;
            search->length--;
            continue;
        }
        to = search->tree->edges[search->next[here]++].to;
        if (search->state[to] == NEW) {
            step_to(search, to);
        } else if (search->state[to] == ON_THE_PATH && found < count_max) {
            while (search->path[at - 1] != to)
                at--;
            cycle(context, search->path + at - 1, search->length - at + 1);
            found++;
        }
    }
    return found;
}

void weft__sim_tree_cycles(const struct weft__sim_tree *tree, uint32_t count_max,
                           void (*cycle)(void *context, const uint32_t *path, uint32_t length),
                           void *context)
{
    size_t count = tree->piece_count + 1;
    struct search search = {.tree = tree,
                            .first = weft__sim_alloc(count * sizeof *search.first),
                            .next = weft__sim_alloc(count * sizeof *search.next),
                            .path = weft__sim_alloc(count * sizeof *search.path),
                            .state = weft__sim_alloc(count)};

    index_edges(&search, number_edges(tree));
    for (uint32_t piece = 0; piece < tree->piece_count && count_max > 0; piece++)
        if (search.state[piece] == NEW)
            count_max -= search_from(&search, piece, count_max, cycle, context);
    weft__sim_free(search.first);
    weft__sim_free(search.next);
    weft__sim_free(search.path);
    weft__sim_free(search.state);
}
