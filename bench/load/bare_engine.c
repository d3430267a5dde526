/* The echo server on a bare ring; see bare_engine.h.
 *
 *      recv completes -> chunk queued -> head of queue sent -> send completes -> chunk released
 *
 * A connection ends when the peer closed or failed, its queue is empty and no request of its own is
 * in flight; only then is its record used again, so a completion always finds its own connection.
 */
#include "bare_engine.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common.h"

enum kind { KIND_RECV, KIND_SEND, KIND_ACCEPT, KIND_WATCH, KIND_CLOSE };
enum { BUFFER_GROUP = 1, NONE = -1 };

/* After a send that had to wait for its peer, this many turns wait for one event only: waiting for
 * the send as well would let one slow peer hold up the others. */
enum { PATIENCE_TURNS = 1024 };

/* How long a matched wait may be wrong. Longer than a scheduler tick, so that arming it does not
 * reprogram the timer hardware. */
#define MATCH_LIMIT_NS 50000000u

struct chunk {
    unsigned offset, length; /* what is still to be sent */
    int next;                /* in the connection's queue, NONE at the end */
};

struct connection {
    int fd; /* descriptor or direct slot; NONE while the record is free */
    bool receiving, sending;
    bool ended;   /* nothing more will come, or nothing more can be sent */
    bool paused;  /* multishot: waiting for a buffer */
    bool heard;   /* echo rounds: has brought bytes in this round */
    uint8_t busy; /* single-shot: which of its two chunks are taken */
    int head, tail;
    int next; /* in the free or the paused list */
};

struct bare_engine {
    struct bare_ring ring;
    struct bare_options options;
    struct engine_counters counters;
    struct connection *connections;
    struct chunk *chunks;
    char *buffers;
    size_t buffers_size, chunks_size, connections_size;
    struct io_uring_buf_ring *buffer_ring;
    unsigned buffers_free;
    int free_head;
    int paused_head, paused_tail; /* oldest first, so that none starves */
    unsigned used;                /* connection records ever used */
    unsigned sends_queued;        /* since the last enter */
    unsigned sends_inflight;      /* submitted or queued */
    unsigned backlog;             /* chunks queued behind one that is being sent */
    unsigned unheard;             /* echo rounds: connections yet to be heard */
    unsigned patience;
    int listener;
    bool listen_stopped;
    bool signalled;
};

void bare_options_best(struct bare_options *options)
{
    *options = (struct bare_options){
        .ring = {.sq_entries = 1024,
                 .cq_entries = 4096,
                 .defer = true,
                 .no_sqarray = true,
                 .registered = true},
        .multishot = true,
        .poll_first = true,
        .direct = true,
        .match = true,
        .buffer_size = 4096,
        .buffer_count = 256,
        .batch = 64,
        .connections_max = 20000,
    };
}

static bool set_number(struct bare_options *o, const char *text)
{
    uint64_t value;
    if (strncmp(text, "buffer=", 7) == 0 && parse_number(text + 7, 64, 1 << 20, &value))
        o->buffer_size = (unsigned)value;
    else if (strncmp(text, "buffers=", 8) == 0 && parse_number(text + 8, 1, 32768, &value) &&
             (value & (value - 1)) == 0)
        o->buffer_count = (unsigned)value;
    else if (strncmp(text, "batch=", 6) == 0 && parse_number(text + 6, 1, 4096, &value))
        o->batch = (unsigned)value;
    else
        return false;
    return true;
}

bool bare_options_set(struct bare_options *o, const char *name)
{
    const struct {
        const char *name;
        bool *where, value;
    } table[] = {
        {"multishot", &o->multishot, true},
        {"single", &o->multishot, false},
        {"poll-first", &o->poll_first, true},
        {"try-first", &o->poll_first, false},
        {"defer", &o->ring.defer, true},
        {"plain", &o->ring.defer, false},
        {"no-sqarray", &o->ring.no_sqarray, true},
        {"sqarray", &o->ring.no_sqarray, false},
        {"registered", &o->ring.registered, true},
        {"unregistered", &o->ring.registered, false},
        {"direct", &o->direct, true},
        {"no-direct", &o->direct, false},
        {"match", &o->match, true},
        {"no-match", &o->match, false},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(name, table[i].name) == 0) {
            *table[i].where = table[i].value;
            return true;
        }
    }
    return set_number(o, name);
}

static uint64_t tag(enum kind kind, unsigned index)
{
    return (uint64_t)index << 8 | kind;
}

static struct io_uring_sqe *request(struct bare_engine *e)
{
    return bare_ring_request(&e->ring);
}

static void finish(struct bare_engine *e, struct io_uring_sqe *sqe, enum kind kind, unsigned index)
{
    sqe->user_data = tag(kind, index);
    if (e->options.direct && kind <= KIND_SEND)
        sqe->flags |= IOSQE_FIXED_FILE;
}

/* Counters are read by another thread at a stop or on request; a plain store would be a race. */
static void count(uint64_t *counter, uint64_t more)
{
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

/* --- buffers --------------------------------------------------------------------------------- */

static char *chunk_at(struct bare_engine *e, int chunk)
{
    return e->buffers + (size_t)chunk * e->options.buffer_size;
}

static void offer_buffer(struct bare_engine *e, int chunk)
{
    io_uring_buf_ring_add(e->buffer_ring, chunk_at(e, chunk), e->options.buffer_size,
                          (unsigned short)chunk, io_uring_buf_ring_mask(e->options.buffer_count),
                          0);
    io_uring_buf_ring_advance(e->buffer_ring, 1);
    e->buffers_free++;
}

static void release(struct bare_engine *e, unsigned index, int chunk)
{
    if (e->options.multishot)
        offer_buffer(e, chunk);
    else
        e->connections[index].busy &= (uint8_t) ~(1u << (chunk & 1));
}

static int offer_all(struct bare_engine *e)
{
    size_t size = e->options.buffer_count * sizeof(struct io_uring_buf);
    e->buffer_ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (e->buffer_ring == MAP_FAILED) {
        e->buffer_ring = NULL;
        return -ENOMEM;
    }
    struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)e->buffer_ring,
                                   .ring_entries = e->options.buffer_count,
                                   .bgid = BUFFER_GROUP};
    io_uring_buf_ring_init(e->buffer_ring);
    if (syscall(__NR_io_uring_register, e->ring.fd, IORING_REGISTER_PBUF_RING, &reg, 1) < 0)
        return -errno;
    for (unsigned i = 0; i < e->options.buffer_count; i++)
        offer_buffer(e, (int)i);
    return 0;
}

/* --- one connection --------------------------------------------------------------------------- */

static void arm_multishot(struct bare_engine *e, unsigned index)
{
    struct connection *c = &e->connections[index];
    struct io_uring_sqe *sqe = request(e);
    io_uring_prep_recv(sqe, c->fd, NULL, 0, 0);
    sqe->ioprio = IORING_RECV_MULTISHOT;
    finish(e, sqe, KIND_RECV, index);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    c->receiving = true;
}

/* Two chunks for each connection: the next receive may be armed together with the send. */
static void arm_single(struct bare_engine *e, unsigned index)
{
    struct connection *c = &e->connections[index];
    if (c->busy == 3)
        return;
    int chunk = (int)(index * 2 + (c->busy & 1));
    struct io_uring_sqe *sqe = request(e);
    io_uring_prep_recv(sqe, c->fd, chunk_at(e, chunk), e->options.buffer_size, 0);
    if (e->options.poll_first)
        sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
    finish(e, sqe, KIND_RECV, index);
    e->chunks[chunk].offset = 0;
    c->busy |= (uint8_t)(1u << (chunk & 1));
    c->receiving = true;
    e->chunks[chunk].next = NONE;
    c->next = chunk; /* where the receive in flight will land */
}

static void arm(struct bare_engine *e, unsigned index)
{
    if (e->options.multishot)
        arm_multishot(e, index);
    else
        arm_single(e, index);
}

static void send_head(struct bare_engine *e, unsigned index)
{
    struct connection *c = &e->connections[index];
    struct chunk *chunk = &e->chunks[c->head];
    struct io_uring_sqe *sqe = request(e);
    io_uring_prep_send(sqe, c->fd, chunk_at(e, c->head) + chunk->offset, chunk->length,
                       MSG_WAITALL | MSG_NOSIGNAL);
    finish(e, sqe, KIND_SEND, index);
    c->sending = true;
    e->sends_queued++;
    e->sends_inflight++;
}

static void drop_queue(struct bare_engine *e, unsigned index)
{
    struct connection *c = &e->connections[index];
    while (c->head != NONE) {
        int chunk = c->head;
        c->head = e->chunks[chunk].next;
        e->backlog -= c->head != NONE;
        release(e, index, chunk);
    }
}

static void close_when_idle(struct bare_engine *e, unsigned index)
{
    struct connection *c = &e->connections[index];
    if (!c->ended || c->receiving || c->sending || c->paused || c->head != NONE)
        return;
    if (e->options.direct) {
        struct io_uring_sqe *sqe = request(e);
        io_uring_prep_close(sqe, 0);
        sqe->file_index = (unsigned)c->fd + 1;
        finish(e, sqe, KIND_CLOSE, 0);
    } else {
        close(c->fd);
    }
    c->fd = NONE;
    c->next = e->free_head;
    e->free_head = (int)index;
    if (e->listen_stopped) {
        e->listen_stopped = false;
        bare_engine_listen(e, e->listener);
    }
}

static void fail(struct bare_engine *e, unsigned index)
{
    struct connection *c = &e->connections[index];
    if (!c->ended)
        count(&e->counters.errors, 1);
    c->ended = true;
    if (!c->sending)
        drop_queue(e, index);
}

/* --- completions ------------------------------------------------------------------------------ */

static void pause_receive(struct bare_engine *e, unsigned index)
{
    struct connection *c = &e->connections[index];
    c->paused = true;
    c->next = NONE;
    if (e->paused_head == NONE)
        e->paused_head = (int)index;
    else
        e->connections[e->paused_tail].next = (int)index;
    e->paused_tail = (int)index;
}

static void on_bytes(struct bare_engine *e, unsigned index, int chunk, unsigned length)
{
    struct connection *c = &e->connections[index];
    e->chunks[chunk] = (struct chunk){.offset = 0, .length = length, .next = NONE};
    if (c->ended) { /* the send side failed meanwhile: nobody to echo to */
        release(e, index, chunk);
        return;
    }
    count(&e->counters.messages, 1);
    if (!c->heard) {
        c->heard = true;
        e->unheard -= e->unheard != 0;
    }
    if (c->head == NONE) {
        c->head = chunk;
    } else {
        e->chunks[c->tail].next = chunk;
        e->backlog++;
    }
    c->tail = chunk;
    if (!c->sending)
        send_head(e, index);
}

static void on_receive(struct bare_engine *e, unsigned index, const struct io_uring_cqe *cqe)
{
    struct connection *c = &e->connections[index];
    int chunk = c->next;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        chunk = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        e->buffers_free--;
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        c->receiving = false;

    if (cqe->res > 0) {
        on_bytes(e, index, chunk, (unsigned)cqe->res);
    } else {
        if (!e->options.multishot || cqe->flags & IORING_CQE_F_BUFFER)
            release(e, index, chunk);
        if (cqe->res == 0)
            c->ended = true;
        else if (cqe->res != -ENOBUFS && cqe->res != -EINTR)
            fail(e, index);
    }
    if (!c->receiving && !c->ended) {
        if (cqe->res == -ENOBUFS)
            pause_receive(e, index);
        else
            arm(e, index);
    }
    close_when_idle(e, index);
}

static void on_send(struct bare_engine *e, unsigned index, const struct io_uring_cqe *cqe)
{
    struct connection *c = &e->connections[index];
    struct chunk *chunk = &e->chunks[c->head];
    c->sending = false;
    e->sends_inflight--;
    if (cqe->res < 0 && cqe->res != -EINTR) {
        fail(e, index);
        drop_queue(e, index);
        close_when_idle(e, index);
        return;
    }
    unsigned sent = cqe->res > 0 ? (unsigned)cqe->res : 0;
    count(&e->counters.bytes, sent);
    chunk->offset += sent;
    chunk->length -= sent;
    if (chunk->length == 0) {
        int done = c->head;
        c->head = chunk->next;
        e->backlog -= c->head != NONE;
        release(e, index, done);
        if (!c->receiving && !c->ended && !c->paused)
            arm(e, index);
    }
    if (c->head != NONE)
        send_head(e, index);
    close_when_idle(e, index);
}

static int add_accepted(struct bare_engine *e, int fd);

static void on_accept(struct bare_engine *e, const struct io_uring_cqe *cqe)
{
    if (cqe->res >= 0) {
        int error = add_accepted(e, cqe->res);
        if (error && !e->options.direct)
            close(cqe->res);
    } else {
        count(&e->counters.errors, 1);
    }
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    /* No descriptors left: accept again once a connection has gone. */
    if (cqe->res == -EMFILE || cqe->res == -ENFILE)
        e->listen_stopped = true;
    else if (cqe->res != -EBADF && cqe->res != -EINVAL)
        bare_engine_listen(e, e->listener);
}

static void handle(struct bare_engine *e, const struct io_uring_cqe *cqe)
{
    unsigned index = (unsigned)(cqe->user_data >> 8);
    switch ((enum kind)(cqe->user_data & 0xff)) {
    case KIND_RECV:
        on_receive(e, index, cqe);
        break;
    case KIND_SEND:
        on_send(e, index, cqe);
        break;
    case KIND_ACCEPT:
        on_accept(e, cqe);
        break;
    case KIND_WATCH:
        e->signalled = true;
        break;
    case KIND_CLOSE:
        break;
    }
}

static void resume_paused(struct bare_engine *e)
{
    for (unsigned room = e->buffers_free; room && e->paused_head != NONE; room--) {
        unsigned index = (unsigned)e->paused_head;
        struct connection *c = &e->connections[index];
        e->paused_head = c->next;
        c->paused = false;
        if (!c->ended)
            arm(e, index);
        close_when_idle(e, index);
    }
}

static void handle_all(struct bare_engine *e)
{
    struct bare_ring *ring = &e->ring;
    unsigned head = *ring->cq_khead;
    unsigned tail = __atomic_load_n(ring->cq_ktail, __ATOMIC_ACQUIRE);
    for (; head != tail; head++)
        handle(e, &ring->cqes[head & ring->cq_mask]);
    __atomic_store_n(ring->cq_khead, head, __ATOMIC_RELEASE);
    if (e->paused_head != NONE)
        resume_paused(e);
}

static int enter(struct bare_engine *e, unsigned wait, uint64_t limit_ns)
{
    e->sends_queued = 0;
    int error = bare_ring_enter(&e->ring, wait, limit_ns);
    __atomic_store_n(&e->counters.enters, e->ring.enters, __ATOMIC_RELAXED);
    return error;
}

/* --- from outside -------------------------------------------------------------------------------
 */

/* How many completions to wait for. The sends just queued complete while they are submitted, and
 * bring nothing to do by themselves: waiting for one event more than those saves a turn. Unless
 * one of them may be slow, or its completion lets a queued chunk or a paused receive go on. */
static unsigned wait_for(struct bare_engine *e)
{
    if (e->sends_queued < e->sends_inflight)
        e->patience = PATIENCE_TURNS;
    else if (e->patience)
        e->patience--;
    bool match = e->options.match && !e->patience && !e->backlog && e->paused_head == NONE;
    unsigned wait = match ? e->sends_queued + 1 : 1;
    return wait < e->options.batch ? wait : e->options.batch;
}

int bare_engine_turn(struct bare_engine *e)
{
    unsigned wait = wait_for(e);
    int error = enter(e, wait, wait > 1 ? MATCH_LIMIT_NS : 0);
    handle_all(e);
    bool transient = error == -EINTR || error == -ETIME || error == -EBUSY || error == -EAGAIN;
    return transient ? 0 : error;
}

int bare_engine_echo(struct bare_engine *e, uint64_t bytes)
{
    uint64_t target = e->counters.bytes + bytes;
    e->unheard = e->used;
    for (unsigned i = 0; i < e->used; i++)
        e->connections[i].heard = false;
    while (e->counters.bytes < target) {
        unsigned wait = e->paused_head == NONE ? e->sends_inflight + e->unheard : 1;
        if (!e->options.match || wait == 0)
            wait = 1;
        if (wait > e->options.batch)
            wait = e->options.batch;
        int error = enter(e, wait, 1000000000u);
        handle_all(e);
        if (error && error != -EINTR && error != -EBUSY)
            return error;
    }
    return 0;
}

void bare_engine_listen(struct bare_engine *e, int listener)
{
    struct io_uring_sqe *sqe = request(e);
    e->listener = listener;
    if (e->options.direct)
        io_uring_prep_multishot_accept_direct(sqe, listener, NULL, NULL, 0);
    else
        io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    finish(e, sqe, KIND_ACCEPT, 0);
}

void bare_engine_watch(struct bare_engine *e, int fd)
{
    struct io_uring_sqe *sqe = request(e);
    io_uring_prep_poll_add(sqe, fd, POLLIN);
    finish(e, sqe, KIND_WATCH, 0);
}

bool bare_engine_signalled(struct bare_engine *e)
{
    bool was = e->signalled;
    e->signalled = false;
    return was;
}

static int take_record(struct bare_engine *e)
{
    int index = e->free_head;
    if (index != NONE)
        e->free_head = e->connections[index].next;
    else if (e->used < e->options.connections_max)
        index = (int)e->used++;
    return index;
}

static void begin(struct bare_engine *e, unsigned index, int fd)
{
    e->connections[index] = (struct connection){.fd = fd, .head = NONE, .tail = NONE};
    count(&e->counters.connections, 1);
    arm(e, index);
}

/* A connection accepted by the ring: a descriptor, or a slot of its own table. */
static int add_accepted(struct bare_engine *e, int fd)
{
    int index = take_record(e);
    if (index == NONE)
        return -ENFILE;
    begin(e, (unsigned)index, fd);
    return 0;
}

int bare_engine_add(struct bare_engine *e, int fd)
{
    int index = take_record(e);
    if (index == NONE)
        return -ENFILE;
    if (!e->options.direct) {
        begin(e, (unsigned)index, fd);
        return 0;
    }
    struct io_uring_files_update update = {.offset = (unsigned)index,
                                           .fds = (uint64_t)(uintptr_t)&fd};
    if (syscall(__NR_io_uring_register, e->ring.fd, IORING_REGISTER_FILES_UPDATE, &update, 1) < 0)
        return -errno;
    close(fd);
    begin(e, (unsigned)index, index);
    return 0;
}

static void *reserve(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static int prepare(struct bare_engine *e)
{
    const struct bare_options *o = &e->options;
    size_t chunks = o->multishot ? o->buffer_count : (size_t)o->connections_max * 2;
    e->buffers_size = chunks * o->buffer_size;
    e->chunks_size = chunks * sizeof(struct chunk);
    e->connections_size = o->connections_max * sizeof(struct connection);
    e->buffers = reserve(e->buffers_size);
    e->chunks = reserve(e->chunks_size);
    e->connections = reserve(e->connections_size);
    if (!e->buffers || !e->chunks || !e->connections)
        return -ENOMEM;
    int error = bare_ring_open(&e->ring, &o->ring);
    if (error)
        return error;
    if (o->direct) {
        struct io_uring_rsrc_register table = {.nr = o->connections_max,
                                               .flags = IORING_RSRC_REGISTER_SPARSE};
        if (syscall(__NR_io_uring_register, e->ring.fd, IORING_REGISTER_FILES2, &table,
                    sizeof table) < 0)
            return -errno;
    }
    return o->multishot ? offer_all(e) : 0;
}

struct bare_engine *bare_engine_open(const struct bare_options *options, int *error)
{
    struct bare_engine *e = calloc(1, sizeof *e);
    *error = -ENOMEM;
    if (!e)
        return NULL;
    e->options = *options;
    e->ring.fd = NONE;
    e->free_head = e->paused_head = NONE;
    *error = prepare(e);
    if (*error) {
        bare_engine_close(e);
        return NULL;
    }
    return e;
}

/* Memory goes only after the ring has gone; the kernel tears a ring down a little later than its
 * close, so what it might still write to is left mapped when requests are in flight. */
void bare_engine_close(struct bare_engine *e)
{
    if (!e)
        return;
    bool idle = e->used == 0;
    for (unsigned i = 0; i < e->used; i++)
        if (!e->options.direct && e->connections[i].fd != NONE)
            close(e->connections[i].fd);
    if (e->ring.fd != NONE)
        bare_ring_close(&e->ring);
    if (e->buffers && idle)
        munmap(e->buffers, e->buffers_size);
    if (e->buffer_ring && idle)
        munmap(e->buffer_ring, e->options.buffer_count * sizeof(struct io_uring_buf));
    if (e->chunks)
        munmap(e->chunks, e->chunks_size);
    if (e->connections)
        munmap(e->connections, e->connections_size);
    free(e);
}

const struct engine_counters *bare_engine_counters(const struct bare_engine *engine)
{
    return &engine->counters;
}
