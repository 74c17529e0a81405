/*
 * An allocation (RFC 8656 section 3.2): a client's 5-tuple, its relayed address, and to whom it may talk:
 * permissions by IP address (section 9) and channels by address and port (section 12).
 */
#ifndef LM_WEBRTC_TURN_ALLOCATION_H
#define LM_WEBRTC_TURN_ALLOCATION_H

#include <string.h>

#include "common/deadlines.h"
#include "common/table.h"
#include "common/token_bucket.h"
#include "webrtc/turn.h"
#include "webrtc/turn_message.h"
#include "webrtc/turn_ports.h"
#include "webrtc/turn_queue.h"
#include "webrtc/turn_users.h"

typedef struct lm_turn_path {
    lm_addr remote, local;
} lm_turn_path;

typedef struct lm_turn_permission {
    lm_addr peer; /* its port is 0 */
    lm_ms expires;
} lm_turn_permission;

typedef struct lm_turn_channel {
    lm_addr peer;
    uint16_t number;
    lm_ms expires;
} lm_turn_channel;

typedef struct lm_turn_allocation {
    lm_turn_path path; /* the key of its table */
    lm_addr relayed;
    bool open;          /* the relayed address is there; until then the client waits for its answer */
    bool ordered;       /* open mode: the order to open its port has gone out */
    bool sha256;        /* that answer, to `transaction`: with MESSAGE-INTEGRITY-SHA256 */
    bool fingerprint;   /* and with FINGERPRINT */
    bool reserved_next; /* the port after its own was reserved for it, with this token */
    unsigned tries;     /* ports that could not be opened */
    lm_turn_port_choice choice;
    bool claimed; /* the port was one that had been reserved: no other will do */
    uint8_t token[LM_TURN_TOKEN_LEN];
    uint8_t transaction[LM_STUN_TRANSACTION_LEN]; /* of the Allocate request */
    uint8_t key[LM_TURN_KEY_LEN];
    uint8_t username[LM_TURN_USERNAME_MAX];
    size_t username_len;
    lm_turn_user *user;
    lm_ms expires;
    lm_token_bucket sent, received;
    lm_turn_permission *permissions;
    size_t permission_count, permission_cap;
    lm_turn_channel *channels;
    size_t channel_count, channel_cap;
    lm_turn_queued *close; /* open mode: the order to close its port */
    lm_deadline deadline;  /* of the first of these to end */
    UT_hash_handle hh;
} lm_turn_allocation;

static inline bool lm_turn_same_ip(const lm_addr *a, const lm_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static inline bool lm_turn_is_stream(const lm_turn_allocation *a)
{
    return a->path.remote.transport != LM_UDP;
}

/* True when it may exchange packets with this IP address now. */
bool lm_turn_permits(const lm_turn_allocation *a, lm_ms now, const lm_addr *peer);

/* The channel of this number, or to this address and port; NULL if there is none now. */
lm_turn_channel *lm_turn_channel_by_number(const lm_turn_allocation *a, lm_ms now, uint16_t number);
lm_turn_channel *lm_turn_channel_by_peer(const lm_turn_allocation *a, lm_ms now, const lm_addr *peer);

/*
 * Makes room for more permissions than are there. LM_ELIMIT: they would be over the maximum; LM_ENOMEM.
 */
int lm_turn_permissions_reserve(lm_turn_allocation *a, size_t more);

/* Makes or refreshes a permission; there must be room. */
void lm_turn_permission_set(lm_turn_allocation *a, lm_ms now, const lm_addr *peer, lm_turn_stats *stats);

/* The same of channels. */
int lm_turn_channels_reserve(lm_turn_allocation *a, size_t more);
void lm_turn_channel_set(lm_turn_allocation *a, lm_ms now, uint16_t number, const lm_addr *peer,
                         lm_turn_stats *stats);

/* Forgets the permissions and channels that have expired; returns when the next thing of it expires. */
lm_ms lm_turn_allocation_prune(lm_turn_allocation *a, lm_ms now, lm_turn_stats *stats);

/* Frees it, in no table any more, with what it holds; gauges of permissions and channels go down. */
void lm_turn_allocation_free(lm_turn_allocation *a, lm_turn_stats *stats);

#endif
