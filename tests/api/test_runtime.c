/*
 * weft/runtime.h: options and their errors, several runtimes, several reactors, stops, tasks that
 * hold, forks, the allocator, signals, and the text that says why io_uring cannot be had.
 */
#include "support/test.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#define RUN_OPT(...) (&(struct weft_run_opt){.size = sizeof(struct weft_run_opt), __VA_ARGS__})

static int give_back(void *arg)
{
    return *(int *)arg;
}
static int nothing(void *arg)
{
    (void)arg;
    return 0;
}
static int sleeper(void *arg)
{
    (void)arg;
    return weft_sleep_until(WEFT_NEVER);
}

/* -- arguments --------------------------------------------------------------------------------- */

static int nested(void *arg)
{
    (void)arg;
    return weft_run(nothing, NULL, 0, NULL);
}
TEST(arguments)
{
    char bytes[WEFT_ARG_SIZE_MAX + 1] = {0};
    int value = 33;

    ck_assert_int_eq(weft_run(NULL, NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(weft_run(nothing, NULL, 4, NULL), -EINVAL);
    ck_assert_int_eq(weft_run(nothing, bytes, sizeof bytes, NULL), -E2BIG);
    ck_assert_int_eq(weft_run(nothing, NULL, 0, &(struct weft_run_opt){0}), -EINVAL);
    ck_assert_int_eq(weft_run(nothing, NULL, 0, RUN_OPT(.reactors = WEFT_REACTORS_MAX + 1)),
                     -EINVAL);
    ck_assert_int_eq(weft_run(give_back, &value, sizeof value, NULL), 33);
    ck_assert_int_eq(weft_run(give_back, &value, 0, RUN_OPT(.reactors = 0)), 33);
    value = -EIO;
    ck_assert_int_eq(weft_run(give_back, &value, 0, NULL), -EIO);
    ck_assert_int_eq(weft_run(nested, NULL, 0, NULL), -EDEADLK);
    ck_assert_int_eq(weft_stop(), -EPERM);
    ck_assert_uint_eq(weft_reactors(), 0);
    ck_assert_int_eq(weft_call(0, nothing, NULL, 0), -EPERM);
    ck_assert_int_eq(weft_features(bytes, sizeof bytes), -EPERM);
}

/* -- the main task's stack -------------------------------------------------------------------- */

static int remaining(void *arg)
{
    (void)arg;
    return (int)weft_stack_remaining();
}
/* Of `size` bytes: some are used, and a part of a page is left out to spread them in the cache. */
static void a_stack_of(int size, int left)
{
    ck_assert_int_le(left, size);
    ck_assert_int_gt(left, size - 8192);
}
TEST(main_stack_sizes)
{
    static const struct {
        size_t asked;
        int size;
    } of[] = {{0, 64 << 10},      {1, 16 << 10},       {16 << 10, 16 << 10},
              {65537, 256 << 10}, {100000, 256 << 10}, {(256 << 10) + 1, 1 << 20},
              {1 << 20, 1 << 20}};
    struct weft_run_opt older = {.size = offsetof(struct weft_run_opt, main_stack_size),
                                 .main_stack_size = 1 << 20};
    weft_loop *loop = NULL;

    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct weft_run_opt opt = {.size = sizeof opt, .main_stack_size = of[i].asked};

        a_stack_of(of[i].size, weft_run(remaining, NULL, 0, &opt));
        ck_assert_int_eq(weft_loop_new(&loop, &opt), 0);
        a_stack_of(of[i].size, weft_loop_run(loop, remaining, NULL, 0));
        a_stack_of(of[i].size, weft_loop_run(loop, remaining, NULL, 0));
        ck_assert_int_eq(weft_loop_close(loop), 0);
    }
    a_stack_of(64 << 10, weft_run(remaining, NULL, 0, &older)); /* it knows of no such field */
    loop = NULL;
    ck_assert_int_eq(weft_run(remaining, NULL, 0, RUN_OPT(.main_stack_size = (1 << 20) + 1)),
                     -E2BIG);
    ck_assert_int_eq(weft_loop_new(&loop, RUN_OPT(.main_stack_size = SIZE_MAX)), -E2BIG);
    ck_assert_ptr_null(loop);
}

static int features_main(void *arg)
{
    char text[512] = "";

    (void)arg;
    ck_assert_int_gt(weft_features(text, sizeof text), 0);
    ck_assert_uint_gt(strlen(text), 0);
    return 0;
}
TEST(features)
{
    ck_assert_int_eq(weft_run(features_main, NULL, 0, NULL), 0);
}

/* -- several of them -----------------------------------------------------------------------------
 */

static void *runs(void *arg)
{
    int value = (int)(intptr_t)arg;

    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(weft_run(give_back, &value, sizeof value, NULL), value);
    return NULL;
}
TEST(two_runtimes_on_two_threads)
{
    pthread_t a, b;

    ck_assert_int_eq(pthread_create(&a, NULL, runs, (void *)1), 0);
    ck_assert_int_eq(pthread_create(&b, NULL, runs, (void *)2), 0);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
}

static int where(void *arg)
{
    ck_assert_uint_eq(weft_reactors(), 3);
    return (int)weft_reactor_index() + *(int *)arg;
}
static int deep_call(void *arg)
{
    int left = *(int *)arg - 1, result;

    if (left < 0)
        return 0;
    result = weft_call((uint32_t)left % 3, deep_call, &left, sizeof left);
    return result < 0 ? result : result + 1;
}
static int counts_there(void *arg)
{
    __atomic_add_fetch(*(int **)arg, 1, __ATOMIC_RELAXED);
    return weft_reactor_index() == 2 ? 0 : -EIO;
}
static int calls_main(void *arg)
{
    char bytes[WEFT_ARG_SIZE_MAX + 1] = {0};
    int base = 100, n = 30, count = 0, *place = &count;

    (void)arg;
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_int_eq(weft_call(i, where, &base, sizeof base), 100 + (int)i);
    ck_assert_int_eq(weft_call(1, where, &base, 0), 101); /* the pointer itself */
    ck_assert_int_eq(weft_call(3, where, &base, 0), -ERANGE);
    ck_assert_int_eq(weft_call(1, NULL, &base, 0), -EINVAL);
    ck_assert_int_eq(weft_call(1, where, NULL, 4), -EINVAL);
    ck_assert_int_eq(weft_call(1, where, bytes, sizeof bytes), -E2BIG);
    ck_assert_int_eq(weft_call(1, nothing, bytes, sizeof bytes - 1), 0);
    base = -EBADMSG;
    ck_assert_int_eq(weft_call(2, give_back, &base, sizeof base), -EBADMSG);
    ck_assert_int_eq(weft_call(0, deep_call, &n, sizeof n), 30);
    WEFT_SCOPE(s, .max_tasks = 10)
        for (int i = 0; i < 300; i++)
            ck_assert_int_eq(weft_spawn(&s, counts_there, &place, sizeof place,
                                        &(struct weft_spawn_opt){.size =
                                                                     sizeof(struct weft_spawn_opt),
                                                                 .reactor = WEFT_ON(2)}),
                             0);
    ck_assert_int_eq(count, 300);
    WEFT_SCOPE(t) {
        for (int i = 0; i < 30; i++)
            ck_assert_int_eq(weft_spawn(&t, sleeper, NULL, 0,
                                        &(struct weft_spawn_opt){.size =
                                                                     sizeof(struct weft_spawn_opt),
                                                                 .reactor = WEFT_LEAST_LOADED}),
                             0);
        ck_assert_int_eq(weft_sleep(3000000), 0);
        weft_scope_cancel(&t);
    }
    return 5;
}
TEST(calls_between_reactors)
{
    ck_assert_int_eq(weft_run(calls_main, NULL, 0, RUN_OPT(.reactors = 3)), 5);
    ck_assert_int_eq(weft_run(calls_main, NULL, 0, RUN_OPT(.reactors = 3, .no_pinning = true)), 5);
    ck_assert_int_eq(weft_run(calls_main, NULL, 0, RUN_OPT(.reactors = 3, .budget = 1)), 5);
    ck_assert_int_eq(weft_run(calls_main, NULL, 0, RUN_OPT(.reactors = 3, .no_look = true)), 5);
}

static int all_main(void *arg)
{
    cpu_set_t cpus;

    (void)arg;
    if (weft_reactors() > 1) {
        ck_assert_int_eq(sched_getaffinity(0, sizeof cpus, &cpus), 0);
        ck_assert_int_eq(CPU_COUNT(&cpus), 1);
    }
    return (int)weft_reactors();
}
TEST(all_cpus)
{
    cpu_set_t before, after;
    int count;

    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    count = weft_run(all_main, NULL, 0, RUN_OPT(.reactors = WEFT_REACTORS_ALL));
    ck_assert_int_ge(count, 1);
    ck_assert_int_le(count, CPU_COUNT(&before));
    ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
    ck_assert(CPU_EQUAL(&before, &after)); /* pinned meanwhile, and put back */
}

/* -- the end, and what is left -------------------------------------------------------------------
 */

static int leftovers, held;
static long spins, spins_when_named;
static char names[256];
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static void on_leftover(const struct weft_task_info *info, bool holds, void *context)
{
    pthread_mutex_lock(&names_lock);
    ck_assert_ptr_eq(context, names);
    leftovers += !holds;
    held += holds;
    if (holds)
        spins_when_named = __atomic_load_n(&spins, __ATOMIC_RELAXED);
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s ", info->name,
             holds ? "!" : "");
    pthread_mutex_unlock(&names_lock);
}
static struct weft_spawn_opt named(const char *name)
{
    return (struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), .name = name};
}
static int leaves_main(void *arg)
{
    struct weft_spawn_opt a = named("Anna"), b = named("Bert"), c = named("Carl");
    weft_task kept;

    (void)arg;
    c.task = &kept;
    ck_assert_int_eq(weft_create_task(sleeper, NULL, 0, &a), 0);
    ck_assert_int_eq(weft_create_task(sleeper, NULL, 0, &b), 0);
    ck_assert_int_eq(weft_create_task(nothing, NULL, 0, &c), 0); /* ended and kept: not left over */
    weft_yield();
    return 8;
}
TEST(leftovers_are_named_and_cancelled)
{
    ck_assert_int_eq(weft_run(leaves_main, NULL, 0,
                              RUN_OPT(.on_leftover = on_leftover, .context = names)),
                     8);
    ck_assert_str_eq(names, "Anna Bert ");
}

static int ignore_it(void *arg)
{
    (void)arg;
    for (;;)
        __atomic_add_fetch(&spins, 1, __ATOMIC_RELAXED), (void)weft_yield();
    return 0;
}
static int shielded(void *arg)
{
    (void)arg;
    WEFT_SHIELD(weft_after_ms(3600000))
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    return 0;
}
struct holding {
    uint32_t where;
    weft_task_fn fn;
    bool main_too;
};
static int hold_main(void *arg)
{
    struct holding *holding = arg;
    struct weft_spawn_opt opt = named("Hugo");

    ck_assert_int_eq(weft_call(holding->where, nothing, NULL, 0), 0);
    opt.reactor = WEFT_ON(holding->where);
    if (holding->fn)
        ck_assert_int_eq(weft_create_task(holding->fn, NULL, 0, &opt), 0);
    weft_sleep(2000000);
    if (!holding->main_too)
        return 12;
    ck_assert_int_eq(weft_stop(), 0);
    return ignore_it(NULL);
}
static int hold(uint32_t reactors, struct holding holding, int64_t cancel_ns)
{
    leftovers = held = 0;
    names[0] = 0;
    return weft_run(hold_main, &holding, sizeof holding,
                    RUN_OPT(.reactors = reactors, .on_leftover = on_leftover, .context = names,
                            .drain_ns = 2000000, .cancel_ns = cancel_ns));
}
/* "The hard stop of a run ignores" shields: nothing holds here. */
TEST(a_hard_stop_ignores_shields)
{
    ck_assert_int_eq(hold(1, (struct holding){0, shielded, false}, INT64_C(6000000000)), 12);
    ck_assert_int_eq(held, 0);
    ck_assert_int_eq(hold(2, (struct holding){1, shielded, false}, INT64_C(6000000000)), 12);
    ck_assert_int_eq(held, 0);
}
/* These leave memory and descriptors behind, by design; so each in a process that says so by code.
 */
static void holds(uint32_t reactors, struct holding holding, const char *who)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        int result = hold(reactors, holding, 20000000);
        test_save_coverage();
        if (result != -ETIMEDOUT)
            _exit(1);
        if (!strstr(names, who))
            _exit(2);
        if (reactors == 1 && spins != spins_when_named) /* never switched to again */
            _exit(4);
        /* the process can go on: another run is fine */
        _exit(weft_run(nothing, NULL, 0, NULL) == 0 ? 77 : 3);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 77);
}
TEST(tasks_that_hold)
{
    holds(1, (struct holding){0, ignore_it, false}, "Hugo! ");
    holds(2, (struct holding){1, ignore_it, false}, "Hugo! ");
    holds(1, (struct holding){0, NULL, true}, "main! ");
    holds(2, (struct holding){0, NULL, true}, "main! "); /* the others do not wait for main */
    holds(2, (struct holding){1, ignore_it, true}, "main! ");
}

/* -- stops
 * ----------------------------------------------------------------------------------------- */

static int drains(void *arg)
{
    int *ended = *(int **)arg;

    while (!weft_draining())
        ck_assert_int_eq(weft_sleep(100000), 0);
    ck_assert_int_eq(weft_cancelled(), 0);
    ck_assert_int_eq(weft_sleep(1000000), 0); /* what is under way goes on */
    __atomic_add_fetch(ended, 1, __ATOMIC_RELAXED);
    return 0;
}
static int stop_main(void *arg)
{
    static int ended;
    int *place = &ended, how = *(int *)arg, value = 0, seen;

    ended = 0;
    for (uint32_t i = 0; i < weft_reactors(); i++) {
        struct weft_spawn_opt opt = named("drains");
        opt.reactor = WEFT_ON(i);
        ck_assert_int_eq(weft_create_task(drains, &place, sizeof place, &opt), 0);
    }
    ck_assert_int_eq(weft_sleep(1000000), 0);
    if (how == 0)
        ck_assert_int_eq(weft_stop(), 0);
    else
        ck_assert_int_eq(kill(getpid(), how), 0);
    while (!weft_draining())
        ck_assert_int_eq(weft_sleep(100000), 0);
    ck_assert_int_eq(weft_stop(), 0); /* again is no error */
    ck_assert_int_eq(weft_create_task(give_back, &value, sizeof value, NULL), -ESHUTDOWN);
    while ((seen = __atomic_load_n(place, __ATOMIC_RELAXED)) < (int)weft_reactors())
        ck_assert_int_eq(weft_sleep(100000), 0);
    return 50 + seen;
}
TEST(stop_drains_first)
{
    static const int hows[] = {0, SIGTERM, SIGINT};

    for (uint32_t reactors = 1; reactors <= 3; reactors++)
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(weft_run(stop_main, &hows[i], sizeof hows[i],
                                      RUN_OPT(.reactors = reactors, .stop_on_sigterm = true,
                                              .drain_ns = INT64_C(60000000000))),
                             50 + (int)reactors);
}

/* SIGTERM stops every runtime that asked for it, and is as before afterwards. */
static pthread_barrier_t both_there;
static int sigterm_main(void *arg)
{
    pthread_barrier_wait(&both_there);
    if (*(int *)arg == 0)
        ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    while (!weft_draining())
        ck_assert_int_eq(weft_sleep(100000), 0);
    return 0;
}
static void *sigterm_run(void *arg)
{
    ck_assert_int_eq(weft_run(sigterm_main, arg, sizeof(int), RUN_OPT(.stop_on_sigterm = true)), 0);
    return NULL;
}
TEST(sigterm_stops_all)
{
    int first = 0, second = 1;
    struct sigaction pipe_before, term_before, pipe_after, term_after;
    pthread_t a, b;

    sigaction(SIGTERM, NULL, &term_before);
    sigaction(SIGPIPE, NULL, &pipe_before);
    pthread_barrier_init(&both_there, NULL, 2);
    ck_assert_int_eq(pthread_create(&a, NULL, sigterm_run, &first), 0);
    ck_assert_int_eq(pthread_create(&b, NULL, sigterm_run, &second), 0);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    pthread_barrier_destroy(&both_there);
    sigaction(SIGTERM, NULL, &term_after);
    sigaction(SIGPIPE, NULL, &pipe_after);
    ck_assert(term_after.sa_handler == term_before.sa_handler);
    ck_assert(pipe_after.sa_handler == pipe_before.sa_handler);
}

static int sigpipe_main(void *arg)
{
    int fds[2];

    (void)arg;
    ck_assert_int_eq(pipe(fds), 0);
    close(fds[0]);
    ck_assert_int_eq(write(fds[1], "x", 1), -1); /* and not dead */
    ck_assert_int_eq(errno, EPIPE);
    close(fds[1]);
    return 0;
}
TEST(sigpipe_is_ignored)
{
    ck_assert_int_eq(weft_run(sigpipe_main, NULL, 0, NULL), 0);
}

/* -- fork ----------------------------------------------------------------------------------------
 */

static void no_callback(void *arg)
{
    (void)arg;
}
static int fork_main(void *arg)
{
    weft_inbox *inbox = weft_inbox_here();
    int status;
    pid_t pid;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, nothing, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_sleep(1000), 0);
        pid = fork();
        if (pid == 0) {
            struct weft_post_slot slot = WEFT_POST_SLOT_INIT(no_callback, NULL);
            struct weft_stats stats;
            weft_future *future;
            int wrong = 0;
            wrong |= (weft_yield() != -EPERM) << 0;
            wrong |= (weft_sleep(1) != -EPERM) << 1;
            wrong |= (weft_spawn(&s, nothing, NULL, 0, NULL) != -EPERM) << 2;
            wrong |= (weft_run(nothing, NULL, 0, NULL) != -ENOTSUP) << 3;
            wrong |= (weft_post(inbox, no_callback, NULL, NULL) != -ENOTSUP ||
                      weft_post_try(inbox, no_callback, NULL, NULL) != -ENOTSUP)
                     << 4;
            wrong |= (weft_post_slot(inbox, &slot) != -ENOTSUP) << 5;
            wrong |= (weft_stop_post(inbox) != -ENOTSUP || weft_stop() != -EPERM) << 6;
            wrong |= (weft_stats(&stats, sizeof stats) != -EPERM ||
                      weft_run_coroutine_threadsafe(inbox, nothing, NULL, 0, &future) != -ENOTSUP)
                     << 7;
            test_save_coverage();
            _exit(wrong);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        ck_assert(!weft_draining());
        ck_assert_int_eq(weft_spawn(&s, nothing, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_sleep(1000), 0); /* the parent goes on */
    }
    weft_inbox_put(inbox);
    return 6;
}
TEST(fork_in_a_task)
{
    ck_assert_int_eq(weft_run(fork_main, NULL, 0, NULL), 6);
}

/* -- the allocator
 * --------------------------------------------------------------------------------- */

static long blocks;
static void *count_alloc(size_t size, void *context)
{
    __atomic_add_fetch((long *)context, 1, __ATOMIC_RELAXED);
    return malloc(size);
}
static void *count_realloc(void *memory, size_t size, void *context)
{
    (void)context;
    return realloc(memory, size);
}
static void count_free(void *memory, void *context)
{
    __atomic_add_fetch((long *)context, -1, __ATOMIC_RELAXED);
    free(memory);
}
static int allocator_main(void *arg)
{
    (void)arg;
    ck_assert_int_gt(__atomic_load_n(&blocks, __ATOMIC_RELAXED), 0);
    return 0;
}
TEST(allocator)
{
    struct weft_allocator mine = {count_alloc, count_realloc, count_free, &blocks}, bad = {0};

    ck_assert_int_eq(weft_run(allocator_main, NULL, 0, RUN_OPT(.allocator = &bad)), -EINVAL);
    for (uint32_t reactors = 1; reactors < 3; reactors++) {
        ck_assert_int_eq(weft_run(allocator_main, NULL, 0,
                                  RUN_OPT(.allocator = &mine, .reactors = reactors)),
                         0);
        ck_assert_int_eq(blocks, 0);
    }
    ck_assert_int_eq(weft_run(nothing, NULL, 0, NULL), 0);
    ck_assert_int_eq(blocks, 0);
}

/* -- io_uring forbidden
 * ------------------------------------------------------------------------------ */

static void forbid_io_uring(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}
TEST(io_uring_forbidden)
{
    cpu_set_t before, after;
    char text[256] = "";

    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    forbid_io_uring();
    for (uint32_t reactors = 1; reactors <= 2; reactors++) {
        text[0] = 0;
        ck_assert_int_eq(weft_run(nothing, NULL, 0,
                                  RUN_OPT(.reactors = reactors, .error_text = text,
                                          .error_text_size = sizeof text)),
                         -EPERM);
        ck_assert_ptr_nonnull(strstr(text, "seccomp"));
    }
    ck_assert_int_eq(weft_run(nothing, NULL, 0, NULL), -EPERM); /* nobody asks for the text */
    ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
    ck_assert(CPU_EQUAL(&before, &after));
}

/* -- a stack overflow names the task
 * ------------------------------------------------------------------- */

static volatile int more = 1;
static __attribute__((noinline)) int overflow(volatile char *above)
{
    volatile char frame[512];

    frame[0] = above ? above[0] : 1;
    return more ? overflow(frame) + frame[0] : 0;
}
static int overflow_task(void *arg)
{
    (void)arg;
    return overflow(NULL);
}
static int overflow_main(void *arg)
{
    struct weft_spawn_opt opt = named("deep-recursion");

    (void)arg;
    opt.stack_size = 256 << 10;
    ck_assert_int_eq(weft_create_task(overflow_task, NULL, 0, &opt), 0);
    return weft_sleep(1000000);
}
/* What a child says that runs fn, and dies of SIGSEGV. */
static void overflows(weft_task_fn fn, char text[4096])
{
    size_t size = 0;
    int fds[2], status;
    ssize_t n;
    pid_t pid;

    memset(text, 0, 4096);
    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        weft_run(fn, NULL, 0, NULL);
        _exit(0);
    }
    close(fds[1]);
    while (size < 4095 && (n = read(fds[0], text + size, 4095 - size)) > 0)
        size += (size_t)n;
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %x: %s", status,
                  text);
}
TEST(stack_overflow_names_the_task)
{
    char text[4096], function[32];

    snprintf(function, sizeof function, "0x%lx,", (unsigned long)(uintptr_t)overflow_task);
    overflows(overflow_main, text);
    ck_assert_msg(strstr(text, "\"deep-recursion\"") != NULL, "the report was: %s", text);
    ck_assert_msg(strstr(text, function) != NULL, "no %s in: %s", function, text);
    ck_assert_msg(strstr(text, "stack of 262144 bytes") != NULL, "the report was: %s", text);
}

/* What a function does that has `char block[200000]` and writes to it, compiled without probes: it
   leaps the guard of the lowest stack, which main's is. */
static int leap(void *arg)
{
    (void)arg;
    *(volatile char *)((uintptr_t)__builtin_frame_address(0) - 200000) = 1;
    return 0;
}
TEST(a_frame_that_leaps_the_guard_names_the_task)
{
    char text[4096];

    overflows(leap, text);
    ck_assert_msg(strstr(text, "weft: stack overflow in task \"main\"") == text, "it said: %s",
                  text);
    ck_assert_msg(strstr(text, "below its guard") != NULL, "it said: %s", text);
}

TEST_MAIN("api.runtime", 60, arguments, main_stack_sizes, features, two_runtimes_on_two_threads,
          calls_between_reactors, all_cpus, leftovers_are_named_and_cancelled,
          a_hard_stop_ignores_shields, tasks_that_hold, stop_drains_first, sigterm_stops_all,
          sigpipe_is_ignored, fork_in_a_task, allocator, io_uring_forbidden,
          stack_overflow_names_the_task, a_frame_that_leaps_the_guard_names_the_task)
