/*
 * A session: one client from its first valid check to its end; DTLS, SCTP and the `signal` channel on top of
 * its paths.
 *
 *     new --ClientHello--> handshaking --Finished--> connected --DATA_CHANNEL_OPEN--> open
 *      |                        |                        |                             |
 *      +------------------------+--------- end ----------+-----------------------------+---> ended
 *
 * The stack routes datagrams and time to it. Whatever ends a session only marks it; the stack frees it when
 * the call that did so is over, by lm_session_settle().
 */
#ifndef LM_WEBRTC_SESSION_H
#define LM_WEBRTC_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/deadlines.h"
#include "common/log.h"
#include "webrtc/dtls.h"
#include "webrtc/hello_cookie.h"
#include "webrtc/ice_lite.h"
#include "webrtc/output_queue.h"
#include "webrtc/path.h"
#include "webrtc/sctp.h"
#include "webrtc/stats.h"

/* A session whose channel is not open after so long, in ms, is ended. */
#define LM_SESSION_OPEN_TIMEOUT 30000

/*
 * A client that checks is here to connect, and a browser does so as soon as its first check is answered. One
 * whose checks come without a ClientHello for so long, in ms, is connected to a relay that is no more: this
 * one, before it was restarted. Browsers send some seven ClientHellos in this time if they are lost.
 */
#define LM_SESSION_HELLO_TIMEOUT 4000

/*
 * Until a client has shown that it receives what is sent to it, by a cookie or by the end of its handshake,
 * it is sent at most so many times the bytes that have come from it: its address may be forged, and that
 * one's owner is to be spared. The address of a stream has been shown to be right by TCP's handshake.
 */
#define LM_SESSION_UNPROVEN_FACTOR 3

/* The label of the one channel. */
#define LM_SESSION_LABEL "signal"

typedef enum lm_session_state {
    LM_SESSION_NEW,
    LM_SESSION_HANDSHAKING,
    LM_SESSION_CONNECTED,
    LM_SESSION_OPEN,
    LM_SESSION_ENDED
} lm_session_state;

const char *lm_session_state_name(lm_session_state state);

typedef struct lm_session lm_session;

/* What all sessions of a stack share. */
typedef struct lm_session_env {
    lm_dtls_server *dtls;
    lm_hello_cookie cookie;
    unsigned handshake_steps;  /* steps of DTLS handshakes that may still be taken now */
    unsigned half_open;        /* DTLS handshakes under way */
    unsigned cookie_threshold; /* from so many on, a newcomer has to bring a cookie */
    lm_ms session_ttl;         /* as lm_stack_config's */
    lm_output_queue outputs;
    lm_deadlines deadlines;
    lm_path_table paths;
    lm_webrtc_stats stats;
    const lm_log *log;
    lm_session *unsettled; /* sessions that wait for lm_session_settle() */
    lm_session *waited_on; /* sessions with pending messages */
    size_t pending_bytes;  /* of all of them */
    size_t pending_max;
} lm_session_env;

struct lm_session {
    lm_session_id id;
    lm_session_env *env;
    lm_session_state state;
    lm_close_reason reason; /* once ended */
    lm_ms now;              /* time of the current call */
    lm_ms created;
    lm_ms checked; /* last valid check */
    lm_ms heard;   /* last valid check or message */
    lm_path *paths;
    unsigned path_count;
    lm_path *route; /* where datagrams go: the nominated path, before that the one heard from last */
    bool nominated;
    lm_dtls *dtls;
    bool hello;           /* a ClientHello has come */
    bool zombie;          /* its client has keys of a connection that is not there */
    bool proven;          /* its client receives what is sent to it */
    uint64_t unproven_in; /* bytes from and to the client, checks included, while that is not known */
    uint64_t unproven_out;
    bool half_open; /* counted in the env's half_open */
    lm_sctp_assoc *sctp;
    uint16_t stream;                  /* of the channel, once open */
    uint32_t closing;                 /* a bit for each stream that was reset here and not yet by the peer */
    struct lm_pending *pending_first; /* messages that wait for room in SCTP's buffer */
    struct lm_pending *pending_last;
    size_t pending_bytes; /* with their overhead */
    bool waited_on;       /* on env->waited_on */
    lm_session *waited_prev, *waited_next;
    lm_deadline deadline;
    lm_session *next_unsettled;
    bool unsettled;
    uint8_t *key; /* of the client, see lm_ice_lite_client_key(); owned */
    size_t key_len;
    UT_hash_handle hh_id;
    UT_hash_handle hh_key;
};

/* A new session for the client with this key (copied). NULL if memory ran out. */
lm_session *lm_session_create(lm_session_env *env, lm_session_id id, lm_ms now, const uint8_t *key,
                              size_t key_len);

/* Frees it without a word or an event. */
void lm_session_destroy(lm_session *session);

/*
 * True when nothing can come of its client any more: its one DTLS connection has ended or never was with this
 * relay. To be remembered when the session is destroyed.
 */
bool lm_session_is_spent(const lm_session *session);

/*
 * A valid check has come by a path: consent, the path itself, and its nomination (RFC 8445 section 7.3.1.5).
 * LM_ENOMEM.
 */
int lm_session_check(lm_session *session, lm_ms now, const lm_addr *remote, const lm_addr *local,
                     bool use_candidate);

/*
 * The stream of one of its paths has ended, and the path with it. Without another one the session is silent
 * until its client checks again, by whatever way, or its consent expires.
 */
void lm_session_path_closed(lm_session *session, lm_path *path);

/*
 * A DTLS datagram has come by one of its paths. LM_EAGAIN: it belongs to a handshake, and no more steps of
 * these may be taken now; hand it in again in the next turn.
 */
int lm_session_input(lm_session *session, lm_ms now, lm_path *path, const uint8_t *data, size_t len);

/* Queues a message. As lm_webrtc_send(). */
int lm_session_send(lm_session *session, lm_ms now, const uint8_t *data, size_t len);

/* Its deadline has come. */
void lm_session_timeout(lm_session *session, lm_ms now);

/* Marks it as ended, unless it is already. */
void lm_session_end(lm_session *session, lm_close_reason reason);

/* Asks the stack to settle it after the current call. */
void lm_session_unsettle(lm_session *session);

/*
 * After any of the above: sets the next deadline. True when the session has ended: its peer has been told,
 * the event is queued, and it is to be destroyed.
 */
bool lm_session_settle(lm_session *session, lm_ms now);

#endif
