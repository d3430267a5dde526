/*
 * The harness behind test.h: one suite, one fixture around every case. Runs on the main thread; the
 * fixture runs in the case's own process. What always holds: the fork mode is set here and not left
 * to the environment.
 */
#include "support/test.h"

#include "support/misuse.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What the process held before the case began. Written by the fixture, in the case's process. */
static struct {
    int descriptors;
    int threads;
    size_t allocations;
    size_t mapped;
} before;

/* Set when the case came to its end by itself. */
static int case_ended;

/* By any thread. Two files share a line's mark: then the other's is not told. */
void test_mark(const char *file, int line)
{
    static _Atomic unsigned char reached[4096];

    if (line < 0 || (size_t)line >= sizeof reached)
        return;
    if (!atomic_load_explicit(&reached[line], memory_order_relaxed)) {
        atomic_store_explicit(&reached[line], 1, memory_order_relaxed);
        (_mark_point)(file, line);
    }
}

int test_long(void)
{
    const char *value = getenv("WEFT_LONG");

    return value && *value && strcmp(value, "0") != 0;
}

/* Weak: only a program whose code is counted has them. The second sets all counts to 0, so that
   what is written later is added and not the same once more. */
void __gcov_dump(void) __attribute__((weak));
void __gcov_reset(void) __attribute__((weak));

void test_save_coverage(void)
{
    if (__gcov_dump && __gcov_reset) {
        __gcov_dump();
        __gcov_reset();
    }
}

void test_model_differs(const char *file, int line, const char *what)
{
    fprintf(stderr, "\nthe model says otherwise: %s:%d: %s\n", file, line, what);
    ck_abort_msg("the model says otherwise: %s", what);
    abort();
}

static int is_dot(const char *name)
{
    return name[0] == '.';
}

int test_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int count = -1; /* the one opendir took */

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)))
        count += !is_dot(entry->d_name);
    closedir(dir);
    return count;
}

static int is_kernel_worker(const char *tid)
{
    char path[64], name[32] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%.16s/comm", tid);
    file = fopen(path, "re");
    if (!file)
        return 1; /* it ended between the listing and now */
    if (!fgets(name, sizeof name, file))
        name[0] = 0;
    fclose(file);
    return strncmp(name, "iou-", 4) == 0;
}

int test_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)))
        if (!is_dot(entry->d_name) && !is_kernel_worker(entry->d_name))
            count++;
    closedir(dir);
    return count;
}

/* Says which descriptors are open and on what, for the reader of a failure. */
static void print_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char target[128];
        ssize_t n;

        if (is_dot(entry->d_name) || atoi(entry->d_name) == dirfd(dir))
            continue;
        n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
        if (n < 0)
            continue;
        target[n] = 0;
        fprintf(stderr, "  descriptor %s is %s\n", entry->d_name, target);
    }
    if (dir)
        closedir(dir);
}

static void *say_tid(void *tid)
{
    *(pid_t *)tid = gettid();
    return NULL;
}

/*
 * A sanitizer starts a thread of its own beside the first one a process makes. Made here and gone
 * again, so that it counts as there before the case.
 */
static void wake_sanitizer_threads(void)
{
    const struct timespec pause = {0, 100000};
    char path[64];
    pthread_t thread;
    pid_t tid;

    ck_assert_int_eq(pthread_create(&thread, NULL, say_tid, &tid), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    snprintf(path, sizeof path, "/proc/self/task/%d", (int)tid);
    while (access(path, F_OK) == 0)
        nanosleep(&pause, NULL);
}

/*
 * exit(0) inside a case would pass for success, to Check too. Runs in atexit, where only _exit can
 * still change the code.
 */
static void exit_too_early(void)
{
    if (!case_ended)
        _exit(TEST_EXIT_EARLY);
}

static void case_begins(void)
{
    atexit(exit_too_early);
    wake_sanitizer_threads();
    before.descriptors = test_descriptors();
    before.threads = test_threads();
    before.allocations = test_live_allocations();
    before.mapped = test_mapped_bytes();
}

/*
 * A joined thread leaves /proc a moment after pthread_join has returned (the kernel wakes the
 * joiner before it unlinks the thread), so a surplus gets time to vanish before it counts.
 */
static int threads_when_settled(void)
{
    const struct timespec pause = {0, 1000000};
    int count = test_threads();

    for (int i = 0; i < 500 && count > before.threads; i++) {
        nanosleep(&pause, NULL);
        count = test_threads();
    }
    return count;
}

static void case_ends(void)
{
    int descriptors = test_descriptors();
    int threads = threads_when_settled();
    size_t allocations = test_live_allocations();
    size_t mapped = test_mapped_bytes();

    case_ended = 1;
    if (descriptors != before.descriptors)
        print_descriptors();
    ck_assert_msg(descriptors == before.descriptors,
                  "the case began with %d open descriptors and ended with %d", before.descriptors,
                  descriptors);
    ck_assert_msg(allocations == before.allocations,
                  "the case began with %zu live library allocations and ended with %zu",
                  before.allocations, allocations);
    ck_assert_msg(mapped == before.mapped,
                  "the case began with %zu bytes of mapped memory and ended with %zu",
                  before.mapped, mapped);
    ck_assert_msg(threads <= before.threads, "the case began with %d threads and ended with %d",
                  before.threads, threads);
}

static int is_listed(const char *name, const char *list)
{
    for (size_t length = strlen(name); list && *list; list += strspn(list, ",")) {
        size_t word = strcspn(list, ",");
        if (word == length && strncmp(list, name, word) == 0)
            return 1;
        list += word;
    }
    return 0;
}

/* Is it one of those that TEST_SKIP names, apart by commas, or, unless WEFT_LONG is set,
   TEST_SKIP_SHORT? Where a case cannot run is said where the variable is set. */
static int to_be_skipped(const char *name)
{
    return is_listed(name, getenv("TEST_SKIP")) ||
           (!test_long() && is_listed(name, getenv("TEST_SKIP_SHORT")));
}

static int forking_forbidden(void)
{
    const char *value = getenv("CK_FORK");

    return value && strcmp(value, "no") == 0;
}

/* nohup and a shell's `&` have some signals ignored, which who is started inherits: a test that
   ends a child by one of them would wait for ever. */
static void heed_signals(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        signal(numbers[i], SIG_DFL);
}

int test_run(const char *suite_name, double timeout_s, const TTest *const *cases, size_t count)
{
    Suite *suite;
    SRunner *runner;
    int ran, failed;

    if (forking_forbidden()) {
        fprintf(stderr,
                "%s: CK_FORK=no is refused: a failed assertion would longjmp off a task's "
                "stack\n",
                suite_name);
        return TEST_EXIT_NO_FORK;
    }
    heed_signals();
    test_misuse_record(); /* inherited by the process of each case */
    suite = suite_create(suite_name);
    for (size_t i = 0; i < count; i++) {
        TCase *tcase;

        if (to_be_skipped(cases[i]->name))
            continue;
        /* A Check case each, so that CK_RUN_CASE=name picks one. */
        tcase = tcase_create(cases[i]->name);
        tcase_set_timeout(tcase, timeout_s);
        tcase_add_checked_fixture(tcase, case_begins, case_ends);
        tcase_add_test(tcase, cases[i]);
        suite_add_tcase(suite, tcase);
    }
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_FORK);
    setlinebuf(stdout); /* or a forked case prints its parent's buffer again */
    srunner_run_all(runner, CK_ENV);
    ran = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (ran == 0) {
        fprintf(stderr, "%s: no case ran\n", suite_name);
        return TEST_EXIT_NOTHING_RAN;
    }
    return failed == 0 ? TEST_EXIT_PASSED : TEST_EXIT_FAILED;
}
