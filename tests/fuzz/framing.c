/*
 * libFuzzer's bytes as a text and what is read of it: up to delimiters, by lines, in pieces and by
 * views; of a stream, to which it comes in pieces, and of a file. Each answer is compared with what
 * a plain search of the whole text says.
 *
 *     byte 0    the world, and how much is written at a time
 *     byte 1    how many reads there are
 *     then for each of them, three bytes: how, by which delimiter, and how many bytes at most
 *     the rest  the text, in few letters, so that delimiters begin often
 */
#include <weft/sim.h>
#include <weft/weft.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool right)
{
    if (!right)
        abort();
}

enum { READS = 40, TEXT_MAX = 40000, LONG_RUN = 4090, CANARY = 0x5a };
enum how { UNTIL, LINE, PIECE, VIEW, HOWS };

struct reading {
    enum how how;
    char delimiter[4];
    size_t delimiter_size;
    size_t most;
};

static struct {
    struct reading reads[READS];
    int count;
    char text[TEXT_MAX];
    size_t size, step;
} input;

/* -- what must come ---------------------------------------------------------------------------- */

static const char *rest(size_t at)
{
    return input.text + at;
}

/* How many bytes do not begin a delimiter that is still to end. */
static size_t passed(size_t at, const struct reading *r)
{
    size_t left = input.size - at, begun = 0;

    for (; begun < left; begun++)
        if (left - begun < r->delimiter_size &&
            memcmp(rest(at) + begun, r->delimiter, left - begun) == 0)
            break;
    return begun;
}

/* A stream may wait for the end before it is too far: as long as the delimiter may yet end in time.
   A file has looked at all that there is room for. */
static ssize_t expected_until(size_t at, const struct reading *r, bool of_stream)
{
    size_t left = input.size - at,
           looked = of_stream ? passed(at, r) + r->delimiter_size : left + 1;
    const char *hit = memmem(rest(at), left, r->delimiter, r->delimiter_size);
    size_t end = hit ? (size_t)(hit - rest(at)) + r->delimiter_size : 0;

    if (hit)
        return end > r->most ? -EMSGSIZE : (ssize_t)end;
    return looked > r->most ? -EMSGSIZE : -ENODATA;
}

/* -- reading ----------------------------------------------------------------------------------- */

struct source {
    weft_stream *stream; /* or */
    weft_file *file;
    size_t at; /* bytes read of it */
};

static ssize_t read_until(struct source *from, const struct reading *r, char *buffer)
{
    if (r->how == LINE)
        return from->stream ? weft_stream_read_line(from->stream, buffer, r->most + 1, 0)
                            : weft_file_read_line(from->file, buffer, r->most + 1);
    return from->stream
               ? weft_stream_read_until(from->stream, r->delimiter, r->delimiter_size, buffer,
                                        r->most, 0)
               : weft_file_read_until(from->file, r->delimiter, r->delimiter_size, buffer, r->most);
}

static void check_until(struct source *from, const struct reading *r, char *buffer)
{
    ssize_t n = read_until(from, r, buffer);

    must(n == expected_until(from->at, r, from->stream != NULL));
    if (n < 0)
        return;
    must(memcmp(buffer, rest(from->at), (size_t)n) == 0);
    must(buffer[n] == (r->how == LINE ? '\0' : CANARY));
    from->at += (size_t)n;
}

static void check_piece(struct source *from, const struct reading *r, char *buffer)
{
    size_t left = input.size - from->at;
    ssize_t n = from->stream ? weft_stream_read(from->stream, buffer, r->most, 0)
                             : weft_file_read(from->file, buffer, r->most);

    must(n >= 0 && (size_t)n <= r->most && (size_t)n <= left);
    must(n > 0 || r->most == 0 || left == 0);
    must(memcmp(buffer, rest(from->at), (size_t)n) == 0);
    must(buffer[n] == CANARY);
    from->at += (size_t)n;
}

static void check_view(struct source *from, const struct reading *r)
{
    size_t left = input.size - from->at, size = 0, take;
    const void *data;
    int result = from->stream ? weft_stream_peek(from->stream, &data, &size, 0)
                              : weft_file_peek(from->file, &data, &size);

    must(result == (left > 0));
    if (result == 0)
        return;
    must(size > 0 && size <= left && memcmp(data, rest(from->at), size) == 0);
    take = r->most < size ? r->most : size;
    must((from->stream ? weft_stream_consume(from->stream, take)
                       : weft_file_consume(from->file, take)) == 0);
    from->at += take;
}

static void read_all(struct source *from)
{
    static char buffer[TEXT_MAX + 2];

    for (int i = 0; i < input.count; i++) {
        const struct reading *r = &input.reads[i];
        memset(buffer, CANARY, sizeof buffer);
        if (r->how == PIECE)
            check_piece(from, r, buffer);
        else if (r->how == VIEW)
            check_view(from, r);
        else
            check_until(from, r, buffer);
    }
}

/* -- the world ----------------------------------------------------------------------------------
 */

static int writes(void *arg)
{
    int fd = *(int *)arg;

    for (size_t at = 0; at < input.size; at += input.step) {
        size_t part = input.size - at < input.step ? input.size - at : input.step;
        if (weft_send_all(fd, rest(at), part, NULL) < 0) /* the reader has had enough */
            break;
        must(weft_yield() == 0);
    }
    return weft_close(fd);
}

static void from_stream(void)
{
    int listener = weft_listen_tcp("unix:@text", NULL), here, there;
    struct source from = {.at = 0};

    there = weft_connect_tcp("unix:@text", NULL);
    here = weft_accept(listener, NULL, NULL, 0);
    must(listener >= 0 && there >= 0 && here >= 0);
    must(weft_stream_open(here, NULL, &from.stream) == 0);
    must(weft_create_task(writes, &there, sizeof there, NULL) == 0);
    read_all(&from);
    must(weft_stream_close(from.stream) == 0);
    must(weft_close(listener) == 0);
}

static void from_file(void)
{
    int fd = weft_open("/tmp/text", O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct source from = {.at = 0};

    must(fd >= 0 && weft_write_all(fd, input.text, input.size, NULL) == (ssize_t)input.size);
    must(weft_close(fd) == 0);
    must(weft_file_open("/tmp/text", O_RDONLY, 0, NULL, &from.file) == 0);
    read_all(&from);
    must(weft_file_tell(from.file) == (int64_t)from.at);
    must(weft_file_close(from.file) == 0);
}

static int reads(void *arg)
{
    (void)arg;
    from_stream();
    from_file();
    return 0;
}

static int in_world(void *arg)
{
    return weft_run(reads, arg, 0, NULL);
}

/* -- the bytes ----------------------------------------------------------------------------------
 */

static const char letters[] = "ab\n\0";

static struct reading reading_of(const uint8_t bytes[3])
{
    struct reading r = {.how = (enum how)(bytes[0] % HOWS), .most = bytes[2]};

    if (bytes[0] & 64)
        r.most *= 64;
    r.delimiter_size = r.how == LINE ? 1 : 1 + (bytes[0] >> 2) % sizeof r.delimiter;
    for (size_t i = 0; i < r.delimiter_size; i++)
        r.delimiter[i] = r.how == LINE ? '\n' : letters[bytes[1] >> 2 * i & 3];
    return r;
}

/* Three letters to a byte; a few of them stand for more than a buffer holds. */
static void spell(const uint8_t *bytes, size_t size)
{
    input.size = 0;
    for (size_t i = 0; i < size; i++) {
        size_t runs = bytes[i] >= 0xfc ? LONG_RUN : 1;
        if (input.size + runs + 2 > TEXT_MAX)
            return;
        memset(input.text + input.size, letters[bytes[i] & 3], runs);
        input.size += runs;
        input.text[input.size++] = letters[bytes[i] >> 2 & 3];
        input.text[input.size++] = letters[bytes[i] >> 4 & 3];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct weft_sim_opt opt = {.size = sizeof opt};

    if (size < 2)
        return 0;
    opt.seed = bytes[0];
    opt.plan = bytes[0] & 1 ? "rough net.latency=0" : "calm net.latency=0";
    input.step = bytes[0] & 2 ? TEXT_MAX : 1 + bytes[0] / 4 * 37u;
    input.count = bytes[1] % READS;
    bytes += 2, size -= 2;
    if ((size_t)input.count * 3 > size)
        input.count = (int)(size / 3);
    for (int i = 0; i < input.count; i++)
        input.reads[i] = reading_of(bytes + 3 * i);
    spell(bytes + 3 * input.count, size - 3 * (size_t)input.count);
    if (weft_sim_run(&opt, in_world, NULL, NULL) != 0)
        abort();
    return 0;
}
