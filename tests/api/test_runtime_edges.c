/*
 * The edges of a run: what it leaves alone when told to, a stop that is asked for twice, what is
 * called where there is no run, and handles that never named a task. Would catch a signal taken
 * away from the program, a second stop that starts the deadlines anew, and a lookup beyond the end.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)

static void on_sigpipe(int number)
{
    (void)number;
}

static void (*sigpipe_now(void))(int)
{
    struct sigaction now;

    ck_assert_int_eq(sigaction(SIGPIPE, NULL, &now), 0);
    return now.sa_handler;
}

static int check_sigpipe(void *arg)
{
    ck_assert(sigpipe_now() == *(void (**)(int))arg);
    return 0;
}

TEST(sigpipe)
{
    const struct weft_run_opt leave = {.size = sizeof leave, .no_sigpipe = true};
    void (*handler)(int) = SIG_IGN;

    signal(SIGPIPE, on_sigpipe);
    ck_assert_int_eq(weft_run(check_sigpipe, &handler, sizeof handler, NULL), 0);
    ck_assert(sigpipe_now() == on_sigpipe);
    handler = on_sigpipe;
    ck_assert_int_eq(weft_run(check_sigpipe, &handler, sizeof handler, &leave), 0);
    ck_assert(sigpipe_now() == on_sigpipe);
}

/* -- stops ------------------------------------------------------------------------------------- */

static int stop(void *arg)
{
    (void)arg;
    ck_assert_uint_eq(weft_reactor_index(), 1);
    return weft_stop();
}

static int stop_everywhere(void *arg)
{
    (void)arg;
    ck_assert_uint_eq(weft_reactor_index(), 0);
    ok(weft_call(1, stop, NULL, 0));
    while (!weft_draining())
        ok(weft_yield());
    ok(weft_stop());
    ok(weft_sleep(1000000)); /* under way: goes on, whoever asks again */
    return 6;
}

TEST(stopped_by_two)
{
    const struct weft_run_opt two = {.size = sizeof two, .reactors = 2};

    ck_assert_int_eq(weft_run(stop_everywhere, NULL, 0, &two), 6);
}

/* -- where there is no run -----------------------------------------------------------------------
 */

TEST(outside)
{
    int entered = 0;

    WEFT_SCOPE(scope)
        entered++;
    WEFT_SHIELD(weft_after_ms(1))
        entered++;
    ck_assert_int_eq(entered, 0);
    ck_assert_uint_eq(weft_reactor_index(), 0);
    ck_assert_ptr_null(weft_root());
    ck_assert_ptr_null(weft_inbox_here());
    ck_assert_ptr_null(weft_inbox_get(0));
}

static int enter_badly(void *arg)
{
    (void)arg;
    WEFT_SCOPE(scope, .on_error = (enum weft_on_error)99)
        ck_abort_msg("a scope that could not be opened was entered");
    return 3;
}

/* Nobody looks at the result of the macro: the task's own tells of it. */
TEST(a_scope_that_cannot_be_opened)
{
    ck_assert_int_eq(weft_run(enter_badly, NULL, 0, NULL), -EINVAL);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

/* The forms with a limit begin a scope of their own, which is a task's: they wait for nothing. */
TEST(nothing_is_waited_for_outside)
{
    weft_lock lock = WEFT_LOCK_INIT;
    weft_event event = WEFT_EVENT_INIT;
    weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(0);
    weft_condition condition = WEFT_CONDITION_INIT;
    weft_barrier barrier = WEFT_BARRIER_INIT(2);
    weft_rwlock rwlock = WEFT_RWLOCK_INIT;

    ck_assert_int_eq(weft_lock_acquire_until(&lock, WEFT_NEVER), -EPERM);
    ck_assert_int_eq(weft_event_wait_until(&event, WEFT_NEVER), -EPERM);
    ck_assert_int_eq(weft_semaphore_acquire_until(&semaphore, WEFT_NEVER), -EPERM);
    ck_assert_int_eq(weft_condition_wait_until(&condition, &lock, WEFT_NEVER), -EPERM);
    ck_assert_int_eq(weft_condition_wait_for_until(&condition, &lock, never, NULL, WEFT_NEVER),
                     -EPERM);
    ck_assert_int_eq(weft_barrier_wait_until(&barrier, WEFT_NEVER), -EPERM);
    ck_assert_int_eq(weft_rwlock_read_until(&rwlock, WEFT_NEVER), -EPERM);
    ck_assert_int_eq(weft_rwlock_write_until(&rwlock, WEFT_NEVER), -EPERM);
}

/* -- after fork -------------------------------------------------------------------------------- */

static int fork_and_come_back(void *arg)
{
    int status;
    pid_t pid = fork();

    (void)arg;
    if (pid == 0)
        return weft_yield() == -EPERM ? 0 : -EPROTO;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 77);
    return 0;
}

/* The run is the parent's: the child gets out of it, and touches nothing on its way. */
TEST(a_child_that_comes_back)
{
    pid_t parent = getpid();
    int result = weft_run(fork_and_come_back, NULL, 0, NULL);

    if (getpid() != parent) {
        test_save_coverage();
        _exit(result == -ENOTSUP ? 77 : 1);
    }
    ck_assert_int_eq(result, 0);
}

/* As one in a frame that the child has left: what lies there by then is anything. */
static weft_scope left, left_as_it_was;

static int fork_in_a_scope(void *arg)
{
    int status;
    pid_t pid;

    (void)arg;
    ok(weft_scope_open(&left, NULL));
    pid = fork();
    if (pid == 0) {
        left_as_it_was = left;
        return 0;
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 77);
    return weft_scope_close(&left);
}

/* Would catch a child that, at the end of its task, closes scopes whose memory is another's. */
TEST(a_child_that_leaves_a_scope)
{
    pid_t parent = getpid();
    int result = weft_run(fork_in_a_scope, NULL, 0, NULL);

    if (getpid() != parent) {
        bool same = memcmp(&left, &left_as_it_was, sizeof left) == 0;
        test_save_coverage();
        _exit(result == -ENOTSUP && same ? 77 : 1);
    }
    ck_assert_int_eq(result, 0);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

TEST(a_loop_of_the_parent)
{
    weft_loop *loop, *other;
    int status;
    pid_t pid;

    ck_assert_int_eq(weft_loop_new(&loop, NULL), 0);
    ck_assert_int_eq(weft_loop_run(loop, nothing, NULL, 0), 0);
    pid = fork();
    if (pid == 0) {
        int wrong = weft_loop_run(loop, nothing, NULL, 0) != -ENOTSUP;
        wrong |= weft_loop_new(&other, NULL) != -ENOTSUP;
        test_save_coverage();
        _exit(wrong);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(weft_loop_run(loop, nothing, NULL, 0), 0);
    ck_assert_int_eq(weft_loop_close(loop), 0);
}

/* -- handles ----------------------------------------------------------------------------------- */

static int use_handles(void *arg)
{
    weft_task own = weft_current_task(), beyond = own, unused = own, older = own;

    (void)arg;
    beyond.slot |= UINT32_MAX; /* no stack has this number, */
    unused.slot += 100000;     /* none has used that one yet, */
    older.generation--;        /* and this is another task's */
    ck_assert_int_eq(weft_cancel(beyond), -ESTALE);
    ck_assert_int_eq(weft_cancel(unused), -ESTALE);
    ck_assert_int_eq(weft_cancel(older), -ESTALE);
    ck_assert_int_eq(weft_await(beyond, NULL), -ESTALE);
    return 0;
}

TEST(handles_that_never_named_a_task)
{
    ck_assert_int_eq(weft_run(use_handles, NULL, 0, NULL), 0);
}

TEST_MAIN("api.runtime_edges", 30, sigpipe, stopped_by_two, outside, a_scope_that_cannot_be_opened,
          nothing_is_waited_for_outside, a_child_that_comes_back, a_child_that_leaves_a_scope,
          a_loop_of_the_parent, handles_that_never_named_a_task)
