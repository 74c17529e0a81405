#include "webrtc/tls.h"

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/mbedtls_compat.h"
#include "webrtc/signing_key.h"

/* Shorter RSA keys are refused by browsers (CA/Browser Forum baseline requirements, section 6.1.5). */
#define RSA_BITS_MIN 2048

struct lm_tls_server {
    mbedtls_ssl_config config;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    lm_random random;
    size_t holders; /* the owners and the connections, which refer to the config */
};

struct lm_tls {
    lm_tls_server *server;
    mbedtls_ssl_context ssl;
    lm_tls_state state;
    lm_tls_output_fn *output;
    void *user;
    const uint8_t *in; /* what mbedTLS may fetch next */
    size_t in_len;
};

/* AES first: processors have instructions for it, on either side. */
static const int ciphersuites[] = {
#ifdef MBEDTLS_SSL_PROTO_TLS1_3
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#endif
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0,
};

/* X25519 first, since it is the cheapest; the others for clients without it and for keys on them. */
static void configure_version(mbedtls_ssl_config *config)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03010000
    static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
    mbedtls_ssl_conf_groups(config, groups);
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
#else
    static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                                  MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_SECP521R1,
                                                  MBEDTLS_ECP_DP_NONE};
    mbedtls_ssl_conf_curves(config, curves);
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
}

static int load_chain(lm_tls_server *s, const char *pem, lm_tls_complaint *why)
{
    why->about = LM_TLS_CERTIFICATE;
    why->text = "is not a chain of PEM certificates";
    if (strstr(pem, "-----BEGIN ") == NULL ||
        mbedtls_x509_crt_parse(&s->chain, (const unsigned char *)pem, strlen(pem) + 1) != 0)
        return LM_EMALFORMED;
    return LM_OK;
}

/* Puts a parsed key into its place; what is left of *parsed is the caller's to free. */
static int take_key(lm_tls_server *s, mbedtls_pk_context *parsed, lm_tls_complaint *why)
{
    if (mbedtls_pk_can_do(parsed, MBEDTLS_PK_ECDSA)) {
        why->text = "cannot be used";
        return lm_signing_key_from_ec(&s->key, parsed);
    }
    if (!mbedtls_pk_can_do(parsed, MBEDTLS_PK_RSA)) {
        why->text = "is neither an RSA nor an ECDSA key";
        return LM_EMALFORMED;
    }
    if (mbedtls_pk_get_bitlen(parsed) < RSA_BITS_MIN) {
        why->text = "is an RSA key of less than 2048 bits";
        return LM_EMALFORMED;
    }
    s->key = *parsed;
    mbedtls_pk_init(parsed);
    return LM_OK;
}

static int load_key(lm_tls_server *s, const char *pem, lm_tls_complaint *why)
{
    mbedtls_pk_context parsed;
    int result = LM_EMALFORMED;
    why->about = LM_TLS_KEY;
    mbedtls_pk_init(&parsed);
    int error = MBEDTLS_ERR_PK_KEY_INVALID_FORMAT;
    if (strstr(pem, "-----BEGIN ") != NULL)
        error = lm_mbedtls_pk_parse_key(&parsed, (const unsigned char *)pem, strlen(pem) + 1, &s->random);
    if (error == MBEDTLS_ERR_PK_PASSWORD_REQUIRED || error == MBEDTLS_ERR_PK_PASSWORD_MISMATCH) {
        why->text = "is encrypted with a password";
    } else if (error != 0) {
        why->text = "is not a PEM private key";
    } else if (lm_mbedtls_pk_check_pair(&s->chain.pk, &parsed, &s->random) != 0) {
        why->text = "does not belong to the certificate";
        result = LM_EAUTH;
    } else {
        result = take_key(s, &parsed, why);
    }
    mbedtls_pk_free(&parsed);
    return result;
}

static int configure(lm_tls_server *s, lm_tls_complaint *why)
{
    why->text = "cannot be used";
    if (mbedtls_ssl_config_defaults(&s->config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        return LM_ENOMEM;
    mbedtls_ssl_conf_rng(&s->config, lm_mbedtls_random, &s->random);
    mbedtls_ssl_conf_ciphersuites(&s->config, ciphersuites);
    configure_version(&s->config);
    mbedtls_ssl_conf_authmode(&s->config, MBEDTLS_SSL_VERIFY_NONE);
    return mbedtls_ssl_conf_own_cert(&s->config, &s->chain, &s->key) == 0 ? LM_OK : LM_ENOMEM;
}

int lm_tls_server_create(lm_tls_server **server, const char *cert_pem, const char *key_pem,
                         const lm_random *random, lm_tls_complaint *why)
{
    lm_tls_server *s = calloc(1, sizeof *s);
    *why = (lm_tls_complaint){.about = LM_TLS_CERTIFICATE, .text = "does not fit into memory"};
    if (s == NULL)
        return LM_ENOMEM;
    s->random = *random;
    s->holders = 1;
    mbedtls_ssl_config_init(&s->config);
    mbedtls_x509_crt_init(&s->chain);
    mbedtls_pk_init(&s->key);

    int result = lm_mbedtls_start() == 0 ? LM_OK : LM_ECRYPTO;
    if (result == LM_OK)
        result = load_chain(s, cert_pem, why);
    if (result == LM_OK)
        result = load_key(s, key_pem, why);
    if (result == LM_OK)
        result = configure(s, why);
    if (result != LM_OK) {
        lm_tls_server_destroy(s);
        return result;
    }
    *server = s;
    return LM_OK;
}

void lm_tls_server_destroy(lm_tls_server *server)
{
    if (server == NULL || --server->holders > 0)
        return;
    mbedtls_ssl_config_free(&server->config);
    mbedtls_x509_crt_free(&server->chain);
    mbedtls_pk_free(&server->key);
    free(server);
}

lm_tls_server *lm_tls_server_share(lm_tls_server *server)
{
    if (server != NULL)
        server->holders++;
    return server;
}

const char *lm_tls_state_name(lm_tls_state state)
{
    switch (state) {
    case LM_TLS_HANDSHAKING:
        return "handshaking";
    case LM_TLS_CONNECTED:
        return "connected";
    case LM_TLS_CLOSED:
        return "closed";
    case LM_TLS_FAILED:
        return "failed";
    }
    return "unknown";
}

static int bio_send(void *ctx, const unsigned char *data, size_t len)
{
    lm_tls *tls = ctx;
    tls->output(tls->user, data, len);
    return (int)len;
}

static int bio_recv(void *ctx, unsigned char *buf, size_t cap)
{
    lm_tls *tls = ctx;
    if (tls->in_len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    size_t len = tls->in_len < cap ? tls->in_len : cap;
    memcpy(buf, tls->in, len);
    tls->in += len;
    tls->in_len -= len;
    return (int)len;
}

int lm_tls_create(lm_tls **out, lm_tls_server *server, lm_tls_output_fn *output, void *user)
{
    lm_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return LM_ENOMEM;
    tls->server = lm_tls_server_share(server);
    tls->output = output;
    tls->user = user;
    mbedtls_ssl_init(&tls->ssl);
    if (mbedtls_ssl_setup(&tls->ssl, &server->config) != 0) {
        lm_tls_destroy(tls);
        return LM_ENOMEM;
    }
    mbedtls_ssl_set_bio(&tls->ssl, tls, bio_send, bio_recv, NULL);
    *out = tls;
    return LM_OK;
}

void lm_tls_destroy(lm_tls *tls)
{
    if (tls == NULL)
        return;
    mbedtls_ssl_free(&tls->ssl);
    lm_tls_server_destroy(tls->server);
    free(tls);
}

static void finish(lm_tls *tls, lm_tls_state state)
{
    tls->state = state;
    tls->in_len = 0;
}

int lm_tls_input(lm_tls *tls, const uint8_t *data, size_t len)
{
    if (tls->state == LM_TLS_CLOSED || tls->state == LM_TLS_FAILED)
        return LM_ECLOSED;
    tls->in = data;
    tls->in_len = len;
    if (tls->state != LM_TLS_HANDSHAKING)
        return LM_OK;
    int result;
    do /* mbedTLS comes back once for some messages without having asked for more */
        result = mbedtls_ssl_handshake(&tls->ssl);
    while (result == MBEDTLS_ERR_SSL_WANT_READ && tls->in_len > 0);
    if (result == 0)
        tls->state = LM_TLS_CONNECTED;
    else if (result != MBEDTLS_ERR_SSL_WANT_READ)
        finish(tls, LM_TLS_FAILED);
    return tls->state == LM_TLS_FAILED ? LM_ECLOSED : LM_OK;
}

int lm_tls_read(lm_tls *tls, uint8_t *buf, size_t cap)
{
    while (tls->state == LM_TLS_CONNECTED) {
        int n = mbedtls_ssl_read(&tls->ssl, buf, cap);
        if (n > 0)
            return n;
        if (n == MBEDTLS_ERR_SSL_WANT_READ) {
            if (tls->in_len == 0)
                return 0;
        } else {
            finish(tls, n == 0 || n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? LM_TLS_CLOSED : LM_TLS_FAILED);
        }
    }
    return tls->state == LM_TLS_HANDSHAKING ? 0 : LM_ECLOSED;
}

int lm_tls_write(lm_tls *tls, const uint8_t *data, size_t len)
{
    if (tls->state != LM_TLS_CONNECTED)
        return LM_ECLOSED;
    if (len > LM_TLS_PLAINTEXT_MAX)
        return LM_ETOOBIG;
    if (mbedtls_ssl_write(&tls->ssl, data, len) == (int)len)
        return LM_OK;
    finish(tls, LM_TLS_FAILED);
    return LM_ECLOSED;
}

void lm_tls_close(lm_tls *tls)
{
    if (tls->state != LM_TLS_CONNECTED)
        return;
    mbedtls_ssl_close_notify(&tls->ssl);
    finish(tls, LM_TLS_CLOSED);
}

lm_tls_state lm_tls_get_state(const lm_tls *tls)
{
    return tls->state;
}

const char *lm_tls_version(const lm_tls *tls)
{
    return mbedtls_ssl_get_version(&tls->ssl);
}
