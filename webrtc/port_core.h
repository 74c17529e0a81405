/*
 * The core that the one port serves, as verbs: what the bindings of UDP and of streams (udp_uv, stream_uv)
 * know of what stands behind them. Datagrams that came over a stream differ from others by their addresses'
 * transport alone; what is for such an address goes back into its stream.
 */
#ifndef LM_WEBRTC_PORT_CORE_H
#define LM_WEBRTC_PORT_CORE_H

#include <stdbool.h>

#include "common/clock.h"
#include "common/dgram.h"
#include "common/packet.h"

typedef struct lm_port_core {
    void *self;

    /*
     * May be NULL. Gets each packet first, from the port's own sockets and those of relayed addresses. 1: the
     * packet is now what has to be sent; its bytes still lie in its buffer. 0: it is used up. LM_EAGAIN: it
     * is for input(), unchanged.
     */
    int (*relay)(void *self, lm_ms now, lm_packet *packet);

    /* Takes a datagram, borrowed. */
    int (*input)(void *self, lm_ms now, const lm_dgram *in);

    /* 1: *out is to be sent, borrowed until the next poll; 0: drained. */
    int (*poll)(void *self, lm_ms now, lm_dgram *out);

    lm_ms (*next_timeout)(const void *self);
    void (*timeout)(void *self, lm_ms now);

    /* May be NULL: then all are. True while a session or an allocation lives on the stream between these. */
    bool (*stream_used)(const void *self, const lm_addr *remote, const lm_addr *local);

    /* May be NULL. The stream between these addresses has ended. */
    void (*stream_closed)(void *self, lm_ms now, const lm_addr *remote, const lm_addr *local);
} lm_port_core;

#endif
