/*
 * ICE-lite (RFC 8445 section 2.5): the relay never sends a check, it answers those of the clients. It never
 * sees an offer either, so the first valid check of an unknown client is what makes a session.
 */
#ifndef LM_WEBRTC_ICE_LITE_H
#define LM_WEBRTC_ICE_LITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "webrtc/stun.h"

/* A session ends when no valid check has come for this long, in ms (RFC 7675 section 5.1). */
#define LM_ICE_CONSENT_TIMEOUT 30000

/* Longest ufrag of a client in characters (RFC 8839 section 5.4). */
#define LM_ICE_UFRAG_MAX 256

/*
 * ICE-controlling tie-breaker and ufrag: what tells clients apart. A ufrag alone has 24 bits in some
 * browsers.
 */
#define LM_ICE_CLIENT_KEY_MAX (8 + LM_ICE_UFRAG_MAX)

typedef struct lm_ice_credentials {
    const char *ufrag; /* borrowed */
    const char *pwd;   /* borrowed */
} lm_ice_credentials;

/*
 * Error for a client whose session is over: "Forbidden", as a revoked consent (RFC 7675 section 5.2 has no
 * error of its own). Chromium gives the connection up at the first one; Firefox takes any error for silence.
 */
#define LM_ICE_GONE_ERROR 403

/* What a Binding request turned out to be. */
typedef enum lm_ice_verdict {
    LM_ICE_VALID,       /* a check of a client, with good integrity */
    LM_ICE_STUN,        /* no USERNAME: a plain STUN request (RFC 8489 section 12) */
    LM_ICE_BAD_REQUEST, /* 400: USERNAME without MESSAGE-INTEGRITY, or one that has no client ufrag */
    LM_ICE_WRONG_UFRAG, /* 401: not for this relay */
    LM_ICE_WRONG_MAC,   /* 401: wrong integrity */
    LM_ICE_UNKNOWN,     /* 420: unknown comprehension-required attributes */
    LM_ICE_CONFLICT,    /* 487: the client says that it is controlled; a lite agent cannot control */
    LM_ICE_FULL,        /* 486: valid, but the caller has no place for a new session */
    LM_ICE_GONE         /* 403: valid, but the caller knows that this client's session is over */
} lm_ice_verdict;

/*
 * Judges a Binding request (RFC 8445 section 7.3, RFC 8489 section 9.1.3). Gives neither LM_ICE_FULL nor
 * LM_ICE_GONE.
 */
lm_ice_verdict lm_ice_lite_judge(const lm_ice_credentials *credentials, const lm_stun_msg *request);

/* Writes the key of the client that sent a valid check; returns its length, at most LM_ICE_CLIENT_KEY_MAX. */
size_t lm_ice_lite_client_key(const lm_stun_msg *request, uint8_t key[LM_ICE_CLIENT_KEY_MAX]);

/* Writes the answer that goes with a verdict to a request from `remote`; returns its length or LM_ETOOBIG. */
int lm_ice_lite_answer(const lm_ice_credentials *credentials, lm_ice_verdict verdict,
                       const lm_stun_msg *request, const lm_addr *remote, uint8_t answer[LM_STUN_ANSWER_MAX]);

#endif
