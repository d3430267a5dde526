/*
 * Splices to and from a terminal, which cannot be asked not to wait: others run meanwhile, and the
 * caller can be cancelled. Would hang where the reactor itself waits.
 */
#include <fcntl.h>
#include <termios.h>

#include "ring/host_child.h"
#include "support/net.h"

struct splice {
    int in, out;
    ssize_t result;
};

static int splices(void *arg)
{
    struct splice *splice = arg;

    splice->result = weft_splice(splice->in, NULL, splice->out, NULL, 5, 0);
    return 0;
}

static void open_terminal(int fds[2])
{
    struct termios settings;

    ck_assert_int_eq(weft__host_pty(fds, 24, 80), 0);
    ck_assert_int_eq(tcgetattr(fds[1], &settings), 0);
    cfmakeraw(&settings);
    ck_assert_int_eq(tcsetattr(fds[1], TCSANOW, &settings), 0);
}

/* Its output is stopped, as by ^S: it waits, is cancelled, waits again and goes on. */
static int main_to(void *arg)
{
    int terminal[2], ends[2];
    struct splice splice;
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    char bytes[8];

    (void)arg;
    opt.task = &task;
    open_terminal(terminal);
    ok(weft_pipe(ends, 0));
    splice = (struct splice){.in = ends[0], .out = terminal[1]};
    ck_assert_int_eq(tcflow(terminal[1], TCOOFF), 0);
    for (int cancelled = 1; cancelled >= 0; cancelled--)
        WEFT_SCOPE(s) {
            ck_assert_int_eq(weft_write(ends[1], "hello", 5), 5);
            splice.result = 1000;
            ok(weft_spawn(&s, splices, &splice, 0, &opt));
            for (int i = 0; i < 20; i++)
                ok(weft_sleep(1000000));
            ck_assert_int_eq(splice.result, 1000);
            if (cancelled)
                ck_assert_int_eq(weft_cancel(task), 1);
            else
                ck_assert_int_eq(tcflow(terminal[1], TCOON), 0);
            ok(weft_join(task, NULL));
            ck_assert_int_eq(splice.result, cancelled ? -ECANCELED : 5);
        }
    ck_assert_int_eq(weft_read_exactly(terminal[0], bytes, 5, NULL), 5);
    ck_assert_mem_eq(bytes, "hello", 5);
    ok(weft_close(ends[0]));
    ok(weft_close(ends[1]));
    ok(weft_close(terminal[0]));
    return weft_close(terminal[1]);
}
TEST(to_a_stopped_terminal)
{
    net_run(main_to);
}

/* Nobody types; then somebody does. */
static int main_from(void *arg)
{
    int terminal[2], ends[2];
    struct splice splice;
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    char bytes[8];

    (void)arg;
    opt.task = &task;
    open_terminal(terminal);
    ok(weft_pipe(ends, 0));
    splice = (struct splice){.in = terminal[1], .out = ends[1]};
    for (int cancelled = 1; cancelled >= 0; cancelled--)
        WEFT_SCOPE(s) {
            splice.result = 1000;
            ok(weft_spawn(&s, splices, &splice, 0, &opt));
            for (int i = 0; i < 20; i++)
                ok(weft_sleep(1000000));
            ck_assert_int_eq(splice.result, 1000);
            if (cancelled)
                ck_assert_int_eq(weft_cancel(task), 1);
            else
                ck_assert_int_eq(weft_write(terminal[0], "hello", 5), 5);
            ok(weft_join(task, NULL));
            if (cancelled)
                ck_assert_int_eq(splice.result, -ECANCELED);
            else
                ck_assert_int_gt(splice.result, 0);
        }
    ck_assert_int_eq(weft_read_exactly(ends[0], bytes, (size_t)splice.result, NULL), splice.result);
    ck_assert_mem_eq(bytes, "hello", (size_t)splice.result);
    ok(weft_close(ends[0]));
    ok(weft_close(ends[1]));
    ok(weft_close(terminal[0]));
    return weft_close(terminal[1]);
}
TEST(from_a_silent_terminal)
{
    net_run(main_from);
}

/* A file is not sent there at all, nor to another device. */
static int main_sendfile(void *arg)
{
    int terminal[2], file = weft_openat(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0);
    int null = weft_openat(AT_FDCWD, "/dev/null", O_WRONLY, 0);
    off_t at = 0;

    (void)arg;
    open_terminal(terminal);
    ok(file);
    ok(null);
    ck_assert_int_eq(weft_sendfile(terminal[1], file, &at, 5), -EINVAL);
    ck_assert_int_eq(weft_sendfile(null, file, &at, 5), -EINVAL);
    ck_assert_int_eq(at, 0);
    ok(weft_close(null));
    ok(weft_close(file));
    ok(weft_close(terminal[0]));
    return weft_close(terminal[1]);
}
TEST(no_file_to_a_terminal)
{
    net_run(main_sendfile);
}

TEST_MAIN("splice_device", 30, to_a_stopped_terminal, from_a_silent_terminal, no_file_to_a_terminal)
