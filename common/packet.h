/*
 * A packet that is passed on: a datagram with room around its bytes, so that a header can be taken off or put
 * on in place and nothing is copied. Who is handed one may change all of it; its bytes stay where they are
 * until whoever made it says otherwise.
 */
#ifndef LM_COMMON_PACKET_H
#define LM_COMMON_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

/* Room before the bytes of a packet, and after them: what the longest header and padding need. */
#define LM_PACKET_HEADROOM 64
#define LM_PACKET_TAILROOM 4

typedef struct lm_packet {
    lm_addr remote; /* where it came from; then where it goes */
    lm_addr local;  /* the address of ours that it came to; then the one that it leaves from */
    uint8_t *data; /* writable, LM_PACKET_HEADROOM bytes before and LM_PACKET_TAILROOM bytes after included */
    size_t len;    /* bytes */
    bool relayed;  /* local is a relayed address with a socket of its own, not the one port */
    bool dont_fragment; /* to be sent with the DF bit set (IPv4), or not fragmented at the source (IPv6) */
} lm_packet;

#endif
