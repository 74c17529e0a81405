/*
 * Peers: who others see in a room. A peer is its id; it is attached to the session on which it said hello, or
 * detached for a while after that session fell silent, so that its next session finds its places kept.
 */
#ifndef LM_RELAY_PEERS_H
#define LM_RELAY_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base64url.h"
#include "common/deadlines.h"
#include "common/table.h"
#include "relay/relay_stats.h"

#define LM_PEER_ID_LEN 16
#define LM_PEER_ID_TEXT LM_BASE64URL_SIZE(LM_PEER_ID_LEN)
#define LM_PEER_KEY_LEN 32

/*
 * Most detached peers. The stack bounds its sessions and each falls silent at most once, after half a minute;
 * this bounds what an unusually long resume time can add up to. A peer past it leaves its rooms at once.
 */
#define LM_PEERS_DETACHED_MAX 65536

struct lm_member;
struct lm_relay_session;

typedef struct lm_peer {
    uint8_t id[LM_PEER_ID_LEN];
    char id_text[LM_PEER_ID_TEXT];    /* base64url of id */
    struct lm_relay_session *session; /* NULL: detached */
    struct lm_member *places;         /* its places in rooms, the oldest first */
    uint32_t place_count;
    bool silent;          /* as the mesh was told */
    lm_deadline silence;  /* attached, with a mesh: when its silence is looked at */
    lm_deadline deadline; /* detached: when it is given up; attached: when its stale places lapse */
    UT_hash_handle hh;
} lm_peer;

/*
 * Zero-initialise but for stats (borrowed), whose gauges `peers` and `peers_detached` follow the
 * table. Both kinds of deadlines have room for every peer, so setting one cannot fail.
 */
typedef struct lm_peers {
    lm_peer *table;
    lm_deadlines deadlines; /* owner: the lm_peer, as of the next */
    lm_deadlines silences;
    lm_relay_stats *stats;
} lm_peers;

/* The first 16 bytes of SHA-256("lumamesh-peer-v1" 0x00 key): the id of a peer that brought a key. */
void lm_peer_id_from_key(uint8_t id[LM_PEER_ID_LEN], const uint8_t key[LM_PEER_KEY_LEN]);

/* The peer with this id, NULL if there is none. */
lm_peer *lm_peers_find(const lm_peers *peers, const uint8_t id[LM_PEER_ID_LEN]);

/* The same by the id's text form; NULL too if text is no id. */
lm_peer *lm_peers_find_text(const lm_peers *peers, const char *text);

/* A new peer, attached to session; NULL if memory ran out. id must be new. */
lm_peer *lm_peers_add(lm_peers *peers, const uint8_t id[LM_PEER_ID_LEN], struct lm_relay_session *session);

/* Attaches a peer to session, or detaches it where session is NULL. */
void lm_peers_attach(lm_peers *peers, lm_peer *peer, struct lm_relay_session *session);

/* Sets one of the peer's deadlines; LM_MS_NEVER: none. */
void lm_peers_set_deadline(lm_peers *peers, lm_peer *peer, lm_ms at);
void lm_peers_set_silence(lm_peers *peers, lm_peer *peer, lm_ms at);

/* Takes a peer out and frees it. It must have left its rooms. */
void lm_peers_remove(lm_peers *peers, lm_peer *peer);

/* Frees all peers. They must have left their rooms. */
void lm_peers_clear(lm_peers *peers);

#endif
