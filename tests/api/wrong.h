/*
 * What the tests of misused calls share: a call that is wrong, and that nothing came of it.
 */
#ifndef WEFT_TESTS_API_WRONG_H
#define WEFT_TESTS_API_WRONG_H

#include "support/misuse.h"
#include "support/net.h"

/* What a call that changed nothing leaves as it was. */
struct wrong_state {
    uint64_t tasks, operations, allocations;
};
static inline struct wrong_state wrong_look(void)
{
    struct weft_stats stats = net_stats();

    return (struct wrong_state){stats.tasks_started, stats.ops_in_flight, stats.allocations};
}
static inline void wrong_check(struct wrong_state before, int line)
{
    struct wrong_state now = wrong_look();

    ck_assert_msg(memcmp(&before, &now, sizeof now) == 0, "line %d changed something", line);
}

/* In a task: the same as ck_misuse, and nothing changed. */
#define WRONG(call, error, function, words)                                                        \
    do {                                                                                           \
        struct wrong_state wrong_before = wrong_look();                                            \
        ck_misuse(call, error, function, words);                                                   \
        wrong_check(wrong_before, __LINE__);                                                       \
    } while (0)

#endif
