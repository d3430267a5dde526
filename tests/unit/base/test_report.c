/*
 * base/report and base/line: would catch a word of WEFT_DEBUG taken for another, one that is not
 * understood and asks for something, a variable that goes before what the program has set, and text
 * that runs over its line.
 */
#define _GNU_SOURCE

#include "base/report.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TEST(words)
{
    const uint32_t both = WEFT_REPORT_SLOW | WEFT_REPORT_UNHEARD;
    struct weft_debug_opt opt;

    ck_assert(weft__debug_parse("", &opt));
    ck_assert_uint_eq(opt.kinds, 0);
    ck_assert(weft__debug_parse("0", &opt));
    ck_assert_uint_eq(opt.kinds, 0);
    ck_assert(weft__debug_parse("1", &opt));
    ck_assert_uint_eq(opt.kinds, both);
    ck_assert_int_eq(opt.slow_ns, 0);
    ck_assert(weft__debug_parse("all", &opt));
    ck_assert_uint_eq(opt.kinds & both, both);
    ck_assert(weft__debug_parse("unheard", &opt));
    ck_assert_uint_eq(opt.kinds, WEFT_REPORT_UNHEARD);
    ck_assert(weft__debug_parse("unheard,slow=20", &opt));
    ck_assert_uint_eq(opt.kinds, both);
    ck_assert_int_eq(opt.slow_ns, 20000000);
    ck_assert_int_eq(weft__debug_check(&opt), 0);
}

TEST(words_that_are_none)
{
    static const char *const wrong[] = {
        "2",     "yes",

        "slow=", "slow=0", "slow=1s", "slower", "slow=99999999999", "unheard slow", "=", "slow=x"};
    struct weft_debug_opt opt;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!weft__debug_parse(wrong[i], &opt), "%s", wrong[i]);
}

TEST(the_environment)
{
    static const char *const nothing[] = {"", "0", "yes", "unheard,yes", "0,0"};

    ck_assert_int_eq(unsetenv("WEFT_DEBUG"), 0);
    weft__debug_from_environment();
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        ck_assert_int_eq(setenv("WEFT_DEBUG", nothing[i], 1), 0);
        weft__debug_from_environment();
        ck_assert_msg(!weft_get_debug(), "%s", nothing[i]);
    }
    ck_assert_int_eq(setenv("WEFT_DEBUG", "unheard", 1), 0);
    weft__debug_from_environment();
    ck_assert_uint_eq(weft__debug_set(NULL).kinds, WEFT_REPORT_UNHEARD);
    weft__debug_from_environment(); /* something was set before */
    ck_assert(!weft_get_debug());
}

TEST(lines)
{
    struct weft__line line;
    char text[600];
    int fds[2];
    ssize_t n;

    weft__line_begin(&line);
    weft__line_put_number(&line, INT64_MIN);
    weft__line_put(&line, " \n\x7f ");
    weft__line_put_address(&line, (void *)(uintptr_t)0xbeef);
    weft__line_put(&line, " ");
    weft__line_put_span(&line, 1000250999);
    weft__line_put(&line, " ");
    weft__line_put_span(&line, -1);
    weft__line_put(&line, " ");
    weft__line_put_error(&line, -EPERM);
    weft__line_put(&line, " ");
    weft__line_put_error(&line, -9999);
    weft__line_put(&line, " ");
    weft__line_put_error(&line, EPERM); /* a result, and no error */
    weft__line_put(&line, " ");
    weft__line_put_place(&line, "a.c", 7, "weft_recv", "nowhere");
    weft__line_put_place(&line, NULL, 7, NULL, ", nowhere");
    ck_assert_str_eq(line.text,
                     "-9223372036854775808 ?? 0xbeef 1.000250 s 0.000000 s -EPERM -9999 1 "
                     "a.c:7: weft_recv, nowhere");
    for (int i = 0; i < 100; i++)
        weft__line_put(&line, "0123456789");
    ck_assert_uint_eq(line.length, sizeof line.text - 2);
    ck_assert_uint_eq(strlen(line.text), line.length);
    ck_assert_int_eq(pipe(fds), 0);
    errno = 77;
    weft__line_write(&line, fds[1]);
    weft__line_write(&line, -1);
    ck_assert_int_eq(errno, 77);
    n = read(fds[0], text, sizeof text);
    ck_assert_int_eq((int)n, (int)line.length + 1);
    ck_assert_mem_eq(text, line.text, line.length);
    ck_assert_int_eq(text[n - 1], '\n');
    close(fds[0]);
    close(fds[1]);
}

/* Turned off between the look whether it is wanted and the telling: there is no hook any more, and
   standard error is not for those who had one. */
TEST(turned_off_meanwhile)
{
    const struct weft_debug_opt opt = {.size = sizeof opt, .kinds = WEFT_REPORT_UNHEARD};
    struct weft_report report = {.kind = WEFT_REPORT_UNHEARD};
    int fds[2], saved = dup(STDERR_FILENO);
    struct weft__line line;
    char text[64] = "";
    ssize_t late, wanted;

    ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
    dup2(fds[1], STDERR_FILENO);
    weft__line_begin(&line);
    weft__line_put(&line, "told");
    (void)weft__debug_set(NULL);
    weft__report(&report, &line);
    late = read(fds[0], text, sizeof text);
    (void)weft__debug_set(&opt);
    weft__report(&report, &line);
    wanted = read(fds[0], text, sizeof text - 1);
    (void)weft__debug_set(NULL);
    dup2(saved, STDERR_FILENO);
    ck_assert_int_eq((int)late, -1);
    ck_assert_int_eq((int)wanted, 5);
    ck_assert_str_eq(text, "told\n");
    close(saved);
    close(fds[0]);
    close(fds[1]);
}

TEST_MAIN("report", 10, words, words_that_are_none, the_environment, lines, turned_off_meanwhile)
