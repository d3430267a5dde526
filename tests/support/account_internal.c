/*
 * What programs linked with the static library count: the library's own allocations.
 */
#include "base/memory.h"
#include "support/test.h"

size_t test_live_allocations(void)
{
    return weft__alloc_live();
}
