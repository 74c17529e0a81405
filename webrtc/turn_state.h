/* The inside of a TURN server, for the files that make it up: turn.c, turn_requests.c, turn_relay.c … */
#ifndef LM_WEBRTC_TURN_STATE_H
#define LM_WEBRTC_TURN_STATE_H

#include "webrtc/admission.h"
#include "webrtc/turn_allocation.h"

struct lm_turn {
    lm_turn_mode mode;
    lm_addr public_ip, public_ip6; /* port 0; LM_AF_NONE: none are given */
    char realm[LM_TURN_REALM_MAX + 1];
    lm_turn_secrets secrets;
    lm_turn_peers peers;
    lm_turn_limits limits;
    lm_random random;
    const lm_log *log;
    lm_turn_nonces nonces;
    lm_turn_stats stats;
    lm_admission strangers;          /* requests without good credentials */
    lm_turn_allocation *allocations; /* by path */
    lm_turn_user *users;
    lm_turn_ports ports;
    lm_deadlines deadlines;
    lm_deadline reservations; /* of the ports; its owner is NULL */
    lm_turn_queue outputs;
    lm_ms unix_at; /* when it was unix_ms */
    uint64_t unix_ms;
    uint8_t indication[LM_STUN_TRANSACTION_LEN]; /* transaction id of the next Data indication */
};

/*
 * The allocation of this 5-tuple, one that still waits for its port included; NULL if there is none. One
 * whose time is over ends by this.
 */
lm_turn_allocation *lm_turn_find(lm_turn *turn, lm_ms now, const lm_addr *remote, const lm_addr *local);

/* True when the address has the IP address that relayed addresses show. */
static inline bool lm_turn_is_own(const lm_turn *turn, const lm_addr *addr)
{
    return lm_turn_same_ip(addr, addr->family == LM_AF_INET ? &turn->public_ip : &turn->public_ip6);
}

/* What may be passed on at once: a second's worth, and enough for a few packets. */
static inline uint32_t lm_turn_burst(const lm_turn_limits *limits)
{
    return limits->rate > LM_TURN_BURST_MIN ? limits->rate : LM_TURN_BURST_MIN;
}

/* Takes an allocation out and frees it; in open mode its port is closed. */
void lm_turn_end(lm_turn *turn, lm_turn_allocation *a, const char *why);

/* Forgets what has expired of it and sets its deadline; call after each change of it. */
void lm_turn_rearm(lm_turn *turn, lm_ms now, lm_turn_allocation *a);

/* Sets the deadline of the reserved ports. */
void lm_turn_rearm_reservations(lm_turn *turn, lm_ms now);

#endif
