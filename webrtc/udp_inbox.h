/*
 * Buffers that datagrams are received into, in batches (recvmmsg). They stay where they are until
 * lm_udp_inbox_reuse(): packets that are passed on are sent from them.
 *
 * A message may hold many datagrams of one flow, all of one length but for the last (UDP_GRO); each buffer is
 * long enough for any, and the pages of it that were never needed are never there.
 */
#ifndef LM_WEBRTC_UDP_INBOX_H
#define LM_WEBRTC_UDP_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h> /* a part of udp_uv, the binding */

#include "common/addr.h"
#include "webrtc/udp_socket.h"

/* Messages taken with one system call, at the most. */
#define LM_UDP_INBOX 64

typedef struct lm_udp_inbox {
    struct mmsghdr messages[LM_UDP_INBOX];
    struct iovec vectors[LM_UDP_INBOX];
    struct sockaddr_storage names[LM_UDP_INBOX];
    lm_udp_control controls[LM_UDP_INBOX];
    uint8_t *bytes;
    unsigned used; /* messages whose buffers are taken */
} lm_udp_inbox;

/* What one message brought: LM_PACKET_HEADROOM bytes before data and LM_PACKET_TAILROOM after are writable.
 */
typedef struct lm_udp_arrival {
    lm_addr remote;
    lm_addr local;
    uint8_t *data;
    size_t len;     /* bytes */
    size_t segment; /* length of each datagram in it, the last one's may be less; len: there is one */
    bool truncated; /* it was longer than any buffer */
} lm_udp_arrival;

/* LM_ENOMEM */
int lm_udp_inbox_init(lm_udp_inbox *inbox);
void lm_udp_inbox_clear(lm_udp_inbox *inbox);

/* Messages that can be received before buffers have to be used again. */
unsigned lm_udp_inbox_room(const lm_udp_inbox *inbox);

/* Receives what is there, up to the room. The number of messages, from index `used` before the call; -1:
 * errno. */
int lm_udp_inbox_receive(lm_udp_inbox *inbox, const lm_udp_socket *s);

/* Reads message `index`, once. False: its address is of no known family. */
bool lm_udp_inbox_take(lm_udp_inbox *inbox, unsigned index, const lm_udp_socket *s, lm_udp_arrival *arrival);

/* All buffers are free again. */
void lm_udp_inbox_reuse(lm_udp_inbox *inbox);

#endif
