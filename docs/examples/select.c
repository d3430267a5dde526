/*
 * select.c - one task that takes what comes first: jobs from two queues, a tick, or the end.
 *
 * Jobs come at 10, 20 and 45 ms, the last of them together with an urgent one; a tick at 30 ms; the
 * end at 60 ms.
 */
#include <stdio.h>
#include <weft/weft.h>

static weft_queue jobs = {.item_size = sizeof(int)};
static weft_queue urgent = {.item_size = sizeof(int)};
static weft_event enough = WEFT_EVENT_INIT;
static int64_t start;

static int64_t at_ms(int64_t ms)
{
    return start + ms * 1000000;
}

static int feed(void *arg)
{
    static const int when_ms[] = {10, 20, 45};

    (void)arg;
    for (int i = 0; i < 3; i++) {
        int error = weft_sleep_until(at_ms(when_ms[i]));
        if (error == 0 && i == 2) /* both at once: the urgent one goes first */
            error = weft_queue_put(&urgent, &i);
        if (error == 0)
            error = weft_queue_put(&jobs, &i);
        if (error < 0)
            return error;
    }
    if (weft_sleep_until(at_ms(60)) == 0)
        weft_event_set(&enough);
    return 0;
}

static int take_what_comes(void *arg)
{
    int64_t tick = at_ms(30);
    int job;

    (void)arg;
    for (;;) {
        weft_case cases[] = {
            weft_case_event(&enough),
            weft_case_get(&urgent, &job),
            weft_case_get(&jobs, &job),
            weft_case_until(tick),
        };
        switch (weft_select(cases, sizeof cases / sizeof cases[0], 0)) {
        case 0:
            puts("enough");
            return 0;
        case 1:
            printf("urgent job %d\n", job);
            break;
        case 2:
            printf("job %d\n", job);
            break;
        case 3:
            puts("tick");
            tick = WEFT_NEVER; /* one is enough here */
            break;
        default:
            return -ECANCELED;
        }
    }
}

static int example(void *arg)
{
    int result = 0;

    (void)arg;
    start = weft_now();
    WEFT_SCOPE(s) {
        result = weft_spawn(&s, feed, NULL, 0, NULL);
        if (result == 0)
            result = take_what_comes(NULL);
    }
    weft_queue_destroy(&jobs);
    weft_queue_destroy(&urgent);
    return result;
}

int main(void)
{
    return weft_run(example, NULL, 0, NULL);
}
