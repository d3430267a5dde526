/* What a peer's echo server counted, as the one line of JSON the other servers print too.
 *
 * For C and C++ alike; belongs to the one thread such a server has.
 */
#ifndef BENCH_COMPARE_TALLY_H
#define BENCH_COMPARE_TALLY_H

#ifdef __cplusplus
extern "C" {
#endif

#include "common.h"
#include "server.h"

/* What is read at once, for every peer as for the epoll server: larger than most messages, so that
 * what came together is read together. */
enum { PEER_BUFFER_BYTES = 64 * 1024, PEER_BACKLOG = 4096 };

/* Opens the listener that `argv` names, the only argument, and raises the limit of descriptors.
 * Returns it, with the address in *address; else says why on standard error and ends the program.
 */
int tally_listen(int argc, char **argv, struct address *address);

/* The line that says the server takes connections; the CPU time counts from here. */
void tally_ready(const char *where);

/* The counters, and the CPU time since tally_ready. `enters` is not printed: a peer's system calls
 * are its own affair. */
void tally_print(const char *program, const struct engine_counters *counters);

#ifdef __cplusplus
}
#endif

#endif
