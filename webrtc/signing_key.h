/*
 * Private keys for mbedTLS to sign with. It loads an EC key as ECKEY, whose signatures go through a slower
 * path than those of an ECDSA context with the same key pair: half the signatures a second.
 */
#ifndef LM_WEBRTC_SIGNING_KEY_H
#define LM_WEBRTC_SIGNING_KEY_H

#include <mbedtls/ecdsa.h>
#include <mbedtls/pk.h>

#include "common/error.h"

/*
 * Makes *key (initialised, empty) of a parsed EC key pair, which stays the caller's. LM_ENOMEM, LM_ECRYPTO.
 */
static inline int lm_signing_key_from_ec(mbedtls_pk_context *key, const mbedtls_pk_context *parsed)
{
    if (mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECDSA)) != 0)
        return LM_ENOMEM;
    if (mbedtls_ecdsa_from_keypair(mbedtls_pk_ec(*key), mbedtls_pk_ec(*parsed)) != 0)
        return LM_ECRYPTO;
    return LM_OK;
}

#endif
