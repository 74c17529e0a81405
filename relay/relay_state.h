/* The relay's body, shared by the files that make it up; nothing outside relay/ and its tests includes it. */
#ifndef LM_RELAY_RELAY_STATE_H
#define LM_RELAY_RELAY_STATE_H

#include "relay/own_node.h"
#include "relay/peers.h"
#include "relay/relay.h"
#include "relay/rooms.h"
#include "relay/sessions.h"

struct lm_relay {
    lm_relay_limits limits;
    lm_random random;
    const lm_log *log; /* borrowed, may be NULL */
    lm_webrtc *stack;  /* owned */
    lm_mesh *mesh;     /* borrowed; NULL: alone */
    lm_own_node node;
    uint64_t record_told; /* seq of the record that the mesh has */
    lm_ms record_due;     /* when it gets the next one; LM_MS_NEVER without a mesh */
    lm_turn_offer turn;
    lm_sessions sessions;
    lm_peers peers;
    lm_rooms rooms;
    lm_relay_stats stats;
    bool draining; /* no newcomers; who is there has been told */
    bool shutting_down;
    lm_ms taken_in; /* when the oldest input came that has not been drained yet; LM_MS_NEVER: there is none */
    uint8_t out[LM_WEBRTC_MESSAGE_MAX]; /* the message being written; sending copies it */
};

#endif
