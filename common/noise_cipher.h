/*
 * One direction of a Noise session: ChaCha20-Poly1305 with a counter as its nonce (Noise revision 34, section
 * 5.1, CipherState). Both sides count by themselves, so messages have to arrive in order and without loss.
 *
 * A message is at most 65,535 bytes with its tag. Buffers may overlap in any way, so in and out may be the
 * same: a message is opened where it was received.
 */
#ifndef LM_COMMON_NOISE_CIPHER_H
#define LM_COMMON_NOISE_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#define LM_NOISE_KEY_LEN 32 /* of ciphers, X25519 keys and pre-shared keys */
#define LM_NOISE_TAG_LEN 16
#define LM_NOISE_MESSAGE_MAX 65535                                     /* bytes (section 3) */
#define LM_NOISE_PAYLOAD_MAX (LM_NOISE_MESSAGE_MAX - LM_NOISE_TAG_LEN) /* bytes, of a transport message */

typedef struct lm_noise_cipher {
    uint8_t key[LM_NOISE_KEY_LEN];
    uint64_t nonce; /* of the next message; 2^64 - 1 is never used (section 5.1) */
} lm_noise_cipher;

/*
 * Encrypts len bytes of in, with the tag behind them, into the cap bytes at out. ad is authenticated and not
 * sent; it may be NULL with ad_len 0, as in transport messages, and may not overlap out. Returns the length,
 * len + LM_NOISE_TAG_LEN. LM_ETOOBIG: the message would be too long, or does not fit cap; LM_ELIMIT: the
 * nonces are used up. After an error nothing has changed.
 */
int lm_noise_encrypt(lm_noise_cipher *cipher, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                     uint8_t *out, size_t cap);

/*
 * Opens a message of len bytes into the cap bytes at out. Returns the length, len - LM_NOISE_TAG_LEN; with 0,
 * out may be NULL. LM_EMALFORMED: shorter than a tag; LM_ETOOBIG: too long for a message, or for cap;
 * LM_ELIMIT: the nonces are used up; LM_EAUTH: not what the other side sent, or not the next that it sent. An
 * error leaves the nonce as it was; after LM_EAUTH the place where the payload was to be holds zeros.
 */
int lm_noise_decrypt(lm_noise_cipher *cipher, const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
                     uint8_t *out, size_t cap);

/* Wipes the key. */
void lm_noise_cipher_clear(lm_noise_cipher *cipher);

#endif
