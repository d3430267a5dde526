/*
 * What the tests of processes share: a run after which no child is left, and children to start.
 */
#ifndef WEFT_TESTS_API_PROCESS_H
#define WEFT_TESTS_API_PROCESS_H

#include "support/child.h"
#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)
#define same(a, b) ck_assert_int_eq((a), (b))
#define OPT(...) (&(struct weft_process_opt){.size = sizeof(struct weft_process_opt), __VA_ARGS__})
#define PIPES .in = WEFT_PIPE, .out = WEFT_PIPE, .err = WEFT_PIPE
#define MS INT64_C(1000000)

static inline int run_main(void *arg)
{
    int result;

    child_ready();
    result = (*(weft_task_fn *)arg)(NULL);
    same(child_count(), 0);
    return result;
}

static inline void run(weft_task_fn fn)
{
    same(weft_run(run_main, &fn, sizeof fn, NULL), 0);
}

static inline weft_process *start(const char *const arguments[], const struct weft_process_opt *opt)
{
    weft_process *process = NULL;

    same(weft_create_subprocess_exec(arguments, opt, &process), 0);
    ck_assert_ptr_nonnull(process);
    ck_assert_int_gt(weft_process_pid(process), 0);
    return process;
}

static inline void expect(weft_stream *stream, const char *text)
{
    char bytes[128] = "";

    ck_assert_uint_lt(strlen(text), sizeof bytes);
    same(weft_stream_read_exactly(stream, bytes, strlen(text), NULL), (int)strlen(text));
    ck_assert_str_eq(bytes, text);
}

static inline void expect_line(weft_process *process, const char *line)
{
    expect(weft_process_stdout(process), line);
}

#endif
