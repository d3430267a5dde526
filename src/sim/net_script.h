/*
 * sim/net_script.h - what a scripted peer does, as text and as steps.
 *
 *      TO [xCOUNT] [every TIME] [after TIME]: STEP; STEP; ...
 *      listen AT [xCOUNT]: STEP; STEP; ...
 *
 * TO and AT are addresses as everywhere: "127.0.0.1:7000", "[::1]:7000", "unix:/path",
 * "unix:@name". A host that is none of this machine's may listen too: so a server under test can
 * connect to somewhere. COUNT connections one after another, or as many as may be accepted.
 *
 *      send 'text'      with \r \n \0 \\ \' in it; or "send 1000": so many letters
 *      drip 1000 1ms    so many letters, one byte at a time, that far apart
 *      read 100         so many bytes; "read": to the end
 *      echo             sends back what comes, to the end
 *      wait 10ms
 *      half             ends its own way
 *      reset            and the script is over; so it is after its last step, with a close
 *      vanish           nothing gets through any more, and nobody is told
 *      hold             does nothing more, and never reads
 */
#ifndef WEFT_SIM_NET_SCRIPT_H
#define WEFT_SIM_NET_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { WEFT__NET_STEPS_MAX = 32, WEFT__NET_SCRIPT_MAX = 1024 };

enum weft__net_step_kind {
    WEFT__NET_STEP_SEND = 1,
    WEFT__NET_STEP_DRIP,
    WEFT__NET_STEP_READ,
    WEFT__NET_STEP_ECHO,
    WEFT__NET_STEP_WAIT,
    WEFT__NET_STEP_HALF,
    WEFT__NET_STEP_RESET,
    WEFT__NET_STEP_VANISH,
    WEFT__NET_STEP_HOLD,
};

struct weft__net_step {
    enum weft__net_step_kind kind;
    uint64_t size; /* bytes; UINT64_MAX: to the end */
    int64_t time_ns;
    const char *text; /* of the script's own; NULL: letters */
};

struct weft__net_script {
    uint32_t refs;
    struct sockaddr_storage address;
    socklen_t length;
    bool listens;
    uint64_t count; /* of connections yet to be made; a listener's without number: UINT64_MAX */
    int64_t every_ns, after_ns;
    uint32_t step_count;
    struct weft__net_step steps[WEFT__NET_STEPS_MAX];
    char text[WEFT__NET_SCRIPT_MAX]; /* texts to send, put together */
    size_t text_size;
};

/* 0, or -EINVAL: not understood. */
int weft__net_script_parse(struct weft__net_script *script, const char *text);

#endif
