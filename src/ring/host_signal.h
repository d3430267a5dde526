/*
 * ring/host_signal.h - the boundary, part four: signals of this program, read from a descriptor.
 *
 * A claim is made, read and released on one thread, the claimant's. What always holds: a signal is
 * claimed by at most one; a claim released leaves mask and disposition as it found them.
 */
#ifndef WEFT_RING_HOST_SIGNAL_H
#define WEFT_RING_HOST_SIGNAL_H

#include <signal.h>

struct weft__signal_record {
    int number;
    int pid;
    int uid;
    int value;
};

/* Claims those of the set. fd: that of a claim released before, or -1: a new one. The descriptor,
   readable once one has come; -EBUSY, -EMFILE, ... and nothing is claimed. */
int weft__host_signal_claim(const sigset_t *set, int fd);
/* Drops what has come. The descriptor stays open, and nothing will come. fd -1: there is none any
   more. */
void weft__host_signal_release(const sigset_t *set, int fd);
/* Up to `count` of those that have come; 0: none has; -EBADF the descriptor is not open. Does not
   wait. */
int weft__host_signal_read(int fd, struct weft__signal_record *records, int count);

#endif
