/*
 * The config of a relay: what a browser must know to reach it (protocol page, section 1). Printed as JSON
 * with sorted keys, and as a "blob": "lm1." and the base64url of that JSON without white space.
 */
#ifndef LM_MESH_NODE_CONFIG_H
#define LM_MESH_NODE_CONFIG_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define LM_FINGERPRINT_LEN 32 /* SHA-256 over the DER certificate (RFC 8122) */
#define LM_NODE_PUBLIC_KEY_LEN 32
#define LM_UFRAG_MAX 256 /* characters (RFC 8445 section 5.3) */
#define LM_ICE_PWD_MAX 256
#define LM_HOST_MAX 253   /* characters of a DNS name */
#define LM_NODE_ALT_MAX 8 /* addresses besides ip and ip6 */

typedef struct lm_node_config {
    lm_addr ip;                   /* IPv4; family LM_AF_NONE if the node has none. Its port is not used. */
    lm_addr ip6;                  /* IPv6, likewise */
    lm_addr alt[LM_NODE_ALT_MAX]; /* further ones, the IPv4 ones first, each kind in order of preference */
    size_t alt_count;             /* of them; the rest is zero */
    char host[LM_HOST_MAX + 1];   /* DNS name, "" if none */
    uint16_t port;                /* UDP */
    uint16_t tcp;                 /* ICE-TCP port, 0: not served */
    char ufrag[LM_UFRAG_MAX + 1];
    char pwd[LM_ICE_PWD_MAX + 1];
    uint8_t fingerprint[LM_FINGERPRINT_LEN];
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN]; /* Ed25519 */
} lm_node_config;

/* The JSON, keys sorted, without white space; malloc'ed, NULL if memory ran out. */
char *lm_node_config_json(const lm_node_config *config);

/* The same, one key a line with two spaces of indentation, for people; malloc'ed, NULL if memory ran out. */
char *lm_node_config_pretty(const lm_node_config *config);

/* The blob; malloc'ed, NULL if memory ran out. */
char *lm_node_config_blob(const lm_node_config *config);

/*
 * Parses a blob as browsers may hand it about. LM_EMALFORMED, LM_EUNSUPPORTED for another version, LM_ENOMEM.
 */
int lm_node_config_parse_blob(lm_node_config *config, const char *blob, size_t len);

/*
 * The config in a JSON object (borrowed) that may have other keys, too, as a node record has. LM_EMALFORMED.
 */
int lm_node_config_read(lm_node_config *config, const cJSON *json);

#endif
