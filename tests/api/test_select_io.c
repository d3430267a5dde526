/*
 * weft/select_io.h: each operation as a case of a select, that wins, that loses, that is not begun,
 * and that ends at the same moment as another case. Would catch an operation that goes on when the
 * select has returned, an effect that is not told (bytes, a connection, a signal that nobody has),
 * and one that is told and has not happened.
 */
#include "sync.h"

#include "blocked.h"

struct operation {
    const char *name;
    void (*set_up)(void);
    weft_case (*make)(void);
    void (*complete)(void);
    void (*finish)(void);
    int value;                     /* what it answers then; ANY: >= 0 */
    void (*check)(int64_t result); /* of one that happened: its effect is here; or NULL */
    void (*rest)(bool happened);   /* at the end: nothing was done twice; or NULL */
};
enum { ANY = -1 };

static weft_event event;
static char byte;
static struct iovec vector;
static struct msghdr message;
static struct weft_process_status status;
static struct weft_signal a_signal;
static struct weft_watch_event happening;
static int socket_there;

/* -- each of them ----------------------------------------------------------------------------- */

static weft_case make_recv(void)
{
    return weft_case_recv(ends[1], &byte, 1, 0);
}
static weft_case make_read(void)
{
    return weft_case_read(ends[0], &byte, 1);
}
static weft_case make_recvmsg(void)
{
    vector = (struct iovec){&byte, 1};
    message = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1};
    return weft_case_recvmsg(ends[1], &message, 0);
}
static weft_case make_stream_read(void)
{
    return weft_case_stream_read(the_stream, &byte, 1, 0);
}
static void check_byte(int64_t result)
{
    (void)result;
    is(byte, 'x');
    byte = 0;
}

static weft_case make_peek(void)
{
    return weft_case_recv(ends[1], &byte, 1, MSG_PEEK);
}
/* What is looked at is still there. */
static void rest_of_peek(bool happened)
{
    is(weft_recv(ends[1], &byte, 1, 0), happened);
}
static weft_case make_poll(void)
{
    return weft_case_poll(ends[1], POLLIN);
}
static weft_case make_poll_out(void)
{
    return weft_case_poll(ends[0], POLLOUT);
}

static weft_case make_send(void)
{
    return weft_case_send(ends[0], "x", 1, 0);
}
static weft_case make_sendmsg(void)
{
    static char x = 'x';

    vector = (struct iovec){&x, 1};
    message = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1};
    return weft_case_sendmsg(ends[0], &message, 0);
}
static weft_case make_write(void)
{
    return weft_case_write(ends[1], "x", 1);
}
static int exes; /* what the other end has read of what was sent */
static int count_exes(const char *bytes, ssize_t n)
{
    int count = 0;

    for (ssize_t i = 0; i < n; i++)
        count += bytes[i] == 'x';
    return count;
}
static void take_room(void)
{
    static char bytes[1 << 14];
    ssize_t n;

    while ((n = weft_recv(ends[1], bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        exes += count_exes(bytes, n);
}
static void take_pipe_room(void)
{
    static char bytes[1 << 14];

    while (is_ready(ends[0], POLLIN)) {
        ssize_t n = weft_read(ends[0], bytes, sizeof bytes);
        ok(n);
        exes += count_exes(bytes, n);
    }
}
/* The end of it all tells how many went. */
static void rest_of_bytes(bool happened)
{
    static char bytes[1 << 14];
    ssize_t n;

    is(weft_shutdown(ends[0], SHUT_WR), 0);
    while ((n = weft_recv(ends[1], bytes, sizeof bytes, 0)) > 0)
        exes += count_exes(bytes, n);
    is(exes, happened);
    exes = 0;
}
static void rest_of_pipe(bool happened)
{
    take_pipe_room();
    is(exes, happened);
    exes = 0;
}

static weft_case make_accept(void)
{
    return weft_case_accept(the_listener, 0);
}
static void check_accepted(int64_t result)
{
    is(weft_close((int)result), 0);
}
/* What failed or lost is good for nothing but closing, so each round has its own. */
static weft_case make_connect(void)
{
    if (socket_there >= 0)
        is(weft_close(socket_there), 0);
    socket_there = weft_socket(AF_UNIX, SOCK_STREAM, 0);
    ok(socket_there);
    return weft_case_connect(socket_there, (struct sockaddr *)&the_address, the_length);
}
static void up_connect(void)
{
    socket_there = -1;
    up_full_listener();
}
static void check_connected(int64_t result)
{
    struct sockaddr_un peer;
    socklen_t length = sizeof peer;

    (void)result;
    is(weft_getpeername(socket_there, (struct sockaddr *)&peer, &length), 0);
}
static void end_connect(void)
{
    is(weft_close(socket_there), 0);
    end_listener();
}

static weft_case make_process(void)
{
    return weft_case_process(the_process, &status);
}
static void check_killed(int64_t result)
{
    (void)result;
    is(status.signal, SIGKILL);
}
static weft_case make_signals(void)
{
    return weft_case_signals(the_signals, &a_signal);
}
static void check_signal(int64_t result)
{
    is(a_signal.number, result);
}
static weft_case make_watch(void)
{
    return weft_case_watch(the_watch, &happening, 0);
}
static void check_created(int64_t result)
{
    (void)result;
    ck_assert_str_eq(happening.name, "x");
    is(happening.what, WEFT_WATCH_CREATED | WEFT_WATCH_DIRECTORY);
    happening.name[0] = '\0';
}

/* clang-format off */
static const struct operation operations[] = {
    {"recv", up_pair, make_recv, complete_bytes, end_pair, 1, check_byte, NULL},
    {"read", up_pipe, make_read, complete_pipe, end_pair, 1, check_byte, NULL},
    {"recvmsg", up_datagrams, make_recvmsg, complete_bytes, end_pair, 1, check_byte, NULL},
    {"stream_read", up_stream, make_stream_read, complete_bytes, end_stream, 1, check_byte, NULL},
    {"peek", up_pair, make_peek, complete_bytes, end_pair, 1, check_byte, rest_of_peek},
    {"poll_out", up_full_pair, make_poll_out, take_room, end_pair, POLLOUT, NULL, NULL},
    {"poll", up_pair, make_poll, complete_bytes, end_pair, POLLIN, NULL, NULL},
    {"send", up_full_pair, make_send, take_room, end_pair, 1, NULL, rest_of_bytes},
    {"sendmsg", up_full_pair, make_sendmsg, take_room, end_pair, 1, NULL, rest_of_bytes},
    {"write", up_full_pipe, make_write, take_pipe_room, end_pair, 1, NULL, rest_of_pipe},
    {"accept", up_listener, make_accept, complete_accept, end_listener, ANY, check_accepted, NULL},
    {"connect", up_connect, make_connect, complete_connect, end_connect, 0, check_connected, NULL},
    {"process", up_process, make_process, complete_process, end_process, 0, check_killed, NULL},
    {"signals", up_signals, make_signals, complete_signals, end_signals, SIGUSR1,
     check_signal, NULL},
    {"watch", up_watch, make_watch, complete_watch, end_watch, 0, check_created, NULL},
};
/* clang-format on */
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

/* -- what may come of one --------------------------------------------------------------------- */

struct round {
    const struct operation *operation;
    int64_t result; /* of the operation */
};

static int selects(void *arg)
{
    struct round *round = arg;
    weft_case cases[] = {weft_case_event(&event), round->operation->make()};
    int won = weft_select(cases, 2, 0);

    round->result = cases[1].result;
    if (won >= 0)
        ck_assert(weft_case_happened(&cases[won]));
    return won;
}

/* Parked, the operation begun and under way. */
static weft_task begin(weft_scope *scope, struct round *round)
{
    struct weft_spawn_opt opt = {.size = sizeof(opt), .name = round->operation->name};
    weft_task task;

    opt.task = &task;
    is(weft_spawn(scope, selects, round, 0, &opt), 0);
    sync_until(task, "select");
    for (int i = 0; i < 5; i++)
        is(weft_yield(), 0);
    return task;
}

static void check_happened(const struct round *round)
{
    const struct operation *operation = round->operation;

    if (operation->value == ANY ? round->result < 0 : round->result != operation->value)
        ck_abort_msg("%s gave %lld", operation->name, (long long)round->result);
    if (operation->check)
        operation->check(round->result);
}

/* It is there for who comes next, alone. */
static void then_alone(const struct operation *operation)
{
    struct round round = {.operation = operation};
    weft_case one = operation->make();

    is(weft_select(&one, 1, 0), 0);
    round.result = one.result;
    check_happened(&round);
}

static void rest(const struct operation *operation, bool happened)
{
    if (operation->rest)
        operation->rest(happened);
    operation->finish();
}

static void each(void (*what)(weft_scope *scope, const struct operation *operation))
{
    for (int i = 0; i < OPERATIONS; i++) {
        weft_scope scope;
        event = (weft_event)WEFT_EVENT_INIT;
        byte = 0;
        is(weft_scope_open(&scope, NULL), 0);
        operations[i].set_up();
        what(&scope, &operations[i]);
        is(weft_scope_close(&scope), 0);
    }
}

static void wins(weft_scope *scope, const struct operation *operation)
{
    struct round round = {.operation = operation};
    weft_task task = begin(scope, &round);

    operation->complete();
    is(sync_result(task), 1);
    check_happened(&round);
    rest(operation, true);
}
static int wins_main(void *arg)
{
    (void)arg;
    each(wins);
    return 0;
}
/* "Its result is what that call returns." */
TEST(each_wins)
{
    is(weft_run(wins_main, NULL, 0, NULL), 0);
}

static void loses(weft_scope *scope, const struct operation *operation)
{
    struct round round = {.operation = operation};
    weft_task task = begin(scope, &round);

    is(weft_event_set(&event), 1);
    is(sync_result(task), 0);
    is(round.result, -ECANCELED);
    operation->complete();
    then_alone(operation);
    rest(operation, true);
}
static int loses_main(void *arg)
{
    (void)arg;
    each(loses);
    return 0;
}
/* "One that loses is cancelled: with -ECANCELED nothing has happened." */
TEST(each_loses)
{
    is(weft_run(loses_main, NULL, 0, NULL), 0);
}

static void not_begun(weft_scope *scope, const struct operation *operation)
{
    weft_case cases[] = {weft_case_event(&event), weft_case_never()};

    (void)scope;
    operation->complete();
    is(weft_event_set(&event), 1);
    cases[1] = operation->make();
    is(weft_select(cases, 2, 0), 0);
    is(cases[1].result, -ECANCELED);
    then_alone(operation);
    rest(operation, true);
}
static int not_begun_main(void *arg)
{
    (void)arg;
    each(not_begun);
    return 0;
}
/* "Begun when no other case is ready." */
TEST(each_is_not_begun)
{
    is(weft_run(not_begun_main, NULL, 0, NULL), 0);
}

static void at_once(weft_scope *scope, const struct operation *operation)
{
    struct round round = {.operation = operation};
    weft_task task = begin(scope, &round);
    int won;

    operation->complete();
    is(weft_event_set(&event), 1);
    won = sync_result(task);
    ck_assert(won == 0 || won == 1);
    if (round.result == -ECANCELED) {
        is(won, 0);
        then_alone(operation);
    } else {
        check_happened(&round);
    }
    rest(operation, true);
}
static int at_once_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        each(at_once);
    return 0;
}
/* "Any other result is what came of it all the same": it happened and is told, or it is there for
   the next; never neither, and never both. */
TEST(each_is_told_or_there)
{
    is(weft_run(at_once_main, NULL, 0, NULL), 0);
}

static int cancelled_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < OPERATIONS; i++)
        WEFT_SCOPE(s) {
            struct round round = {.operation = &operations[i]};
            weft_task task;
            event = (weft_event)WEFT_EVENT_INIT;
            byte = 0;
            operations[i].set_up();
            task = begin(&s, &round);
            operations[i].complete();
            ck_assert_int_ge(weft_cancel(task), 0);
            if (sync_result(task) == 1)
                check_happened(&round);
            else
                then_alone(&operations[i]);
            rest(&operations[i], true);
        }
    return 0;
}
/* "An operation that took effect though the select was cancelled wins." */
TEST(cancelled_and_ended)
{
    is(weft_run(cancelled_main, NULL, 0, NULL), 0);
}

/* -- errors, and several at once -------------------------------------------------------------- */

static int errors_main(void *arg)
{
    static const int number = SIGUSR1;
    weft_case bad[] = {weft_case_recv(-1, &byte, 1, 0),
                       weft_case_send(-1, &byte, 1, 0),
                       weft_case_read(-1, &byte, 1),
                       weft_case_write(-1, &byte, 1),
                       weft_case_recvmsg(-1, make_recvmsg().item, 0),
                       weft_case_sendmsg(-1, make_recvmsg().item, 0),
                       weft_case_accept(-1, 0),
                       weft_case_connect(-1, (struct sockaddr *)&the_address, the_length),
                       weft_case_poll(-1, POLLIN)};
    weft_case cases[] = {weft_case_event(&event), weft_case_never()};

    (void)arg;
    event = (weft_event)WEFT_EVENT_INIT;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cases[1] = bad[i];
        is(weft_select(cases, 2, 0), 1); /* an error is a result, and wins */
        is(cases[1].result, -EBADF);
        is(weft_select_nowait(cases, 2, 0), -EINVAL);
    }
    cases[1] = weft_case_process(NULL, NULL);
    is(weft_select(cases, 2, 0), 1);
    is(cases[1].result, -EINVAL);
    cases[1] = weft_case_signals(NULL, NULL);
    is(weft_select(cases, 2, 0), 1);
    is(cases[1].result, -EINVAL);
    cases[1] = weft_case_watch(NULL, NULL, 0);
    is(weft_select(cases, 2, 0), 1);
    is(cases[1].result, -EINVAL);
    cases[1] = weft_case_file_read(NULL, &byte, 1);
    is(weft_select(cases, 2, 0), 1);
    is(cases[1].result, -EINVAL);
    is(weft_signals_open(&number, 1, &the_signals), 0);
    is(weft_signals_close(the_signals), 0); /* none was left taken */
    return 0;
}
TEST(errors_win)
{
    is(weft_run(errors_main, NULL, 0, NULL), 0);
}

static int sends_one(void *arg)
{
    is(weft_sleep(1000000), 0);
    is(weft_send(*(int *)arg, "x", 1, 0), 1);
    return 0;
}
/* Nine connections, one of which has something to say: more cases than fit in a frame. */
static int several_main(void *arg)
{
    enum { COUNT = 9 };
    int pairs[COUNT][2];

    (void)arg;
    for (int i = 0; i < COUNT; i++)
        is(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]), 0);
    for (int speaker = 0; speaker < COUNT; speaker += 4)
        WEFT_SCOPE(s) {
            weft_case cases[COUNT];
            char bytes[COUNT] = "";
            for (int i = 0; i < COUNT; i++)
                cases[i] = weft_case_recv(pairs[i][1], &bytes[i], 1, 0);
            is(weft_spawn(&s, sends_one, &pairs[speaker][0], sizeof(int), NULL), 0);
            is(weft_select(cases, COUNT, 0), speaker);
            for (int i = 0; i < COUNT; i++) {
                is(cases[i].result, i == speaker ? 1 : -ECANCELED);
                is(bytes[i], i == speaker ? 'x' : 0);
            }
        }
    for (int i = 0; i < COUNT; i++) {
        is(weft_close(pairs[i][0]), 0);
        is(weft_close(pairs[i][1]), 0);
    }
    return 0;
}
TEST(several_connections)
{
    is(weft_run(several_main, NULL, 0, NULL), 0);
}

/* Both directions of one connection at once: what comes, and what goes as far as there is room. */
static int both_ways_main(void *arg)
{
    (void)arg;
    up_full_pair();
    WEFT_SCOPE(s) {
        weft_case cases[] = {weft_case_recv(ends[0], &byte, 1, 0),
                             weft_case_send(ends[0], "x", 1, 0)};
        is(weft_spawn(&s, sends_one, &ends[1], sizeof(int), NULL), 0);
        is(weft_select(cases, 2, 0), 0);
        is(byte, 'x');
        is(cases[1].result, -ECANCELED);
        take_room();
        cases[0] = weft_case_recv(ends[0], &byte, 1, 0);
        is(weft_select(cases, 2, 0), 1);
        is(cases[1].result, 1);
    }
    rest_of_bytes(true);
    end_pair();
    return 0;
}
TEST(both_ways)
{
    is(weft_run(both_ways_main, NULL, 0, NULL), 0);
}

TEST_MAIN("select_io", 60, each_wins, each_loses, each_is_not_begun, each_is_told_or_there,
          cancelled_and_ended, errors_win, several_connections, both_ways)
