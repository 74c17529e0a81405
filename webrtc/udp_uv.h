/*
 * Binds a sans-IO core to a UDP port on libuv: receives in batches (recvmmsg), drains the core's outputs into
 * batches (sendmmsg), and keeps one timer at the core's next deadline.
 *
 * There is one socket for IPv4 and one for IPv6, both on the wildcard address, so that addresses may come and
 * go. Each datagram is answered from the address that it came to (IP_PKTINFO): on a machine with several
 * addresses the kernel would else choose, and the client's ICE agent would drop an answer from the wrong one.
 */
#ifndef LM_WEBRTC_UDP_UV_H
#define LM_WEBRTC_UDP_UV_H

#include <stdint.h>
#include <uv.h>

#include "common/clock.h"
#include "common/dgram.h"
#include "common/error_text.h"
#include "webrtc/stats.h"

/* The four verbs of the core that the port serves. */
typedef struct lm_udp_core {
    void *self;
    int (*input)(void *self, lm_ms now, const lm_dgram *in);
    int (*poll)(void *self, lm_ms now,
                lm_dgram *out); /* 1: *out is borrowed until the next poll; 0: drained */
    lm_ms (*next_timeout)(const void *self);
    void (*timeout)(void *self, lm_ms now);
} lm_udp_core;

typedef struct lm_udp lm_udp;

/*
 * Opens `port` (0: one that the kernel chooses, the same for both families) and starts. What core points to is
 * borrowed. LM_EIO, LM_ENOMEM, with *why saying what failed. A machine without IPv6, or without IPv4, is no
 * error.
 */
int lm_udp_open(lm_udp **udp, uv_loop_t *loop, uint16_t port, const lm_udp_core *core,
                lm_error_text *why);

/* The port that is open. */
uint16_t lm_udp_port(const lm_udp *udp);

/*
 * Sends what the core has to give and sets the timer anew: call it after the core was changed from elsewhere.
 */
void lm_udp_flush(lm_udp *udp);

const lm_udp_stats *lm_udp_get_stats(const lm_udp *udp);

/* Stops; the memory is freed by the loop's next turns. udp may be NULL. */
void lm_udp_close(lm_udp *udp);

#endif
