/*
 * weft/tls.h - TLS over a stream, by OpenSSL 3. A library of its own, weft::tls.
 *
 *     weft_tls_context *context;                    // once, for all connections of a kind
 *     if (weft_tls_client_context(&context, NULL) < 0) ...
 *
 *     weft_tls *tls;
 *     int error = weft_tls_open(&tls, stream, context, &(struct weft_tls_opt){
 *                                   .size = sizeof(struct weft_tls_opt), .server_name = name});
 *     error = weft_tls_handshake(tls, weft_after_ms(10000));
 *     ... weft_tls_write, weft_tls_read_line ...
 *     weft_tls_close(tls);                          // says that nothing follows
 *     weft_stream_close(stream);                    // what the stream was before, it still is
 *
 * A layer lies on a stream that it does not own: it may be laid on one that has talked in the clear
 * (start_tls), and in the handler of a server, which closes its stream itself. While it lies there
 * nobody else reads or writes the stream. Close the layer first, then the stream.
 *
 * It belongs to the stream's reactor. One task reads and one writes at a time (-EBUSY). A context
 * may be used by any thread once it is set up.
 *
 * TLS 1.2 at least, no compression, no renegotiation. Nothing blocks: OpenSSL sees memory alone,
 * and runs on the loop's own stack, so that tasks need no larger ones.
 *
 * Errors, besides those of the stream below, which pass:
 *   -EKEYREJECTED  the peer's certificate is not good, or there is none where one is demanded
 *   -EPROTO        anything else that is against the protocol, or that the peer refused us for
 *   -ECONNABORTED  the stream ended without the end of TLS: what has come may have been cut short;
 *                  or TLS did, in the middle of its handshake
 *   -ENOMEM        OpenSSL had no memory, and says so; else it is one of the first two
 * These stay: each later call says the same, and weft_tls_error has the reason as text. Every
 * call may also answer -EINVAL (NULL, options) and -EPERM (not in a task of that reactor).
 */
#ifndef WEFT_TLS_H
#define WEFT_TLS_H

#include <weft/base.h>
#include <weft/stream.h>

WEFT_BEGIN_DECLS

/* -- contexts ------------------------------------------------------------------------------- */

typedef struct weft_tls_context weft_tls_context;

enum weft_tls_version { WEFT_TLS_1_2 = 12, WEFT_TLS_1_3 = 13 };

/* Does a server want certificates of its clients? Verified by ca_file. */
enum weft_tls_clients {
    WEFT_TLS_CLIENTS_UNASKED = 0,
    WEFT_TLS_CLIENTS_ASKED, /* who has none is served all the same; a bad one is refused */
    WEFT_TLS_CLIENTS_CERTIFIED
};

struct weft_tls_context_opt {
    size_t size;                  /* sizeof(struct weft_tls_context_opt) */
    const char *certificate_file; /* PEM: our own certificate, then those between it and the
                                     authority. A server must have one, a client may */
    const char *key_file;         /* PEM, its key; NULL: in the same file */
    const char *ca_file;          /* PEM: the authorities that peers are verified by; NULL: those of
                                     the system, for clients */
    const char *alpn;             /* "h2,http/1.1": protocols, the preferred first; NULL: none. A
                                     server refuses who offers none of them */
    int version_min;              /* enum weft_tls_version; 0: 1.2 */
    int version_max;              /* 0: the newest */
    int clients;                  /* enum weft_tls_clients; servers only */
    uint32_t sessions_max;        /* client: how many servers' sessions are kept; 0: 64 */
    bool no_resumption;           /* every handshake is a whole one */
    bool insecure_no_verification; /* client: whoever answers is believed; the connection is secret,
                                      but who knows with whom */
    char *reason; /* NULL, or where to say why there is no context: "/a/server.pem: key
                     values mismatch" */
    size_t reason_size;
};

/*
 * Makes a context, with one reference, the caller's. Reads the files, without suspending: once
 * before the work begins, or by weft_to_thread. Any thread.
 *
 * A client context remembers what servers gave it to resume by, by the name they were verified as.
 *
 * Returns 0; -ENOENT, -EACCES, ... of the files; -EPROTO they hold no certificate, or the key is
 * not the certificate's; -EINVAL; -ENOMEM.
 */
WEFT_API WEFT_NODISCARD int weft_tls_client_context(weft_tls_context **context,
                                                    const struct weft_tls_context_opt *opt);
WEFT_API WEFT_NODISCARD int weft_tls_server_context(weft_tls_context **context,
                                                    const struct weft_tls_context_opt *opt);

/*
 * Clients that ask `context` for `name` ("www.example.org", or "*.example.org": one label more) get
 * `other`: its certificate, ALPN and demands on clients; the versions stay. Others, and those that
 * ask for none, get `context` itself. A session of one is never resumed with another. Retains
 * `other`. Before `context` is used.
 * Returns 0; -EINVAL no name, a client's context, or twice the same; -ENOMEM.
 */
WEFT_API WEFT_NODISCARD int weft_tls_context_add_name(weft_tls_context *context, const char *name,
                                                      weft_tls_context *other);

/* One reference more; one less, and with the last the context goes. Layers have references of their
   own. NULL is allowed. Any thread. */
WEFT_API weft_tls_context *weft_tls_context_retain(weft_tls_context *context);
WEFT_API void weft_tls_context_put(weft_tls_context *context);

/* OpenSSL's own object, for what is not offered here. Before the context is used. */
struct ssl_ctx_st;
WEFT_API struct ssl_ctx_st *weft_tls_context_native(weft_tls_context *context);

/* -- a layer on a stream -------------------------------------------------------------------- */

typedef struct weft_tls weft_tls;

struct weft_tls_opt {
    size_t size;             /* sizeof(struct weft_tls_opt) */
    const char *server_name; /* client: whom we want, a name or an address in numbers; needed where
                                the context verifies */
    const void *already;     /* bytes of TLS that the caller has read from the stream itself */
    size_t already_size;
};

/*
 * Lays TLS on `stream`, as a client or as a server, as the context is. Bytes that the stream holds
 * and nobody has read belong to it. Does not suspend.
 * Returns 0; -EINVAL also: no server_name; -ENOMEM.
 */
WEFT_API WEFT_NODISCARD int weft_tls_open(weft_tls **tls, weft_stream *stream,
                                          weft_tls_context *context,
                                          const struct weft_tls_opt *opt);

/*
 * Agrees with the peer on everything, at most until `deadline` (absolute; WEFT_NEVER: however long
 * that takes). Before it has, reading and writing answer -ENOTCONN. After -ECANCELED or -ETIMEDOUT
 * it could be called again. A client of TLS 1.3 is done before the server has looked at its
 * certificate: that it was refused is said by its first read.
 * Returns 0, also when it was done before; -ETIMEDOUT; -ECANCELED; -EKEYREJECTED, -EPROTO,
 * -ECONNABORTED.
 */
WEFT_API WEFT_NODISCARD int weft_tls_handshake(weft_tls *tls, int64_t deadline) WEFT_SUSPENDS;

/*
 * As the calls of the same names in weft/stream.h, of what the peer encrypted. The end is 0 (and
 * -ENODATA) when the peer has said so; when just the stream ended: -ECONNABORTED.
 */
WEFT_API ssize_t weft_tls_read(weft_tls *tls, void *buffer, size_t size, int flags) WEFT_SUSPENDS;
WEFT_API ssize_t weft_tls_read_until_time(weft_tls *tls, void *buffer, size_t size, int flags,
                                          int64_t deadline) WEFT_SUSPENDS;
WEFT_API ssize_t weft_tls_read_exactly(weft_tls *tls, void *buffer, size_t size,
                                       size_t *done) WEFT_SUSPENDS;
WEFT_API ssize_t weft_tls_read_until(weft_tls *tls, const void *delimiter, size_t delimiter_size,
                                     void *buffer, size_t size, int flags) WEFT_SUSPENDS;
WEFT_API ssize_t weft_tls_read_line(weft_tls *tls, char *line, size_t size,
                                    int flags) WEFT_SUSPENDS;
/* 1 when the peer has ended in order and everything was read, else 0. Never suspends. */
WEFT_API int weft_tls_at_eof(const weft_tls *tls);

/*
 * All bytes or a negative errno. *done (NULL allowed): how many were encrypted; those are sent by
 * whichever call writes next if this one was cut short, and are not to be written again. -EPIPE
 * after weft_tls_shutdown.
 */
WEFT_API ssize_t weft_tls_write(weft_tls *tls, const void *buffer, size_t size,
                                size_t *done) WEFT_SUSPENDS;

/*
 * Says that nothing more will be written; the peer reads the end, and may go on writing. The stream
 * below stays open both ways. Returns 0, also when it was said before; errors as weft_tls_write.
 */
WEFT_API int weft_tls_shutdown(weft_tls *tls) WEFT_SUSPENDS;

/*
 * Takes the layer off and frees it. _close says before that nothing follows, unless that was said,
 * or something went wrong, and in the middle of a handshake, if nothing is encrypted yet, that it
 * is called off; what is left to be sent the stream sends, whose close waits for it. _abort says
 * nothing, and drops what was not sent. What the peer sent and nobody read is lost, but what came
 * behind its end is the stream's to read. Never suspend, always finish. NULL is allowed. Returns 0;
 * -EBUSY another task is inside a call, and then nothing happened.
 */
WEFT_API int weft_tls_close(weft_tls *tls);
WEFT_API int weft_tls_abort(weft_tls *tls);

/* -- what came of it ------------------------------------------------------------------------ */

struct weft_tls_info {
    const char *version;    /* "TLSv1.3"; OpenSSL's, for good */
    const char *cipher;     /* "TLS_AES_256_GCM_SHA384" */
    char alpn[256];         /* the protocol agreed on, or "" */
    char server_name[256];  /* whom the client asked for, or "" */
    char peer_subject[256]; /* of its certificate: "CN = www.example.org", or "" */
    bool resumed;           /* an earlier session was gone on with */
    bool verified;          /* the peer has a certificate, and it was found good */
};

/* What the handshake has agreed on. info_size: sizeof *info. Returns 0; -ENOTCONN before it is
 * done. Never suspends. */
WEFT_API int weft_tls_get_extra_info(const weft_tls *tls, struct weft_tls_info *info,
                                     size_t info_size);

/* The peer's certificate as DER. Returns its size, of which `size` bytes at most were stored; 0: it
   has none, or nothing is known yet. Never suspends. */
WEFT_API ssize_t weft_tls_peer_certificate(const weft_tls *tls, void *der, size_t size);

/* Why the last call failed, in OpenSSL's words: "certificate has expired"; "" if it did not, or for
   a reason that is not TLS's. As long as the layer lives. */
WEFT_API const char *weft_tls_error(const weft_tls *tls);

/* OpenSSL's own object, to be asked; not to be read or written by. */
struct ssl_st;
WEFT_API struct ssl_st *weft_tls_native(weft_tls *tls);

/* "OpenSSL 3.0.15 3 Sep 2024": the one that runs. */
WEFT_API const char *weft_tls_library(void);

WEFT_END_DECLS

#endif
