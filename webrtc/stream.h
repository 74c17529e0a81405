/*
 * Datagrams in a stream of bytes (TCP, or what TLS has decrypted), sans-IO. Two framings are told apart by
 * where the first message has the STUN magic cookie, since both kinds of client begin with a STUN request:
 *
 *     TURN (RFC 8489 section 6.2.2, RFC 8656 section 12.5): messages one after another, the cookie at 4
 *
 *     |0 0|  STUN type  |    length     |  cookie, transaction, length bytes of attributes  |
 *     |0 1|  channel    |    length     |  length bytes of data, padded to a multiple of 4  |
 *
 *     ICE-TCP (RFC 6544 section 3, RFC 4571 section 2): a length before each packet, the cookie at 6
 *
 *     |     length      |  length bytes: STUN, DTLS  |
 *
 * Bytes are read into one buffer that all streams of a thread use in turn; datagrams are handed out where
 * they lie in it, with the room around them that lm_packet wants. What a stream keeps between two reads is
 * the beginning of its next datagram, if there is one.
 */
#ifndef LM_WEBRTC_STREAM_H
#define LM_WEBRTC_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/packet.h"

/*
 * Longest datagram of each framing in bytes, header and padding included. What browsers send fits an MTU; a
 * stream with a longer one has lost its framing or is after memory.
 */
#define LM_STREAM_TURN_MAX 4096
#define LM_STREAM_ICE_MAX 2050

/* Bytes that one read may give. */
#define LM_STREAM_READ 16384

typedef enum lm_stream_framing {
    LM_STREAM_UNKNOWN, /* too few bytes yet */
    LM_STREAM_TURN,
    LM_STREAM_ICE,
    LM_STREAM_FRAMINGS
} lm_stream_framing;

/* "unknown", "turn", "ice"; static storage. */
const char *lm_stream_framing_name(lm_stream_framing framing);

/* The state of one stream. Zero-initialise; lm_stream_clear() frees. */
typedef struct lm_stream {
    uint8_t *rest; /* the beginning of a datagram, malloc'ed; less than LM_STREAM_TURN_MAX bytes */
    uint16_t rest_len;
    uint8_t framing; /* lm_stream_framing */
} lm_stream;

/* The buffer. Zero-initialise. */
typedef struct lm_stream_buffer {
    lm_stream *stream; /* whose turn it is; borrowed */
    uint8_t *pos;      /* the bytes that have not been handed out */
    uint8_t *end;
    uint8_t *tail; /* where the last datagram's tailroom lies over the next one's bytes, NULL: nowhere */
    uint8_t saved[LM_PACKET_TAILROOM];
    uint8_t bytes[LM_PACKET_HEADROOM + LM_STREAM_TURN_MAX + LM_STREAM_READ + LM_PACKET_TAILROOM];
} lm_stream_buffer;

/* Makes it a stream's turn. Returns where its next bytes go: room for LM_STREAM_READ of them. */
uint8_t *lm_stream_begin(lm_stream_buffer *buffer, lm_stream *stream);

/* So many bytes have been put there. */
void lm_stream_input(lm_stream_buffer *buffer, size_t len);

/*
 * The next whole datagram. 1: *data and *len are set: writable, until the next call, with LM_PACKET_HEADROOM
 * bytes before and LM_PACKET_TAILROOM bytes after it; ChannelData comes without its padding. 0: there is
 * none, and what is left has been put aside for the next turn. Otherwise the stream is of no more use:
 * LM_EMALFORMED: neither framing, or out of step; LM_ETOOBIG: a datagram over the maximum; LM_ENOMEM.
 */
int lm_stream_next(lm_stream_buffer *buffer, uint8_t **data, size_t *len);

/* Bytes that go before a datagram. */
#define LM_STREAM_PREFIX_MAX 2

/*
 * Writes what goes before a datagram of len bytes, and returns its length: 2 for ICE-TCP, 0 for TURN, whose
 * server has padded ChannelData already. LM_ETOOBIG: it is longer than a prefix can say; LM_EAGAIN: the
 * framing is not known yet.
 */
int lm_stream_write_prefix(const lm_stream *stream, size_t len, uint8_t prefix[LM_STREAM_PREFIX_MAX]);

void lm_stream_clear(lm_stream *stream);

#endif
