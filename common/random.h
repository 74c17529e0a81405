/* Randomness as an argument, so that a simulation can repeat a run from its seed. */
#ifndef LM_COMMON_RANDOM_H
#define LM_COMMON_RANDOM_H

#include <stddef.h>

#include "common/api.h"

typedef struct lm_random {
    void (*fill)(void *ctx, void *buf, size_t len); /* writes len random bytes; never fails */
    void *ctx;
} lm_random;

static inline void lm_random_fill(const lm_random *random, void *buf, size_t len)
{
    random->fill(random->ctx, buf, len);
}

/* The operating system's generator, by libsodium; call sodium_init() first. */
LM_API lm_random lm_random_system(void);

#endif
