/*
 * The inbox alone, without a reactor behind it: order, counts, the marks in its one word, what is
 * refused and what dropped; and with threads: a model of the reader that counts bells and sleeps.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <weft/post.h>

#include "reactor/inbox.h"
#include "reactor/reactor.h"

struct numbered {
    struct weft__message message;
    int thread, number;
};
static int ran[128], ran_count, dropped_count;
/* As if its memory were another's by now: it is not looked at again. */
static void gone(struct weft__message *message)
{
    memset(message, 0x5a, sizeof *message);
}
static void run(struct weft__message *message, struct weft__reactor *reactor)
{
    ck_assert_ptr_eq((void *)reactor, (void *)&ran);
    ran[ran_count++ % 128] = ((struct numbered *)message)->number;
    gone(message);
}
static void drop(struct weft__message *message)
{
    dropped_count++;
    gone(message);
}
static struct weft__reactor *any_reactor(void)
{
    return (struct weft__reactor *)&ran;
}
static void number(struct numbered *messages, int count)
{
    for (int i = 0; i < count; i++)
        messages[i] = (struct numbered){.message = {.run = run, .drop = drop}, .number = i};
}

TEST(order_and_counts)
{
    struct weft_inbox *inbox = weft__inbox_new(any_reactor(), 3, NULL);
    struct numbered messages[100];
    bool wake = true;

    number(messages, 100);
    ck_assert_uint_eq((uintptr_t)inbox % WEFT__LINE, 0);
    ck_assert_uint_eq(inbox->index, 3);
    ck_assert(!weft__inbox_any(inbox));
    ck_assert_uint_eq(weft__inbox_run(inbox, any_reactor(), 10), 0);
    for (int i = 0; i < 60; i++) {
        ck_assert_int_eq(weft__inbox_push(inbox, &messages[i].message, &wake), 0);
        ck_assert(!wake); /* the reader is awake */
        ck_assert_uint_eq(weft__inbox_waiting(inbox), (uint32_t)i + 1);
    }
    ck_assert(weft__inbox_any(inbox));
    ck_assert(!weft__inbox_sleep(inbox)); /* something is there */
    ck_assert_uint_eq(weft__inbox_run(inbox, any_reactor(), 25), 25);
    ck_assert_uint_eq(weft__inbox_waiting(inbox), 0); /* taken, if not run */
    ck_assert(weft__inbox_any(inbox));
    ck_assert(!weft__inbox_sleep(inbox));
    for (int i = 60; i < 100; i++)
        ck_assert_int_eq(weft__inbox_push(inbox, &messages[i].message, &wake), 0);
    while (weft__inbox_any(inbox))
        ck_assert_uint_le(weft__inbox_run(inbox, any_reactor(), 7), 7);
    ck_assert_int_eq(ran_count, 100);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(ran[i], i);
    weft__inbox_close(inbox);
    weft__inbox_release(inbox);
}

TEST(sleeping_and_waking)
{
    struct weft_inbox *inbox = weft__inbox_new(any_reactor(), 0, NULL);
    struct numbered messages[3];
    bool wake;

    number(messages, 3);
    ck_assert(weft__inbox_sleep(inbox));
    ck_assert(!weft__inbox_wake(inbox)); /* nobody came */
    ck_assert_uint_eq(inbox->bells_owed, 0);
    ck_assert(weft__inbox_sleep(inbox));
    ck_assert_int_eq(weft__inbox_push(inbox, &messages[0].message, &wake), 0);
    ck_assert(wake);
    ck_assert_int_eq(weft__inbox_push(inbox, &messages[1].message, &wake), 0);
    ck_assert(!wake); /* one bell per sleep */
    ck_assert(weft__inbox_wake(inbox));
    ck_assert_uint_eq(inbox->bells_owed, 1);
    ck_assert_uint_eq(inbox->sleeps, 2);
    ck_assert_uint_eq(weft__inbox_run(inbox, any_reactor(), 10), 2);
    ck_assert_int_eq(ran[0], 0);
    ck_assert_int_eq(ran[1], 1);
    ck_assert(weft__inbox_sleep(inbox));
    ck_assert(!weft__inbox_wake(inbox));
    weft__inbox_close(inbox);
    weft__inbox_release(inbox);
}

static void never(void *arg)
{
    (void)arg;
    ck_abort_msg("it ran, or was dropped");
}

TEST(closing)
{
    struct weft_inbox *inbox = weft__inbox_new(any_reactor(), 0, NULL);
    struct numbered messages[20];
    bool wake = false;

    number(messages, 20);
    messages[5].message.drop = NULL; /* that is allowed */
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(weft__inbox_push(inbox, &messages[i].message, &wake), 0);
        if (i == 10)
            ck_assert_uint_eq(weft__inbox_run(inbox, any_reactor(), 3), 3); /* leaves a batch */
    }
    weft__inbox_retain(inbox);
    ck_assert(!weft__inbox_closed(inbox));
    ck_assert(weft__inbox_visit(inbox));
    weft__inbox_visit_end(inbox);
    ck_assert_uint_eq(weft__inbox_close(inbox), 17);
    ck_assert_int_eq(dropped_count, 16);
    ck_assert(weft__inbox_closed(inbox));
    ck_assert(!weft__inbox_visit(inbox));
    weft__inbox_release(inbox);
    memset(&messages[0], 0x5a, sizeof messages[0]);
    ck_assert_int_eq(weft__inbox_push(inbox, &messages[0].message, &wake), -ESHUTDOWN);
    ck_assert_int_eq(((unsigned char *)&messages[0])[0], 0x5a); /* untouched */
    ck_assert_int_eq(weft__inbox_send(inbox, &messages[0].message), -ESHUTDOWN);
    weft__inbox_release(inbox);
}

/* A post that comes between the question and the close is refused, and leaves nothing behind. */
TEST(posting_to_a_closed_one)
{
    struct weft_inbox *inbox = weft__inbox_new(any_reactor(), 0, NULL);
    struct weft_post_slot slot = {.fn = never};

    weft__inbox_close(inbox);
    ck_assert_int_eq(weft_post(inbox, never, NULL, never), -ESHUTDOWN);
    ck_assert_int_eq(weft_post_slot(inbox, &slot), -ESHUTDOWN);
    ck_assert_int_eq(weft_post_slot(inbox, &slot), -ESHUTDOWN); /* idle still */
    ck_assert_int_eq(weft_cancel_post(inbox, (weft_task){0}), -ESHUTDOWN);
    weft__inbox_release(inbox);
}

/* Who visits keeps the reactor there: closing waits until the visit is over. */
static struct weft_inbox *visited;
static atomic_int visit;
static void *visitor(void *arg)
{
    (void)arg;
    ck_assert(weft__inbox_visit(visited));
    atomic_store(&visit, 1);
    for (int i = 0; i < 50; i++) { /* time enough for a close that does not wait */
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        sched_yield();
    }
    atomic_store(&visit, 2);
    weft__inbox_visit_end(visited);
    return NULL;
}

TEST(closing_waits_for_visitors)
{
    pthread_t thread;

    visited = weft__inbox_new(any_reactor(), 0, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, visitor, NULL), 0);
    while (atomic_load(&visit) == 0)
        sched_yield();
    ck_assert_uint_eq(weft__inbox_close(visited), 0);
    ck_assert_int_eq(atomic_load(&visit), 2);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    weft__inbox_release(visited);
}

/* The count saturates, and the pointer is not disturbed by that. */
TEST(very_many)
{
    enum { MANY = 70000 };
    struct weft_inbox *inbox = weft__inbox_new(any_reactor(), 0, NULL);
    static struct numbered messages[MANY];
    bool wake;

    number(messages, MANY);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(weft__inbox_push(inbox, &messages[i].message, &wake), 0);
    ck_assert_uint_eq(weft__inbox_waiting(inbox), 65535);
    ck_assert_uint_eq(weft__inbox_run(inbox, any_reactor(), MANY), MANY);
    for (int i = MANY - 128; i < MANY; i++)
        ck_assert_int_eq(ran[i % 128], i);
    weft__inbox_close(inbox);
    weft__inbox_release(inbox);
}

/* Three producers and a reader that sleeps whenever it may: whoever ends a sleep owes a bell,
   nobody else does, and no sleep with something in the inbox lasts. */
enum { PRODUCERS = 3, EACH = 60000 };
static struct weft_inbox *shared;
static struct numbered theirs[PRODUCERS][EACH];
static int next_number[PRODUCERS];
static atomic_uint bells;
static void run_theirs(struct weft__message *message, struct weft__reactor *reactor)
{
    struct numbered *m = (struct numbered *)message;

    (void)reactor;
    ck_assert_int_eq(m->number, next_number[m->thread]++);
}
static void *produce(void *arg)
{
    int thread = (int)(intptr_t)arg;

    for (int i = 0; i < EACH; i++) {
        struct numbered *m = &theirs[thread][i];
        bool wake;
        *m = (struct numbered){{.run = run_theirs}, thread, i};
        ck_assert_int_eq(weft__inbox_push(shared, &m->message, &wake), 0);
        if (wake)
            atomic_fetch_add(&bells, 1);
        if (i % 64 == 0)
            sched_yield();
    }
    return NULL;
}
TEST(bells_and_sleeps)
{
    pthread_t threads[PRODUCERS];
    uint64_t total = 0;
    unsigned heard = 0;

    shared = weft__inbox_new(any_reactor(), 0, NULL);
    for (int i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, (void *)(intptr_t)i), 0);
    while (total < PRODUCERS * EACH) {
        if (weft__inbox_sleep(shared)) {
            while (atomic_load(&bells) == heard) /* the promise: this ends */
                sched_yield();
            heard++;
            ck_assert(weft__inbox_wake(shared));
            ck_assert_uint_eq(shared->bells_owed, heard);
        }
        total += weft__inbox_run(shared, any_reactor(), 50);
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(atomic_load(&bells), heard);
    ck_assert_uint_eq(shared->sleeps, heard);
    weft__inbox_close(shared);
    weft__inbox_release(shared);
}

/* A refusal that is heard of after the other reactor has closed rings nothing: its bell's number
   may be somebody else's by then. */
TEST(a_refused_bell_of_a_closed_door)
{
    struct weft_inbox *inbox = weft__inbox_new(any_reactor(), 0, NULL);
    struct weft__peers *peers = calloc(1, sizeof *peers + sizeof inbox);
    struct weft__reactor *reactor = calloc(1, sizeof *reactor);
    const struct weft__cqe refused = {.user_data = (uint64_t)WEFT__TOKEN_RANG << WEFT__TOKEN_SHIFT,
                                      .result = -EBADFD};
    uint64_t count = 0;

    ck_assert(inbox && peers && reactor);
    peers->count = 1;
    peers->inboxes[0] = inbox;
    reactor->peers = peers;
    inbox->bell = (struct weft__bell){.eventfd = eventfd(0, EFD_NONBLOCK), .ring_fd = -1};
    atomic_store(&inbox->rung_along, 2);
    weft__reactor_ring_again(reactor, &refused);
    ck_assert_int_eq(read(inbox->bell.eventfd, &count, sizeof count), sizeof count);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(atomic_load(&inbox->rung_along), 1);
    weft__inbox_close(inbox);
    weft__reactor_ring_again(reactor, &refused);
    ck_assert_int_eq(read(inbox->bell.eventfd, &count, sizeof count), -1);
    close(inbox->bell.eventfd);
    weft__inbox_release(inbox);
    free(reactor);
    free(peers);
}

TEST_MAIN("reactor.inbox", 60, order_and_counts, sleeping_and_waking, closing,
          posting_to_a_closed_one, closing_waits_for_visitors, very_many, bells_and_sleeps,
          a_refused_bell_of_a_closed_door)
