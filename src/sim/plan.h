/*
 * sim/plan.h - a plan: what every knob stands at, and single events by order.
 *
 * Data, made from one line of text (<weft/sim.h> gives the grammar), printed as one, and the same
 * for as long as a world lives but for the counting of its rules.
 */
#ifndef WEFT_SIM_PLAN_H
#define WEFT_SIM_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "sim/knobs.h"

enum { WEFT__SIM_RULES_MAX = 16, WEFT__SIM_ODDS = 1000000 };

/* What a rule has happen besides an error (a negative errno). */
enum weft__sim_outcome {
    WEFT__SIM_OUTCOME_RESET = 1,
    WEFT__SIM_OUTCOME_SHORT,
    WEFT__SIM_OUTCOME_HANG,
    WEFT__SIM_OUTCOME_LATE,
    WEFT__SIM_OUTCOME_STUCK,
};

/* A call of a worker's that rules may name as they name requests: no opcode of the kernel's. */
enum { WEFT__SIM_CALL_COPY = 0xf0 };

struct weft__sim_rule {
    uint8_t opcode;
    char kind[12];   /* of file; empty: any */
    uint64_t serial; /* of the file; 0: any */
    uint64_t nth;    /* from 1 */
    int outcome;     /* enum above, or a negative errno */
    uint64_t seen;   /* results counted so far */
};

struct weft__sim_setting {
    int64_t low, high; /* odds: low == high */
    uint64_t key;      /* of the knob's name: what makes its draws its own */
    uint64_t mixed;    /* of that and the seed */
};

struct weft__sim_plan {
    uint64_t seed;
    struct weft__sim_setting knobs[WEFT__SIM_KNOB_COUNT];
    struct weft__sim_rule rules[WEFT__SIM_RULES_MAX];
    uint32_t rule_count;
    char text[4096]; /* as it was given */
};

/* 0, or -EINVAL: the text is not understood. NULL is the default plan. */
int weft__sim_plan_parse(struct weft__sim_plan *plan, const char *text);
/* Draws are by this seed from now on. */
void weft__sim_plan_seed(struct weft__sim_plan *plan, uint64_t seed);
/* In full; snprintf's result. */
int weft__sim_plan_print(const struct weft__sim_plan *plan, char *text, size_t size);

const char *weft__sim_opcode_name(uint8_t opcode);
const char *weft__sim_note_name(enum weft__sim_note note);

#endif
