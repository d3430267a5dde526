/*
 * libFuzzer's bytes as the three words of socket activation, parted by a NUL. What is accepted is
 * held to what it says: so many names, each as long as it stands there.
 */
#include "io/activation.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool right)
{
    if (!right)
        abort();
}

/* Read as a C library would, as far as that goes: what is accepted is what strtoll makes of it. */
static void check_count(const char *pid, const char *fds)
{
    int64_t self = strtoll(pid, NULL, 10);
    int count = weft__activation_count(pid, fds, self, false);

    must(count == -EINVAL || (count >= 0 && count == strtoll(fds, NULL, 10)));
    must(weft__activation_count(pid, fds, self + 1, false) <= 0);
}

static void check_names(const char *names)
{
    char name[WEFT__ACTIVATION_NAME_SIZE];
    uint32_t count = 1, length = 0;

    for (const char *at = names; *at; at++)
        count += *at == ':';
    if (weft__activation_check(names, count) < 0)
        return;
    must(weft__activation_check(names, count + 1) == -EINVAL);
    for (uint32_t i = 0; i < count; i++) {
        weft__activation_name(names, i, name);
        length += (uint32_t)strlen(name) + 1;
    }
    must(length == strlen(names) + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *words = calloc(1, size + 3), *fds, *names;

    must(words != NULL);
    if (size > 0)
        memcpy(words, bytes, size);
    fds = words + strlen(words) + 1;
    names = fds + strlen(fds) + 1;
    check_count(words, fds);
    check_names(names);
    free(words);
    return 0;
}
