/*
 * io/activation.c - the words of socket activation, read. What always holds: nothing is written
 * beyond a name's size, and nothing is read behind a word's end.
 */
#include "io/activation.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

/* A decimal number and nothing else, or -EINVAL. */
static int64_t number(const char *text)
{
    int64_t value = 0;

    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9' || value > INT_MAX)
            return -EINVAL;
        value = value * 10 + (*at - '0');
    }
    return *text && value <= INT_MAX ? value : -EINVAL;
}

int weft__activation_count(const char *pid, const char *fds, int64_t self, bool any_process)
{
    int64_t process = pid ? number(pid) : 0, count;

    if (process < 0 || (pid && process == 0))
        return -EINVAL;
    if (pid ? process != self : !any_process)
        return 0;
    count = fds ? number(fds) : 0;
    return (int)count;
}

static size_t name_length(const char *name)
{
    return strcspn(name, ":");
}

int weft__activation_check(const char *names, uint32_t count)
{
    uint32_t found = 0;

    for (const char *at = names; at; found++) {
        size_t length = name_length(at);
        if (length >= WEFT__ACTIVATION_NAME_SIZE)
            return -EINVAL;
        for (size_t i = 0; i < length; i++)
            if (at[i] < ' ' || at[i] > '~')
                return -EINVAL;
        at = at[length] ? at + length + 1 : NULL;
    }
    return !names || found == count ? 0 : -EINVAL;
}

void weft__activation_name(const char *names, uint32_t index, char name[WEFT__ACTIVATION_NAME_SIZE])
{
    size_t length;

    if (!names)
        names = "unknown";
    else
        for (; index > 0; index--)
            names += name_length(names) + 1;
    length = name_length(names);
    memcpy(name, names, length);
    name[length] = '\0';
}
