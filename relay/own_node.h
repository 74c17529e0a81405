/* This relay as a node: the key that proves it to browsers, and the record that it hands out of itself. */
#ifndef LM_RELAY_OWN_NODE_H
#define LM_RELAY_OWN_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "mesh/mesh.h"
#include "mesh/node_config.h"
#include "mesh/node_record.h"

#define LM_HELLO_NONCE_LEN 32

typedef struct lm_own_node {
    lm_node_config config;
    bool turn;                        /* see lm_own_node_set_turn() */
    char mesh[LM_MESH_HOST_PORT_MAX]; /* where other nodes may dial; "": nowhere */
    char nk_text[LM_BASE64URL_SIZE(LM_NODE_PUBLIC_KEY_LEN)];
    uint8_t seed[32];
    uint8_t secret_key[64];
    lm_ms clock_at; /* unix_ms belonged to this time */
    uint64_t unix_ms;
    lm_node_record record; /* the last one made, text NULL before that */
    lm_ms record_at;
    uint64_t record_seq;
} lm_own_node;

/* Fills *own from config and seed (both copied). LM_EINVAL: config->nk is not the seed's public key. */
int lm_own_node_init(lm_own_node *own, const lm_node_config *config, const uint8_t seed[32]);

/* Puts another config (copied) of the same node in its place; the next record has it. LM_EINVAL: another nk.
 */
int lm_own_node_set_config(lm_own_node *own, const lm_node_config *config);

/* Says whether the relay is a TURN server; the next record names it as a feature. */
void lm_own_node_set_turn(lm_own_node *own, bool turn);

/* Says where other nodes may dial ("host:port", copied; "": nowhere); the next record names it. */
void lm_own_node_set_mesh(lm_own_node *own, const char *mesh);

/*
 * Others have shown a record of this node with that seq, greater than the last one's: the clock was set back.
 * The next record, due now, gets a seq that is greater still.
 */
void lm_own_node_overtake(lm_own_node *own, uint64_t seq);

/* Frees the record and wipes the keys. */
void lm_own_node_clear(lm_own_node *own);

/* unix_ms is the wall-clock time that belongs to now. */
void lm_own_node_set_unix_time(lm_own_node *own, lm_ms now, uint64_t unix_ms);

/* The wall-clock time at `now`, in ms since 1970, as far as lm_own_node_set_unix_time() has told it. */
uint64_t lm_own_node_unix_time(const lm_own_node *own, lm_ms now);

/* Writes base64url of the Ed25519 signature over "lumamesh-hello-v1" 0x00 nonce fingerprint. */
void lm_own_node_sign_hello(const lm_own_node *own, const uint8_t nonce[LM_HELLO_NONCE_LEN],
                            char sig[LM_NODE_SIG_TEXT]);

/*
 * This node's record, made anew when the last one is LM_NODE_RECORD_RENEW old. Borrowed until the next call;
 * NULL if none could be made.
 */
const lm_node_record *lm_own_node_record(lm_own_node *own, lm_ms now);

#endif
