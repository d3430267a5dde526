/*
 * A program of somebody else's, in C++: the same as main.c.
 */
#include <cstdio>
#include <cstring>
#include <weft/weft.h>

static int hello(void *arg)
{
    int error = weft_yield();

    return error < 0 ? error : *static_cast<const int *>(arg) + 1;
}

int main()
{
    int number = 41;
    int result = weft_run(hello, &number, sizeof number, nullptr);

    if (std::strcmp(weft_version(), WEFT_VERSION_STRING) != 0)
        return 2;
    std::printf("weft %s: %d\n", weft_version(), result);
    return result == 42 ? 0 : 1;
}
