#include "webrtc/dtls.h"

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/mbedtls_compat.h"
#include "webrtc/client_hello.h"
#include "webrtc/signing_key.h"

/* First and last retransmission timeout in ms; RFC 6347 section 4.2.4.1 recommends 1 s, doubled each time. */
#define RETRANSMIT_MIN 1000
#define RETRANSMIT_MAX 16000

struct lm_dtls_server {
    mbedtls_ssl_config config;
    mbedtls_x509_crt cert;
    mbedtls_pk_context key;
    lm_random random;
    size_t holders; /* the owner and the connections, which refer to the config */
};

struct lm_dtls {
    lm_dtls_server *server;
    mbedtls_ssl_context ssl;
    lm_dtls_state state;
    lm_dtls_output_fn *output;
    void *user;
    lm_client_hello hello; /* until connected */
    const uint8_t *in;     /* the datagram that mbedTLS may fetch next, NULL if none */
    size_t in_len;
    lm_ms now;          /* time of the current call, for the timer callbacks */
    lm_ms intermediate; /* mbedTLS's two-stage timer; LM_MS_NEVER: not set */
    lm_ms final;
};

static const int ciphersuites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0};

/* Loads the key that belongs to the certificate. */
static int load_key(lm_dtls_server *s, const uint8_t *der, size_t len)
{
    mbedtls_pk_context parsed;
    int error = LM_EINVAL;

    mbedtls_pk_init(&parsed);
    if (lm_mbedtls_pk_parse_key(&parsed, der, len, &s->random) == 0 &&
        mbedtls_pk_can_do(&parsed, MBEDTLS_PK_ECDSA) &&
        lm_mbedtls_pk_check_pair(&s->cert.pk, &parsed, &s->random) == 0)
        error = lm_signing_key_from_ec(&s->key, &parsed);
    mbedtls_pk_free(&parsed);
    return error;
}

/* DTLS 1.2 alone, and the two groups that every browser offers: X25519 first, since it is the cheaper one. */
static void configure_version(mbedtls_ssl_config *config)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03010000
    static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
    mbedtls_ssl_conf_groups(config, groups);
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
#else
    static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                                  MBEDTLS_ECP_DP_NONE};
    mbedtls_ssl_conf_curves(config, curves);
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
}

static int accept_cookie(void *ctx, const unsigned char *cookie, size_t len, const unsigned char *id,
                         size_t id_len)
{
    (void)ctx, (void)cookie, (void)len, (void)id, (void)id_len;
    return 0;
}

static void configure(lm_dtls_server *s)
{
    mbedtls_ssl_conf_rng(&s->config, lm_mbedtls_random, &s->random);
    mbedtls_ssl_conf_ciphersuites(&s->config, ciphersuites);
    configure_version(&s->config);
    mbedtls_ssl_conf_authmode(&s->config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_handshake_timeout(&s->config, RETRANSMIT_MIN, RETRANSMIT_MAX);
    /*
     * Cookies are checked before a connection is made (hello_cookie.h), and mbedTLS refuses a ClientHello
     * that has one unless it may ask somebody. Without a function to write cookies it asks for none, and
     * takes no second ClientHello on a connection for a reconnecting client.
     */
    mbedtls_ssl_conf_dtls_cookies(&s->config, NULL, accept_cookie, NULL);
}

int lm_dtls_server_create(lm_dtls_server **server, const uint8_t *cert_der, size_t cert_len,
                          const uint8_t *key_der, size_t key_len, const lm_random *random)
{
    lm_dtls_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return LM_ENOMEM;
    s->random = *random;
    s->holders = 1;
    mbedtls_ssl_config_init(&s->config);
    mbedtls_x509_crt_init(&s->cert);
    mbedtls_pk_init(&s->key);

    int error = lm_mbedtls_start() == 0 ? LM_OK : LM_ECRYPTO;
    if (error == LM_OK && mbedtls_x509_crt_parse_der(&s->cert, cert_der, cert_len) != 0)
        error = LM_EINVAL;
    if (error == LM_OK)
        error = load_key(s, key_der, key_len);
    if (error == LM_OK &&
        mbedtls_ssl_config_defaults(&s->config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        error = LM_ENOMEM;
    if (error == LM_OK) {
        configure(s);
        if (mbedtls_ssl_conf_own_cert(&s->config, &s->cert, &s->key) != 0)
            error = LM_ENOMEM;
    }
    if (error != LM_OK) {
        lm_dtls_server_destroy(s);
        return error;
    }
    *server = s;
    return LM_OK;
}

void lm_dtls_server_destroy(lm_dtls_server *server)
{
    if (server == NULL || --server->holders > 0)
        return;
    mbedtls_ssl_config_free(&server->config);
    mbedtls_x509_crt_free(&server->cert);
    mbedtls_pk_free(&server->key);
    free(server);
}

const char *lm_dtls_state_name(lm_dtls_state state)
{
    switch (state) {
    case LM_DTLS_WAITING:
        return "waiting";
    case LM_DTLS_HANDSHAKING:
        return "handshaking";
    case LM_DTLS_CONNECTED:
        return "connected";
    case LM_DTLS_CLOSED:
        return "closed";
    case LM_DTLS_FAILED:
        return "failed";
    }
    return "unknown";
}

static int bio_send(void *ctx, const unsigned char *data, size_t len)
{
    lm_dtls *dtls = ctx;
    dtls->output(dtls->user, data, len);
    return (int)len;
}

static int bio_recv(void *ctx, unsigned char *buf, size_t cap)
{
    lm_dtls *dtls = ctx;
    if (dtls->in == NULL)
        return MBEDTLS_ERR_SSL_WANT_READ;
    size_t len = dtls->in_len < cap ? dtls->in_len : cap;
    memcpy(buf, dtls->in, len);
    dtls->in = NULL;
    return (int)len;
}

static void timer_set(void *ctx, uint32_t intermediate, uint32_t final)
{
    lm_dtls *dtls = ctx;
    dtls->intermediate = final == 0 ? LM_MS_NEVER : dtls->now + intermediate;
    dtls->final = final == 0 ? LM_MS_NEVER : dtls->now + final;
}

/* -1: not set, 0: running, 1: the intermediate delay has passed, 2: the final one. */
static int timer_get(void *ctx)
{
    const lm_dtls *dtls = ctx;
    if (dtls->final == LM_MS_NEVER)
        return -1;
    return dtls->now >= dtls->final ? 2 : dtls->now >= dtls->intermediate ? 1 : 0;
}

int lm_dtls_create(lm_dtls **out, lm_dtls_server *server, lm_dtls_output_fn *output, void *user)
{
    lm_dtls *dtls = calloc(1, sizeof *dtls);
    if (dtls == NULL)
        return LM_ENOMEM;
    dtls->server = server;
    server->holders++;
    dtls->output = output;
    dtls->user = user;
    dtls->final = dtls->intermediate = LM_MS_NEVER;
    mbedtls_ssl_init(&dtls->ssl);
    if (mbedtls_ssl_setup(&dtls->ssl, &server->config) != 0) {
        lm_dtls_destroy(dtls);
        return LM_ENOMEM;
    }
    mbedtls_ssl_set_bio(&dtls->ssl, dtls, bio_send, bio_recv, NULL);
    mbedtls_ssl_set_timer_cb(&dtls->ssl, dtls, timer_set, timer_get);
    mbedtls_ssl_set_mtu(&dtls->ssl, LM_DTLS_MTU);
    *out = dtls;
    return LM_OK;
}

void lm_dtls_destroy(lm_dtls *dtls)
{
    if (dtls == NULL)
        return;
    lm_client_hello_clear(&dtls->hello);
    mbedtls_ssl_free(&dtls->ssl);
    lm_dtls_server_destroy(dtls->server);
    free(dtls);
}

/* Ends the connection after an error that mbedTLS reported. */
static void finish(lm_dtls *dtls, lm_dtls_state state)
{
    dtls->state = state;
    dtls->final = dtls->intermediate = LM_MS_NEVER;
    dtls->in = NULL;
}

static void handshake(lm_dtls *dtls)
{
    int result;
    /*
     * A datagram may hold several messages; mbedTLS comes back once for some of them without having asked for
     * more.
     */
    do
        result = mbedtls_ssl_handshake(&dtls->ssl);
    while (result == MBEDTLS_ERR_SSL_WANT_READ && dtls->in != NULL);

    if (result == 0) {
        dtls->state = LM_DTLS_CONNECTED;
        lm_client_hello_clear(&dtls->hello);
    } else if (result != MBEDTLS_ERR_SSL_WANT_READ && result != MBEDTLS_ERR_SSL_WANT_WRITE) {
        finish(dtls, LM_DTLS_FAILED);
    }
}

int lm_dtls_input(lm_dtls *dtls, lm_ms now, const uint8_t *data, size_t len)
{
    if (dtls->state == LM_DTLS_CLOSED || dtls->state == LM_DTLS_FAILED)
        return LM_ECLOSED;
    dtls->now = now;
    if (dtls->state != LM_DTLS_CONNECTED && lm_client_hello_is(data, len)) {
        int whole = lm_client_hello_input(&dtls->hello, data, len, &data, &len);
        if (whole != 1)
            return whole;
        dtls->state = LM_DTLS_HANDSHAKING;
    } else if (dtls->state == LM_DTLS_WAITING) {
        return LM_EMALFORMED; /* a record of any other kind would kill the fresh mbedTLS context */
    }
    dtls->in = data;
    dtls->in_len = len;
    if (dtls->state == LM_DTLS_HANDSHAKING)
        handshake(dtls);
    return dtls->state == LM_DTLS_FAILED ? LM_ECLOSED : LM_OK;
}

int lm_dtls_read(lm_dtls *dtls, lm_ms now, uint8_t *buf, size_t cap)
{
    dtls->now = now;
    while (dtls->state == LM_DTLS_CONNECTED) {
        int n = mbedtls_ssl_read(&dtls->ssl, buf, cap);
        if (n > 0)
            return n;
        if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE) {
            if (dtls->in == NULL)
                return 0;
        } else if (n == 0 || n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            finish(dtls, LM_DTLS_CLOSED);
        } else {
            finish(dtls, LM_DTLS_FAILED);
        }
    }
    return dtls->state == LM_DTLS_HANDSHAKING ? 0 : LM_ECLOSED;
}

int lm_dtls_write(lm_dtls *dtls, lm_ms now, const uint8_t *data, size_t len)
{
    if (dtls->state != LM_DTLS_CONNECTED)
        return LM_ECLOSED;
    if (len > LM_DTLS_MTU - LM_DTLS_RECORD_OVERHEAD)
        return LM_ETOOBIG;
    dtls->now = now;
    int n = mbedtls_ssl_write(&dtls->ssl, data, len);
    if (n == (int)len)
        return LM_OK;
    finish(dtls, LM_DTLS_FAILED);
    return LM_ECLOSED;
}

void lm_dtls_close(lm_dtls *dtls, lm_ms now)
{
    if (dtls->state != LM_DTLS_CONNECTED)
        return;
    dtls->now = now;
    mbedtls_ssl_close_notify(&dtls->ssl);
    finish(dtls, LM_DTLS_CLOSED);
}

lm_ms lm_dtls_next_timeout(const lm_dtls *dtls)
{
    return dtls->state == LM_DTLS_HANDSHAKING ? dtls->final : LM_MS_NEVER;
}

void lm_dtls_timeout(lm_dtls *dtls, lm_ms now)
{
    if (dtls->state != LM_DTLS_HANDSHAKING || now < dtls->final)
        return;
    dtls->now = now;
    handshake(dtls);
}

lm_dtls_state lm_dtls_get_state(const lm_dtls *dtls)
{
    return dtls->state;
}
