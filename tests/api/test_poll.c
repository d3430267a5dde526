/*
 * weft_poll: what is ready, what comes to be, who else waits, and every way a wait ends early.
 * Catches a poll that takes the descriptor from its reader, one that outlives its call or a close,
 * and a descriptor that stays claimed when nobody waits for it any more.
 */
#include <fcntl.h>

#include "support/misuse.h"
#include "support/net.h"

#define same(a, b) ck_assert_int_eq((a), (b))
#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define MS INT64_C(1000000)

struct poller {
    int fd;
    int events;
    int result;
    int cause;
};
static int polls(void *arg)
{
    struct poller *poller = arg;

    poller->result = weft_poll(poller->fd, poller->events);
    poller->cause = (int)weft_cause();
    return 0;
}

static int main_ready(void *arg)
{
    char byte;
    int fds[2];

    (void)arg;
    same(weft_pipe(fds, 0), 0);
    same(weft_poll(fds[1], POLLOUT), POLLOUT);
    same(weft_poll_until(fds[0], POLLIN, weft_after_ms(1)), -ETIMEDOUT);
    same(weft_write(fds[1], "ab", 2), 2);
    same(weft_poll(fds[0], POLLIN), POLLIN);
    same(weft_poll(fds[0], POLLIN | POLLRDHUP | POLLPRI), POLLIN); /* nothing was taken */
    same(weft_read(fds[0], &byte, 1), 1);
    same(weft_poll_until(fds[0], POLLIN, WEFT_NEVER), POLLIN);
    same(weft_close(fds[1]), 0);
    same(weft_poll(fds[0], POLLIN), POLLIN | POLLHUP);
    same(weft_read(fds[0], &byte, 1), 1);
    same(weft_poll(fds[0], POLLIN), POLLHUP); /* not asked for, and told */
    same(weft_poll(fds[0], 0), POLLHUP);
    same(weft_close(fds[0]), 0);
    same(weft_pipe(fds, 0), 0);
    same(weft_close(fds[0]), 0);
    ck_assert_int_ne(weft_poll(fds[1], POLLOUT) & POLLERR, 0);
    same(weft_close(fds[1]), 0);

    fds[0] = weft_open("/tmp", O_RDONLY | O_DIRECTORY, 0);
    ok(fds[0]);
    same(weft_poll(fds[0], POLLIN | POLLOUT), POLLIN | POLLOUT); /* as files always are */
    return weft_close(fds[0]);
}
TEST(ready_already)
{
    net_run(main_ready);
}

/* One event wakes all who asked for it, and nobody else; a reader and a writer go on beside them.
 */
static int receives(void *arg)
{
    struct poller *poller = arg;
    char byte;

    poller->result = (int)weft_recv(poller->fd, &byte, 1, 0);
    return 0;
}
static int main_several(void *arg)
{
    struct poller pollers[8], deaf, reader;
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    deaf = (struct poller){.fd = there, .events = POLLPRI};
    reader = (struct poller){.fd = there};
    WEFT_SCOPE(s) {
        weft_task task;

        ok(weft_spawn(&s, polls, &deaf, 0, OPT(.task = &task)));
        ok(weft_spawn(&s, receives, &reader, 0, NULL));
        WEFT_SCOPE(inner) {
            for (int i = 0; i < 8; i++) {
                pollers[i] = (struct poller){.fd = there, .events = i % 2 ? POLLOUT : POLLRDHUP};
                ok(weft_spawn(&inner, polls, &pollers[i], 0, NULL));
            }
            ok(weft_sleep(5 * MS));
            for (int i = 0; i < 8; i++)
                same(pollers[i].result, i % 2 ? POLLOUT : 0);
            same(weft_send_all(here, "a", 1, NULL), 1);
            ok(weft_shutdown(here, SHUT_WR));
        }
        for (int i = 0; i < 8; i++)
            same(pollers[i].result, i % 2 ? POLLOUT : POLLRDHUP);
        same(deaf.result, 0);
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    same(deaf.result, -ECANCELED);
    same(deaf.cause, WEFT_CAUSE_CANCEL);
    same(reader.result, 1);
    ok(weft_close(here));
    return weft_close(there);
}
TEST(several_beside_a_reader)
{
    net_run(main_several);
}

/* What the peer has ended says nothing of room to write: a poll for that goes on waiting, where the
   kernel would complete it at once, and again and again. */
static int main_half(void *arg)
{
    struct poller writer = {.events = POLLOUT};
    static char much[1 << 16];
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    net_fill_up(here);
    ok(weft_shutdown(there, SHUT_WR));
    same(weft_poll(here, POLLRDHUP), POLLRDHUP);
    writer.fd = here;
    WEFT_SCOPE(s) {
        uint64_t before = net_stats().cqes;

        ok(weft_spawn(&s, polls, &writer, 0, NULL));
        ok(weft_sleep(20 * MS));
        same(writer.result, 0);
        ck_assert_uint_lt(net_stats().cqes - before, 20);
        while (writer.result == 0)
            (void)weft_recv_until(there, much, sizeof much, 0, weft_after_ms(5));
    }
    ck_assert_int_ne(writer.result & POLLOUT, 0);
    WEFT_SCOPE(s) {
        weft_task task;

        net_fill_up(here);
        writer.result = 0;
        ok(weft_spawn(&s, polls, &writer, 0, OPT(.task = &task)));
        ok(weft_sleep(5 * MS));
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    same(writer.result, -ECANCELED);
    ok(weft_close(here));
    return weft_close(there);
}
TEST(half_closed_and_full)
{
    net_run(main_half);
}

/* -- ended early ------------------------------------------------------------------------------- */

static int main_ended(void *arg)
{
    struct poller poller = {.events = POLLIN};
    weft_task task;
    int fds[2];

    (void)arg;
    same(weft_pipe(fds, 0), 0);
    poller.fd = fds[0];
    for (int turns = 0; turns < 4; turns++)
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, polls, &poller, 0, OPT(.task = &task)));
            for (int i = 0; i < turns; i++)
                ok(weft_sleep(1000));
            ok(weft_cancel(task));
            ok(weft_join(task, NULL));
            same(poller.result, -ECANCELED);
            same(poller.cause, WEFT_CAUSE_CANCEL);
        }
    same(weft_poll_until(fds[0], POLLIN, weft_now() - 1), -ETIMEDOUT);
    same(weft_cause(), WEFT_CAUSE_DEADLINE);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, polls, &poller, 0, NULL));
        ok(weft_sleep(2 * MS));
        same(weft_fd_move(fds[0]), -EBUSY);
        ok(weft_close(fds[0]));
    }
    same(poller.result, -ECANCELED);
    same(poller.cause, WEFT_CAUSE_NONE);
    return weft_close(fds[1]);
}
TEST(cancelled_timed_out_and_closed)
{
    net_run(main_ended);
}

/* A drain ends the waits that said so, and lets the others go on. */
static int main_drained(void *arg)
{
    struct poller idle = {.events = POLLIN | WEFT_IDLE}, busy = {.events = POLLIN};
    int fds[2];

    (void)arg;
    same(weft_pipe(fds, 0), 0);
    idle.fd = busy.fd = fds[0];
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, polls, &idle, 0, NULL));
        ok(weft_spawn(&s, polls, &busy, 0, NULL));
        ok(weft_sleep(2 * MS));
        (void)weft_scope_drain(&s, weft_after_ms(20), weft_after_ms(60000));
    }
    same(idle.result, -ESHUTDOWN);
    same(idle.cause, WEFT_CAUSE_DRAIN);
    same(busy.result, -ECANCELED); /* at the soft deadline, and not before */
    ok(weft_close(fds[0]));
    return weft_close(fds[1]);
}
TEST(drained)
{
    net_run(main_drained);
}

/* -- refused ----------------------------------------------------------------------------------- */

static int main_refused(void *arg)
{
    struct sockaddr_in nowhere = net_loopback(1);
    int fds[2], port, fd, here, there;
    struct weft_scope_opt soon = {
        .size = sizeof soon,
    };
    weft_stream *stream;
    weft_scope scope;
    uint64_t asked;

    (void)arg;
    same(weft_pipe(fds, 0), 0);
    ck_misuse(weft_poll(fds[0], POLLNVAL), -EINVAL, "weft_poll", "events");
    ck_misuse(weft_poll(fds[0], 1 << 30), -EINVAL, "weft_poll", "events");
    ok(weft_close(fds[0]));
    ok(weft_close(fds[1]));
    same(weft_poll(fds[0], POLLIN), -EBADF);
    ck_misuse(weft_poll(-1, POLLIN), -EBADF, "weft_poll", "negative");

    fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_lt(weft_connect(fd, (struct sockaddr *)&nowhere, sizeof nowhere), 0);
    same(weft_poll(fd, POLLOUT), -ENOTCONN);
    ok(weft_close(fd));

    fd = net_listen(&port);
    same(weft_poll_until(fd, POLLIN, weft_after_ms(1)), -ETIMEDOUT);
    do { /* again, where its time was over before the kernel was asked */
        asked = net_stats().sqes;
        soon.deadline = weft_after_ms(20);
        ok(weft_scope_open(&scope, &soon));
        same(weft_accept(fd, NULL, NULL, 0), -ECANCELED);
        same(weft_scope_close(&scope), -ETIMEDOUT);
    } while (net_stats().sqes == asked);
    ck_misuse(weft_poll(fd, POLLIN), -EBUSY, "weft_poll", "weft_accept");
    ok(weft_close(fd));

    net_pair(&here, &there);
    ok(weft_stream_open(here, NULL, &stream));
    ck_misuse(weft_poll(here, POLLIN), -EBUSY, "weft_poll", "stream");
    ok(weft_stream_close(stream));
    return weft_close(there);
}
TEST(refused)
{
    ck_misuse(weft_poll(0, POLLIN), -EPERM, "weft_poll", "");
    ck_misuse(weft_poll_until(0, POLLIN, WEFT_NEVER), -EPERM, "weft_poll_until", "");
    net_run(main_refused);
}

/* -- whose it is ------------------------------------------------------------------------------- */

static int polls_there(void *arg)
{
    return weft_poll(*(int *)arg, POLLOUT);
}
static int main_whose(void *arg)
{
    int result, fds[2], pair[2];

    (void)arg;
    same(weft_pipe(fds, 0), 0);
    result = weft_call(1, polls_there, &fds[1], sizeof fds[1]);
    same(result, -EXDEV); /* weft made it here */
    same(weft_poll(fds[1], POLLOUT), POLLOUT);
    result = weft_call(1, polls_there, &fds[1], sizeof fds[1]);
    same(result, -EXDEV); /* and it stays so */
    ok(weft_close(fds[0]));
    ok(weft_close(fds[1]));

    same(pipe(pair), 0); /* somebody else's: now and then anybody may wait for it */
    for (int i = 0; i < 3; i++) {
        same(weft_poll(pair[1], POLLOUT), POLLOUT);
        result = weft_call(1, polls_there, &pair[1], sizeof pair[1]);
        same(result, POLLOUT);
    }
    same(close(pair[0]), 0); /* and he may close it in his own way */
    return close(pair[1]);
}
TEST(lent_and_given_back)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    same(weft_run(main_whose, NULL, 0, &opt), 0);
}

/* A stream would take what those who poll wait for, and have them miss it. */
static int main_stream(void *arg)
{
    struct poller poller = {.events = POLLIN};
    weft_stream *stream;
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    poller.fd = here;
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, polls, &poller, 0, NULL), 0);
        same(weft_yield(), 0);
        ck_misuse(weft_stream_open(here, NULL, &stream), -EBUSY, "weft_stream_open", "uses");
        same(weft_send(there, "x", 1, 0), 1);
    }
    same(poller.result, POLLIN);
    same(weft_stream_open(here, NULL, &stream), 0);
    same(weft_stream_detach(stream), 0);
    same(weft_stream_close(stream), 0);
    return weft_close(there);
}
TEST(no_stream_meanwhile)
{
    net_run(main_stream);
}

TEST_MAIN("poll", 60, ready_already, several_beside_a_reader, half_closed_and_full,
          cancelled_timed_out_and_closed, drained, refused, lent_and_given_back,
          no_stream_meanwhile)
