/*
 * Histogram of times: how many were at most so long. Its buckets are fixed and the same for all, so that it
 * is a few numbers whatever happens, and two relays' can be added up.
 */
#ifndef LM_COMMON_HISTOGRAM_H
#define LM_COMMON_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

/* The longest time of each bucket, in ms; what is longer still goes into one more. */
#define LM_HISTOGRAM_BOUNDS(X) \
    X(1) X(2) X(5) X(10) X(25) X(50) X(100) X(250) X(500) X(1000) X(2500) X(5000) X(10000) X(30000)

#define LM_X(ms) +1
enum { LM_HISTOGRAM_BUCKETS = 1 LM_HISTOGRAM_BOUNDS(LM_X) };
#undef LM_X

/* Zero-initialise. Counters only grow. */
typedef struct lm_histogram {
    uint64_t buckets[LM_HISTOGRAM_BUCKETS]; /* times in each bucket alone; the last has no bound */
    uint64_t sum;                           /* of all times, in whole ms */
    uint64_t rest;                          /* of the sum that makes no ms yet, in us */
} lm_histogram;

/* The bound of a bucket in ms; LM_MS_NEVER for the last one. */
static inline lm_ms lm_histogram_bound(size_t bucket)
{
    static const lm_ms bounds[LM_HISTOGRAM_BUCKETS] = {
#define LM_X(ms) ms,
        LM_HISTOGRAM_BOUNDS(LM_X)
#undef LM_X
            LM_MS_NEVER};
    return bounds[bucket];
}

/* Puts a time into the first bucket that it fits. */
static inline void lm_histogram_count_in(lm_histogram *histogram, lm_ms time)
{
    size_t bucket = 0;
    while (time > lm_histogram_bound(bucket))
        bucket++;
    histogram->buckets[bucket]++;
}

/* Takes in the time from `from` to `to`; a clock that ran backwards counts as 0. */
static inline void lm_histogram_add(lm_histogram *histogram, lm_ms from, lm_ms to)
{
    lm_ms time = to > from ? to - from : 0;
    lm_histogram_count_in(histogram, time);
    histogram->sum += time;
}

/* Takes in a time in us, up to about 500,000 years. What is 1 us over a bound is over it. */
static inline void lm_histogram_add_us(lm_histogram *histogram, uint64_t us)
{
    lm_histogram_count_in(histogram, us / 1000 + (us % 1000 != 0));
    histogram->rest += us;
    histogram->sum += histogram->rest / 1000;
    histogram->rest %= 1000;
}

/* How many times it has taken in. */
static inline uint64_t lm_histogram_count(const lm_histogram *histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; i < LM_HISTOGRAM_BUCKETS; i++)
        count += histogram->buckets[i];
    return count;
}

#endif
