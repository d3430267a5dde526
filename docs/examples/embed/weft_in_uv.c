/* A weft loop inside a libuv loop; weft_in_uv.h says how. */
#include "weft_in_uv.h"

static void on_time(uv_timer_t *timer);

/* One turn; then sleep, in libuv, until something comes or weft's next timer is due. */
static void turn(struct weft_in_uv *guest)
{
    int64_t next = weft_loop_step(guest->loop, false), left_ns = next - weft_now();

    if (next == WEFT_NEVER)
        uv_timer_stop(&guest->timer);
    else /* at once, when there is more to do; never early: libuv counts in milliseconds */
        uv_timer_start(&guest->timer, on_time, left_ns > 0 ? (uint64_t)left_ns / 1000000 + 1 : 0,
                       0);
}

static void on_time(uv_timer_t *timer)
{
    turn(timer->data);
}

static void on_news(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    turn(poll->data);
}

int weft_in_uv_start(struct weft_in_uv *guest, uv_loop_t *host, weft_loop *loop)
{
    int fd = weft_loop_fd(loop);
    int error = fd < 0 ? fd : uv_poll_init(host, &guest->poll, fd);

    if (error < 0)
        return error;
    guest->loop = loop;
    guest->poll.data = guest->timer.data = guest;
    uv_timer_init(host, &guest->timer);
    uv_poll_start(&guest->poll, UV_READABLE, on_news);
    weft_in_uv_kick(guest);
    return 0;
}

void weft_in_uv_kick(struct weft_in_uv *guest)
{
    uv_update_time(guest->timer.loop); /* or its "now" may be a while ago */
    uv_timer_start(&guest->timer, on_time, 0, 0);
}

void weft_in_uv_stop(struct weft_in_uv *guest)
{
    uv_close((uv_handle_t *)&guest->poll, NULL);
    uv_close((uv_handle_t *)&guest->timer, NULL);
}
