/* kv ADDRESS:PORT DIRECTORY [SECONDS]: the key-value server on the machine's own kernel. */
#include "kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kv store;

static int kv_main(void *arg)
{
    char **words = arg;
    double patience_s = words[3] ? atof(words[3]) : 60;
    int error = kv_open(&store, words[2]);

    if (error < 0)
        return error;
    error = kv_serve(&store, words[1], (int64_t)(patience_s * 1e9));
    kv_close(&store);
    return error;
}

int main(int count, char **words)
{
    char why[512] = "";
    struct weft_run_opt opt = {.size = sizeof opt,
                               .stop_on_sigterm = true,
                               .error_text = why,
                               .error_text_size = sizeof why};
    int error;

    if (count != 3 && count != 4) {
        fprintf(stderr, "usage: kv ADDRESS:PORT DIRECTORY [SECONDS]\n");
        return 2;
    }
    error = weft_run(kv_main, words, 0, &opt);
    if (error < 0)
        fprintf(stderr, "kv: %s\n", why[0] ? why : strerror(-error));
    return error < 0;
}
