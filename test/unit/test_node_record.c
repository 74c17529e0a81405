#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "mesh/node_record.h"
#include "test/support/node.h"

#define SEQ 1700000000123u

static const char golden[] = "{\"features\":[\"signal\",\"turn\"],"
                             "\"fingerprint\":\"00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:"
                             "14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\","
                             "\"ip\":\"203.0.113.10\",\"mesh\":\"203.0.113.10:3479\",\"nk\":\"6kpsY-KcUgq-"
                             "9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw\","
                             "\"port\":3478,\"pwd\":\"00112233445566778899aabbccddeeff\",\"seq\":"
                             "1700000000123,\"ufrag\":\"luma\",\"v\":1}";

static const lm_node_record_extra golden_extra = {
    .seq = SEQ,
    .features = (const char *const[]){"signal", "turn"},
    .feature_count = 2,
    .mesh = "203.0.113.10:3479",
};

/* Signs any text with the world's node key; returns sig. */
static const char *sign(char sig[LM_NODE_SIG_TEXT], const char *text)
{
    uint8_t message[8192], seed[32], pk[32], sk[64], bytes[64];
    size_t len = strlen(text);
    memset(seed, 7, sizeof seed);
    crypto_sign_seed_keypair(pk, sk, seed);
    memcpy(message, "lumamesh-node-v1", 17);
    memcpy(message + 17, text, len);
    crypto_sign_detached(bytes, NULL, message, 17 + len, sk);
    return lm_base64url_encode(sig, LM_NODE_SIG_TEXT, bytes, sizeof bytes);
}

static int verify(const char *text, const char *sig, uint64_t unix_ms)
{
    lm_node_record_facts facts;
    return lm_node_record_verify(&facts, text, strlen(text), sig, strlen(sig), unix_ms);
}

/* Verifies a text under a good signature of its own. */
static int verify_signed(const char *text)
{
    char sig[LM_NODE_SIG_TEXT];
    return verify(text, sign(sig, text), SEQ);
}

/* The golden text with its first `from` replaced by `to`. */
static const char *golden_with(char text[4096], const char *from, const char *to)
{
    const char *at = strstr(golden, from);
    assert_non_null(at);
    snprintf(text, 4096, "%.*s%s%s", (int)(at - golden), golden, to, at + strlen(from));
    return text;
}

static void makes_sorted_signed_text(void **state)
{
    lm_node_config config;
    lm_node_record record = {0};
    uint8_t seed[32];
    char sig[LM_NODE_SIG_TEXT];
    (void)state;
    test_node(&config, seed);
    assert_int_equal(lm_node_record_make(&record, &config, &golden_extra, seed), LM_OK);
    assert_string_equal(record.text, golden);
    assert_string_equal(record.sig, sign(sig, golden));

    /* A second one takes the first one's place. */
    lm_node_record_extra extra = {.seq = SEQ + 1};
    assert_int_equal(lm_node_record_make(&record, &config, &extra, seed), LM_OK);
    assert_non_null(strstr(record.text, "{\"features\":[],"));
    assert_null(strstr(record.text, "mesh"));
    assert_int_equal(verify(record.text, record.sig, SEQ), LM_OK);
    lm_node_record_clear(&record);
}

static void refuses_to_make_a_long_one(void **state)
{
    lm_node_config config;
    lm_node_record record = {0};
    lm_node_record_extra extra = {.seq = SEQ};
    char mesh[LM_NODE_RECORD_MAX + 1];
    uint8_t seed[32];
    (void)state;
    test_node(&config, seed);
    memset(mesh, 'm', sizeof mesh - 1);
    mesh[sizeof mesh - 1] = '\0';
    extra.mesh = mesh;
    assert_int_equal(lm_node_record_make(&record, &config, &extra, seed), LM_ETOOBIG);
    assert_null(record.text);
}

static void verifies_and_tells_facts(void **state)
{
    lm_node_config config;
    lm_node_record_facts facts;
    uint8_t seed[32];
    char sig[LM_NODE_SIG_TEXT], text[4096];
    (void)state;
    test_node(&config, seed);
    sign(sig, golden);
    assert_int_equal(lm_node_record_verify(&facts, golden, strlen(golden), sig, strlen(sig), SEQ), LM_OK);
    assert_memory_equal(facts.nk, config.nk, sizeof facts.nk);
    assert_true(facts.seq == SEQ);
    /* Keys that nobody knows yet, white space and another order do not matter: the text is what is signed. */
    assert_int_equal(verify_signed(golden_with(text, "{\"features\"", "{ \"zz\":[{\"y\":1}],\"features\"")),
                     LM_OK);
    assert_int_equal(verify_signed(golden_with(text, "\"ip\":\"203.0.113.10\"", "\"ip6\":\"2001:db8::1\"")),
                     LM_OK);
    assert_int_equal(
        verify_signed(golden_with(text, "\"ip\":\"203.0.113.10\"", "\"host\":\"relay.example\"")), LM_OK);
    assert_int_equal(verify_signed(golden_with(text, "\"port\":3478", "\"port\":3478,\"tcp\":443")), LM_OK);
    assert_int_equal(
        verify_signed(golden_with(text, "{\"features\"", "{\"alt\":[\"198.51.100.7\",\"::1\"],\"features\"")),
        LM_OK);
}

static void refuses_other_signatures(void **state)
{
    char sig[LM_NODE_SIG_TEXT], text[4096];
    (void)state;
    sign(sig, golden);
    assert_int_equal(verify(golden_with(text, "3478", "3479"), sig, SEQ), LM_EAUTH);
    assert_int_equal(verify_signed(golden_with(text, "6kpsY", "7kpsY")), LM_EAUTH);
    sig[0] = sig[0] == 'A' ? 'B' : 'A';
    assert_int_equal(verify(golden, sig, SEQ), LM_EAUTH);
    assert_int_equal(verify(golden, "", SEQ), LM_EMALFORMED);
    assert_int_equal(verify(golden, "AAAA", SEQ), LM_EMALFORMED);
    assert_int_equal(verify(golden, "!", SEQ), LM_EMALFORMED);
}

static void refuses_the_far_future(void **state)
{
    char sig[LM_NODE_SIG_TEXT];
    (void)state;
    sign(sig, golden);
    assert_int_equal(verify(golden, sig, SEQ - LM_NODE_RECORD_FUTURE_MAX), LM_OK);
    assert_int_equal(verify(golden, sig, SEQ - LM_NODE_RECORD_FUTURE_MAX - 1), LM_EAGAIN);
}

static void refuses_wrong_fields(void **state)
{
    static const char *const wrong[][2] = {
        {"\"features\":[\"signal\",\"turn\"],", ""},
        {"[\"signal\",\"turn\"]", "\"signal\""},
        {"\"turn\"", "1"},
        {"\"turn\"", "\"a feature whose name is much too long\""},
        {"00:01", "0:01"},
        {"00:01", "00-01"},
        {"0A", "0a"},
        {"\"ip\":\"203.0.113.10\",", ""},
        {"\"ip\":\"203.0.113.10\"", "\"ip\":\"2001:db8::1\""},
        {"\"ip\":\"203.0.113.10\"", "\"ip\":7"},
        {"\"ip\":\"203.0.113.10\"", "\"ip\":\"203.0.113.10\",\"alt\":[]"},
        {"\"ip\":\"203.0.113.10\"", "\"ip\":\"203.0.113.10\",\"alt\":\"198.51.100.7\""},
        {"\"ip\":\"203.0.113.10\"", "\"ip\":\"203.0.113.10\",\"alt\":[\"203.0.113.10\"]"},
        {"\"ip\":\"203.0.113.10\"", "\"IP\":\"203.0.113.10\""},
        {"\"ip\":\"203.0.113.10\"", "\"ip6\":\"203.0.113.10\""},
        {"\"ip\":\"203.0.113.10\"", "\"host\":\"\""},
        {"\"mesh\":\"203.0.113.10:3479\"", "\"mesh\":1"},
        {"\"nk\":\"6", "\"nk\":\"!"},
        {"\"nk\":\"6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw\"", "\"nk\":\"AAAA\""},
        {"\"nk\"", "\"NK\""},
        {"\"port\":3478,", ""},
        {"\"port\":3478", "\"port\":0"},
        {"\"port\":3478", "\"port\":65536"},
        {"\"port\":3478", "\"port\":3478.5"},
        {"\"port\":3478", "\"port\":\"3478\""},
        {"\"port\":3478", "\"port\":3478,\"tcp\":0"},
        {"00112233445566778899aabbccddeeff", "short"},
        {"1700000000123", "-1"},
        {"1700000000123", "1e300"},
        {"1700000000123", "\"1700000000123\""},
        {"\"ufrag\":\"luma\"", "\"ufrag\":\"lum\""},
        {",\"v\":1", ""},
        {"\"v\":1", "\"v\":\"1\""},
        {"\"v\":1", "\"v\":1.5"},
        {"\"v\":1", "\"v\":1,\"deep\":[[[[1]]]]"},
        {"{\"features\"", "[{\"features\""},
        {"luma", "l\xffma"},
    };
    char text[4096];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        golden_with(text, wrong[i][0], wrong[i][1]);
        if (verify_signed(text) != LM_EMALFORMED)
            fail_msg("taken: %s", text);
    }
    assert_int_equal(verify_signed(golden_with(text, "\"v\":1", "\"v\":2")), LM_EUNSUPPORTED);
}

static void bounds_the_size(void **state)
{
    char text[4096], filler[LM_NODE_RECORD_MAX + 1];
    (void)state;
    size_t room = LM_NODE_RECORD_MAX - strlen(golden) - strlen(",\"z\":\"\"");
    for (size_t extra = 0; extra < 2; extra++) {
        char tail[LM_NODE_RECORD_MAX + 64];
        memset(filler, 'z', room + extra);
        filler[room + extra] = '\0';
        snprintf(tail, sizeof tail, "\"v\":1,\"z\":\"%s\"", filler);
        golden_with(text, "\"v\":1", tail);
        assert_int_equal(strlen(text), LM_NODE_RECORD_MAX + extra);
        assert_int_equal(verify_signed(text), extra == 0 ? LM_OK : LM_ETOOBIG);
    }
}

/* The longest config there can be makes a record, with room for what later versions add. */
static void the_longest_config_fits(void **state)
{
    static const char *const features[] = {"signal"};
    const lm_node_record_extra extra = {.seq = SEQ, .features = features, .feature_count = 1};
    lm_node_config config;
    lm_node_record record = {0};
    uint8_t seed[32];
    (void)state;
    test_node(&config, seed);
    memset(config.host, 'h', LM_HOST_MAX);
    for (size_t dot = 63; dot < LM_HOST_MAX; dot += 64)
        config.host[dot] = '.';
    memset(config.ufrag, 'u', LM_UFRAG_MAX);
    memset(config.pwd, 'p', LM_ICE_PWD_MAX);
    config.port = config.tcp = 65535;
    assert_int_equal(lm_addr_parse_ip(&config.ip, "255.255.255.255", 0), LM_OK);
    assert_int_equal(lm_addr_parse_ip(&config.ip6, "1111:2222:3333:4444:5555:6666:7777:8888", 0), LM_OK);
    for (config.alt_count = 0; config.alt_count < LM_NODE_ALT_MAX; config.alt_count++) {
        config.alt[config.alt_count] = config.ip6;
        config.alt[config.alt_count].ip[15] = (uint8_t)config.alt_count;
    }
    assert_int_equal(lm_node_record_make(&record, &config, &extra, seed), LM_OK);
    assert_true(strlen(record.text) < LM_NODE_RECORD_MAX - 300);
    assert_int_equal(verify(record.text, record.sig, SEQ), LM_OK);
    lm_node_record_clear(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_sorted_signed_text), cmocka_unit_test(refuses_to_make_a_long_one),
        cmocka_unit_test(verifies_and_tells_facts), cmocka_unit_test(refuses_other_signatures),
        cmocka_unit_test(refuses_the_far_future),   cmocka_unit_test(refuses_wrong_fields),
        cmocka_unit_test(bounds_the_size),          cmocka_unit_test(the_longest_config_fits),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
