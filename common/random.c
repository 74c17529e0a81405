#include "common/random.h"

#include <sodium.h>

static void fill_from_system(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    randombytes_buf(buf, len);
}

lm_random lm_random_system(void)
{
    return (lm_random){.fill = fill_from_system, .ctx = NULL};
}
