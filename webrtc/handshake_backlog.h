/*
 * Datagrams of DTLS handshakes that have to wait. A step of a handshake costs about a millisecond of CPU, a
 * thousand times as much as anything else here: so each waits for a turn of the loop of its own, and whoever
 * is connected already does not wait for a crowd that arrives together.
 */
#ifndef LM_WEBRTC_HANDSHAKE_BACKLOG_H
#define LM_WEBRTC_HANDSHAKE_BACKLOG_H

#include <stddef.h>

#include "common/dgram.h"

/* Datagrams that wait at the most, of up to 2 kB each. A client sends again what was dropped. */
#define LM_HANDSHAKE_BACKLOG_MAX 256

/* Zero-initialise; lm_handshake_backlog_clear() frees. */
typedef struct lm_handshake_backlog {
    struct lm_backlog_entry *first;
    struct lm_backlog_entry *last;
    struct lm_backlog_entry *taken;
    size_t count;
} lm_handshake_backlog;

/*
 * Puts a datagram (copied) at the end. LM_OK; LM_ELIMIT: it was put there, and the oldest one was dropped for
 * it, whose sender has waited longest and will soonest send again; LM_ENOMEM: it was not.
 */
int lm_handshake_backlog_put(lm_handshake_backlog *backlog, const lm_dgram *in);

/* 1: *out is the oldest, borrowed until the next call of this; 0: there is none. */
int lm_handshake_backlog_take(lm_handshake_backlog *backlog, lm_dgram *out);

void lm_handshake_backlog_clear(lm_handshake_backlog *backlog);

#endif
