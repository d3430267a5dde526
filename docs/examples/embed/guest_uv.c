/*
 * guest_uv: a weft program with libuv in it, for a library that insists on libuv.
 *
 * libuv's descriptor is watched like any other, its next timer is one of weft's, and whenever
 * either has come libuv runs what is due. A future is settled by a libuv callback; a weft task
 * waits for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>
#include <weft/weft.h>

struct uv_in_weft {
    uv_loop_t loop;
    weft_handle timer;
};

static void on_time(void *arg);

/* Runs what is due, without waiting; then asks to be woken for what comes next. */
static void turn(struct uv_in_weft *guest)
{
    struct weft_call_opt opt = {.size = sizeof opt, .handle = &guest->timer};
    int timeout_ms;

    uv_run(&guest->loop, UV_RUN_NOWAIT);
    timeout_ms = uv_backend_timeout(&guest->loop);
    (void)weft_handle_cancel(&guest->timer);
    if (timeout_ms >= 0 && uv_loop_alive(&guest->loop))
        (void)!weft_call_later(timeout_ms * INT64_C(1000000), on_time, guest, &opt);
}

static void on_time(void *arg)
{
    turn(arg);
}

static void on_news(int fd, int events, void *arg)
{
    (void)fd, (void)events;
    turn(arg);
}

/* -- something libuv does: five ticks, and bytes through a pipe of its own
 * ------------------------- */

static int ticks;
static weft_future *ticked;

static void on_tick(uv_timer_t *ticker)
{
    printf("libuv  ticks %d\n", ++ticks);
    if (ticks < 5)
        return;
    uv_close((uv_handle_t *)ticker, NULL);
    weft_future_set_result(ticked, ticks);
}

static int wakes;

static void on_wake(uv_async_t *async)
{
    if (++wakes == 100)
        uv_close((uv_handle_t *)async, NULL);
}

/* libuv's own way of being woken, by weft's tasks: it writes to a descriptor that libuv watches. */
static int waker(void *arg)
{
    uv_async_t *async = arg;

    while (wakes < 100) {
        int before = wakes;
        uv_async_send(async);
        while (wakes == before)
            if (weft_yield() < 0)
                return -ECANCELED;
    }
    return 0;
}

static int guest_main(void *arg)
{
    struct uv_in_weft guest = {.timer = WEFT_HANDLE_INIT};
    uv_timer_t ticker;
    uv_async_t async;
    int64_t result = 0;
    int fd, error;

    (void)arg;
    uv_loop_init(&guest.loop);
    uv_timer_init(&guest.loop, &ticker);
    uv_timer_start(&ticker, on_tick, 2, 2);
    uv_async_init(&guest.loop, &async, on_wake);
    fd = uv_backend_fd(&guest.loop);
    error = weft_future_create(&ticked, NULL);
    if (error == 0)
        error = weft_add_reader(fd, on_news, &guest);
    if (error < 0)
        return error;
    WEFT_SCOPE(s) {
        error = weft_call_soon(on_time, &guest, NULL); /* the first turn */
        if (error == 0)
            error = weft_spawn(&s, waker, &async, 0, NULL);
        if (error == 0)
            error = weft_future_await(ticked, &result);
    }
    printf("weft   hears of %d ticks and %d wakes\n", (int)result, wakes);
    while (uv_loop_alive(&guest.loop) && error == 0)
        error = weft_yield();
    weft_remove_reader(fd);
    (void)weft_handle_cancel(&guest.timer);
    weft_future_put(ticked);
    return error < 0 ? error : uv_loop_close(&guest.loop);
}

int main(void)
{
    char why[512] = "";
    struct weft_run_opt opt = {.size = sizeof opt,
                               .error_text = why,
                               .error_text_size = sizeof why};
    int result = weft_run(guest_main, NULL, 0, &opt);

    if (result < 0)
        fprintf(stderr, "guest_uv: %s\n", why[0] ? why : strerror(-result));
    return result < 0;
}
