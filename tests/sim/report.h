/*
 * What the tests of reports share: a report without the numbers that depend on how the library goes
 * about its work (turns, times, descriptors, ports).
 */
#ifndef WEFT_TESTS_SIM_REPORT_H
#define WEFT_TESTS_SIM_REPORT_H

#include <ctype.h>
#include <stdlib.h>

#include "simulate.h"

#define SPAWN(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})

/* Behind what was asked of the kernel: the next line that is not further in than its heading. */
static inline const char *skip_requests(const char *from)
{
    do
        from = strchr(from, '\n') + 1;
    while (strncmp(from, "      ", 6) == 0);
    return from;
}

/* Copies from `from` on, with every number behind one of the words replaced by #. What was asked of
   the kernel is left out, and so is how to run it again. */
static inline void plain(char *to, size_t size, const char *from)
{
    static const char *const words[] = {"turn ",      "since ",   "descriptor ",
                                        "127.0.0.1:", "another ", "deadline in "};
    const char *end = strstr(from, "  after ");
    size_t length = 0;

    ck_assert_ptr_nonnull(end);
    while (from < end && length + 1 < size) {
        bool found = false;
        if (strncmp(from, "    asked of the kernel:", 24) == 0)
            from = skip_requests(from);
        if (from >= end)
            break;
        for (size_t i = 0; i < sizeof words / sizeof words[0] && isdigit((unsigned char)*from); i++)
            found |= length >= strlen(words[i]) &&
                     strncmp(to + length - strlen(words[i]), words[i], strlen(words[i])) == 0;
        if (found)
            while (isdigit((unsigned char)*from) ||
                   (*from == '.' && isdigit((unsigned char)from[1])))
                from++;
        to[length++] = found ? '#' : *from++;
    }
    to[length] = '\0';
}

/* Runs it, which comes to that end, and compares what is reported. */
static inline void report_check(struct world *world, int error, const char *text)
{
    static char is[sizeof world->report];

    world->fails = true;
    ck_assert_int_eq(world_run_apart(world), error);
    plain(is, sizeof is, world->report);
    if (getenv("REPORT_TALK"))
        fputs(world->report, stderr);
    ck_assert_str_eq(is, text);
}

#endif
