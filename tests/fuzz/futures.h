/*
 * Futures as the model sees them, for the steps that wait for them.
 */
#ifndef WEFT_TESTS_FUZZ_FUTURES_H
#define WEFT_TESTS_FUZZ_FUTURES_H

#include "objects.h"

enum { CELLS_MAX = 24 };

struct cell {
    bool used; /* the program has a reference */
    struct object object;
    weft_future *future;
    bool drops; /* a value that nobody takes is to be destroyed */
    bool settled, taken;
    unsigned resets;
    int64_t result;
    uint64_t settled_when;
    int64_t settled_at;
    int settled_by;        /* reactor */
    bool may_be_cancelled; /* it was given to a call that owns it */
    int busy;              /* calls that borrow the program's reference */
};

struct cell *cell_pick(uint8_t choice);
/* What calls may have done to it that own it; and that it says what is known of it. */
void cell_refresh(struct cell *cell);

void futures_reset(void), futures_check_end(void);

#endif
