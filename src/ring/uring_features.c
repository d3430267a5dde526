/*
 * ring/uring_features.c - the names of the optional features, and the mask that switches them off.
 *
 * Any thread may call these. What always holds: the names are those of WEFT_RING_MASK, and stay.
 */
#include "ring/features.h"
#include "ring/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    uint32_t bit;
    const char *name;
} features[] = {
    {WEFT__FEATURE_NO_SQARRAY, "no_sqarray"},
    {WEFT__FEATURE_REGISTERED_FD, "registered_fd"},
    {WEFT__FEATURE_TASKRUN_FLAG, "taskrun_flag"},
    {WEFT__FEATURE_RECV_MULTISHOT, "recv_multishot"},
    {WEFT__FEATURE_ACCEPT_MULTISHOT, "accept_multishot"},
    {WEFT__FEATURE_BUFFER_RING, "buffer_ring"},
    {WEFT__FEATURE_MSG_RING, "msg_ring"},
    {WEFT__FEATURE_MIN_TIMEOUT, "min_timeout"},
    {WEFT__FEATURE_NO_IOWAIT, "no_iowait"},
    {WEFT__FEATURE_ABS_TIMER, "abs_timer"},
    {WEFT__FEATURE_FIXED_FILES, "fixed_files"},
    {WEFT__FEATURE_FTRUNCATE, "ftruncate"},
    {WEFT__FEATURE_WAITID, "waitid"},
    {WEFT__FEATURE_FUTEX, "futex"},
    {WEFT__FEATURE_SEND_ZC, "send_zc"},
    {WEFT__FEATURE_FIXED_BUFFERS, "fixed_buffers"},
};

enum { FEATURE_COUNT = sizeof features / sizeof features[0] };

static uint32_t feature_named(const char *name, size_t length)
{
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        if (strlen(features[i].name) == length && memcmp(features[i].name, name, length) == 0)
            return features[i].bit;
    return 0; /* unknown names are let pass: a mask may be written for a newer weft */
}

uint32_t weft__uring_wanted(void)
{
    uint32_t wanted = 0;
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        wanted |= features[i].bit;

    const char *mask = secure_getenv("WEFT_RING_MASK");
    while (mask && *mask) {
        size_t length = strcspn(mask, ", ");
        wanted &= ~feature_named(mask, length);
        mask += length + strspn(mask + length, ", ");
    }
    return wanted;
}

int weft__ring_features(const struct weft__ring *ring, char *text, size_t size)
{
    char line[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        if (ring->features & features[i].bit)
            used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", used ? "," : "",
                                     features[i].name);
    return snprintf(text, size, "%s", line);
}
