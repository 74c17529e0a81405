/* A relay's config in its three forms, byte for byte, and what is refused as a blob. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"
#include "common/error.h"
#include "mesh/node_config.h"

#define FINGERPRINT \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:FF"
#define NK "______________________________________u-_v4"
#define REST "\"nk\":\"" NK "\",\"port\":3478,\"pwd\":\"0123456789abcdef0123456789abcdef\""

static lm_node_config sample(void)
{
    lm_node_config c = {.port = 3478, .ufrag = "luma", .pwd = "0123456789abcdef0123456789abcdef"};
    for (uint8_t i = 0; i < 32; i++)
        c.fingerprint[i] = i < 31 ? i : 0xff;
    memset(c.nk, 0xff, sizeof c.nk);
    c.nk[28] = 0xfb;
    c.nk[29] = 0xbe;
    c.nk[30] = 0xfe;
    c.nk[31] = 0xfe;
    assert_int_equal(lm_addr_parse_ip(&c.ip, "203.0.113.10", 0), LM_OK);
    return c;
}

static void equals_and_free(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void json_has_sorted_keys(void **state)
{
    lm_node_config c = sample();
    (void)state;
    equals_and_free(lm_node_config_json(&c), "{\"fingerprint\":\"" FINGERPRINT
                                             "\",\"ip\":\"203.0.113.10\"," REST ",\"ufrag\":\"luma\"}");
}

static void absent_keys_are_left_out(void **state)
{
    lm_node_config c = sample();
    (void)state;
    c.tcp = 443;
    strcpy(c.host, "relay.example.org");
    assert_int_equal(lm_addr_parse_ip(&c.ip6, "2001:DB8:0:0::7", 0), LM_OK);
    equals_and_free(lm_node_config_json(&c),
                    "{\"fingerprint\":\"" FINGERPRINT "\",\"host\":\"relay.example.org\","
                    "\"ip\":\"203.0.113.10\",\"ip6\":\"2001:db8::7\"," REST
                    ",\"tcp\":443,\"ufrag\":\"luma\"}");
    memset(&c.ip, 0, sizeof c.ip);
    c.host[0] = '\0';
    c.tcp = 0;
    equals_and_free(lm_node_config_json(&c), "{\"fingerprint\":\"" FINGERPRINT
                                             "\",\"ip6\":\"2001:db8::7\"," REST ",\"ufrag\":\"luma\"}");
}

static void pretty_is_what_json_stringify_makes(void **state)
{
    lm_node_config c = sample();
    (void)state;
    equals_and_free(lm_node_config_pretty(&c),
                    "{\n  \"fingerprint\": \"" FINGERPRINT "\",\n  \"ip\": \"203.0.113.10\",\n"
                    "  \"nk\": \"" NK "\",\n  \"port\": 3478,\n"
                    "  \"pwd\": \"0123456789abcdef0123456789abcdef\",\n  \"ufrag\": \"luma\"\n}");
}

/* Computed with Node.js: 'lm1.' + Buffer.from(JSON.stringify(config)).toString('base64url') */
static void the_blob_is_the_browsers_blob(void **state)
{
    lm_node_config c = sample();
    (void)state;
    equals_and_free(lm_node_config_blob(&c),
                    "lm1."
                    "eyJmaW5nZXJwcmludCI6IjAwOjAxOjAyOjAzOjA0OjA1OjA2OjA3OjA4OjA5OjBBOjBCOjBDOjBEOjBFOjBGOjEw"
                    "OjExOjEyOjEzOjE0OjE1OjE2OjE3OjE4OjE5OjFBOjFCOjFDOjFEOjFFOkZGIiwiaXAiOiIyMDMuMC4xMTMuMTAi"
                    "LCJuayI6Il9fX19fX19fX19fX19fX19fX19fX19fX19fX19fX19fX19fX19fdS1fdjQiLCJwb3J0IjozNDc4LCJw"
                    "d2QiOiIwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZiIsInVmcmFnIjoibHVtYSJ9");
}

static void the_blob_comes_back(void **state)
{
    lm_node_config c = sample(), parsed;
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        c = sample();
        if (variant & 1)
            assert_int_equal(lm_addr_parse_ip(&c.ip6, "fd00::1", 0), LM_OK);
        if (variant & 2)
            strcpy(c.host, "a-b.c1.example");
        if (variant & 4)
            c.tcp = 65535;
        if (variant == 5)
            memset(&c.ip, 0, sizeof c.ip);
        char *blob = lm_node_config_blob(&c);
        memset(&parsed, 0xaa, sizeof parsed);
        assert_int_equal(lm_node_config_parse_blob(&parsed, blob, strlen(blob)), LM_OK);
        assert_memory_equal(&parsed, &c, sizeof c);
        equals_and_free(lm_node_config_blob(&parsed), blob);
        free(blob);
    }
}

static int parse_json_into(lm_node_config *config, const char *json, size_t len)
{
    char blob[8192] = "lm1.";
    lm_base64url_encode(blob + 4, sizeof blob - 4, (const uint8_t *)json, len);
    return lm_node_config_parse_blob(config, blob, strlen(blob));
}

static int parse_json(const char *json, size_t len)
{
    static const lm_node_config untouched;
    lm_node_config c = untouched;
    int result = parse_json_into(&c, json, len);
    if (result != LM_OK)
        assert_memory_equal(&c, &untouched, sizeof c); /* written only on success */
    return result;
}

#define HEAD "{\"fingerprint\":\"" FINGERPRINT "\","
#define TAIL REST ",\"ufrag\":\"luma\"}"

static void other_spellings_are_accepted(void **state)
{
    static const char *const good[] = {
        HEAD "\"ip\":\"203.0.113.10\"," TAIL,
        HEAD "\"ip\":\"203.0.113.10\",\"zebra\":[1,{\"a\":-0.5e-07}]," TAIL, /* of a later version */
        HEAD " \"ip\" : \"203.0.113.10\" , " TAIL,
        HEAD "\"ip6\":\"2001:DB8::0007\"," TAIL,
        HEAD "\"host\":\"relay\"," TAIL,
        "{\"ufrag\":\"+/zZ\",\"ip\":\"1.2.3.4\",\"fingerprint\":\"" FINGERPRINT "\"," REST "}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (parse_json(good[i], strlen(good[i])) != LM_OK)
            fail_msg("refused: %s", good[i]);
    }
}

static void what_is_no_config_is_refused(void **state)
{
#define IP "\"ip\":\"203.0.113.10\","
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "\"x\"",
        "{",
        HEAD,
        HEAD TAIL, /* no address */
        HEAD IP TAIL "x",
        HEAD IP TAIL " {}",
        HEAD IP "\"alt\":[\"198.51.100.7\"],\"alt\":[\"198.51.100.7\"]," TAIL,
        HEAD IP "\"ip\":\"203.0.113.11\"," TAIL, /* twice: which one would be meant? */
        HEAD IP "\"ufrag\":\"luma\"," TAIL,
        HEAD IP "\"port\":3478," TAIL,
        HEAD IP "\"port\":1," TAIL,
        HEAD "\"ip\":1," TAIL,
        HEAD "\"ip\":null," TAIL,
        HEAD "\"ip\":\"\"," TAIL,
        HEAD "\"ip\":\"203.0.113.256\"," TAIL,
        HEAD "\"ip\":\"::1\"," TAIL,
        HEAD "\"ip\":\"::ffff:1.2.3.4\"," TAIL,
        HEAD "\"ip\":\"relay.example\"," TAIL,
        HEAD "\"ip\":\"203.0.113.10\\u0000\"," TAIL,
        HEAD IP "\"ip6\":\"1.2.3.4\"," TAIL,
        HEAD IP "\"ip6\":\"::ffff:1.2.3.4\"," TAIL,
        HEAD IP "\"tcp\":0," TAIL,
        HEAD IP "\"tcp\":65536," TAIL,
        HEAD IP "\"tcp\":-1," TAIL,
        HEAD IP "\"tcp\":1.5," TAIL,
        HEAD IP "\"tcp\":\"443\"," TAIL,
        HEAD IP "\"tcp\":0443," TAIL,
        HEAD IP "\"tcp\":443.," TAIL,
        HEAD IP "\"tcp\":1e999," TAIL,
        HEAD IP "\"tcp\":-01," TAIL,
        HEAD IP "\"host\":\"\"," TAIL,
        HEAD IP "\"host\":\"a..b\"," TAIL,
        HEAD IP "\"host\":\".a\"," TAIL,
        HEAD IP "\"host\":\"a.\"," TAIL,
        HEAD IP "\"host\":\"-a\"," TAIL,
        HEAD IP "\"host\":\"a-.b\"," TAIL,
        HEAD IP "\"host\":\"a_b\"," TAIL,
        HEAD IP "\"host\":\"a+b\"," TAIL,
        HEAD IP "\"host\":\"a b\"," TAIL,
        HEAD IP "\"host\":\"<script>\"," TAIL,
        HEAD IP "\"host\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"," TAIL,
        HEAD IP "\"host\":\"\xc3\xa4.example\"," TAIL,
        HEAD IP "\"host\":\"\xff\"," TAIL,
        "{" IP TAIL, /* no fingerprint */
        "{\"fingerprint\":\"" FINGERPRINT ":\"," IP TAIL,
        "{\"fingerprint\":\"AB\"," IP TAIL,
        "{\"fingerprint\":\"g"
        "0:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:"
        "1E:FF\"," IP TAIL,
        "{\"fingerprint\":\"00-01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:"
        "1B:1C:1D:"
        "1E:FF\"," IP TAIL,
        "{\"fingerprint\":\"00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:19:1a:"
        "1b:1c:1d:"
        "1e:ff\"," IP TAIL,
        HEAD IP REST ",\"ufrag\":\"lum\"}",
        HEAD IP REST ",\"ufrag\":\"lu a\"}",
        HEAD IP REST "}",
        HEAD IP "\"nk\":\"" NK "\",\"port\":3478,\"pwd\":\"0123456789abcdef01234\",\"ufrag\":\"luma\"}",
        HEAD IP "\"nk\":\"" NK "\",\"port\":3478,\"ufrag\":\"luma\"}",
        HEAD IP "\"nk\":\"" NK "A\",\"port\":3478,\"pwd\":\"0123456789abcdef012345\",\"ufrag\":\"luma\"}",
        HEAD IP "\"nk\":\"AAAA\",\"port\":3478,\"pwd\":\"0123456789abcdef012345\",\"ufrag\":\"luma\"}",
        HEAD IP "\"nk\":\"" NK "\",\"pwd\":\"0123456789abcdef012345\",\"ufrag\":\"luma\"}",
        HEAD IP "\"nk\":\"" NK "\",\"port\":0,\"pwd\":\"0123456789abcdef012345\",\"ufrag\":\"luma\"}",
        HEAD IP "\"nk\":\"" NK "\",\"port\":true,\"pwd\":\"0123456789abcdef012345\",\"ufrag\":\"luma\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse_json(bad[i], strlen(bad[i])) != LM_EMALFORMED)
            fail_msg("accepted: %s", bad[i]);
    }
    static const char nul[] = HEAD IP "\"host\":\"a\0b\"," TAIL;
    assert_int_equal(parse_json(nul, sizeof nul - 1), LM_EMALFORMED);
    char deep[3000];
    memset(deep, '[', sizeof deep);
    assert_int_equal(parse_json(deep, sizeof deep), LM_EMALFORMED);
}

static const char *member(const cJSON *vector, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(vector, key));
    assert_non_null(text);
    return text;
}

/* The vectors that the browser library has to agree with, too. */
static void vectors_hold(void **state)
{
    static char text[65536];
    const cJSON *vector;
    int count = 0;
    FILE *file = fopen(LM_TEST_DATA "/vectors/configs.json", "r");
    (void)state;
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    cJSON *vectors = cJSON_Parse(text);
    assert_non_null(vectors);
    cJSON_ArrayForEach(vector, cJSON_GetObjectItemCaseSensitive(vectors, "good")) {
        lm_node_config c, again;
        const char *given = member(vector, "given"), *expected = member(vector, "blob");
        if (parse_json_into(&c, given, strlen(given)) != LM_OK)
            fail_msg("refused: %s", member(vector, "what"));
        equals_and_free(lm_node_config_json(&c), member(vector, "json"));
        equals_and_free(lm_node_config_blob(&c), expected);
        assert_int_equal(lm_node_config_parse_blob(&again, expected, strlen(expected)), LM_OK);
        assert_memory_equal(&again, &c, sizeof c);
        count++;
    }
    cJSON_ArrayForEach(vector, cJSON_GetObjectItemCaseSensitive(vectors, "bad")) {
        const char *given = member(vector, "given");
        if (parse_json(given, strlen(given)) != LM_EMALFORMED)
            fail_msg("accepted: %s", member(vector, "what"));
        count++;
    }
    assert_int_equal(count, 30);
    cJSON_Delete(vectors);
}

static void further_addresses_stand_first(void **state)
{
    lm_node_config c = sample();
    (void)state;
    assert_int_equal(lm_addr_parse_ip(&c.alt[0], "198.51.100.7", 0), LM_OK);
    assert_int_equal(lm_addr_parse_ip(&c.alt[1], "2001:DB8::8", 0), LM_OK);
    c.alt_count = 2;
    equals_and_free(lm_node_config_json(&c),
                    "{\"alt\":[\"198.51.100.7\",\"2001:db8::8\"],\"fingerprint\":\"" FINGERPRINT
                    "\",\"ip\":\"203.0.113.10\"," REST ",\"ufrag\":\"luma\"}");
    char *pretty = lm_node_config_pretty(&c);
    assert_non_null(strstr(pretty, "{\n  \"alt\": [\"198.51.100.7\",\"2001:db8::8\"],\n  \"fingerprint\": "));
    free(pretty);
}

static void what_is_no_blob_is_refused(void **state)
{
    static const struct {
        const char *blob;
        int result;
    } bad[] = {{"", LM_EMALFORMED},          {"lm1", LM_EMALFORMED},       {"lm1.", LM_EMALFORMED},
               {"LM1.e30", LM_EMALFORMED},   {"lm1.e30", LM_EMALFORMED},   {"lm1.e30=", LM_EMALFORMED},
               {"lm1.e3 0", LM_EMALFORMED},  {"lm2.e30", LM_EUNSUPPORTED}, {"lm10.e30", LM_EUNSUPPORTED},
               {"lm.e30", LM_EMALFORMED},    {"lmx.e30", LM_EMALFORMED},   {"lm22", LM_EMALFORMED},
               {"https://x", LM_EMALFORMED}, {" lm1.e30", LM_EMALFORMED}};
    lm_node_config c = sample();
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(lm_node_config_parse_blob(&c, bad[i].blob, strlen(bad[i].blob)), bad[i].result);

    char *blob = lm_node_config_blob(&c);
    size_t len = strlen(blob);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(lm_node_config_parse_blob(&c, blob, cut), LM_OK);
    free(blob);
    char *huge = malloc(1 << 20);
    memset(huge, 'A', 1 << 20);
    memcpy(huge, "lm1.", 4);
    assert_int_equal(lm_node_config_parse_blob(&c, huge, 1 << 20), LM_EMALFORMED);
    free(huge);
}

static int set_up(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_sorted_keys),
        cmocka_unit_test(absent_keys_are_left_out),
        cmocka_unit_test(pretty_is_what_json_stringify_makes),
        cmocka_unit_test(the_blob_is_the_browsers_blob),
        cmocka_unit_test(the_blob_comes_back),
        cmocka_unit_test(other_spellings_are_accepted),
        cmocka_unit_test(what_is_no_config_is_refused),
        cmocka_unit_test(vectors_hold),
        cmocka_unit_test(further_addresses_stand_first),
        cmocka_unit_test(what_is_no_blob_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
