/*
 * libFuzzer's bytes as the script of a peer. What is accepted is held to what a script is: times
 * that lie ahead, texts within the script's own, an address of a kind there is.
 */
#include "sim/net_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool right)
{
    if (!right)
        abort();
}

static void check_address(const struct weft__net_script *script)
{
    int family = script->address.ss_family;

    must(family == AF_INET || family == AF_INET6 || family == AF_UNIX);
    must(script->length > sizeof(sa_family_t) && script->length <= sizeof(struct sockaddr_un));
}

/* One behind the other, to the last byte. */
static void check_texts(const struct weft__net_script *script)
{
    const char *at = script->text;

    for (uint32_t i = 0; i < script->step_count; i++) {
        const struct weft__net_step *step = &script->steps[i];
        if (step->text) {
            must(step->kind == WEFT__NET_STEP_SEND && step->text == at);
            must(step->size <= script->text_size - (size_t)(at - script->text));
            at += step->size;
        }
    }
    must(at == script->text + script->text_size && script->text_size < sizeof script->text);
}

static void check_steps(const struct weft__net_script *script)
{
    must(script->step_count <= WEFT__NET_STEPS_MAX);
    for (uint32_t i = 0; i < script->step_count; i++) {
        const struct weft__net_step *step = &script->steps[i];
        must(step->kind >= WEFT__NET_STEP_SEND && step->kind <= WEFT__NET_STEP_HOLD);
        must(step->time_ns >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct weft__net_script script;
    char *text = calloc(1, size + 1);
    int error;

    must(text != NULL);
    if (size > 0)
        memcpy(text, bytes, size);
    error = weft__net_script_parse(&script, text);
    must(error == 0 || error == -EINVAL);
    if (error == 0) {
        must(script.refs == 1 && script.count > 0);
        must(script.every_ns >= 0 && script.after_ns >= 0);
        check_address(&script);
        check_texts(&script);
        check_steps(&script);
    }
    free(text);
    return 0;
}
