/*
 * Simulated processes: a program that talks, one that sleeps and one that minds signals, in many
 * worlds, most of them broken. Catches a process that is left behind by whatever went wrong, memory
 * of the world's that stays, a signal that is lost or comes twice, and a world that is not the same
 * twice.
 */
#include <signal.h>
#include <stdlib.h>

#include "base/memory.h"
#include "reactor/reactor.h"
#include "sim/simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))
#define MS INT64_C(1000000)

static int echoes(weft_sim_process *process, int argc, char **argv)
{
    char bytes[100];
    ssize_t n;

    (void)argc, (void)argv;
    while ((n = weft_sim_process_read(process, 0, bytes, sizeof bytes)) > 0)
        if (weft_sim_process_write(process, 1, bytes, (size_t)n) != n)
            return 1;
    return n < 0;
}

static int sleeps(weft_sim_process *process, int argc, char **argv)
{
    (void)argc, (void)argv;
    return weft_sim_process_sleep(process, INT64_MAX) < 0;
}

/* Counts what it catches; ends with the third. */
static int minds(weft_sim_process *process, int argc, char **argv)
{
    struct rlimit limit;
    int caught = 0;

    (void)argc, (void)argv;
    same(weft_sim_process_on_signal(process, SIGKILL, WEFT_SIM_IGNORES), -EINVAL);
    same(weft_sim_process_on_signal(process, SIGUSR1, WEFT_SIM_CATCHES), 0);
    same(weft_sim_process_on_signal(process, SIGUSR2, WEFT_SIM_IGNORES), 0);
    same(weft_sim_process_write(process, 1, "r", 1), 1);
    while (caught < 3) {
        same(weft_sim_process_sleep(process, INT64_MAX), -EINTR);
        same(weft_sim_process_caught(process), SIGUSR1);
        same(weft_sim_process_caught(process), 0);
        same(weft_sim_process_write(process, 1, "c", 1), 1);
        caught++;
    }
    same(weft_sim_process_read(process, 9, &caught, 1), -EBADF);
    same(weft_sim_process_write(process, 9, "x", 1), -EBADF);
    same(weft_sim_process_close(process, 9), -EBADF);
    ck_assert_int_gt(weft_sim_process_pid(process), 0);
    same(weft_sim_process_set_group(process, 1 << 30), -EPERM);
    same(weft_sim_process_set_group(process, 1), 0);
    same(weft_sim_process_limit(process, -1, &limit), -EINVAL);
    same(weft_sim_process_limit(process, RLIM_NLIMITS, &limit), -EINVAL);
    same(weft_sim_process_limit(process, 0, NULL), -EINVAL);
    same(weft_sim_process_set_group(process, 0), 0);
    ck_assert_ptr_nonnull(weft_sim_process_getenv(process, "PATH"));
    return caught;
}

static void programs(void)
{
    same(weft_sim_program("/bin/echoes", echoes), 0);
    same(weft_sim_program("/bin/sleeps", sleeps), 0);
    same(weft_sim_program("/bin/minds", minds), 0);
    same(weft_sim_program(NULL, minds), -EINVAL);
}

static weft_process *start(const char *path, int *error)
{
    const char *const arguments[] = {path, NULL};
    struct weft_process_opt opt = {.size = sizeof opt,
                                   .in = WEFT_PIPE,
                                   .out = WEFT_PIPE,
                                   .grace_ns = 5 * MS};
    weft_process *process = NULL;

    *error = weft_create_subprocess_exec(arguments, &opt, &process);
    return *error < 0 ? NULL : process;
}

/* -- a calm one ---------------------------------------------------------------------------------
 */

static int main_signals(void *arg)
{
    struct weft_process_status status;
    weft_process *process;
    char byte;
    int error;

    (void)arg;
    programs();
    process = start("/bin/minds", &error);
    same(error, 0);
    same(weft_sim_processes(), 1);
    same(weft_stream_read(weft_process_stdout(process), &byte, 1, 0), 1);
    for (int i = 0; i < 3; i++) {
        same(weft_process_send_signal(process, SIGUSR2), 0);
        same(weft_process_send_signal(process, SIGUSR1), 0);
        same(weft_stream_read(weft_process_stdout(process), &byte, 1, 0), 1);
        same(byte, 'c');
    }
    same(weft_process_wait(process, &status), 0);
    same(status.code, 3);
    same(weft_sim_processes(), 0);
    same(weft_sim_signal(SIGHUP, 0), -ESRCH);
    same(weft_sim_signal(0, 0), -EINVAL);
    return weft_process_close(process);
}

TEST(signals)
{
    static const char *const plans[] = {"calm", "rough", "waitid#1=ENOMEM waitid#2=EINTR",
                                        "waitid#1=late"};

    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world world = {.seed = seed, .plan = plans[seed % 4], .task = main_signals};
        same(world_run(&world), 0);
    }
}

/* A kernel that has no request for it: the descriptor is polled. */
static int main_polled(void *arg)
{
    weft__self->ring.features &= ~(uint32_t)WEFT__FEATURE_WAITID;
    return main_signals(arg);
}

TEST(polled)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world world = {.seed = seed,
                              .plan = seed % 2 ? "calm" : "rough",
                              .task = main_polled};
        same(world_run(&world), 0);
    }
}

/* No memory for one who listens to it. */
static int main_no_listener(void *arg)
{
    struct weft__ready *ready = &weft__self->ready;
    struct weft_process_output output = {.limit = 0};
    weft_process *process;
    uint32_t reserved;
    int error;

    (void)arg;
    programs();
    process = start("/bin/echoes", &error);
    same(error, 0);
    reserved = ready->reserved;
    ready->reserved = ready->mask + 1; /* the next needs more room */
    weft__alloc_fail_after(1);
    error = weft_process_communicate(process, "x", 1, &output, NULL);
    weft__alloc_fail_after(0);
    ready->reserved = reserved;
    same(error, -ENOMEM);
    weft_process_output_free(&output);
    return weft_process_close(process);
}

TEST(no_listener)
{
    struct world world = {.plan = "calm", .task = main_no_listener};

    same(world_run(&world), 0);
}

/* Says a word, and reads nothing. */
static int says(weft_sim_process *process, int argc, char **argv)
{
    (void)argc, (void)argv;
    return weft_sim_process_write(process, 1, "word", 4) != 4;
}

/* An error of its input is told. Of a terminal the same one means that nobody reads there any more,
   and what it has said is there all the same. */
static int main_input_fails(void *arg)
{
    const char *const arguments[] = {"/bin/says", NULL};

    (void)arg;
    same(weft_sim_program("/bin/says", says), 0);
    for (int pty = 0; pty < 2; pty++) {
        struct weft_process_opt opt = {.size = sizeof opt, .pty = pty, .grace_ns = 5 * MS};
        struct weft_process_output output = {.limit = 0};
        weft_process *process;

        opt.in = opt.out = pty ? WEFT_INHERIT : WEFT_PIPE;
        same(weft_create_subprocess_exec(arguments, &opt, &process), 0);
        same(weft_process_communicate(process, "x", 1, &output, NULL), pty ? 0 : -EIO);
        if (pty)
            ck_assert_str_eq(output.out, "word");
        weft_process_output_free(&output);
        same(weft_process_close(process), 0);
    }
    return 0;
}

TEST(input_fails)
{
    struct world world = {.plan = "calm write#1=EIO write#2=EIO", .task = main_input_fails};

    same(world_run(&world), 0);
}

/* Without a PATH anywhere: where programs usually are. */
static int main_no_path(void *arg)
{
    weft_process *process;
    int error;

    (void)arg;
    programs();
    process = start("echoes", &error);
    same(error, 0);
    same(weft_process_close_stdin(process), 0);
    same(weft_process_wait(process, NULL), 0);
    return weft_process_close(process);
}

TEST(no_path)
{
    struct world world = {.plan = "calm", .task = main_no_path};
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "");

    unsetenv("PATH");
    same(world_run(&world), 0);
    setenv("PATH", path, 1);
    free(path);
}

/* -- whatever goes wrong ------------------------------------------------------------------------
 */

static int talks_inside(void *arg)
{
    struct weft_process_output output = {.limit = 100000};
    static const char text[20000];
    int error, index = *(int *)arg;
    weft_process *process = start(index % 3 ? "/bin/echoes" : "/bin/sleeps", &error);

    if (!process)
        return 0;
    if (index % 3) {
        error = weft_process_communicate(process, text, sizeof text, &output, NULL);
        if (error == 0)
            ck_assert_uint_le(output.out_size, sizeof text);
        weft_process_output_free(&output);
    } else {
        (void)weft_process_wait(process, NULL);
    }
    if (index % 2)
        weft_process_close(process); /* others are left to the run */
    return 0;
}

/* In a scope of its own, which its process is then a child of. */
static int talks(void *arg)
{
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING)
        (void)talks_inside(arg);
    return 0;
}

static int main_broken(void *arg)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .on_error = WEFT_KEEP_GOING};
    weft_scope scope;

    (void)arg;
    programs();
    opt.deadline = weft_after_ms((int64_t)(weft_sim_seed() % 8));
    if (weft_scope_open(&scope, &opt) < 0)
        return 0;
    for (int i = 0; i < 6; i++)
        if (weft_spawn(&scope, talks, &i, sizeof i, NULL) < 0)
            break;
    (void)weft_scope_close(&scope);
    same(weft_sim_processes(), 0); /* none outlives its scope */
    return 0;
}

/* The world may be refused its rings, and then nothing of it ran. */
static int one_world(void *arg)
{
    struct weft_run_opt opt = {.size = sizeof opt};

    (void)arg;
    (void)weft_run(main_broken, NULL, 0, &opt);
    same(weft_sim_processes(), 0);
    return 0;
}

TEST(broken)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct world first = {.seed = seed,
                              .plan = "broken process.none=1/8 process.exec_time=0..4ms"};
        struct world second = first;

        same(world_run_fn(&first, one_world, NULL), 0);
        if (seed % 10)
            continue;
        same(world_run_fn(&second, one_world, NULL), 0);
        ck_assert_uint_eq(first.result.hash, second.result.hash);
    }
}

/* Where no descriptor is to be had there is no terminal, and nothing stays of who wanted one. */
static int terminals, no_terminals;

static int main_terminal(void *arg)
{
    const char *const arguments[] = {"/bin/echoes", NULL};
    const struct weft_process_fd fd = {.from = 0, .to = 3};
    struct weft_process_opt opt = {
        .size = sizeof opt, .pty = true, .fds = &fd, .fd_count = 1, .grace_ns = 5 * MS};
    weft_process *process = NULL;
    int error;

    (void)arg;
    programs();
    error = weft_create_subprocess_exec(arguments, &opt, &process);
    terminals += error == 0;
    no_terminals += error == -EMFILE;
    ck_assert((error == 0) == (process != NULL));
    (void)weft_process_close(process);
    return 0;
}

static int terminal_world(void *arg)
{
    (void)arg;
    (void)weft_run(main_terminal, NULL, 0, NULL);
    same(weft_sim_processes(), 0);
    return 0;
}

TEST(no_terminal)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world world = {.seed = seed, .plan = "calm fd.none=1/6"};

        same(world_run_fn(&world, terminal_world, NULL), 0);
    }
    ck_assert_int_gt(terminals, 0);
    ck_assert_int_gt(no_terminals, 0);
}

TEST_MAIN("process", 60, signals, polled, no_listener, input_fails, no_terminal, no_path, broken)
