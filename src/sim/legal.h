/*
 * sim/legal.h - which errors a request may end with because of the state of the machine or of the
 * peer, and not of its arguments: a table, by opcode. Data, the same for every world.
 */
#ifndef WEFT_SIM_LEGAL_H
#define WEFT_SIM_LEGAL_H

#include <stddef.h>
#include <stdint.h>

enum { WEFT__SIM_LEGAL_MAX = 20 };

/* Which requests of the opcode a row is for. */
enum weft__sim_legal_for {
    WEFT__SIM_FOR_ANY,
    WEFT__SIM_FOR_FILE,      /* a regular file of the disk */
    WEFT__SIM_FOR_UDP,       /* a socket for datagrams of a network */
    WEFT__SIM_FOR_UNIX,      /* a Unix socket, of whichever kind */
    WEFT__SIM_FOR_O_CREAT,   /* an open that may make the file */
    WEFT__SIM_FOR_BELOW_DIR, /* an open that must stay below a directory */
};

struct weft__sim_legal {
    uint8_t opcode;
    enum weft__sim_legal_for which;
    const char *pages;                   /* of the manual, that say so */
    int32_t errors[WEFT__SIM_LEGAL_MAX]; /* ended by 0 */
};

struct weft__sim_request;

/* The row of an opcode or a worker's call for requests of this kind; NULL: nothing is legal. */
const struct weft__sim_legal *weft__sim_legal_of(uint8_t opcode, enum weft__sim_legal_for which);
/* That of a request: the first of the opcode that is for it. */
const struct weft__sim_legal *weft__sim_legal_for(const struct weft__sim_request *request);
size_t weft__sim_legal_count(const struct weft__sim_legal *row);

#endif
