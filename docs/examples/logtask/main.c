/* logtask [ADDRESS [FILE]]: the server of server.h, by default at 127.0.0.1:7000, logging to
   server.log. */
#include "server.h"

#include <stdio.h>
#include <string.h>

static void complain(const char *why)
{
    fprintf(stderr, "logtask: lines of the log are dropped: %s\n", why);
}

int main(int argc, char **argv)
{
    struct server server = {.address = argc > 1 ? argv[1] : "127.0.0.1:7000",
                            .path = argc > 2 ? argv[2] : "server.log",
                            .complain = complain},
                  *pointer = &server;
    char why[512] = "";
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = 1,
                               .stop_on_sigterm = true,
                               .error_text = why,
                               .error_text_size = sizeof why};
    int result = weft_run(serve, &pointer, sizeof(void *), &opt);

    printf("%llu lines written, %llu dropped\n", (unsigned long long)server.log.written,
           (unsigned long long)server.log.dropped);
    if (result < 0)
        fprintf(stderr, "logtask: %s\n", why[0] ? why : strerror(-result));
    return result < 0;
}
