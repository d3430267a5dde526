/*
 * A program of somebody else's, in C: what a consumer project builds. Runs one task and prints what
 * it gave, after the versions of header and library have been found equal.
 */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

static int hello(void *arg)
{
    int error = weft_yield();

    return error < 0 ? error : *(const int *)arg + 1;
}

int main(void)
{
    int number = 41;
    int result = weft_run(hello, &number, sizeof number, NULL);

    if (strcmp(weft_version(), WEFT_VERSION_STRING) != 0)
        return 2;
    printf("weft %s: %d\n", weft_version(), result);
    return result == 42 ? 0 : 1;
}
