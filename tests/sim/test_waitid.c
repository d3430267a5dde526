/*
 * Simulated processes, waited for by whoever has not started them: in calm worlds and in rough
 * ones, by requests and by asking. Catches an end that is told twice, one that is lost on somebody
 * who was cancelled, and a process that stays.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "reactor/reactor.h"
#include "ring/host_child.h"
#include "simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))

enum { LATE_NS = 1030000000, ASKED_EACH_NS = 50000000 };

static int ends(weft_sim_process *process, int argc, char **argv)
{
    (void)argc, (void)argv;
    return weft_sim_process_sleep(process, 3000000) < 0 ? 1 : 7;
}

/* After so long that whoever asks asks no less often than he ever will. */
static int ends_late(weft_sim_process *process, int argc, char **argv)
{
    (void)argc, (void)argv;
    return weft_sim_process_sleep(process, LATE_NS) < 0 ? 1 : 7;
}

static int sleeps(weft_sim_process *process, int argc, char **argv)
{
    (void)argc, (void)argv;
    return weft_sim_process_sleep(process, INT64_MAX) < 0;
}

/* One that no scope minds. */
static struct weft__child start(const char *path)
{
    char *paths[] = {(char *)(uintptr_t)path, NULL}, *none[] = {NULL};
    struct weft__child child = {.paths = paths, .arguments = paths, .environment = none};

    same(weft__host_child_start(&child), 0);
    return child;
}

static bool masked;

static void prepare(void)
{
    same(weft_sim_program("/bin/ends", ends), 0);
    same(weft_sim_program("/bin/ends_late", ends_late), 0);
    same(weft_sim_program("/bin/sleeps", sleeps), 0);
    if (masked)
        weft__self->ring.features &= ~(uint32_t)WEFT__FEATURE_WAITID;
}

static int main_ends(void *arg)
{
    struct weft__child one, two;
    siginfo_t info;

    (void)arg;
    prepare();
    one = start("/bin/ends");
    two = start("/bin/sleeps");
    same(weft_waitid(P_PID, two.pid, &info, WEXITED | WNOHANG), 0);
    same(info.si_pid, 0);
    same(weft_waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    same(info.si_pid, one.pid);
    same(weft_waitid(P_PGID, one.pid, &info, WEXITED), 0); /* a group of its own */
    same(info.si_code, CLD_EXITED);
    same(info.si_status, 7);
    same(weft_waitid(P_PID, one.pid, &info, WEXITED), -ECHILD);
    same(weft_waitid(P_PIDFD, one.pidfd, &info, WEXITED), -ECHILD);
    same(weft_waitid(P_PGID, 0, &info, WEXITED), -ECHILD);
    same(weft__host_child_signal(two.pidfd, SIGKILL), 0);
    same(weft_waitid(P_PIDFD, two.pidfd, &info, WEXITED), 0);
    same(info.si_code, CLD_KILLED);
    same(info.si_status, SIGKILL);
    same(info.si_pid, two.pid);
    same(weft_sim_processes(), 0);
    same(weft__host_close(one.pidfd), 0);
    return weft__host_close(two.pidfd);
}

/* However long it took, it is told soon after. */
static int main_late(void *arg)
{
    int64_t begin = weft_now();
    struct weft__child child;
    siginfo_t info;

    (void)arg;
    prepare();
    child = start("/bin/ends_late");
    same(weft_waitid(P_PID, child.pid, &info, WEXITED), 0);
    same(info.si_status, 7);
    ck_assert_int_ge(weft_now() - begin, LATE_NS);
    ck_assert_int_lt(weft_now() - begin, LATE_NS + ASKED_EACH_NS + ASKED_EACH_NS / 10);
    same(weft_sim_processes(), 0);
    return weft__host_close(child.pidfd);
}

/* The children of a group are told to those who wait for it, and to nobody else. */
static int waits(void *arg)
{
    int *result = *(int **)arg;
    siginfo_t info = {.si_pid = 0};
    int error = weft_waitid(P_ALL, 0, &info, WEXITED);

    *result = error < 0 ? error : info.si_pid;
    return 0;
}

/* Two wait for whichever comes, and one of them is cancelled: an end is told once. */
static int main_several(void *arg)
{
    struct weft__child one, two;
    int results[2] = {0, 0}, *to[2] = {&results[0], &results[1]};
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int told = 0;

    (void)arg;
    prepare();
    one = start("/bin/ends");
    two = start("/bin/sleeps");
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, waits, &to[0], sizeof to[0], &opt), 0);
        same(weft_spawn(&s, waits, &to[1], sizeof to[1], NULL), 0);
        ok(weft_sleep(2900000));
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
        ck_assert(results[0] == -ECANCELED || results[0] == one.pid);
        if (results[0] > 0)
            same(weft__host_child_signal(two.pidfd, SIGTERM), 0);
    }
    for (int i = 0; i < 2; i++)
        told += results[i] == one.pid;
    same(told, 1);
    if (results[0] < 0) {
        same(weft__host_child_signal(two.pidfd, SIGTERM), 0);
        same(weft_waitid(P_PID, two.pid, NULL, WEXITED), 0);
    } else {
        same(results[1], two.pid);
    }
    same(weft_sim_processes(), 0);
    same(weft__host_close(one.pidfd), 0);
    return weft__host_close(two.pidfd);
}

static void in_worlds(weft_task_fn fn, const char *plan, uint64_t seeds)
{
    for (uint64_t seed = 1; seed <= seeds; seed++)
        for (int i = 0; i < 2; i++) {
            struct world world = {.seed = seed, .plan = plan, .task = fn};

            masked = i;
            same(world_run(&world), 0);
        }
}

TEST(in_any_way)
{
    in_worlds(main_ends, "calm", 1);
    in_worlds(main_ends, "rough", 20);
    in_worlds(main_ends, "calm waitid#1=EINTR waitid#2=EINTR", 1);
}

TEST(told_soon)
{
    in_worlds(main_late, "calm", 1);
}

TEST(told_once)
{
    in_worlds(main_several, "calm", 1);
    in_worlds(main_several, "rough", 40);
}

TEST_MAIN("simulated waitid", 20, in_any_way, told_soon, told_once)
