/*
 * base/rare.c - which of the rare ways are taken; rare.h lists them. Empty in a plain build.
 */
#include "base/rare.h"

#ifdef WEFT_RARE

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

unsigned weft__rare_ways;

static const struct {
    const char *name;
    unsigned ways;
} known[] = {
    {"yield", WEFT__RARE_YIELD}, {"queue", WEFT__RARE_QUEUE}, {"stack", WEFT__RARE_STACK},
    {"inbox", WEFT__RARE_INBOX}, {"order", WEFT__RARE_ORDER}, {"all", 31},
};

/* At load time: no thread exists yet that could be reading it. */
static __attribute__((constructor)) void read_ways(void)
{
    const char *word = secure_getenv("WEFT_RARE");

    for (; word && *word; word += strspn(word, ",")) {
        size_t length = strcspn(word, ",");
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (strlen(known[i].name) == length && memcmp(known[i].name, word, length) == 0)
                weft__rare_ways |= known[i].ways;
        word += length;
    }
}

#endif
