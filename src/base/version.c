/*
 * The version of the running library. No state; any thread.
 */
#include <weft/version.h>

const char *weft_version(void)
{
    return WEFT_VERSION_STRING;
}
