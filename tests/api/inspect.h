/*
 * What the tests of looking at a server share: three tasks that wait, what is to be said of them
 * word by word, and what was said, without what differs from run to run.
 */
#ifndef WEFT_TESTS_API_INSPECT_H
#define WEFT_TESTS_API_INSPECT_H

#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

#include "printed.h"
#include "support/frames.h"
#include "support/misuse.h"
#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)

/* -- what was written ------------------------------------------------------------------------ */

/* Lines of stacks go, and turns are all alike. */
static inline void normalize(char *text)
{
    char *to = text;

    for (char *line = text, *next; *line; line = next) {
        next = strchr(line, '\n');
        next = next ? next + 1 : line + strlen(line);
        if (line[strspn(line, " ")] == '#')
            continue;
        while (line < next) {
            *to++ = *line++;
            if (to - text >= 5 && memcmp(to - 5, "turn ", 5) == 0) {
                line += strspn(line, "0123456789"); /* first: it may stand where N goes */
                *to++ = 'N';
            }
        }
    }
    *to = '\0';
}

/* A line that a debug build adds. */
static inline const char *at(char *line, int indent, const char *file, int number, const char *call)
{
    line[0] = '\0';
    if (test_misuse_debug())
        snprintf(line, 256, "%*sat %s:%d: %s\n", indent, "", file, number, call);
    return line;
}

/* -- the tree -------------------------------------------------------------------------------- */

static weft_lock lock = WEFT_LOCK_INIT;
static const void *sleeper_returns; /* to whom it would */
static volatile int returned;
static int sleep_line, join_line, lock_line;

static NOINLINE int sleeps(void)
{
    sleeper_returns = __builtin_return_address(0);
    sleep_line = __LINE__ + 1;
    int result = weft_sleep(WEFT_NEVER);
    returned++; /* no call is the last thing here, or it would leave no frame */
    return result;
}
static inline int sleeper(void *arg)
{
    (void)arg;
    int result = sleeps();
    returned++;
    return result;
}
static inline int joiner(void *task)
{
    join_line = __LINE__ + 1;
    return weft_await(*(weft_task *)task, NULL);
}
static inline int locker(void *arg)
{
    (void)arg;
    lock_line = __LINE__ + 1;
    return weft_lock_acquire(&lock);
}

/* The three wait when this returns. */
static inline weft_task begin_three(weft_scope *scope)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "sleeper", .task = &task};
    struct weft_spawn_opt others = {.size = sizeof others, .name = "joiner"};

    ok(weft_lock_acquire(&lock));
    ok(weft_spawn(scope, sleeper, NULL, 0, &opt));
    ok(weft_spawn(scope, joiner, &task, sizeof task, &others));
    others.name = "locker";
    ok(weft_spawn(scope, locker, NULL, 0, &others));
    for (int i = 0; i < 10; i++)
        ok(weft_yield());
    return task;
}

static inline void expect_three(char *expected, const char *first, const char *runs,
                                const char *at_main)
{
    char lines[3][256];

    snprintf(expected, PRINTED_SIZE,
             "%sreactor 0, in turn N\n"
             "  scope \"root\": 1 task\n"
             "    task 1 \"main\": %s\n%s"
             "      scope \"three\": 3 tasks\n"
             "        task 2 \"sleeper\": sleep for ever, since turn N\n%s"
             "        task 3 \"joiner\": join of task 2 \"sleeper\", since turn N\n%s"
             "        task 4 \"locker\": lock held by task 1 \"main\", since turn N\n%s",
             first, runs, at_main, at(lines[0], 10, __FILE__, sleep_line, "weft_sleep"),
             at(lines[1], 10, __FILE__, join_line, "weft_await"),
             at(lines[2], 10, __FILE__, lock_line, "weft_lock_acquire"));
}

static int fd_out;

#endif
