/*
 * The vectors of test/data/vectors/room-keys.json, computed a second time: the browser library makes room ids
 * and keys with WebCrypto, this test with mbedTLS, and both have to agree (protocol page, section 4).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <mbedtls/hkdf.h>
#include <mbedtls/md.h>
#include <mbedtls/pkcs5.h>
#include <mbedtls/version.h>
#include <sodium.h>

#include "test/support/data.h"

#define KEY_LEN 32
#define ITERATIONS 600000

/* mbedTLS 3.3 replaced the function that takes a context by one that takes the hash's name. */
static int pbkdf2(const uint8_t *password, size_t len, const char *salt, uint8_t out[KEY_LEN])
{
#if MBEDTLS_VERSION_NUMBER >= 0x03030000
    return mbedtls_pkcs5_pbkdf2_hmac_ext(MBEDTLS_MD_SHA256, password, len, (const uint8_t *)salt,
                                         strlen(salt), ITERATIONS, KEY_LEN, out);
#else
    mbedtls_md_context_t md;
    mbedtls_md_init(&md);
    int rc = mbedtls_md_setup(&md, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1);
    if (rc == 0)
        rc = mbedtls_pkcs5_pbkdf2_hmac(&md, password, len, (const uint8_t *)salt, strlen(salt), ITERATIONS,
                                       KEY_LEN, out);
    mbedtls_md_free(&md);
    return rc;
#endif
}

static void assert_expands_to(const uint8_t master[KEY_LEN], const char *info, const char *hex)
{
    uint8_t out[KEY_LEN];
    char text[2 * KEY_LEN + 1];
    assert_int_equal(mbedtls_hkdf(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), NULL, 0, master, KEY_LEN,
                                  (const uint8_t *)info, strlen(info), out, sizeof out),
                     0);
    sodium_bin2hex(text, sizeof text, out, sizeof out);
    assert_string_equal(text, hex);
}

static const char *member(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    assert_non_null(value);
    return value;
}

static void derives_the_vectors(void **state)
{
    size_t len;
    char *text = (char *)test_read_file(LM_TEST_DATA "/vectors/room-keys.json", &len);
    cJSON *vectors = cJSON_Parse(text);
    const cJSON *vector;
    (void)state;
    assert_true(cJSON_GetArraySize(vectors) >= 5);
    cJSON_ArrayForEach(vector, vectors) {
        const char *name = member(vector, "name"), *secret = member(vector, "secret");
        size_t name_len = strlen(name), secret_len = strlen(secret);
        uint8_t *password = malloc(name_len + 1 + secret_len);
        uint8_t master[KEY_LEN];
        assert_non_null(password);
        memcpy(password, name, name_len + 1); /* its NUL parts it from the secret */
        memcpy(password + name_len + 1, secret, secret_len);
        assert_int_equal(pbkdf2(password, name_len + 1 + secret_len, "lumamesh-room-v1", master), 0);
        free(password);
        assert_expands_to(master, "room-id", member(vector, "room"));
        assert_expands_to(master, "aes-gcm-256", member(vector, "key"));
    }
    cJSON_Delete(vectors);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derives_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
