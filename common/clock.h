/*
 * Time as the core sees it: a number of milliseconds on a clock that never runs backwards, handed in by the
 * caller. The core never reads a clock.
 */
#ifndef LM_COMMON_CLOCK_H
#define LM_COMMON_CLOCK_H

#include <stdint.h>

typedef uint64_t lm_ms;

/* "No deadline." Greater than every time. */
#define LM_MS_NEVER UINT64_MAX

static inline lm_ms lm_ms_min(lm_ms a, lm_ms b)
{
    return a < b ? a : b;
}

#endif
