/*
 * The few places where mbedTLS 2.28 (Debian 12) and 3.6 (Debian 13) differ, under one name each. Whatever
 * else the two have in common is called directly.
 */
#ifndef LM_COMMON_MBEDTLS_COMPAT_H
#define LM_COMMON_MBEDTLS_COMPAT_H

#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif
#include <stddef.h>

#include "common/random.h"

/*
 * To be called before a handshake; 0 if all is well. mbedTLS 3 does part of its work through the PSA API,
 * which wants to be started; doing so twice is harmless.
 */
static inline int lm_mbedtls_start(void)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    return psa_crypto_init() == PSA_SUCCESS ? 0 : -1;
#else
    return 0;
#endif
}

/* mbedTLS's f_rng on an lm_random, which is its p_rng. Never fails. */
static inline int lm_mbedtls_random(void *ctx, unsigned char *buf, size_t len)
{
    lm_random_fill((const lm_random *)ctx, buf, len);
    return 0;
}

/*
 * As mbedtls_pk_parse_key() without a password: PEM (len counts its NUL) or DER. random blinds the public
 * key's computation.
 */
static inline int lm_mbedtls_pk_parse_key(mbedtls_pk_context *pk, const unsigned char *key, size_t len,
                                          lm_random *random)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    return mbedtls_pk_parse_key(pk, key, len, NULL, 0, lm_mbedtls_random, random);
#else
    (void)random;
    return mbedtls_pk_parse_key(pk, key, len, NULL, 0);
#endif
}

/* 0 if the public key belongs to the private key. */
static inline int lm_mbedtls_pk_check_pair(const mbedtls_pk_context *public_key,
                                           const mbedtls_pk_context *private_key, lm_random *random)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    return mbedtls_pk_check_pair(public_key, private_key, lm_mbedtls_random, random);
#else
    (void)random;
    return mbedtls_pk_check_pair(public_key, private_key);
#endif
}

/* The curve of an elliptic-curve key; MBEDTLS_ECP_DP_NONE for every other key. */
static inline mbedtls_ecp_group_id lm_mbedtls_pk_curve(const mbedtls_pk_context *pk)
{
    if (!mbedtls_pk_can_do(pk, MBEDTLS_PK_ECDSA))
        return MBEDTLS_ECP_DP_NONE;
#if MBEDTLS_VERSION_NUMBER >= 0x03060000
    return mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*pk));
#else
    return mbedtls_pk_ec(*pk)->grp.id;
#endif
}

/* The serial number of a certificate in the making: len bytes, most significant first, copied. */
static inline int lm_mbedtls_set_serial(mbedtls_x509write_cert *cert, const unsigned char *serial, size_t len)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03040000
    unsigned char copy[MBEDTLS_X509_RFC5280_MAX_SERIAL_LEN];
    if (len > sizeof copy)
        return MBEDTLS_ERR_X509_BAD_INPUT_DATA;
    for (size_t i = 0; i < len; i++)
        copy[i] = serial[i];
    return mbedtls_x509write_crt_set_serial_raw(cert, copy, len);
#else
    mbedtls_mpi number;
    mbedtls_mpi_init(&number);
    int result = mbedtls_mpi_read_binary(&number, serial, len);
    if (result == 0)
        result = mbedtls_x509write_crt_set_serial(cert, &number);
    mbedtls_mpi_free(&number);
    return result;
#endif
}

#endif
