/*
 * A program of somebody else's that uses weft::tls: a context is made and ended, which needs
 * OpenSSL to be linked.
 */
#include <stdio.h>
#include <weft/tls.h>
#include <weft/weft.h>

static int context(void *arg)
{
    struct weft_tls_context_opt opt = {.size = sizeof opt, .insecure_no_verification = true};
    weft_tls_context *made;
    int error = weft_tls_client_context(&made, &opt);

    if (error < 0)
        return error;
    weft_tls_context_put(made);
    return *(const int *)arg + 1;
}

int main(void)
{
    int number = 41;
    int result = weft_run(context, &number, sizeof number, NULL);

    printf("weft %s: %d\n", weft_version(), result);
    return result == 42 ? 0 : 1;
}
