/*
 * libcurl on weft's loop: take these two files into a program of your own.
 *
 * libcurl's multi interface asks two things of its host: tell me when this socket is ready, and
 * call me back at this time. The first becomes weft_add_reader and weft_add_writer, the second
 * weft_call_later; what has finished settles a future, and a task waits for that. All of libcurl
 * runs on the loop's own stack, which is large, and never blocks.
 *
 * A bridge belongs to the reactor it was opened on. CURLOPT_PRIVATE of its transfers is the
 * bridge's.
 */
#ifndef CURL_BRIDGE_H
#define CURL_BRIDGE_H

#include <curl/curl.h>
#include <weft/weft.h>

struct curl_bridge {
    CURLM *multi;
    weft_handle timer;
};

/* In a task. 0 or -ENOMEM. */
int curl_bridge_open(struct curl_bridge *bridge);

/*
 * Makes the transfer and waits for its end. Cancelled, it is taken out of libcurl's hands before
 * this returns, and none of its callbacks is called any more. Those are called on the loop, where
 * nothing may suspend.
 *
 * Returns a CURLcode; -ECANCELED, -ENOMEM.
 */
int curl_bridge_perform(struct curl_bridge *bridge, CURL *easy) WEFT_SUSPENDS;

/* Goes on with a transfer whose write callback answered CURL_WRITEFUNC_PAUSE. In a task. */
void curl_bridge_resume(CURL *easy);

/* In a task, once no transfer is under way. */
void curl_bridge_close(struct curl_bridge *bridge);

#endif
