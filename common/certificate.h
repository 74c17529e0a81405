/*
 * The relay's DTLS certificate and its key: ECDSA P-256, self-signed, PEM on disk. Browsers check nothing of
 * it but its fingerprint (RFC 8122), so name and dates say nothing about the node.
 */
#ifndef LM_COMMON_CERTIFICATE_H
#define LM_COMMON_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "common/api.h"
#include "common/random.h"

#define LM_CERTIFICATE_PEM_SIZE \
    2048 /* room for either PEM text that lm_certificate_make() writes, with the NUL */
#define LM_CERTIFICATE_FINGERPRINT_LEN 32

typedef struct lm_certificate {
    uint8_t *der; /* malloc'ed */
    size_t der_len;
    uint8_t fingerprint[LM_CERTIFICATE_FINGERPRINT_LEN]; /* SHA-256 over der */
} lm_certificate;

typedef struct lm_private_key {
    uint8_t *der; /* RFC 5915 ECPrivateKey, malloc'ed; wiped by lm_private_key_clear() */
    size_t der_len;
} lm_private_key;

/* Makes a key and its certificate, as PEM. random is used for all of it. LM_ECRYPTO. */
LM_API int lm_certificate_make(char cert_pem[LM_CERTIFICATE_PEM_SIZE], char key_pem[LM_CERTIFICATE_PEM_SIZE],
                               const lm_random *random);

/*
 * Parses exactly one PEM certificate on P-256; pem[len] must be NUL. LM_EMALFORMED with *why saying what it
 * is instead
 * ("is not …", static storage), LM_ENOMEM. Free with lm_certificate_clear().
 */
LM_API int lm_certificate_parse(lm_certificate *cert, const char *pem, size_t len, const char **why);

/*
 * Parses a PEM P-256 key, SEC1 or PKCS#8, not encrypted; pem[len] must be NUL. LM_EMALFORMED as above;
 * LM_EAUTH if it does not belong to cert; LM_ENOMEM. Free with lm_private_key_clear().
 */
LM_API int lm_private_key_parse(lm_private_key *key, const char *pem, size_t len, const lm_certificate *cert,
                                const lm_random *random, const char **why);

/* Both take zeroed values too. */
LM_API void lm_certificate_clear(lm_certificate *cert);
LM_API void lm_private_key_clear(lm_private_key *key);

#endif
