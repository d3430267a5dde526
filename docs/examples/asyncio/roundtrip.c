/* roundtrip: two reactors; a function is called on the other one, and a task is started there whose
   result comes back by a future. */
#include "../tutorials/seconds.h"

static int where(void *arg)
{
    printf("%s on reactor %u\n", (const char *)arg, weft_reactor_index());
    return 40 + (int)weft_reactor_index();
}

static int answers(void *arg)
{
    weft_future *answer = *(weft_future **)arg;
    int result = where("a task");

    return weft_future_set_result(answer, result + 1);
}

static int work(void *arg)
{
    weft_future *answer;
    int64_t result = 0;

    (void)arg;
    printf("main on reactor %u\n", weft_reactor_index());
    int called = weft_call(1, where, "a call", 0);
    printf("the call gave %d\n", called);

    int error = weft_future_create(&answer, NULL);
    if (error < 0)
        return error;
    WEFT_SCOPE(remote) {
        struct weft_spawn_opt opt = {.size = sizeof opt, .reactor = WEFT_ON(1)};
        error = weft_spawn(&remote, answers, &answer, sizeof(void *), &opt);
        if (error == 0)
            error = weft_future_await(answer, &result);
        printf("the future holds %d\n", (int)result);
    }
    weft_future_put(answer);
    return error;
}

int main(void)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    return weft_run(work, NULL, 0, &opt) < 0;
}
