#include "test/support/seeded.h"

/* SplitMix64: good enough to draw events. */
uint64_t seeded_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint32_t seeded_draw(uint64_t *state, uint32_t below)
{
    return (uint32_t)(seeded_next(state) % below);
}

static void fill(void *ctx, void *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (uint8_t)seeded_next(ctx);
}

lm_random seeded_random(uint64_t *state)
{
    return (lm_random){.fill = fill, .ctx = state};
}
