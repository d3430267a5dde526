/*
 * What is asked of the system besides the ring: the clock, CPUs, threads, the pool, signals, fork
 * and descriptors. Would catch a quota read wrongly, a thread that takes the process's signals, a
 * job lost or run twice, a socket that becomes standard error.
 */
#include "support/test.h"

#include "base/memory.h"
#include "ring/host.h"
#include "ring/host_child.h"
#include "ring/host_cpus.h"
#include "ring/request.h"
#include "ring/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- clock, entropy ----------------------------------------------------------------------------
 */

TEST(the_clock_never_goes_back)
{
    int64_t before = weft__host_now();
    for (int i = 0; i < 10000; i++) {
        int64_t now = weft__host_now();
        ck_assert_int_ge(now, before);
        before = now;
    }
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ck_assert_int_ge((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec, before);
}

TEST(entropy_fills_everything)
{
    unsigned char bytes[1000] = {0};
    int zeros = 0;
    ck_assert_int_eq(weft__host_entropy(bytes, sizeof bytes - 1), 0);
    ck_assert_uint_eq(bytes[sizeof bytes - 1], 0);
    for (size_t i = 0; i < sizeof bytes - 1; i++)
        zeros += bytes[i] == 0;
    ck_assert_int_lt(zeros, 100);
}

/* --- CPUs --------------------------------------------------------------------------------------
 */

TEST(one_cpu_allowed_is_one_cpu)
{
    int first = weft__host_cpu_number(0), last = first;
    ck_assert_int_ge(first, 0);
    uint32_t count = 0;
    for (int cpu; (cpu = weft__host_cpu_number(count)) >= 0; count++)
        last = cpu;
    ck_assert_uint_ge(count, weft__host_cpus());
    ck_assert_int_eq(weft__host_cpu_number(count), -ERANGE);

    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_uint_eq(weft__host_cpus(), 1);
    ck_assert_int_eq(weft__host_cpu_number(0), last);
    ck_assert_int_eq(weft__host_cpu_number(1), -ERANGE);
}

static void *cpus_of_child(void *count)
{
    *(uint32_t *)count = weft__host_cpus();
    return NULL;
}

/* A pinned thread answers, and starts threads, as if it were not. */
TEST(pinning_is_undone_and_not_inherited)
{
    cpu_set_t before, after;
    uint32_t count = weft__host_cpus(), child = 0;
    sched_getaffinity(0, sizeof before, &before);
    int last = weft__host_cpu_number(count - 1);
    ck_assert_int_eq(weft__host_pin(last), 0);
    ck_assert_int_eq(weft__host_pin(last), 0);
    ck_assert_int_eq(weft__host_cpu_here(), last);
    ck_assert_uint_eq(weft__host_cpus(), count);
    ck_assert_int_eq(weft__host_cpu_number(0), weft__host_cpu_number(0));

    struct weft__thread *thread;
    ck_assert_int_eq(weft__host_thread_start(&thread, cpus_of_child, &child, "child"), 0);
    ck_assert_int_eq(weft__host_thread_join(thread), 0);
    ck_assert_uint_eq(child, count);

    ck_assert_int_eq(weft__host_unpin(), 0);
    ck_assert_int_eq(weft__host_unpin(), 0);
    sched_getaffinity(0, sizeof after, &after);
    ck_assert(CPU_EQUAL(&before, &after));
    ck_assert_int_eq(weft__host_pin(-1), -EINVAL);
    ck_assert_int_lt(weft__host_pin(1 << 19), 0);
    sched_getaffinity(0, sizeof after, &after);
    ck_assert(CPU_EQUAL(&before, &after));
}

/* A folder of files as cgroups show them. */
static char mount[64];

static void put(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s/%s", mount, path);
    for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static int drop(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

TEST(quotas_are_rounded_up)
{
    snprintf(mount, sizeof mount, "/tmp/weft-cgroup-%d", (int)getpid());
    put("v2/none/cpu.max", "max 100000\n");
    put("v2/half/cpu.max", "50000 100000\n");
    put("v2/two/cpu.max", "200000 100000\n");
    put("v2/two/more/cpu.max", "250000 100000\n");
    put("v2/wide/cpu.max", "350001 100000\n");
    put("v2/odd/cpu.max", "what\n");
    put("v1/cpu,cpuacct/group/cpu.cfs_quota_us", "150000\n");
    put("v1/cpu,cpuacct/group/cpu.cfs_period_us", "100000\n");
    put("v1/cpu,cpuacct/free/cpu.cfs_quota_us", "-1\n");
    put("v1/cpu,cpuacct/free/cpu.cfs_period_us", "100000\n");
    put("contained/cpu.max", "300000 100000\n");
    const struct {
        const char *membership, *mount;
        uint32_t cpus;
    } cases[] = {
        {"0::/none\n", "v2", UINT32_MAX},
        {"0::/half\n", "v2", 1},
        {"0::/two\n", "v2", 2},
        {"0::/two/more\n", "v2", 2}, /* the parent holds for the child */
        {"0::/two/more/deep/er\n", "v2", 2},
        {"0::/wide\n", "v2", 4},
        {"0::/odd\n", "v2", UINT32_MAX},
        {"0::/\n", "v2", UINT32_MAX},
        {"0::/../../seen/from/outside\n", "contained", 3},
        {"0::/\n", "contained", 3},
        {"5:memory:/half\n4:cpu,cpuacct:/group\n0::/\n", "v1", 2},
        {"4:cpuacct,cpu:/group\n4:cpu,cpuacct:/free\n", "v1", UINT32_MAX},
        {"4:cpuset:/group\n", "v1", UINT32_MAX},
        {"", "v1", UINT32_MAX},
        {"nonsense\n:\n::\n", "v2", UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char where[128];
        snprintf(where, sizeof where, "%s/%s", mount, cases[i].mount);
        uint32_t cpus = weft__cpu_quota(cases[i].membership, where);
        ck_assert_msg(cpus == cases[i].cpus, "%s in %s: %u", cases[i].membership, where, cpus);
    }
    ck_assert_int_eq(nftw(mount, drop, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* --- threads, signals --------------------------------------------------------------------------
 */

/* A sigset_t has bytes that the kernel never writes: compare what it means. */
static bool same_signals(const sigset_t *a, const sigset_t *b)
{
    for (int number = 1; number <= SIGRTMAX; number++)
        if (sigismember(a, number) != sigismember(b, number))
            return false;
    return true;
}

struct seen {
    sigset_t blocked;
    char name[32];
};

static void *look_around(void *argument)
{
    struct seen *seen = argument;
    pthread_sigmask(SIG_BLOCK, NULL, &seen->blocked);
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    return NULL;
}

TEST(threads_start_with_signals_blocked_and_a_name)
{
    struct seen seen;
    struct weft__thread *thread;
    sigset_t before, after;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    ck_assert_int_eq(weft__host_thread_start(&thread, look_around, &seen, "a-very-long-name-x"), 0);
    ck_assert_int_eq(weft__host_thread_join(thread), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    ck_assert(same_signals(&before, &after));
    ck_assert_str_eq(seen.name, "a-very-long-nam");
    const int others[] = {SIGTERM, SIGINT, SIGCHLD, SIGUSR1, SIGALRM, SIGPIPE, SIGHUP, SIGRTMIN};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_int_eq(sigismember(&seen.blocked, others[i]), 1);
    ck_assert_int_eq(sigismember(&seen.blocked, SIGSEGV), 0);
    ck_assert_int_eq(sigismember(&seen.blocked, SIGBUS), 0);
}

TEST(no_thread_to_be_had_is_an_error)
{
    struct weft__thread *thread = NULL;
    weft__alloc_fail_after(1);
    ck_assert_int_eq(weft__host_thread_start(&thread, look_around, NULL, "x"), -ENOMEM);
    ck_assert_ptr_null(thread);
}

TEST(signals_are_blocked_and_put_back)
{
    sigset_t set, before, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    ck_assert_int_eq(weft__host_signal_block(&set, &before), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    ck_assert_int_eq(sigismember(&now, SIGUSR2), 1);
    ck_assert_int_eq(weft__host_signal_restore(&before), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    ck_assert(same_signals(&before, &now));
    ck_assert_int_eq(weft__host_signal_action(9999, NULL, NULL), -EINVAL);
}

/* --- pool --------------------------------------------------------------------------------------
 */

enum { JOBS = 1000 };

struct job {
    struct weft__pool_job base;
    atomic_int worked, done;
};

static struct job jobs[JOBS];
static atomic_int at_once, most_at_once, finished;
static int together; /* so many wait for one another */

static void work(struct weft__pool_job *base)
{
    struct job *job = (struct job *)base;
    int now = atomic_fetch_add(&at_once, 1) + 1;
    for (int most = atomic_load(&most_at_once); now > most;)
        if (atomic_compare_exchange_weak(&most_at_once, &most, now))
            break;
    do
        usleep(50);
    while (atomic_load(&most_at_once) < together); /* however late the other thread begins */
    atomic_fetch_add(&job->worked, 1);
    atomic_fetch_sub(&at_once, 1);
}

static void done(struct weft__pool_job *base)
{
    struct job *job = (struct job *)base;
    if (atomic_load(&job->worked) == 1)
        atomic_fetch_add(&job->done, 1);
    atomic_fetch_add(&finished, 1);
}

static void submit_all(struct weft__pool *pool)
{
    for (int i = 0; i < JOBS; i++) {
        jobs[i].base = (struct weft__pool_job){.work = work, .done = done};
        weft__pool_submit(pool, &jobs[i].base);
    }
}

static void each_ran_once(void)
{
    for (int i = 0; i < JOBS; i++) {
        ck_assert_int_eq(atomic_load(&jobs[i].worked), 1);
        ck_assert_int_eq(atomic_load(&jobs[i].done), 1);
    }
}

TEST(the_pool_runs_each_job_once_on_a_few_threads)
{
    struct weft__pool *pool;
    int before = test_threads();
    ck_assert_int_eq(weft__pool_open(&pool, "pool", 0), -EINVAL);
    ck_assert_int_eq(weft__pool_open(&pool, "pool", 4), 0);
    ck_assert_int_eq(test_threads(), before); /* none until there is work */
    together = 2;
    submit_all(pool);
    weft__pool_close(pool); /* runs what is queued */
    each_ran_once();
    ck_assert_int_le(atomic_load(&most_at_once), 4);
}

/* A job that comes when no worker is idle has a thread of its own; so it is tried until one is. */
TEST(an_idle_worker_is_used_again)
{
    enum { THREADS_MAX = 64 };
    struct weft__pool *pool;
    int threads = 0, before;

    ck_assert_int_eq(weft__pool_open(&pool, "pool", THREADS_MAX), 0);
    for (int i = 0; i < THREADS_MAX; i++) {
        before = threads;
        jobs[i].base = (struct weft__pool_job){.work = work, .done = done};
        weft__pool_submit(pool, &jobs[i].base);
        while (atomic_load(&finished) <= i)
            usleep(100);
        threads = test_threads();
        if (threads == before)
            break;
        usleep(2000); /* until it waits again */
    }
    ck_assert_int_eq(threads, before);
    weft__pool_close(pool); /* and joins them: the harness counts those that are left */
}

/* Without a single thread the work is done all the same, on the caller's. */
TEST(a_pool_without_threads_does_the_work)
{
    struct weft__pool *pool;
    ck_assert_int_eq(weft__pool_open(&pool, "pool", 2), 0);
    jobs[0].base = (struct weft__pool_job){.work = work, .done = done};
    weft__alloc_fail_after(1);
    weft__pool_submit(pool, &jobs[0].base);
    ck_assert_int_eq(atomic_load(&jobs[0].done), 1);
    weft__pool_close(pool);
}

static _Atomic(int) gate;

static void waits_at_the_gate(struct weft__pool_job *job)
{
    (void)job;
    while (!atomic_load(&gate))
        usleep(100);
}

static void passed(struct weft__pool_job *job)
{
    (void)job;
    atomic_fetch_add(&finished, 1);
}

/* What is to begin at once does not stand behind what may wait for it; and one that is taken back
   is not run, wherever on the queue it stands. */
TEST(at_once_or_not_at_all)
{
    struct weft__pool_job long_one = {.work = waits_at_the_gate, .done = passed}, other = long_one;
    struct weft__pool *pool;

    ck_assert_int_eq(weft__pool_open(&pool, "pool", 1), 0);
    ck_assert(weft__pool_submit_at_once(pool, &long_one));
    ck_assert(!weft__pool_submit_at_once(pool, &other));
    for (int i = 0; i < 5; i++) {
        jobs[i].base = (struct weft__pool_job){.work = work, .done = done};
        weft__pool_submit(pool, &jobs[i].base);
    }
    ck_assert(!weft__pool_submit_at_once(pool, &other));
    for (int i = 4; i >= 0; i -= 2) /* the last, one in the middle, the first */
        ck_assert(weft__pool_withdraw(pool, &jobs[i].base));
    ck_assert(!weft__pool_withdraw(pool, &jobs[2].base));
    weft__pool_submit(pool, &jobs[4].base);
    atomic_store(&gate, 1);
    while (atomic_load(&finished) < 4)
        usleep(100);
    ck_assert(!weft__pool_withdraw(pool, &jobs[4].base));
    while (!weft__pool_submit_at_once(pool, &other)) /* until the worker is idle */
        usleep(100);
    weft__pool_close(pool);
    ck_assert_int_eq(atomic_load(&finished), 5);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(atomic_load(&jobs[i].worked), i == 1 || i == 3 || i == 4);
}

/* --- fork --------------------------------------------------------------------------------------
 */

TEST(a_forked_child_knows_it)
{
    ck_assert(!weft__host_forked());
    weft__host_fork_watch();
    weft__host_fork_watch();
    ck_assert(!weft__host_forked());
    pid_t child = fork();
    if (child == 0)
        _exit(weft__host_forked() ? 7 : 8);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    ck_assert(!weft__host_forked());
}

/* True when a child does not have the memory. The kernel is asked (it cannot write from there into
   a pipe), so that nobody crashes and no sanitizer reports it. */
static bool gone_in_child(const void *memory)
{
    int ends[2], status;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(write(ends[1], memory, 1) < 0 && errno == EFAULT);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    close(ends[0]);
    close(ends[1]);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

/* What the kernel reads and writes is not in the child, and the parent's ring goes on. */
TEST(a_child_has_no_part_in_the_ring)
{
    struct weft__ring ring;
    struct weft__buffer_ring buffers;
    struct weft__ring_opt opt = {.sq_entries = 8};
    char mine = 0;
    ck_assert_int_eq(weft__ring_open(&ring, &opt), 0);
    ck_assert_int_eq(weft__buffer_ring_open(&ring, &buffers, 1, 8), 0);
    ck_assert(!gone_in_child(&mine));
    ck_assert(gone_in_child(ring.sqes));
    ck_assert(gone_in_child(buffers.entries));
    weft__request_nop(weft__ring_take(&ring));
    ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), 0);
    uint32_t head;
    ck_assert_uint_eq(weft__ring_ready(&ring, &head), 1);
    weft__buffer_ring_close(&ring, &buffers);
    weft__ring_close(&ring);
}

/* --- descriptors -------------------------------------------------------------------------------
 */

/* With the standard streams closed, nothing of ours takes their numbers. */
TEST(new_descriptors_are_above_the_standard_ones)
{
    int kept[3];
    for (int i = 0; i < 3; i++) {
        kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 20);
        close(i);
    }
    struct weft__ring ring;
    struct weft__bell bell;
    struct weft__ring_opt opt = {.sq_entries = 8};
    int error = weft__ring_open(&ring, &opt);
    int bell_error = weft__bell_open(&bell, &ring, 1);
    int fd = weft__host_socket(AF_INET, SOCK_STREAM, 0);
    int lifted = weft__host_fd_lift(dup(fd));
    int flags = weft__host_fcntl(fd, F_GETFD, 0) & weft__host_fcntl(lifted, F_GETFD, 0) &
                fcntl(ring.fd, F_GETFD) & fcntl(bell.eventfd, F_GETFD);
    int numbers[] = {ring.fd, bell.eventfd, fd, lifted};
    bool free_still = fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0;
    weft__request_nop(weft__ring_take(&ring));
    int enter_error = weft__ring_enter(&ring, 1, INT64_MAX);
    weft__ring_close(&ring);
    weft__bell_close(&bell);
    weft__host_close(fd);
    weft__host_close(lifted);
    for (int i = 0; i < 3; i++) {
        if (kept[i] >= 0) {
            dup2(kept[i], i);
            close(kept[i]);
        }
    }
    ck_assert_int_eq(error, 0);
    ck_assert_int_eq(bell_error, 0);
    ck_assert_int_eq(enter_error, 0);
    ck_assert(free_still);
    ck_assert_int_eq(flags & FD_CLOEXEC, FD_CLOEXEC);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        ck_assert_int_gt(numbers[i], 2);
    ck_assert_int_eq(weft__host_fd_lift(-EMFILE), -EMFILE);
}

TEST(sockets_do_what_they_are_told)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int one = 1, value = 0;
    int fd = weft__host_socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_gt(fd, 2);
    ck_assert_int_eq(weft__host_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    ck_assert_int_eq(weft__host_bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(weft__host_getsockname(fd, (struct sockaddr *)&address, &length), 0);
    ck_assert_int_eq(weft__host_listen(fd, 5), 0);
    ck_assert_int_eq(weft__host_connect_probe((struct sockaddr *)&address, length), 1);
    length = sizeof value;
    ck_assert_int_eq(weft__host_getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, &length), 0);
    ck_assert_int_eq(value, 1);
    length = sizeof address;
    ck_assert_int_eq(weft__host_getpeername(fd, (struct sockaddr *)&address, &length), -ENOTCONN);
    uint64_t device, inode, other_inode;
    int copy = weft__host_fcntl(fd, F_DUPFD_CLOEXEC, 3);
    ck_assert_int_eq(weft__host_identity(fd, &device, &inode), 0);
    ck_assert_int_eq(weft__host_identity(copy, &device, &other_inode), 0);
    ck_assert_uint_eq(inode, other_inode);
    ck_assert_int_eq(weft__host_close(copy), 0);
    ck_assert_int_eq(weft__host_close(fd), 0);
    ck_assert_int_eq(weft__host_close(fd), -EBADF);
    ck_assert_int_eq(weft__host_socket(9999, SOCK_STREAM, 0), -EAFNOSUPPORT);
    ck_assert_int_eq(weft__host_identity(fd, &device, &inode), -EBADF);
}

/* Telling a socket file left over by a dead server from one that is served. */
TEST(a_stale_socket_file_is_told_apart)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/weft-probe-%d", (int)getpid());
    const struct sockaddr *where = (struct sockaddr *)&address;
    const char *path = address.sun_path;
    ck_assert_int_eq(weft__host_is_socket_file(path), -ENOENT);
    ck_assert_int_eq(weft__host_connect_probe(where, sizeof address), 0);

    int fd = weft__host_socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(weft__host_bind(fd, where, sizeof address), 0);
    ck_assert_int_eq(weft__host_is_socket_file(path), 1);
    ck_assert_int_eq(weft__host_chmod(path, 0600), 0);
    ck_assert_int_eq(weft__host_connect_probe(where, sizeof address), 0);
    ck_assert_int_eq(weft__host_listen(fd, 0), 0);
    for (int i = 0; i < 5; i++) /* until its queue is full, and beyond */
        ck_assert_int_eq(weft__host_connect_probe(where, sizeof address), 1);
    weft__host_close(fd);
    ck_assert_int_eq(weft__host_connect_probe(where, sizeof address), 0);
    ck_assert_int_eq(weft__host_unlink(path), 0);
    ck_assert_int_eq(weft__host_unlink(path), -ENOENT);
    ck_assert_int_eq(weft__host_is_socket_file("/tmp"), 0);
}

TEST(the_largest_descriptor_is_below_the_limit)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_uint_gt(weft__host_fd_max(), 3);
    if (limit.rlim_max != RLIM_INFINITY)
        ck_assert_uint_le(weft__host_fd_max(), limit.rlim_max);
    limit.rlim_cur = limit.rlim_max = 50;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(weft__host_fd_max(), 50);
}

/* Group 1 would be everybody, and ours would be us. By signal 0, which harms nobody. */
TEST(signals_go_to_no_group_but_a_child_s)
{
    for (int group = -1; group <= 1; group++)
        ck_assert_int_eq(weft__host_group_signal(group, 0), -ENOTSUP);
    ck_assert_int_eq(weft__host_group_signal(getpgrp(), 0), -ENOTSUP);
}

TEST_MAIN("host", 20, signals_go_to_no_group_but_a_child_s, the_clock_never_goes_back,
          entropy_fills_everything, one_cpu_allowed_is_one_cpu, pinning_is_undone_and_not_inherited,
          quotas_are_rounded_up, threads_start_with_signals_blocked_and_a_name,
          no_thread_to_be_had_is_an_error, signals_are_blocked_and_put_back,
          the_pool_runs_each_job_once_on_a_few_threads, an_idle_worker_is_used_again,
          a_pool_without_threads_does_the_work, at_once_or_not_at_all, a_forked_child_knows_it,
          a_child_has_no_part_in_the_ring, new_descriptors_are_above_the_standard_ones,
          sockets_do_what_they_are_told, a_stale_socket_file_is_told_apart,
          the_largest_descriptor_is_below_the_limit)
