/* weft-echo: the echo server of the documentation, the very same file, with counters around it. */
#include <weft/weft.h>

#include "counted.h"

#define weft_run(fn, arg, arg_size, opt) counted_run("weft-echo", fn, arg, arg_size, opt)
#include "../../docs/examples/echo.c"
