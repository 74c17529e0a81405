/*
 * Demultiplexing by the first byte of a datagram, RFC 9443 section 5:
 *
 *                  +----------------+
 *                  |        [0..3] -+--> STUN
 *                  |      [16..19] -+--> ZRTP          (not spoken here)
 *      packet -->  |      [20..63] -+--> DTLS
 *                  |      [64..79] -+--> TURN channel
 *                  |     [80..127] -+--> QUIC (short)  (not spoken here: TURN channel)
 *                  |    [128..191] -+--> RTP/RTCP
 *                  |    [192..255] -+--> QUIC (long)   (not spoken here)
 *                  +----------------+
 *
 * RFC 5766 let clients take channel numbers up to 0x7FFF, and those that are written after it still do.
 */
#ifndef LM_WEBRTC_DEMUX_H
#define LM_WEBRTC_DEMUX_H

#include <stdint.h>

typedef enum lm_demux_class {
    LM_DEMUX_UNKNOWN,
    LM_DEMUX_STUN,
    LM_DEMUX_DTLS,
    LM_DEMUX_TURN_CHANNEL,
    LM_DEMUX_SRTP
} lm_demux_class;

static inline lm_demux_class lm_demux(uint8_t first_byte)
{
    if (first_byte <= 3)
        return LM_DEMUX_STUN;
    if (first_byte >= 20 && first_byte <= 63)
        return LM_DEMUX_DTLS;
    if (first_byte >= 64 && first_byte <= 127)
        return LM_DEMUX_TURN_CHANNEL;
    if (first_byte >= 128 && first_byte <= 191)
        return LM_DEMUX_SRTP;
    return LM_DEMUX_UNKNOWN;
}

#endif
