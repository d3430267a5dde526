/*
 * weft/server.h - connections as streams: opening one, and serving those that come.
 *
 *     static int echo(weft_stream *stream, void *arg)
 *     {
 *         char line[1024];
 *         ssize_t n;
 *         while ((n = weft_stream_read_line(stream, line, sizeof line, WEFT_IDLE)) > 0)
 *             if ((n = weft_stream_write(stream, line, (size_t)n, NULL)) < 0)
 *                 break;
 *         return n == -ENODATA ? 0 : (int)n;
 *     }
 *
 *     weft_server *server;
 *     int error = weft_start_server(&server, "127.0.0.1:7000", echo, NULL, NULL);
 *     ...
 *     weft_server_drain(server, weft_after_ms(5000), weft_after_ms(6000));
 *     weft_server_close(server);
 *
 * A server is a task (and one more on each other reactor, when it listens there) whose scope holds
 * a task for each connection. It is a child of the innermost scope that its starter has open, so it
 * ends with that at the latest: cancelled, or drained, with whatever else is in it. A connection
 * that fails disturbs no other.
 *
 * The object belongs to the reactor that started it: calls elsewhere answer -EXDEV. One that is not
 * closed when the run ends is freed then.
 *
 * Every call here may also answer -EPERM outside a task, -EINVAL (NULL, options), and, marked
 * WEFT_SUSPENDS, -ECANCELED unless it is said to finish always.
 */
#ifndef WEFT_SERVER_H
#define WEFT_SERVER_H

#include <weft/base.h>
#include <weft/net.h>
#include <weft/stream.h>
#include <weft/time.h>

WEFT_BEGIN_DECLS

struct weft_connection_opt {
    size_t size;                          /* sizeof(struct weft_connection_opt) */
    const struct weft_socket_opt *socket; /* NULL: the defaults */
    const struct weft_stream_opt *stream; /* NULL: the defaults */
    int64_t deadline;                     /* absolute, of the connecting; 0: none */
};

/*
 * A stream connected to `address`, as weft_connect_tcp takes it, in numbers ("localhost:80" is
 * -EINVAL: of a name weft_connect_name, weft/names.h, makes a descriptor, and weft_stream_open a
 * stream of that); or to the Unix socket at `path` ("@name": an abstract one). *stream is the
 * caller's to close.
 * Returns 0; what weft_connect_tcp and weft_stream_open say; -ETIMEDOUT also at the deadline;
 * -ENAMETOOLONG.
 */
WEFT_API WEFT_NODISCARD int weft_open_connection(const char *address,
                                                 const struct weft_connection_opt *opt,
                                                 weft_stream **stream) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_open_unix_connection(const char *path,
                                                      const struct weft_connection_opt *opt,
                                                      weft_stream **stream) WEFT_SUSPENDS;

typedef struct weft_server weft_server;

/* Runs in a task of its own for each connection. The stream is the server's, which closes it when
   the handler, and the tasks in its scope, have returned, and frees it. A handler may close or
   abort it before: it answers -EBADF from then on. Its result: >= 0, or a negative errno, which is
   counted and has no other effect. */
typedef int (*weft_connection_fn)(weft_stream *stream, void *arg);

struct weft_server_opt {
    size_t size;                          /* sizeof(struct weft_server_opt) */
    const struct weft_listen_opt *listen; /* NULL: the defaults */
    const struct weft_stream_opt *stream; /* of connections; NULL: the defaults */
    uint32_t connections_max;  /* at one time on each reactor; 0: as many as there is memory for */
    bool refuse;               /* beyond that close who comes; default: they wait to be accepted */
    bool every_reactor;        /* a listener on each reactor, by SO_REUSEPORT; not of Unix sockets,
                                  nor with listen->turn_away: -EINVAL */
    int64_t connection_ns;     /* a connection is cut so long after it began; 0: never */
    uint64_t connection_bytes; /* and after so many bytes, received and sent, or rather than send
                                  more (-EDQUOT); 0: never */
    size_t stack_size;         /* of a connection's task, as for weft_spawn; 0: 64 KiB */
    const char *name;          /* of those tasks, for reports; must outlive the server */
    const int *fds;    /* sockets that listen already (weft/handover.h), to be served instead
                          of an address, which is NULL then; with every_reactor shared out
                          among the reactors, else all of them served on this one */
    uint32_t fd_count; /* of them; at most 1024 */
    bool serve_first;  /* waits marked WEFT_IDLE are none, and a drain lets them be, until
                          something has been read: a peer that has just come is served */
};

/*
 * Listens on `address` (as weft_listen_tcp takes it), and serves: on return connections are
 * accepted, and `arg` is passed to each handler, on whichever reactor it runs. Returns 0 and
 * *server; what weft_listen_tcp and weft_spawn say.
 * Sockets given by opt->fds are the server's then, and the caller's after an error; -EINVAL one of
 * them does not listen, or an address is given, too; -EXDEV, -EBUSY it is another reactor's, or in
 * use.
 */
WEFT_API WEFT_NODISCARD int weft_start_server(weft_server **server, const char *address,
                                              weft_connection_fn handler, void *arg,
                                              const struct weft_server_opt *opt) WEFT_SUSPENDS;
/* The same at `path`, as weft_open_unix_connection takes it. Sockets that listen already are for
   weft_start_server, whatever their kind: -EINVAL. */
WEFT_API WEFT_NODISCARD int weft_start_unix_server(weft_server **server, const char *path,
                                                   weft_connection_fn handler, void *arg,
                                                   const struct weft_server_opt *opt) WEFT_SUSPENDS;

/* What became of connections so far: each that was accepted is counted in one of these places. */
struct weft_server_counts {
    uint64_t active;     /* being served now */
    uint64_t finished;   /* the handler returned >= 0 by itself */
    uint64_t failed;     /* or a negative errno */
    uint64_t refused;    /* closed without being served: beyond connections_max, in a drain, or no
                            memory for its task */
    uint64_t cut;        /* cancelled: by a drain that ran out of time, a close, or from outside */
    uint64_t over_time;  /* cut by connection_ns */
    uint64_t over_bytes; /* cut by connection_bytes */
};

/* How the connections have fared so far. counts_size: sizeof *counts. Returns 0. Never suspends. */
WEFT_API int weft_server_counts(const weft_server *server, struct weft_server_counts *counts,
                                size_t counts_size);

/* 1 while it accepts. Never suspends. */
WEFT_API int weft_server_serving(const weft_server *server);

/* The port it listens on, as weft_local_port; -ENOTCONN when it does not any more. */
WEFT_API int weft_server_port(const weft_server *server);

/*
 * Stops listening, lets those who are served finish until `soft`, waits marked WEFT_IDLE ending at
 * once; then cancels them, and from `hard` on in shields, too. Those accepted and not yet served
 * are refused. Always finishes; cancelled, it cancels them at once. Returns how many connections
 * were cut meanwhile; weft_server_counts tells the rest. A server that has ended: 0.
 */
WEFT_API int weft_server_drain(weft_server *server, int64_t soft, int64_t hard) WEFT_SUSPENDS;

/*
 * The sockets it listens on, up to `count` of them, to be passed on by weft_hand_over. They stay
 * the server's. Returns how many there are; -ENOTCONN it does not listen any more. Never suspends.
 */
WEFT_API int weft_server_listeners(const weft_server *server, int *fds, uint32_t count);

/*
 * As weft_server_drain, of a server whose sockets have been handed to another process or server:
 * stops accepting, and closes its own descriptors of them, but refuses nobody: those that it had
 * accepted and not served yet (at most 64 for each listener) are served, whatever connections_max
 * says. Used without that other, those who wait in the kernel's queue are reset.
 */
WEFT_API int weft_server_retire(weft_server *server, int64_t soft, int64_t hard) WEFT_SUSPENDS;

/* Waits until the server has ended: 0, or the error that ended it; -ECANCELED the caller was
   cancelled first. */
WEFT_API int weft_server_wait(weft_server *server) WEFT_SUSPENDS;

/* Stops listening, cancels every connection, waits for their ends, frees the server, after those
   who wait for its end or drain it have been told. Always finishes. Returns what weft_server_wait
   would have; -EALREADY another task closes it. NULL is allowed and does nothing. */
WEFT_API int weft_server_close(weft_server *server) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
