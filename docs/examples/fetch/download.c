/* fetch: one download. Its bytes go to NAME.part, which becomes NAME when it is whole; what is
   there already is not asked for again, unless the file has changed since. */
#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* -- names ------------------------------------------------------------------------------------- */

bool download_name(struct download *download, const char *name)
{
    size_t length;

    if (!name) { /* the last part of the path, without query and fragment */
        const char *begin = strstr(download->url, "://");
        begin = strchr(begin ? begin + 3 : download->url, '/');
        if (!begin)
            return false;
        length = strcspn(begin, "?#");
        while (length > 0 && begin[length - 1] == '/')
            length--;
        name = begin + length;
        while (name > begin && name[-1] != '/')
            name--;
        length = (size_t)(begin + length - name);
    } else {
        length = strlen(name);
    }
    if (length == 0 || length >= NAME_SIZE || memchr(name, '/', length) || name[0] == '.')
        return false;
    snprintf(download->name, sizeof download->name, "%.*s", (int)length, name);
    snprintf(download->part, sizeof download->part, "%s.part", download->name);
    snprintf(download->mark, sizeof download->mark, "%s.mark", download->name);
    return true;
}

/* -- libcurl's callbacks, on the loop: nothing here may wait
 * --------------------------------------- */

/* The value of a line that is this header's, without what surrounds it; or `value` stays. */
static void take_header(const char *line, const char *name, char value[STATE_SIZE])
{
    size_t length = strlen(name);

    if (strncasecmp(line, name, length) != 0)
        return;
    line += length + strspn(line + length, " \t");
    length = strcspn(line, "\r\n");
    if (!line[length]) /* too long for us, and cut off */
        return;
    while (length > 0 && line[length - 1] == ' ')
        length--;
    snprintf(value, STATE_SIZE, "%.*s", length < STATE_SIZE ? (int)length : 0, line);
}

static size_t on_header(char *line, size_t one, size_t count, void *arg)
{
    struct download *download = arg;
    long long start, size;
    char text[STATE_SIZE + 32], range[STATE_SIZE] = "";

    snprintf(text, sizeof text, "%.*s", (int)(one * count), line);
    if (strncasecmp(text, "HTTP/", 5) == 0) { /* a further answer: what the last one said is void */
        download->range_start = download->range_size = -1;
        download->tag[0] = download->modified[0] = download->date[0] = '\0';
    }
    take_header(text, "etag:", download->tag);
    take_header(text, "last-modified:", download->modified);
    take_header(text, "date:", download->date);
    take_header(text, "content-range:", range);
    if (sscanf(range, "bytes %lld-%*d/%lld", &start, &size) == 2)
        download->range_start = start, download->range_size = size;
    else if (sscanf(range, "bytes */%lld", &size) == 1)
        download->range_size = size;
    return one * count;
}

/* By what the state of the file that is answered with can be asked for again: a strong ETag, or a
   date that is old enough not to have two states (RFC 9110, sections 8.8 and 13.1.5). */
static const char *state_of_answer(const struct download *download)
{
    time_t then = curl_getdate(download->modified, NULL), now = curl_getdate(download->date, NULL);

    if (download->tag[0])
        return download->tag[0] == '"' ? download->tag : "";
    return then >= 0 && then + 60 <= now ? download->modified : "";
}

static bool too_large(struct download *download, int64_t size)
{
    char limit[16];

    if (download->fetch->size_max == 0 || size <= download->fetch->size_max)
        return false;
    snprintf(download->reason, sizeof download->reason, "larger than the limit of %s",
             progress_amount(limit, download->fetch->size_max));
    download->code = -EFBIG;
    return true;
}

/* The first bytes of the body: from where on does the server send? */
static bool body_begins(struct download *download)
{
    curl_off_t length = -1;
    long status = 0;

    download->body = true;
    curl_easy_getinfo(download->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(download->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    download->anew = status != 206; /* the whole of it, whatever was asked for */
    if (download->anew)
        download->have = 0;
    else if (download->range_start != download->offset)
        return false;
    download->changed = !download->anew && download->state_of_part[0] &&
                        state_of_answer(download)[0] &&
                        strcmp(download->state_of_part, state_of_answer(download)) != 0;
    if (download->changed) /* and the server knows nothing of If-Range */
        return false;
    download->size = status == 206 ? download->range_size : length;
    return !too_large(download, download->size);
}

static size_t on_body(char *bytes, size_t one, size_t count, void *arg)
{
    struct download *download = arg;
    struct half *half = &download->halves[download->filling];
    size_t size = one * count;

    if (!download->body && !body_begins(download))
        return 0; /* which is an error to libcurl */
    if (half->count + size > BUFFER_SIZE) {
        download->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (too_large(download, download->have + (int64_t)size))
        return 0;
    memcpy(half->bytes + half->count, bytes, size);
    half->count += size;
    download->have += (int64_t)size;
    (void)weft_event_set(&download->news);
    return size;
}

static CURL *prepare(struct download *download)
{
    CURL *easy = curl_easy_init();
    char text[STATE_SIZE + 32];

    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_URL, download->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L); /* bytes a second, */
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, 60L); /* for so long */
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, download->why);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, download);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, download);
    if (download->fetch->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, download->fetch->ca_file);
    if (download->offset > 0) {
        snprintf(text, sizeof text, "%lld-", (long long)download->offset);
        curl_easy_setopt(easy, CURLOPT_RANGE, text);
    }
    if (download->offset > 0 &&
        download->state_of_part[0]) { /* else all of it, from the beginning */
        snprintf(text, sizeof text, "If-Range: %s", download->state_of_part);
        download->headers = curl_slist_append(NULL, text);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, download->headers);
    }
    return easy;
}

/* -- one attempt ------------------------------------------------------------------------------- */

static int transfer_main(void *arg)
{
    struct download *download = *(struct download **)arg;
    int code = curl_bridge_perform(&download->fetch->bridge, download->easy);

    if (download->code == 0)
        download->code = code;
    download->over = true;
    (void)weft_event_set(&download->news);
    return 0;
}

/* -- which state of the file the part is of ---------------------------------------------------- */

static int write_mark(const struct download *download)
{
    int directory = download->fetch->directory;
    size_t length = strlen(download->state_of_part);
    int file, error;

    if (length == 0) {
        error = weft_unlinkat(directory, download->mark, 0);
        return error == -ENOENT ? 0 : error;
    }
    file = weft_openat(directory, download->mark, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file < 0)
        return file;
    error = (int)weft_pwrite_all(file, download->state_of_part, length, 0, NULL);
    weft_close(file);
    return error < 0 ? error : 0;
}

/* What is no header's value is none of ours. */
static void read_mark(struct download *download)
{
    int file = weft_openat(download->fetch->directory, download->mark, O_RDONLY, 0);
    char *state = download->state_of_part;
    ssize_t n = file < 0 ? 0 : weft_pread(file, state, STATE_SIZE - 1, 0);

    if (file >= 0)
        weft_close(file);
    state[n > 0 ? n : 0] = '\0';
    for (const char *c = state; *c; c++)
        if (*c < ' ' || *c > '~')
            state[0] = '\0';
}

/* The part is to be of the state that is answered with now. No byte of one stands beside the
   other's mark, whenever this ends. */
static int begin_anew(struct download *download)
{
    int error = weft_ftruncate(download->file, 0);

    if (error < 0)
        return error;
    download->written = 0;
    download->anew = false;
    snprintf(download->state_of_part, STATE_SIZE, "%s", state_of_answer(download));
    return write_mark(download);
}

/* -- one attempt, the task's part -------------------------------------------------------------- */

/* Writes the half that libcurl has filled, while it fills the other. */
static int write_half(struct download *download)
{
    struct half *half = &download->halves[download->filling];
    ssize_t n;

    if (download->anew) {
        int error = begin_anew(download);
        if (error < 0)
            return error;
    }
    download->filling = !download->filling;
    if (download->paused) {
        download->paused = false;
        curl_bridge_resume(download->easy);
    }
    n = weft_pwrite_all(download->file, half->bytes, half->count, download->written, NULL);
    if (n < 0)
        return (int)n;
    download->written += n;
    half->count = 0;
    return 0;
}

static int write_all(struct download *download)
{
    while (!download->over || download->halves[download->filling].count > 0) {
        int error = 0;

        if (download->halves[download->filling].count > 0)
            error = write_half(download);
        else if (weft_event_clear(&download->news) >= 0)
            error = weft_event_wait(&download->news);
        if (error < 0)
            return error;
    }
    return 0;
}

/* A CURLcode or a negative errno. */
static int attempt(struct download *download)
{
    const struct weft_spawn_opt opt = {.size = sizeof opt, .name = download->name};
    int error = 0;

    download->offset = download->have = download->written;
    download->body = download->paused = download->over = download->anew = download->changed = false;
    download->headers = NULL;
    download->filling = download->code = 0;
    download->halves[0].count = download->halves[1].count = 0;
    download->why[0] = download->reason[0] = '\0';
    download->easy = prepare(download);
    if (!download->easy)
        return -ENOMEM;
    WEFT_SCOPE(transfer) {
        error = weft_spawn(&transfer, transfer_main, &download, sizeof download, &opt);
        if (error == 0)
            error = write_all(download);
        if (error < 0) /* the disk, or a cancellation: nobody takes what comes */
            weft_scope_cancel(&transfer);
    }
    curl_easy_cleanup(download->easy);
    curl_slist_free_all(download->headers);
    return error < 0 ? error : download->code;
}

/* -- until it is whole ------------------------------------------------------------------------- */

static bool may_pass(int code)
{
    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return true;
    default:
        return false;
    }
}

/* What an attempt has come to. Asked for more than there is, the server says how much there is. */
static int judge(struct download *download, int code)
{
    if (code == CURLE_HTTP_RETURNED_ERROR && download->offset > 0) {
        if (download->range_size == download->offset) {
            download->size = download->offset; /* it was whole */
            return 0;
        }
        download->written = 0; /* what is there is of something else */
        return CURLE_PARTIAL_FILE;
    }
    if (download->changed) {
        download->written = 0;
        return CURLE_PARTIAL_FILE;
    }
    if (code == 0 && !download->body)
        download->written = download->size = 0; /* an empty file, whatever was there */
    if (code == 0 && download->size >= 0 && download->written != download->size) {
        snprintf(download->reason, sizeof download->reason, "%lld bytes, and the server said %lld",
                 (long long)download->written, (long long)download->size);
        return CURLE_PARTIAL_FILE;
    }
    return code;
}

static int attempts(struct download *download)
{
    int code, tries = 0;

    for (;;) {
        code = judge(download, attempt(download));
        if (!may_pass(code) || tries++ >= download->fetch->retries)
            return code;
        if (weft_sleep(INT64_C(100000000) << (tries < 6 ? tries : 6)) < 0)
            return -ECANCELED;
    }
}

static int open_part(struct download *download)
{
    int directory = download->fetch->directory;
    struct statx status = {.stx_size = 0};
    int error;

    download->file = weft_openat(directory, download->part, O_WRONLY | O_CREAT, 0644);
    if (download->file < 0)
        return download->file;
    error = weft_statx(directory, download->part, 0, STATX_SIZE, &status);
    download->written = download->have = (int64_t)status.stx_size;
    if (download->written > 0)
        read_mark(download);
    return error;
}

/* The file under its name, on the disk. */
static int finish(struct download *download)
{
    int directory = download->fetch->directory;
    int error = weft_ftruncate(download->file, download->written);

    if (error == 0)
        error = weft_fdatasync(download->file);
    if (error == 0)
        error = weft_renameat(directory, download->part, directory, download->name);
    if (error == 0)
        weft_unlinkat(directory, download->mark, 0);
    return error;
}

static int run(struct download *download)
{
    int code = open_part(download);

    if (code < 0)
        return code;
    download->halves[0].bytes = malloc(2 * (size_t)BUFFER_SIZE);
    download->halves[1].bytes = download->halves[0].bytes + BUFFER_SIZE;
    code = download->halves[0].bytes ? attempts(download) : -ENOMEM;
    if (code == 0)
        code = finish(download);
    free(download->halves[0].bytes);
    weft_close(download->file);
    if (code != 0 && download->written == 0)
        WEFT_SHIELD(weft_after_ms(1000)) { /* nothing to go on from */
            weft_unlinkat(download->fetch->directory, download->part, 0);
            weft_unlinkat(download->fetch->directory, download->mark, 0);
        }
    return code;
}

static void tell(struct download *download, int code)
{
    char amount[16];

    if (code == 0) {
        download->state = DONE;
        download->fetch->done++;
        download->size = download->have = download->written;
        progress_say(download->fetch, "done    %s  %s", download->name,
                     progress_amount(amount, download->size));
        return;
    }
    download->state = FAILED;
    download->fetch->failed++;
    progress_say(download->fetch, "failed  %s: %s", download->name,
                 download->reason[0]  ? download->reason
                 : download->why[0]   ? download->why
                 : code > 0           ? curl_easy_strerror((CURLcode)code)
                 : code == -ETIMEDOUT ? "it took too long"
                 : code == -ECANCELED ? "interrupted; started again, it goes on from there"
                                      : strerror(-code));
}

int download_main(void *arg)
{
    struct download *download = *(struct download **)arg;
    int64_t limit_ns = download->fetch->limit_ns;
    weft_scope scope;
    struct weft_scope_opt opt = {.size = sizeof opt,
                                 .deadline = limit_ns ? weft_after_ns(limit_ns) : WEFT_NEVER};
    int code, error = weft_scope_open(&scope, &opt);

    if (error < 0)
        return error;
    download->state = RUNNING;
    code = run(download);
    error = weft_scope_close(&scope);
    if (error == -ETIMEDOUT && code < 0)
        code = error;
    tell(download, code);
    return 0;
}
