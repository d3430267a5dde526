/*
 * doctor.h - what weft-doctor finds out about a machine, and says.
 *
 * ask.c fills the report, suite.c adds the answers of the contract suite (tests/contract), say.c
 * prints it for people, json.c for programs. One thread; the report is filled once and then read.
 */
#ifndef WEFT_TOOLS_DOCTOR_DOCTOR_H
#define WEFT_TOOLS_DOCTOR_DOCTOR_H

#include "contract.h"

#include <sys/utsname.h>

enum { DOCTOR_TEXT = 400, DOCTOR_FEATURES = 16, DOCTOR_BROKEN = 32 };

enum doctor_verdict { DOCTOR_FULL = 0, DOCTOR_REDUCED = 1, DOCTOR_CANNOT = 2 };

struct doctor_feature {
    const struct contract_feature *known;
    bool used;
    bool counts;           /* its absence costs something */
    char why[DOCTOR_TEXT]; /* why it is missing */
    const char *cost;      /* what that costs, a sentence */
};

struct doctor_broken {
    const struct contract_check *check;
    struct contract_result result;
};

struct doctor_report {
    struct utsname names;
    struct contract_kernel kernel;
    char refusal[DOCTOR_TEXT]; /* why there is no ring, and the cure; "": there is one */

    struct doctor_feature features[DOCTOR_FEATURES];
    unsigned feature_count;

    uint32_t cpus;
    uint32_t reactors;         /* how many of them could be opened side by side, one for each CPU */
    char crowded[DOCTOR_TEXT]; /* why not all */

    uint32_t zero_copy_min; /* bytes from which on a zero-copy send pays; UINT32_MAX: never */

    bool guard_marks; /* guards of stacks cost no mapping (6.13) */
    uint32_t mappings_max;
    uint64_t descriptors_soft, descriptors_hard; /* UINT64_MAX: no limit */
    uint64_t memlock;

    bool asked; /* the suite was run */
    unsigned held, unused, broken_count;
    struct doctor_broken broken[DOCTOR_BROKEN]; /* the first of them */
};

/* Everything but the suite. */
void doctor_ask(struct doctor_report *report);
/* Runs the suite; the process has one thread. */
void doctor_run_suite(struct doctor_report *report);
enum doctor_verdict doctor_verdict(const struct doctor_report *report);

void doctor_say(const struct doctor_report *report);
void doctor_json(const struct doctor_report *report);

#endif
