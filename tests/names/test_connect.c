/*
 * Connecting to a name with several addresses (RFC 8305), which the test gives itself: the turns of
 * the families, when each attempt begins, who wins, and what is left of those that lose, are called
 * off, or late. On both kernels; times are exact where they are virtual.
 *
 * Catches an attempt that waits for the one before to fail, or for nothing; a loser that stays
 * open, or under way; a success that is lost; an error of another than the last.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <weft/names.h>
#include <weft/sim.h>
#include <weft/weft.h>

#include "support/test.h"

#define is(expression, value) ck_assert_int_eq((expression), (value))
#define MS INT64_C(1000000)
#define STAGGER (250 * MS)

enum { PLACES_MAX = 8, TEXT_SIZE = 64 };

/* There where weft-sim is linked, and nowhere else. */
extern __typeof__(weft_sim_time) weft_sim_time __attribute__((weak));

/* In a calm simulated world nothing takes time but waiting. */
static bool is_exact(void)
{
    const char *plan = getenv("WEFT_SIM_PLAN");

    return weft_sim_time && plan && strncmp(plan, "calm", 4) == 0;
}

/* -- places, and how they behave --------------------------------------------------------------- */

enum behaviour {
    ANSWERS,
    REFUSES,     /* nobody listens on that port */
    SILENT,      /* its queue is full; it may answer when that is emptied */
    UNREACHABLE, /* which is known at once */
    HELD,        /* answers, and that is not told before all is called off */
};

struct place {
    const char *host;
    enum behaviour behaviour;
    int listener, filled[2];
};

static struct place places[PLACES_MAX];
static int count, port;

static struct sockaddr_storage address_of(const char *host, socklen_t *length)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;

    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        *length = sizeof *four;
    } else {
        is(inet_pton(AF_INET6, host, &six->sin6_addr), 1);
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        *length = sizeof *six;
    }
    return address;
}

static int bind_it(const struct place *place)
{
    socklen_t length;
    struct sockaddr_storage address = address_of(place->host, &length);

    return weft_bind(place->listener, (struct sockaddr *)&address, length);
}

/* One more than its backlog waits there; who comes next is not answered. */
static void fill(struct place *place)
{
    socklen_t length;
    struct sockaddr_storage address = address_of(place->host, &length);

    for (int i = 0; i < 2; i++) {
        place->filled[i] = weft_socket(address.ss_family, SOCK_STREAM, 0);
        ck_assert_int_ge(place->filled[i], 0);
        is(weft_connect(place->filled[i], (struct sockaddr *)&address, length), 0);
    }
}

/* Has the port to itself on its address, also where it refuses. False: somebody else has it. */
static bool settle(struct place *place)
{
    int error;

    if (place->behaviour == UNREACHABLE)
        return true;
    place->listener = weft_socket(strchr(place->host, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(place->listener, 0);
    error = bind_it(place);
    if (error == -EADDRINUSE)
        return false;
    is(error, 0);
    if (port == 0)
        port = weft_local_port(place->listener);
    if (place->behaviour != REFUSES)
        is(weft_listen(place->listener, place->behaviour == SILENT ? 1 : 8), 0);
    if (place->behaviour == SILENT)
        fill(place);
    return true;
}

static void leave(struct place *place)
{
    for (int i = 0; i < 2; i++)
        if (place->filled[i] >= 0)
            is(weft_close(place->filled[i]), 0);
    if (place->listener >= 0)
        is(weft_close(place->listener), 0);
}

/* -- what connect.c calls ---------------------------------------------------------------------- */

static bool called_off_by_the_answer;

/* In the place of the resolver's: the name has those addresses, in that order. */
int weft_resolve(weft_resolver *resolver, const char *host, int family,
                 struct weft_name_address *list, uint32_t count_max)
{
    ck_assert_ptr_null(resolver);
    ck_assert_str_eq(host, "some.test");
    is(family, AF_UNSPEC);
    ck_assert_uint_ge(count_max, PLACES_MAX);
    for (int i = 0; i < count; i++) {
        list[i].address = address_of(places[i].host, &list[i].length);
        list[i].ttl_s = 0;
    }
    if (called_off_by_the_answer)
        is(weft_cancel(weft_current_task()), 1);
    return count ? count : -ENOENT;
}

static struct {
    char host[TEXT_SIZE];
    int64_t begun, ended;
    int result;
} tries[PLACES_MAX];
static int tried, ended;

static enum behaviour behaviour_of(const char *host)
{
    for (int i = 0; i < count; i++)
        if (strcmp(places[i].host, host) == 0)
            return places[i].behaviour;
    ck_abort_msg("%s was not asked for", host);
}

/* "[::1]:7000" is "::1". */
static void cut_port(char *host, const char *address)
{
    size_t bracket = address[0] == '[', size;

    ck_assert_ptr_nonnull(strrchr(address, ':'));
    size = (size_t)(strrchr(address, ':') - address) - 2 * bracket;
    is(atoi(strrchr(address, ':') + 1), port);
    ck_assert_uint_lt(size, TEXT_SIZE);
    memcpy(host, address + bracket, size);
    host[size] = '\0';
}

/* Every attempt goes through here (--wrap), to be looked at. */
int __real_weft_connect_tcp(const char *address, const struct weft_socket_opt *opt);
int __wrap_weft_connect_tcp(const char *address, const struct weft_socket_opt *opt);
int __wrap_weft_connect_tcp(const char *address, const struct weft_socket_opt *opt)
{
    int self = tried++, result;

    ck_assert_int_lt(self, PLACES_MAX);
    cut_port(tries[self].host, address);
    tries[self].begun = weft_now();
    result = __real_weft_connect_tcp(address, opt);
    if (behaviour_of(tries[self].host) == HELD)
        while (!weft_cancelled())
            (void)weft_sleep(MS); /* the condition says when that was cut */
    tries[self].ended = weft_now();
    tries[self].result = result;
    ended++;
    return result;
}

/* -- around a case ----------------------------------------------------------------------------- */

typedef void case_fn(void);
struct scene {
    case_fn *fn;
    struct place places[PLACES_MAX]; /* up to the first without a host */
};

static void leave_all(void)
{
    while (count > 0)
        leave(&places[--count]);
}

/* All at one port, which the first may choose; where another is taken, once more. */
static void settle_all(const struct scene *scene)
{
    port = 0;
    while (count < PLACES_MAX && scene->places[count].host) {
        places[count] = scene->places[count];
        if (!settle(&places[count++])) {
            leave_all();
            port = 0;
        }
    }
    if (port == 0)
        port = 7000;
}

static int in_weft(void *arg)
{
    const struct scene *scene = *(const struct scene **)arg;
    int descriptors;

    settle_all(scene);
    descriptors = test_descriptors();
    scene->fn();
    is(test_descriptors(), descriptors);
    is(ended, tried); /* nothing goes on behind the caller's back */
    leave_all();
    return 0;
}

static void run(const struct scene *scene)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 1};

    is(weft_run(in_weft, &scene, sizeof scene, &opt), 0);
}
/* CASE(name, {address, behaviour}, ...) { what is done and must hold } */
#define CASE(name, ...)                                                                            \
    static void name##_in_weft(void);                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        static const struct scene scene = {name##_in_weft, {__VA_ARGS__}};                         \
        run(&scene);                                                                               \
    }                                                                                              \
    static void name##_in_weft(void)
#define AT(host, behaviour)                                                                        \
    {                                                                                              \
        host, behaviour, -1,                                                                       \
        {                                                                                          \
            -1, -1                                                                                 \
        }                                                                                          \
    }

static int64_t begun;

static int connect_it(void)
{
    begun = weft_now();
    return weft_connect_name(NULL, "some.test", (uint16_t)port, NULL);
}

/* The connection is the one of that attempt, the others have ended without, and it works. */
static void won(int fd, int by)
{
    int error = -1;
    socklen_t size = sizeof error;

    ck_assert_int_ge(fd, 0);
    is(fd, tries[by].result);
    is(weft_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    is(error, 0);
    is(weft_send_all(fd, "x", 1, NULL), 1);
    is(weft_close(fd), 0);
}

/* -- the order --------------------------------------------------------------------------------- */

static void tried_in_order(const char *const hosts[], int n)
{
    is(tried, n);
    for (int i = 0; i < n; i++)
        ck_assert_str_eq(tries[i].host, hosts[i]);
}

CASE(families_by_turns, AT("224.0.0.1", UNREACHABLE), AT("224.0.0.2", UNREACHABLE),
     AT("224.0.0.3", UNREACHABLE), AT("ff02::1", UNREACHABLE), AT("ff02::2", UNREACHABLE))
{
    static const char *const turns[] = {"224.0.0.1", "ff02::1", "224.0.0.2", "ff02::2",
                                        "224.0.0.3"};

    is(connect_it(), -ENETUNREACH);
    tried_in_order(turns, 5);
}

CASE(the_first_begins, AT("ff02::1", UNREACHABLE), AT("ff02::2", UNREACHABLE),
     AT("ff02::3", UNREACHABLE), AT("224.0.0.1", UNREACHABLE))
{
    static const char *const turns[] = {"ff02::1", "224.0.0.1", "ff02::2", "ff02::3"};

    is(connect_it(), -ENETUNREACH);
    tried_in_order(turns, 4);
}

/* -- when the next begins ---------------------------------------------------------------------- */

/* No sooner than that after `before`; and then, where time is exact. */
static void began_after(int64_t before, int attempt, int64_t ns)
{
    ck_assert_int_ge(tries[attempt].begun - before, ns);
    if (is_exact())
        ck_assert_int_le(tries[attempt].begun - before, ns + MS);
}

/* When the one before had ended; on a machine that stood still meanwhile, its time may have been
   over first. */
static void began_at_the_end(int attempt)
{
    int64_t before = tries[attempt - 1].ended;

    if (!is_exact() && before > begun + STAGGER)
        before = begun + STAGGER;
    began_after(before, attempt, 0);
}

CASE(next_when_one_fails, AT("127.0.0.1", REFUSES), AT("224.0.0.1", UNREACHABLE),
     AT("127.0.0.2", ANSWERS), AT("127.0.0.3", ANSWERS))
{
    int fd = connect_it();

    is(tried, 3);
    is(tries[0].result, -ECONNREFUSED);
    is(tries[1].result, -ENETUNREACH);
    began_at_the_end(1);
    began_at_the_end(2);
    won(fd, 2);
}

CASE(next_while_one_is_silent, AT("127.0.0.1", SILENT), AT("127.0.0.2", SILENT),
     AT("127.0.0.3", ANSWERS), AT("127.0.0.4", ANSWERS))
{
    int fd = connect_it();

    is(tried, 3);
    is(tries[0].result, -ECANCELED);
    is(tries[1].result, -ECANCELED);
    began_after(begun, 1, STAGGER);
    began_after(begun, 2, 2 * STAGGER);
    won(fd, 2);
}

/* One that fails while another is silent does not wait for the rest of its time either. */
CASE(next_when_the_second_fails, AT("127.0.0.1", SILENT), AT("127.0.0.2", REFUSES),
     AT("127.0.0.3", ANSWERS))
{
    int fd = connect_it();

    is(tried, 3);
    is(tries[0].result, -ECANCELED);
    is(tries[1].result, -ECONNREFUSED);
    began_after(begun, 1, STAGGER);
    began_at_the_end(2);
    won(fd, 2);
}

CASE(other_family_after_a_silent_one, AT("::1", SILENT), AT("127.0.0.1", ANSWERS))
{
    int fd = connect_it();

    is(tried, 2);
    is(tries[0].result, -ECANCELED);
    began_after(begun, 1, STAGGER);
    won(fd, 1);
}

/* -- who wins ---------------------------------------------------------------------------------- */

/* Its queue is emptied, so that the one that was turned away gets in when it asks again. */
static int makes_room(void *arg)
{
    struct place *place = arg;

    is(weft_sleep(STAGGER + 50 * MS), 0);
    for (int i = 0; i < 2; i++) {
        int fd = weft_accept(place->listener, NULL, NULL, 0);
        ck_assert_int_ge(fd, 0);
        is(weft_close(fd), 0);
    }
    return 0;
}

CASE(the_first_answers_late, AT("127.0.0.1", SILENT), AT("127.0.0.2", SILENT))
{
    int fd = -1;

    WEFT_SCOPE(s) {
        is(weft_spawn(&s, makes_room, &places[0], 0, NULL), 0);
        fd = connect_it();
    }
    is(tried, 2);
    is(tries[1].result, -ECANCELED);
    won(fd, 0);
    is(weft_close(weft_accept(places[0].listener, NULL, NULL, 0)), 0);
}

/* Both have a connection, and the first is told later: it is closed. */
CASE(two_connections, AT("127.0.0.1", HELD), AT("127.0.0.2", ANSWERS))
{
    int fd = connect_it();

    is(tried, 2);
    ck_assert_int_ge(tries[0].result, 0);
    ck_assert_int_ne(tries[0].result, tries[1].result);
    won(fd, 1);
}

CASE(three_connections, AT("127.0.0.1", HELD), AT("127.0.0.2", HELD), AT("127.0.0.3", ANSWERS))
{
    int fd = connect_it();

    is(tried, 3);
    ck_assert_int_ge(tries[0].result, 0);
    ck_assert_int_ge(tries[1].result, 0);
    won(fd, 2);
}

CASE(one_address, AT("127.0.0.1", ANSWERS))
{
    won(connect_it(), 0);
    is(tried, 1);
}

CASE(the_first_answers, AT("::1", ANSWERS), AT("127.0.0.1", ANSWERS))
{
    won(connect_it(), 0);
    is(tried, 1);
}

/* -- nobody wins ------------------------------------------------------------------------------- */

CASE(no_address)
{
    is(connect_it(), -ENOENT);
    is(tried, 0);
}

CASE(one_address_refuses, AT("127.0.0.1", REFUSES))
{
    is(connect_it(), -ECONNREFUSED);
    is(weft_cause(), WEFT_CAUSE_NONE);
    is(tried, 1);
}

CASE(the_last_error_is_told, AT("127.0.0.1", REFUSES), AT("224.0.0.1", UNREACHABLE))
{
    is(connect_it(), -ENETUNREACH);
    is(weft_cause(), WEFT_CAUSE_NONE);
    is(tried, 2);
}

CASE(the_other_error_is_told, AT("224.0.0.1", UNREACHABLE), AT("127.0.0.1", REFUSES))
{
    is(connect_it(), -ECONNREFUSED);
    is(tried, 2);
}

/* The silent one ends after the other, by the kernel's own patience of two minutes; that is no
   deadline of the caller's, though its name is the same. */
CASE(nobody_answers, AT("127.0.0.1", SILENT), AT("127.0.0.2", REFUSES))
{
    if (!weft_sim_time)
        return; /* too long where time is real */
    is(connect_it(), -ETIMEDOUT);
    is(weft_cause(), WEFT_CAUSE_NONE);
    is(weft_cancelled(), 0);
    is(tries[0].result, -ETIMEDOUT);
    is(tries[1].result, -ECONNREFUSED);
}

/* -- called off, and late ---------------------------------------------------------------------- */

static int result, cause;
static int connects(void *arg)
{
    (void)arg;
    result = connect_it();
    cause = weft_cause();
    return 0;
}

/* Cancelled when so many attempts have begun, and so much time has passed. */
static void call_off(int attempts, int64_t ns)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    WEFT_SCOPE(s) {
        is(weft_spawn(&s, connects, NULL, 0, &opt), 0);
        while (tried < attempts)
            is(weft_sleep(MS), 0);
        is(weft_sleep(ns), 0);
        (void)weft_cancel(task); /* it may have ended */
    }
}

CASE(called_off_during_the_first, AT("127.0.0.1", SILENT), AT("127.0.0.2", SILENT))
{
    call_off(1, 0);
    is(result, -ECANCELED);
    is(cause, WEFT_CAUSE_CANCEL);
}

CASE(called_off_during_both, AT("127.0.0.1", SILENT), AT("::1", SILENT))
{
    call_off(2, 0);
    is(result, -ECANCELED);
    is(cause, WEFT_CAUSE_CANCEL);
    is(tried, 2);
    is(tries[0].result, -ECANCELED);
    is(tries[1].result, -ECANCELED);
}

/* The addresses are there, and so is the cancellation: nobody is asked for a connection. */
CASE(called_off_before_the_first, AT("127.0.0.1", ANSWERS))
{
    called_off_by_the_answer = true;
    WEFT_SCOPE(s)
        is(weft_spawn(&s, connects, NULL, 0, NULL), 0);
    is(result, -ECANCELED);
    is(cause, WEFT_CAUSE_CANCEL);
    is(tried, 0);
}

/* A connection that was made is the result all the same. */
CASE(called_off_and_connected, AT("127.0.0.1", HELD), AT("127.0.0.2", SILENT))
{
    call_off(2, 0);
    won(result, 0);
}

/* At each moment, before and after the connection is made. */
CASE(called_off_at_each_step, AT("127.0.0.1", REFUSES), AT("127.0.0.2", SILENT),
     AT("127.0.0.3", ANSWERS))
{
    int steps = weft_sim_time ? 64 : 4, connected = 0;

    for (int i = 0; i < steps; i++) {
        tried = ended = 0;
        call_off(0, i * 480 * MS / steps);
        ck_assert(result >= 0 || result == -ECANCELED);
        if (result >= 0) {
            is(weft_close(result), 0);
            connected++;
        }
    }
    ck_assert_int_lt(connected, steps);
    ck_assert(connected > 0 || !is_exact());
}

CASE(too_late, AT("127.0.0.1", SILENT), AT("127.0.0.2", SILENT), AT("127.0.0.3", SILENT))
{
    weft_scope scope;

    is(weft_timeout_at(&scope, weft_now() + STAGGER + 50 * MS), 0);
    is(connect_it(), -ECANCELED);
    is(weft_cause(), WEFT_CAUSE_DEADLINE);
    is(weft_scope_close(&scope), -ETIMEDOUT);
    if (is_exact()) {
        is(tried, 2);
        ck_assert_int_ge(weft_now() - begun, STAGGER + 50 * MS);
        ck_assert_int_le(weft_now() - begun, STAGGER + 55 * MS);
    }
}

CASE(one_address_and_too_late, AT("127.0.0.1", SILENT))
{
    weft_scope scope;

    is(weft_timeout_at(&scope, weft_after_ms(20)), 0);
    is(connect_it(), -ECANCELED);
    is(weft_cause(), WEFT_CAUSE_DEADLINE);
    is(weft_scope_close(&scope), -ETIMEDOUT);
}

/* The scope says that it has cut something, and the connection is there. */
CASE(too_late_and_connected, AT("127.0.0.1", HELD), AT("127.0.0.2", SILENT))
{
    weft_scope scope;
    int fd;

    is(weft_timeout(&scope, STAGGER + 50 * MS), 0);
    fd = connect_it();
    is(weft_cancelled(), WEFT_CAUSE_DEADLINE);
    is(weft_scope_close(&scope), -ETIMEDOUT);
    won(fd, 0);
}

/* A deadline that has not come leaves nothing behind. */
CASE(in_time, AT("127.0.0.1", ANSWERS))
{
    weft_scope scope;
    int fd;

    is(weft_timeout_at(&scope, weft_after_ms(3600 * 1000)), 0);
    fd = connect_it();
    is(weft_scope_close(&scope), 0);
    won(fd, 0);
}

TEST_MAIN("names.connect", 60, families_by_turns, the_first_begins, next_when_one_fails,
          next_while_one_is_silent, next_when_the_second_fails, other_family_after_a_silent_one,
          the_first_answers_late, two_connections, three_connections, one_address,
          the_first_answers, no_address, one_address_refuses, the_last_error_is_told,
          the_other_error_is_told, nobody_answers, called_off_during_the_first,
          called_off_during_both, called_off_before_the_first, called_off_and_connected,
          called_off_at_each_step, too_late, one_address_and_too_late, too_late_and_connected,
          in_time)
