/*
 * The descriptor of a watch, or of signals, that was closed by close(2), and its number given to
 * another: here, or on another reactor. Catches one that reads, closes or asks anything of what is
 * another's by now, that takes another's bytes for what has happened, that lets its tasks wait for
 * ever, or that keeps the signals which nobody can have any more.
 */
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <weft/sim.h>

#include "support/file.h"
#include "support/lost.h"
#include "support/misuse.h"

enum { WAITERS = 3, FILLING = 8 };

/* Where weft-sim is linked, and nowhere else. */
extern __typeof__(weft_sim_signal) weft_sim_signal __attribute__((weak));

static void run(weft_task_fn fn)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    same(weft_run(file_main, &fn, sizeof fn, &opt), 0);
}

static int is_polling(const struct weft_task_info *info, void *fd)
{
    if (!info->waits_for || strcmp(info->waits_for, "poll") != 0)
        return 0;
    *(int *)fd = info->fd;
    return 1;
}

/* What somebody waits for by now. */
static int polled(void)
{
    int fd = -1;

    while (fd < 0) {
        (void)weft_tasks_each(is_polling, &fd);
        ok(weft_yield());
    }
    ok(weft_sleep(1000000)); /* the kernel has it, too */
    return fd;
}

/* -- watches ----------------------------------------------------------------------------------- */

static weft_watch *watch;
static int results[WAITERS];

static int waits_for_event(void *arg)
{
    results[*(int *)arg] = weft_watch_next(watch, NULL, 0);
    return 0;
}

static void watch_folder(void)
{
    ok(weft_watch_open(&watch));
    same(weft_watch_add(watch, folder_path, WEFT_WATCH_CREATED), 1);
}

/* Who waits ends, and nothing was taken. */
static int watched_fd(void)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};
    int fd = -1, index = 0;
    weft_task task;

    opt.task = &task;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, waits_for_event, &index, sizeof index, &opt));
        fd = polled();
        same(weft_cancel(task), 1);
    }
    same(results[0], -ECANCELED);
    return fd;
}

/* With something that has been read, and not taken yet. */
static int main_watch(void *arg)
{
    (void)arg;
    for (int where = 0; where < 2; where++) {
        int fd;

        watch_folder();
        fd = watched_fd();
        same(weft_mkdirat(folder, where ? "a" : "b", 0700), 0);
        same(weft_mkdirat(folder, where ? "c" : "d", 0700), 0);
        same(weft_watch_next(watch, NULL, 0), 0);
        lost_to(where, fd);
        ck_misuse(weft_watch_next(watch, NULL, 0), -EBADF, "weft_watch_next", "was closed");
        same(weft_watch_add(watch, "/", WEFT_WATCH_ALL), -EBADF);
        same(weft_watch_remove(watch, 1), -EBADF);
        ck_misuse(weft_watch_close(watch), -EBADF, "weft_watch_close", "was closed");
        lost_back_from(where);
    }
    return 0;
}

TEST(watch_that_nobody_waits_for)
{
    run(main_watch);
}

/* Lost to one of this reactor all are told at once, else when it is closed. */
static int main_watch_waits(void *arg)
{
    (void)arg;
    for (int where = 0; where < 2; where++) {
        watch_folder();
        WEFT_SCOPE(s) {
            for (int i = 0; i < WAITERS; i++)
                ok(weft_spawn(&s, waits_for_event, &i, sizeof i, NULL));
            lost_to(where, polled());
            if (where == 1)
                same(weft_watch_close(watch), -EBADF);
        }
        for (int i = 0; i < WAITERS; i++)
            same(results[i], where == 1 ? -ECANCELED : -EBADF);
        if (where == 0)
            same(weft_watch_close(watch), -EBADF);
        lost_back_from(where);
    }
    return 0;
}

TEST(watch_that_tasks_wait_for)
{
    run(main_watch_waits);
}

static int moves(void *arg)
{
    return weft_fd_move(*(int *)arg);
}

/* To foreign code, which tells nobody. What can be read there is no event. */
static int main_watch_foreign(void *arg)
{
    int fd, ends[2];

    (void)arg;
    watch_folder();
    fd = watched_fd();
    same(close(fd), 0);
    do /* the numbers below */
        same(pipe(ends), 0);
    while (ends[0] < fd && ends[1] < fd);
    same((int)write(ends[1], "0123456789abcdef", LOST_BYTES), LOST_BYTES);
    same(weft_watch_next(watch, NULL, 0), -EBADF);
    same(weft_watch_next(watch, NULL, 0), -EBADF);
    same(weft_watch_close(watch), -EBADF);
    ck_assert_int_ne(weft_call(1, moves, &fd, sizeof fd), -EXDEV); /* it may be used anywhere */
    same((int)write(ends[1], "x", 1), 1);                          /* both are open */
    same(close(ends[0]), 0);
    same(close(ends[1]), 0);
    return 0;
}

TEST(watch_lost_to_foreign_code)
{
    run(main_watch_foreign);
}

/* Closed, and the number nobody's. */
static int main_watch_closed(void *arg)
{
    (void)arg;
    watch_folder();
    same(close(watched_fd()), 0);
    same(weft_watch_next(watch, NULL, 0), -EBADF);
    same(weft_watch_close(watch), -EBADF);
    watch_folder();
    same(close(watched_fd()), 0);
    same(weft_watch_close(watch), -EBADF);
    return 0;
}

TEST(watch_whose_number_is_nobodys)
{
    run(main_watch_closed);
}

/* Who writes to it has made a mistake, and the watch is none the worse for it. */
static int main_watch_written(void *arg)
{
    weft_watch *other;
    int fd;

    (void)arg;
    watch_folder();
    fd = watched_fd();
    ok(weft_watch_open(&other));
    ck_assert_int_lt(weft_write(fd, "x", 1), 0); /* the real one: -EBADF, for it is to be read */
    file_put("new", "x");
    same(weft_watch_next(watch, NULL, 0), 0);
    same(weft_watch_close(watch), 0);
    same(fcntl(fd, F_GETFD), -1);
    same(weft_watch_close(other), 0);
    same(weft_unlinkat(folder, "new", 0), 0);
    return 0;
}

TEST(watch_that_is_written_to)
{
    run(main_watch_written);
}

/* -- signals ----------------------------------------------------------------------------------- */

static void raise_here(int value)
{
    if (weft_sim_signal)
        same(weft_sim_signal(SIGRTMIN, value), 0);
    else
        same(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = value}), 0);
}

static weft_signals *signals;

static void take_signal(void)
{
    const int number = SIGRTMIN;

    ok(weft_signals_open(&number, 1, &signals));
}

static int waits_for_signal(void *arg)
{
    results[*(int *)arg] = weft_signals_wait(signals, NULL);
    return 0;
}

/* One that comes to nobody is dropped, as those that nobody has waited for; the next is told. */
static void close_signals(void)
{
    struct weft_signal signal;

    if (!weft_sim_signal)
        raise_here(1);
    ck_misuse(weft_signals_close(signals), -EBADF, "weft_signals_close", "was closed");
    take_signal();
    raise_here(2);
    same(weft_signals_wait(signals, &signal), SIGRTMIN);
    same(signal.value, 2);
    same(weft_signals_close(signals), 0);
}

static int main_signals(void *arg)
{
    (void)arg;
    for (int where = 0; where < 2; where++) {
        int fd = -1, index = 0;

        take_signal();
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, waits_for_signal, &index, sizeof index, NULL));
            fd = polled();
            raise_here(0);
        }
        same(results[0], SIGRTMIN);
        lost_to(where, fd);
        ck_misuse(weft_signals_wait(signals, NULL), -EBADF, "weft_signals_wait", "was closed");
        close_signals();
        lost_back_from(where);
    }
    return 0;
}

TEST(signals_that_nobody_waits_for)
{
    run(main_signals);
}

static int main_signals_waited(void *arg)
{
    (void)arg;
    for (int where = 0; where < 2; where++) {
        take_signal();
        WEFT_SCOPE(s) {
            for (int i = 0; i < WAITERS; i++)
                ok(weft_spawn(&s, waits_for_signal, &i, sizeof i, NULL));
            lost_to(where, polled());
            if (where == 1)
                close_signals();
        }
        for (int i = 0; i < WAITERS; i++)
            same(results[i], where == 1 ? -ECANCELED : -EBADF);
        if (where == 0)
            close_signals();
        lost_back_from(where);
    }
    return 0;
}

static int main_signals_closed(void *arg)
{
    (void)arg;
    for (int waits = 0; waits < 2; waits++) {
        int fd = -1, index = 0;

        take_signal();
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, waits_for_signal, &index, sizeof index, NULL));
            fd = polled();
            raise_here(0);
        }
        same(results[0], SIGRTMIN);
        same(close(fd), 0);
        if (!weft_sim_signal)
            raise_here(1); /* which would end the process, if it were not dropped */
        if (waits)
            same(weft_signals_wait(signals, NULL), -EBADF);
        same(weft_signals_close(signals), -EBADF);
    }
    return 0;
}

/* Who sees it tells those who wait. */
static int main_signals_seen(void *arg)
{
    int fd = -1, index = 0;

    (void)arg;
    take_signal();
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, waits_for_signal, &index, sizeof index, NULL));
        fd = polled();
        same(close(fd), 0);
        same(weft_signals_wait(signals, NULL), -EBADF);
    }
    same(results[0], -EBADF);
    same(weft_signals_close(signals), -EBADF);
    ck_assert_int_ne(weft_call(1, moves, &fd, sizeof fd), -EXDEV); /* the number is nobody's */
    return 0;
}

TEST(signals_seen_to_be_lost)
{
    run(main_signals_seen);
}

TEST(signals_whose_number_is_nobodys)
{
    run(main_signals_closed);
}

TEST(signals_that_tasks_wait_for)
{
    run(main_signals_waited);
}

/* -- handlers ---------------------------------------------------------------------------------- */

static int told;

static void counts(const struct weft_signal *signal, void *arg)
{
    (void)arg;
    same(signal->number, SIGRTMIN);
    told++;
}

static void is_told(int count)
{
    raise_here(0);
    while (told < count)
        ok(weft_sleep(1000000));
    same(told, count);
}

static int stranger_told;

static void tells_stranger(int fd, int events, void *arg)
{
    (void)events, (void)arg;
    stranger_told++;
    same(weft_remove_reader(fd), 1);
}

/* Adds the handler, and tells the number of its descriptor: as nothing lower is free, it is the one
   behind those before it. */
static int add_handler(void)
{
    int ends[FILLING][2], fd = 0;

    for (int i = 0; i < FILLING; i++) {
        ok(weft_pipe(ends[i], 0));
        for (int side = 0; side < 2; side++)
            fd = ends[i][side] > fd ? ends[i][side] : fd;
    }
    ok(weft_add_signal_handler(SIGRTMIN, counts, NULL));
    for (int i = 0; i < FILLING; i++)
        for (int side = 0; side < 2; side++)
            same(weft_close(ends[i][side]), 0);
    return fd + 1;
}

/* Who has the number now is told by his own reader, if it is a reading end. */
static void stranger_reads(int fd)
{
    bool reading = lost_taken[lost_taken_count - 1][0] == fd;

    stranger_told = 0;
    ok(weft_add_reader(fd, tells_stranger, NULL));
    for (int i = 0; i < 10 || (reading && stranger_told == 0); i++)
        ok(weft_sleep(1000000));
    if (!reading)
        same(weft_remove_reader(fd), 1);
    same(stranger_told, reading);
}

static int way;

/* And it is added again, where it was removed before and where not. */
static int main_handler(void *arg)
{
    int where = way / 2, fd = add_handler();

    (void)arg;
    told = 0;
    is_told(1);
    ok(weft_sleep(1000000)); /* it is polled for again */
    lost_to(where, fd);
    if (where == 0)
        stranger_reads(fd);
    else if (!weft_sim_signal)
        raise_here(1); /* the poll has the file yet, and it comes to who has lost it */
    for (int i = 0; i < 10; i++)
        ok(weft_sleep(1000000));
    if (way % 2 == 0)
        same(weft_remove_signal_handler(SIGRTMIN), 1);
    ok(weft_add_signal_handler(SIGRTMIN, counts, NULL));
    is_told(2);
    same(weft_remove_signal_handler(SIGRTMIN), 1);
    lost_back_from(where);
    return 0;
}

TEST(handler)
{
    for (way = 0; way < 4; way++)
        run(main_handler);
}

/* The descriptor is kept while there is no handler. */
static int main_kept(void *arg)
{
    int fd = add_handler();

    (void)arg;
    told = 0;
    is_told(1);
    same(weft_remove_signal_handler(SIGRTMIN), 1);
    same(close(fd), 0);
    ok(weft_add_signal_handler(SIGRTMIN, counts, NULL));
    is_told(2);
    same(weft_remove_signal_handler(SIGRTMIN), 1);
    return 0;
}

TEST(handler_that_is_not_there)
{
    run(main_kept);
}

static int handler_fd, added_again;

/* Its number becomes another's while it is called, and it adds itself again when no descriptor is
   to be had. */
static void adds_itself(const struct weft_signal *signal, void *arg)
{
    int sockets[LOST_LOWER], count = 0;
    struct rlimit limit, none;

    counts(signal, arg);
    if (told > 1)
        return;
    same(close(handler_fd), 0);
    do {
        ck_assert_int_lt(count, LOST_LOWER);
        sockets[count] = weft_socket_nowait(AF_INET, SOCK_STREAM, 0);
        ok(sockets[count]);
    } while (sockets[count++] != handler_fd);
    while (--count > 0)
        ok(weft_close_nowait(sockets[count - 1]));
    same(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){0, limit.rlim_max};
    same(setrlimit(RLIMIT_NOFILE, &none), 0);
    added_again = weft_add_signal_handler(SIGRTMIN, adds_itself, NULL);
    same(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* It is not there then, and can be added later. */
static int main_adds_itself(void *arg)
{
    (void)arg;
    told = 0;
    handler_fd = add_handler();
    ok(weft_add_signal_handler(SIGRTMIN, adds_itself, NULL));
    is_told(1);
    same(added_again, -EMFILE);
    same(weft_remove_signal_handler(SIGRTMIN), 0);
    ok(weft_add_signal_handler(SIGRTMIN, adds_itself, NULL));
    is_told(2);
    same(weft_remove_signal_handler(SIGRTMIN), 1);
    return weft_close(handler_fd);
}

TEST(handler_that_adds_itself)
{
    run(main_adds_itself);
}

/* -- the end of the run ------------------------------------------------------------------------ */

static int left[2];

/* It finds them all the same, and leaves alone who has their numbers, who is there longer than the
   simulated kernel. */
static int main_left(void *arg)
{
    (void)arg;
    watch_folder();
    left[0] = watched_fd();
    left[1] = add_handler();
    lost_to(0, left[0]);
    lost_back_from(0);
    lost_to(1, left[1]);
    if (weft_sim_signal)
        lost_back_from(1);
    return 0;
}

TEST(left_open)
{
    run(main_left);
    for (int i = 0; i < lost_taken_count; i++)
        for (int side = 0; side < 2; side++)
            same(close(lost_taken[i][side]), 0);
}

TEST_MAIN("claim_lost", 60, watch_that_nobody_waits_for, watch_that_tasks_wait_for,
          watch_lost_to_foreign_code, watch_whose_number_is_nobodys, watch_that_is_written_to,
          signals_that_nobody_waits_for, signals_that_tasks_wait_for, signals_seen_to_be_lost,
          signals_whose_number_is_nobodys, handler, handler_that_is_not_there,
          handler_that_adds_itself, left_open)
