/*
 * Which peers an open TURN server sends to. Whoever has a credential names peers, and the packets leave from
 * this machine: networks that trust it (its own, the cloud's metadata service) must not be reachable that
 * way.
 */
#ifndef LM_WEBRTC_TURN_PEERS_H
#define LM_WEBRTC_TURN_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/addr.h"
#include "common/error_text.h"

/* Networks that TURN_ALLOW_PEERS may name. */
#define LM_TURN_PEERS_MAX 32

typedef struct lm_network {
    lm_addr address;
    unsigned prefix; /* bits */
} lm_network;

typedef struct lm_turn_peers {
    lm_network allowed[LM_TURN_PEERS_MAX]; /* in spite of being refused otherwise */
    unsigned count;
} lm_turn_peers;

/* Reads "10.1.0.0/16,fd00::/8,192.168.1.7". LM_EINVAL with a line that names the item. */
int lm_turn_peers_parse(lm_turn_peers *peers, const char *text, lm_error_text *error);

/*
 * True when packets may go to this address: it is a public unicast address (RFC 6890: not private, loopback,
 * link-local with the clouds' metadata services, shared (CGNAT), multicast, documentation, benchmarking,
 * reserved; nor IPv6 that embeds such an IPv4 address: mapped, NAT64, 6to4, Teredo), or named as allowed.
 * Port 0 is never.
 */
bool lm_turn_peers_allow(const lm_turn_peers *peers, const lm_addr *peer);

#endif
