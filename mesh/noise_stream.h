/*
 * A byte stream in Noise messages over another byte stream: what a mesh link's bytes are (mesh page, section
 * 1). Each Noise message has its length before it, 2 bytes big-endian.
 *
 *     Noise_XXpsk3_25519_ChaChaPoly_SHA256, prologue "lumamesh-mesh/1"
 *
 * A node's static key is its Ed25519 key converted to X25519; each side sends its Ed25519 public key as the
 * payload of the handshake message that carries its static key, and the other side checks that it converts to
 * that one.
 */
#ifndef LM_MESH_NOISE_STREAM_H
#define LM_MESH_NOISE_STREAM_H

#include <stdbool.h>

#include "common/noise.h"
#include "mesh/frame.h"
#include "mesh/node_config.h"

#define LM_NOISE_RECORD_MAX (2 + LM_NOISE_MESSAGE_MAX) /* bytes of a message with its length */

/* The keys of one node, for all its links. */
typedef struct lm_mesh_keys {
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN];      /* Ed25519 */
    uint8_t static_secret[LM_NOISE_KEY_LEN]; /* X25519 */
    uint8_t psk[LM_NOISE_KEY_LEN];
} lm_mesh_keys;

/* Makes them from the Ed25519 seed (32 bytes) and MESH_SALT. LM_ECRYPTO. */
int lm_mesh_keys_make(lm_mesh_keys *keys, const uint8_t seed[32], const char *salt);

typedef struct lm_noise_stream {
    lm_noise noise;
    lm_noise_cipher send, receive;
    bool open;                          /* the handshake is done, and nk is proven */
    bool heard;                         /* a transport message has opened: the other side has the same psk */
    uint8_t nk[LM_NODE_PUBLIC_KEY_LEN]; /* the other side's, once open */
    lm_byte_queue received;             /* bytes that make no Noise message yet */
    lm_byte_queue in;                   /* plaintext that arrived */
    lm_byte_queue out;                  /* plaintext to be sent */
    lm_byte_queue handshake;            /* handshake messages to be sent */
} lm_noise_stream;

/* Starts the handshake; keys is copied from. LM_ECRYPTO, LM_ENOMEM. lm_noise_stream_clear() in any case. */
int lm_noise_stream_init(lm_noise_stream *s, const lm_mesh_keys *keys, bool initiator,
                         const lm_random *random);
void lm_noise_stream_clear(lm_noise_stream *s);

/*
 * Takes len bytes that arrived; what they say goes into s->in. After an error the stream is of no more use:
 * LM_EAUTH, a message does not open (of the handshake's third: another salt); LM_EMALFORMED, also where nk is
 * not the key that was proven; LM_ECRYPTO; LM_ENOMEM.
 */
int lm_noise_stream_input(lm_noise_stream *s, const void *data, size_t len);

/* Bytes of memory that its queues take. */
size_t lm_noise_stream_buffers(const lm_noise_stream *s);

/* True when lm_noise_stream_take() has something. */
bool lm_noise_stream_pending(const lm_noise_stream *s);

/*
 * Writes the next bytes to be sent, at least one Noise message of them, into out. Returns how many, 0 for
 * nothing, LM_ELIMIT when the nonces are used up.
 */
int lm_noise_stream_take(lm_noise_stream *s, uint8_t out[LM_NOISE_RECORD_MAX]);

#endif
