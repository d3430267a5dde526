/*
 * ring/host_cpus.c - which CPUs the process may use, and pinning to one of them.
 *
 * Any thread may call these, each for itself. What always holds: the answers are about what the
 * thread was given, not about the single CPU it was pinned to here; unpinning restores what it was
 * given.
 */
#include "ring/host_cpus.h"
#include "base/memory.h"
#include "ring/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CPUS_FIRST_GUESS = 1024, CPUS_LIMIT = 1 << 20 };

/* What this thread may use when it is not pinned; empty while it is not. */
static _Thread_local struct weft__cpu_mask given;

/* --- affinity ----------------------------------------------------------------------------------
 */

void weft__cpu_mask_free(struct weft__cpu_mask *mask)
{
    weft__free(mask->set);
    *mask = (struct weft__cpu_mask){NULL, 0};
}

int weft__cpu_mask_apply(const struct weft__cpu_mask *mask)
{
    return sched_setaffinity(0, mask->size, mask->set) < 0 ? -errno : 0;
}

static int mask_copy(struct weft__cpu_mask *to, const struct weft__cpu_mask *from)
{
    *to = (struct weft__cpu_mask){weft__alloc(from->size), from->size};
    if (!to->set)
        return -ENOMEM;
    memcpy(to->set, from->set, from->size);
    return 0;
}

/* The calling thread's mask as the kernel has it now. EINVAL means that the set is too small. */
static int mask_read(struct weft__cpu_mask *mask)
{
    for (int cpus = CPUS_FIRST_GUESS; cpus <= CPUS_LIMIT; cpus *= 2) {
        *mask =
            (struct weft__cpu_mask){weft__calloc(1, CPU_ALLOC_SIZE(cpus)), CPU_ALLOC_SIZE(cpus)};
        if (!mask->set)
            return -ENOMEM;
        if (sched_getaffinity(0, mask->size, mask->set) == 0)
            return 0;
        int error = -errno;
        weft__cpu_mask_free(mask);
        if (error != -EINVAL)
            return error;
    }
    return -EINVAL;
}

int weft__cpu_mask_if_pinned(struct weft__cpu_mask *mask)
{
    *mask = (struct weft__cpu_mask){NULL, 0};
    return given.set ? mask_copy(mask, &given) : 0;
}

const struct weft__cpu_mask *weft__cpu_mask_given(void)
{
    return &given;
}

static int mask_allowed(struct weft__cpu_mask *mask)
{
    return given.set ? mask_copy(mask, &given) : mask_read(mask);
}

int weft__host_pin(int cpu)
{
    if (cpu < 0 || cpu >= CPUS_LIMIT)
        return -EINVAL;
    struct weft__cpu_mask before = {NULL, 0};
    int error = given.set ? 0 : mask_read(&before);
    if (error < 0)
        return error;

    size_t size = CPU_ALLOC_SIZE(cpu + 1);
    struct weft__cpu_mask one = {weft__calloc(1, size), size};
    error = -ENOMEM;
    if (one.set) {
        CPU_SET_S(cpu, size, one.set);
        error = weft__cpu_mask_apply(&one);
    }
    weft__cpu_mask_free(&one);
    if (error < 0)
        weft__cpu_mask_free(&before);
    else if (before.set)
        given = before;
    return error;
}

int weft__host_unpin(void)
{
    if (!given.set)
        return 0;
    int error = weft__cpu_mask_apply(&given);
    weft__cpu_mask_free(&given);
    return error;
}

/* --- cgroup quota ------------------------------------------------------------------------------
 */

static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static uint32_t whole_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return UINT32_MAX; /* "max" and -1 */
    long long cpus = (quota + period - 1) / period;
    return cpus < UINT32_MAX ? (uint32_t)cpus : UINT32_MAX;
}

/* Version 2: "QUOTA PERIOD" or "max PERIOD". */
static uint32_t quota_v2(const char *folder)
{
    char path[1100], text[64];
    long long quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (!read_text(path, text, sizeof text) || sscanf(text, "%lld %lld", &quota, &period) != 2)
        return UINT32_MAX;
    return whole_cpus(quota, period);
}

/* Version 1: two files; a quota of -1 is none. */
static uint32_t quota_v1(const char *folder)
{
    char path[1100], quota[32], period[32];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!read_text(path, quota, sizeof quota))
        return UINT32_MAX;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!read_text(path, period, sizeof period))
        return UINT32_MAX;
    return whole_cpus(atoll(quota), atoll(period));
}

/* The least of the group's own quota and its parents', up to the mount. In a container the path may
   name groups outside of what is mounted: those folders do not exist, and the mount itself counts.
 */
static uint32_t quota_upwards(const char *mount, const char *group, uint32_t (*quota)(const char *))
{
    char folder[1024];
    size_t base = strlen(mount);
    if (snprintf(folder, sizeof folder, "%s%s", mount, group) >= (int)sizeof folder)
        return UINT32_MAX;
    uint32_t least = UINT32_MAX;
    for (;;) {
        uint32_t here = quota(folder);
        least = here < least ? here : least;
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= base || !slash || (size_t)(slash - folder) < base)
            return least;
        *slash = '\0';
    }
}

/* True when the comma-separated list has the word "cpu". */
static bool lists_cpu(const char *controllers)
{
    for (const char *at = controllers; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == 3 && strncmp(at, "cpu", 3) == 0)
            return true;
    return false;
}

/* One line of the membership: "0::/group" (version 2) or "ID:CONTROLLERS:/group" (version 1). */
static uint32_t quota_of_line(char *line, const char *mount)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return UINT32_MAX;
    *group++ = '\0';
    controllers++;
    if (*controllers == '\0') {
        char unified[512]; /* beside version 1 it is mounted one folder deeper */
        snprintf(unified, sizeof unified, "%s/unified", mount);
        uint32_t deeper = quota_upwards(unified, group, quota_v2);
        uint32_t here = quota_upwards(mount, group, quota_v2);
        return deeper < here ? deeper : here;
    }
    if (!lists_cpu(controllers))
        return UINT32_MAX;
    char folder[512];
    snprintf(folder, sizeof folder, "%s/%s", mount, controllers);
    uint32_t joint = quota_upwards(folder, group, quota_v1);
    snprintf(folder, sizeof folder, "%s/cpu", mount);
    uint32_t single = quota_upwards(folder, group, quota_v1);
    return joint < single ? joint : single;
}

uint32_t weft__cpu_quota(const char *membership, const char *mount)
{
    char text[4096];
    snprintf(text, sizeof text, "%s", membership);
    uint32_t least = UINT32_MAX;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        uint32_t quota = quota_of_line(line, mount);
        least = quota < least ? quota : least;
    }
    return least;
}

/* --- what the library asks ---------------------------------------------------------------------
 */

uint32_t weft__host_cpus(void)
{
    struct weft__cpu_mask mask;
    char membership[4096];
    uint32_t cpus = 1;
    if (mask_allowed(&mask) == 0) {
        cpus = (uint32_t)CPU_COUNT_S(mask.size, mask.set);
        weft__cpu_mask_free(&mask);
    }
    uint32_t quota = UINT32_MAX;
    if (read_text("/proc/self/cgroup", membership, sizeof membership))
        quota = weft__cpu_quota(membership, "/sys/fs/cgroup");
    cpus = quota < cpus ? quota : cpus;
    return cpus > 0 ? cpus : 1;
}

int weft__host_cpu_number(uint32_t index)
{
    struct weft__cpu_mask mask;
    int error = mask_allowed(&mask);
    if (error < 0)
        return error;
    int number = -ERANGE;
    for (int cpu = 0; cpu < (int)mask.size * 8 && number < 0; cpu++)
        if (CPU_ISSET_S(cpu, mask.size, mask.set) && index-- == 0)
            number = cpu;
    weft__cpu_mask_free(&mask);
    return number;
}
