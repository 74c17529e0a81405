/*
 * The published vectors of test/data/noise, each side by itself: what it writes has to be what is published,
 * and it has to read what is published.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/noise.h"
#include "test/support/data.h"

#define KEY_LEN LM_NOISE_KEY_LEN
#define MESSAGES 3

enum { INITIATOR, RESPONDER };

/* Randomness that gives one key, once. */
typedef struct given_key {
    uint8_t key[KEY_LEN];
    int asked;
} given_key;

static void give_key(void *ctx, void *buf, size_t len)
{
    given_key *given = ctx;
    assert_int_equal(len, KEY_LEN);
    assert_int_equal(given->asked++, 0);
    memcpy(buf, given->key, len);
}

typedef struct bytes {
    uint8_t data[512];
    size_t len;
} bytes;

static bytes member(const cJSON *object, const char *name)
{
    bytes b = {.len = 0};
    const char *hex = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    if (hex == NULL)
        fail_msg("no member %s", name);
    else
        assert_int_equal(sodium_hex2bin(b.data, sizeof b.data, hex, strlen(hex), NULL, &b.len, NULL), 0);
    return b;
}

static void assert_bytes(const uint8_t *data, int len, const bytes *expected)
{
    assert_int_equal(len, expected->len);
    if (expected->len > 0)
        assert_memory_equal(data, expected->data, expected->len);
}

/* Writes where the payload lies already, reads into the place of the message. */
static void play_vector_in_place(lm_noise n, const cJSON *messages, given_key *given)
{
    const cJSON *m;
    uint8_t buf[512];
    n.random.ctx = given;
    for (int i = 0; i < MESSAGES; i++) {
        m = cJSON_GetArrayItem(messages, i);
        bytes payload = member(m, "payload"), message = member(m, "message");
        const bytes *in = lm_noise_is_writing(&n) ? &payload : &message;
        memcpy(buf, in->data, in->len);
        if (lm_noise_is_writing(&n))
            assert_bytes(buf, lm_noise_write_message(&n, buf, in->len, buf, sizeof buf), &message);
        else
            assert_bytes(buf, lm_noise_read_message(&n, buf, in->len, buf, sizeof buf), &payload);
    }
    assert_true(lm_noise_is_done(&n));
}

static void play_vector(const cJSON *vector, lm_noise_pattern pattern, int side)
{
    bytes prologue = member(vector, "prologue"), psk, remote, hash = member(vector, "handshake_hash"),
          s = member(vector, side == INITIATOR ? "initiator_static" : "responder_static"),
          rs = member(vector, side == INITIATOR ? "responder_static" : "initiator_static"),
          e = member(vector, side == INITIATOR ? "initiator_ephemeral" : "responder_ephemeral");
    given_key given = {.asked = 0}, again;
    lm_noise_config config = {.pattern = pattern,
                              .initiator = side == INITIATOR,
                              .prologue = prologue.data,
                              .prologue_len = prologue.len,
                              .static_secret = s.data,
                              .random = {.fill = give_key, .ctx = &given}};
    lm_noise n;
    lm_noise_cipher send, receive;
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(vector, "messages"), *m;
    int i = 0;
    if (pattern == LM_NOISE_XXPSK3) {
        psk = member(vector, "psk");
        assert_int_equal(psk.len, KEY_LEN);
        config.psk = psk.data;
    }
    memcpy(given.key, e.data, KEY_LEN);
    again = given;
    crypto_scalarmult_base(remote.data, rs.data);
    assert_true(cJSON_GetArraySize(messages) > MESSAGES + 1);
    assert_int_equal(lm_noise_init(&n, &config), LM_OK);
    play_vector_in_place(n, messages, &again);

    cJSON_ArrayForEach(m, messages) {
        uint8_t out[512];
        bytes payload = member(m, "payload"), message = member(m, "message");
        const char *from = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(m, "from"));
        assert_non_null(from);
        bool writes = strcmp(from, side == INITIATOR ? "initiator" : "responder") == 0;
        if (i == MESSAGES) {
            assert_true(lm_noise_is_done(&n));
            assert_memory_equal(lm_noise_handshake_hash(&n), hash.data, LM_NOISE_HASH_LEN);
            assert_memory_equal(lm_noise_remote_static(&n), remote.data, KEY_LEN);
            assert_int_equal(lm_noise_split(&n, &send, &receive), LM_OK);
        }
        if (i < MESSAGES) {
            assert_false(lm_noise_is_done(&n));
            assert_null(lm_noise_handshake_hash(&n));
            assert_true((lm_noise_remote_static(&n) != NULL) == (side == INITIATOR && i == 2));
            assert_true(lm_noise_is_writing(&n) == writes);
            assert_int_equal(lm_noise_overhead(&n), message.len - payload.len);
        }
        if (i < MESSAGES && writes)
            assert_bytes(out, lm_noise_write_message(&n, payload.data, payload.len, out, message.len),
                         &message);
        else if (i < MESSAGES)
            assert_bytes(out, lm_noise_read_message(&n, message.data, message.len, out, payload.len),
                         &payload);
        else if (writes)
            assert_bytes(out, lm_noise_encrypt(&send, NULL, 0, payload.data, payload.len, out, message.len),
                         &message);
        else
            assert_bytes(out,
                         lm_noise_decrypt(&receive, NULL, 0, message.data, message.len, out, payload.len),
                         &payload);
        i++;
    }
}

static void play_file(const char *path, lm_noise_pattern pattern)
{
    size_t len;
    char *text = (char *)test_read_file(path, &len);
    cJSON *json = cJSON_Parse(text);
    const cJSON *vectors = cJSON_GetObjectItemCaseSensitive(json, "vectors"), *vector;
    int played = 0;
    cJSON_ArrayForEach(vector, vectors) {
        play_vector(vector, pattern, INITIATOR);
        play_vector(vector, pattern, RESPONDER);
        played++;
    }
    assert_true(played > 1);
    cJSON_Delete(json);
    free(text);
}

static void gives_the_published_messages_of_xx(void **state)
{
    (void)state;
    play_file(LM_TEST_DATA "/noise/xx.json", LM_NOISE_XX);
}

static void gives_the_published_messages_of_xxpsk3(void **state)
{
    (void)state;
    play_file(LM_TEST_DATA "/noise/xxpsk3.json", LM_NOISE_XXPSK3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_messages_of_xx),
        cmocka_unit_test(gives_the_published_messages_of_xxpsk3),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
