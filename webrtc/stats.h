/*
 * Counters of a WebRTC stack. One list gives the fields and their names, so that whoever reports them cannot
 * forget one. Counters only grow; gauges go up and down.
 */
#ifndef LM_WEBRTC_STATS_H
#define LM_WEBRTC_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "common/api.h"
#include "common/histogram.h"

/* Each drop is one datagram, record, chunk or message from the network that led to nothing. */
#define LM_WEBRTC_DROPS(X)                                                                               \
    X(empty)           /* datagram without a byte */                                                     \
    X(not_ours)        /* first byte belongs to no protocol spoken here (RFC 9443) */                    \
    X(stun_malformed)  /* not a STUN message, or a bad FINGERPRINT */                                    \
    X(stun_class)      /* an indication, or a response to nothing that was asked */                      \
    X(stun_integrity)  /* answered 401 or 400: MESSAGE-INTEGRITY missing or wrong */                     \
    X(stun_ufrag)      /* answered 401: USERNAME is not for this relay */                                \
    X(stun_attribute)  /* answered 420: unknown comprehension-required attribute */                      \
    X(session_limit)   /* a newcomer while all sessions are taken */                                     \
    X(session_rate)    /* a newcomer over its address's rate */                                          \
    X(zombie)          /* of a client whose session is over: check answered 403, record dropped */       \
    X(path_taken)      /* a check of a newcomer from an address pair on which another session lives */   \
    X(dtls_no_path)    /* DTLS from an address that never passed a STUN check */                         \
    X(dtls_malformed)  /* records that do not parse, or do not follow the state of the handshake */      \
    X(dtls_cookie)     /* answered with HelloVerifyRequest, or a later fragment without a good cookie */ \
    X(dtls_backlog)    /* handshake datagrams dropped since too many waited for their turn */            \
    X(unproven)        /* datagrams not sent to an address that may be forged: more than came from it */ \
    X(dtls_hello)      /* ClientHello fragments that contradict each other or are too long */            \
    X(sctp_malformed)  /* bad checksum, ports or verification tag */                                     \
    X(dcep)            /* DCEP message that is malformed or out of place */                              \
    X(channel)         /* channel with another label or type: reset */                                   \
    X(message)         /* message on a stream without an open channel, or with an unknown PPID */        \
    X(message_too_big) /* message over the limit: its session is closed */                               \
    X(srtp)            /* SRTP or SRTCP: no media here */                                                \
    X(turn)            /* ChannelData: no such allocation */                                             \
    X(output_full)     /* an answer that found the output queue full */

/* Each with the name that it has as a metric (lumamesh_…_total), and what it counts. */
#define LM_WEBRTC_COUNTERS(X)                                                                         \
    X(datagrams_in, "received_datagrams", "Datagrams received.")                                      \
    X(datagrams_out, "sent_datagrams", "Datagrams sent.")                                             \
    X(bytes_in, "received_bytes", "Bytes received in datagrams.")                                     \
    X(bytes_out, "sent_bytes", "Bytes sent in datagrams.")                                            \
    X(stun_requests, "stun_requests", "Binding requests that were answered with success.")            \
    X(sessions_created, "sessions_created", "Sessions begun by a first valid check.")                 \
    X(sessions_opened, "sessions_opened", "Sessions whose channel opened.")                           \
    X(handshake_steps, "handshake_steps", "Datagrams worked on in DTLS handshakes.")                  \
    X(handshakes_done, "handshakes_completed", "DTLS handshakes completed.")                          \
    X(handshakes_failed, "handshakes_failed", "DTLS handshakes failed.")                              \
    X(messages_in, "channel_messages_received", "Messages taken from channels, of whatever content.") \
    X(messages_out, "channel_messages_sent", "Messages handed to SCTP.")

#define LM_WEBRTC_GAUGES(X)                                                                          \
    X(sessions, "transport_sessions", "Living sessions, those that are still handshaking included.") \
    X(sessions_open, "transport_sessions_open", "Living sessions whose channel is open.")

/* Of the UDP port, and of relayed addresses. */
#define LM_UDP_COUNTERS(X)                                                                              \
    X(truncated, "udp_truncated_datagrams", "Datagrams that were longer than the buffer, and dropped.") \
    X(send_errors, "udp_send_errors", "Datagrams that the kernel refused for good.")                    \
    X(send_blocked, "udp_send_blocked", "Times that the kernel's send buffer was full.")                \
    X(send_blocked_packets, "udp_send_blocked_packets", "Relayed packets dropped at such times.")       \
    X(receive_calls, "udp_receive_calls", "System calls that received datagrams.")                      \
    X(send_calls, "udp_send_calls", "System calls that sent datagrams.")                                \
    X(merged_receives, "udp_merged_receives", "Times that the kernel gave many datagrams as one.")      \
    X(merged_sends, "udp_merged_sends", "Times that it was given many as one.")                         \
    X(pauses, "udp_pauses", "Short pauses that let packets come together, at a high rate.")

typedef struct lm_udp_stats {
#define LM_X(name, metric, help) uint64_t name;
    LM_UDP_COUNTERS(LM_X)
#undef LM_X
    lm_histogram turn_time; /* CPU time of each turn of the loop that the port is on, from wait to wait */
} lm_udp_stats;

typedef struct lm_webrtc_stats {
#define LM_X(name, metric, help) uint64_t name;
    LM_WEBRTC_COUNTERS(LM_X)
    LM_WEBRTC_GAUGES(LM_X)
#undef LM_X
    struct {
#define LM_X(name) uint64_t name;
        LM_WEBRTC_DROPS(LM_X)
#undef LM_X
    } drops;
    uint64_t closed[6];        /* opened sessions that ended, by lm_close_reason */
    lm_histogram connect_time; /* from a session's first valid check to its open channel */
} lm_webrtc_stats;

/* Calls visit for each counter and gauge by its name, drops as "drop_<reason>", for reports. */
LM_API void lm_webrtc_stats_visit(const lm_webrtc_stats *stats,
                                  void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx);

#endif
