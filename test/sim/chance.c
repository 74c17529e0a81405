#include <string.h>

#include "test/sim/world.h"

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

/* xoshiro256** by Blackman and Vigna, from its description. */
static uint64_t draw(sim_world *w)
{
    uint64_t *s = w->random_state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

void sim_seed(sim_world *w, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++)
        w->random_state[i] = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + i * UINT64_C(0xBF58476D1CE4E5B9);
    for (unsigned i = 0; i < 16; i++)
        draw(w);
}

void sim_fill(void *ctx, void *buf, size_t len)
{
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t value = draw(ctx);
        memcpy(out + i, &value, len - i < 8 ? len - i : 8);
    }
}

uint32_t sim_below(sim_world *w, uint32_t n)
{
    return (uint32_t)(draw(w) >> 32) % n;
}

lm_ms sim_travel(sim_world *w)
{
    return w->delay + (w->jitter > 0 ? sim_below(w, w->jitter + 1) : 0);
}
