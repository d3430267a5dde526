/*
 * Hand-overs of listening sockets that come to nothing, and mistakes. Would catch a hand-over that
 * is believed though nobody serves, an answer taken for that of the next one or for none because it
 * came in pieces, a socket that is left open, and descriptors taken that are another process's.
 */
#include "handover.h"

static int hand_over_task(void *arg)
{
    const int *what = arg;

    return weft_hand_over(what[0], &what[1], 1);
}

static int main_wrong(void *arg)
{
    int ends[2], port, listener = net_listen(&port), what[2], fds[2], result = 1;
    struct weft_spawn_opt spawn = {.size = sizeof spawn};
    uint32_t count = 2;
    weft_scope scope;
    weft_task task;

    (void)arg;
    spawn.task = &task;
    ok(weft_scope_open(&scope, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                        .on_error = WEFT_KEEP_GOING}));
    /* nobody answers; and then somebody does, who knows nothing of the kind */
    channel(ends);
    uint64_t asked = net_stats().sqes;
    do /* again, where its time was over before it had begun */
        ck_assert_int_eq(weft_hand_over_until(ends[0], &listener, 1, weft_after_ms(5)), -ETIMEDOUT);
    while (net_stats().sqes == asked);
    ok(weft_take_over(ends[1], fds, &count)); /* what was sent is there all the same */
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(weft_local_port(fds[0]), port);
    ok(weft_close(fds[0]));
    what[0] = ends[0];
    what[1] = listener;
    ok(weft_spawn(&scope, hand_over_task, what, sizeof what, &spawn));
    ok(weft_send_all(ends[1], "?", 1, NULL));
    ok(weft_join(task, &result));
    ck_assert_int_eq(result, -EPROTO);
    count = 2;
    ok(weft_take_over(ends[1], fds, &count));
    ok(weft_close(fds[0]));
    ok(weft_send_all(ends[1], "?\0\0\0", 4, NULL)); /* as long as the answer, waiting for it */
    ck_assert_int_eq(weft_hand_over(ends[0], &listener, 1), -EPROTO);
    count = 2;
    ok(weft_take_over(ends[1], fds, &count));
    ok(weft_close(fds[0]));
    /* it ends without a word */
    ok(weft_spawn(&scope, hand_over_task, what, sizeof what, &spawn));
    ok(weft_sleep(1000000));
    count = 2;
    ok(weft_take_over(ends[1], fds, &count));
    ok(weft_close(fds[0]));
    ok(weft_close(ends[1]));
    ok(weft_join(task, &result));
    ck_assert(result == -ENODATA || result == -ECONNRESET);
    ok(weft_close(ends[0]));
    ok(weft_scope_close(&scope));
    /* and the listener is as it was */
    weft_stream *stream = connect_to(port);
    ok(weft_stream_close(stream));
    return weft_close(listener);
}
TEST(nobody_takes_over)
{
    net_run(main_wrong);
}

/* A stream may part what is sent: the answer comes in two pieces, the second one later. */
static int main_in_pieces(void *arg)
{
    int near[2], far[2], port, listener = net_listen(&port), what[2], fd, result = 1;
    struct weft_spawn_opt spawn = {.size = sizeof spawn};
    char greeting[64], answer[4];
    uint32_t count = 1;
    weft_scope scope;
    weft_task task;
    ssize_t n;

    (void)arg;
    spawn.task = &task;
    channel(near);
    channel(far);
    what[0] = near[0];
    what[1] = listener;
    ok(weft_scope_open(&scope, NULL));
    ok(weft_spawn(&scope, hand_over_task, what, sizeof what, &spawn));
    n = weft_recv_fds(near[1], greeting, sizeof greeting, &fd, &count); /* handed on to who knows */
    ck_assert_int_gt(n, 0);
    ck_assert_uint_eq(count, 1);
    ok(weft_send_fds(far[0], greeting, (size_t)n, &fd, 1));
    ok(weft_close(fd));
    ok(weft_take_over(far[1], &fd, &count));
    ok(weft_take_over_done(far[1]));
    ok(weft_recv_exactly(far[0], answer, sizeof answer, NULL));
    for (size_t i = 0; i < sizeof answer; i++) {
        ok(weft_send_all(near[1], answer + i, 1, NULL));
        ok(weft_sleep(1000000));
    }
    ok(weft_join(task, &result));
    ck_assert_int_eq(result, 0);
    ok(weft_scope_close(&scope));
    for (int i = 0; i < 2; i++) {
        ok(weft_close(near[i]));
        ok(weft_close(far[i]));
    }
    ok(weft_close(fd));
    return weft_close(listener);
}
TEST(an_answer_in_pieces)
{
    net_run(main_in_pieces);
}

/* The first piece might be an answer's, and the second is not. */
static int main_other_rest(void *arg)
{
    int ends[2], port, listener = net_listen(&port), what[2], fd, result = 1;
    weft_task task;
    struct weft_spawn_opt spawn = {.size = sizeof spawn, .task = &task};
    const uint16_t serves = 'S', other = (uint16_t)~serves;
    char piece = *(const char *)&serves, rest[3];
    uint32_t count = 1;

    (void)arg;
    channel(ends);
    what[0] = ends[0];
    what[1] = listener;
    memset(rest, *((const char *)&other + 1), sizeof rest);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, hand_over_task, what, sizeof what, &spawn));
        ok(weft_take_over(ends[1], &fd, &count));
        ok(weft_close(fd));
        ok(weft_send_all(ends[1], &piece, 1, NULL));
        ok(weft_sleep(1000000)); /* in one piece with the rest it is none, either */
        ok(weft_send_all(ends[1], rest, sizeof rest, NULL));
        ok(weft_close(ends[1])); /* and nothing more */
        ok(weft_join(task, &result));
    }
    ck_assert_int_eq(result, -EPROTO);
    ok(weft_close(ends[0]));
    return weft_close(listener);
}
TEST(no_answer_in_pieces)
{
    net_run(main_other_rest);
}

/* Two ends between which whole packets go. */
static void packet_channel(int ends[2])
{
    const char *name = own_name("@weft-handover-packets");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = (socklen_t)(sizeof(sa_family_t) + strlen(name));
    int listener = weft_socket(AF_UNIX, SOCK_SEQPACKET, 0);

    ok(listener);
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1); /* a 0 for the @ */
    ok(weft_bind(listener, (struct sockaddr *)&address, length));
    ok(weft_listen(listener, 1));
    ends[0] = weft_socket(AF_UNIX, SOCK_SEQPACKET, 0);
    ok(ends[0]);
    ok(weft_connect(ends[0], (struct sockaddr *)&address, length));
    ends[1] = weft_accept(listener, NULL, NULL, 0);
    ok(ends[1]);
    ok(weft_close(listener));
}

/* Of a packet nothing more comes: one that is half an answer is none, and nobody waits for more. */
static int main_half_a_packet(void *arg)
{
    int ends[2], port, listener = net_listen(&port), what[2], fd, result = 1;
    struct weft_spawn_opt spawn = {.size = sizeof spawn};
    const uint16_t serves = 'S';
    uint32_t count = 1;
    weft_scope scope;
    weft_task task;

    (void)arg;
    spawn.task = &task;
    packet_channel(ends);
    what[0] = ends[0];
    what[1] = listener;
    ok(weft_scope_open(&scope, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                        .on_error = WEFT_KEEP_GOING}));
    ok(weft_spawn(&scope, hand_over_task, what, sizeof what, &spawn));
    ok(weft_take_over(ends[1], &fd, &count));
    ok(weft_close(fd));
    ok(weft_send_all(ends[1], &serves, sizeof serves, NULL));
    ok(weft_join(task, &result));
    ck_assert_int_eq(result, -EPROTO);
    ok(weft_scope_close(&scope));
    ok(weft_close(ends[0]));
    ok(weft_close(ends[1]));
    return weft_close(listener);
}
TEST(half_an_answer_in_a_packet)
{
    net_run(main_half_a_packet);
}

struct offer {
    int channel, listener, result;
    bool over;
};

static int offers(void *arg)
{
    struct offer *offer = arg;

    offer->result = weft_hand_over(offer->channel, &offer->listener, 1);
    offer->over = true;
    return 0;
}

static void take(int channel)
{
    uint32_t count = 1;
    int fd;

    ok(weft_take_over(channel, &fd, &count));
    ok(weft_close(fd));
}

/* Who took over too late says so when that hand-over was given up; the next one is not its. */
static int main_late(void *arg)
{
    int ends[2], port;
    struct offer first = {.listener = net_listen(&port)}, second = first;
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    (void)arg;
    channel(ends);
    first.channel = second.channel = ends[0];
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, offers, &first, 0, &opt));
        take(ends[1]);
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
        ck_assert_int_eq(first.result, -ECANCELED);
        ok(weft_take_over_done(ends[1]));
        ok(weft_spawn(&s, offers, &second, 0, NULL));
        take(ends[1]);
        ok(weft_sleep(1000000));
        ck_assert(!second.over);
        ok(weft_take_over_done(ends[1]));
    }
    ck_assert_int_eq(second.result, 0);
    ok(weft_close(first.listener));
    ok(weft_close(ends[0]));
    return weft_close(ends[1]);
}
TEST(an_answer_too_late)
{
    net_run(main_late);
}

/* What is no hand-over leaves no descriptor behind: the harness counts them. */
static int main_garbage(void *arg)
{
    int ends[2], port, listeners[3] = {net_listen(&port), net_listen(&port), net_listen(&port)};
    int fds[2];
    uint32_t count = 2;

    (void)arg;
    channel(ends);
    ok(weft_send_all(ends[0], "weft socks 2\1\0\7\0", 16, NULL)); /* and no sockets */
    ck_assert_int_eq(weft_take_over(ends[1], fds, &count), -EPROTO);
    ck_assert_uint_eq(count, 0);
    ck_misuse(weft_take_over_done(ends[1]), -EINVAL, "weft_take_over_done", "nothing");
    count = 2;
    ok(weft_send_all(ends[0], "weft socks 2\0\0\7\0", 16, NULL)); /* and speaks of none */
    ck_assert_int_eq(weft_take_over(ends[1], fds, &count), -EPROTO);
    count = 2;
    ok(weft_send_fds(ends[0], "weft socks 2\3\0\7\0", 16, listeners, 1)); /* of three */
    ck_assert_int_eq(weft_take_over(ends[1], fds, &count), -EPROTO);
    count = 2;
    ok(weft_send_fds(ends[0], "weft socks 2\1\0\0\0", 16, listeners, 1)); /* no number */
    ck_assert_int_eq(weft_take_over(ends[1], fds, &count), -EPROTO);
    count = 2;
    ok(weft_send_fds(ends[0], "weft sucks 2\1\0\7\0", 16, listeners, 1));
    ck_assert_int_eq(weft_take_over(ends[1], fds, &count), -EPROTO);
    count = 2;
    ok(weft_send_fds(ends[0], "weft socks 2\1\0\7\0", 16, listeners, 2)); /* of one */
    ck_assert_int_eq(weft_take_over(ends[1], fds, &count), -EPROTO);
    count = 2;
    ok(weft_send_fds(ends[0], "weft socks 2\3\0\7\0", 16, listeners, 3));
    ck_assert_int_eq(weft_take_over(ends[1], fds, &count), -EMSGSIZE);
    count = 2;
    ok(weft_send_fds(ends[0], "weft", 4, listeners, 1)); /* in pieces */
    ok(weft_send_all(ends[0], " socks 2\1\0\7\0", 12, NULL));
    ok(weft_take_over(ends[1], fds, &count));
    ck_assert_uint_eq(count, 1);
    ok(weft_close(fds[0]));
    ok(weft_send_fds(ends[0], "weft", 4, listeners, 1));
    ok(weft_close(ends[0]));
    count = 2;
    ck_assert_int_eq(weft_take_over(ends[1], fds, &count), -ENODATA);
    count = 2;
    ck_assert_int_eq(weft_take_over(ends[1], fds, &count), -ENODATA);
    ck_assert_int_eq(weft_take_over_done(ends[1]), -EPIPE);
    ok(weft_close(ends[1]));
    for (int i = 0; i < 3; i++)
        ok(weft_close(listeners[i]));
    return 0;
}
TEST(what_is_no_hand_over)
{
    net_run(main_garbage);
}

static int accepts_one(void *arg)
{
    int fd = weft_accept(*(int *)arg, NULL, NULL, 0);

    ok(fd);
    return weft_close(fd);
}

static int accepts(const struct weft_task_info *info, void *context)
{
    (void)context;
    return info->waits_for && strcmp(info->waits_for, "accept") == 0;
}

static int main_arguments(void *arg)
{
    int port, other, second = net_listen(&other), listener = net_listen(&port),
                     plain = weft_socket(AF_INET, SOCK_STREAM, 0), fds[1];
    const int twice[] = {listener, listener};
    struct weft_listen_opt turns_away = {.size = sizeof turns_away, .turn_away = true};
    struct weft_server_opt opt = {.size = sizeof opt, .fds = &plain, .fd_count = 1};
    weft_server *server;
    uint32_t count = 0;

    (void)arg;
    ck_assert_int_eq(weft_start_server(&server, NULL, answer, NULL, &opt), -EINVAL);
    opt.fds = &(int){9999};
    ck_assert_int_eq(weft_start_server(&server, NULL, answer, NULL, &opt), -EBADF);
    opt.fds = &listener;
    opt.fd_count = 0;
    ck_assert_int_eq(weft_start_server(&server, NULL, answer, NULL, &opt), -EINVAL);
    opt.fd_count = 1025;
    ck_assert_int_eq(weft_start_server(&server, NULL, answer, NULL, &opt), -EINVAL);
    opt.fd_count = 1;
    ck_assert_int_eq(weft_start_server(&server, "127.0.0.1:0", answer, NULL, &opt), -EINVAL);
    opt.listen = &turns_away;
    ck_assert_int_eq(weft_start_server(&server, NULL, answer, NULL, &opt), -EINVAL);
    opt.listen = NULL;
    opt.fds = twice;
    opt.fd_count = 2;
    ck_misuse(weft_start_server(&server, NULL, answer, 0, &opt), -EINVAL, "weft_start_server", "");
    opt.fds = (int[]){second, listener}; /* the first of which another call uses */
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, accepts_one, &second, sizeof second, NULL));
        while (weft_tasks_each(accepts, NULL) != 1)
            ok(weft_yield());
        ck_assert_int_eq(weft_start_server(&server, NULL, answer, NULL, &opt), -EBUSY);
        ok(weft_stream_close(connect_to(other)));
    }
    ok(weft_close(second)); /* neither is the server's */
    opt.fds = &listener;
    opt.fd_count = 1; /* after all of which it is the caller's */
    ok(weft_start_server(&server, NULL, answer, "old\n", &opt));
    ck_assert_int_eq(weft_server_port(server), port);
    ck_assert_int_eq(weft_server_listeners(server, NULL, 0), 1);
    ck_misuse(weft_server_listeners(server, NULL, 1), -EINVAL, "weft_server_listeners", "");
    ck_misuse(weft_server_listeners(NULL, fds, 1), -EINVAL, "weft_server_listeners", "");
    ok(weft_server_close(server));
    ck_misuse(weft_hand_over(plain, NULL, 1), -EFAULT, "weft_hand_over", "NULL");
    ck_misuse(weft_hand_over(plain, &plain, 0), -EINVAL, "weft_hand_over", "");
    ck_misuse(weft_take_over(plain, fds, &count), -EINVAL, "weft_take_over", "");
    ck_misuse(weft_take_over(plain, fds, NULL), -EINVAL, "weft_take_over", "");
    count = 1;
    ck_misuse(weft_take_over(plain, NULL, &count), -EINVAL, "weft_take_over", "");
    count = WEFT_FDS_MAX + 1;
    ck_misuse(weft_take_over(plain, fds, &count), -EINVAL, "weft_take_over", "");
    ck_assert_int_eq(weft_recv(listener, fds, 1, 0), -EBADF); /* it was the server's */
    return weft_close(plain);
}
TEST(arguments)
{
    int fd, none = -1;
    uint32_t count = 1;

    net_run(main_arguments);
    ck_misuse(weft_hand_over(none, &none, 1), -EPERM, "weft_hand_over", "");
    ck_misuse(weft_hand_over_until(none, &none, 1, 1), -EPERM, "weft_hand_over_until", "");
    ck_misuse(weft_take_over(none, &fd, &count), -EPERM, "weft_take_over", "");
    ck_misuse(weft_take_over_done(none), -EPERM, "weft_take_over_done", "");
}

TEST_MAIN("api.handover_edges", 60, nobody_takes_over, an_answer_in_pieces, no_answer_in_pieces,
          half_an_answer_in_a_packet, an_answer_too_late, what_is_no_hand_over, arguments)
