/*
 * The one header of the WebRTC stack that a relay includes: sessions open, text messages arrive, sessions
 * close.
 *
 * A stack is sans-IO. Feed it datagrams and the time; after each call that changes it, poll until it is
 * drained, and call lm_webrtc_timeout() when lm_webrtc_next_timeout() has come:
 *
 *     lm_webrtc_input(stack, now, &dgram);
 *     while (lm_webrtc_poll(stack, &out) == 1)
 *         ...send out.send, or handle the event...
 *
 * Behind the handle stands a table of functions, so a stack can be replaced: `webrtc/stack.h` makes the
 * in-tree one (ICE-lite, DTLS, SCTP); tests use one in memory. A session is one remote peer with one data
 * channel, the channel labelled `signal`, ordered and reliable; a stack closes every other channel.
 */
#ifndef LM_WEBRTC_WEBRTC_H
#define LM_WEBRTC_WEBRTC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/api.h"
#include "common/clock.h"
#include "common/dgram.h"
#include "webrtc/stats.h"

/* Longest message, either way, in bytes (the answer's a=max-message-size, RFC 8841 section 6). */
#define LM_WEBRTC_MESSAGE_MAX 65536

/*
 * Most bytes that wait for a session that reads slowly; past it the session is closed (LM_CLOSE_SLOW_READER).
 */
#define LM_WEBRTC_SEND_QUEUE_MAX (1024 * 1024)

/* The same for all sessions together: past it the one for which most waits is closed. */
#define LM_WEBRTC_SEND_QUEUES_MAX (64 * 1024 * 1024)

/* Names one session of one stack for ever: never 0, never used again. */
typedef uint64_t lm_session_id;
#define LM_SESSION_NONE ((lm_session_id)0)

/* Why a session ended. */
typedef enum lm_close_reason {
    LM_CLOSE_REMOTE,    /* the peer said so: SCTP ABORT or SHUTDOWN, close_notify, or its channel was reset */
    LM_CLOSE_CONSENT,   /* silent: no valid consent check for 30 s (RFC 7675 section 5.1), or for its TTL */
    LM_CLOSE_HANDSHAKE, /* did not come as far as an open channel in its time, or DTLS failed */
    LM_CLOSE_SLOW_READER, /* the send queue reached its cap, or all together theirs and this was the longest
                           */
    LM_CLOSE_PROTOCOL,    /* broke a rule of SCTP, DCEP or the message size */
    LM_CLOSE_LOCAL,       /* lm_webrtc_close() */
    LM_CLOSE_REASONS
} lm_close_reason;

/* "remote", "consent", … in the words of the enum; static storage. */
LM_API const char *lm_close_reason_name(lm_close_reason reason);

typedef enum lm_webrtc_output_kind {
    LM_WEBRTC_SEND,    /* send .send to its remote address, from its local address */
    LM_WEBRTC_OPEN,    /* the session's channel is open: messages may be sent and will arrive */
    LM_WEBRTC_MESSAGE, /* .message arrived, whole, in the order of sending */
    LM_WEBRTC_CLOSED   /* an opened session has ended; the id is dead. Sessions that never opened end without
                          it. */
} lm_webrtc_output_kind;

/*
 * One output. Borrowed bytes live until the next lm_webrtc_poll() on the same stack, whatever else is called.
 */
typedef struct lm_webrtc_output {
    lm_webrtc_output_kind kind;
    lm_session_id session; /* LM_SESSION_NONE for LM_WEBRTC_SEND */
    union {
        lm_dgram send; /* borrowed */
        struct {
            const char *data; /* borrowed, not NUL-terminated */
            size_t len;       /* bytes, 0 to LM_WEBRTC_MESSAGE_MAX */
            bool binary;      /* sent as binary rather than as a string (RFC 8831 section 6.6) */
        } message;
        lm_close_reason closed;
    };
} lm_webrtc_output;

typedef struct lm_webrtc lm_webrtc;

/* What a client must know of a stack to come to it. */
typedef struct lm_webrtc_identity {
    const char *ufrag; /* ICE credentials (RFC 8839 section 5.4): at least 4 and 22 characters */
    const char *pwd;
    const uint8_t *cert_der; /* X.509 certificate */
    size_t cert_len;
    const uint8_t *key_der; /* its ECDSA P-256 private key */
    size_t key_len;
} lm_webrtc_identity;

/* How many newcomers a stack takes, and how long a session may say nothing. */
typedef struct lm_webrtc_limits {
    uint32_t max_sessions; /* living sessions at once, handshaking ones included; 0: no newcomers at all */
    uint32_t session_rate; /* new sessions a second and address (IPv6: /64); 0: no limit */
    uint32_t session_burst;
    lm_ms session_ttl; /* without a message or a valid check for so long a session is closed; 0: no end */
} lm_webrtc_limits;

/* What a stack implements; each entry as the function of the same name below says. */
typedef struct lm_webrtc_ops {
    void (*destroy)(lm_webrtc *stack);
    int (*input)(lm_webrtc *stack, lm_ms now, const lm_dgram *in);
    int (*poll)(lm_webrtc *stack, lm_webrtc_output *out);
    lm_ms (*next_timeout)(const lm_webrtc *stack);
    void (*timeout)(lm_webrtc *stack, lm_ms now);
    int (*send)(lm_webrtc *stack, lm_ms now, lm_session_id session, const char *text, size_t len);
    int (*close)(lm_webrtc *stack, lm_ms now, lm_session_id session);
    int (*remote)(const lm_webrtc *stack, lm_session_id session, lm_addr *addr);
    lm_ms (*heard)(const lm_webrtc *stack, lm_session_id session);
    void (*path_closed)(lm_webrtc *stack, const lm_addr *remote, const lm_addr *local);
    bool (*has_path)(const lm_webrtc *stack, const lm_addr *remote, const lm_addr *local);
    const lm_webrtc_stats *(*stats)(const lm_webrtc *stack);
    void (*set_limits)(lm_webrtc *stack, const lm_webrtc_limits *limits);
    int (*set_identity)(lm_webrtc *stack, const lm_webrtc_identity *identity);
} lm_webrtc_ops;

/* The head of every stack: an implementation embeds it as its first member. */
struct lm_webrtc {
    const lm_webrtc_ops *ops;
};

/* Ends every session without a word to its peer, and frees the stack. stack may be NULL. */
LM_API void lm_webrtc_destroy(lm_webrtc *stack);

/*
 * Takes one datagram (borrowed). Whatever cannot be used is counted in the stats and dropped: LM_OK even
 * then; LM_ENOMEM if memory ran out, with the stack unharmed.
 */
LM_API int lm_webrtc_input(lm_webrtc *stack, lm_ms now, const lm_dgram *in);

/* 1: *out holds the next output; 0: drained. */
LM_API int lm_webrtc_poll(lm_webrtc *stack, lm_webrtc_output *out);

/*
 * When lm_webrtc_timeout() has to be called, LM_MS_NEVER if not at all. May lie in the past: then call at
 * once.
 */
LM_API lm_ms lm_webrtc_next_timeout(const lm_webrtc *stack);
LM_API void lm_webrtc_timeout(lm_webrtc *stack, lm_ms now);

/*
 * Queues one text message (copied) on the session's channel. LM_ENOTFOUND: no such open session; LM_ETOOBIG:
 * longer than LM_WEBRTC_MESSAGE_MAX; LM_ELIMIT: the send queue was full and the session is being closed;
 * LM_ENOMEM.
 */
LM_API int lm_webrtc_send(lm_webrtc *stack, lm_ms now, lm_session_id session, const char *text, size_t len);

/*
 * Ends a session: what has been queued on it is sent as far as the peer's window allows, then SCTP ABORT and
 * close_notify tell the peer. LM_WEBRTC_CLOSED follows with LM_CLOSE_LOCAL. LM_ENOTFOUND: no such session.
 */
LM_API int lm_webrtc_close(lm_webrtc *stack, lm_ms now, lm_session_id session);

/* The address to which the session's datagrams go now. LM_ENOTFOUND. */
LM_API int lm_webrtc_remote(const lm_webrtc *stack, lm_session_id session, lm_addr *addr);

/* When the session's last valid check (RFC 7675 section 5.1) or message came; 0: no such session. */
LM_API lm_ms lm_webrtc_heard(const lm_webrtc *stack, lm_session_id session);

/*
 * The stream between two addresses (RFC 6544) has ended: nothing goes there any more. A session that had no
 * other way is silent until its client checks again or its consent expires.
 */
LM_API void lm_webrtc_path_closed(lm_webrtc *stack, const lm_addr *remote, const lm_addr *local);

/* True when a session lives between these two addresses. */
LM_API bool lm_webrtc_has_path(const lm_webrtc *stack, const lm_addr *remote, const lm_addr *local);

/* Puts new limits in the place of the old ones. Sessions that are there stay, even above the new limit. */
LM_API void lm_webrtc_set_limits(lm_webrtc *stack, const lm_webrtc_limits *limits);

/*
 * Puts another identity (copied) in the place of the old one: newcomers have to know it. Sessions that are
 * there go on with theirs, until it is changed twice. LM_EINVAL: not usable, or key and certificate do not
 * belong together; LM_ENOMEM, LM_ECRYPTO. On an error the old one stays.
 */
LM_API int lm_webrtc_set_identity(lm_webrtc *stack, const lm_webrtc_identity *identity);

/* Counters, live; valid as long as the stack. */
LM_API const lm_webrtc_stats *lm_webrtc_get_stats(const lm_webrtc *stack);

#endif
