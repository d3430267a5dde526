/*
 * A descriptor that tasks use, closed by close(2), and its number given to another here. Catches a
 * weft_close that waits for ever since the record that it is woken by has begun anew, or that
 * closes another's, and calls that go on with another's descriptor, or are ended with it.
 */
#include <fcntl.h>

#include "support/lost.h"
#include "support/misuse.h"
#include "support/net.h"

/* -- while it is being closed -------------------------------------------------------------------
 */

static int receives(int fd)
{
    char byte;

    return (int)weft_recv(fd, &byte, 1, 0);
}

static int writes(int fd)
{
    return (int)weft_write(fd, "x", 1);
}

static int polls(int fd)
{
    return weft_poll(fd, POLLIN);
}

static int accepts(int fd)
{
    return weft_accept(fd, NULL, NULL, 0);
}

static int (*const calls[])(int fd) = {receives, writes, polls, accepts};
enum { CALLS = sizeof calls / sizeof calls[0] };

struct user {
    int (*call)(int fd);
    int fd, result;
    bool ended;
};

static int uses(void *arg)
{
    struct user *user = arg;

    user->result = user->call(user->fd);
    user->ended = true;
    return 0;
}

static int closes(void *arg)
{
    struct user *user = arg;
    unsigned before = test_misuses();

    user->result = weft_close(user->fd);
    user->ended = true;
    if (user->result == -EBADF)
        test_misuse_check(before, NULL, 0, NULL, -EBADF, "closed meanwhile");
    return 0;
}

static int waits_to_close(const struct weft_task_info *info, void *fd)
{
    return info->fd == *(int *)fd && info->waits_for && strcmp(info->waits_for, "close") == 0;
}

static int waits_in_call(const struct weft_task_info *info, void *fd)
{
    return info->fd == *(int *)fd && info->waits_for != NULL;
}

/* The number becomes another's when the one who closes it waits for the others. */
static void lose_under(struct user *users, int count, int fd)
{
    struct user closer = {.fd = fd, .result = 1};

    WEFT_SCOPE(s) {
        for (int i = 0; i < count; i++) {
            users[i].fd = fd;
            ok(weft_spawn(&s, uses, &users[i], 0, NULL));
        }
        while (weft_tasks_each(waits_in_call, &fd) == 0)
            ok(weft_yield());
        ok(weft_sleep(1000000)); /* the kernel has them by then */
        ok(weft_spawn(&s, closes, &closer, 0, NULL));
        while (!closer.ended && weft_tasks_each(waits_to_close, &fd) == 0)
            ok(weft_yield());
        ck_assert(!closer.ended);
        lost_to(-1, fd);
    }
    ck_assert_int_eq(closer.result, -EBADF);
    for (int i = 0; i < count; i++)
        ck_assert(users[i].result == -ECANCELED || users[i].result == -EINTR);
    lost_back_from(-1);
}

/* The writing end of a pipe that is full. */
static void full_pipe(int *fd, int *there)
{
    static char much[1 << 20];
    int ends[2], size;

    ok(weft_pipe(ends, 0));
    size = fcntl(ends[1], F_GETPIPE_SZ);
    ck_assert_int_le(size, sizeof much);
    ck_assert_int_eq(weft_write_all(ends[1], much, (size_t)size, NULL), size);
    *fd = ends[1];
    *there = ends[0];
}

static int main_closed(void *arg)
{
    (void)arg;
    for (int i = 0; i < CALLS; i++) {
        struct user user = {.call = calls[i]};
        int fd, there = -1, port;

        if (calls[i] == accepts)
            fd = net_listen(&port);
        else if (calls[i] == writes)
            full_pipe(&fd, &there);
        else
            net_pair(&fd, &there);
        lose_under(&user, 1, fd);
        if (there >= 0)
            ok(weft_close(there));
    }
    return 0;
}

TEST(while_it_is_closed)
{
    net_run(main_closed);
}

/* Whoever ends first does not make the close look at what the others have left. */
static int main_closed_under_many(void *arg)
{
    struct user users[] = {{.call = receives}, {.call = polls}, {.call = polls}};
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    lose_under(users, 3, here);
    return weft_close(there);
}

TEST(while_it_is_closed_under_many)
{
    net_run(main_closed_under_many);
}

/* -- and closed by the next ---------------------------------------------------------------------
 */

/* Of a pipe there is nothing of that kind. */
static int polls_for_ever(int fd)
{
    return weft_poll(fd, POLLPRI);
}

/* Who waited on the file that had the number before goes on waiting there. */
static int main_closed_by_the_next(void *arg)
{
    struct user user = {.call = polls}, next = {.call = polls_for_ever};
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    user.fd = next.fd = here;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, uses, &user, 0, NULL));
        while (weft_tasks_each(waits_in_call, &here) == 0)
            ok(weft_yield());
        ok(weft_sleep(1000000));
        lost_to(-1, here);
        ok(weft_spawn(&s, uses, &next, 0, NULL));
        ok(weft_sleep(1000000));
        ok(weft_close(here));
        ok(weft_yield());
        ck_assert_int_eq(next.result, -ECANCELED);
        ck_assert(!user.ended);
        ok(weft_send_all(there, "x", 1, NULL));
    }
    ck_assert_int_eq(user.result, POLLIN);
    ck_assert_int_eq(lost_taken_count, 1);
    ok(weft_close(lost_taken[0][lost_taken[0][0] == here]));
    return weft_close(there);
}

TEST(closed_by_the_next)
{
    net_run(main_closed_by_the_next);
}

TEST_MAIN("fd_lost", 30, while_it_is_closed, while_it_is_closed_under_many, closed_by_the_next)
