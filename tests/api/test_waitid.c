/*
 * Children that somebody else has started: waited for by number, group, descriptor, or whichever;
 * through the ring, and where it has no request for it by asking. Catches an end that is taken and
 * not told, one that is told of another child, and a wait that goes on when there is nobody.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)
#define same(a, b) ck_assert_int_eq((a), (b))

static pid_t children[2];

/* With the ring's help, and without: `begin` makes the children, each time. */
static void run_both(weft_task_fn fn, void (*begin)(void))
{
    if (begin)
        begin();
    same(weft_run(fn, NULL, 0, NULL), 0);
    same(setenv("WEFT_RING_MASK", "waitid", 1), 0);
    if (begin)
        begin();
    same(weft_run(fn, NULL, 0, NULL), 0);
    same(unsetenv("WEFT_RING_MASK"), 0);
}

static pid_t child_that_sleeps(void)
{
    pid_t child = fork();

    ok(child);
    if (child == 0)
        for (;;)
            pause();
    return child;
}

static pid_t child_that_ends(int code)
{
    pid_t child = fork();

    ok(child);
    if (child == 0)
        _exit(code);
    return child;
}

/* -- ends ----------------------------------------------------------------------------------- */

static void begin_ends(void)
{
    children[0] = child_that_ends(7);
    children[1] = child_that_sleeps();
}

static int main_ends(void *arg)
{
    siginfo_t info;

    (void)arg;
    same(weft_waitid(P_PID, children[0], &info, WEXITED | WNOWAIT), 0);
    same(info.si_pid, children[0]);
    same(weft_waitid(P_ALL, 0, &info, WEXITED), 0); /* it is there still, and now reaped */
    same(info.si_pid, children[0]);
    same(info.si_signo, SIGCHLD);
    same(info.si_code, CLD_EXITED);
    same(info.si_status, 7);
    same(weft_waitid(P_PID, children[0], &info, WEXITED), -ECHILD);
    same(weft_waitid(P_PID, children[1], &info, WEXITED | WNOHANG), 0);
    same(info.si_pid, 0);
    same(kill(children[1], SIGKILL), 0);
    same(weft_waitid(P_PID, children[1], &info, WEXITED), 0);
    same(info.si_code, CLD_KILLED);
    same(info.si_status, SIGKILL);
    same(weft_waitid(P_ALL, 0, NULL, WEXITED), -ECHILD);
    return 0;
}

TEST(ends)
{
    run_both(main_ends, begin_ends);
}

static void begin_group(void)
{
    children[0] = child_that_sleeps();
    same(setpgid(children[0], children[0]), 0);
}

static int main_group(void *arg)
{
    siginfo_t info;
    int pidfd = (int)syscall(SYS_pidfd_open, children[0], 0);

    (void)arg;
    ok(pidfd);
    same(kill(children[0], SIGSTOP), 0);
    same(weft_waitid(P_PGID, children[0], &info, WSTOPPED), 0);
    same(info.si_code, CLD_STOPPED);
    same(kill(children[0], SIGCONT), 0);
    same(weft_waitid(P_PIDFD, pidfd, &info, WCONTINUED), 0);
    same(info.si_code, CLD_CONTINUED);
    same(kill(children[0], SIGKILL), 0);
    same(weft_waitid(P_PIDFD, pidfd, NULL, WEXITED), 0);
    same(weft_waitid(P_PGID, children[0], &info, WEXITED), -ECHILD);
    return close(pidfd);
}

TEST(groups_and_stops)
{
    run_both(main_group, begin_group);
}

/* -- cut short ------------------------------------------------------------------------------ */

static int waits_for_child(void *arg)
{
    int *result = *(int **)arg;

    *result = weft_waitid(P_PID, children[0], NULL, WEXITED);
    return 0;
}

static void begin_sleeper(void)
{
    children[0] = child_that_sleeps();
}

/* Nothing is taken by a call that was cut short. */
static int main_cancelled(void *arg)
{
    struct weft_scope_opt limit = {.size = sizeof limit};
    weft_scope scope;

    (void)arg;
    for (int turn = 0; turn < 4; turn++) {
        int result = 1, *to = &result;
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

        WEFT_SCOPE(s) {
            same(weft_spawn(&s, waits_for_child, &to, sizeof to, &opt), 0);
            for (int i = 0; i < turn; i++)
                ok(weft_yield());
            same(weft_cancel(task), 1);
            ok(weft_join(task, NULL));
        }
        same(result, -ECANCELED);
    }
    limit.deadline = weft_after_ms(3);
    same(weft_scope_open(&scope, &limit), 0);
    same(weft_waitid(P_ALL, 0, NULL, WEXITED), -ECANCELED);
    same(weft_scope_close(&scope), -ETIMEDOUT);
    same(kill(children[0], SIGKILL), 0);
    same(weft_waitid(P_PID, children[0], NULL, WEXITED), 0);
    return 0;
}

TEST(cancelled)
{
    run_both(main_cancelled, begin_sleeper);
}

/* -- nobody --------------------------------------------------------------------------------- */

static int main_nobody(void *arg)
{
    siginfo_t info = {.si_pid = 5};

    (void)arg;
    same(weft_waitid(P_ALL, 0, &info, WEXITED), -ECHILD);
    same(weft_waitid(P_PID, getppid(), &info, WEXITED), -ECHILD);
    same(weft_waitid(P_PID, getppid(), NULL, WEXITED | WNOHANG), -ECHILD);
    same(weft_waitid(P_PGID, 0, &info, WEXITED), -ECHILD);
    same(weft_waitid(P_ALL, 0, &info, 0), -EINVAL);
    same(weft_waitid(P_ALL, 0, &info, WEXITED | 1 << 20), -EINVAL);
    same(weft_waitid(P_PID, 0, &info, WEXITED), -EINVAL);
    same(weft_waitid(99, 0, &info, WEXITED), -EINVAL);
    same(weft_waitid(P_PIDFD, 1 << 20, &info, WEXITED), -EBADF);
    same(info.si_pid, 5); /* untouched */
    same(weft_cancel(weft_current_task()), 1);
    same(weft_waitid(P_ALL, 0, &info, WEXITED), -ECANCELED);
    same(weft_uncancel(), 0);
    return 0;
}

TEST(nobody)
{
    run_both(main_nobody, NULL);
}

TEST_MAIN("waitid", 20, ends, groups_and_stops, cancelled, nobody)
