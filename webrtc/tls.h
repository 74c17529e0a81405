/*
 * TLS server (RFC 8446, RFC 5246) on mbedTLS, sans-IO: the bytes of a stream go in, bytes leave through the
 * output function of the connection, plaintext is read out. TLS 1.2, and 1.3 where the library has it;
 * ECDHE with AES-GCM or ChaCha20-Poly1305 alone; no client certificate, no resumption, no renegotiation.
 */
#ifndef LM_WEBRTC_TLS_H
#define LM_WEBRTC_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "common/random.h"

/*
 * What a record adds to its plaintext at the most: header, tag, and type with padding (TLS 1.3; TLS 1.2 has
 * an explicit nonce of 8 bytes instead).
 */
#define LM_TLS_RECORD_OVERHEAD (5 + 16 + 16)

/*
 * Longest plaintext that one lm_tls_write() takes, which becomes one record; a record could have 16,384
 * (RFC 8446 section 5.1), and no datagram here is that long.
 */
#define LM_TLS_PLAINTEXT_MAX 8192

/* Memory that a connection takes in bytes at the most, mostly mbedTLS's buffers; 38 kB with mbedTLS 2.28. */
#define LM_TLS_CONNECTION_BYTES (44 * 1024)

/* Certificate, key and settings that all connections share. */
typedef struct lm_tls_server lm_tls_server;

/* What is wrong with a certificate or key: which of the two, and what it is instead. */
typedef struct lm_tls_complaint {
    enum { LM_TLS_CERTIFICATE, LM_TLS_KEY } about;
    const char *text; /* "is not …", static storage */
} lm_tls_complaint;

/*
 * cert_pem: the server's certificate, then those that lead to its root, if any; key_pem: the key of the
 * first, RSA or ECDSA, not encrypted. Both NUL-terminated and copied, as random is. LM_EMALFORMED, LM_EAUTH:
 * key and certificate do not belong together, with *why saying what is wrong; LM_ENOMEM, LM_ECRYPTO.
 */
int lm_tls_server_create(lm_tls_server **server, const char *cert_pem, const char *key_pem,
                         const lm_random *random, lm_tls_complaint *why);

/*
 * Lets go of it: it is freed with the last of its connections, which go on as they are. server may be NULL.
 */
void lm_tls_server_destroy(lm_tls_server *server);

/* One more owner, who lets go by lm_tls_server_destroy() too; returns server, which may be NULL. */
lm_tls_server *lm_tls_server_share(lm_tls_server *server);

/* One connection. */
typedef struct lm_tls lm_tls;

typedef enum lm_tls_state {
    LM_TLS_HANDSHAKING,
    LM_TLS_CONNECTED,
    LM_TLS_CLOSED, /* close_notify came or went */
    LM_TLS_FAILED
} lm_tls_state;

const char *lm_tls_state_name(lm_tls_state state);

/* Takes bytes to send, borrowed. Called only from within the functions below. */
typedef void lm_tls_output_fn(void *user, const uint8_t *data, size_t len);

/* LM_ENOMEM. The server lives on at least as long as its connections. */
int lm_tls_create(lm_tls **tls, lm_tls_server *server, lm_tls_output_fn *output, void *user);

/* Says nothing to the peer. tls may be NULL. */
void lm_tls_destroy(lm_tls *tls);

/*
 * Takes bytes of the stream, however they are cut; they are borrowed until lm_tls_read() has said 0 or an
 * error. A step of the handshake is done here: up to 0.8 ms of CPU with a P-256 key, 2.2 with one of RSA
 * 2048. LM_ECLOSED: the connection is closed or has failed, and an alert was put out that says why.
 */
int lm_tls_input(lm_tls *tls, const uint8_t *data, size_t len);

/*
 * Reads plaintext: its length, 0 if there is none, LM_ECLOSED after close_notify or a fatal error.
 */
int lm_tls_read(lm_tls *tls, uint8_t *buf, size_t cap);

/* Sends one record. LM_ECLOSED if not connected, LM_ETOOBIG over LM_TLS_PLAINTEXT_MAX bytes. */
int lm_tls_write(lm_tls *tls, const uint8_t *data, size_t len);

/* Sends close_notify if connected (RFC 8446 section 6.1). */
void lm_tls_close(lm_tls *tls);

lm_tls_state lm_tls_get_state(const lm_tls *tls);

/* "TLSv1.2" or "TLSv1.3" of a connection that is connected. */
const char *lm_tls_version(const lm_tls *tls);

#endif
