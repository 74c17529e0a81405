/*
 * Presence: how peers come, fall silent, return and go, and who hears of it. A session's end is a leave of
 * all its rooms, except that the places of one that fell silent are kept for the resume time (protocol page,
 * section 3).
 *
 *     attached ──(session falls silent)──► detached ──(resume time)──► gone, others hear peer-left
 *        ▲                                    │
 *        └──(hello with the same key)─────────┘
 *            all places are stale: a join makes one fresh and nobody hears of it;
 *            those still stale after the resume time are given up
 *
 * While the relay drains, only a `leave` brings a `peer-left`.
 *
 * A detached peer and a stale place still stand in the room's list and count for its size, but neither speak
 * nor are spoken to: a signal to one is answered `no-such-peer`.
 */
#ifndef LM_RELAY_PRESENCE_H
#define LM_RELAY_PRESENCE_H

#include "relay/relay_state.h"

/*
 * Makes id the peer of a session that has none. A peer of that id that exists already is taken over: its
 * present session, if it has one, is closed, and its places become stale. LM_ENOMEM.
 */
int lm_presence_greet(lm_relay *relay, lm_ms now, lm_relay_session *session,
                      const uint8_t id[LM_PEER_ID_LEN]);

/* Gives up one place; the others in the room hear `peer-left`. */
void lm_presence_leave(lm_relay *relay, lm_ms now, lm_member *member);

/* The same for a stale place that its peer has not taken again. */
void lm_presence_lapse(lm_relay *relay, lm_ms now, lm_member *member);

/*
 * The stack has ended a session: frees it. Where it fell silent its peer stays, detached; otherwise it
 * leaves.
 */
void lm_presence_end(lm_relay *relay, lm_ms now, lm_relay_session *session, lm_close_reason reason);

/* Closes a session from our side; its peer leaves at once. LM_WEBRTC_CLOSED is still to come. */
void lm_presence_close(lm_relay *relay, lm_ms now, lm_relay_session *session);

/* Frees all peers and rooms without a word, for the relay's own end. */
void lm_presence_clear(lm_relay *relay);

/* Gives up what has been kept for its time. */
void lm_presence_expire(lm_relay *relay, lm_ms now);

#endif
