/*
 * What this relay offers to a client that asks for TURN (protocol page, section 6): the URLs of its TURN
 * server (RFC 7065), and a credential that is good for a day.
 */
#ifndef LM_RELAY_TURN_OFFER_H
#define LM_RELAY_TURN_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json_writer.h"
#include "mesh/node_config.h"
#include "webrtc/turn_credentials.h"

/* At most so many URLs: UDP at both families' first addresses, TCP, TLS. Browsers try each of them. */
#define LM_TURN_OFFER_URLS_MAX 4

/* Longest URL with its NUL: "turns:" host ":65535?transport=tcp". */
#define LM_TURN_OFFER_URL_SIZE (6 + LM_HOST_MAX + 6 + 14 + 1)

typedef struct lm_turn_offer {
    char secret[LM_TURN_SECRET_MAX + 1]; /* that credentials are made with; "": no TURN is served */
    uint16_t tcp_port;                   /* 0: not served */
    uint16_t tls_port;                   /* likewise */
    bool elsewhere;                      /* this relay serves none, but other nodes of its mesh may */
} lm_turn_offer;

static inline bool lm_turn_offer_is_made(const lm_turn_offer *offer)
{
    return offer->secret[0] != '\0';
}

/* True when this very relay serves TURN. */
static inline bool lm_turn_offer_is_own(const lm_turn_offer *offer)
{
    return lm_turn_offer_is_made(offer) && !offer->elsewhere;
}

/* Writes the URLs of the relay with that config, UDP first; returns their number. */
size_t lm_turn_offer_urls(const lm_turn_offer *offer, const lm_node_config *config,
                          char urls[LM_TURN_OFFER_URLS_MAX][LM_TURN_OFFER_URL_SIZE]);

/* The same, as strings of an array that is open. */
void lm_turn_offer_put_urls(lm_json_writer *j, const lm_turn_offer *offer, const lm_node_config *config);

/* Adds the members "username", "credential" and "ttl" to an object that is open. */
void lm_turn_offer_put_credential(lm_json_writer *j, const char *username, const char *credential);

#endif
