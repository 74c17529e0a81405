#include "common/noise_cipher.h"

#include <sodium.h>
#include <string.h>

#include "common/error.h"

#define NONCE_LEN crypto_aead_chacha20poly1305_ietf_NPUBBYTES

/* Four bytes of zeros and the counter, little-endian (section 12.3). */
static void nonce_bytes(uint8_t nonce[NONCE_LEN], uint64_t counter)
{
    memset(nonce, 0, NONCE_LEN);
    for (size_t i = 0; i < sizeof counter; i++)
        nonce[NONCE_LEN - sizeof counter + i] = (uint8_t)(counter >> (8 * i));
}

int lm_noise_encrypt(lm_noise_cipher *cipher, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                     uint8_t *out, size_t cap)
{
    uint8_t nonce[NONCE_LEN];
    if (len > LM_NOISE_PAYLOAD_MAX || cap < len + LM_NOISE_TAG_LEN)
        return LM_ETOOBIG;
    if (cipher->nonce == UINT64_MAX)
        return LM_ELIMIT;
    nonce_bytes(nonce, cipher->nonce++);
    if (len > 0) /* libsodium takes the very same place or a separate one, and nothing between */
        memmove(out, in, len);
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(out, out + len, NULL, out, len, ad, ad_len, NULL,
                                                       nonce, cipher->key);
    return (int)(len + LM_NOISE_TAG_LEN);
}

int lm_noise_decrypt(lm_noise_cipher *cipher, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                     uint8_t *out, size_t cap)
{
    uint8_t nonce[NONCE_LEN], tag[LM_NOISE_TAG_LEN], none[1];
    if (len < LM_NOISE_TAG_LEN)
        return LM_EMALFORMED;
    size_t payload_len = len - LM_NOISE_TAG_LEN;
    if (len > LM_NOISE_MESSAGE_MAX || cap < payload_len)
        return LM_ETOOBIG;
    if (cipher->nonce == UINT64_MAX)
        return LM_ELIMIT;
    nonce_bytes(nonce, cipher->nonce);
    memcpy(tag, in + payload_len, sizeof tag); /* before out, which may lie over it */
    if (payload_len > 0)
        memmove(out, in, payload_len);
    else
        out = none;
    if (crypto_aead_chacha20poly1305_ietf_decrypt_detached(out, NULL, out, payload_len, tag, ad, ad_len,
                                                           nonce, cipher->key) != 0) {
        memset(out, 0, payload_len); /* neither the ciphertext nor what it would have become */
        return LM_EAUTH;
    }
    cipher->nonce++;
    return (int)payload_len;
}

void lm_noise_cipher_clear(lm_noise_cipher *cipher)
{
    sodium_memzero(cipher, sizeof *cipher);
}
