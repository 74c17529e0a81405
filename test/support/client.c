#include "test/support/client.h"

#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/mbedtls_compat.h"
#include "webrtc/dcep.h"
#include "webrtc/demux.h"
#include "webrtc/ice_lite.h"
#include "webrtc/output_queue.h"
#include "webrtc/sctp.h"
#include "webrtc/stun.h"

#define CHECK_INTERVAL 50       /* ms between checks until one is answered */
#define KEEPALIVE_INTERVAL 2500 /* as Chromium's */
#define MTU 1200

struct test_client {
    test_client_config config;
    test_client_state state;
    uint64_t tie_breaker;
    lm_ms now;
    lm_ms next_check;
    bool answered;
    lm_addr mapped;
    lm_output_queue out;
    mbedtls_ssl_config ssl_config;
    mbedtls_ssl_context ssl;
    const uint8_t *in;
    size_t in_len;
    lm_ms intermediate;
    lm_ms final;
    bool connected; /* DTLS */
    lm_sctp_assoc *sctp;
    bool up;   /* SCTP */
    bool deaf; /* the same */
    bool opened;
    unsigned resets;
    unsigned error;
};

static const lm_sctp_handler handler;

static void *check(void *pointer)
{
    if (pointer == NULL) {
        perror("out of memory");
        abort();
    }
    return pointer;
}

static void emit(test_client *c, const uint8_t *data, size_t len)
{
    lm_output_queue_send(&c->out, &c->config.relay, &c->config.local, data, len);
}

static void send_check(test_client *c)
{
    uint8_t buf[512], transaction[LM_STUN_TRANSACTION_LEN];
    char username[600];
    lm_stun_builder b;
    snprintf(username, sizeof username, "%s:%s", c->config.relay_ufrag, c->config.ufrag);
    lm_random_fill(&c->config.random, transaction, sizeof transaction);
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    lm_stun_add(&b, LM_STUN_USERNAME, username, strlen(username));
    lm_stun_add_uint(&b, LM_STUN_PRIORITY, 0x6E7F1EFF, 4);
    lm_stun_add_uint(&b, LM_STUN_ICE_CONTROLLING, c->tie_breaker, 8);
    if (!c->answered || !c->config.nominate_once)
        lm_stun_add(&b, LM_STUN_USE_CANDIDATE, "", 0);
    lm_stun_add_integrity(&b, c->config.relay_pwd);
    emit(c, buf, (size_t)lm_stun_finish(&b));
    c->next_check = c->now + (c->answered ? KEEPALIVE_INTERVAL : CHECK_INTERVAL);
}

/* --- DTLS --- */

static int bio_send(void *ctx, const unsigned char *data, size_t len)
{
    emit(ctx, data, len);
    return (int)len;
}

static int bio_recv(void *ctx, unsigned char *buf, size_t cap)
{
    test_client *c = ctx;
    if (c->in == NULL)
        return MBEDTLS_ERR_SSL_WANT_READ;
    size_t len = c->in_len < cap ? c->in_len : cap;
    memcpy(buf, c->in, len);
    c->in = NULL;
    return (int)len;
}

static void timer_set(void *ctx, uint32_t intermediate, uint32_t final)
{
    test_client *c = ctx;
    c->intermediate = final ? c->now + intermediate : LM_MS_NEVER;
    c->final = final ? c->now + final : LM_MS_NEVER;
}

static int timer_get(void *ctx)
{
    const test_client *c = ctx;
    if (c->final == LM_MS_NEVER)
        return -1;
    return c->now >= c->final ? 2 : c->now >= c->intermediate;
}

static void start_dtls(test_client *c)
{
    mbedtls_ssl_config_init(&c->ssl_config);
    mbedtls_ssl_init(&c->ssl);
    if (mbedtls_ssl_config_defaults(&c->ssl_config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        abort();
    mbedtls_ssl_conf_rng(&c->ssl_config, lm_mbedtls_random, &c->config.random);
    mbedtls_ssl_conf_authmode(&c->ssl_config, MBEDTLS_SSL_VERIFY_NONE);
    if (mbedtls_ssl_setup(&c->ssl, &c->ssl_config) != 0)
        abort();
    mbedtls_ssl_set_bio(&c->ssl, c, bio_send, bio_recv, NULL);
    mbedtls_ssl_set_timer_cb(&c->ssl, c, timer_set, timer_get);
    /* mbedTLS fragments what does not fit: a small MTU makes a fragmented ClientHello of even a small one. */
    mbedtls_ssl_set_mtu(&c->ssl, c->config.large_hello ? 120 : MTU);
    c->state = TEST_CLIENT_HANDSHAKING;
}

static void end(test_client *c)
{
    c->state = TEST_CLIENT_CLOSED;
    c->final = LM_MS_NEVER;
}

static bool fingerprint_matches(test_client *c)
{
    const mbedtls_x509_crt *cert = mbedtls_ssl_get_peer_cert(&c->ssl);
    uint8_t hash[32];
    if (c->config.fingerprint == NULL)
        return true;
    if (cert == NULL)
        return false;
    crypto_hash_sha256(hash, cert->raw.p, cert->raw.len);
    return memcmp(hash, c->config.fingerprint, sizeof hash) == 0;
}

static void handshake(test_client *c)
{
    int result;
    do
        result = mbedtls_ssl_handshake(&c->ssl);
    while (result == MBEDTLS_ERR_SSL_WANT_READ && c->in != NULL);
    if (result == 0 && !fingerprint_matches(c)) {
        end(c);
    } else if (result == 0) {
        c->connected = true;
        c->state = TEST_CLIENT_CONNECTING;
        mbedtls_ssl_set_mtu(&c->ssl, MTU);
        if (lm_sctp_open(&c->sctp, &handler, c) != LM_OK || lm_sctp_connect(c->sctp) != LM_OK)
            abort();
    } else if (result != MBEDTLS_ERR_SSL_WANT_READ && result != MBEDTLS_ERR_SSL_WANT_WRITE) {
        end(c);
    }
}

static void read_records(test_client *c)
{
    uint8_t buf[4096];
    while (c->connected && c->state != TEST_CLIENT_CLOSED) {
        int n = mbedtls_ssl_read(&c->ssl, buf, sizeof buf);
        if (n > 0 && c->config.packet != NULL)
            c->config.packet(c->config.user, false, buf, (size_t)n);
        if (n > 0 && !c->deaf)
            lm_sctp_input(c->sctp, c->now, buf, (size_t)n);
        if (n > 0)
            continue;
        if (n != MBEDTLS_ERR_SSL_WANT_READ)
            end(c);
        else if (c->in == NULL)
            break;
    }
}

/* --- SCTP --- */

static void on_output(void *user, const uint8_t *packet, size_t len)
{
    test_client *c = user;
    if (c->state == TEST_CLIENT_CLOSED)
        return;
    if (c->config.packet != NULL)
        c->config.packet(c->config.user, true, packet, len);
    mbedtls_ssl_write(&c->ssl, packet, len);
}

static void on_up(void *user)
{
    test_client *c = user;
    c->up = true;
    test_client_open_channel(c, c->now, 0, c->config.label != NULL ? c->config.label : "signal");
}

static void on_message(void *user, uint16_t stream, uint32_t ppid, const uint8_t *data, size_t len)
{
    test_client *c = user;
    (void)stream;
    if (ppid == LM_PPID_DCEP && len == 1 && data[0] == LM_DCEP_ACK) {
        c->opened = true;
        c->state = TEST_CLIENT_OPEN;
    } else if (ppid == LM_PPID_STRING && c->config.message != NULL) {
        c->config.message(c->config.user, c, (const char *)data, len);
    }
}

static void on_reset(void *user, uint16_t stream)
{
    test_client *c = user;
    (void)stream;
    c->resets++;
}

static void on_down(void *user)
{
    end(user);
}

static void on_nothing(void *user)
{
    (void)user;
}

static const lm_sctp_handler handler = {
    .output = on_output,
    .up = on_up,
    .message = on_message,
    .too_big = on_nothing,
    .reset = on_reset,
    .writable = on_nothing,
    .down = on_down,
};

/* --- the client --- */

test_client *test_client_create(const test_client_config *config)
{
    test_client *c = check(calloc(1, sizeof *c));
    c->config = *config;
    c->final = LM_MS_NEVER;
    lm_random_fill(&c->config.random, &c->tie_breaker, sizeof c->tie_breaker);
    if (lm_sctp_start() != LM_OK)
        abort();
    return c;
}

void test_client_destroy(test_client *c)
{
    if (c == NULL)
        return;
    lm_sctp_close(c->sctp);
    lm_sctp_stop();
    mbedtls_ssl_free(&c->ssl);
    mbedtls_ssl_config_free(&c->ssl_config);
    lm_output_queue_clear(&c->out);
    free(c);
}

void test_client_input(test_client *c, lm_ms now, const lm_dgram *in)
{
    lm_stun_msg msg;
    c->now = now;
    if (c->state == TEST_CLIENT_CLOSED || in->len == 0)
        return;
    if (lm_demux(in->data[0]) == LM_DEMUX_STUN) {
        if (lm_stun_parse(&msg, in->data, in->len) != LM_OK ||
            lm_stun_check_integrity(&msg, c->config.relay_pwd) != LM_OK)
            return;
        c->error = lm_stun_error_number(&msg);
        if (c->error == LM_ICE_GONE_ERROR)
            end(c);
        if (msg.class != LM_STUN_SUCCESS)
            return;
        lm_stun_mapped_address(&msg, &c->mapped);
        if (!c->answered) {
            c->answered = true;
            c->next_check = now + KEEPALIVE_INTERVAL;
            start_dtls(c);
            handshake(c);
        }
        return;
    }
    if (c->state == TEST_CLIENT_CHECKING)
        return;
    c->in = in->data;
    c->in_len = in->len;
    if (!c->connected)
        handshake(c);
    read_records(c);
    c->in = NULL;
}

int test_client_poll(test_client *c, lm_dgram *out)
{
    lm_webrtc_output output;
    if (lm_output_queue_take(&c->out, &output) == 0)
        return 0;
    *out = output.send;
    return 1;
}

lm_ms test_client_next_timeout(const test_client *c)
{
    return c->state == TEST_CLIENT_CLOSED ? LM_MS_NEVER : lm_ms_min(c->next_check, c->final);
}

void test_client_timeout(test_client *c, lm_ms now)
{
    c->now = now;
    if (c->state == TEST_CLIENT_CLOSED)
        return;
    if (now >= c->next_check)
        send_check(c);
    if (c->state == TEST_CLIENT_HANDSHAKING && now >= c->final)
        handshake(c);
}

bool test_client_send_raw(test_client *c, lm_ms now, uint16_t stream, uint32_t ppid, const void *data,
                          size_t len)
{
    c->now = now;
    return c->up && c->state != TEST_CLIENT_CLOSED &&
           lm_sctp_send(c->sctp, now, stream, ppid, data, len) == LM_OK;
}

bool test_client_send(test_client *c, lm_ms now, const char *data, size_t len)
{
    return c->opened && test_client_send_raw(c, now, 0, LM_PPID_STRING, data, len);
}

bool test_client_open_channel(test_client *c, lm_ms now, uint16_t stream, const char *label)
{
    uint8_t open[256];
    int len = lm_dcep_write_open(open, sizeof open, label);
    return len > 0 && test_client_send_raw(c, now, stream, LM_PPID_DCEP, open, (size_t)len);
}

void test_client_close_channel(test_client *c, lm_ms now)
{
    c->now = now;
    lm_sctp_reset_stream(c->sctp, 0);
}

void test_client_send_record(test_client *c, lm_ms now, const void *data, size_t len)
{
    c->now = now;
    mbedtls_ssl_write(&c->ssl, data, len);
}

void test_client_fall_deaf(test_client *c)
{
    c->deaf = true;
}

void test_client_hear_again(test_client *c)
{
    c->deaf = false;
}

void test_client_close(test_client *c, lm_ms now)
{
    c->now = now;
    if (c->sctp != NULL)
        lm_sctp_abort(c->sctp);
    if (c->connected)
        mbedtls_ssl_close_notify(&c->ssl);
    end(c);
}

void test_client_fall_silent(test_client *c)
{
    end(c);
}

void test_client_move(test_client *c, const lm_addr *local)
{
    c->config.local = *local;
    c->next_check = c->now;
}

test_client_state test_client_get_state(const test_client *c)
{
    return c->state;
}

unsigned test_client_resets(const test_client *c)
{
    return c->resets;
}

unsigned test_client_error(const test_client *c)
{
    return c->error;
}

lm_addr test_client_mapped(const test_client *c)
{
    return c->mapped;
}
