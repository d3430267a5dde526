/* libcurl on weft's loop; curl_bridge.h says how. */
#include "curl_bridge.h"

#include <errno.h>

/* -- from libcurl to whoever waits ------------------------------------------------------------- */

static void collect(struct curl_bridge *bridge)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(bridge->multi, &left)) != NULL) {
        weft_future *done = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&done);
        weft_future_set_result(done, message->data.result);
    }
}

static void act(struct curl_bridge *bridge, curl_socket_t fd, int flags)
{
    int running;

    curl_multi_socket_action(bridge->multi, fd, flags, &running);
    collect(bridge);
}

/* -- from the loop to libcurl ------------------------------------------------------------------ */

/* An end or an error is met by the read or the write that it is told to try. */
static void on_readable(int fd, int events, void *bridge)
{
    act(bridge, fd, events < 0 ? CURL_CSELECT_ERR : CURL_CSELECT_IN);
}

static void on_writable(int fd, int events, void *bridge)
{
    act(bridge, fd, events < 0 ? CURL_CSELECT_ERR : CURL_CSELECT_OUT);
}

static void on_time(void *bridge)
{
    act(bridge, CURL_SOCKET_TIMEOUT, 0);
}

/* -- what libcurl asks for --------------------------------------------------------------------- */

/* From now on it waits for these events on `fd`, and for no others. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *bridge, void *unused)
{
    bool reads = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
    bool writes = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
    int error = reads ? weft_add_reader(fd, on_readable, bridge) : weft_remove_reader(fd);

    (void)easy, (void)unused;
    if (error >= 0)
        error = writes ? weft_add_writer(fd, on_writable, bridge) : weft_remove_writer(fd);
    return error < 0 ? -1 : 0;
}

/* It is to be called back after so long, and the time it named before does not count any more. */
static int on_timer(CURLM *multi, long milliseconds, void *arg)
{
    struct curl_bridge *bridge = arg;
    struct weft_call_opt opt = {.size = sizeof opt, .handle = &bridge->timer};

    (void)multi;
    (void)weft_handle_cancel(&bridge->timer);
    if (milliseconds < 0)
        return 0;
    return weft_call_later(milliseconds * INT64_C(1000000), on_time, bridge, &opt) < 0 ? -1 : 0;
}

/* -- for tasks --------------------------------------------------------------------------------- */

static int do_open(void *arg)
{
    struct curl_bridge *bridge = arg;

    bridge->multi = curl_multi_init();
    if (!bridge->multi)
        return -ENOMEM;
    curl_multi_setopt(bridge->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(bridge->multi, CURLMOPT_SOCKETDATA, bridge);
    curl_multi_setopt(bridge->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(bridge->multi, CURLMOPT_TIMERDATA, bridge);
    return 0;
}

int curl_bridge_open(struct curl_bridge *bridge)
{
    *bridge = (struct curl_bridge){.timer = WEFT_HANDLE_INIT};
    return weft_call_on_big_stack(do_open, bridge);
}

static int do_close(void *arg)
{
    struct curl_bridge *bridge = arg;

    curl_multi_cleanup(
        bridge->multi); /* has its idle connections' sockets removed, and closes them */
    (void)weft_handle_cancel(&bridge->timer);
    return 0;
}

void curl_bridge_close(struct curl_bridge *bridge)
{
    (void)weft_call_on_big_stack(do_close, bridge);
}

struct transfer {
    CURLM *multi;
    CURL *easy;
};

static int do_add(void *arg)
{
    struct transfer *transfer = arg;

    return curl_multi_add_handle(transfer->multi, transfer->easy) == CURLM_OK ? 0 : -ENOMEM;
}

static int do_remove(void *arg)
{
    struct transfer *transfer = arg;

    curl_multi_remove_handle(transfer->multi, transfer->easy);
    return 0;
}

int curl_bridge_perform(struct curl_bridge *bridge, CURL *easy)
{
    const struct weft_future_opt opt = {.size = sizeof opt, .name = "libcurl"};
    struct transfer transfer = {bridge->multi, easy};
    weft_future *done;
    int64_t code = 0;
    int error = weft_future_create(&done, &opt);

    if (error < 0)
        return error;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, done);
    error = weft_call_on_big_stack(do_add, &transfer);
    if (error == 0) {
        error = weft_future_await(done, &code);
        (void)weft_call_on_big_stack(do_remove, &transfer);
    }
    weft_future_put(done);
    return error < 0 ? error : (int)code;
}

static int do_resume(void *easy)
{
    curl_easy_pause(easy, CURLPAUSE_CONT);
    return 0;
}

void curl_bridge_resume(CURL *easy)
{
    (void)weft_call_on_big_stack(do_resume, easy);
}
