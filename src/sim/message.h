/*
 * sim/message.h - what travels beside the bytes of a SENDMSG or RECVMSG, between request and
 * object.
 */
#ifndef WEFT_SIM_MESSAGE_H
#define WEFT_SIM_MESSAGE_H

#include "sim/object.h"

enum { WEFT__SIM_RIGHTS_MAX = 253 };

/* Files on their way from one process to another; each with a reference. */
struct weft__sim_rights {
    struct weft__sim_file *files[WEFT__SIM_RIGHTS_MAX];
    uint32_t count;
};

struct weft__sim_message {
    struct sockaddr_storage name;    /* sent: where to. Received: where from */
    socklen_t name_length;           /* 0: not said */
    struct weft__sim_rights *rights; /* sent: taken by the object, which leaves NULL. Received: the
                                        object's gift. NULL: none */
    uint32_t flags;                  /* received: MSG_TRUNC */
    uint32_t segment;                /* sent: to be cut up so, 0: not. Received: how it was */
};

/* Lets go of them: nobody will have them. NULL is allowed. */
void weft__sim_rights_drop(struct weft__sim *sim, struct weft__sim_rights *rights);

#endif
