/* given: a page is given to three readers, none of whom gets a copy where the kernel can do
   without. It is freed when the last has been told that the kernel has let go of it. */
#include "../tutorials/seconds.h"

enum { READERS = 3, SIZE = 256 * 1024 };

struct page {
    int users;
    char *bytes;
};

static void put(void *arg)
{
    struct page *page = arg;

    if (--page->users > 0)
        return;
    free(page->bytes);
    page->bytes = NULL;
    printf("nobody has the page any more\n");
}

/* The server's half of a connection. */
static int serve(weft_stream *stream, void *arg)
{
    struct page *page = arg;
    ssize_t n;

    page->users++;
    n = weft_stream_write_give(stream, page->bytes, SIZE, NULL, put, page);
    return n < 0 ? (int)n : 0; /* the page may still be on its way: it is put back later */
}

static int read_all(void *arg)
{
    const char *address = arg;
    static char part[65536];
    weft_stream *stream;
    ssize_t n = weft_open_connection(address, NULL, &stream);
    size_t all = 0;

    if (n < 0)
        return (int)n;
    while ((n = weft_stream_read(stream, part, sizeof part, 0)) > 0)
        all += (size_t)n;
    printf("a reader got %zu bytes\n", all);
    weft_stream_close(stream);
    return (int)n;
}

static int work(void *arg)
{
    static struct page page = {.users = 1}; /* ours */
    weft_server *server;
    char address[32];
    int error;

    (void)arg;
    page.bytes = malloc(SIZE);
    if (!page.bytes)
        return -ENOMEM;
    memset(page.bytes, 'x', SIZE);
    error = weft_start_server(&server, "127.0.0.1:0", serve, &page, NULL);
    if (error == 0) {
        snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
        WEFT_SCOPE(readers) {
            for (int i = 0; i < READERS && error == 0; i++)
                error = weft_spawn(&readers, read_all, address, 0, NULL);
        }
        weft_server_close(server);
    }
    put(&page); /* what the kernel still has, the end of the run waits for */
    return error;
}

int main(void)
{
    return run(work);
}
