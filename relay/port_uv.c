#include "relay/port_uv.h"

#include <stdlib.h>

#include "common/error.h"
#include "webrtc/udp_uv.h"

struct lm_port {
    uv_loop_t *loop;
    uint16_t udp_number;
    lm_udp *udp;
    lm_streams *tcp; /* NULL: none */
    lm_streams *tls; /* likewise */
    lm_relay *relay;
    lm_turn *turn;         /* NULL: off */
    const lm_log *log;     /* may be NULL */
    lm_error_text without; /* why there is no TCP port that would have been nice to have; "": there is one */
};

static const lm_stream_stats no_streams;

/* --- the core --- */

static int core_relay(void *self, lm_ms now, lm_packet *packet)
{
    lm_port *port = self;
    if (port->turn == NULL || !(packet->relayed || lm_turn_is_turn(packet->data, packet->len)))
        return LM_EAGAIN;
    return lm_turn_relay(port->turn, now, packet);
}

static int core_input(void *self, lm_ms now, const lm_dgram *in)
{
    lm_port *port = self;
    return lm_relay_input(port->relay, now, in);
}

/* The TURN server's next datagram; ports that it wants are opened and closed on the way. */
static int poll_turn(lm_port *port, lm_ms now, lm_dgram *out)
{
    lm_turn_output output;
    while (lm_turn_poll(port->turn, &output) == 1) {
        switch (output.kind) {
        case LM_TURN_SEND:
            *out = output.send;
            return 1;
        case LM_TURN_OPEN_PORT:
            lm_turn_port_opened(port->turn, now, &output.port,
                                lm_udp_open_relayed(port->udp, &output.port) == LM_OK);
            break;
        case LM_TURN_CLOSE_PORT:
            lm_udp_close_relayed(port->udp, &output.port);
            break;
        }
    }
    return 0;
}

static int core_poll(void *self, lm_ms now, lm_dgram *out)
{
    lm_port *port = self;
    if (lm_relay_poll(port->relay, now, out) == 1)
        return 1;
    return port->turn == NULL ? 0 : poll_turn(port, now, out);
}

static lm_ms core_next_timeout(const void *self)
{
    const lm_port *port = self;
    lm_ms relay = lm_relay_next_timeout(port->relay);
    return port->turn == NULL ? relay : lm_ms_min(relay, lm_turn_next_timeout(port->turn));
}

static void core_timeout(void *self, lm_ms now)
{
    lm_port *port = self;
    lm_relay_timeout(port->relay, now);
    if (port->turn != NULL)
        lm_turn_timeout(port->turn, now);
}

static bool core_stream_used(const void *self, const lm_addr *remote, const lm_addr *local)
{
    const lm_port *port = self;
    return lm_relay_has_stream(port->relay, remote, local) ||
           (port->turn != NULL && lm_turn_has_allocation(port->turn, remote, local));
}

static void core_stream_closed(void *self, lm_ms now, const lm_addr *remote, const lm_addr *local)
{
    lm_port *port = self;
    lm_relay_stream_closed(port->relay, remote, local);
    if (port->turn != NULL)
        lm_turn_stream_closed(port->turn, now, remote, local);
}

static lm_port_core core_of(lm_port *port)
{
    return (lm_port_core){.self = port,
                          .relay = core_relay,
                          .input = core_input,
                          .poll = core_poll,
                          .next_timeout = core_next_timeout,
                          .timeout = core_timeout,
                          .stream_used = core_stream_used,
                          .stream_closed = core_stream_closed};
}

/* --- between UDP and the streams --- */

static void send_to_stream(void *self, const lm_addr *remote, const lm_addr *local, const uint8_t *data,
                           size_t len)
{
    lm_port *port = self;
    lm_streams *streams = remote->transport == LM_TLS ? port->tls : port->tcp;
    if (streams != NULL)
        (void)lm_streams_send(streams, remote, local, data, len); /* what cannot be sent is counted there */
}

static void send_from_stream(void *self, const lm_packet *packet)
{
    lm_port *port = self;
    if (packet->remote.transport != LM_UDP)
        send_to_stream(port, &packet->remote, &packet->local, packet->data, packet->len);
    else
        lm_udp_send(port->udp, packet);
}

static void flush_from_stream(void *self)
{
    lm_port_flush(self);
}

/* --- opening and closing --- */

int lm_port_listen(lm_port **out, uv_loop_t *loop, const lm_port_config *config, lm_error_text *why)
{
    lm_port *port = calloc(1, sizeof *port);
    if (port == NULL)
        return lm_error_text_set(why, LM_ENOMEM, "out of memory");
    port->loop = loop;
    port->udp_number = config->udp;
    port->log = config->log;
    lm_streams_config streams = {.port = config->tcp,
                                 .core = core_of(port),
                                 .limits = config->streams,
                                 .send = send_from_stream,
                                 .flush = flush_from_stream,
                                 .user = port,
                                 .log = config->log};
    int result = LM_OK;
    if (config->tcp != 0)
        result = lm_streams_open(&port->tcp, loop, &streams, why);
    if (result != LM_OK && !config->tcp_chosen) {
        if (why != NULL)
            port->without = *why;
        result = LM_OK;
    }
    streams.port = config->tls;
    streams.tls = config->tls_server;
    if (result == LM_OK && config->tls != 0)
        result = lm_streams_open(&port->tls, loop, &streams, why);
    if (result != LM_OK) {
        lm_port_close(port);
        return result;
    }
    *out = port;
    return LM_OK;
}

int lm_port_serve(lm_port *port, lm_relay *relay, lm_turn *turn, lm_error_text *why)
{
    lm_port_core core = core_of(port);
    port->relay = relay;
    port->turn = turn;
    int result = lm_udp_open(&port->udp, port->loop, port->udp_number, &core, why);
    if (result != LM_OK)
        return result;
    lm_udp_set_stream_sink(port->udp, send_to_stream, port);
    if (port->without.text[0] != '\0')
        LM_LOGW(port->log, "%s: browsers whose network lets no UDP through cannot come", port->without.text);
    return LM_OK;
}

uint16_t lm_port_udp(const lm_port *port)
{
    return lm_udp_port(port->udp);
}

uint16_t lm_port_tcp(const lm_port *port)
{
    return port->tcp == NULL ? 0 : lm_streams_port(port->tcp);
}

uint16_t lm_port_tls(const lm_port *port)
{
    return port->tls == NULL ? 0 : lm_streams_port(port->tls);
}

void lm_port_flush(lm_port *port)
{
    lm_udp_flush(port->udp);
}

void lm_port_set_streams(lm_port *port, const lm_streams_limits *limits, lm_tls_server *tls_server)
{
    if (port->tcp != NULL)
        lm_streams_set_limits(port->tcp, limits);
    if (port->tls != NULL) {
        lm_streams_set_limits(port->tls, limits);
        lm_streams_set_tls(port->tls, tls_server);
    }
}

const lm_udp_stats *lm_port_udp_stats(const lm_port *port)
{
    return lm_udp_get_stats(port->udp);
}

const lm_stream_stats *lm_port_tcp_stats(const lm_port *port)
{
    return port->tcp == NULL ? &no_streams : lm_streams_get_stats(port->tcp);
}

const lm_stream_stats *lm_port_tls_stats(const lm_port *port)
{
    return port->tls == NULL ? &no_streams : lm_streams_get_stats(port->tls);
}

void lm_port_close(lm_port *port)
{
    if (port == NULL)
        return;
    if (port->udp != NULL)
        lm_udp_flush(port->udp); /* the last words, those for streams among them */
    lm_streams_close(port->tcp);
    lm_streams_close(port->tls);
    port->tcp = port->tls = NULL;
    lm_udp_close(port->udp);
    free(port);
}
