#include "webrtc/turn_credentials.h"

#include <inttypes.h>
#include <mbedtls/md.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/base64url.h"
#include "common/bytes.h"
#include "common/error.h"

#define SHA1_LEN 20
#define NONCE_TIME_LEN 4
#define NONCE_BYTES (NONCE_TIME_LEN + crypto_shorthash_BYTES)

_Static_assert(sodium_base64_ENCODED_LEN(SHA1_LEN, sodium_base64_VARIANT_ORIGINAL) ==
                   LM_TURN_PASSWORD_LEN + 1,
               "a password is base64 of an HMAC-SHA1");
_Static_assert(LM_BASE64URL_SIZE(NONCE_BYTES) == LM_TURN_NONCE_LEN + 1, "a nonce is time and MAC");
_Static_assert(sizeof((lm_turn_nonces *)0)->key == crypto_shorthash_KEYBYTES, "the key is SipHash's");

int lm_turn_secrets_parse(lm_turn_secrets *secrets, const char *text)
{
    lm_turn_secrets parsed = {.count = 0};
    for (const char *end; text != NULL; text = *end == ',' ? end + 1 : NULL) {
        size_t len = strcspn(text, ",");
        end = text + len;
        if (parsed.count == LM_TURN_SECRETS_MAX || len < LM_TURN_SECRET_MIN || len > LM_TURN_SECRET_MAX) {
            sodium_memzero(&parsed, sizeof parsed);
            return LM_EINVAL;
        }
        memcpy(parsed.secret[parsed.count++], text, len);
    }
    if (parsed.count == 0)
        return LM_EINVAL;
    *secrets = parsed;
    sodium_memzero(&parsed, sizeof parsed);
    return LM_OK;
}

bool lm_turn_realm_is_good(const char *realm)
{
    size_t len = realm == NULL ? 0 : strlen(realm);
    if (len == 0 || len > LM_TURN_REALM_MAX)
        return false;
    for (size_t i = 0; i < len; i++) { /* it may stand between quotes (RFC 8489 section 14.9) */
        if ((unsigned char)realm[i] < ' ' || realm[i] == '"' || realm[i] == '\\' || realm[i] == 127)
            return false;
    }
    return true;
}

/* The password that goes with a user name under a secret. LM_ECRYPTO. */
static int password_of(const char *secret, const uint8_t *username, size_t len,
                       char password[LM_TURN_PASSWORD_LEN + 1])
{
    const mbedtls_md_info_t *sha1 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA1);
    uint8_t mac[SHA1_LEN];
    if (sha1 == NULL ||
        mbedtls_md_hmac(sha1, (const uint8_t *)secret, strlen(secret), username, len, mac) != 0)
        return LM_ECRYPTO;
    sodium_bin2base64(password, LM_TURN_PASSWORD_LEN + 1, mac, sizeof mac, sodium_base64_VARIANT_ORIGINAL);
    return LM_OK;
}

int lm_turn_credential(const char *secret, const char *user, uint64_t expiry,
                       char username[LM_TURN_USERNAME_MAX + 1], char password[LM_TURN_PASSWORD_LEN + 1])
{
    char made[LM_TURN_USERNAME_MAX + 1], word[LM_TURN_PASSWORD_LEN + 1];
    int len = snprintf(made, sizeof made, "%" PRIu64 ":%s", expiry, user);
    if (expiry == 0 || len < 0 || len > LM_TURN_USERNAME_MAX)
        return LM_EINVAL;
    int error = password_of(secret, (const uint8_t *)made, (size_t)len, word);
    if (error != LM_OK)
        return error;
    memcpy(username, made, (size_t)len + 1);
    memcpy(password, word, sizeof word);
    return LM_OK;
}

uint64_t lm_turn_username_expiry(const uint8_t *username, size_t len, size_t *user_at)
{
    uint64_t expiry = 0;
    size_t i = 0;
    for (; i < len && username[i] >= '0' && username[i] <= '9'; i++) {
        if (expiry > (UINT64_MAX - 9) / 10)
            return 0;
        expiry = expiry * 10 + (uint64_t)(username[i] - '0');
    }
    if (i == 0 || i == len || username[i] != ':')
        return 0;
    *user_at = i + 1;
    return expiry;
}

int lm_turn_key(const char *secret, const char *realm, const uint8_t *username, size_t username_len,
                uint8_t key[LM_TURN_KEY_LEN])
{
    char password[LM_TURN_PASSWORD_LEN + 1];
    mbedtls_md_context_t md;
    int error = password_of(secret, username, username_len, password);
    if (error != LM_OK)
        return error;
    mbedtls_md_init(&md);
    const mbedtls_md_info_t *md5 = mbedtls_md_info_from_type(MBEDTLS_MD_MD5);
    if (md5 == NULL || mbedtls_md_setup(&md, md5, 0) != 0 || mbedtls_md_starts(&md) != 0 ||
        mbedtls_md_update(&md, username, username_len) != 0 ||
        mbedtls_md_update(&md, (const uint8_t *)":", 1) != 0 ||
        mbedtls_md_update(&md, (const uint8_t *)realm, strlen(realm)) != 0 ||
        mbedtls_md_update(&md, (const uint8_t *)":", 1) != 0 ||
        mbedtls_md_update(&md, (const uint8_t *)password, LM_TURN_PASSWORD_LEN) != 0 ||
        mbedtls_md_finish(&md, key) != 0)
        error = LM_ECRYPTO;
    mbedtls_md_free(&md);
    sodium_memzero(password, sizeof password);
    return error;
}

void lm_turn_nonces_init(lm_turn_nonces *nonces, lm_random *random)
{
    lm_random_fill(random, nonces->key, sizeof nonces->key);
}

/* Seconds, and the MAC over them and the client's address. */
static void fill_nonce(const lm_turn_nonces *nonces, uint32_t seconds, const lm_addr *remote,
                       uint8_t bytes[NONCE_BYTES])
{
    uint8_t covered[NONCE_TIME_LEN + sizeof *remote];
    lm_writer w = lm_writer_init(covered, sizeof covered);
    lm_write_u32(&w, seconds);
    lm_write_bytes(&w, remote, sizeof *remote);
    memcpy(bytes, covered, NONCE_TIME_LEN);
    crypto_shorthash(bytes + NONCE_TIME_LEN, covered, sizeof covered, nonces->key);
}

void lm_turn_nonce_make(const lm_turn_nonces *nonces, lm_ms now, const lm_addr *remote,
                        char nonce[LM_TURN_NONCE_LEN + 1])
{
    uint8_t bytes[NONCE_BYTES];
    fill_nonce(nonces, (uint32_t)(now / 1000), remote, bytes);
    lm_base64url_encode(nonce, LM_TURN_NONCE_LEN + 1, bytes, sizeof bytes);
}

int lm_turn_nonce_check(const lm_turn_nonces *nonces, lm_ms now, const lm_addr *remote, const uint8_t *nonce,
                        size_t len)
{
    uint8_t bytes[NONCE_BYTES], expected[NONCE_BYTES];
    size_t bytes_len;
    if (lm_base64url_decode(bytes, sizeof bytes, &bytes_len, (const char *)nonce, len) != LM_OK ||
        bytes_len != sizeof bytes)
        return LM_EAUTH;
    lm_reader r = lm_reader_init(bytes, sizeof bytes);
    uint32_t seconds = lm_read_u32(&r);
    fill_nonce(nonces, seconds, remote, expected);
    if (sodium_memcmp(bytes, expected, sizeof bytes) != 0)
        return LM_EAUTH;
    return (uint32_t)(now / 1000) - seconds > LM_TURN_NONCE_LIFETIME / 1000 ? LM_EAGAIN : LM_OK;
}
