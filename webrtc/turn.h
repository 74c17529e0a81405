/*
 * TURN server (RFC 8656): allocations, permissions, channels, on the relay's one port. Sans-IO.
 *
 *     client A --- 5-tuple ---> [ allocation A: relayed address ] ---> peer
 *
 * In closed mode relayed addresses are virtual: they have this relay's public IP and a port that no socket
 * has, and packets pass between allocations of this relay alone, inside it. No packet ever leaves towards an
 * address that a client has named. In open mode each allocation has a socket of its own and reaches whatever
 * lm_turn_peers_allow() allows; packets to this relay's own public address still go to its allocations,
 * inside.
 *
 * Browsers ask for permissions for all candidates of the other side, those that are refused here as well. An
 * error 403 costs Chromium the one candidate pair and Firefox nothing; any other error ends Firefox's use of
 * the server, so nothing that they do in good faith may lead to one.
 *
 * Two ways in. lm_turn_relay() takes every packet that is TURN's; what is to be passed on it turns in place
 * into what has to be sent, at once, with one look-up and without a copy. Requests lead to outputs: drain
 * them with lm_turn_poll() after each lm_turn_relay() that returned 0, lm_turn_timeout() and the other calls
 * that take a time.
 */
#ifndef LM_WEBRTC_TURN_H
#define LM_WEBRTC_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/dgram.h"
#include "common/log.h"
#include "common/packet.h"
#include "common/random.h"
#include "webrtc/turn_credentials.h"
#include "webrtc/turn_peers.h"
#include "webrtc/turn_stats.h"

/* Lifetimes in ms: of an allocation when it asks for none, and at the most (RFC 8656 sections 3.2, 7.2). */
#define LM_TURN_LIFETIME_DEFAULT (10 * 60 * 1000)
#define LM_TURN_LIFETIME_MAX (60 * 60 * 1000)
/* Of a permission (section 9), a channel (section 12), a reserved port (section 7.2). */
#define LM_TURN_PERMISSION_LIFETIME (5 * 60 * 1000)
#define LM_TURN_CHANNEL_LIFETIME (10 * 60 * 1000)
#define LM_TURN_RESERVATION_LIFETIME (30 * 1000)

/* Permissions, and channels, of one allocation; more are refused with 508. Browsers make one a candidate. */
#define LM_TURN_PERMISSIONS_MAX 64
#define LM_TURN_CHANNELS_MAX 64

/* Reserved ports at the same time. */
#define LM_TURN_RESERVATIONS_MAX 64

/* Unauthenticated requests from one address (IPv6: a /64): a second, and at once. */
#define LM_TURN_REQUEST_RATE 32
#define LM_TURN_REQUEST_BURST 128

/* Bytes that an allocation with a limited rate may pass on at once, each way: a second's worth, or these. */
#define LM_TURN_BURST_MIN 65536

/* Bytes of an answer to a client that has shown no credentials, for each byte that it sent. */
#define LM_TURN_UNPROVEN_FACTOR 3

/* Memory of answers that wait to be taken, in bytes; beyond it they are dropped and counted. */
#define LM_TURN_QUEUE_BYTES (1u * 1024 * 1024)

/* Bytes that one allocation takes at the most, with all its permissions and channels. */
#define LM_TURN_MEMORY_ALLOCATION 6144u
/* Bytes that a port of TURN_PORTS takes for each address family that is served, in use or not. */
#define LM_TURN_MEMORY_PORT 8u

typedef enum lm_turn_mode { LM_TURN_OFF, LM_TURN_CLOSED, LM_TURN_OPEN } lm_turn_mode;

typedef struct lm_turn_limits {
    uint32_t max_allocations;  /* 0: no newcomers at all; those that are there stay */
    uint32_t user_allocations; /* of one user, 0: no limit */
    uint32_t rate; /* payload bytes a second that one allocation passes on, each way; 0: no limit */
    /*
     * Draining. RFC 8656 has no word for it: newcomers get 508, and Refresh is answered with success and the
     * time that was left, so that clients are neither cut off nor stay for longer than they have been told.
     */
    bool stopping;
} lm_turn_limits;

typedef struct lm_turn_config {
    lm_turn_mode mode;  /* LM_TURN_CLOSED or LM_TURN_OPEN */
    lm_addr public_ip;  /* what relayed IPv4 addresses show; LM_AF_NONE: none are given (440) */
    lm_addr public_ip6; /* likewise */
    uint16_t port_min;  /* of relayed addresses, both included, 1024 to 65535 */
    uint16_t port_max;
    const char *realm; /* borrowed until lm_turn_create() returns, as secrets and peers */
    const lm_turn_secrets *secrets;
    const lm_turn_peers *peers; /* open mode: what else may be reached; may be NULL */
    lm_turn_limits limits;
    lm_random random;
    const lm_log *log; /* may be NULL; borrowed for the server's life */
} lm_turn_config;

typedef enum lm_turn_output_kind {
    LM_TURN_SEND,      /* send .send to its remote address, from its local address */
    LM_TURN_OPEN_PORT, /* open mode: bind a socket to .port (family and port count), then say how that went */
    LM_TURN_CLOSE_PORT /* close it again */
} lm_turn_output_kind;

typedef struct lm_turn_output {
    lm_turn_output_kind kind;
    union {
        lm_dgram send; /* borrowed until the next lm_turn_poll() */
        lm_addr port;
    };
} lm_turn_output;

typedef struct lm_turn lm_turn;

/* LM_EINVAL: settings that contradict each other; LM_ENOMEM. */
int lm_turn_create(lm_turn **turn, const lm_turn_config *config);
void lm_turn_destroy(lm_turn *turn); /* turn may be NULL */

/*
 * The wall-clock time that belongs to `now`: credentials expire by it, and until the first call none does. An
 * allocation that is there lives on under the credential that made it, since browsers cannot change theirs.
 */
void lm_turn_set_unix_time(lm_turn *turn, lm_ms now, uint64_t unix_ms);

/* True when a datagram of the one port is TURN's: ChannelData, or a STUN message of one of its methods. */
bool lm_turn_is_turn(const uint8_t *data, size_t len);

/*
 * Takes a packet from a client (packet->relayed false: lm_turn_is_turn() holds) or from a peer to a relayed
 * address (relayed true, open mode). 1: the packet is now what has to be sent; 0: it is used up: answered
 * (drain the outputs), or counted as a drop.
 */
int lm_turn_relay(lm_turn *turn, lm_ms now, lm_packet *packet);

/* Whether the socket of LM_TURN_OPEN_PORT is there. If not, another port is tried, a few times, then 508. */
void lm_turn_port_opened(lm_turn *turn, lm_ms now, const lm_addr *port, bool opened);

/* True when a client has an allocation between these addresses. */
bool lm_turn_has_allocation(const lm_turn *turn, const lm_addr *remote, const lm_addr *local);

/* The stream between these two addresses has ended, and its allocation with it. */
void lm_turn_stream_closed(lm_turn *turn, lm_ms now, const lm_addr *remote, const lm_addr *local);

/* 1: *out is the next output; 0: drained. */
int lm_turn_poll(lm_turn *turn, lm_turn_output *out);

lm_ms lm_turn_next_timeout(const lm_turn *turn);
void lm_turn_timeout(lm_turn *turn, lm_ms now);

/* Puts new limits in the place of the old ones; allocations that are there stay. */
void lm_turn_set_limits(lm_turn *turn, const lm_turn_limits *limits);

/*
 * Puts new secrets, realm and peers (copied) in the place of the old ones. Allocations that are there go on
 * with their key; permissions, with those that they have until they need the next. LM_EINVAL: nothing
 * changes.
 */
int lm_turn_set_credentials(lm_turn *turn, const lm_turn_secrets *secrets, const char *realm,
                            const lm_turn_peers *peers);

/*
 * Puts new public addresses in the place of the old ones, for the families that the server was made with;
 * what was allocated keeps the address that it was told.
 */
void lm_turn_set_public(lm_turn *turn, const lm_addr *ip, const lm_addr *ip6);

const lm_turn_stats *lm_turn_get_stats(const lm_turn *turn);

#endif
