/*
 * sim/vector.c - requests whose memory is in pieces: READV, WRITEV, and messages.
 *
 * What always holds: the vector is copied when the request is submitted, as the kernel does, so its
 * caller may change it from then on; the memory it names is lent until the completion.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#include "sim/ring_core.h"

enum { PIECES_MAX = 1024, LENGTH_MAX = INT_MAX & ~4095 };

bool weft__sim_is_vector(uint8_t opcode)
{
    return opcode == WEFT__OP_READV || opcode == WEFT__OP_WRITEV || weft__sim_is_message(opcode);
}

/* A piece that is none (nowhere) makes the whole request fail, as it does where nothing was moved
   before it; the kernel would move what comes before. */
int weft__sim_vector_lend(struct weft__sim_request *request)
{
    const struct iovec *vectors = (const void *)(uintptr_t)request->sqe.address;
    uint32_t count = request->sqe.length;
    bool to_write =
        request->sqe.opcode == WEFT__OP_READV || request->sqe.opcode == WEFT__OP_RECVMSG;
    size_t total = 0;

    request->sqe.length = 0;
    if (count > PIECES_MAX)
        return -EINVAL;
    if (count && !weft__sim_is_there((void *)(uintptr_t)vectors, count * sizeof *vectors, false))
        return -EFAULT;
    request->pieces = weft__sim_alloc(count * sizeof *request->pieces);
    for (uint32_t i = 0; i < count; i++) {
        size_t size = vectors[i].iov_len;
        if (size > SSIZE_MAX)
            return -EINVAL;
        size = size < LENGTH_MAX - total ? size : LENGTH_MAX - total;
        if (!weft__sim_is_there(vectors[i].iov_base, size, to_write)) {
            request->nowhere = true;
            continue;
        }
        if (!weft__sim_lend(&request->pieces[i], vectors[i].iov_base, size, to_write))
            weft__sim_end(request->ring->sim, -EFAULT,
                          "memory given to the kernel is not whole: freed, or shorter than said");
        request->piece_count = i + 1;
        total += size;
    }
    request->sqe.length = (uint32_t)total;
    return 0;
}

static uint32_t part_of(const struct weft__sim_lent *piece, uint32_t left)
{
    return piece->size < left ? (uint32_t)piece->size : left;
}

void weft__sim_vector_get(const struct weft__sim_request *request, void *memory, uint32_t length)
{
    unsigned char *to = memory;

    for (uint32_t i = 0; i < request->piece_count && length > 0; i++) {
        const struct weft__sim_lent *piece = &request->pieces[i];
        uint32_t part = part_of(piece, length);
        if (part == 0)
            continue;
        weft__sim_lent_open(piece);
        memcpy(to, piece->memory, part);
        weft__sim_lent_shut(piece);
        to += part;
        length -= part;
    }
}

void weft__sim_vector_put(const struct weft__sim_request *request, const void *memory,
                          uint32_t length)
{
    const unsigned char *from = memory;

    for (uint32_t i = 0; i < request->piece_count && length > 0; i++) {
        const struct weft__sim_lent *piece = &request->pieces[i];
        uint32_t part = part_of(piece, length);
        if (part == 0)
            continue;
        weft__sim_lent_open(piece);
        memcpy(piece->memory, from, part);
        weft__sim_lent_shut(piece);
        from += part;
        length -= part;
    }
}

bool weft__sim_vector_give_back(struct weft__sim_request *request)
{
    bool whole = true;

    for (uint32_t i = 0; i < request->piece_count; i++)
        whole &= weft__sim_give_back(&request->pieces[i]);
    request->piece_count = 0;
    return whole;
}
