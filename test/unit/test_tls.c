/*
 * The TLS server against a client of mbedTLS:
 *
 *     client (mbedTLS) --- two pipes of bytes, cut as the test likes --- lm_tls
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/mbedtls_compat.h"
#include "test/support/data.h"
#include "webrtc/tls.h"

typedef struct pipe_of_bytes {
    uint8_t bytes[1 << 18];
    size_t put, taken;
    size_t piece; /* bytes taken at once; 0: as many as there are */
} pipe_of_bytes;

static lm_random rng;
static pipe_of_bytes to_client, to_server;
static lm_tls *tls;
static uint8_t plaintext[1 << 17];
static size_t plaintext_len;

static struct {
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    mbedtls_x509_crt ca;
    bool connected;
    int error;
} client;

static void put(pipe_of_bytes *p, const void *data, size_t len)
{
    assert_true(p->put + len <= sizeof p->bytes);
    memcpy(p->bytes + p->put, data, len);
    p->put += len;
}

static size_t take(pipe_of_bytes *p, const uint8_t **data)
{
    size_t len = p->put - p->taken;
    if (p->piece > 0 && len > p->piece)
        len = p->piece;
    *data = p->bytes + p->taken;
    p->taken += len;
    return len;
}

static void on_output(void *user, const uint8_t *data, size_t len)
{
    (void)user;
    put(&to_client, data, len);
}

static int client_send(void *ctx, const unsigned char *data, size_t len)
{
    (void)ctx;
    put(&to_server, data, len);
    return (int)len;
}

static int client_recv(void *ctx, unsigned char *buf, size_t cap)
{
    size_t len = to_client.put - to_client.taken;
    (void)ctx;
    if (len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    len = len < cap ? len : cap;
    memcpy(buf, to_client.bytes + to_client.taken, len);
    to_client.taken += len;
    return (int)len;
}

static char *data_file(const char *name)
{
    char path[512];
    size_t len;
    snprintf(path, sizeof path, "%s/tls/%s", LM_TEST_DATA, name);
    return (char *)test_read_file(path, &len);
}

static int make_server(lm_tls_server **server, const char *cert_name, const char *key_name,
                       lm_tls_complaint *why)
{
    char *cert = data_file(cert_name), *key = data_file(key_name);
    int result = lm_tls_server_create(server, cert, key, &rng, why);
    free(cert);
    free(key);
    return result;
}

static lm_tls_server *must_make_server(const char *name)
{
    char cert[32], key[32];
    lm_tls_complaint why;
    lm_tls_server *server;
    snprintf(cert, sizeof cert, "%s.pem", name);
    snprintf(key, sizeof key, "%s.key", name);
    assert_int_equal(make_server(&server, cert, key, &why), LM_OK);
    return server;
}

/* A connection to the server, and a client who trusts the tests' authority alone. */
static void join(lm_tls_server *server)
{
    char *ca = data_file("ca.pem");
    memset(&to_client, 0, sizeof to_client);
    memset(&to_server, 0, sizeof to_server);
    memset(&client, 0, sizeof client);
    plaintext_len = 0;
    assert_int_equal(lm_tls_create(&tls, server, on_output, NULL), LM_OK);
    mbedtls_ssl_config_init(&client.config);
    mbedtls_ssl_init(&client.ssl);
    mbedtls_x509_crt_init(&client.ca);
    assert_int_equal(mbedtls_x509_crt_parse(&client.ca, (const unsigned char *)ca, strlen(ca) + 1), 0);
    free(ca);
    assert_int_equal(mbedtls_ssl_config_defaults(&client.config, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(&client.config, lm_mbedtls_random, &rng);
    mbedtls_ssl_conf_ca_chain(&client.config, &client.ca, NULL);
}

static void start_client(void)
{
    assert_int_equal(mbedtls_ssl_setup(&client.ssl, &client.config), 0);
    assert_int_equal(mbedtls_ssl_set_hostname(&client.ssl, "relay.test"), 0);
    mbedtls_ssl_set_bio(&client.ssl, NULL, client_send, client_recv, NULL);
}

static void read_server(void)
{
    const uint8_t *data;
    size_t len;
    int n;
    while ((len = take(&to_server, &data)) > 0) {
        if (lm_tls_input(tls, data, len) != LM_OK)
            return;
        while ((n = lm_tls_read(tls, plaintext + plaintext_len, 1000)) > 0)
            plaintext_len += (size_t)n;
    }
}

/* Lets both sides talk until neither has anything to say; true when they are connected. */
static bool shake_hands(void)
{
    for (int turns = 0; turns < 20 && client.error == 0; turns++) {
        if (!client.connected) {
            int result = mbedtls_ssl_handshake(&client.ssl);
            client.connected = result == 0;
            if (result != 0 && result != MBEDTLS_ERR_SSL_WANT_READ)
                client.error = result;
        }
        read_server();
    }
    return client.connected && lm_tls_get_state(tls) == LM_TLS_CONNECTED;
}

static void part(void)
{
    lm_tls_destroy(tls);
    mbedtls_ssl_free(&client.ssl);
    mbedtls_ssl_config_free(&client.config);
    mbedtls_x509_crt_free(&client.ca);
}

static void say_to_server(const void *data, size_t len)
{
    assert_int_equal(mbedtls_ssl_write(&client.ssl, data, len), len);
    read_server();
}

static size_t hear_from_server(uint8_t *buf, size_t cap)
{
    int n = mbedtls_ssl_read(&client.ssl, buf, cap);
    return n > 0 ? (size_t)n : 0;
}

static void each_kind_of_key_serves(void **state)
{
    static const char *const names[] = {"p256", "p384", "rsa"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t heard[16];
        lm_tls_server *server = must_make_server(names[i]);
        join(server);
        start_client();
        assert_true(shake_hands());
        assert_null(strstr(mbedtls_ssl_get_ciphersuite(&client.ssl), "CBC"));
        say_to_server("to the server", 13);
        assert_int_equal(plaintext_len, 13);
        assert_memory_equal(plaintext, "to the server", 13);
        assert_int_equal(lm_tls_write(tls, (const uint8_t *)"and back", 8), LM_OK);
        assert_int_equal(hear_from_server(heard, sizeof heard), 8);
        assert_memory_equal(heard, "and back", 8);
        part();
        lm_tls_server_destroy(server);
    }
}

static void the_newest_version_is_spoken(void **state)
{
    lm_tls_server *server = must_make_server("p256");
    (void)state;
    join(server);
    start_client();
    assert_true(shake_hands());
#ifdef MBEDTLS_SSL_PROTO_TLS1_3
    assert_string_equal(lm_tls_version(tls), "TLSv1.3");
#else
    assert_string_equal(lm_tls_version(tls), "TLSv1.2");
#endif
    part();
    lm_tls_server_destroy(server);
}

static void bytes_may_come_one_by_one(void **state)
{
    lm_tls_server *server = must_make_server("p256");
    uint8_t sent[5000];
    (void)state;
    for (size_t piece = 1; piece < 600; piece += piece < 8 ? 1 : 197) {
        join(server);
        to_server.piece = piece;
        start_client();
        assert_true(shake_hands());
        randombytes_buf(sent, sizeof sent);
        say_to_server(sent, sizeof sent);
        say_to_server(sent, 7);
        assert_int_equal(plaintext_len, sizeof sent + 7);
        assert_memory_equal(plaintext, sent, sizeof sent);
        part();
    }
    lm_tls_server_destroy(server);
}

/* What a client sends right behind its Finished, in the same read. */
static void data_behind_the_handshake_is_read(void **state)
{
    lm_tls_server *server = must_make_server("rsa");
    (void)state;
    join(server);
    start_client();
    while (lm_tls_get_state(tls) != LM_TLS_CONNECTED) {
        int result = mbedtls_ssl_handshake(&client.ssl);
        if (result == 0 && !client.connected) {
            client.connected = true;
            assert_int_equal(mbedtls_ssl_write(&client.ssl, (const uint8_t *)"early", 5), 5);
        }
        read_server();
    }
    while (!client.connected)
        client.connected = mbedtls_ssl_handshake(&client.ssl) == 0;
    if (plaintext_len == 0) /* TLS 1.2: the server's Finished is the last */
        say_to_server("early", 5);
    assert_int_equal(plaintext_len, 5);
    part();
    lm_tls_server_destroy(server);
}

static void only_modern_suites_are_served(void **state)
{
    static const int suites[] = {
        MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, MBEDTLS_TLS_RSA_WITH_AES_128_GCM_SHA256,
        MBEDTLS_TLS_DHE_RSA_WITH_AES_128_GCM_SHA256};
    lm_tls_server *server = must_make_server("rsa");
    (void)state;
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        int only[2] = {suites[i], 0};
        join(server);
        mbedtls_ssl_conf_ciphersuites(&client.config, only);
#if MBEDTLS_VERSION_NUMBER >= 0x03020000
        mbedtls_ssl_conf_max_tls_version(&client.config, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
        start_client();
        assert_int_equal(shake_hands(), i < 2);
        assert_int_equal(lm_tls_get_state(tls), i < 2 ? LM_TLS_CONNECTED : LM_TLS_FAILED);
        if (i >= 2) {
            assert_int_equal(client.error, MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE); /* it was told */
            assert_int_equal(lm_tls_write(tls, (const uint8_t *)"x", 1), LM_ECLOSED);
        }
        part();
    }
    lm_tls_server_destroy(server);
}

static void other_bytes_fail(void **state)
{
    lm_tls_server *server = must_make_server("p256");
    uint8_t byte;
    (void)state;
    join(server);
    assert_int_equal(lm_tls_input(tls, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18), LM_ECLOSED);
    assert_int_equal(lm_tls_get_state(tls), LM_TLS_FAILED);
    assert_int_equal(lm_tls_input(tls, (const uint8_t *)"x", 1), LM_ECLOSED);
    assert_int_equal(lm_tls_read(tls, &byte, 1), LM_ECLOSED);
    part();
    lm_tls_server_destroy(server);
}

static void each_side_may_close(void **state)
{
    lm_tls_server *server = must_make_server("p256");
    uint8_t buf[16];
    (void)state;
    join(server);
    start_client();
    assert_true(shake_hands());
    mbedtls_ssl_close_notify(&client.ssl);
    read_server();
    assert_int_equal(lm_tls_get_state(tls), LM_TLS_CLOSED);
    part();

    join(server);
    start_client();
    assert_true(shake_hands());
    lm_tls_close(tls);
    assert_int_equal(lm_tls_get_state(tls), LM_TLS_CLOSED);
    int n;
    do /* tickets of TLS 1.3, which are not sent, would come first */
        n = mbedtls_ssl_read(&client.ssl, buf, sizeof buf);
    while (n == MBEDTLS_ERR_SSL_WANT_READ && to_client.taken < to_client.put);
    assert_int_equal(n, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    part();
    lm_tls_server_destroy(server);
}

/* A damaged record ends a connection, and no plaintext of it comes out. */
static void a_forged_record_fails(void **state)
{
    lm_tls_server *server = must_make_server("p256");
    (void)state;
    join(server);
    start_client();
    assert_true(shake_hands());
    mbedtls_ssl_write(&client.ssl, (const uint8_t *)"hello", 5);
    to_server.bytes[to_server.put - 1] ^= 1;
    read_server();
    assert_int_equal(lm_tls_get_state(tls), LM_TLS_FAILED);
    assert_int_equal(plaintext_len, 0);
    part();
    lm_tls_server_destroy(server);
}

static void a_record_has_a_longest_plaintext(void **state)
{
    static uint8_t data[LM_TLS_PLAINTEXT_MAX + 1], heard[LM_TLS_PLAINTEXT_MAX];
    lm_tls_server *server = must_make_server("p256");
    (void)state;
    join(server);
    start_client();
    assert_true(shake_hands());
    assert_int_equal(lm_tls_write(tls, data, sizeof data), LM_ETOOBIG);
    size_t before = to_client.put;
    assert_int_equal(lm_tls_write(tls, data, sizeof data - 1), LM_OK);
    assert_in_range(to_client.put - before, LM_TLS_PLAINTEXT_MAX,
                    LM_TLS_PLAINTEXT_MAX + LM_TLS_RECORD_OVERHEAD);
    assert_int_equal(hear_from_server(heard, sizeof heard), LM_TLS_PLAINTEXT_MAX);
    part();
    lm_tls_server_destroy(server);
}

/* The owner may let go of a server, or put another in its place, while connections have it. */
static void connections_keep_their_server(void **state)
{
    lm_tls_server *server = must_make_server("p256");
    (void)state;
    join(server);
    start_client();
    lm_tls_server_destroy(server);
    assert_true(shake_hands());
    say_to_server("still here", 10);
    assert_int_equal(plaintext_len, 10);
    part();
}

static void wrong_files_are_named(void **state)
{
    static const struct {
        const char *cert, *key;
        int about, result;
        const char *text;
    } cases[] = {
        {"p256.key", "p256.key", LM_TLS_CERTIFICATE, LM_EMALFORMED, "is not a chain of PEM certificates"},
        {"README.md", "p256.key", LM_TLS_CERTIFICATE, LM_EMALFORMED, "is not a chain of PEM certificates"},
        {"p256.pem", "p256.pem", LM_TLS_KEY, LM_EMALFORMED, "is not a PEM private key"},
        {"p256.pem", "README.md", LM_TLS_KEY, LM_EMALFORMED, "is not a PEM private key"},
        {"p256.pem", "encrypted.key", LM_TLS_KEY, LM_EMALFORMED, "is encrypted with a password"},
        {"p256.pem", "p384.key", LM_TLS_KEY, LM_EAUTH, "does not belong to the certificate"},
        {"p256.pem", "rsa.key", LM_TLS_KEY, LM_EAUTH, "does not belong to the certificate"},
        {"rsa.pem", "p256.key", LM_TLS_KEY, LM_EAUTH, "does not belong to the certificate"},
        {"rsa1024.pem", "rsa1024.key", LM_TLS_KEY, LM_EMALFORMED, "is an RSA key of less than 2048 bits"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lm_tls_complaint why;
        lm_tls_server *server;
        assert_int_equal(make_server(&server, cases[i].cert, cases[i].key, &why), cases[i].result);
        assert_int_equal(why.about, cases[i].about);
        assert_string_equal(why.text, cases[i].text);
    }
    lm_tls_complaint why;
    lm_tls_server *server;
    assert_int_not_equal(make_server(&server, "ed25519.pem", "ed25519.key", &why), LM_OK);
}

static int start(void **state)
{
    (void)state;
    rng = lm_random_system();
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_key_serves),
        cmocka_unit_test(the_newest_version_is_spoken),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(data_behind_the_handshake_is_read),
        cmocka_unit_test(only_modern_suites_are_served),
        cmocka_unit_test(other_bytes_fail),
        cmocka_unit_test(each_side_may_close),
        cmocka_unit_test(a_forged_record_fails),
        cmocka_unit_test(a_record_has_a_longest_plaintext),
        cmocka_unit_test(connections_keep_their_server),
        cmocka_unit_test(wrong_files_are_named),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
