/*
 * tls/layer.h - a layer of TLS on a stream, and the contexts that layers are made by.
 *
 * OpenSSL gets its bytes from memory and leaves them there (carry.c), so none of its calls waits:
 *
 *      stream --peek--> view ---> SSL ---> reader's memory, or `plain` when more is looked for
 *      stream <-write-- flying <-- out <--- SSL <--- writer's memory
 *
 * Each of its calls is one step (step.c), made on the loop's stack, in which nobody suspends. Two
 * tasks may be inside the layer, and between steps each of them may wait:
 *
 *   receiving   the lock of whoever waits for the stream's bytes: the reader, as a rule. The view
 *               is lent for a step only, and put back before anybody suspends.
 *   sending     the lock of whoever hands `out` to the stream, and goes on until it is empty: so
 *               what the other leaves there meanwhile (an answer to a change of keys) is sent, too.
 *               The reader waits for it only when that is more than OUT_MAX: a writer whose peer
 *               does not read must not keep us from reading.
 *
 * A writer can want to read: a message of the protocol's own may have come by half. Then it waits
 * for `moved`, which the reader sets after its steps, and the writer clears before its own; without
 * a reader it receives by itself.
 *
 * A layer belongs to its stream's reactor. A context is shared by threads, and does not change once
 * it is used, but for its references and its sessions (sessions.c).
 */
#ifndef WEFT_TLS_LAYER_H
#define WEFT_TLS_LAYER_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <weft/tls.h>
#include <weft/weft.h>

enum {
    WEFT__TLS_NAME_SIZE = 256,
    WEFT__TLS_REASON_SIZE = 160,
    WEFT__TLS_RECORD = 16384,  /* bytes of a record, at most */
    WEFT__TLS_OUT_MAX = 65536, /* so much is encrypted before it is sent */
};

struct weft__tls_session;

/* What a client was given to resume by. */
struct weft__tls_sessions {
    CRYPTO_RWLOCK *lock;            /* of the rest */
    struct weft__tls_session *list; /* the youngest first, one for each name */
    uint32_t count;
    uint32_t count_max;
};

/* Another context, for those who ask for this name. */
struct weft__tls_name {
    struct weft__tls_name *next;
    weft_tls_context *context;
    char name[WEFT__TLS_NAME_SIZE];
};

struct weft_tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *carrier;    /* carry.c */
    atomic_uint references; /* the last to leave, by acq_rel, sees what all others did */
    bool server;
    bool verifies;
    unsigned char *alpn; /* as it stands in a handshake: each behind its length */
    unsigned int alpn_size;
    struct weft__tls_name *names;
    struct weft__tls_sessions sessions;
};

/* Bytes on the heap, of which those from `at` to `end` are still wanted. */
struct weft__tls_bytes {
    char *data;
    size_t at, end, room;
};

struct weft_tls {
    weft_stream *stream; /* borrowed */
    weft_tls_context *context;
    SSL *ssl;
    weft_lock receiving;
    weft_lock sending;
    weft_event moved;
    const char *view; /* lent by the stream, or NULL */
    size_t view_at, view_size;
    struct weft__tls_bytes already; /* read from the stream before there was a layer */
    struct weft__tls_bytes out;     /* encrypted */
    struct weft__tls_bytes flying;  /* the same, on its way to the stream */
    struct weft__tls_bytes plain;   /* decrypted, and not taken yet */
    int error;                      /* what went wrong, for good; 0 */
    int lost;       /* why what was encrypted was not sent, and nothing will be; 0 */
    int users;      /* tasks inside a call */
    bool no_memory; /* for what OpenSSL wanted to send */
    bool stream_ended;
    bool ready;    /* the handshake is done */
    bool finished; /* the peer has said that nothing follows */
    bool shut;     /* and so have we */
    bool reading;  /* a task is in a call that reads; that writes */
    bool writing;
    bool waiting;                   /* a writer wants to read */
    char name[WEFT__TLS_NAME_SIZE]; /* whom we want, or "" */
    char reason[WEFT__TLS_REASON_SIZE];
};

/* bytes.c */
static inline size_t weft__tls_count(const struct weft__tls_bytes *bytes)
{
    return bytes->end - bytes->at;
}
/* Room for `size` bytes behind the last. 0 or -ENOMEM. */
int weft__tls_reserve(struct weft__tls_bytes *bytes, size_t size);
int weft__tls_append(struct weft__tls_bytes *bytes, const void *data, size_t size);
/* Takes up to `size` from the front; when none is left the memory goes. Returns how many. */
size_t weft__tls_take(struct weft__tls_bytes *bytes, void *data, size_t size);
void weft__tls_drop(struct weft__tls_bytes *bytes);
/* Takes options of any age over into `to`, as weft/base.h says. 0 or -EINVAL. */
int weft__tls_options(void *to, size_t size, const void *from);

/* carry.c: what OpenSSL takes for a connection */
BIO_METHOD *weft__tls_carrier(void);
int weft__tls_carry(struct weft_tls *tls);

/* step.c */
enum weft__tls_verb {
    WEFT__TLS_HANDSHAKE,
    WEFT__TLS_READ,
    WEFT__TLS_WRITE,
    WEFT__TLS_SHUTDOWN,
    WEFT__TLS_FREE
};
/* 1 done, *done bytes of it; 0 the peer has ended (READ only); -EAGAIN it takes bytes from the
   stream; else what is wrong, for good. */
int weft__tls_step(struct weft_tls *tls, enum weft__tls_verb verb, void *buffer, size_t size,
                   size_t *done);
/* What OpenSSL complains of to this thread, as an error and as text; taken off its list. */
int weft__tls_complaint(char *text, size_t size);

/* flow.c */
/* As who holds `receiving`: waits for bytes, or for the end, and has them as the view. 0 or a
   negative errno. */
int weft__tls_receive(struct weft_tls *tls, int flags) WEFT_SUSPENDS;
/* After a step of who receives: the view goes back, and who waits for that looks again. */
void weft__tls_received(struct weft_tls *tls);
/* Has what OpenSSL left in `out` sent without waiting, if that can be. */
void weft__tls_push(struct weft_tls *tls);
/* The same, and waits if there is too much of it. 0, -ECANCELED. */
int weft__tls_settle(struct weft_tls *tls) WEFT_SUSPENDS;
/* Sends all that is in `out`, and waits until the stream has taken it. */
int weft__tls_flush(struct weft_tls *tls) WEFT_SUSPENDS;
/* A step of a writer, which waits when it takes bytes from the stream. */
int weft__tls_step_out(struct weft_tls *tls, enum weft__tls_verb verb, const void *buffer,
                       size_t size, size_t *done) WEFT_SUSPENDS;

/* sessions.c */
int weft__tls_sessions_open(struct weft__tls_sessions *sessions, uint32_t count_max);
void weft__tls_sessions_close(struct weft__tls_sessions *sessions);
/* Keeps what it takes to make it again. */
void weft__tls_sessions_keep(struct weft__tls_sessions *sessions, const char *name,
                             SSL_SESSION *session);
/* One for the caller alone, or NULL. */
SSL_SESSION *weft__tls_sessions_find(struct weft__tls_sessions *sessions, const char *name);

/* hello.c: what a server answers to a client's first message */
void weft__tls_listen_to_hello(weft_tls_context *context);
/* "h2,http/1.1" as it stands in a handshake. 0, -EINVAL, -ENOMEM. */
int weft__tls_alpn(weft_tls_context *context, const char *list);

#endif
