/*
 * Version of the headers a program was compiled with. The version of the library it runs with is
 * what weft_version() says.
 */
#ifndef WEFT_VERSION_H
#define WEFT_VERSION_H

#include <weft/base.h>

#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0
#define WEFT_VERSION_STRING "0.1.0"

/* One number to compare with in #if: 0.1.0 is 100, 1.2.3 is 10203. */
#define WEFT_VERSION_NUMBER                                                                        \
    (WEFT_VERSION_MAJOR * 10000 + WEFT_VERSION_MINOR * 100 + WEFT_VERSION_PATCH)

WEFT_BEGIN_DECLS

/*
 * The version of the library that is running, as "major.minor.patch". Never NULL, never freed; any
 * thread may call it at any time, before weft_run too; does not suspend. Since 0.1.
 */
WEFT_API const char *weft_version(void);

WEFT_END_DECLS

#endif
