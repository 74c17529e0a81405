#include "relay/own_node.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

static const char hello_domain[] = "lumamesh-hello-v1"; /* signed with its NUL */

/* The last one only where own->turn says so. */
static const char *const features[] = {"signal", "turn"};
#define FEATURES (sizeof features / sizeof features[0])

int lm_own_node_init(lm_own_node *own, const lm_node_config *config, const uint8_t seed[32])
{
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN];
    *own = (lm_own_node){.config = *config};
    crypto_sign_seed_keypair(nk, own->secret_key, seed);
    memcpy(own->seed, seed, sizeof own->seed);
    lm_base64url_encode(own->nk_text, sizeof own->nk_text, nk, sizeof nk);
    return memcmp(nk, config->nk, sizeof nk) == 0 ? LM_OK : LM_EINVAL;
}

int lm_own_node_set_config(lm_own_node *own, const lm_node_config *config)
{
    if (memcmp(own->config.nk, config->nk, sizeof config->nk) != 0)
        return LM_EINVAL;
    own->config = *config;
    lm_node_record_clear(&own->record); /* record_seq stays: the next record has to replace it */
    return LM_OK;
}

void lm_own_node_set_turn(lm_own_node *own, bool turn)
{
    if (own->turn != turn)
        lm_node_record_clear(&own->record);
    own->turn = turn;
}

void lm_own_node_set_mesh(lm_own_node *own, const char *mesh)
{
    if (strcmp(own->mesh, mesh) != 0)
        lm_node_record_clear(&own->record);
    snprintf(own->mesh, sizeof own->mesh, "%s", mesh);
}

void lm_own_node_overtake(lm_own_node *own, uint64_t seq)
{
    if (seq <= own->record_seq)
        return;
    own->record_seq = seq;
    lm_node_record_clear(&own->record);
}

void lm_own_node_clear(lm_own_node *own)
{
    lm_node_record_clear(&own->record);
    sodium_memzero(own, sizeof *own);
}

void lm_own_node_set_unix_time(lm_own_node *own, lm_ms now, uint64_t unix_ms)
{
    own->clock_at = now;
    own->unix_ms = unix_ms;
}

void lm_own_node_sign_hello(const lm_own_node *own, const uint8_t nonce[LM_HELLO_NONCE_LEN],
                            char sig[LM_NODE_SIG_TEXT])
{
    uint8_t message[sizeof hello_domain + LM_HELLO_NONCE_LEN + LM_FINGERPRINT_LEN];
    uint8_t sig_bytes[LM_NODE_SIG_LEN];
    memcpy(message, hello_domain, sizeof hello_domain);
    memcpy(message + sizeof hello_domain, nonce, LM_HELLO_NONCE_LEN);
    memcpy(message + sizeof hello_domain + LM_HELLO_NONCE_LEN, own->config.fingerprint, LM_FINGERPRINT_LEN);
    crypto_sign_detached(sig_bytes, NULL, message, sizeof message, own->secret_key);
    lm_base64url_encode(sig, LM_NODE_SIG_TEXT, sig_bytes, sizeof sig_bytes);
}

uint64_t lm_own_node_unix_time(const lm_own_node *own, lm_ms now)
{
    return own->unix_ms + (now > own->clock_at ? now - own->clock_at : 0);
}

/*
 * The wall clock, but always past the last seq, or the new record would not replace the last one where the
 * clock was set back. A last seq so far ahead that every reader refused it does not count.
 */
static uint64_t next_seq(const lm_own_node *own, lm_ms now)
{
    uint64_t seq = lm_own_node_unix_time(own, now);
    if (seq <= own->record_seq && own->record_seq - seq <= LM_NODE_RECORD_FUTURE_MAX)
        seq = own->record_seq + 1;
    return seq;
}

const lm_node_record *lm_own_node_record(lm_own_node *own, lm_ms now)
{
    if (own->record.text == NULL || now - own->record_at >= LM_NODE_RECORD_RENEW) {
        const lm_node_record_extra extra = {
            .seq = next_seq(own, now),
            .features = features,
            .feature_count = own->turn ? FEATURES : FEATURES - 1,
            .mesh = own->mesh[0] != '\0' ? own->mesh : NULL,
        };
        if (lm_node_record_make(&own->record, &own->config, &extra, own->seed) == LM_OK) {
            own->record_at = now;
            own->record_seq = extra.seq;
        }
    }
    return own->record.text != NULL ? &own->record : NULL;
}
