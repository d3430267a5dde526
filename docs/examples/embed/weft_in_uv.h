/*
 * A weft loop inside a libuv loop: take these two files into a program of your own.
 *
 * libuv watches weft's descriptor and keeps one timer for weft's next one; whenever either has
 * come, weft makes one turn. All of it happens on the one thread, between libuv's own callbacks.
 */
#ifndef WEFT_IN_UV_H
#define WEFT_IN_UV_H

#include <uv.h>
#include <weft/weft.h>

struct weft_in_uv {
    weft_loop *loop;
    uv_poll_t poll;
    uv_timer_t timer;
};

/* From here on the weft loop turns with libuv's. 0 or a negative errno, as both say it. */
int weft_in_uv_start(struct weft_in_uv *guest, uv_loop_t *host, weft_loop *loop);

/* After a call from outside that gives the weft loop something to do: weft_loop_create_task,
   weft_loop_call_soon and their like. Not needed for what is posted to its inbox. */
void weft_in_uv_kick(struct weft_in_uv *guest);

/* It turns no more. libuv is done with the memory of `guest` once its loop has run again. */
void weft_in_uv_stop(struct weft_in_uv *guest);

#endif
