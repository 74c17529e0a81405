#include "common/certificate.h"

#include <mbedtls/ecp.h>
#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/mbedtls_compat.h"

/*
 * The name and the dates are the same for all nodes, so that a certificate tells nothing but its key.
 * 99991231235959 is "no well-defined expiration date" (RFC 5280 section 4.1.2.5).
 */
#define SUBJECT "CN=WebRTC"
#define NOT_BEFORE "20240101000000"
#define NOT_AFTER "99991231235959"
#define SERIAL_LEN 16
#define KEY_DER_SIZE 256 /* a P-256 ECPrivateKey has 121 bytes */

static const char pem_begin_cert[] = "-----BEGIN CERTIFICATE-----";

static int write_cert(char cert_pem[LM_CERTIFICATE_PEM_SIZE], mbedtls_pk_context *pk, lm_random *random)
{
    unsigned char serial[SERIAL_LEN];
    mbedtls_x509write_cert cert;
    lm_random_fill(random, serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and never shorter for a leading zero */

    mbedtls_x509write_crt_init(&cert);
    mbedtls_x509write_crt_set_version(&cert, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&cert, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&cert, pk);
    mbedtls_x509write_crt_set_issuer_key(&cert, pk);
    /*
     * One extension at least: an empty list of them is not valid DER of a certificate (RFC 5280 section 4.1).
     */
    int result = lm_mbedtls_set_serial(&cert, serial, sizeof serial) != 0 ||
                         mbedtls_x509write_crt_set_subject_name(&cert, SUBJECT) != 0 ||
                         mbedtls_x509write_crt_set_issuer_name(&cert, SUBJECT) != 0 ||
                         mbedtls_x509write_crt_set_validity(&cert, NOT_BEFORE, NOT_AFTER) != 0 ||
                         mbedtls_x509write_crt_set_basic_constraints(&cert, 0, -1) != 0 ||
                         mbedtls_x509write_crt_pem(&cert, (unsigned char *)cert_pem, LM_CERTIFICATE_PEM_SIZE,
                                                   lm_mbedtls_random, random) != 0
                     ? LM_ECRYPTO
                     : LM_OK;
    mbedtls_x509write_crt_free(&cert);
    return result;
}

int lm_certificate_make(char cert_pem[LM_CERTIFICATE_PEM_SIZE], char key_pem[LM_CERTIFICATE_PEM_SIZE],
                        const lm_random *random)
{
    lm_random rng = *random;
    mbedtls_pk_context pk;
    mbedtls_pk_init(&pk);
    int result = LM_ECRYPTO;
    if (mbedtls_pk_setup(&pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) == 0 &&
        mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(pk), lm_mbedtls_random, &rng) == 0 &&
        mbedtls_pk_write_key_pem(&pk, (unsigned char *)key_pem, LM_CERTIFICATE_PEM_SIZE) == 0)
        result = write_cert(cert_pem, &pk, &rng);
    if (result != LM_OK)
        sodium_memzero(key_pem, LM_CERTIFICATE_PEM_SIZE);
    mbedtls_pk_free(&pk);
    return result;
}

/* A copy of len bytes, NULL if memory ran out. */
static uint8_t *duplicate(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len);
    if (copy != NULL)
        memcpy(copy, data, len);
    return copy;
}

int lm_certificate_parse(lm_certificate *cert, const char *pem, size_t len, const char **why)
{
    int result = LM_EMALFORMED;
    mbedtls_x509_crt crt;
    mbedtls_x509_crt_init(&crt);
    if (strlen(pem) != len || strstr(pem, pem_begin_cert) == NULL ||
        mbedtls_x509_crt_parse(&crt, (const unsigned char *)pem, len + 1) != 0) {
        *why = "is not a PEM certificate";
    } else if (crt.next != NULL) {
        *why = "has more than one certificate in it";
    } else if (lm_mbedtls_pk_curve(&crt.pk) != MBEDTLS_ECP_DP_SECP256R1) {
        *why = "is not an ECDSA P-256 certificate";
    } else {
        uint8_t *der = duplicate(crt.raw.p, crt.raw.len);
        if (der != NULL) {
            *cert = (lm_certificate){.der = der, .der_len = crt.raw.len};
            crypto_hash_sha256(cert->fingerprint, der, crt.raw.len);
        } else {
            *why = "does not fit into memory";
        }
        result = der != NULL ? LM_OK : LM_ENOMEM;
    }
    mbedtls_x509_crt_free(&crt);
    return result;
}

static int export_key(lm_private_key *key, mbedtls_pk_context *pk, const char **why)
{
    unsigned char buf[KEY_DER_SIZE];
    /* mbedTLS writes to the end of the buffer. */
    int len = mbedtls_pk_write_key_der(pk, buf, sizeof buf);
    uint8_t *der = len > 0 ? duplicate(buf + sizeof buf - (size_t)len, (size_t)len) : NULL;
    sodium_memzero(buf, sizeof buf);
    if (der == NULL) {
        *why = "does not fit into memory";
        return LM_ENOMEM;
    }
    *key = (lm_private_key){.der = der, .der_len = (size_t)len};
    return LM_OK;
}

int lm_private_key_parse(lm_private_key *key, const char *pem, size_t len, const lm_certificate *cert,
                         const lm_random *random, const char **why)
{
    int result = LM_EMALFORMED;
    lm_random rng = *random;
    mbedtls_x509_crt crt;
    mbedtls_pk_context pk;
    mbedtls_x509_crt_init(&crt);
    mbedtls_pk_init(&pk);
    int parsed = MBEDTLS_ERR_PK_KEY_INVALID_FORMAT;
    if (strlen(pem) == len && strstr(pem, "-----BEGIN ") != NULL)
        parsed = lm_mbedtls_pk_parse_key(&pk, (const unsigned char *)pem, len + 1, &rng);
    if (parsed == MBEDTLS_ERR_PK_PASSWORD_REQUIRED) {
        *why = "is encrypted with a password";
    } else if (parsed != 0) {
        *why = "is not a PEM private key";
    } else if (lm_mbedtls_pk_curve(&pk) != MBEDTLS_ECP_DP_SECP256R1) {
        *why = "is not an ECDSA P-256 key";
    } else if (mbedtls_x509_crt_parse_der(&crt, cert->der, cert->der_len) != 0) {
        *why = "cannot be checked against the certificate";
        result = LM_ENOMEM;
    } else if (lm_mbedtls_pk_check_pair(&crt.pk, &pk, &rng) != 0) {
        *why = "does not belong to the certificate";
        result = LM_EAUTH;
    } else {
        result = export_key(key, &pk, why);
    }
    mbedtls_pk_free(&pk);
    mbedtls_x509_crt_free(&crt);
    return result;
}

void lm_certificate_clear(lm_certificate *cert)
{
    free(cert->der);
    *cert = (lm_certificate){0};
}

void lm_private_key_clear(lm_private_key *key)
{
    if (key->der != NULL)
        sodium_memzero(key->der, key->der_len);
    free(key->der);
    *key = (lm_private_key){0};
}
