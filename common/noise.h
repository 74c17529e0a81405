/*
 * The Noise Protocol Framework, revision 34 (noiseprotocol.org): two sides that hold static X25519 keys prove
 * them to each other and agree on keys for a session. Two protocols are offered:
 *
 *     Noise_XX_25519_ChaChaPoly_SHA256            Noise_XXpsk3_25519_ChaChaPoly_SHA256
 *       -> e                                        -> e
 *       <- e, ee, s, es                             <- e, ee, s, es
 *       -> s, se                                    -> s, se, psk
 *
 * Bytes come in and go out by the caller, who also frames them: a message does not tell its own length. The
 * side that may write does, the other reads, until lm_noise_is_done(); then lm_noise_split() gives the two
 * ciphers for what follows.
 *
 *     lm_noise_init(&n, &config);
 *     while (!lm_noise_is_done(&n))
 *         lm_noise_is_writing(&n) ? lm_noise_write_message(…) : lm_noise_read_message(…);
 *     lm_noise_split(&n, &send, &receive);
 *
 * What a payload is worth (sections 7.7 and 9.2): the first message's is read and forged by anyone (in XXpsk3
 * it is encrypted, under a key that anyone can work out); the second's comes from the holder of the
 * responder's static key; the third's from that of the initiator's. The pre-shared key enters with the third
 * message: with a wrong one the responder gets LM_EAUTH there, and the initiator, whose handshake is done by
 * then, learns of it from the first transport message that does not open, or from the end of the link.
 *
 * Call sodium_init() first.
 */
#ifndef LM_COMMON_NOISE_H
#define LM_COMMON_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/noise_cipher.h"
#include "common/random.h"

#define LM_NOISE_HASH_LEN 32

typedef enum lm_noise_pattern { LM_NOISE_XX, LM_NOISE_XXPSK3 } lm_noise_pattern;

typedef struct lm_noise_config {
    lm_noise_pattern pattern;
    bool initiator;
    const void *prologue; /* both sides' must be equal; may be NULL */
    size_t prologue_len;
    const uint8_t *static_secret; /* X25519, LM_NOISE_KEY_LEN bytes */
    const uint8_t *psk;           /* LM_NOISE_KEY_LEN bytes for LM_NOISE_XXPSK3, else NULL */
    lm_random random;             /* copied: what it points to outlives the handshake */
} lm_noise_config;

/* A handshake; its members are its own. */
typedef struct lm_noise {
    lm_random random;
    lm_noise_pattern pattern;
    bool initiator;
    bool keyed;                                              /* cipher has a key */
    bool dead;                                               /* failed, or split */
    unsigned step;                                           /* messages written and read */
    lm_noise_cipher cipher;                                  /* k and n of section 5.2 */
    uint8_t chaining_key[LM_NOISE_HASH_LEN];                 /* ck */
    uint8_t hash[LM_NOISE_HASH_LEN];                         /* h */
    uint8_t s_secret[LM_NOISE_KEY_LEN], s[LM_NOISE_KEY_LEN]; /* static */
    uint8_t e_secret[LM_NOISE_KEY_LEN]; /* ephemeral; its public key is in the message alone */
    uint8_t rs[LM_NOISE_KEY_LEN], re[LM_NOISE_KEY_LEN]; /* the other side's */
    uint8_t psk[LM_NOISE_KEY_LEN];
} lm_noise;

/*
 * Starts a handshake; everything but random's context is copied. LM_EINVAL: no such pattern, no static key,
 * or a psk where the pattern has none or the other way round. Wipe it with lm_noise_clear().
 */
int lm_noise_init(lm_noise *n, const lm_noise_config *config);

/* Wipes all of it; n may be zeroed. */
void lm_noise_clear(lm_noise *n);

/* True when the next message is this side's to write. */
bool lm_noise_is_writing(const lm_noise *n);

/* How many bytes the next message has beyond its payload; 0 when there is no next one. */
size_t lm_noise_overhead(const lm_noise *n);

/*
 * Writes this side's next message with len bytes of payload, which may be NULL with len 0 and may overlap out
 * in any way. Returns the message's length. With these nothing has changed: LM_ETOOBIG, longer than
 * LM_NOISE_MESSAGE_MAX or cap; LM_EAGAIN, it is the other side's turn; LM_ECLOSED, the handshake is over.
 * LM_ECRYPTO, a DH result is zero: the handshake is dead.
 */
int lm_noise_write_message(lm_noise *n, const uint8_t *payload, size_t len, uint8_t *out, size_t cap);

/*
 * Reads the other side's next message into the cap bytes at payload, which may overlap msg in any way.
 * Returns the payload's length; with 0, payload may be NULL. With these nothing has changed: LM_ETOOBIG, the
 * payload does not fit cap; LM_EAGAIN, it is this side's turn; LM_ECLOSED, the handshake is over. After these
 * the handshake is dead, its secrets are wiped, and nothing at payload is to be used: LM_EMALFORMED, shorter
 * than such a message can be, or longer than LM_NOISE_MESSAGE_MAX; LM_EAUTH, it does not open: changed on its
 * way, or another prologue, pattern or psk; LM_ECRYPTO, a key of low order, whose DH result is zero
 * (section 12.1).
 */
int lm_noise_read_message(lm_noise *n, const uint8_t *msg, size_t len, uint8_t *payload, size_t cap);

/* True when all messages are written and read; stays true after the split. */
bool lm_noise_is_done(const lm_noise *n);

/*
 * The other side's static key, LM_NOISE_KEY_LEN bytes inside n; NULL until it is proven, and after a failure.
 */
const uint8_t *lm_noise_remote_static(const lm_noise *n);

/*
 * The handshake hash, LM_NOISE_HASH_LEN bytes inside n, for channel binding (section 11.2): the same on both
 * sides and in no other session; public. NULL before the handshake is done.
 */
const uint8_t *lm_noise_handshake_hash(const lm_noise *n);

/*
 * Gives the ciphers of the session, once; the remote static key and the hash stay. LM_EAGAIN: not done yet;
 * LM_ECLOSED: failed, or split before. Wipe both with lm_noise_cipher_clear().
 */
int lm_noise_split(lm_noise *n, lm_noise_cipher *send, lm_noise_cipher *receive);

#endif
