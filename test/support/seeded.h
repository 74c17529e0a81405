/* Numbers from a seed, the same everywhere and each time. *state is the generator's state, at first the seed.
 */
#ifndef LM_TEST_SEEDED_H
#define LM_TEST_SEEDED_H

#include <stdint.h>

#include "common/random.h"

uint64_t seeded_next(uint64_t *state);

/* A number below `below`. */
uint32_t seeded_draw(uint64_t *state, uint32_t below);

/* Randomness for what takes it as an argument; state is borrowed. */
lm_random seeded_random(uint64_t *state);

#endif
