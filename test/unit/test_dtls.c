/*
 * The DTLS server against a client of mbedTLS, on virtual time:
 *
 *     peer (mbedTLS client) --- two queues of datagrams --- lm_dtls
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/certificate.h"
#include "common/error.h"
#include "common/mbedtls_compat.h"
#include "test/support/data.h"
#include "webrtc/dtls.h"

#define PLAINTEXT_MAX (LM_DTLS_MTU - LM_DTLS_RECORD_OVERHEAD)
#define QUEUE 64

typedef struct queue {
    uint8_t data[QUEUE][LM_DTLS_MTU];
    size_t len[QUEUE];
    unsigned put, taken, total;
} queue;

static lm_random rng;
static lm_certificate cert, other_cert;
static lm_private_key key, other_key;
static lm_dtls_server *server;
static lm_dtls *dtls;
static lm_ms now;
static queue to_client, to_server;

static struct {
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    bool connected, closed;
    int error;
} client;

static void put(queue *q, const uint8_t *data, size_t len)
{
    assert_in_range(len, 1, LM_DTLS_MTU);
    assert_true(q->put - q->taken < QUEUE);
    memcpy(q->data[q->put % QUEUE], data, len);
    q->len[q->put++ % QUEUE] = len;
    q->total++;
}

static void on_output(void *user, const uint8_t *data, size_t len)
{
    put(user, data, len);
}

static int bio_send(void *ctx, const unsigned char *data, size_t len)
{
    put(ctx, data, len);
    return (int)len;
}

static int bio_recv(void *ctx, unsigned char *buf, size_t cap)
{
    (void)ctx;
    if (to_client.taken == to_client.put)
        return MBEDTLS_ERR_SSL_WANT_READ;
    size_t len = to_client.len[to_client.taken % QUEUE];
    assert_in_range(len, 1, cap);
    memcpy(buf, to_client.data[to_client.taken++ % QUEUE], len);
    return (int)len;
}

/*
 * The client's timer goes off only where a test says so: else whatever is sent again is so by the server's.
 */
static bool timer_armed, timer_gone_off;

static void timer_set(void *ctx, uint32_t intermediate, uint32_t final)
{
    (void)ctx;
    (void)intermediate;
    timer_armed = final != 0;
    timer_gone_off = false;
}

static int timer_get(void *ctx)
{
    (void)ctx;
    return !timer_armed ? -1 : timer_gone_off ? 2 : 0;
}

static void make_certificate(lm_certificate *c, lm_private_key *k)
{
    char cert_pem[LM_CERTIFICATE_PEM_SIZE], key_pem[LM_CERTIFICATE_PEM_SIZE];
    const char *why;
    assert_int_equal(lm_certificate_make(cert_pem, key_pem, &rng), LM_OK);
    assert_int_equal(lm_certificate_parse(c, cert_pem, strlen(cert_pem), &why), LM_OK);
    assert_int_equal(lm_private_key_parse(k, key_pem, strlen(key_pem), c, &rng, &why), LM_OK);
}

static int setup(void **state)
{
    (void)state;
    now = 5000;
    memset(&to_client, 0, sizeof to_client);
    memset(&to_server, 0, sizeof to_server);
    assert_int_equal(lm_dtls_server_create(&server, cert.der, cert.der_len, key.der, key.der_len, &rng),
                     LM_OK);
    assert_int_equal(lm_dtls_create(&dtls, server, on_output, &to_client), LM_OK);
    assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_WAITING);

    memset(&client, 0, sizeof client);
    mbedtls_ssl_config_init(&client.config);
    mbedtls_ssl_init(&client.ssl);
    assert_int_equal(mbedtls_ssl_config_defaults(&client.config, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(&client.config, lm_mbedtls_random, &rng);
    mbedtls_ssl_conf_authmode(&client.config, MBEDTLS_SSL_VERIFY_NONE);
    assert_int_equal(mbedtls_ssl_setup(&client.ssl, &client.config), 0);
    mbedtls_ssl_set_bio(&client.ssl, &to_server, bio_send, bio_recv, NULL);
    mbedtls_ssl_set_timer_cb(&client.ssl, NULL, timer_set, timer_get);
    mbedtls_ssl_set_mtu(&client.ssl, LM_DTLS_MTU);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mbedtls_ssl_free(&client.ssl);
    mbedtls_ssl_config_free(&client.config);
    lm_dtls_destroy(dtls);
    lm_dtls_server_destroy(server);
    return 0;
}

/* The client goes on with its handshake as far as the datagrams that have come allow. */
static void turn_client(void)
{
    if (client.connected || client.error != 0)
        return;
    int result = mbedtls_ssl_handshake(&client.ssl);
    client.connected = result == 0;
    if (result != 0 && result != MBEDTLS_ERR_SSL_WANT_READ && result != MBEDTLS_ERR_SSL_WANT_WRITE)
        client.error = result;
}

/* Gives the server what waits for it; what it reads goes nowhere. */
static void turn_server(void)
{
    uint8_t buf[2048];
    while (to_server.taken != to_server.put) {
        unsigned i = to_server.taken++ % QUEUE;
        lm_dtls_input(dtls, now, to_server.data[i], to_server.len[i]);
        while (lm_dtls_read(dtls, now, buf, sizeof buf) > 0)
            ;
    }
}

static void run_handshake(void)
{
    for (int i = 0; i < 10; i++) {
        turn_client();
        turn_server();
    }
}

static void connect_both(void)
{
    run_handshake();
    assert_true(client.connected);
    assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_CONNECTED);
    assert_int_equal(lm_dtls_next_timeout(dtls), LM_MS_NEVER);
}

static void client_writes(const char *text)
{
    int len = (int)strlen(text);
    assert_int_equal(mbedtls_ssl_write(&client.ssl, (const unsigned char *)text, (size_t)len), len);
}

static void server_gets(void)
{
    assert_true(to_server.taken != to_server.put);
    unsigned i = to_server.taken++ % QUEUE;
    assert_int_equal(lm_dtls_input(dtls, now, to_server.data[i], to_server.len[i]), LM_OK);
}

static void assert_server_reads(const char *text)
{
    uint8_t buf[2048];
    assert_int_equal(lm_dtls_read(dtls, now, buf, sizeof buf), (int)strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void assert_server_reads_nothing(void)
{
    uint8_t buf[2048];
    assert_int_equal(lm_dtls_read(dtls, now, buf, sizeof buf), 0);
}

static void use_groups(bool x25519, bool p256)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03010000
    static uint16_t groups[3];
    size_t n = 0;
    if (p256)
        groups[n++] = MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1;
    if (x25519)
        groups[n++] = MBEDTLS_SSL_IANA_TLS_GROUP_X25519;
    groups[n] = MBEDTLS_SSL_IANA_TLS_GROUP_NONE;
    mbedtls_ssl_conf_groups(&client.config, groups);
#else
    static mbedtls_ecp_group_id curves[3];
    size_t n = 0;
    if (p256)
        curves[n++] = MBEDTLS_ECP_DP_SECP256R1;
    if (x25519)
        curves[n++] = MBEDTLS_ECP_DP_CURVE25519;
    curves[n] = MBEDTLS_ECP_DP_NONE;
    mbedtls_ssl_conf_curves(&client.config, curves);
#endif
    assert_int_equal(mbedtls_ssl_session_reset(&client.ssl),
                     0); /* mbedTLS 3 reads the groups when it sets up */
}

/*
 * The named group of the ServerKeyExchange that went to the client. Its body: curve type 3 (named), the
 * group, the point, the signature (RFC 8422 section 5.4). mbedTLS puts the messages of a flight into records
 * of their own.
 */
static unsigned group_of_flight(void)
{
    for (unsigned i = 0; i < to_client.put; i++) {
        const uint8_t *data = to_client.data[i % QUEUE];
        for (size_t at = 0; at + 13 + 12 + 3 < to_client.len[i % QUEUE];) {
            if (data[at] == 22 && data[at + 13] == 12 && data[at + 25] == 3)
                return (unsigned)(data[at + 26] << 8 | data[at + 27]);
            at += 13u + (size_t)(data[at + 11] << 8 | data[at + 12]);
        }
    }
    return 0;
}

static void it_connects_and_carries_bytes_both_ways(void **state)
{
    uint8_t buf[2048];
    (void)state;
    connect_both();
    assert_string_equal(mbedtls_ssl_get_version(&client.ssl), "DTLSv1.2");
    assert_string_equal(mbedtls_ssl_get_ciphersuite(&client.ssl), "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256");
    const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&client.ssl);
    assert_int_equal(peer->raw.len, cert.der_len);
    assert_memory_equal(peer->raw.p, cert.der, cert.der_len);

    client_writes("ping");
    server_gets();
    assert_server_reads("ping");
    assert_server_reads_nothing();
    assert_int_equal(lm_dtls_write(dtls, now, (const uint8_t *)"pong", 4), LM_OK);
    assert_int_equal(mbedtls_ssl_read(&client.ssl, buf, sizeof buf), 4);
    assert_memory_equal(buf, "pong", 4);
}

static void x25519_is_taken_where_both_are_offered(void **state)
{
    (void)state;
    use_groups(true, true); /* the client likes P-256 more */
    connect_both();
    assert_int_equal(group_of_flight(), 29);
}

static void p256_alone_connects_too(void **state)
{
    (void)state;
    use_groups(false, true);
    connect_both();
    assert_int_equal(group_of_flight(), 23);
}

/* After a failure every call says so, nothing is due, and nothing more is sent. */
static void assert_failed(void)
{
    uint8_t buf[64];
    assert_false(client.connected);
    assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_FAILED);
    assert_int_equal(lm_dtls_next_timeout(dtls), LM_MS_NEVER);
    unsigned sent = to_client.total;
    assert_int_equal(lm_dtls_input(dtls, now, (const uint8_t *)"\x16", 1), LM_ECLOSED);
    assert_int_equal(lm_dtls_read(dtls, now, buf, sizeof buf), LM_ECLOSED);
    assert_int_equal(lm_dtls_write(dtls, now, buf, 1), LM_ECLOSED);
    lm_dtls_timeout(dtls, now + 100000);
    lm_dtls_close(dtls, now);
    assert_int_equal(to_client.total, sent);
    assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_FAILED);
}

static void another_suite_alone_fails(void **state)
{
    static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, 0};
    (void)state;
    mbedtls_ssl_conf_ciphersuites(&client.config, suites);
    run_handshake();
    assert_failed();
    assert_int_equal(client.error, MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE); /* and the client has been told */
}

static void another_group_alone_fails(void **state)
{
    (void)state;
    use_groups(true, false); /* the certificate's own curve must be there as well (RFC 8422 section 5.1) */
    run_handshake();
    assert_failed();
}

static void dtls_1_0_fails(void **state)
{
    (void)state;
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    mbedtls_ssl_conf_min_version(&client.config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_2);
    mbedtls_ssl_conf_max_version(&client.config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_2);
    run_handshake();
    assert_failed();
#else
    skip(); /* mbedTLS 3 has no DTLS 1.0 */
#endif
}

static void the_client_closes(void **state)
{
    uint8_t buf[64];
    (void)state;
    connect_both();
    client_writes("last words");
    assert_int_equal(mbedtls_ssl_close_notify(&client.ssl), 0);
    server_gets();
    assert_server_reads("last words");
    server_gets();
    assert_int_equal(lm_dtls_read(dtls, now, buf, sizeof buf), LM_ECLOSED);
    assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_CLOSED);
    assert_int_equal(lm_dtls_write(dtls, now, buf, 1), LM_ECLOSED);
    assert_int_equal(lm_dtls_input(dtls, now, buf, 1), LM_ECLOSED);
}

static void the_server_closes_once(void **state)
{
    uint8_t buf[64];
    (void)state;
    connect_both();
    unsigned sent = to_client.total;
    lm_dtls_close(dtls, now);
    assert_int_equal(to_client.total, sent + 1);
    lm_dtls_close(dtls, now);
    assert_int_equal(to_client.total, sent + 1);
    assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_CLOSED);
    assert_int_equal(lm_dtls_read(dtls, now, buf, sizeof buf), LM_ECLOSED);
    assert_int_equal(mbedtls_ssl_read(&client.ssl, buf, sizeof buf), MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
}

static void closing_before_the_handshake_says_nothing(void **state)
{
    (void)state;
    lm_dtls_close(dtls, now);
    turn_client();
    server_gets(); /* the ClientHello */
    unsigned sent = to_client.total;
    assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_HANDSHAKING);
    lm_dtls_close(dtls, now);
    assert_int_equal(to_client.total, sent);
}

static void a_lost_flight_is_sent_again_by_the_timer(void **state)
{
    (void)state;
    assert_int_equal(lm_dtls_next_timeout(dtls), LM_MS_NEVER);
    turn_client();
    turn_server();
    unsigned flight = to_client.total;
    assert_true(flight > 0);
    to_client.taken = to_client.put; /* lost */

    for (lm_ms wait = 1000; wait <= 4000; wait *= 2) { /* RFC 6347 section 4.2.4.1: doubled each time */
        lm_ms due = lm_dtls_next_timeout(dtls);
        assert_int_equal(due, now + wait);
        now = due - 1;
        lm_dtls_timeout(dtls, now); /* too early */
        assert_int_equal(to_client.taken, to_client.put);
        now = due;
        lm_dtls_timeout(dtls, now);
        /* mbedTLS goes down to 508-byte datagrams, lest the flight was lost for being too long. */
        assert_in_range(to_client.put - to_client.taken, flight, 3 * flight);
        if (wait < 4000)
            to_client.taken = to_client.put; /* lost once more */
    }
    connect_both();
}

static void an_unanswered_flight_is_given_up_in_half_a_minute(void **state)
{
    (void)state;
    turn_client();
    turn_server();
    lm_ms start = now;
    unsigned times = 0;
    while (lm_dtls_get_state(dtls) == LM_DTLS_HANDSHAKING) {
        to_client.taken = to_client.put;
        assert_true(lm_dtls_next_timeout(dtls) > now);
        now = lm_dtls_next_timeout(dtls);
        lm_dtls_timeout(dtls, now);
        assert_in_range(++times, 1, 10);
    }
    assert_int_equal(now - start, 1000 + 2000 + 4000 + 8000 + 16000);
    assert_failed();
}

/* The client never got our Finished and sends its last flight again: it gets ours again. */
static void a_lost_last_flight_is_sent_again_when_the_client_asks(void **state)
{
    (void)state;
    turn_client();
    turn_server();
    turn_client();
    turn_server();
    assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_CONNECTED);
    unsigned flight = to_client.put - to_client.taken;
    assert_true(flight > 0);
    to_client.taken = to_client.put; /* lost */
    turn_client();
    assert_false(client.connected);
    timer_gone_off = true;
    turn_client();
    turn_server();
    assert_int_equal(to_client.put - to_client.taken, flight);
    connect_both();
}

static void a_stray_record_before_the_client_hello_changes_nothing(void **state)
{
    static const char *const names[] = {"appdata-init", "alert-close", "clientkeyexchange"};
    static const char *const browsers[] = {"chromium156", "firefox153"};
    static const uint8_t odd[][16] = {{22}, {20, 0xFE, 0xFD}, {63}, {21, 0xFE, 0xFD, [12] = 2, 2, 40}};
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        char path[512];
        size_t len;
        snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s-%s.hex", browsers[i % 2], names[i / 2]);
        uint8_t *data = test_read_hex(path, &len);
        assert_int_equal(lm_dtls_input(dtls, now, data, len), LM_EMALFORMED);
        free(data);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(lm_dtls_input(dtls, now, odd[i], sizeof odd[i]), LM_EMALFORMED);
    assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_WAITING);
    assert_int_equal(to_client.total, 0);
    connect_both();
}

static void captured_hellos_are_answered(void **state)
{
    static const char *const browsers[] = {"chromium156", "firefox153"};
    static const char *const parts[] = {"clienthello-1", "clienthello-2"};
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        lm_dtls *d;
        memset(&to_client, 0, sizeof to_client);
        assert_int_equal(lm_dtls_create(&d, server, on_output, &to_client), LM_OK);
        for (size_t i = 0; i < 2; i++) {
            char path[512];
            size_t len;
            snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s-%s.hex", browsers[b], parts[i]);
            uint8_t *data = test_read_hex(path, &len);
            assert_int_equal(lm_dtls_get_state(d), LM_DTLS_WAITING);
            assert_int_equal(lm_dtls_input(d, now, data, len), LM_OK);
            free(data);
        }
        assert_int_equal(lm_dtls_get_state(d), LM_DTLS_HANDSHAKING);
        assert_true(to_client.total > 0);
        assert_int_equal(group_of_flight(), 29);
        lm_dtls_destroy(d);
    }
}

static void a_client_hello_over_the_limit_is_too_big(void **state)
{
    uint8_t hello[100] = {22, 0xFE, 0xFD, [11] = 0, 87, 1, 0x00, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 75};
    (void)state;
    assert_int_equal(lm_dtls_input(dtls, now, hello, sizeof hello), LM_ETOOBIG);
    hello[14] = 0xFF;
    assert_int_equal(lm_dtls_input(dtls, now, hello, sizeof hello), LM_ETOOBIG);
    hello[14] = hello[15] = 0;
    hello[16] = 1; /* one byte in all, of which 75 come */
    assert_int_equal(lm_dtls_input(dtls, now, hello, sizeof hello), LM_EMALFORMED);
    assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_WAITING);
    connect_both();
}

static void the_longest_write_fills_the_mtu_and_a_longer_one_is_too_big(void **state)
{
    uint8_t data[PLAINTEXT_MAX + 1] = {0}, buf[2048];
    (void)state;
    assert_int_equal(lm_dtls_write(dtls, now, data, 1), LM_ECLOSED); /* not connected */
    connect_both();
    assert_int_equal(lm_dtls_write(dtls, now, data, PLAINTEXT_MAX + 1), LM_ETOOBIG);
    assert_int_equal(lm_dtls_write(dtls, now, data, SIZE_MAX), LM_ETOOBIG);
    assert_int_equal(lm_dtls_write(dtls, now, data, PLAINTEXT_MAX), LM_OK);
    assert_int_equal(to_client.len[(to_client.put - 1) % QUEUE], LM_DTLS_MTU);
    while (to_client.taken + 1 < to_client.put)
        to_client.taken++;
    assert_int_equal(mbedtls_ssl_read(&client.ssl, buf, sizeof buf), PLAINTEXT_MAX);
}

static void several_records_of_one_datagram_are_read_one_by_one(void **state)
{
    uint8_t both[2 * LM_DTLS_MTU];
    size_t len = 0;
    (void)state;
    connect_both();
    client_writes("first");
    client_writes("second");
    while (to_server.taken != to_server.put) {
        unsigned i = to_server.taken++ % QUEUE;
        memcpy(both + len, to_server.data[i], to_server.len[i]);
        len += to_server.len[i];
    }
    assert_int_equal(lm_dtls_input(dtls, now, both, len), LM_OK);
    assert_server_reads("first");
    assert_server_reads("second");
    assert_server_reads_nothing();
}

static void a_replayed_record_is_read_once(void **state)
{
    (void)state;
    connect_both();
    client_writes("once");
    unsigned i = to_server.taken % QUEUE;
    server_gets();
    assert_server_reads("once");
    for (int n = 0; n < 3; n++) {
        assert_int_equal(lm_dtls_input(dtls, now, to_server.data[i], to_server.len[i]), LM_OK);
        assert_server_reads_nothing();
    }
}

static void every_flipped_bit_of_a_record_is_dropped_and_harmless(void **state)
{
    (void)state;
    connect_both();
    client_writes("x");
    unsigned i = to_server.taken++ % QUEUE;
    for (size_t bit = 0; bit < 8 * to_server.len[i]; bit++) {
        uint8_t flipped[LM_DTLS_MTU];
        memcpy(flipped, to_server.data[i], to_server.len[i]);
        flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        lm_dtls_input(dtls, now, flipped, to_server.len[i]);
        assert_server_reads_nothing();
        assert_int_equal(lm_dtls_get_state(dtls), LM_DTLS_CONNECTED);
    }
    assert_int_equal(lm_dtls_input(dtls, now, to_server.data[i], to_server.len[i]), LM_OK);
    assert_server_reads("x");
}

static void handshake_records_after_the_handshake_are_harmless(void **state)
{
    static const char *const names[] = {"chromium156-clienthello-1", "chromium156-clienthello-2",
                                        "firefox153-clienthello-unfragmented",
                                        "firefox153-clientkeyexchange"};
    (void)state;
    connect_both();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        size_t len;
        snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s.hex", names[i]);
        uint8_t *data = test_read_hex(path, &len);
        lm_dtls_input(dtls, now, data, len);
        assert_server_reads_nothing();
        free(data);
    }
    client_writes("still here");
    server_gets();
    assert_server_reads("still here");
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    lm_dtls_server *s = NULL;
    (void)state;
    assert_int_equal(
        lm_dtls_server_create(&s, cert.der, cert.der_len, other_key.der, other_key.der_len, &rng), LM_EINVAL);
    assert_int_equal(
        lm_dtls_server_create(&s, other_cert.der, other_cert.der_len, key.der, key.der_len, &rng), LM_EINVAL);
    assert_int_equal(lm_dtls_server_create(&s, key.der, key.der_len, key.der, key.der_len, &rng), LM_EINVAL);
    assert_int_equal(lm_dtls_server_create(&s, cert.der, cert.der_len, cert.der, cert.der_len, &rng),
                     LM_EINVAL);
    assert_int_equal(lm_dtls_server_create(&s, cert.der, cert.der_len - 1, key.der, key.der_len, &rng),
                     LM_EINVAL);
    assert_int_equal(lm_dtls_server_create(&s, cert.der, cert.der_len, key.der, key.der_len - 1, &rng),
                     LM_EINVAL);
    assert_int_equal(lm_dtls_server_create(&s, cert.der, 0, key.der, key.der_len, &rng), LM_EINVAL);
    assert_null(s);
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(lm_dtls_state_name(LM_DTLS_WAITING), "waiting");
    assert_string_equal(lm_dtls_state_name(LM_DTLS_HANDSHAKING), "handshaking");
    assert_string_equal(lm_dtls_state_name(LM_DTLS_CONNECTED), "connected");
    assert_string_equal(lm_dtls_state_name(LM_DTLS_CLOSED), "closed");
    assert_string_equal(lm_dtls_state_name(LM_DTLS_FAILED), "failed");
}

static int setup_group(void **state)
{
    (void)state;
    if (sodium_init() < 0)
        return -1;
    rng = lm_random_system();
    make_certificate(&cert, &key);
    make_certificate(&other_cert, &other_key);
    return 0;
}

static int teardown_group(void **state)
{
    (void)state;
    lm_certificate_clear(&cert);
    lm_certificate_clear(&other_cert);
    lm_private_key_clear(&key);
    lm_private_key_clear(&other_key);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_connects_and_carries_bytes_both_ways),
        TEST(x25519_is_taken_where_both_are_offered),
        TEST(p256_alone_connects_too),
        TEST(another_suite_alone_fails),
        TEST(another_group_alone_fails),
        TEST(dtls_1_0_fails),
        TEST(the_client_closes),
        TEST(the_server_closes_once),
        TEST(closing_before_the_handshake_says_nothing),
        TEST(a_lost_flight_is_sent_again_by_the_timer),
        TEST(an_unanswered_flight_is_given_up_in_half_a_minute),
        TEST(a_lost_last_flight_is_sent_again_when_the_client_asks),
        TEST(a_stray_record_before_the_client_hello_changes_nothing),
        TEST(captured_hellos_are_answered),
        TEST(a_client_hello_over_the_limit_is_too_big),
        TEST(the_longest_write_fills_the_mtu_and_a_longer_one_is_too_big),
        TEST(several_records_of_one_datagram_are_read_one_by_one),
        TEST(a_replayed_record_is_read_once),
        TEST(every_flipped_bit_of_a_record_is_dropped_and_harmless),
        TEST(handshake_records_after_the_handshake_are_harmless),
        TEST(a_key_of_another_certificate_is_refused),
        TEST(states_have_names),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
