/*
 * weft/select.h on two reactors that reach for the same objects. Would catch an item that is lost
 * or taken twice, a select that is won by two, and one that is not won by what was ready first.
 */
#include "select.h"

enum { ITEMS = 400, QUEUES = 3, SELECTORS = 4 };
static weft_queue lanes[QUEUES], back;
static weft_event over;
static weft_event of_another;

static int feeds(void *arg)
{
    weft_queue *lane = &lanes[*(int *)arg];

    for (int i = 1; i <= ITEMS; i++)
        is(weft_queue_put(lane, &i), 0);
    return 0;
}
/* Takes from whichever has something, and passes it on to whichever has room. */
static int passes_on(void *arg)
{
    weft_case foreign = weft_case_event(&of_another);
    int item[QUEUES];

    is(weft_select(&foreign, 1, 0), *(int *)arg ? -EPERM : 0);
    for (;;) {
        weft_case cases[QUEUES + 1];
        int won;
        for (int i = 0; i < QUEUES; i++)
            cases[i] = weft_case_get(&lanes[i], &item[i]);
        cases[QUEUES] = weft_case_event(&over);
        won = weft_select(cases, QUEUES + 1, WEFT_SELECT_FAIR);
        ck_assert_int_ge(won, 0);
        for (int i = 0; i <= QUEUES; i++)
            is(cases[i].result, i == won ? 0 : -ECANCELED);
        if (won == QUEUES)
            return 0;
        cases[0] = weft_case_put(&back, &item[won]);
        cases[1] = weft_case_event(&over);
        is(weft_select(cases, 2, 0), 0);
    }
}
static int across_main(void *arg)
{
    int64_t sum = 0;

    (void)arg;
    of_shared_kind = true;
    for (int i = 0; i < QUEUES; i++)
        lanes[i] = queue_of(2);
    back = queue_of(2);
    over = (weft_event)WEFT_EVENT_SHARED_INIT;
    of_another = (weft_event)WEFT_EVENT_INIT;
    is(weft_event_set(&of_another), 1);
    WEFT_SCOPE(s) {
        struct weft_spawn_opt opt = {.size = sizeof opt};
        for (int i = 0; i < QUEUES; i++) {
            opt.reactor = WEFT_ON(i % 2);
            is(weft_spawn(&s, feeds, &i, sizeof i, &opt), 0);
        }
        for (int i = 0; i < SELECTORS; i++) {
            int elsewhere = i % 2;
            opt.reactor = WEFT_ON(elsewhere);
            is(weft_spawn(&s, passes_on, &elsewhere, sizeof elsewhere, &opt), 0);
        }
        for (int i = 0; i < QUEUES * ITEMS; i++) {
            int item = 0;
            is(weft_queue_get(&back, &item), 0);
            sum += item;
        }
        is(weft_event_set(&over), 1);
    }
    is(sum, (int64_t)QUEUES * ITEMS * (ITEMS + 1) / 2);
    for (int i = 0; i < QUEUES; i++)
        is(weft_queue_destroy(&lanes[i]), 0);
    is(weft_queue_destroy(&back), 0);
    return 0;
}
/* Nothing is lost and nothing taken twice, on two reactors that reach for the same queues. */
TEST(across_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(across_main, NULL, 0, &opt), 0);
}

/* Settles the future and puts an item, one after the other. */
static int readies_both(void *arg)
{
    int item = 1;

    if (*(int *)arg)
        is(weft_queue_put_nowait(&queue, &item), 0);
    is(weft_future_set_result(future, 7), 0);
    if (!*(int *)arg)
        is(weft_queue_put_nowait(&queue, &item), 0);
    return 0;
}
static int first_across_main(void *arg)
{
    (void)arg;
    of_shared_kind = true;
    begin();
    for (int round = 0; round < 40; round++) {
        int item_first = round % 2;
        WEFT_SCOPE(s) {
            struct weft_spawn_opt opt = {.size = sizeof opt, .reactor = WEFT_ON(1)};
            weft_task task = sync_start_until(&s, selects_future, 0, "select");
            is(weft_spawn(&s, readies_both, &item_first, sizeof item_first, &opt), 0);
            is(sync_result(task), !item_first);
        }
        is(weft_queue_count(&queue), !item_first);
        if (!item_first)
            is(take(&queue), 1);
        is(weft_future_reset(future), 0);
    }
    end();
    return 0;
}
/* The first that is ready wins, also when both are made so on another reactor, before word of the
   first has come. */
TEST(first_across_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(first_across_main, NULL, 0, &opt), 0);
}

TEST_MAIN("select_across", 30, across_reactors, first_across_reactors)
