/*
 * A program of somebody else's that uses weft::names: an address in numbers is looked up, for which
 * nobody is asked, but which needs the resolver to be linked.
 */
#include <stdio.h>
#include <weft/names.h>
#include <weft/weft.h>

static int look_up(void *arg)
{
    struct weft_name_address address;
    weft_resolver *resolver;
    int count, error = weft_resolver_open(&resolver, NULL);

    if (error < 0)
        return error;
    count = weft_resolve(resolver, "127.0.0.1", AF_INET, &address, 1);
    error = weft_resolver_close(resolver);
    return count != 1 ? count : error < 0 ? error : *(const int *)arg + count;
}

int main(void)
{
    int number = 41;
    int result = weft_run(look_up, &number, sizeof number, NULL);

    printf("weft %s: %d\n", weft_version(), result);
    return result == 42 ? 0 : 1;
}
