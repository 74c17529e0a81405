#include "mesh/nodes.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/dialer.h"

#define LIVE_TIME (10 * 60 * 1000)      /* ms since a record's renewal */
#define KEPT_TIME (24 * 60 * 60 * 1000) /* ms */
#define STUBS_MAX_FACTOR 2              /* times nodes_max: with those that are only named by others */
#define RECORD_RATE 50                  /* records a second and link, beyond one table full of them */
#define EXPIRE_INTERVAL (10 * 1000)

lm_mesh_node *lm_nodes_find(const lm_mesh *mesh, const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN])
{
    lm_mesh_node *node;
    HASH_FIND(hh, mesh->nodes, nk, LM_NODE_PUBLIC_KEY_LEN, node);
    return node;
}

lm_mesh_node *lm_nodes_get(lm_mesh *mesh, const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN])
{
    lm_mesh_node *node = lm_nodes_find(mesh, nk);
    if (node != NULL)
        return node;
    node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    memcpy(node->nk, nk, sizeof node->nk);
    lm_base64url_encode(node->nk_text, sizeof node->nk_text, nk, sizeof node->nk);
    HASH_ADD(hh, mesh->nodes, nk, LM_NODE_PUBLIC_KEY_LEN, node);
    if (node->hh.tbl == NULL) {
        free(node);
        return NULL;
    }
    return node;
}

lm_mesh_node *lm_nodes_get_named(lm_mesh *mesh, const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN])
{
    lm_mesh_node *node = lm_nodes_find(mesh, nk);
    if (node == NULL && HASH_COUNT(mesh->nodes) >= STUBS_MAX_FACTOR * mesh->limits.nodes_max) {
        mesh->stats.drops.nodes_full++;
        return NULL;
    }
    return node != NULL ? node : lm_nodes_get(mesh, nk);
}

/* Puts the node's record, or none, into the digest, or takes it out: it is the same. */
static void digest_record(lm_mesh *mesh, const lm_mesh_node *node)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES];
    uint8_t bytes[LM_NODE_PUBLIC_KEY_LEN + 8], hash[crypto_shorthash_BYTES];
    if (node->record == NULL)
        return;
    memcpy(bytes, node->nk, LM_NODE_PUBLIC_KEY_LEN);
    for (unsigned i = 0; i < 8; i++)
        bytes[LM_NODE_PUBLIC_KEY_LEN + i] = (uint8_t)(node->seq >> (56 - 8 * i));
    crypto_shorthash(hash, bytes, sizeof bytes, key);
    for (unsigned i = 0; i < 8; i++)
        mesh->digest[lm_nodes_bucket(node) * 8 + i] ^= hash[i];
}

static void forget_record(lm_mesh *mesh, lm_mesh_node *node)
{
    if (node->record != NULL)
        mesh->stats.nodes--;
    digest_record(mesh, node);
    free(node->record);
    free(node->sig);
    free(node->address);
    node->record = node->sig = node->address = NULL;
    node->seq = 0;
    node->renewed = false;
    lm_dialer_forget(mesh, node);
}

void lm_nodes_release(lm_mesh *mesh, lm_mesh_node *node)
{
    if (node->record != NULL || node->links != NULL || node->listed > 0 || node->conversation != NULL ||
        node->shares != NULL || node->banned_until > 0 || node == mesh->self)
        return;
    lm_dialer_forget(mesh, node);
    HASH_DEL(mesh->nodes, node);
    sodium_memzero(node->via_key, sizeof node->via_key);
    free(node);
}

/* Milliseconds since the record was made, by our clock; 0 for one from the future. */
static uint64_t record_age(const lm_mesh *mesh, lm_ms now, uint64_t seq)
{
    uint64_t unix_ms = lm_mesh_unix(mesh, now);
    return unix_ms > seq ? unix_ms - seq : 0;
}

bool lm_nodes_is_live(const lm_mesh *mesh, lm_ms now, const lm_mesh_node *node)
{
    if (node->record == NULL)
        return false;
    if (node == mesh->self || node->links != NULL)
        return true;
    return now - node->renewed_at < LIVE_TIME &&
           (node->renewed || record_age(mesh, now, node->seq) < LIVE_TIME);
}

/* What a record says in plain sight, before its signature has been looked at: good for passing over it. */
static uint64_t claimed_seq(const char *record)
{
    const char *at = strstr(record, "\"seq\":");
    return at != NULL ? strtoull(at + 6, NULL, 10) : 0;
}

static lm_mesh_node *claimed_node(const lm_mesh *mesh, const char *record)
{
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN];
    size_t len;
    const char *at = strstr(record, "\"nk\":\"");
    if (at == NULL || strlen(at) < 6 + 43 || lm_base64url_decode(nk, sizeof nk, &len, at + 6, 43) != LM_OK ||
        len != sizeof nk)
        return NULL;
    return lm_nodes_find(mesh, nk);
}

static char *record_address(const char *record)
{
    cJSON *json = cJSON_Parse(record);
    const char *mesh = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "mesh"));
    char *copy = mesh != NULL && strlen(mesh) < LM_MESH_HOST_PORT_MAX ? strdup(mesh) : NULL;
    cJSON_Delete(json);
    return copy;
}

/* Makes room for one more record; a node that is linked, or spoken with, is never pushed out. */
static bool make_room(lm_mesh *mesh, lm_ms now, bool by_any_means)
{
    lm_mesh_node *node, *next, *victim = NULL;
    if (mesh->stats.nodes < mesh->limits.nodes_max)
        return true;
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (node->record == NULL || node->links != NULL || node == mesh->self ||
            (!by_any_means && (node->conversation != NULL || lm_nodes_is_live(mesh, now, node))))
            continue;
        if (victim == NULL || node->renewed_at < victim->renewed_at)
            victim = node;
    }
    if (victim == NULL) {
        mesh->stats.drops.nodes_full++;
        return false;
    }
    forget_record(mesh, victim);
    lm_nodes_release(mesh, victim);
    return true;
}

/* Puts a record that was verified in its place. */
static int put_record(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const char *record, const char *sig,
                      uint64_t seq)
{
    char *record_copy = strdup(record), *sig_copy = strdup(sig);
    if (record_copy == NULL || sig_copy == NULL) {
        free(record_copy);
        free(sig_copy);
        mesh->stats.drops.memory++;
        return LM_ENOMEM;
    }
    node->renewed = node->record != NULL;
    mesh->stats.nodes += node->record == NULL;
    digest_record(mesh, node);
    free(node->record);
    free(node->sig);
    free(node->address);
    node->record = record_copy;
    node->sig = sig_copy;
    node->seq = seq;
    node->renewed_at = now;
    digest_record(mesh, node);
    node->address = record_address(record);
    if (node != mesh->self)
        lm_dialer_learn(mesh, now, node);
    return 1;
}

static int verify(lm_mesh *mesh, lm_ms now, lm_node_record_facts *facts, const char *record, const char *sig)
{
    mesh->stats.records_verified++;
    int result =
        lm_node_record_verify(facts, record, strlen(record), sig, strlen(sig), lm_mesh_unix(mesh, now));
    if (result == LM_EAGAIN)
        mesh->stats.drops.record_future++;
    else if (result == LM_ENOMEM)
        mesh->stats.drops.memory++;
    else if (result != LM_OK)
        mesh->stats.drops.record_bad++;
    return result;
}

int lm_nodes_learn(lm_mesh *mesh, lm_ms now, lm_mesh_link *link, const char *record, const char *sig,
                   lm_mesh_node **learned, bool *first)
{
    lm_node_record_facts facts;
    lm_mesh_node *node = claimed_node(mesh, record);
    if (node != NULL && node->record != NULL && node != mesh->self && claimed_seq(record) <= node->seq)
        return 0;
    if (node == mesh->self && claimed_seq(record) <= mesh->seen_seq)
        return 0;
    if (!lm_token_bucket_take(&link->records, RECORD_RATE, mesh->limits.nodes_max, now)) {
        mesh->stats.drops.record_rate++;
        return LM_ELIMIT;
    }
    int result = verify(mesh, now, &facts, record, sig);
    if (result != LM_OK)
        return result;
    node = lm_nodes_find(mesh, facts.nk);
    if (node == mesh->self) {
        if (facts.seq > mesh->seen_seq)
            mesh->seen_seq = facts.seq;
        return 0;
    }
    if (node != NULL && node->record != NULL && facts.seq <= node->seq)
        return 0;
    if (record_age(mesh, now, facts.seq) > KEPT_TIME && (node == NULL || !node->renewed)) {
        mesh->stats.drops.record_old++;
        return LM_ENOTFOUND;
    }
    *first = node == NULL || node->record == NULL;
    if (*first && !make_room(mesh, now, false))
        return LM_ELIMIT;
    if ((node = lm_nodes_get(mesh, facts.nk)) == NULL)
        return LM_ENOMEM;
    result = put_record(mesh, now, node, record, sig, facts.seq);
    if (result == 1)
        *learned = node;
    else
        lm_nodes_release(mesh, node);
    return result;
}

int lm_nodes_learn_own(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const char *record, const char *sig)
{
    lm_node_record_facts facts;
    if (node->record != NULL && strcmp(node->record, record) == 0 && strcmp(node->sig, sig) == 0)
        return 0;
    int result = verify(mesh, now, &facts, record, sig);
    if (result == LM_EAGAIN || result == LM_ENOMEM)
        return 0;
    if (result != LM_OK)
        return result;
    if (memcmp(facts.nk, node->nk, sizeof facts.nk) != 0) {
        mesh->stats.drops.record_bad++;
        return LM_EAUTH;
    }
    if (node == mesh->self || (node->record != NULL && facts.seq <= node->seq) ||
        (node->record == NULL && !make_room(mesh, now, true)))
        return 0;
    result = put_record(mesh, now, node, record, sig, facts.seq);
    return result == 1;
}

int lm_nodes_set_self(lm_mesh *mesh, lm_ms now, const char *record, const char *sig)
{
    lm_node_record_facts facts;
    int result =
        lm_node_record_verify(&facts, record, strlen(record), sig, strlen(sig), lm_mesh_unix(mesh, now));
    if (result != LM_OK || memcmp(facts.nk, mesh->keys.nk, sizeof facts.nk) != 0)
        return LM_EINVAL;
    if (facts.seq > mesh->seen_seq)
        mesh->seen_seq = facts.seq;
    result = put_record(mesh, now, mesh->self, record, sig, facts.seq);
    return result == 1 ? LM_OK : result;
}

void lm_nodes_expire(lm_mesh *mesh, lm_ms now)
{
    lm_mesh_node *node, *next;
    if (now < mesh->expire_at)
        return;
    mesh->expire_at = now + EXPIRE_INTERVAL;
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (node->banned_until > 0 && now >= node->banned_until)
            node->banned_until = 0;
        if (node->record != NULL && node != mesh->self && node->links == NULL &&
            now - node->renewed_at > EXPIRE_INTERVAL && record_age(mesh, now, node->seq) > KEPT_TIME &&
            (!node->renewed || now - node->renewed_at > KEPT_TIME))
            forget_record(mesh, node);
        lm_nodes_release(mesh, node);
    }
}

void lm_nodes_clear(lm_mesh *mesh)
{
    lm_mesh_node *node, *next;
    HASH_ITER(hh, mesh->nodes, node, next) {
        HASH_DEL(mesh->nodes, node);
        free(node->record);
        free(node->sig);
        free(node->address);
        sodium_memzero(node->via_key, sizeof node->via_key);
        free(node);
    }
}
