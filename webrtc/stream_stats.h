/*
 * Counters of the stream listeners (TCP, TLS). One list gives the fields and their names, so that whoever
 * reports them cannot forget one. Counters only grow; gauges go up and down.
 */
#ifndef LM_WEBRTC_STREAM_STATS_H
#define LM_WEBRTC_STREAM_STATS_H

#include <stdint.h>

/* Why a connection ended, or was refused. */
#define LM_STREAM_ENDS(X)                                                                                \
    X(peer)          /* the other side closed it */                                                      \
    X(error)         /* reset, or the network failed */                                                  \
    X(limit)         /* refused: all connections are taken */                                            \
    X(address_limit) /* refused: its address has as many as it may */                                    \
    X(tls_rate)      /* refused: TLS handshakes over its address's rate */                               \
    X(tls_failed)    /* the TLS handshake failed, or a record was forged */                              \
    X(framing)       /* first bytes of neither framing, or bytes out of step */                          \
    X(too_big)       /* a datagram over the maximum */                                                   \
    X(no_datagram)   /* no whole datagram in its first seconds */                                        \
    X(unused)        /* neither a session nor an allocation on it */                                     \
    X(idle)          /* no datagram for very long */                                                     \
    X(slow)          /* ICE-TCP, and its client does not take what is sent: a stream cannot drop some */ \
    X(memory)        /* memory ran out */                                                                \
    X(stopped)       /* the relay stops */

/* Each with the name that it has as a metric (lumamesh_…_total), and what it counts. */
#define LM_STREAM_COUNTERS(X)                                                                          \
    X(accepted, "stream_accepted", "Connections accepted, those refused at once included.")            \
    X(accept_errors, "stream_accept_errors", "Times that no connection could be accepted.")            \
    X(tls_handshakes, "stream_tls_handshakes", "TLS handshakes completed.")                            \
    X(tls_waits, "stream_tls_waits", "Times that a step of a TLS handshake waited for a later turn.")  \
    X(datagrams_in, "stream_received_datagrams", "Datagrams received in streams.")                     \
    X(datagrams_out, "stream_sent_datagrams", "Datagrams sent in streams.")                            \
    X(bytes_in, "stream_received_bytes", "Bytes received in datagrams of streams.")                    \
    X(bytes_out, "stream_sent_bytes", "Bytes sent in datagrams of streams.")                           \
    X(dropped_full, "stream_dropped_full", "Datagrams not sent since their connection took too long.") \
    X(dropped_gone, "stream_dropped_gone", "Datagrams not sent since their connection was gone.")

#define LM_STREAM_GAUGES(X)                                                            \
    X(connections, "stream_connections", "Connections that are open.")                 \
    X(connections_turn, "stream_connections_turn", "Of them, those that speak TURN.")  \
    X(connections_ice, "stream_connections_ice", "Of them, those that speak ICE-TCP.") \
    X(queued_bytes, "stream_queued_bytes", "Memory of what waits to be written, in bytes.")

typedef enum lm_stream_end {
#define LM_X(name) LM_STREAM_END_##name,
    LM_STREAM_ENDS(LM_X)
#undef LM_X
        LM_STREAM_END_COUNT
} lm_stream_end;

/* "peer", "error", …; static storage. */
const char *lm_stream_end_name(lm_stream_end end);

typedef struct lm_stream_stats {
#define LM_X(name, metric, help) uint64_t name;
    LM_STREAM_COUNTERS(LM_X)
    LM_STREAM_GAUGES(LM_X)
#undef LM_X
    uint64_t ended[LM_STREAM_END_COUNT]; /* connections, by lm_stream_end */
} lm_stream_stats;

/* Calls visit for each counter and gauge by its name, ends as "end_<reason>", for reports. */
void lm_stream_stats_visit(const lm_stream_stats *stats,
                           void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx);

#endif
