/*
 * Admission of newcomers: at most `rate` new sessions a second for an address (IPv6: a /64, since one host
 * has as many addresses as it likes), with bursts. Remembers a bounded number of addresses and forgets the
 * one seen longest ago.
 */
#ifndef LM_WEBRTC_ADMISSION_H
#define LM_WEBRTC_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"

/* Addresses remembered at the most; about 100 bytes each. */
#define LM_ADMISSION_ADDRESSES 16384

/* Zero-initialise but for rate and burst; lm_admission_clear() frees. */
typedef struct lm_admission {
    uint32_t rate;  /* new sessions a second and address; 0: no limit */
    uint32_t burst; /* at most so many at once */
    struct lm_admission_entry *entries;
} lm_admission;

/* True when a newcomer from this address may come in now; counts it. Out of memory admits. */
bool lm_admission_take(lm_admission *admission, lm_ms now, const lm_addr *addr);

void lm_admission_clear(lm_admission *admission);

#endif
