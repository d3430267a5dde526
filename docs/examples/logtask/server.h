/* The server that logs: it sends back what it is sent. */
#ifndef LOGTASK_SERVER_H
#define LOGTASK_SERVER_H

#include "log.h"

/* Serves at `address` and logs to the file at `path`, until it is told to stop: the server's main
   task. `log` is looked at by nobody else meanwhile. */
struct server {
    const char *address, *path;
    void (*complain)(const char *why);
    struct log log;
};
int serve(void *server) WEFT_SUSPENDS;

#endif
