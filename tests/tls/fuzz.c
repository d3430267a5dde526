/*
 * libFuzzer's bytes as what is done to the records of a conversation (tampering.h). Certificates
 * and contexts are made once, and last as long as the program.
 */
#include <stdint.h>
#include <weft/sim.h>

#include "tampering.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static weft_tls_context *client, *server;

/* What Check is to the tests: nobody listens here, and who fails ends. */
void _mark_point(const char *file, int line)
{
    (void)file, (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *what, const char *message, ...)
{
    fprintf(stderr, "%s:%d: %s (%s)\n", file, line, what, message ? message : "");
    abort();
}

struct input {
    const uint8_t *bytes;
    size_t size;
};

static int converse(void *arg)
{
    const struct input *input = arg;

    tamper_with(client, server, input->bytes, input->size);
    return 0;
}

static int in_world(void *arg)
{
    return weft_run(converse, arg, sizeof(struct input), NULL);
}

static void begin(void)
{
    certificates_make();
    server = pair_server(CONTEXT(.certificate_file = server_pem));
    client = pair_client(CONTEXT(.ca_file = ca, .no_resumption = true));
    certificates_remove();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct weft_sim_opt opt = {.size = sizeof opt,
                                            .seed = 1,
                                            .plan = "calm net.latency=0"};
    struct input input = {bytes, size};

    if (!server)
        begin();
    if (weft_sim_run(&opt, in_world, &input, NULL) != 0)
        abort();
    return 0;
}
