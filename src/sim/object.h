/*
 * sim/object.h - what stands behind a simulated descriptor.
 *
 *      descriptor (an int) --+
 *      descriptor ----------+--> file: refs, flags, waiters --> the object's own state
 *      request in flight ---+        |
 *      held by a ring ------+        ops: what can be done with it, by kind
 *
 * A file is what the kernel calls an open file description. Descriptors, requests in flight and
 * rings each hold a reference; with the last one it is released. So close(2) ends neither a request
 * nor a connection while a request is in flight on it, exactly as the kernel has it.
 *
 * Operations on objects never block and never wait. They do what can be done now, or say -EAGAIN.
 * Waiting is the business of requests (sim/request.c): one that met -EAGAIN is put on the file's
 * list of waiters with the events it waits for, and is tried again, some time, after the object
 * said weft__sim_file_changed with one of them. An object therefore calls that whenever it comes to
 * be readable, writable, acceptable, connected, hung up or failed, also when it was already, and
 * more came (edges count). It may call it as often as it likes; it must not forget.
 *
 * How partial results come: a request is tried with the length that the caller asked for, or with
 * less of it if a short count was drawn, and what the operation returns is the result. Whoever
 * implements an object moves what fits and returns the count; no loops, no draws about lengths but
 * those of its own nature (segments, say).
 *
 * Faults: errors without an effect (-ENOMEM, -EINTR, ...) are drawn by the request and never reach
 * the object. Those that break something for both ends come through `fault`.
 *
 * Who writes what: this header, object.c (descriptors, references, waiters), eventfd.c and the file
 * of a ring (bell.c) belong to the core; net*.c, net_knobs.h to the network. All of it runs in the
 * driver or in a call of the boundary, on one thread.
 */
#ifndef WEFT_SIM_OBJECT_H
#define WEFT_SIM_OBJECT_H

#include <poll.h>
#include <sys/socket.h>

#include "sim/sim.h"

struct weft__sim_file;
struct weft__sim_message;

/* One try to move bytes. `memory` is the kernel's for now: it may be written and read. */
struct weft__sim_transfer {
    void *memory;       /* written by receive and read, read by send and write */
    uint32_t length;    /* at most this many bytes; 0 is legal */
    uint32_t msg_flags; /* MSG_PEEK, MSG_OOB, MSG_TRUNC, ...; MSG_WAITALL and MSG_DONTWAIT are the
                           caller's business and mean nothing here */
    bool nonempty;      /* out, receive: more is there */
    int64_t offset;     /* read and write: where; below 0: at the file's own position */
    struct weft__sim_message *message; /* of SENDMSG and RECVMSG: what travels beside; else NULL */
};

/*
 * What a kind of object can do. Results are >= 0 or a negative errno; -EAGAIN means "not now". A
 * NULL entry answers as the kernel does for such a file (-ENOTSOCK, -EINVAL, -EOPNOTSUPP).
 * `sim` is the world; the running thread may be any, or none (in an event).
 */
struct weft__sim_file_ops {
    const char *kind; /* "tcp", "unix", "eventfd": in plans, notes and reports */
    bool is_socket;   /* chooses the errno of NULL entries */
    int one_way;      /* POLLIN: to be read from alone, POLLOUT: to be written to; 0: both */
    bool whole;       /* its transfers are never cut short: what is moved has a unit */

    int32_t (*receive)(struct weft__sim *sim, struct weft__sim_file *file,
                       struct weft__sim_transfer *transfer);
    int32_t (*send)(struct weft__sim *sim, struct weft__sim_file *file,
                    struct weft__sim_transfer *transfer);
    int32_t (*read)(struct weft__sim *sim, struct weft__sim_file *file,
                    struct weft__sim_transfer *transfer);
    int32_t (*write)(struct weft__sim *sim, struct weft__sim_file *file,
                     struct weft__sim_transfer *transfer);

    /* The next connection, as a file with one reference, the caller's. 0 or -EAGAIN, an errno. The
       caller gives it a descriptor; when it cannot, it releases the file, which resets the peer. */
    int (*accept)(struct weft__sim *sim, struct weft__sim_file *file,
                  struct weft__sim_file **accepted);

    /* Begins: 0 connected, -EINPROGRESS begun (`connected` is asked when POLLOUT, POLLERR or
       POLLHUP is told), -EAGAIN try again from the start when POLLOUT is told (a Unix socket whose
       peer's backlog is full), or an error: -EISCONN, -EALREADY, -ECONNREFUSED, ... */
    int (*connect)(struct weft__sim *sim, struct weft__sim_file *file,
                   const struct sockaddr *address, socklen_t length);
    /* What became of it: 0, -EAGAIN under way still, or the error. */
    int (*connected)(struct weft__sim *sim, struct weft__sim_file *file);

    uint32_t (*poll)(struct weft__sim *sim, struct weft__sim_file *file); /* POLL* that hold now */

    int (*shutdown)(struct weft__sim *sim, struct weft__sim_file *file, int how);

    int (*bind)(struct weft__sim *sim, struct weft__sim_file *file, const struct sockaddr *address,
                socklen_t length);
    int (*listen)(struct weft__sim *sim, struct weft__sim_file *file, int backlog);
    /* As the system calls: *length is the room, then the true length; a longer one is cut. */
    int (*getsockname)(struct weft__sim *sim, struct weft__sim_file *file, struct sockaddr *address,
                       socklen_t *length);
    int (*getpeername)(struct weft__sim *sim, struct weft__sim_file *file, struct sockaddr *address,
                       socklen_t *length);
    int (*setsockopt)(struct weft__sim *sim, struct weft__sim_file *file, int level, int option,
                      const void *value, socklen_t length);
    int (*getsockopt)(struct weft__sim *sim, struct weft__sim_file *file, int level, int option,
                      void *value, socklen_t *length);

    /* Breaks the object as if the world had: -ECONNRESET (the peer reset it), -ETIMEDOUT (it fell
       silent), ... The operation that is about to be tried meets what comes of it. NULL: nothing
       can befall it. */
    void (*fault)(struct weft__sim *sim, struct weft__sim_file *file, int error);

    /* One line for the report of a deadlock: "127.0.0.1:80 <- 127.0.0.1:40001, established". */
    void (*describe)(struct weft__sim *sim, const struct weft__sim_file *file, char *text,
                     size_t size);

    /* The last reference is gone: nobody waits, nobody asks any more. Frees the object's state,
       takes back its events. What must live on (bytes on their way to the peer) lives elsewhere. */
    void (*release)(struct weft__sim *sim, struct weft__sim_file *file);
};

/* A request (or a thread) that waits for a file to change. Lies in whoever waits. */
struct weft__sim_waiter {
    struct weft__sim_waiter *next, **link; /* link NULL: not waiting */
    struct weft__sim_file *file;           /* that it waits on */
    uint32_t events;                       /* POLL*; POLLERR and POLLHUP always count */
    /* May stop waiting, and may start again: then it is not told twice of one change. */
    void (*notify)(struct weft__sim *sim, struct weft__sim_waiter *waiter, uint32_t events);
};

/* The head of every object: embed it first. Zeroed by weft__sim_alloc, begun by _begin. */
struct weft__sim_file {
    const struct weft__sim_file_ops *ops;
    uint64_t serial; /* from 1, in the order of their making; the same in every run of a seed */
    uint32_t refs;
    uint32_t flags;             /* O_NONBLOCK, as of fcntl(F_SETFL) */
    struct weft__sim_dice dice; /* the file's own luck */
    struct weft__sim_waiter *waiters, **waiters_tail;
    uint64_t requests; /* made on it so far: names them */
};

/* Makes it a file of that kind with one reference, the caller's. */
void weft__sim_file_begin(struct weft__sim *sim, struct weft__sim_file *file,
                          const struct weft__sim_file_ops *ops);
void weft__sim_file_keep(struct weft__sim_file *file);
void weft__sim_file_drop(struct weft__sim *sim, struct weft__sim_file *file);

/* Tells those who wait for any of these events, the longest waiting first. */
void weft__sim_file_changed(struct weft__sim *sim, struct weft__sim_file *file, uint32_t events);
void weft__sim_wait_on(struct weft__sim_file *file, struct weft__sim_waiter *waiter);
void weft__sim_wait_no_more(struct weft__sim_waiter *waiter);

/*
 * Descriptors. Each is backed by a real one that nothing can be done with (O_PATH), so that a call
 * that goes past the boundary fails with -EBADF and hits no stranger, and so that the number is
 * taken. New ones are never below 3.
 */
/* A new descriptor, which takes over the caller's reference: also when it fails (-EMFILE). */
int weft__sim_fd_install(struct weft__sim *sim, struct weft__sim_file *file);
/* The file behind it, without a reference of the caller's; NULL: -EBADF. */
struct weft__sim_file *weft__sim_fd_file(struct weft__sim *sim, int fd);
/* 0 or -EBADF. Waiters and requests go on. */
int weft__sim_fd_close(struct weft__sim *sim, int fd);
/* Whether there is room for one more. */
bool weft__sim_fd_available(struct weft__sim *sim);
/* And whether it is to be had: 0, or by the dice -EMFILE, -ENFILE. */
int weft__sim_fd_refused(struct weft__sim *sim, const struct weft__sim_dice *dice);

/* -- what sim/net*.c provides ---------------------------------------------------------------- */

/* Called when the world begins and ends. At the end every file is gone. */
void weft__sim_net_open(struct weft__sim *sim, struct weft__sim_net **net);
void weft__sim_net_close(struct weft__sim *sim, struct weft__sim_net *net);

/* A new socket as a file with one reference; type without SOCK_CLOEXEC and SOCK_NONBLOCK (they are
   the caller's business). 0, -EAFNOSUPPORT, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, ... */
int weft__sim_net_socket(struct weft__sim *sim, int domain, int type, int protocol,
                         struct weft__sim_file **file);

/* Names of Unix sockets in the file system. 0 or a negative errno. */
int weft__sim_net_unlink(struct weft__sim *sim, const char *path);
int weft__sim_net_is_socket_file(struct weft__sim *sim, const char *path); /* 1, 0, errno */
int weft__sim_net_chmod(struct weft__sim *sim, const char *path, uint32_t mode);
/* weft__host_connect_probe: 1 somebody listens there, 0 nobody, or an errno. */
int weft__sim_net_probe(struct weft__sim *sim, const struct sockaddr *address, socklen_t length);

/* A peer that needs no task: begins to play `script` (sim/net_script.h). 0, -EINVAL when it is not
   understood; one that listens: what bind says. */
int weft__sim_net_peer(struct weft__sim *sim, const char *script);

#endif
