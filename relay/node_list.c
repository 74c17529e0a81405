#include "relay/node_list.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"

#define RETRY 1000         /* ms after which a record that could not be made is tried again */
#define RECORD_DEPTH_MAX 8 /* of its JSON, as it was verified */
#define TURN_CANDIDATES 32 /* looked at for their features, so that invented nodes cost little */

void lm_node_list_renew(lm_relay *relay, lm_ms now)
{
    if (relay->mesh == NULL || relay->node.unix_ms == 0)
        return;
    lm_mesh_set_unix_time(relay->mesh, now, lm_own_node_unix_time(&relay->node, now));
    lm_own_node_overtake(&relay->node, lm_mesh_own_seq(relay->mesh));
    const lm_node_record *record = lm_own_node_record(&relay->node, now);
    relay->record_due = record != NULL ? relay->node.record_at + LM_NODE_RECORD_RENEW : now + RETRY;
    if (record == NULL || relay->record_told == relay->node.record_seq)
        return;
    int result = lm_mesh_set_record(relay->mesh, now, record);
    if (result == LM_OK) {
        relay->record_told = relay->node.record_seq;
    } else {
        LM_LOGW(relay->log, "mesh: this node's record is not taken: %s", lm_strerror(result));
        relay->record_due = now + RETRY;
    }
}

typedef struct listing {
    void (*visit)(void *ctx, const char *record, const char *sig);
    void *ctx;
    size_t bytes;
} listing;

static void visit_other(void *ctx, const lm_mesh_node_info *node)
{
    listing *l = ctx;
    size_t len = strlen(node->record);
    if (node->self || !node->live || l->bytes + len > LM_NODE_LIST_BYTES)
        return;
    l->bytes += len;
    l->visit(l->ctx, node->record, node->sig);
}

void lm_node_list_visit(lm_relay *relay, lm_ms now,
                        void (*visit)(void *ctx, const char *record, const char *sig), void *ctx)
{
    listing l = {.visit = visit, .ctx = ctx};
    const lm_node_record *own = lm_own_node_record(&relay->node, now);
    if (own != NULL)
        visit(ctx, own->text, own->sig);
    if (relay->mesh != NULL)
        lm_mesh_visit_nodes(relay->mesh, now, visit_other, &l);
}

/* --- TURN --- */

typedef struct candidate {
    uint8_t rank[crypto_hash_sha256_BYTES];
    const char *record; /* borrowed; NULL: this node */
} candidate;

/* The best ones so far, in order. */
typedef struct ranking {
    const uint8_t *room;
    candidate best[TURN_CANDIDATES];
    size_t count;
} ranking;

static void put(ranking *r, const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN], const char *record)
{
    uint8_t text[LM_ROOM_ID_LEN + LM_NODE_PUBLIC_KEY_LEN];
    candidate c = {.record = record};
    memcpy(text, r->room, LM_ROOM_ID_LEN);
    memcpy(text + LM_ROOM_ID_LEN, nk, LM_NODE_PUBLIC_KEY_LEN);
    crypto_hash_sha256(c.rank, text, sizeof text);
    size_t i = r->count;
    while (i > 0 && memcmp(c.rank, r->best[i - 1].rank, sizeof c.rank) < 0)
        i--;
    if (i == TURN_CANDIDATES)
        return;
    if (r->count < TURN_CANDIDATES)
        r->count++;
    memmove(&r->best[i + 1], &r->best[i], (r->count - i - 1) * sizeof r->best[0]);
    r->best[i] = c;
}

static void rank_other(void *ctx, const lm_mesh_node_info *node)
{
    if (!node->self && node->live)
        put(ctx, node->nk, node->record);
}

static bool has_turn(const cJSON *json)
{
    const cJSON *feature;
    cJSON_ArrayForEach(feature, cJSON_GetObjectItemCaseSensitive(json, "features")) {
        if (cJSON_IsString(feature) && strcmp(feature->valuestring, "turn") == 0)
            return true;
    }
    return false;
}

/* True, with its config, for the record of a node that serves TURN. */
static bool read_turn_node(lm_node_config *config, const char *record)
{
    cJSON *json;
    if (lm_json_parse_object(&json, record, strlen(record), RECORD_DEPTH_MAX) != LM_OK)
        return false;
    bool good = has_turn(json) && lm_node_config_read(config, json) == LM_OK;
    cJSON_Delete(json);
    return good;
}

size_t lm_node_list_turn(lm_relay *relay, lm_ms now, const uint8_t room[LM_ROOM_ID_LEN],
                         lm_turn_node nodes[LM_NODE_LIST_TURN])
{
    ranking r = {.room = room};
    size_t count = 0;
    if (relay->node.turn)
        put(&r, relay->node.config.nk, NULL);
    if (relay->mesh != NULL)
        lm_mesh_visit_nodes(relay->mesh, now, rank_other, &r);
    for (size_t i = 0; i < r.count && count < LM_NODE_LIST_TURN; i++) {
        nodes[count].self = r.best[i].record == NULL;
        if (nodes[count].self || read_turn_node(&nodes[count].config, r.best[i].record))
            count++;
    }
    return count;
}
