/*
 * What the tests of watched files share: the watch, and a run with a folder that it looks at.
 */
#ifndef WEFT_TESTS_API_WATCH_H
#define WEFT_TESTS_API_WATCH_H

#include "support/file.h"

static weft_watch *watch;

static inline void run(weft_task_fn fn)
{
    file_run(fn);
}

static inline void begin(void)
{
    same(weft_watch_open(&watch), 0);
}

static inline void end(void)
{
    same(weft_watch_close(watch), 0);
    watch = NULL;
}

#endif
