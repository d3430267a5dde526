/*
 * The programs of libFuzzer: bytes as they come.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size > PROGRAM_SIZE_MAX)
        return -1;
    run_program(bytes, size);
    return 0;
}
