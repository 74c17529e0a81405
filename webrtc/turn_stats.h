/*
 * Counters of the TURN server. One list gives the fields and their names, so that whoever reports them cannot
 * forget one. Counters only grow; gauges go up and down.
 */
#ifndef LM_WEBRTC_TURN_STATS_H
#define LM_WEBRTC_TURN_STATS_H

#include <stdint.h>

/* Each drop is one message or packet that led to nothing, or a request that was refused. */
#define LM_TURN_DROPS(X)                                                                                     \
    X(malformed)         /* not a STUN message or ChannelData of the length that it says, or answered 400 */ \
    X(unauthenticated)   /* answered 401 or 438: no credentials yet, wrong ones, or an old nonce */          \
    X(request_rate)      /* an unauthenticated request over its address's rate: no answer */                 \
    X(amplification)     /* an unauthenticated request that is too short for its answer */                   \
    X(unknown_attribute) /* answered 420 */                                                                  \
    X(mismatch)          /* answered 437: no allocation, or one already */                                   \
    X(wrong_credentials) /* answered 441: another user's allocation */                                       \
    X(unsupported)       /* answered 440, 442 or 443: an address family or transport not served */           \
    X(user_quota)        /* answered 486: the user has as many allocations as it may */                      \
    X(capacity)          /* answered 508: no allocation, port, permission or channel is left, or draining */ \
    X(forbidden)         /* answered 403: a peer that may not be reached; or data to one */                  \
    X(no_allocation)     /* ChannelData or Send indication from a client without an allocation */            \
    X(no_channel)        /* ChannelData on a channel that is not bound */                                    \
    X(no_permission)     /* data from a peer, or to one, without a permission */                             \
    X(no_peer)           /* data to a relayed address of this relay that nobody has */                       \
    X(rate)              /* data over its allocation's bandwidth */                                          \
    X(blocked)           /* data or answers that found the way out full */                                   \
    X(memory)            /* memory ran out */

/* Each with the name that it has as a metric (lumamesh_…_total), and what it counts. */
#define LM_TURN_COUNTERS(X)                                                                             \
    X(allocations_created, "turn_allocations_created", "TURN allocations made.")                        \
    X(requests, "turn_requests", "TURN requests that were answered with success.")                      \
    X(packets_from_clients, "turn_packets_from_clients", "Packets that clients sent to peers.")         \
    X(bytes_from_clients, "turn_bytes_from_clients", "Payload bytes of packets from clients to peers.") \
    X(packets_to_clients, "turn_packets_to_clients", "Packets that peers sent to clients.")             \
    X(bytes_to_clients, "turn_bytes_to_clients", "Payload bytes of packets from peers to clients.")

#define LM_TURN_GAUGES(X)                                                                \
    X(allocations, "turn_allocations", "Living TURN allocations.")                       \
    X(allocations_stream, "turn_allocations_stream", "Of them, those over TCP and TLS.") \
    X(permissions, "turn_permissions", "Permissions of living allocations.")             \
    X(channels, "turn_channels", "Channels of living allocations.")

typedef struct lm_turn_drop {
#define LM_X(name) uint64_t name;
    LM_TURN_DROPS(LM_X)
#undef LM_X
} lm_turn_drop;

typedef struct lm_turn_stats {
#define LM_X(name, metric, help) uint64_t name;
    LM_TURN_COUNTERS(LM_X)
    LM_TURN_GAUGES(LM_X)
#undef LM_X
    lm_turn_drop drops;
} lm_turn_stats;

/* Calls visit for each counter and gauge by its name, drops as "drop_<reason>", for reports. */
void lm_turn_stats_visit(const lm_turn_stats *stats,
                         void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx);

#endif
