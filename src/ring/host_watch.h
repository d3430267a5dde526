/*
 * ring/host_watch.h - the boundary, part five: what happens to files and directories.
 *
 * What always holds: the numbers of a descriptor's watches are above zero and given once.
 */
#ifndef WEFT_RING_HOST_WATCH_H
#define WEFT_RING_HOST_WATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One thing that happened, as inotify(7) lays it out; the next begins behind the name's room. */
struct weft__watch_record {
    int32_t number;
    uint32_t what; /* IN_*, which enum weft_watch_what repeats */
    uint32_t cookie;
    uint32_t room; /* of the name, with its end and what fills it up; 0: none */
    char name[];
};

enum { WEFT__WATCH_RECORD_MAX = sizeof(struct weft__watch_record) + 256 };

/* A descriptor that is readable once something has happened. Or -EMFILE, ... */
int weft__host_watch_open(void);
/* The number; -EEXIST. Looks up the path, and may wait for a disk: for workers of the pool. */
int weft__host_watch_add(int fd, const char *path, uint32_t mask);
int weft__host_watch_remove(int fd, int number);
/* What has happened, whole records, in order: how many bytes; 0: nothing. size: at least that of
   the largest record. Does not wait. */
ssize_t weft__host_watch_read(int fd, void *memory, size_t size);

#endif
