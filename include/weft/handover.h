/*
 * weft/handover.h - sockets that listen already: those that a supervisor opened before it started
 * this process (socket activation), and those that one process hands to the next, so that a restart
 * refuses nobody and resets nobody.
 *
 *     old process                                  new process
 *     weft_server_listeners(server, fds, n)
 *     weft_hand_over(channel, fds, n)  ----------> weft_take_over(channel, fds, &n)
 *        |  both accept, from one queue            weft_start_server(..., {.fds = fds})
 *        |<--------------------------------------- weft_take_over_done(channel)
 *     weft_server_retire(server, soft, hard)
 *
 * The kernel keeps a listening socket, with the queue of those who wait to be accepted, as long as
 * any process has it. So nobody is lost between the two; and until the successor has said that it
 * serves, the old one goes on as if nothing had been tried.
 *
 * Every call here may also answer -EPERM outside a task, -EINVAL (NULL, options), and, marked
 * WEFT_SUSPENDS, -ECANCELED.
 */
#ifndef WEFT_HANDOVER_H
#define WEFT_HANDOVER_H

#include <weft/base.h>
#include <weft/message.h>

WEFT_BEGIN_DECLS

/* A descriptor that this process was started with. */
struct weft_handed {
    int fd;
    char name[256]; /* as the supervisor calls it; "unknown" when it has not said */
};

struct weft_listen_fds_opt {
    size_t size;      /* sizeof(struct weft_listen_fds_opt) */
    int first;        /* the number of the first of them; 0: 3, as systemd has it */
    bool any_process; /* though LISTEN_PID is not there: whoever set the others could not know the
                         number of this process, and knew that no other would see them */
    bool clear;       /* takes the three variables out of the environment, whatever the result */
};

/*
 * The descriptors that LISTEN_FDS tells of, by the rules of sd_listen_fds_with_names(3): if
 * LISTEN_PID names this process, so many from the first on, with the names of LISTEN_FDNAMES, which
 * colons part. Fills in up to `count` of them, and makes all CLOEXEC. They are the caller's to
 * close, and should be taken once, before other threads look at the environment.
 *
 * Returns how many there are, which may be more than `count`; 0 there are none, or they are another
 * process's, or the process has more rights than who started it; -EINVAL the variables contradict
 * one another or are no numbers; -EBADF one of them is not open. Never suspends.
 */
WEFT_API int weft_listen_fds(struct weft_handed *fds, uint32_t count,
                             const struct weft_listen_fds_opt *opt);

/*
 * Passes the listening sockets over the Unix socket `channel` (a stream or packets) to whoever is
 * in weft_take_over at its other end, and waits until that one has said weft_take_over_done. They
 * stay open here, and go on accepting meanwhile.
 * Returns 0: it serves. -ENODATA it has gone without saying so; -EPROTO it said something else;
 * -EINVAL count is 0 or more than WEFT_FDS_MAX; what weft_send_fds and weft_recv say. After an
 * error the successor may have the sockets, or may yet get them; whoever closes the channel then
 * has weft_take_over_done tell it so. On a channel that is kept, what it says later is not taken
 * for the answer to the next hand-over. The _until form answers -ETIMEDOUT once `deadline` has
 * passed.
 */
WEFT_API int weft_hand_over(int channel, const int *fds, uint32_t count) WEFT_SUSPENDS;
WEFT_API int weft_hand_over_until(int channel, const int *fds, uint32_t count,
                                  int64_t deadline) WEFT_SUSPENDS;

/*
 * The sockets that weft_hand_over passes: up to *count, which is set to how many there are. They
 * are this reactor's, and the caller's to close.
 * Returns 0; -ENODATA the channel ended; -EPROTO what came is no hand-over; -EMSGSIZE it is one of
 * more than *count sockets; -EMFILE. After an error none is open.
 */
WEFT_API int weft_take_over(int channel, int *fds, uint32_t *count) WEFT_SUSPENDS;

/* Tells who hands over that this process serves, by the descriptor that weft_take_over was called
   with. Returns 0; -EPIPE, -ECONNRESET nobody waits for that any more: the old process goes on
   serving, and there may be two of them; -EINVAL nothing was taken over. */
WEFT_API int weft_take_over_done(int channel) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
