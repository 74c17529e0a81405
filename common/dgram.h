/* A datagram with both its ends, borrowed for the length of a call. */
#ifndef LM_COMMON_DGRAM_H
#define LM_COMMON_DGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

typedef struct lm_dgram {
    lm_addr remote;      /* where it came from, or where it goes */
    lm_addr local;       /* the address of ours that it came to, or that it has to leave from */
    const uint8_t *data; /* borrowed */
    size_t len;          /* bytes */
} lm_dgram;

#endif
