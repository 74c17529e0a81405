#include "common/noise.h"

#include <sodium.h>
#include <string.h>

#include "common/error.h"
#include "common/hkdf.h"

#define MESSAGES 3
#define TOKENS_MAX 5

/* Section 7.1; END closes each message. */
typedef enum token { END, E, S, EE, ES, SE, PSK } token;

static const struct {
    const char *name;
    bool has_psk;
    token messages[MESSAGES][TOKENS_MAX];
} patterns[] = {
    [LM_NOISE_XX] = {"Noise_XX_25519_ChaChaPoly_SHA256", false, {{E}, {E, EE, S, ES}, {S, SE}}},
    [LM_NOISE_XXPSK3] = {"Noise_XXpsk3_25519_ChaChaPoly_SHA256", true, {{E}, {E, EE, S, ES}, {S, SE, PSK}}},
};

/* SHA-256 of two strings, either of which may be empty. */
static void hash_two(uint8_t out[LM_NOISE_HASH_LEN], const void *a, size_t a_len, const void *b, size_t b_len)
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    if (a_len > 0)
        crypto_hash_sha256_update(&state, a, a_len);
    if (b_len > 0)
        crypto_hash_sha256_update(&state, b, b_len);
    crypto_hash_sha256_final(&state, out);
}

/* The functions of the SymmetricState, section 5.2. */
static void mix_hash(lm_noise *n, const void *data, size_t len)
{
    hash_two(n->hash, n->hash, sizeof n->hash, data, len);
}

static void set_key(lm_noise *n, const uint8_t key[LM_NOISE_KEY_LEN])
{
    memcpy(n->cipher.key, key, LM_NOISE_KEY_LEN);
    n->cipher.nonce = 0;
    n->keyed = true;
}

/* Noise's HKDF is that of RFC 5869 with ck as its salt and no info (section 4.3). */
static void derive(const lm_noise *n, uint8_t *out, size_t out_len, const uint8_t *input, size_t len)
{
    lm_hkdf_sha256(out, out_len, n->chaining_key, sizeof n->chaining_key, input, len, NULL, 0);
}

static void mix_key(lm_noise *n, const uint8_t input[LM_NOISE_KEY_LEN])
{
    uint8_t out[2 * LM_NOISE_HASH_LEN];
    derive(n, out, sizeof out, input, LM_NOISE_KEY_LEN);
    memcpy(n->chaining_key, out, LM_NOISE_HASH_LEN);
    set_key(n, out + LM_NOISE_HASH_LEN);
    sodium_memzero(out, sizeof out);
}

static void mix_key_and_hash(lm_noise *n, const uint8_t input[LM_NOISE_KEY_LEN])
{
    uint8_t out[3 * LM_NOISE_HASH_LEN];
    derive(n, out, sizeof out, input, LM_NOISE_KEY_LEN);
    memcpy(n->chaining_key, out, LM_NOISE_HASH_LEN);
    mix_hash(n, out + LM_NOISE_HASH_LEN, LM_NOISE_HASH_LEN);
    set_key(n, out + (size_t)2 * LM_NOISE_HASH_LEN);
    sodium_memzero(out, sizeof out);
}

/* EncryptAndHash of len bytes at p, in place and with room for the tag; returns what they are then. */
static int encrypt_and_hash(lm_noise *n, uint8_t *p, size_t len)
{
    int sealed = (int)len;
    if (n->keyed)
        sealed = lm_noise_encrypt(&n->cipher, n->hash, sizeof n->hash, p, len, p, len + LM_NOISE_TAG_LEN);
    if (sealed >= 0)
        mix_hash(n, p, (size_t)sealed);
    return sealed;
}

/* DecryptAndHash; out may overlap in. */
static int decrypt_and_hash(lm_noise *n, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
    uint8_t next[LM_NOISE_HASH_LEN];
    int opened = (int)len;
    hash_two(next, n->hash, sizeof n->hash, in, len);
    if (n->keyed)
        opened = lm_noise_decrypt(&n->cipher, n->hash, sizeof n->hash, in, len, out, cap);
    else if (len > 0)
        memmove(out, in, len);
    if (opened >= 0)
        memcpy(n->hash, next, sizeof next);
    return opened;
}

/* Goes on to the next message; after the last one all that is needed is ck, for the split. */
static void advance(lm_noise *n)
{
    if (++n->step < MESSAGES)
        return;
    lm_noise_cipher_clear(&n->cipher);
    sodium_memzero(n->s_secret, sizeof n->s_secret);
    sodium_memzero(n->e_secret, sizeof n->e_secret);
    sodium_memzero(n->psk, sizeof n->psk);
}

/* Ends a handshake that went wrong. */
static int fail(lm_noise *n, int error)
{
    lm_noise_clear(n);
    n->dead = true;
    return error;
}

int lm_noise_init(lm_noise *n, const lm_noise_config *config)
{
    if ((unsigned)config->pattern >= sizeof patterns / sizeof patterns[0] || config->static_secret == NULL ||
        (config->psk != NULL) != patterns[config->pattern].has_psk)
        return LM_EINVAL;
    memset(n, 0, sizeof *n);
    n->random = config->random;
    n->pattern = config->pattern;
    n->initiator = config->initiator;
    memcpy(n->s_secret, config->static_secret, sizeof n->s_secret);
    crypto_scalarmult_base(n->s, n->s_secret);
    if (config->psk != NULL)
        memcpy(n->psk, config->psk, sizeof n->psk);

    const char *name = patterns[n->pattern].name;
    if (strlen(name) <= sizeof n->hash)
        memcpy(n->hash, name, strlen(name));
    else
        hash_two(n->hash, name, strlen(name), NULL, 0);
    memcpy(n->chaining_key, n->hash, sizeof n->chaining_key);
    mix_hash(n, config->prologue, config->prologue_len);
    return LM_OK;
}

void lm_noise_clear(lm_noise *n)
{
    sodium_memzero(n, sizeof *n);
}

bool lm_noise_is_done(const lm_noise *n)
{
    return n->step == MESSAGES;
}

/* The initiator writes messages 0 and 2, the responder message 1. */
static bool initiator_writes(const lm_noise *n)
{
    return n->step % 2 == 0;
}

bool lm_noise_is_writing(const lm_noise *n)
{
    return !n->dead && !lm_noise_is_done(n) && initiator_writes(n) == n->initiator;
}

/* Of the next message, which there is. */
static const token *next_tokens(const lm_noise *n)
{
    return patterns[n->pattern].messages[n->step];
}

/* The next message, which there is: head bytes of keys, the payload, tag bytes behind it. */
static void next_layout(const lm_noise *n, size_t *head, size_t *tag)
{
    *head = 0;
    *tag = n->keyed ? LM_NOISE_TAG_LEN : 0;
    for (const token *t = next_tokens(n); *t != END; t++) {
        if (*t == E)
            *head += LM_NOISE_KEY_LEN;
        if (*t == S)
            *head += LM_NOISE_KEY_LEN + *tag;
        else if (*t != E || patterns[n->pattern].has_psk)
            *tag = LM_NOISE_TAG_LEN;
    }
}

size_t lm_noise_overhead(const lm_noise *n)
{
    size_t head, tag;
    if (n->dead || lm_noise_is_done(n))
        return 0;
    next_layout(n, &head, &tag);
    return head + tag;
}

/* EE, ES, SE: letters name the initiator's key first; PSK. */
static int mix_secret(lm_noise *n, token t)
{
    uint8_t dh[crypto_scalarmult_BYTES];
    if (t == PSK) {
        mix_key_and_hash(n, n->psk);
        return LM_OK;
    }
    bool own_static = t == (n->initiator ? SE : ES), remote_static = t == (n->initiator ? ES : SE);
    /* libsodium refuses an all-zero result. */
    if (crypto_scalarmult(dh, own_static ? n->s_secret : n->e_secret, remote_static ? n->rs : n->re) != 0)
        return LM_ECRYPTO;
    mix_key(n, dh);
    sodium_memzero(dh, sizeof dh);
    return LM_OK;
}

/* E: in a pattern with a psk the ephemeral keys go into the key as well (section 9.2). */
static void mix_ephemeral(lm_noise *n, const uint8_t key[LM_NOISE_KEY_LEN])
{
    mix_hash(n, key, LM_NOISE_KEY_LEN);
    if (patterns[n->pattern].has_psk)
        mix_key(n, key);
}

/* One token of a message that is written at *out; moves *out behind it. */
static int write_token(lm_noise *n, token t, uint8_t **out)
{
    int len;
    switch (t) {
    case E:
        lm_random_fill(&n->random, n->e_secret, sizeof n->e_secret);
        crypto_scalarmult_base(*out, n->e_secret);
        mix_ephemeral(n, *out);
        *out += LM_NOISE_KEY_LEN;
        return LM_OK;
    case S:
        memcpy(*out, n->s, sizeof n->s);
        if ((len = encrypt_and_hash(n, *out, sizeof n->s)) < 0)
            return len;
        *out += len;
        return LM_OK;
    default:
        return mix_secret(n, t);
    }
}

/* One token of a message that is read at *in and long enough; moves *in behind it. */
static int read_token(lm_noise *n, token t, const uint8_t **in)
{
    const size_t sealed_len = LM_NOISE_KEY_LEN + (n->keyed ? LM_NOISE_TAG_LEN : 0);
    int result;
    switch (t) {
    case E:
        memcpy(n->re, *in, sizeof n->re);
        mix_ephemeral(n, n->re);
        *in += sizeof n->re;
        return LM_OK;
    case S:
        if ((result = decrypt_and_hash(n, *in, sealed_len, n->rs, sizeof n->rs)) < 0)
            return result;
        *in += sealed_len;
        return LM_OK;
    default:
        return mix_secret(n, t);
    }
}

int lm_noise_write_message(lm_noise *n, const uint8_t *payload, size_t len, uint8_t *out, size_t cap)
{
    size_t head, tag;
    uint8_t *p = out;
    int result;
    if (n->dead || lm_noise_is_done(n))
        return LM_ECLOSED;
    if (!lm_noise_is_writing(n))
        return LM_EAGAIN;
    next_layout(n, &head, &tag);
    if (len > LM_NOISE_MESSAGE_MAX - head - tag || cap < head + len + tag)
        return LM_ETOOBIG;
    /* To its place before anything is written, because the payload may lie where the keys go. */
    if (len > 0)
        memmove(out + head, payload, len);
    for (const token *t = next_tokens(n); *t != END; t++) {
        if ((result = write_token(n, *t, &p)) != LM_OK)
            return fail(n, result);
    }
    if ((result = encrypt_and_hash(n, p, len)) < 0)
        return fail(n, result);
    advance(n);
    return (int)(head + len + tag);
}

int lm_noise_read_message(lm_noise *n, const uint8_t *msg, size_t len, uint8_t *payload, size_t cap)
{
    size_t head, tag;
    const uint8_t *p = msg;
    int result;
    if (n->dead || lm_noise_is_done(n))
        return LM_ECLOSED;
    if (lm_noise_is_writing(n))
        return LM_EAGAIN;
    next_layout(n, &head, &tag);
    if (len < head + tag || len > LM_NOISE_MESSAGE_MAX)
        return fail(n, LM_EMALFORMED);
    if (cap < len - head - tag)
        return LM_ETOOBIG;
    for (const token *t = next_tokens(n); *t != END; t++) {
        if ((result = read_token(n, *t, &p)) != LM_OK)
            return fail(n, result);
    }
    result = decrypt_and_hash(n, p, len - head, payload, cap);
    if (result < 0)
        return fail(n, result);
    advance(n);
    return result;
}

const uint8_t *lm_noise_remote_static(const lm_noise *n)
{
    /* The initiator reads it in message 1, the responder in message 2. */
    return n->step >= (n->initiator ? 2 : MESSAGES) ? n->rs : NULL;
}

const uint8_t *lm_noise_handshake_hash(const lm_noise *n)
{
    return lm_noise_is_done(n) ? n->hash : NULL;
}

int lm_noise_split(lm_noise *n, lm_noise_cipher *send, lm_noise_cipher *receive)
{
    uint8_t keys[2 * LM_NOISE_KEY_LEN];
    if (n->dead)
        return LM_ECLOSED;
    if (!lm_noise_is_done(n))
        return LM_EAGAIN;
    derive(n, keys, sizeof keys, NULL, 0);
    lm_noise_cipher *first = n->initiator ? send : receive, *second = n->initiator ? receive : send;
    memcpy(first->key, keys, sizeof first->key);
    memcpy(second->key, keys + LM_NOISE_KEY_LEN, sizeof second->key);
    first->nonce = second->nonce = 0;
    sodium_memzero(keys, sizeof keys);
    sodium_memzero(n->chaining_key, sizeof n->chaining_key);
    n->dead = true;
    return LM_OK;
}
