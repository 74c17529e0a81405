/*
 * Tombstones: clients whose session is over. A client key (lm_ice_lite_client_key()) names one attempt of a
 * browser to connect, with one DTLS connection; once that is gone nothing can come of its checks any more.
 * Browsers go on checking all the same, and while a relay answers them they take themselves to be connected.
 *
 * Bounded: the client heard from longest ago is forgotten first, and every one some time after its last
 * check.
 */
#ifndef LM_WEBRTC_TOMBSTONES_H
#define LM_WEBRTC_TOMBSTONES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/random.h"

/* Clients remembered at the most; 80 bytes each. */
#define LM_TOMBSTONES_MAX 4096

/* How long one is remembered after its last check, in ms: no browser pauses its checks for so long. */
#define LM_TOMBSTONE_KEPT 60000

/* Zero-initialise, then lm_tombstones_init(); lm_tombstones_clear() frees. */
typedef struct lm_tombstones {
    uint8_t secret[32];
    struct lm_tombstone *pool;    /* room for all of them, in one piece; NULL until there is one */
    size_t pool_used;             /* entries of the pool that have ever been in use */
    struct lm_tombstone *unused;  /* entries that are free again, linked by their hh.next */
    struct lm_tombstone *entries; /* the one heard from longest ago first */
} lm_tombstones;

/* Draws the secret of the hash under which keys are kept: they are long, and this is not. */
void lm_tombstones_init(lm_tombstones *tombstones, const lm_random *random);

/* Remembers a client. Out of memory, it is not remembered. */
void lm_tombstones_add(lm_tombstones *tombstones, lm_ms now, const uint8_t *key, size_t len);

/* True when the client is remembered; it stays so for as long as it is asked for. */
bool lm_tombstones_has(lm_tombstones *tombstones, lm_ms now, const uint8_t *key, size_t len);

size_t lm_tombstones_count(const lm_tombstones *tombstones);

void lm_tombstones_clear(lm_tombstones *tombstones);

#endif
