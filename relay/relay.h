/*
 * The relay: rooms and the signalling protocol (protocol page, section 3) on top of a WebRTC stack. Sans-IO,
 * with the same four verbs as the stack that it drives; its outputs are datagrams alone, since it takes the
 * stack's events itself.
 */
#ifndef LM_RELAY_RELAY_H
#define LM_RELAY_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/dgram.h"
#include "common/log.h"
#include "common/random.h"
#include "mesh/mesh.h"
#include "mesh/node_config.h"
#include "relay/relay_stats.h"
#include "relay/turn_offer.h"
#include "webrtc/webrtc.h"

/* The `v` of hello and welcome. */
#define LM_PROTOCOL_VERSION 1

typedef struct lm_relay_limits {
    uint32_t room_size;         /* members of a room, default 250 */
    uint32_t rooms_per_session; /* default 64 */
    uint32_t message_rate;      /* messages a second and session, default 200; 0: no limit */
    uint32_t message_burst;     /* default 4,096 */
    lm_ms resume; /* how long a session that fell silent keeps its places in rooms, default 15,000 ms */
} lm_relay_limits;

void lm_relay_limits_default(lm_relay_limits *limits);

typedef struct lm_relay_config {
    lm_relay_limits limits;
    lm_node_config node;   /* what this relay tells of itself */
    uint8_t node_seed[32]; /* Ed25519 seed that belongs to node.nk; copied, wiped at destroy */
    lm_turn_offer turn;    /* copied, wiped likewise */
    lm_mesh *mesh;         /* NULL: alone; borrowed for the relay's life */
    const char *advertise; /* "host:port" where other nodes may dial (copied); NULL: nowhere */
    lm_random random;
    const lm_log *log; /* may be NULL; borrowed for the relay's life */
} lm_relay_config;

/* What can change while a relay runs; all copied. */
typedef struct lm_relay_change {
    lm_relay_limits limits;
    lm_webrtc_limits stack;
    lm_node_config node; /* of the same node key */
    lm_turn_offer turn;
    const char *advertise; /* as in lm_relay_config */
    lm_webrtc_identity identity;
} lm_relay_change;

typedef struct lm_relay lm_relay;

/*
 * Makes a relay on stack (taken: destroyed with the relay, or at once on error). LM_EINVAL: a limit
 * that must not be 0, or a seed that is not node.nk's; LM_ECRYPTO; LM_ENOMEM.
 */
int lm_relay_create(lm_relay **relay, const lm_relay_config *config, lm_webrtc *stack);

/* Frees the relay and its stack; peers hear nothing. relay may be NULL. */
void lm_relay_destroy(lm_relay *relay);

/*
 * Tells the relay the wall-clock time that belongs to `now`, for the seq of its node record. Call it once
 * before the first input and whenever the clock may have been set.
 */
void lm_relay_set_unix_time(lm_relay *relay, lm_ms now, uint64_t unix_ms);

/*
 * Changes all of it or, on an error, nothing. Rooms and sessions that are there stay, even above new limits.
 * LM_EINVAL: a limit that must not be 0, another node's config, or an identity that is not usable; LM_ENOMEM,
 * LM_ECRYPTO.
 */
int lm_relay_reconfigure(lm_relay *relay, const lm_relay_change *change);

/* As lm_webrtc_input(): one datagram, borrowed. */
int lm_relay_input(lm_relay *relay, lm_ms now, const lm_dgram *in);

/*
 * What the mesh says of members: an output from LM_MESH_JOINED on (borrowed; its texts are read before the
 * mesh is changed). Whoever polls the mesh hands these in at once, before the relay takes the next input.
 */
void lm_relay_mesh_output(lm_relay *relay, lm_ms now, const lm_mesh_output *out);

/* As lm_webrtc_path_closed() and lm_webrtc_has_path(): the streams of sessions over ICE-TCP. */
void lm_relay_stream_closed(lm_relay *relay, const lm_addr *remote, const lm_addr *local);
bool lm_relay_has_stream(const lm_relay *relay, const lm_addr *remote, const lm_addr *local);

/* 1: *out is to be sent, borrowed until the next lm_relay_poll(); 0: drained. */
int lm_relay_poll(lm_relay *relay, lm_ms now, lm_dgram *out);

lm_ms lm_relay_next_timeout(const lm_relay *relay);
void lm_relay_timeout(lm_relay *relay, lm_ms now);

/*
 * Refuses newcomers, and tells every session the error `shutting-down`, so that its browser goes to another
 * relay. Sessions go on until they end by themselves or lm_relay_shut_down() comes; there is no way back.
 * From now on, an end of a session brings no `peer-left`, as in lm_relay_shut_down().
 */
void lm_relay_drain(lm_relay *relay, lm_ms now);
bool lm_relay_is_draining(const lm_relay *relay);

/*
 * Refuses newcomers and tells every session the error `shutting-down`, unless lm_relay_drain() has, then
 * closes it. The datagrams come by poll. Rooms end without `peer-left`, which would make browsers hang up on
 * each other.
 */
void lm_relay_shut_down(lm_relay *relay, lm_ms now);

const lm_relay_stats *lm_relay_get_stats(const lm_relay *relay);
const lm_webrtc_stats *lm_relay_get_webrtc_stats(const lm_relay *relay);

#endif
