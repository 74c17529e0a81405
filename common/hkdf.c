#include "common/hkdf.h"

#include <sodium.h>
#include <string.h>

#include "common/error.h"

#define HASH_LEN crypto_auth_hmacsha256_BYTES

static void add(crypto_auth_hmacsha256_state *hmac, const void *data, size_t len)
{
    if (len > 0)
        crypto_auth_hmacsha256_update(hmac, data, len);
}

int lm_hkdf_sha256(uint8_t *out, size_t out_len, const void *salt, size_t salt_len, const void *ikm,
                   size_t ikm_len, const void *info, size_t info_len)
{
    static const uint8_t none[1];
    crypto_auth_hmacsha256_state hmac;
    uint8_t prk[HASH_LEN], block[HASH_LEN];
    if (out_len > LM_HKDF_OUT_MAX)
        return LM_ETOOBIG;

    crypto_auth_hmacsha256_init(&hmac, salt_len > 0 ? salt : none, salt_len);
    add(&hmac, ikm, ikm_len);
    crypto_auth_hmacsha256_final(&hmac, prk);

    for (size_t done = 0, i = 1; done < out_len; i++) {
        const uint8_t counter = (uint8_t)i;
        size_t part = out_len - done < HASH_LEN ? out_len - done : HASH_LEN;
        crypto_auth_hmacsha256_init(&hmac, prk, sizeof prk);
        add(&hmac, block, done > 0 ? sizeof block : 0); /* T(i - 1), and T(0) is empty */
        add(&hmac, info, info_len);
        add(&hmac, &counter, 1);
        crypto_auth_hmacsha256_final(&hmac, block);
        memcpy(out + done, block, part);
        done += part;
    }
    sodium_memzero(&hmac, sizeof hmac);
    sodium_memzero(prk, sizeof prk);
    sodium_memzero(block, sizeof block);
    return LM_OK;
}
