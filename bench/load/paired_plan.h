/* What the files of `paired` share.
 *
 *   paired.c           options; the run, in one process or divided among several
 *   paired_variants.c  the servers without weft, and which of all take part
 *   paired_slice.c     connections, rounds, slices: what is timed
 *   paired_report.c    what came of it, as a table or as JSON
 *
 * One thread each process; a contestant belongs to the process that opened it.
 */
#ifndef BENCH_LOAD_PAIRED_PLAN_H
#define BENCH_LOAD_PAIRED_PLAN_H

#include <stdbool.h>

#include "paired.h"

enum { VARIANTS_MAX = 24, PAIRINGS_MAX = 20000, PAIRINGS_MIN = 15, PROCESSES_MAX = 50 };
enum { PATTERN_SHIFT_MAX = 4096, SIZE_MAX_BYTES = 65536, INFLIGHT_MAX_BYTES = 65536 };

struct plan {
    bool tcp;
    bool json;
    bool apart;  /* each variant in a process of its own */
    bool gather; /* the client half writes a pipeline with one send */
    int raw;     /* descriptor to write the bare pairings to, for the parent; -1: print a report */
    unsigned processes;
    unsigned connections, depth;
    size_t size;
    double seconds;        /* the run ends after the first pairing past this */
    unsigned pairings_min; /* ... and not before this many, unless three times as long and 5 s have
                              passed */
    uint64_t slice_ns;
    int cpu;
    const char *only; /* comma-separated names, NULL for the default set */
};

struct player;

struct contestant {
    struct variant variant;
    const struct player *player; /* who measures it, when variants are in processes of their own */
    int *clients;                /* our ends */
    uint64_t round;
    uint64_t enters_timed, messages_timed; /* over the counted rounds */
    double *ns_per_message;                /* one for each pairing */
};

/* Fills in the variants that take part, the reference first; how many. Notes the message size. */
unsigned paired_choose(const struct plan *plan, struct contestant *contestants);

/* Once, before anything is opened: fills the pattern and measures the time stamp's rate. */
void paired_prepare(void);
/* Connects the contestant's sockets, opens its server and warms both up. 0 or a negative errno. */
int paired_open(const struct plan *plan, struct contestant *c);
/* The client half's ends; the server half's are closed by the variant. */
void paired_close_clients(const struct plan *plan, const int *clients);
/* One slice. 0 or a negative errno. */
int paired_slice(const struct plan *plan, struct contestant *c, double *ns_per_message);

/* Prints the results; the exit status. */
int paired_report(const struct plan *plan, const struct contestant *contestants, unsigned count,
                  unsigned pairings);

#endif
