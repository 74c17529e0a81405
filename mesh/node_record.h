/*
 * Node records: what a node tells the world of itself, signed by its key (protocol page, section 5). On the
 * wire a record is {"record":"<JSON text>","sig":"<base64url>"}; the signature covers the exact bytes of that
 * text, so it is passed on as it came and never written anew.
 */
#ifndef LM_MESH_NODE_RECORD_H
#define LM_MESH_NODE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "common/base64url.h"
#include "mesh/node_config.h"

#define LM_NODE_RECORD_MAX 2048                    /* bytes of the JSON text */
#define LM_NODE_RECORD_FUTURE_MAX (10 * 60 * 1000) /* ms that seq may lie ahead of the reader's clock */
#define LM_NODE_RECORD_RENEW (60 * 1000)           /* ms after which a node renews its own */
#define LM_NODE_SIG_LEN 64                         /* Ed25519 */
#define LM_NODE_SIG_TEXT LM_BASE64URL_SIZE(LM_NODE_SIG_LEN)

/* A record as it goes over the wire; zero-initialise, lm_node_record_clear() frees. */
typedef struct lm_node_record {
    char *text; /* the JSON that was signed, NUL-terminated; owned, cJSON_free() frees it */
    char sig[LM_NODE_SIG_TEXT];
} lm_node_record;

/* What a record says beyond the node's config. All borrowed. */
typedef struct lm_node_record_extra {
    uint64_t seq;                /* Unix milliseconds; a record with a greater one replaces this one */
    const char *const *features; /* e.g. "signal", "turn" */
    size_t feature_count;
    const char *mesh; /* "host:port" where gossip links are accepted, NULL if they are not */
} lm_node_record_extra;

/* What a reader wants of a record that has been verified. */
typedef struct lm_node_record_facts {
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN]; /* who signed it */
    uint64_t seq;
} lm_node_record_facts;

/*
 * Makes and signs the record of the node that has this config; seed is the Ed25519 seed that belongs to
 * config->nk. What *record held is freed. LM_ETOOBIG: the text would be longer than LM_NODE_RECORD_MAX;
 * LM_ENOMEM. *record is unchanged on error.
 */
int lm_node_record_make(lm_node_record *record, const lm_node_config *config,
                        const lm_node_record_extra *extra, const uint8_t seed[32]);

void lm_node_record_clear(lm_node_record *record);

/*
 * Checks a record from elsewhere: text (len bytes) and sig (base64url, sig_len characters), both borrowed;
 * unix_ms is the reader's wall clock. Keys that are not known are allowed. LM_ETOOBIG: over
 * LM_NODE_RECORD_MAX; LM_EMALFORMED: not such JSON, or a field that is missing or wrong; LM_EAUTH: the
 * signature is not nk's; LM_EUNSUPPORTED: another v; LM_EAGAIN: seq lies too far in the future.
 */
int lm_node_record_verify(lm_node_record_facts *facts, const char *text, size_t len, const char *sig,
                          size_t sig_len, uint64_t unix_ms);

#endif
