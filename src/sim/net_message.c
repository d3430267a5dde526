/*
 * sim/net_message.c - marks among the bytes of a socket; net_message.h says what they are.
 */
#include "sim/net_message.h"

#include <string.h>

struct weft__net_mark *weft__net_mark_add(struct weft__net_marks *marks, uint32_t size,
                                          struct weft__sim_message *message)
{
    struct weft__net_mark *mark = weft__sim_alloc(sizeof *mark);

    mark->begin = marks->written;
    mark->end = marks->written + size;
    if (message) {
        mark->rights = message->rights;
        message->rights = NULL;
    }
    if (marks->first)
        marks->last->next = mark;
    else
        marks->first = mark;
    marks->last = mark;
    return mark;
}

void weft__net_mark_take(struct weft__sim *sim, struct weft__net_marks *marks,
                         struct weft__sim_message *message)
{
    struct weft__net_mark *mark = marks->first;

    marks->first = mark->next;
    if (message) {
        memcpy(&message->name, &mark->from, sizeof mark->from);
        message->name_length = mark->from_length;
        message->rights = mark->rights;
    } else {
        weft__sim_rights_drop(sim, mark->rights);
    }
    weft__sim_free(mark);
}

void weft__net_marks_free(struct weft__sim *sim, struct weft__net_marks *marks)
{
    while (marks->first)
        weft__net_mark_take(sim, marks, NULL);
}
