/*
 * weft/base.h, on options: "the struct can grow without breaking its users". Programs older than
 * the library give less of a struct, younger ones more; each of these would fail if a size other
 * than our own were refused, or if what lies beyond it were read or ignored.
 */
#include "support/test.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <weft/weft.h>

/* Structs as a program of tomorrow has them: ours, and more. */
struct young {
    union {
        struct weft_run_opt run;
        struct weft_scope_opt scope;
        struct weft_spawn_opt spawn;
        struct weft_listen_opt listen;
        struct weft_socket_opt socket;
        unsigned char bytes[256];
    };
};

static int count;
static int add_one(void *arg)
{
    (void)arg;
    return ++count;
}

/* The sizes any options struct may have: only its size; all; all and more, if it is zero. */
#define EACH_SIZE(call, known)                                                                     \
    do {                                                                                           \
        size_t *size = (size_t *)opt.bytes;                                                        \
        *size = sizeof(size_t);                                                                    \
        ck_assert_int_ge(call, 0);                                                                 \
        *size = known + 8;                                                                         \
        ck_assert_int_ge(call, 0);                                                                 \
        *size = sizeof opt;                                                                        \
        ck_assert_int_ge(call, 0);                                                                 \
        opt.bytes[known + 3] = 1; /* asks for what nobody here has heard of */                     \
        ck_assert_int_eq(call, -EINVAL);                                                           \
        *size = known;                                                                             \
        ck_assert_int_ge(call, 0);                                                                 \
        *size = sizeof(size_t) - 1;                                                                \
        ck_assert_int_eq(call, -EINVAL);                                                           \
        *size = 4097;                                                                              \
        ck_assert_int_eq(call, -EINVAL);                                                           \
    } while (0)

TEST(run_options)
{
    struct young opt = {.run = {.size = 0}};

    EACH_SIZE(weft_run(add_one, NULL, 0, &opt.run), sizeof(struct weft_run_opt));
    ck_assert_int_eq(count, 4);
}

static int open_and_close(const struct weft_scope_opt *opt)
{
    weft_scope scope;
    int error = weft_scope_open(&scope, opt);

    return error < 0 ? error : weft_scope_close(&scope);
}
static int spawn_and_close(const struct weft_spawn_opt *opt, bool wait)
{
    weft_scope scope;
    int error;

    ck_assert_int_eq(weft_scope_open(&scope, NULL), 0);
    error = wait ? weft_spawn(&scope, add_one, NULL, 0, opt)
                 : weft_spawn_nowait(&scope, add_one, NULL, 0, opt);
    ck_assert_int_eq(weft_scope_close(&scope), 0);
    return error;
}
static int close_what(int fd)
{
    return fd < 0 ? fd : weft_close(fd);
}
static int inside_main(void *arg)
{
    struct young opt = {.scope = {.size = 0}};

    (void)arg;
    EACH_SIZE(open_and_close(&opt.scope), sizeof(struct weft_scope_opt));
    memset(&opt, 0, sizeof opt);
    EACH_SIZE(spawn_and_close(&opt.spawn, true), sizeof(struct weft_spawn_opt));
    memset(&opt, 0, sizeof opt);
    EACH_SIZE(spawn_and_close(&opt.spawn, false), sizeof(struct weft_spawn_opt));
    ck_assert_int_eq(count, 8);
    memset(&opt, 0, sizeof opt);
    EACH_SIZE(close_what(weft_listen_tcp("127.0.0.1:0", &opt.listen)),
              sizeof(struct weft_listen_opt));
    return 0;
}
TEST(options_inside)
{
    ck_assert_int_eq(weft_run(inside_main, NULL, 0, NULL), 0);
}

/* What an older struct does have counts, what lies behind it does not. */
static int older_main(void *arg)
{
    weft_task task = {0, 0};
    struct weft_spawn_opt opt = {.size = offsetof(struct weft_spawn_opt, stack_size),
                                 .task = &task,
                                 .stack_size = SIZE_MAX,
                                 .reactor = 1000};
    struct weft_scope_opt scope_opt = {.size = offsetof(struct weft_scope_opt, deadline),
                                       .max_tasks = 1,
                                       .deadline = -1};
    weft_scope scope;
    int result = 0;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&scope, &scope_opt), 0);
    ck_assert_int_eq(weft_spawn(&scope, add_one, NULL, 0, &opt), 0);
    ck_assert_int_eq(weft_spawn_nowait(&scope, add_one, NULL, 0, &opt), -EAGAIN);
    ck_assert_int_eq(weft_join(task, &result), 0);
    ck_assert_int_eq(result, 1);
    return weft_scope_close(&scope);
}
TEST(older_programs)
{
    struct weft_run_opt opt = {.size = offsetof(struct weft_run_opt, allocator),
                               .reactors = 1,
                               .tasks_max = 0,
                               .allocator = (const struct weft_allocator *)1};

    ck_assert_int_eq(weft_run(older_main, NULL, 0, &opt), 0);
}

TEST_MAIN("api.options", 20, run_options, options_inside, older_programs)
