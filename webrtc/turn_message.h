/*
 * TURN's part of messages (RFC 8656): the attributes of a STUN message, and ChannelData.
 *
 *     0                   1                   2                   3
 *     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *    |         Channel Number        |            Length             |
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *    |                       Application Data                        |
 */
#ifndef LM_WEBRTC_TURN_MESSAGE_H
#define LM_WEBRTC_TURN_MESSAGE_H

#include "common/error.h"
#include "webrtc/stun.h"

/* Methods (section 17). */
enum {
    LM_TURN_ALLOCATE = 0x003,
    LM_TURN_REFRESH = 0x004,
    LM_TURN_SEND_METHOD = 0x006,
    LM_TURN_DATA_METHOD = 0x007,
    LM_TURN_CREATE_PERMISSION = 0x008,
    LM_TURN_CHANNEL_BIND = 0x009
};

/* Attributes (section 18). */
enum {
    LM_TURN_CHANNEL_NUMBER = 0x000C,
    LM_TURN_LIFETIME = 0x000D,
    LM_TURN_XOR_PEER_ADDRESS = 0x0012,
    LM_TURN_DATA = 0x0013,
    LM_TURN_XOR_RELAYED_ADDRESS = 0x0016,
    LM_TURN_REQUESTED_ADDRESS_FAMILY = 0x0017,
    LM_TURN_EVEN_PORT = 0x0018,
    LM_TURN_REQUESTED_TRANSPORT = 0x0019,
    LM_TURN_DONT_FRAGMENT = 0x001A,
    LM_TURN_RESERVATION_TOKEN = 0x0022
};

#define LM_TURN_TOKEN_LEN 8
#define LM_TURN_TRANSPORT_UDP 17 /* the protocol's number */

#define LM_CHANNEL_HEADER_LEN 4
/* RFC 5766's numbers: RFC 8656 leaves off at 0x4FFF, but coturn's client, for one, takes any of these. */
#define LM_CHANNEL_FIRST 0x4000
#define LM_CHANNEL_LAST 0x7FFF

/* What a message says; pointers are into it, NULL where the attribute is absent. Of two the first counts. */
typedef struct lm_turn_message {
    const uint8_t *nonce, *realm, *data;
    size_t nonce_len, realm_len, data_len;
    const uint8_t *token; /* LM_TURN_TOKEN_LEN */
    uint32_t lifetime;    /* seconds */
    uint16_t channel;
    uint8_t transport;
    uint8_t family; /* lm_family; LM_AF_NONE: one that does not exist */
    bool has_lifetime, has_channel, has_transport, has_family;
    bool even_port, reserve_next; /* EVEN-PORT, and its R bit */
    bool dont_fragment;
    uint16_t unknown[LM_STUN_UNKNOWN_MAX]; /* comprehension-required types not known here */
    size_t unknown_count;
    size_t peer_count;
    lm_addr peers[LM_STUN_ATTRIBUTES_MAX]; /* of XOR-PEER-ADDRESS, in order */
} lm_turn_message;

/* Reads the attributes of a parsed message. LM_EMALFORMED: one has a value that cannot be right. */
int lm_turn_message_read(lm_turn_message *message, const lm_stun_msg *stun);

typedef struct lm_channel_data {
    uint16_t number;
    uint16_t len;
} lm_channel_data;

/*
 * Reads the header of ChannelData that is all there; what follows its data is padding (section 12.5).
 * LM_EMALFORMED.
 */
static inline int lm_channel_data_read(lm_channel_data *header, const uint8_t *bytes, size_t len)
{
    if (len < LM_CHANNEL_HEADER_LEN)
        return LM_EMALFORMED;
    header->number = (uint16_t)(bytes[0] << 8 | bytes[1]);
    header->len = (uint16_t)(bytes[2] << 8 | bytes[3]);
    if (header->number < LM_CHANNEL_FIRST || header->number > LM_CHANNEL_LAST ||
        len - LM_CHANNEL_HEADER_LEN < header->len)
        return LM_EMALFORMED;
    return LM_OK;
}

static inline void lm_channel_data_write(uint8_t *bytes, uint16_t number, size_t len)
{
    bytes[0] = (uint8_t)(number >> 8);
    bytes[1] = (uint8_t)number;
    bytes[2] = (uint8_t)(len >> 8);
    bytes[3] = (uint8_t)len;
}

#endif
