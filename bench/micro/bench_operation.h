/* What bench_operation.cc needs of the layers whose headers are C alone; see bench_operation.c. */
#ifndef BENCH_OPERATION_H
#define BENCH_OPERATION_H

#ifdef __cplusplus
extern "C" {
#endif

/* In a task: a request that does nothing, through the ring, waited for. 0 or a negative errno. */
int bench_nop(void);

/* The same on a bare ring, `batch` at a time. NULL, false: no ring to be had. */
struct bench_bare;
struct bench_bare *bench_bare_open(void);
int bench_bare_nops(struct bench_bare *bare, unsigned batch);
void bench_bare_close(struct bench_bare *bare);

#ifdef __cplusplus
}
#endif

#endif
