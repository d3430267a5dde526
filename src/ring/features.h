/*
 * ring/features.h - the mask of optional features, for whatever kernel stands behind the boundary.
 */
#ifndef WEFT_RING_FEATURES_H
#define WEFT_RING_FEATURES_H

#include <stdint.h>

/* The features (WEFT__FEATURE_*) that WEFT_RING_MASK leaves. Any thread. */
uint32_t weft__uring_wanted(void);

#endif
