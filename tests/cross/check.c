/*
 * The runner behind this folder's check.h. Runs on the main thread. What always holds: a case is
 * judged by how its process ended: well only by exit(0), which its fixture allows at the end alone.
 */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct TCase {
    TCase *next;
    const char *name;
    const TTest *test;
    SFun setup;
    SFun teardown;
    double limit_s;
};

struct Suite {
    const char *name;
    TCase *first;
    TCase **last;
};

struct SRunner {
    Suite *suite;
    int ran;
    int failed;
};

static const char *running; /* the case, in its own process */

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        abort();
    return memory;
}

Suite *suite_create(const char *name)
{
    Suite *suite = allocate(sizeof *suite);

    suite->name = name;
    suite->last = &suite->first;
    return suite;
}

TCase *tcase_create(const char *name)
{
    TCase *tcase = allocate(sizeof *tcase);

    tcase->name = name;
    return tcase;
}

void tcase_set_timeout(TCase *tcase, double seconds)
{
    tcase->limit_s = seconds;
}

void tcase_add_checked_fixture(TCase *tcase, SFun setup, SFun teardown)
{
    tcase->setup = setup;
    tcase->teardown = teardown;
}

void tcase_add_test(TCase *tcase, const TTest *test)
{
    tcase->test = test;
}

void suite_add_tcase(Suite *suite, TCase *tcase)
{
    *suite->last = tcase;
    suite->last = &tcase->next;
}

SRunner *srunner_create(Suite *suite)
{
    SRunner *runner = allocate(sizeof *runner);

    runner->suite = suite;
    return runner;
}

void srunner_set_fork_status(SRunner *runner, enum fork_status status)
{
    (void)runner, (void)status;
}

void check_failed(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "%s:%d:F:%s: ", file, line, running);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _exit(EXIT_FAILURE);
}

static _Noreturn void run_here(const TCase *tcase)
{
    setpgid(0, 0);
    running = tcase->name;
    tcase->setup();
    tcase->test->fn(0);
    tcase->teardown();
    exit(EXIT_SUCCESS);
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The status with which the process ended; it is ended when its time is over. */
static int status_of(pid_t pid, double limit_s)
{
    const char *factor = getenv("CK_TIMEOUT_MULTIPLIER");
    const struct timespec pause = {0, 1000000};
    double end_s = seconds_now() + limit_s * (factor && atof(factor) > 0 ? atof(factor) : 1);
    pid_t ended;
    int status;

    while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && seconds_now() < end_s)
        nanosleep(&pause, NULL);
    if (ended == 0) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    return status;
}

static int run_forked(const TCase *tcase)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        run_here(tcase);
    if (pid < 0) {
        fprintf(stderr, "%s: fork: %s\n", tcase->name, strerror(errno));
        return 0;
    }
    status = status_of(pid, tcase->limit_s);
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s:%d:E:%s: ended by signal %d\n", tcase->test->file, tcase->test->line,
                tcase->name, WTERMSIG(status));
    else if (WEXITSTATUS(status) > EXIT_FAILURE)
        fprintf(stderr, "%s:%d:E:%s: exit code %d\n", tcase->test->file, tcase->test->line,
                tcase->name, WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void srunner_run_all(SRunner *runner, enum print_output output)
{
    const char *only = getenv("CK_RUN_CASE");

    (void)output;
    printf("Running suite(s): %s\n", runner->suite->name);
    fflush(NULL);
    for (const TCase *tcase = runner->suite->first; tcase; tcase = tcase->next) {
        if (only && strcmp(only, tcase->name) != 0)
            continue;
        runner->ran++;
        runner->failed += !run_forked(tcase);
    }
    printf("Cases: %d, of them failed: %d\n", runner->ran, runner->failed);
}

int srunner_ntests_run(SRunner *runner)
{
    return runner->ran;
}

int srunner_ntests_failed(SRunner *runner)
{
    return runner->failed;
}

void srunner_free(SRunner *runner)
{
    for (TCase *tcase = runner->suite->first, *next; tcase; tcase = next) {
        next = tcase->next;
        free(tcase);
    }
    free(runner->suite);
    free(runner);
}
