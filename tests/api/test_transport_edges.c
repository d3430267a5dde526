/*
 * Protocols that close, abort or pause in the middle of being told, and transports that are left to
 * the end of a run. Catches a callback told of anything after it has closed or aborted, an error
 * told before the bytes it came behind, and a transport that is never told of its end.
 */
#include "support/net.h"

/* -- protocols that act when they are told ----------------------------------------------------- */

enum act { CLOSES, ABORTS, PAUSES, STAYS };

struct actor {
    enum act act;
    weft_transport *transport;
    int pieces, ends, lost, error;
    bool paused;
};

static void act(weft_transport *transport, const void *data, size_t size, void *self)
{
    struct actor *actor = weft_transport_arg(transport);

    (void)data;
    (void)size;
    (void)self;
    actor->pieces++;
    if (actor->act == CLOSES)
        ok(weft_transport_close(transport));
    if (actor->act == ABORTS)
        ok(weft_transport_abort(transport));
    if (actor->act == PAUSES)
        ok(weft_transport_pause_reading(transport));
}

static bool act_end(weft_transport *transport, void *self)
{
    (void)self;
    ((struct actor *)weft_transport_arg(transport))->ends++;
    return true;
}

static void act_lost(weft_transport *transport, int error, void *self)
{
    struct actor *actor = weft_transport_arg(transport);

    (void)self;
    actor->lost++;
    actor->error = error;
}

static void act_paused(weft_transport *transport, void *self)
{
    (void)self;
    ((struct actor *)weft_transport_arg(transport))->paused = true;
}

static const struct weft_protocol acting = {.size = sizeof acting,
                                            .data_received = act,
                                            .eof_received = act_end,
                                            .connection_lost = act_lost,
                                            .pause_writing = act_paused};

/* One that does not read yet; the peer. */
static int open_actor(struct actor *actor, enum act act)
{
    int fd, there;

    *actor = (struct actor){.act = act};
    net_pair(&fd, &there);
    ok(weft_transport_open(there, &acting, actor, NULL, &actor->transport));
    ok(weft_transport_pause_reading(actor->transport));
    return fd;
}

static void until_lost(const struct actor *actor)
{
    while (!actor->lost)
        ok(weft_sleep(1000000));
    ck_assert_int_eq(actor->lost, 1);
}

/* Much is held, and the end after it, when the first of it is told. */
static int main_acts(void *arg)
{
    static char bytes[200000];
    struct actor actor;

    (void)arg;
    for (enum act what = CLOSES; what <= ABORTS; what++) {
        int fd = open_actor(&actor, what);
        ck_assert_int_gt(weft_send(fd, bytes, sizeof bytes, 0), 0);
        ok(weft_sleep(20000000));
        ok(weft_transport_resume_reading(actor.transport));
        until_lost(&actor);
        ck_assert_int_eq(actor.pieces, 1);
        ck_assert_int_eq(actor.error, what == CLOSES ? 0 : -ECONNABORTED);
        net_hear_end(fd);
    }
    for (enum act what = CLOSES; what <= STAYS; what++) {
        int fd = open_actor(&actor, what);
        ck_assert_int_eq(weft_send_all(fd, "x", 1, NULL), 1);
        ok(weft_shutdown(fd, SHUT_WR));
        ok(weft_sleep(20000000));
        ck_assert_int_eq(actor.pieces, 0);
        ok(weft_transport_resume_reading(actor.transport));
        if (what >= PAUSES) {
            ok(weft_sleep(20000000));
            ck_assert_int_eq(actor.ends, what == STAYS);
            ok(weft_transport_resume_reading(actor.transport));
            ok(weft_sleep(20000000));
            ck_assert_int_eq(actor.ends, 1);
            ok(weft_transport_close(actor.transport));
        }
        until_lost(&actor);
        ck_assert_int_eq(actor.pieces, 1);
        ck_assert_int_eq(actor.ends, what >= PAUSES);
        net_hear_end(fd);
    }
    return 0;
}

TEST(acts_when_told)
{
    net_run(main_acts);
}

/* A reset behind bytes that nobody has taken yet is told after them, or at once by a close. */
static int main_reset(void *arg)
{
    static const struct weft_socket_opt reset = {.size = sizeof reset, .reset_on_close = true};
    struct actor actor;

    (void)arg;
    for (int closes = 0; closes < 2; closes++) {
        int fd = open_actor(&actor, STAYS);
        ck_assert_int_eq(weft_send_all(fd, "x", 1, NULL), 1);
        ok(weft_sleep(20000000));
        ok(weft_socket_set(fd, &reset));
        ok(weft_close(fd));
        ok(weft_sleep(20000000));
        ck_assert_int_eq(actor.lost, 0);
        if (closes)
            ok(weft_transport_close(actor.transport));
        else
            ok(weft_transport_resume_reading(actor.transport));
        until_lost(&actor);
        ck_assert_int_eq(actor.error, -ECONNRESET);
        ck_assert_int_eq(actor.pieces, !closes);
    }
    return 0;
}

TEST(reset_behind_what_is_held)
{
    net_run(main_reset);
}

/* Aborted while writing is paused: nothing is resumed. And a protocol with no memory to receive
   into. */
static void *gives_none(weft_transport *transport, size_t hint, size_t *size, void *self)
{
    (void)transport;
    (void)hint;
    (void)self;
    *size = 10;
    return NULL;
}

static void never(weft_transport *transport, size_t size, void *self)
{
    (void)transport;
    (void)size;
    (void)self;
    ck_abort_msg("there was no buffer");
}

static int main_full(void *arg)
{
    static const struct weft_protocol none = {.size = sizeof none,
                                              .get_buffer = gives_none,
                                              .buffer_updated = never,
                                              .connection_lost = act_lost};
    static char bytes[100000];
    struct actor actor;
    int there, fd = open_actor(&actor, STAYS);

    (void)arg;
    while (!actor.paused) {
        ck_assert_int_eq(weft_transport_write(actor.transport, bytes, sizeof bytes), sizeof bytes);
        ok(weft_sleep(100000));
    }
    ok(weft_transport_abort(actor.transport));
    until_lost(&actor);
    ck_assert_int_eq(actor.error, -ECONNABORTED);
    net_hear_end(fd);

    actor = (struct actor){.act = STAYS};
    net_pair(&fd, &there);
    ok(weft_transport_open(there, &none, &actor, NULL, NULL));
    ck_assert_int_eq(weft_send_all(fd, "x", 1, NULL), 1);
    until_lost(&actor);
    ck_assert_int_eq(actor.error, -ENOBUFS);
    net_hear_end(fd);
    return 0;
}

TEST(full_and_without_room)
{
    net_run(main_full);
}

/* -- left to the end of a run ------------------------------------------------------------------ */

enum { LEFT = 4 };
static struct actor left[LEFT];

/* One that is idle; one that was aborted and is ending; one that was aborted and not told; one that
   nothing was told of yet. */
static int main_left(void *arg)
{
    weft_stream *peer; /* left as well */

    (void)arg;
    for (int i = 0; i < LEFT; i++) {
        ok(weft_stream_open(open_actor(&left[i], STAYS), NULL, &peer));
        if (i == 1) {
            ok(weft_sleep(20000000));
            ok(weft_transport_abort(left[i].transport));
            ok(weft_yield());
        }
    }
    ok(weft_transport_abort(left[2].transport));
    return 0;
}

TEST(left_to_the_end_of_a_run)
{
    net_run(main_left);
    for (int i = 0; i < LEFT; i++) {
        ck_assert_int_eq(left[i].lost, 1);
        ck_assert_int_eq(left[i].error, i == 0 || i == 3 ? -ECANCELED : -ECONNABORTED);
    }
}

/* One that has something to tell, and nothing in flight, when the run ends. */
static int main_dropped(void *arg)
{
    int fd = open_actor(&left[0], STAYS);

    (void)arg;
    ok(weft_transport_resume_reading(left[0].transport));
    ok(weft_close(fd));
    while (left[0].ends == 0)
        ok(weft_sleep(1000000));
    ok(weft_sleep(20000000));
    return weft_transport_resume_reading(left[0].transport);
}

TEST(dropped_with_the_run)
{
    net_run(main_dropped);
    ck_assert_int_eq(left[0].lost, 1);
    ck_assert_int_eq(left[0].error, -ECANCELED);
}

/* Nor does the loop come to it: a turn runs one thing, and the last has made its task ready. */
TEST(dropped_unheard)
{
    const struct weft_run_opt opt = {.size = sizeof opt, .budget = 1};

    ck_assert_int_eq(weft_run(main_dropped, NULL, 0, &opt), 0);
    ck_assert_int_eq(left[0].lost, 1);
    ck_assert_int_eq(left[0].error, -ECANCELED);
}

TEST_MAIN("transport_edges", 60, acts_when_told, reset_behind_what_is_held, full_and_without_room,
          left_to_the_end_of_a_run, dropped_with_the_run, dropped_unheard)
