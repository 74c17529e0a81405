/*
 * Token bucket: `rate` tokens a second, at most `burst` saved up. Counts in thousandths, so that slow rates
 * lose nothing.
 */
#ifndef LM_COMMON_TOKEN_BUCKET_H
#define LM_COMMON_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

typedef struct lm_token_bucket {
    uint64_t milli_tokens; /* thousandths of a token */
    lm_ms updated;
} lm_token_bucket;

/* Starts full. */
static inline void lm_token_bucket_init(lm_token_bucket *bucket, uint32_t burst, lm_ms now)
{
    bucket->milli_tokens = (uint64_t)burst * 1000;
    bucket->updated = now;
}

static inline void lm_token_bucket_refill(lm_token_bucket *bucket, uint32_t rate, uint32_t burst, lm_ms now)
{
    uint64_t full = (uint64_t)burst * 1000;
    uint64_t elapsed = now > bucket->updated ? now - bucket->updated : 0;
    bucket->updated = now;
    if (rate > 0 && elapsed > full / rate)
        bucket->milli_tokens = full;
    else
        bucket->milli_tokens += elapsed * rate;
    if (bucket->milli_tokens > full)
        bucket->milli_tokens = full;
}

/* Takes `count` tokens if there are so many. rate 0 means no limit: always true. */
static inline bool lm_token_bucket_take_many(lm_token_bucket *bucket, uint32_t count, uint32_t rate,
                                             uint32_t burst, lm_ms now)
{
    if (rate == 0)
        return true;
    lm_token_bucket_refill(bucket, rate, burst, now);
    if (bucket->milli_tokens < (uint64_t)count * 1000)
        return false;
    bucket->milli_tokens -= (uint64_t)count * 1000;
    return true;
}

/* Takes a token if there is one. rate 0 means no limit: always true. */
static inline bool lm_token_bucket_take(lm_token_bucket *bucket, uint32_t rate, uint32_t burst, lm_ms now)
{
    return lm_token_bucket_take_many(bucket, 1, rate, burst, now);
}

/* True when the bucket has filled up again, so that forgetting it changes nothing. */
static inline bool lm_token_bucket_full(const lm_token_bucket *bucket, uint32_t rate, uint32_t burst,
                                        lm_ms now)
{
    lm_token_bucket copy = *bucket;
    lm_token_bucket_refill(&copy, rate, burst, now);
    return rate == 0 || copy.milli_tokens == (uint64_t)burst * 1000;
}

#endif
