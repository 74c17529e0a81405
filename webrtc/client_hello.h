/*
 * Reassembly of a fragmented ClientHello (RFC 6347 section 4.2.3). Browsers with a post-quantum key share
 * send one of 1.4 kB in two datagrams, and mbedTLS 2.28 refuses a fragmented ClientHello. Fragments go in,
 * one unfragmented record comes out; the transcript hash stays right, since DTLS 1.2 hashes handshake
 * messages as if they had not been fragmented (section 4.2.6).
 *
 *     struct {                                  struct {
 *       ContentType type;         1 = 22          HandshakeType msg_type;  1 = client_hello
 *       ProtocolVersion version;  2               uint24 length;           3
 *       uint16 epoch;             2 = 0           uint16 message_seq;      2
 *       uint48 sequence_number;   6               uint24 fragment_offset;  3
 *       uint16 length;            2               uint24 fragment_length;  3
 *     } DTLSPlaintext header;    13             } Handshake header;       12
 */
#ifndef LM_WEBRTC_CLIENT_HELLO_H
#define LM_WEBRTC_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_DTLS_RECORD_HEADER_LEN 13
#define LM_DTLS_HANDSHAKE_HEADER_LEN 12

/* Longest ClientHello body taken, in bytes. Browsers send 1.5 kB; the rest is room for larger key shares. */
#define LM_CLIENT_HELLO_MAX 8192

/* Zero-initialise; lm_client_hello_clear() frees. */
typedef struct lm_client_hello {
    uint8_t *record;  /* both headers and the body, as it will be handed out */
    uint8_t *present; /* one bit for each byte of the body */
    size_t total;     /* length of the body */
    size_t missing;   /* bytes of the body not seen yet */
    uint16_t message_seq;
} lm_client_hello;

/*
 * True when the datagram starts with a plaintext (epoch 0) handshake record whose first message is a
 * ClientHello: then it is for lm_client_hello_input() rather than for the DTLS library.
 */
bool lm_client_hello_is(const uint8_t *data, size_t len);

/*
 * Takes the ClientHello fragments of one datagram. Returns 1 when the message is whole: *record and
 * *record_len are then one DTLS record with it, borrowed until the next call, and the reassembler is ready
 * for a retransmission. 0: more fragments are needed. LM_EMALFORMED: records or fragments that do not parse
 * or contradict each other; what came before is kept. LM_ETOOBIG: longer than LM_CLIENT_HELLO_MAX. LM_ENOMEM.
 */
int lm_client_hello_input(lm_client_hello *hello, const uint8_t *data, size_t len, const uint8_t **record,
                          size_t *record_len);

void lm_client_hello_clear(lm_client_hello *hello);

#endif
