/*
 * Edges of weft/select.h: mistakes that are not the last in the list, objects of another reactor of
 * every kind, and times that come together. Would catch a list of which only the end is looked at,
 * an object that is touched where it must not be, and a select that is woken twice.
 */
#include "support/net.h"
#include "sync.h"

static weft_queue queue = {.item_size = sizeof(int), .max = 2};
static weft_lock lock = WEFT_LOCK_INIT;
static weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(1);

static int mistakes_main(void *arg)
{
    int item = 3;
    weft_case cases[] = {weft_case_event(NULL), weft_case_put(&queue, &item)};

    (void)arg;
    ck_misuse(weft_select(cases, 2, 0), -EINVAL, "weft_select", "without its object");
    ck_misuse(weft_select_nowait(cases, 2, 0), -EINVAL, "weft_select_nowait", "without its");
    ck_misuse(weft_select(cases, UINT32_MAX, 0), -EINVAL, "weft_select", "too many");
    is(weft_queue_count(&queue), 0);
    return 0;
}
TEST(the_first_is_wrong)
{
    is(weft_run(mistakes_main, NULL, 0, NULL), 0);
}

static int elsewhere(void *arg)
{
    int item = 7;
    weft_case cases[] = {weft_case_get(&queue, &item), weft_case_put(&queue, &item),
                         weft_case_lock(&lock), weft_case_semaphore(&semaphore)};

    (void)arg;
    for (int i = 0; i < 4; i++) {
        is(weft_select(&cases[i], 1, 0), -EPERM);
        is(weft_select_nowait(&cases[i], 1, 0), -EPERM);
        is(cases[i].result, -ECANCELED);
    }
    is(item, 7);
    return 0;
}
/* All of them would be ready. */
static int reactors_main(void *arg)
{
    int item = 1;

    (void)arg;
    is(weft_queue_put(&queue, &item), 0);
    is(weft_lock_acquire(&lock), 0);
    is(weft_lock_release(&lock), 0);
    is(weft_semaphore_acquire(&semaphore), 0);
    is(weft_semaphore_release(&semaphore), 0);
    is(weft_call(1, elsewhere, NULL, 0), 0);
    is(weft_semaphore_value(&semaphore), 1);
    is(weft_lock_acquire_nowait(&lock), 0);
    is(weft_lock_release(&lock), 0);
    is(weft_queue_destroy(&queue), 1);
    return 0;
}
TEST(objects_of_another_reactor)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(reactors_main, NULL, 0, &opt), 0);
}

/* Both come in the same turn; one of them has won, and the other has not happened. */
static int times_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int64_t soon = weft_after_us(300);
        weft_case cases[] = {weft_case_until(soon), weft_case_until(soon)};
        int won = weft_select(cases, 2, 0);
        ck_assert_int_ge(won, 0);
        is(cases[won].result, 0);
        is(cases[!won].result, -ECANCELED);
        ck_assert(weft_now() >= soon);
    }
    return 0;
}
TEST(times_that_come_together)
{
    is(weft_run(times_main, NULL, 0, NULL), 0);
}

static int closes_late(void *arg)
{
    is(weft_sleep(1000000), 0);
    is(weft_close(*(int *)arg), 0);
    return 0;
}
static int shuts_down_late(void *arg)
{
    is(weft_sleep(1000000), 0);
    is(weft_queue_shutdown(arg, false), 0);
    return 0;
}
/* What is closed while a select waits for it ends the wait, as weft/select.h says. Would hang. */
static int closed_main(void *arg)
{
    weft_queue closing = {.item_size = sizeof(int)};
    int port, listener = net_listen(&port), item, there, here;
    char byte;

    (void)arg;
    net_pair(&here, &there);
    WEFT_SCOPE(s) {
        weft_case cases[] = {weft_case_recv(there, &byte, 1, 0), weft_case_never()};
        is(weft_spawn(&s, closes_late, &there, sizeof there, NULL), 0);
        is(weft_select(cases, 2, 0), 0);
        is(cases[0].result, -ECANCELED);
        cases[0] = weft_case_accept(listener, 0);
        is(weft_spawn(&s, closes_late, &listener, sizeof listener, NULL), 0);
        is(weft_select(cases, 2, 0), 0);
        is(cases[0].result, -ECANCELED);
        cases[0] = weft_case_get(&closing, &item);
        is(weft_spawn(&s, shuts_down_late, &closing, 0, NULL), 0);
        is(weft_select(cases, 2, 0), 0);
        is(cases[0].result, -ESHUTDOWN);
    }
    is(weft_queue_destroy(&closing), 0);
    return weft_close(here);
}
TEST(closed_meanwhile)
{
    is(weft_run(closed_main, NULL, 0, NULL), 0);
}

TEST_MAIN("select_edges", 30, the_first_is_wrong, objects_of_another_reactor,
          times_that_come_together, closed_meanwhile)
