/*
 * Datagrams on their way out of any number of sockets, sent with one system call a socket (sendmmsg).
 *
 * Datagrams of the same length between the same two addresses become one message, which the kernel or the
 * network card cuts again (UDP_SEGMENT); a shorter one may be the last. That keeps the order within each
 * flow. Where the kernel or the way does not have it, they go one by one.
 */
#ifndef LM_WEBRTC_UDP_BATCH_H
#define LM_WEBRTC_UDP_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dgram.h"
#include "common/packet.h"
#include "webrtc/stats.h"
#include "webrtc/udp_socket.h"

/* Longest datagram that is copied, in bytes: one that was taken, with a header more. */
#define LM_UDP_COPY_MAX (LM_UDP_DATAGRAM_MAX + LM_PACKET_HEADROOM + LM_PACKET_TAILROOM)

/* What becomes of datagrams that find the kernel's buffer full. */
typedef enum lm_udp_batch_kind {
    LM_UDP_DROP = 0, /* dropped and counted: media is worth nothing later, and must not queue up */
    LM_UDP_KEEP = 1  /* they wait in the batch */
} lm_udp_batch_kind;

typedef struct lm_udp_batch lm_udp_batch;

/* *stats is borrowed for the batch's life. LM_ENOMEM. */
int lm_udp_batch_create(lm_udp_batch **batch, lm_udp_batch_kind kind, lm_udp_stats *stats);
void lm_udp_batch_destroy(lm_udp_batch *batch); /* batch may be NULL */

/* True when no other datagram may be put in before lm_udp_batch_send(). */
bool lm_udp_batch_full(const lm_udp_batch *batch);

/*
 * Puts a packet in: its bytes are borrowed until the batch is sent, but for the first `head` ones
 * (LM_PACKET_HEADROOM at the most), which are copied.
 */
void lm_udp_batch_put(lm_udp_batch *batch, lm_udp_socket *s, const lm_packet *packet, size_t head);

/* Puts a copy in. The length is LM_UDP_COPY_MAX at the most. */
void lm_udp_batch_copy(lm_udp_batch *batch, lm_udp_socket *s, const lm_packet *packet);

/* Sends all. False: some are kept (LM_UDP_KEEP), to be sent when their sockets are writable. */
bool lm_udp_batch_send(lm_udp_batch *batch);

/* Whether datagrams for this socket are kept. */
bool lm_udp_batch_waits(const lm_udp_batch *batch, const lm_udp_socket *s);

#endif
