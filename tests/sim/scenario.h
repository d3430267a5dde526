/*
 * Small servers and clients for test_mechanical.c, which cuts them short at every place, and the
 * ledger in which they write down what must come out even.
 *
 * A scenario is a main task. Whatever call fails, it closes what it has open and gives the error
 * on; nothing in it waits for somebody who may have given up. A simulated world is one thread, so
 * the ledger is plain memory.
 */
#ifndef WEFT_TESTS_SIM_SCENARIO_H
#define WEFT_TESTS_SIM_SCENARIO_H

#include <weft/weft.h>

struct scenario {
    const char *name;
    weft_task_fn main;
    uint32_t reactors;
};
extern const struct scenario scenarios[];
extern const int scenario_count;

/* Bytes of one direction of one connection. */
struct way {
    uint64_t offered;  /* handed to calls that have not returned, and all before */
    uint64_t sent;     /* reported as sent */
    uint64_t received; /* at the far end */
    uint64_t echoed;   /* and back */
    bool unseen;       /* the far end does not look at them: received is what came back */
};
enum { WAYS = 8 };

struct ledger {
    int spawned, begun, ended, dropped; /* tasks */
    int failed;                         /* of them: who ended with an error */
    int posted, ran, refused;           /* posts: taken; run or dropped */
    struct way ways[WAYS];
    bool whole; /* main came to its end, and nothing had failed */
    weft_scope *scope;
};
extern struct ledger ledger;

/* Prints what was going on, and fails the test. */
_Noreturn void scenario_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A child that is counted. The argument is copied: at most 64 bytes. */
int scenario_spawn(weft_scope *scope, weft_task_fn fn, const void *arg, size_t size, int reactor);

/* The next `size` bytes of a way: written down, sent, verified. As the calls they are named for. */
ssize_t scenario_send(int fd, int way, size_t size);
ssize_t scenario_write(weft_stream *stream, int way, size_t size);
ssize_t scenario_write_file(int fd, int way, size_t size);
ssize_t scenario_recv_echo(int fd, int way, size_t size);
void scenario_received(int way, const void *data, size_t size);
/* The byte of a way at a place. */
unsigned char scenario_byte(int way, uint64_t at);
/* The next bytes of a way, for who sends them otherwise. */
void scenario_fill(int way, char *bytes, size_t size);

/* One way: what has come has arrived. */
void scenario_came(int way, const void *bytes, size_t size);

int scenario_connect(int port);
/* A child that sends the bytes of a way to an echo server, and has them back. */
int scenario_spawn_client(weft_scope *scope, int port, int way);
/* A main task that has `count` of them done in one scope, each with its argument. */
int scenario_side_by_side(weft_task_fn fn, const void *args, size_t size, int count);

/* scenario_tasks.c */
int scenario_deadlines_main(void *arg);
int scenario_nested_main(void *arg);
int scenario_remote_main(void *arg);
int scenario_posts_main(void *arg);
int scenario_stop_main(void *arg);
/* scenario_system.c */
int scenario_files_main(void *arg);
int scenario_pipe_main(void *arg);
int scenario_process_main(void *arg);
int scenario_sync_main(void *arg);
/* scenario_message.c */
int scenario_datagrams_main(void *arg);
int scenario_endpoints_main(void *arg);
int scenario_transports_main(void *arg);
/* scenario_copy.c */
int scenario_copies_main(void *arg);
int scenario_several_main(void *arg);
/* scenario_server.c */
int scenario_servers_main(void *arg);

#endif
