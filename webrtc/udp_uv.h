/*
 * Binds a sans-IO core to a UDP port on libuv: receives in batches (recvmmsg), lets the core turn packets
 * that are passed on where they lie, sends them from there, drains the core's outputs into batches
 * (sendmmsg), and keeps one timer at the core's next deadline.
 *
 * There is one socket for IPv4 and one for IPv6, both on the wildcard address, so that addresses may come and
 * go. Each datagram is answered from the address that it came to (IP_PKTINFO): on a machine with several
 * addresses the kernel would else choose, and the client's ICE agent would drop an answer from the wrong one.
 * Relayed addresses have sockets of their own, which only pass packets on.
 *
 * Packets that are passed on are sent at the end of the loop's turn at the latest. Those that find the
 * kernel's buffer full are dropped; outputs of the core wait.
 */
#ifndef LM_WEBRTC_UDP_UV_H
#define LM_WEBRTC_UDP_UV_H

#include <stdint.h>
#include <uv.h>

#include "common/addr.h"
#include "common/error_text.h"
#include "webrtc/port_core.h"
#include "webrtc/stats.h"

typedef struct lm_udp lm_udp;

/*
 * Opens `port` (0: one that the kernel chooses, the same for both families) and starts. What core points to
 * is borrowed. LM_EIO, LM_ENOMEM, with *why saying what failed. A machine without IPv6, or without IPv4, is
 * no error.
 */
int lm_udp_open(lm_udp **udp, uv_loop_t *loop, uint16_t port, const lm_port_core *core, lm_error_text *why);

/* The port that is open. */
uint16_t lm_udp_port(const lm_udp *udp);

/*
 * Sends what the core has to give and sets the timer anew: call it after the core was changed from elsewhere.
 */
void lm_udp_flush(lm_udp *udp);

/*
 * Who takes datagrams for addresses that are not UDP's: called with the bytes, borrowed. Without it they are
 * counted as errors.
 */
typedef void (*lm_udp_stream_sink)(void *self, const lm_addr *remote, const lm_addr *local,
                                   const uint8_t *data, size_t len);
void lm_udp_set_stream_sink(lm_udp *udp, lm_udp_stream_sink sink, void *self);

/*
 * Sends a packet that did not come by UDP, but is to leave by it, with the next lm_udp_flush() at the latest;
 * copied. Dropped and counted if it cannot be sent.
 */
void lm_udp_send(lm_udp *udp, const lm_packet *packet);

/*
 * Opens a socket for relayed addresses with the family and port of *addr, on the wildcard address. What comes
 * to it the core gets by relay(), marked as relayed; relayed packets with this family and port leave from it.
 * LM_EIO: it cannot be bound, or is open already.
 */
int lm_udp_open_relayed(lm_udp *udp, const lm_addr *addr);

/* Closes it; a no-op if there is none. Packets that were passed on before are sent. */
void lm_udp_close_relayed(lm_udp *udp, const lm_addr *addr);

const lm_udp_stats *lm_udp_get_stats(const lm_udp *udp);

/* Stops; the memory is freed by the loop's next turns. udp may be NULL. */
void lm_udp_close(lm_udp *udp);

#endif
