/*
 * WebRTC Data Channel Establishment Protocol (RFC 8832), and the payload protocol identifiers of data
 * channels (RFC 8831 section 8).
 *
 *     0                   1                   2                   3
 *     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *    |  Message Type |  Channel Type |            Priority           |
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *    |                    Reliability Parameter                      |
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *    |         Label Length          |       Protocol Length         |
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *    \                 Label, then Protocol (UTF-8)                  /
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#ifndef LM_WEBRTC_DCEP_H
#define LM_WEBRTC_DCEP_H

#include <stddef.h>
#include <stdint.h>

enum {
    LM_PPID_DCEP = 50,
    LM_PPID_STRING = 51,
    LM_PPID_BINARY = 53,
    LM_PPID_STRING_EMPTY = 56,
    LM_PPID_BINARY_EMPTY = 57
};

/* Channel types, RFC 8832 section 8.2.2; the high bit means unordered. */
enum { LM_DCEP_RELIABLE = 0x00, LM_DCEP_RELIABLE_UNORDERED = 0x80 };

typedef enum lm_dcep_type { LM_DCEP_ACK = 0x02, LM_DCEP_OPEN = 0x03 } lm_dcep_type;

/*
 * A parsed message; label and protocol are borrowed from the input, without NUL, and only set for
 * LM_DCEP_OPEN.
 */
typedef struct lm_dcep_msg {
    lm_dcep_type type;
    uint8_t channel_type;
    uint16_t priority;
    uint32_t reliability;
    const char *label;
    size_t label_len;
    const char *protocol;
    size_t protocol_len;
} lm_dcep_msg;

/* LM_EMALFORMED for anything but a whole DATA_CHANNEL_OPEN or DATA_CHANNEL_ACK. */
int lm_dcep_parse(lm_dcep_msg *msg, const uint8_t *data, size_t len);

/*
 * Writes DATA_CHANNEL_OPEN for a reliable, ordered channel without a protocol. Returns its length or
 * LM_ETOOBIG.
 */
int lm_dcep_write_open(uint8_t *buf, size_t cap, const char *label);

/* DATA_CHANNEL_ACK is this one byte. */
#define LM_DCEP_ACK_LEN 1

#endif
