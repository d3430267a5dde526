/* names/told.c - an error of the network's that has the name of one of the caller's. */
#include <errno.h>

#include "names/resolver.h"

#define LONG_ENOUGH_NS INT64_C(3600000000000)

static int fails(void *arg)
{
    return *(const int *)arg;
}

/* What a scope says of a child that has failed is nobody's refusal of the caller. */
static int of_a_child(int error)
{
    weft_scope scope;
    int refused = weft_scope_open(&scope, NULL), said;

    if (refused < 0)
        return error;
    refused = weft_spawn(&scope, fails, &error, sizeof error, NULL);
    said = weft_scope_close(&scope);
    return refused < 0 ? error : said;
}

int weft__names_told(int error)
{
    weft_scope shield;

    if (error != -ETIMEDOUT || weft_shield_open(&shield, weft_after_ns(LONG_ENOUGH_NS)) < 0)
        return error;
    error = of_a_child(error);
    (void)weft_scope_close(&shield);
    return error;
}
