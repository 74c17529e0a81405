/*
 * Counters of a WebRTC stack. One list gives the fields and their names, so that whoever reports them cannot
 * forget one. Counters only grow; gauges are marked.
 */
#ifndef LM_WEBRTC_STATS_H
#define LM_WEBRTC_STATS_H

#include <stddef.h>
#include <stdint.h>

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
    X(path_taken)      /* a check of a newcomer from an address pair on which another session lives */   \
    X(dtls_no_path)    /* DTLS from an address that never passed a STUN check */                         \
    X(dtls_malformed)  /* records that do not parse, or do not follow the state of the handshake */      \
    X(dtls_cookie)     /* answered with HelloVerifyRequest, or a later fragment without a good cookie */ \
    X(dtls_hello)      /* ClientHello fragments that contradict each other or are too long */            \
    X(sctp_malformed)  /* bad checksum, ports or verification tag */                                     \
    X(dcep)            /* DCEP message that is malformed or out of place */                              \
    X(channel)         /* channel with another label or type: reset */                                   \
    X(message)         /* message on a stream without an open channel, or with an unknown PPID */        \
    X(message_too_big) /* message over the limit: its session is closed */                               \
    X(srtp)            /* SRTP or SRTCP: no media here */                                                \
    X(turn)            /* ChannelData: no such allocation */                                             \
    X(output_full)     /* an answer that found the output queue full */

#define LM_WEBRTC_COUNTERS(X)                                               \
    X(datagrams_in)                                                         \
    X(datagrams_out)                                                        \
    X(bytes_in)                                                             \
    X(bytes_out)                                                            \
    X(stun_requests) /* Binding requests that were answered with success */ \
    X(sessions_created)                                                     \
    X(sessions_opened)                                                      \
    X(handshakes_done) /* DTLS handshakes completed */                      \
    X(handshakes_failed)                                                    \
    X(messages_in)                                                          \
    X(messages_out)

typedef struct lm_webrtc_stats {
#define LM_X(name) uint64_t name;
    LM_WEBRTC_COUNTERS(LM_X)
#undef LM_X
    struct {
#define LM_X(name) uint64_t name;
        LM_WEBRTC_DROPS(LM_X)
#undef LM_X
    } drops;
    uint64_t closed[6];     /* opened sessions that ended, by lm_close_reason */
    uint64_t sessions;      /* gauge: living sessions, handshaking ones included */
    uint64_t sessions_open; /* gauge: sessions whose channel is open */
} lm_webrtc_stats;

/* Calls visit for each counter by its name, drops as "drop_<reason>", for reports. */
void lm_webrtc_stats_visit(const lm_webrtc_stats *stats,
                           void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx);

#endif
