/*
 * What a relay listens on: the UDP port, and the TCP and TLS ports where there are any. Behind all of them
 * stand the relay and its TURN server; here each datagram finds its way to one or the other.
 *
 *     UDP socket, stream, relayed socket -> TURN's? -> lm_turn_relay() -> sent as it lies there
 *                                        -> else    -> lm_relay_input()
 */
#ifndef LM_RELAY_PORT_UV_H
#define LM_RELAY_PORT_UV_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/error_text.h"
#include "common/log.h"
#include "relay/relay.h"
#include "webrtc/stats.h"
#include "webrtc/stream_uv.h"
#include "webrtc/tls.h"
#include "webrtc/turn.h"

typedef struct lm_port_config {
    uint16_t udp;
    uint16_t tcp;              /* 0: none */
    bool tcp_chosen;           /* else it not being free is no more than a warning */
    uint16_t tls;              /* 0: none */
    lm_tls_server *tls_server; /* shared; NULL without a TLS port */
    lm_streams_limits streams;
    const lm_log *log; /* may be NULL; borrowed */
} lm_port_config;

typedef struct lm_port lm_port;

/*
 * Begins to listen for streams; nothing is taken in before lm_port_serve(). LM_EIO, LM_ENOMEM, with *why
 * saying what failed. After an error the loop needs a few turns to clean up.
 */
int lm_port_listen(lm_port **port, uv_loop_t *loop, const lm_port_config *config, lm_error_text *why);

/*
 * Opens the UDP port and serves; logs which port it has to do without. relay and turn (which may be NULL) are
 * borrowed until lm_port_close(). Errors as above; the port is then still to be closed.
 */
int lm_port_serve(lm_port *port, lm_relay *relay, lm_turn *turn, lm_error_text *why);

/* The ports that are open, 0 where there is none. */
uint16_t lm_port_udp(const lm_port *port);
uint16_t lm_port_tcp(const lm_port *port);
uint16_t lm_port_tls(const lm_port *port);

/* Sends what relay and TURN server have to give: call it after they were changed from elsewhere. */
void lm_port_flush(lm_port *port);

/* Newcomers get these limits and this certificate (shared, NULL without a TLS port). */
void lm_port_set_streams(lm_port *port, const lm_streams_limits *limits, lm_tls_server *tls_server);

const lm_udp_stats *lm_port_udp_stats(const lm_port *port);
/* All 0 for a port that is not open. */
const lm_stream_stats *lm_port_tcp_stats(const lm_port *port);
const lm_stream_stats *lm_port_tls_stats(const lm_port *port);

/* Sends the last words and closes all; the memory is freed by the loop's next turns. port may be NULL. */
void lm_port_close(lm_port *port);

#endif
