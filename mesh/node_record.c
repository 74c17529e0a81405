#include "mesh/node_record.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"
#include "mesh/node_addresses.h"

/*
 * Signed in front of the text, its NUL included, so that a record is never taken for another kind of signed
 * bytes.
 */
static const char record_domain[] = "lumamesh-node-v1";

#define RECORD_DEPTH_MAX 4 /* the object, its features, and room for keys that are not known yet */
#define RECORD_FEATURES_MAX 16
#define RECORD_FEATURE_LEN 32 /* characters */
#define RECORD_MESH_LEN 272   /* "host:port" */
#define SEQ_MAX \
    9007199254740991.0 /* 2^53 - 1, the greatest integer that JSON readers agree on (RFC 8259 section 6) */
#define UFRAG_MIN 4    /* RFC 8445 section 5.3 */
#define PWD_MIN 22

/* domain, its NUL, text: what the signature covers. buf holds the most that can be. Returns the length. */
static size_t signed_bytes(uint8_t buf[sizeof record_domain + LM_NODE_RECORD_MAX], const char *text,
                           size_t len)
{
    memcpy(buf, record_domain, sizeof record_domain);
    memcpy(buf + sizeof record_domain, text, len);
    return sizeof record_domain + len;
}

/* Adds what the record says beyond the config, in any order. False if memory ran out. */
static bool add_extra(cJSON *json, const lm_node_record_extra *extra)
{
    cJSON *features = cJSON_AddArrayToObject(json, "features");
    if (features == NULL)
        return false;
    for (size_t i = 0; i < extra->feature_count; i++) {
        cJSON *feature = cJSON_CreateString(extra->features[i]);
        if (feature == NULL || !cJSON_AddItemToArray(features, feature)) {
            cJSON_Delete(feature);
            return false;
        }
    }
    return (extra->mesh == NULL || cJSON_AddStringToObject(json, "mesh", extra->mesh) != NULL) &&
           cJSON_AddNumberToObject(json, "seq", (double)extra->seq) != NULL &&
           cJSON_AddNumberToObject(json, "v", 1) != NULL;
}

/* Moves all of from's members to `to`, in the order of their keys. False if memory ran out. */
static bool move_sorted(cJSON *to, cJSON *from)
{
    while (from->child != NULL) {
        cJSON *first = from->child;
        for (cJSON *item = first->next; item != NULL; item = item->next) {
            if (strcmp(item->string, first->string) < 0)
                first = item;
        }
        cJSON_DetachItemViaPointer(from, first);
        if (!cJSON_AddItemToObject(to, first->string, first)) {
            cJSON_Delete(first);
            return false;
        }
    }
    return true;
}

/* The record's JSON, allocated by cJSON; NULL if memory ran out. */
static char *record_text(const lm_node_config *config, const lm_node_record_extra *extra)
{
    char *config_text = lm_node_config_json(config);
    cJSON *json = config_text != NULL ? cJSON_Parse(config_text) : NULL;
    cJSON *sorted = cJSON_CreateObject();
    char *text = NULL;
    free(config_text);
    if (json != NULL && sorted != NULL && add_extra(json, extra) && move_sorted(sorted, json))
        text = cJSON_PrintUnformatted(sorted);
    cJSON_Delete(json);
    cJSON_Delete(sorted);
    return text;
}

int lm_node_record_make(lm_node_record *record, const lm_node_config *config,
                        const lm_node_record_extra *extra, const uint8_t seed[32])
{
    uint8_t message[sizeof record_domain + LM_NODE_RECORD_MAX];
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret_key[crypto_sign_SECRETKEYBYTES];
    uint8_t sig[LM_NODE_SIG_LEN];

    char *text = record_text(config, extra);
    if (text == NULL)
        return LM_ENOMEM;
    size_t len = strlen(text);
    if (len > LM_NODE_RECORD_MAX) {
        cJSON_free(text);
        return LM_ETOOBIG;
    }
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    crypto_sign_detached(sig, NULL, message, signed_bytes(message, text, len), secret_key);
    sodium_memzero(secret_key, sizeof secret_key);

    lm_node_record_clear(record);
    record->text = text;
    lm_base64url_encode(record->sig, sizeof record->sig, sig, sizeof sig);
    return LM_OK;
}

void lm_node_record_clear(lm_node_record *record)
{
    cJSON_free(record->text);
    *record = (lm_node_record){0};
}

/* The string under key when its length is from min to max bytes, NULL otherwise. */
static const char *string_field(const cJSON *json, const char *key, size_t min, size_t max)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
    size_t len = text != NULL ? strlen(text) : 0;
    return text != NULL && len >= min && len <= max ? text : NULL;
}

static bool is_absent(const cJSON *json, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(json, key) == NULL;
}

static bool is_integer(const cJSON *json, const char *key, double min, double max)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    return cJSON_IsNumber(item) && item->valuedouble >= min && item->valuedouble <= max &&
           item->valuedouble == (double)(uint64_t)item->valuedouble;
}

/* "AB:CD:…", 32 upper-case bytes. */
static bool is_fingerprint(const char *text)
{
    if (text == NULL || strlen(text) != LM_FINGERPRINT_LEN * 3 - 1)
        return false;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (i % 3 == 2 ? text[i] != ':' : strchr("0123456789ABCDEF", text[i]) == NULL)
            return false;
    }
    return true;
}

static bool are_features(const cJSON *features)
{
    const cJSON *feature;
    if (!cJSON_IsArray(features) || cJSON_GetArraySize(features) > RECORD_FEATURES_MAX)
        return false;
    cJSON_ArrayForEach(feature, features) {
        if (!cJSON_IsString(feature) || strlen(feature->valuestring) > RECORD_FEATURE_LEN)
            return false;
    }
    return true;
}

/* What a browser needs to dial the node is there and has its form. */
static bool has_good_fields(const cJSON *json)
{
    lm_node_config node;
    int addresses = lm_node_addresses_read(&node, json);
    return addresses >= 0 && (addresses > 0 || !is_absent(json, "host")) &&
           (is_absent(json, "host") || string_field(json, "host", 1, LM_HOST_MAX) != NULL) &&
           is_integer(json, "port", 1, 65535) &&
           (is_absent(json, "tcp") || is_integer(json, "tcp", 1, 65535)) &&
           is_fingerprint(string_field(json, "fingerprint", 1, 3 * LM_FINGERPRINT_LEN)) &&
           string_field(json, "ufrag", UFRAG_MIN, LM_UFRAG_MAX) != NULL &&
           string_field(json, "pwd", PWD_MIN, LM_ICE_PWD_MAX) != NULL &&
           is_integer(json, "seq", 0, SEQ_MAX) &&
           are_features(cJSON_GetObjectItemCaseSensitive(json, "features")) &&
           (is_absent(json, "mesh") || string_field(json, "mesh", 3, RECORD_MESH_LEN) != NULL);
}

/* The part of lm_node_record_verify() that reads the parsed text. */
static int verify_parsed(lm_node_record_facts *facts, const cJSON *json, const char *text, size_t len,
                         const uint8_t sig[LM_NODE_SIG_LEN], uint64_t unix_ms)
{
    uint8_t message[sizeof record_domain + LM_NODE_RECORD_MAX];
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN];
    size_t nk_len;
    const char *nk_text = string_field(json, "nk", 1, LM_BASE64URL_SIZE(sizeof nk));
    if (nk_text == NULL || lm_base64url_decode(nk, sizeof nk, &nk_len, nk_text, strlen(nk_text)) != LM_OK ||
        nk_len != sizeof nk)
        return LM_EMALFORMED;
    if (crypto_sign_verify_detached(sig, message, signed_bytes(message, text, len), nk) != 0)
        return LM_EAUTH;

    if (!is_integer(json, "v", 0, SEQ_MAX))
        return LM_EMALFORMED;
    if (!is_integer(json, "v", 1, 1))
        return LM_EUNSUPPORTED;
    if (!has_good_fields(json))
        return LM_EMALFORMED;
    uint64_t seq = (uint64_t)cJSON_GetObjectItemCaseSensitive(json, "seq")->valuedouble;
    if (seq > unix_ms && seq - unix_ms > LM_NODE_RECORD_FUTURE_MAX)
        return LM_EAGAIN;
    memcpy(facts->nk, nk, sizeof nk);
    facts->seq = seq;
    return LM_OK;
}

int lm_node_record_verify(lm_node_record_facts *facts, const char *text, size_t len, const char *sig,
                          size_t sig_len, uint64_t unix_ms)
{
    uint8_t sig_bytes[LM_NODE_SIG_LEN];
    size_t sig_bytes_len;
    cJSON *json;
    if (len > LM_NODE_RECORD_MAX)
        return LM_ETOOBIG;
    if (lm_base64url_decode(sig_bytes, sizeof sig_bytes, &sig_bytes_len, sig, sig_len) != LM_OK ||
        sig_bytes_len != sizeof sig_bytes)
        return LM_EMALFORMED;
    int result = lm_json_parse_object(&json, text, len, RECORD_DEPTH_MAX);
    if (result != LM_OK)
        return result;
    result = verify_parsed(facts, json, text, len, sig_bytes, unix_ms);
    cJSON_Delete(json);
    return result;
}
