/*
 * ring/host_cpus.h - affinity masks and processor quotas, for the ring's own files and their tests.
 */
#ifndef WEFT_RING_HOST_CPUS_H
#define WEFT_RING_HOST_CPUS_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

/* An affinity mask of whatever size this kernel has; set NULL: none. */
struct weft__cpu_mask {
    cpu_set_t *set;
    size_t size; /* bytes */
};

int weft__cpu_mask_apply(const struct weft__cpu_mask *mask);
void weft__cpu_mask_free(struct weft__cpu_mask *mask);

/* A copy of what the calling thread was allowed before it was pinned; empty when it is not pinned.
 */
int weft__cpu_mask_if_pinned(struct weft__cpu_mask *mask);
/* The same, no copy: the thread's own, until it is unpinned. */
const struct weft__cpu_mask *weft__cpu_mask_given(void);

/* CPUs' worth of time that the cgroups named in `membership` (the text of /proc/self/cgroup) allow,
   rounded up, at least 1; UINT32_MAX without a limit. `mount` is where the hierarchies are mounted.
 */
uint32_t weft__cpu_quota(const char *membership, const char *mount);

#endif
