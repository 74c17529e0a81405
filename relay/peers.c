#include "relay/peers.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

static const char peer_domain[] = "lumamesh-peer-v1"; /* hashed with its NUL */

#define DEADLINES_MIN 64 /* room for the first peers; doubled from there */

void lm_peer_id_from_key(uint8_t id[LM_PEER_ID_LEN], const uint8_t key[LM_PEER_KEY_LEN])
{
    uint8_t text[sizeof peer_domain + LM_PEER_KEY_LEN];
    uint8_t hash[crypto_hash_sha256_BYTES];
    memcpy(text, peer_domain, sizeof peer_domain);
    memcpy(text + sizeof peer_domain, key, LM_PEER_KEY_LEN);
    crypto_hash_sha256(hash, text, sizeof text);
    memcpy(id, hash, LM_PEER_ID_LEN);
}

lm_peer *lm_peers_find(const lm_peers *peers, const uint8_t id[LM_PEER_ID_LEN])
{
    lm_peer *peer;
    HASH_FIND(hh, peers->table, id, LM_PEER_ID_LEN, peer);
    return peer;
}

lm_peer *lm_peers_find_text(const lm_peers *peers, const char *text)
{
    uint8_t id[LM_PEER_ID_LEN];
    size_t len;
    if (lm_base64url_decode(id, sizeof id, &len, text, strlen(text)) != LM_OK || len != sizeof id)
        return NULL;
    return lm_peers_find(peers, id);
}

/* Room for one deadline of each kind more than there are peers, growing by doubling. */
static int reserve_deadline(lm_peers *peers)
{
    size_t need = HASH_COUNT(peers->table) + 1, cap = DEADLINES_MIN;
    while (cap < need)
        cap *= 2;
    int result = lm_deadlines_reserve(&peers->deadlines, cap);
    return result == LM_OK ? lm_deadlines_reserve(&peers->silences, cap) : result;
}

lm_peer *lm_peers_add(lm_peers *peers, const uint8_t id[LM_PEER_ID_LEN], struct lm_relay_session *session)
{
    if (reserve_deadline(peers) != LM_OK)
        return NULL;
    lm_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    memcpy(peer->id, id, LM_PEER_ID_LEN);
    lm_base64url_encode(peer->id_text, sizeof peer->id_text, id, LM_PEER_ID_LEN);
    peer->session = session;
    peer->deadline.owner = peer->silence.owner = peer;
    HASH_ADD(hh, peers->table, id, LM_PEER_ID_LEN, peer);
    if (peer->hh.tbl == NULL) {
        free(peer);
        return NULL;
    }
    peers->stats->peers++;
    return peer;
}

void lm_peers_attach(lm_peers *peers, lm_peer *peer, struct lm_relay_session *session)
{
    if (peer->session == NULL)
        peers->stats->peers_detached--;
    if (session == NULL)
        peers->stats->peers_detached++;
    peer->session = session;
}

void lm_peers_set_deadline(lm_peers *peers, lm_peer *peer, lm_ms at)
{
    (void)lm_deadlines_set(&peers->deadlines, &peer->deadline, at); /* reserved by lm_peers_add() */
}

void lm_peers_set_silence(lm_peers *peers, lm_peer *peer, lm_ms at)
{
    (void)lm_deadlines_set(&peers->silences, &peer->silence, at); /* likewise */
}

void lm_peers_remove(lm_peers *peers, lm_peer *peer)
{
    if (peer->session == NULL)
        peers->stats->peers_detached--;
    lm_deadlines_remove(&peers->deadlines, &peer->deadline);
    lm_deadlines_remove(&peers->silences, &peer->silence);
    HASH_DEL(peers->table, peer);
    free(peer);
    peers->stats->peers--;
}

void lm_peers_clear(lm_peers *peers)
{
    lm_peer *peer, *next;
    HASH_ITER(hh, peers->table, peer, next) {
        lm_peers_remove(peers, peer);
    }
    lm_deadlines_clear(&peers->deadlines);
    lm_deadlines_clear(&peers->silences);
}
