/*
 * What the tests of errors share that make each of many calls on each of several kinds of
 * descriptors, and on other reactors'.
 */
#ifndef WEFT_TESTS_API_ERRORS_H
#define WEFT_TESTS_API_ERRORS_H

#include "blocked.h"
#include "support/file.h"

enum {
    ERRORS_KINDS_MAX = 8,
    B = -EBADF,
    FINE = 1,     /* finds nothing wrong, and is not made */
    ANYWHERE = 2, /* asks the kernel directly, for any reactor */
};

/* A call, and what it is to say of each kind, the first of which is a closed one; then, perhaps,
   ANYWHERE. */
struct errors_call {
    const char *name;
    int64_t (*call)(int fd);
    int wanted[ERRORS_KINDS_MAX + 1];
};

struct errors_kind {
    const char *name;
    int fd;
};

/* Makes the call on each kind; of how many it said something else. */
static inline int errors_wrong(const struct errors_call *row, const struct errors_kind *kinds,
                               int count)
{
    int wrong = 0;

    for (int i = 0; i < count; i++) {
        int result;
        if (row->wanted[i] == FINE)
            continue;
        result = (int)row->call(kinds[i].fd);
        if (result == row->wanted[i])
            continue;
        fprintf(stderr, "%s of %s: %d instead of %d\n", row->name, kinds[i].name, result,
                row->wanted[i]);
        wrong++;
    }
    return wrong;
}

/* On another reactor than theirs: each is refused, but what is closed, which is nobody's. */
static inline int errors_accepted(const struct errors_call *row, const struct errors_kind *kinds,
                                  int count)
{
    int accepted = 0;

    for (int i = 1; i < count && row->wanted[count] != ANYWHERE; i++) {
        int result = (int)row->call(kinds[i].fd);
        if (result == -EXDEV)
            continue;
        fprintf(stderr, "%s of another's %s: %d\n", row->name, kinds[i].name, result);
        accepted++;
    }
    return accepted;
}

/* Of the results of several calls, those that are not what all are to say. */
static inline int errors_others(int wanted, const int64_t *results, size_t count)
{
    int wrong = 0;

    for (size_t i = 0; i < count; i++)
        if (results[i] != wanted && ++wrong)
            fprintf(stderr, "number %d: %d instead of %d\n", (int)i, (int)results[i], wanted);
    return wrong;
}
#define ALL(wanted, ...)                                                                           \
    do {                                                                                           \
        const int64_t results[] = {__VA_ARGS__};                                                   \
        ck_assert_int_eq(errors_others(wanted, results, sizeof results / sizeof results[0]), 0);   \
    } while (0)

#endif
