/*
 * DTLS 1.2 server (RFC 6347) on mbedTLS, sans-IO: datagrams and time go in, datagrams leave through the
 * output function of the connection, plaintext is read out. The one cipher suite is
 * TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 over X25519 or P-256, which every browser offers (RFC 8827
 * section 6.5); no client certificate is asked for.
 */
#ifndef LM_WEBRTC_DTLS_H
#define LM_WEBRTC_DTLS_H

#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/random.h"

/*
 * Longest datagram that is sent, in bytes: 1,200 fit through every path (RFC 8831 section 5 and RFC 8261
 * section 5).
 */
#define LM_DTLS_MTU 1200

/* Record header, explicit nonce and tag of AES-128-GCM (RFC 5288): what a record adds to its plaintext. */
#define LM_DTLS_RECORD_OVERHEAD (13 + 8 + 16)

/* Certificate and settings that all connections share. */
typedef struct lm_dtls_server lm_dtls_server;

/*
 * cert_der and key_der: one X.509 certificate and its ECDSA P-256 private key (SEC 1 or PKCS #8), DER,
 * copied. random is copied. LM_EINVAL if they do not parse or do not belong together, LM_ENOMEM, LM_ECRYPTO.
 */
int lm_dtls_server_create(lm_dtls_server **server, const uint8_t *cert_der, size_t cert_len,
                          const uint8_t *key_der, size_t key_len, const lm_random *random);

/*
 * Lets go of it: it is freed with the last of its connections, which go on as they are. server may be NULL.
 */
void lm_dtls_server_destroy(lm_dtls_server *server);

/* One connection. */
typedef struct lm_dtls lm_dtls;

typedef enum lm_dtls_state {
    LM_DTLS_WAITING, /* no whole ClientHello yet */
    LM_DTLS_HANDSHAKING,
    LM_DTLS_CONNECTED,
    LM_DTLS_CLOSED, /* close_notify came or went */
    LM_DTLS_FAILED
} lm_dtls_state;

const char *lm_dtls_state_name(lm_dtls_state state);

/*
 * Takes one datagram to send, at most LM_DTLS_MTU bytes, borrowed. Called only from within the functions
 * below.
 */
typedef void lm_dtls_output_fn(void *user, const uint8_t *data, size_t len);

/* LM_ENOMEM. The server lives on at least as long as its connections. */
int lm_dtls_create(lm_dtls **dtls, lm_dtls_server *server, lm_dtls_output_fn *output, void *user);

/* Says nothing to the peer. dtls may be NULL. */
void lm_dtls_destroy(lm_dtls *dtls);

/*
 * Takes one datagram; it is borrowed until lm_dtls_read() has said 0 or an error. LM_OK: look at the state,
 * and read. LM_EMALFORMED: dropped, of no consequence. LM_ETOOBIG: a ClientHello over the limit, dropped.
 * LM_ENOMEM. LM_ECLOSED: the connection is closed or has failed.
 */
int lm_dtls_input(lm_dtls *dtls, lm_ms now, const uint8_t *data, size_t len);

/*
 * Reads the plaintext of one record: its length, 0 if there is none, LM_ECLOSED after close_notify or a fatal
 * error.
 */
int lm_dtls_read(lm_dtls *dtls, lm_ms now, uint8_t *buf, size_t cap);

/*
 * Sends one record. LM_ECLOSED if not connected, LM_ETOOBIG over LM_DTLS_MTU - LM_DTLS_RECORD_OVERHEAD bytes,
 * LM_ENOMEM.
 */
int lm_dtls_write(lm_dtls *dtls, lm_ms now, const uint8_t *data, size_t len);

/* Sends close_notify if connected (RFC 5246 section 7.2.1). */
void lm_dtls_close(lm_dtls *dtls, lm_ms now);

/* Retransmission of handshake flights (RFC 6347 section 4.2.4). */
lm_ms lm_dtls_next_timeout(const lm_dtls *dtls);
void lm_dtls_timeout(lm_dtls *dtls, lm_ms now);

lm_dtls_state lm_dtls_get_state(const lm_dtls *dtls);

#endif
