#include "mesh/noise_stream.h"

#include <sodium.h>
#include <string.h>

#include "common/bytes.h"
#include "common/error.h"
#include "common/hkdf.h"

#define HEAD 2 /* bytes of length before a Noise message */

/* Longest handshake message that is read: 2 keys, 2 tags and an nk, and room for what later versions add. */
#define HANDSHAKE_MAX 1024

static const char prologue[] = "lumamesh-mesh/1";
static const char psk_info[] = "lumamesh-mesh-psk-v1";

int lm_mesh_keys_make(lm_mesh_keys *keys, const uint8_t seed[32], const char *salt)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(keys->nk, secret, seed);
    int result = crypto_sign_ed25519_sk_to_curve25519(keys->static_secret, secret) == 0 ? LM_OK : LM_ECRYPTO;
    sodium_memzero(secret, sizeof secret);
    if (result != LM_OK)
        return result;
    return lm_hkdf_sha256(keys->psk, sizeof keys->psk, NULL, 0, salt, strlen(salt), psk_info,
                          sizeof psk_info - 1);
}

/* Writes this side's handshake messages as long as it is its turn. */
static int write_handshake(lm_noise_stream *s, const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN])
{
    while (!lm_noise_is_done(&s->noise) && lm_noise_is_writing(&s->noise)) {
        size_t payload = s->noise.step > 0 ? LM_NODE_PUBLIC_KEY_LEN : 0; /* the first message has no key */
        size_t len = lm_noise_overhead(&s->noise) + payload;
        uint8_t *room = lm_byte_queue_reserve(&s->handshake, HEAD + len);
        if (room == NULL)
            return LM_ENOMEM;
        lm_writer w = lm_writer_init(room, HEAD);
        lm_write_u16(&w, (uint16_t)len);
        int written = lm_noise_write_message(&s->noise, nk, payload, room + HEAD, len);
        if (written < 0)
            return written;
        s->handshake.len += HEAD + (size_t)written;
    }
    return LM_OK;
}

int lm_noise_stream_init(lm_noise_stream *s, const lm_mesh_keys *keys, bool initiator,
                         const lm_random *random)
{
    *s = (lm_noise_stream){.open = false};
    memcpy(s->nk, keys->nk, sizeof s->nk); /* our own, until the other side's has taken its place */
    const lm_noise_config config = {.pattern = LM_NOISE_XXPSK3,
                                    .initiator = initiator,
                                    .prologue = prologue,
                                    .prologue_len = sizeof prologue - 1,
                                    .static_secret = keys->static_secret,
                                    .psk = keys->psk,
                                    .random = *random};
    int result = lm_noise_init(&s->noise, &config);
    return result == LM_OK ? write_handshake(s, s->nk) : result;
}

void lm_noise_stream_clear(lm_noise_stream *s)
{
    lm_noise_clear(&s->noise);
    lm_noise_cipher_clear(&s->send);
    lm_noise_cipher_clear(&s->receive);
    lm_byte_queue_clear(&s->received);
    lm_byte_queue_clear(&s->in);
    lm_byte_queue_clear(&s->out);
    lm_byte_queue_clear(&s->handshake);
}

/* True if nk converts to the static key that the handshake proved. */
static bool is_key_of(const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN], const lm_noise *noise)
{
    uint8_t key[crypto_scalarmult_curve25519_BYTES];
    const uint8_t *proven = lm_noise_remote_static(noise);
    return proven != NULL && crypto_sign_ed25519_pk_to_curve25519(key, nk) == 0 &&
           sodium_memcmp(key, proven, sizeof key) == 0;
}

static int read_handshake(lm_noise_stream *s, const uint8_t *msg, size_t len)
{
    uint8_t payload[HANDSHAKE_MAX], own[LM_NODE_PUBLIC_KEY_LEN], nk[LM_NODE_PUBLIC_KEY_LEN] = {0};
    size_t expected = s->noise.step > 0 ? LM_NODE_PUBLIC_KEY_LEN : 0;
    memcpy(own, s->nk, sizeof own);
    int got = len <= sizeof payload ? lm_noise_read_message(&s->noise, msg, len, payload, sizeof payload)
                                    : LM_EMALFORMED;
    if (got < 0)
        return got;
    if ((size_t)got != expected)
        return LM_EMALFORMED;
    if (expected > 0)
        memcpy(nk, payload, sizeof nk);
    int result = write_handshake(s, own);
    if (result != LM_OK)
        return result;
    if (expected > 0 && !is_key_of(nk, &s->noise))
        return LM_EMALFORMED;
    if (!lm_noise_is_done(&s->noise))
        return LM_OK;
    memcpy(s->nk, nk, sizeof nk);
    result = lm_noise_split(&s->noise, &s->send, &s->receive);
    s->open = result == LM_OK;
    return result;
}

static int read_transport(lm_noise_stream *s, const uint8_t *msg, size_t len)
{
    uint8_t *room = lm_byte_queue_reserve(&s->in, len);
    if (room == NULL)
        return LM_ENOMEM;
    int got = lm_noise_decrypt(&s->receive, NULL, 0, msg, len, room, len);
    if (got < 0)
        return got;
    s->in.len += (size_t)got;
    s->heard = true;
    return LM_OK;
}

/* Reads the whole messages at the start of data; *used is how many bytes they are. */
static int read_messages(lm_noise_stream *s, const uint8_t *data, size_t len, size_t *used)
{
    int result = LM_OK;
    *used = 0;
    while (result == LM_OK) {
        lm_reader r = lm_reader_init(data + *used, len - *used);
        size_t message = lm_read_u16(&r);
        if (r.failed)
            break;
        if (!s->open && message > HANDSHAKE_MAX)
            return LM_EMALFORMED;
        if (lm_reader_left(&r) < message)
            break;
        result = s->open ? read_transport(s, r.pos, message) : read_handshake(s, r.pos, message);
        *used += HEAD + message;
    }
    return result;
}

int lm_noise_stream_input(lm_noise_stream *s, const void *data, size_t len)
{
    size_t used;
    int result;
    if (len == 0)
        return LM_OK;
    if (s->received.len == 0) { /* mostly whole messages come: these need not be kept */
        result = read_messages(s, data, len, &used);
        return result == LM_OK ? lm_byte_queue_append(&s->received, (const uint8_t *)data + used, len - used)
                               : result;
    }
    result = lm_byte_queue_append(&s->received, data, len);
    if (result != LM_OK)
        return result;
    result = read_messages(s, lm_byte_queue_head(&s->received), s->received.len, &used);
    lm_byte_queue_consume(&s->received, used);
    return result;
}

size_t lm_noise_stream_buffers(const lm_noise_stream *s)
{
    return s->received.cap + s->in.cap + s->out.cap + s->handshake.cap;
}

bool lm_noise_stream_pending(const lm_noise_stream *s)
{
    return s->handshake.len > 0 || (s->open && s->out.len > 0);
}

int lm_noise_stream_take(lm_noise_stream *s, uint8_t out[LM_NOISE_RECORD_MAX])
{
    size_t len = s->handshake.len;
    if (len > 0) { /* a few hundred bytes at the most */
        memcpy(out, lm_byte_queue_head(&s->handshake), len);
        lm_byte_queue_consume(&s->handshake, len);
        return (int)len;
    }
    if (!s->open || s->out.len == 0)
        return 0;
    len = s->out.len < LM_NOISE_PAYLOAD_MAX ? s->out.len : LM_NOISE_PAYLOAD_MAX;
    int written = lm_noise_encrypt(&s->send, NULL, 0, lm_byte_queue_head(&s->out), len, out + HEAD,
                                   LM_NOISE_RECORD_MAX - HEAD);
    if (written < 0)
        return written;
    lm_byte_queue_consume(&s->out, len);
    lm_writer w = lm_writer_init(out, HEAD);
    lm_write_u16(&w, (uint16_t)written);
    return HEAD + written;
}
