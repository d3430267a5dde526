/*
 * io/activation.h - the words of socket activation: LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES.
 *
 * They come from whoever started the process. Nothing here asks the kernel for anything; any
 * thread.
 */
#ifndef WEFT_IO_ACTIVATION_H
#define WEFT_IO_ACTIVATION_H

#include <stdbool.h>
#include <stdint.h>

enum { WEFT__ACTIVATION_NAME_SIZE = 256 };

/* How many descriptors the words (NULL: not there) say that the process `self` has: 0 when they are
   none or another's; -EINVAL what is there is no number, or too large. */
int weft__activation_count(const char *pid, const char *fds, int64_t self, bool any_process);

/* Do `names` (NULL: not there) name `count` of them? 0, or -EINVAL: more or fewer, one that is too
   long, or with characters that are none of a name. */
int weft__activation_check(const char *names, uint32_t count);

/* The name of that index, of names that were checked. */
void weft__activation_name(const char *names, uint32_t index,
                           char name[WEFT__ACTIVATION_NAME_SIZE]);

#endif
