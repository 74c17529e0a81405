#include "test/support/virtual_time.h"

#include <sys/time.h>

static lm_ms virtual_now;

void virtual_time_set(lm_ms now)
{
    virtual_now = now;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    (void)tz;
    tv->tv_sec = (time_t)(1700000000 + virtual_now / 1000);
    tv->tv_usec = (suseconds_t)(virtual_now % 1000 * 1000);
    return 0;
}
