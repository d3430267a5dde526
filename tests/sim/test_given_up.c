/*
 * What a run does about a kernel that does not keep its word: a completion that is lost, and
 * requests that never end. Would catch a loss that goes unnoticed or unsaid, memory of a request
 * that is freed although the kernel may yet write to it, a run that waits for ever, and one that
 * ends as if nothing had been.
 *
 * Each in a process of its own: it dies, or what it leaves is left for good.
 */
#include "simulate.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/memory.h"

/* What the hook was told, for the parent to read. */
static struct told {
    int times;
    char what[100];
} * told;

static void on_fatal(const char *what, void *context)
{
    struct told *to = context;

    to->times++;
    snprintf(to->what, sizeof to->what, "%s", what);
    test_save_coverage();
}

static int connect_here(int *listener)
{
    char address[32];

    *listener = weft_listen_tcp("127.0.0.1:0", NULL);
    ok(*listener);
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(*listener));
    return weft_connect_tcp(address, NULL);
}

static int sleeps(void *arg)
{
    (void)arg;
    return weft_sleep(1000000);
}

/* What is lost wakes nobody: the loss comes out when the loop wakes for another reason. */
static int connects(void *arg)
{
    int listener;

    (void)arg;
    ok(weft_create_task(sleeps, NULL, 0, NULL));
    return connect_here(&listener);
}

/* The status of a process in which a completion is lost. */
static int lose(void (*hook)(const char *what, void *context))
{
    struct world world = {.plan = "calm enter.lost=always",
                          .task = connects,
                          .run = {.on_fatal = hook, .context = told},
                          .fails = true};
    pid_t child = fork();
    int status;

    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        (void)world_run(&world);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

TEST(a_lost_completion_is_fatal_and_said)
{
    int status;

    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(told != MAP_FAILED);
    status = lose(on_fatal);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_int_eq(told->times, 1);
    ck_assert_ptr_nonnull(strstr(told->what, "lost a completion"));
    status = lose(NULL);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_int_eq(told->times, 1);
    munmap(told, sizeof *told);
}

/* -- requests that never end ---------------------------------------------------------------------
 */

/* Ends with a receive armed that nobody reads from, and a listener: the run is to end both. */
static int leave_stream(void *arg)
{
    int listener, here = connect_here(&listener), there;
    weft_stream *stream;
    const void *data;
    size_t size;

    (void)arg;
    ok(here);
    there = weft_accept(listener, NULL, NULL, 0);
    ok(there);
    ok(weft_stream_open(there, NULL, &stream));
    ok(weft_send_all(here, "x", 1, NULL));
    ck_assert_int_eq(weft_stream_peek(stream, &data, &size, 0), 1);
    ok(weft_stream_consume(stream, 1));
    return 7;
}

/* Its memory may be written to at any time: it stays, and the result says that not all is well. */
static int run_and_leave(void *arg)
{
    struct world *world = arg;
    size_t live = weft__alloc_live();

    ck_assert_int_eq(world_main(world), -ETIMEDOUT);
    ck_assert_uint_gt(weft__alloc_live(), live);
    ck_assert_int_ge(weft_sim_time(), INT64_C(2000000000));
    return 11;
}

TEST(a_request_that_never_ends_is_left_behind)
{
    struct world world = {.plan = "calm net.latency=0 recv#2=hang cancel.missed=always",
                          .task = leave_stream};

    ck_assert_int_eq(world_run_fn_apart(&world, run_and_leave, NULL), 11);
}

TEST_MAIN("sim/given_up", 30, a_lost_completion_is_fatal_and_said,
          a_request_that_never_ends_is_left_behind)
