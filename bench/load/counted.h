/* counted: weft_run with counters, for servers that are to be measured.
 *
 * One JSON line on standard output, like that of the comparison servers (server.h): at the end, and
 * on SIGUSR1, which a handler posts to the leader's inbox, so that nothing else runs in the process
 * and nobody looks while it is measured.
 */
#ifndef BENCH_LOAD_COUNTED_H
#define BENCH_LOAD_COUNTED_H

#include <weft/weft.h>

enum { COUNTED_REACTORS_MAX = 64 };

/* As weft_run, with at most COUNTED_REACTORS_MAX reactors. */
int counted_run(const char *program, weft_task_fn fn, const void *arg, size_t arg_size,
                const struct weft_run_opt *opt);

/* Where the calling reactor counts messages; printed when one was counted. */
uint64_t *counted_messages(void);

#endif
