/*
 * Credentials of the TURN server: the ephemeral ones that it and a web application share a secret for (TURN
 * REST API; protocol page, section 6), and the nonces of STUN's long-term credential mechanism (RFC 8489
 * section 9.2), which prove that a client hears what is sent to its address.
 *
 *     username   <unix time at which it expires, seconds>:<user>
 *     password   base64(HMAC-SHA1(secret, username))
 *     key        MD5(username ":" realm ":" password)
 */
#ifndef LM_WEBRTC_TURN_CREDENTIALS_H
#define LM_WEBRTC_TURN_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/random.h"

/* How long a credential that the relay gives is good, in seconds. */
#define LM_TURN_CREDENTIAL_TTL 86400

/* Secrets that hold at the same time; the first makes new credentials, the others are on their way out. */
#define LM_TURN_SECRETS_MAX 4

/*
 * Characters of a secret, and of a realm. RFC 8489 section 14.9 allows 127, but the answer that a realm goes
 * out in may have no more than LM_TURN_UNPROVEN_FACTOR bytes for each of the request's, and browsers begin
 * with the shortest Allocate that there is: with a longer realm they would never be answered.
 */
#define LM_TURN_SECRET_MIN 16
#define LM_TURN_SECRET_MAX 256
#define LM_TURN_REALM_MAX 32

/* Longest user name that is taken, in bytes: the expiry, a colon and the user. */
#define LM_TURN_USERNAME_MAX 128

#define LM_TURN_PASSWORD_LEN 28 /* base64 of 20 bytes */
#define LM_TURN_KEY_LEN 16      /* MD5 */
#define LM_TURN_NONCE_LEN 16    /* characters: base64url of 4 bytes of time and 8 of MAC */

/* How long a nonce is good, in ms. An older one brings error 438 and a new one. */
#define LM_TURN_NONCE_LIFETIME (60 * 60 * 1000)

typedef struct lm_turn_secrets {
    char secret[LM_TURN_SECRETS_MAX][LM_TURN_SECRET_MAX + 1];
    unsigned count; /* at least 1 */
} lm_turn_secrets;

/* Reads "secret,secret…" into *secrets. LM_EINVAL: none, too many, too short or too long. */
int lm_turn_secrets_parse(lm_turn_secrets *secrets, const char *text);

/* 1 to LM_TURN_REALM_MAX bytes, none of them a control character, a double quote or a backslash. */
bool lm_turn_realm_is_good(const char *realm);

/*
 * Makes a credential for `user` (at most LM_TURN_USERNAME_MAX - 21 bytes, no colon needed) that is good until
 * `expiry`. LM_EINVAL, LM_ECRYPTO.
 */
int lm_turn_credential(const char *secret, const char *user, uint64_t expiry,
                       char username[LM_TURN_USERNAME_MAX + 1], char password[LM_TURN_PASSWORD_LEN + 1]);

/* The expiry in a user name, in seconds since 1970; 0 if it has none. *user gets what follows the colon. */
uint64_t lm_turn_username_expiry(const uint8_t *username, size_t len, size_t *user_at);

/* The long-term key for a user name under one secret (RFC 8489 section 9.2.2). LM_ECRYPTO. */
int lm_turn_key(const char *secret, const char *realm, const uint8_t *username, size_t username_len,
                uint8_t key[LM_TURN_KEY_LEN]);

/* Makes and checks nonces without remembering any. */
typedef struct lm_turn_nonces {
    uint8_t key[16];
} lm_turn_nonces;

void lm_turn_nonces_init(lm_turn_nonces *nonces, lm_random *random);

/* A nonce for the client at `remote`: no other address can use it. */
void lm_turn_nonce_make(const lm_turn_nonces *nonces, lm_ms now, const lm_addr *remote,
                        char nonce[LM_TURN_NONCE_LEN + 1]);

/* LM_OK: made here for this address and not too old; LM_EAGAIN: too old; LM_EAUTH: not made here for it. */
int lm_turn_nonce_check(const lm_turn_nonces *nonces, lm_ms now, const lm_addr *remote, const uint8_t *nonce,
                        size_t len);

#endif
