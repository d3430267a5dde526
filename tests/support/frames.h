/* Functions that keep a frame of their own, called as they are written, whatever the compiler. */
#ifndef WEFT_TESTS_SUPPORT_FRAMES_H
#define WEFT_TESTS_SUPPORT_FRAMES_H

#if __has_attribute(noipa)
#define NOINLINE __attribute__((noinline, noipa))
#else
#define NOINLINE __attribute__((noinline))
#endif

#endif
