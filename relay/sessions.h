/* Sessions: the relay's side of each open channel of the stack, from the channel's opening to its end. */
#ifndef LM_RELAY_SESSIONS_H
#define LM_RELAY_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/table.h"
#include "common/token_bucket.h"
#include "relay/relay_stats.h"
#include "webrtc/webrtc.h"

struct lm_peer;

typedef struct lm_relay_session {
    lm_session_id id;
    struct lm_peer *peer; /* who said hello on it; NULL before that and once it is closing */
    bool told;            /* that the relay is shutting down */
    bool closing;         /* closed by the relay: what still arrives is dropped */
    lm_token_bucket bucket;
    uint32_t over; /* messages over the rate since the bucket was last full */
    UT_hash_handle hh;
} lm_relay_session;

/* Zero-initialise but for stats (borrowed), whose gauge `sessions` follows the table. */
typedef struct lm_sessions {
    lm_relay_session *table;
    lm_relay_stats *stats;
} lm_sessions;

/* The session with this id, NULL if there is none. */
lm_relay_session *lm_sessions_find(const lm_sessions *sessions, lm_session_id id);

/* A new session with a full bucket of `burst` tokens; NULL if memory ran out. id must be new. */
lm_relay_session *lm_sessions_add(lm_sessions *sessions, lm_session_id id, uint32_t burst, lm_ms now);

/* Takes a session out and frees it. It must have no peer any more. */
void lm_sessions_remove(lm_sessions *sessions, lm_relay_session *session);

/* Frees all sessions. */
void lm_sessions_clear(lm_sessions *sessions);

#endif
