/*
 * SCTP over DTLS (RFC 8261) on usrsctp: associations with one peer each, packets and messages. Sans-IO but
 * for what usrsctp does by itself: it draws its own random numbers, and reads the wall clock to measure round
 * trips.
 *
 * usrsctp is one per process, and so is the endpoint here: lm_sctp_start() counts its users. All associations
 * share one usrsctp socket (one-to-many style, RFC 6458 section 3), which costs a fifth of a socket each.
 */
#ifndef LM_WEBRTC_SCTP_H
#define LM_WEBRTC_SCTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

#define LM_SCTP_PORT 5000

/*
 * Streams each way of an association. usrsctp sets memory aside for each one: browsers ask for 65,535, 85 kB.
 */
#define LM_SCTP_STREAMS 16

/*
 * Receive window of an association in bytes: a message of LM_WEBRTC_MESSAGE_MAX and usrsctp's own overhead
 * for its chunks fit in, so that every allowed message is delivered whole. Longer ones are delivered
 * in part first, and end the association.
 */
#define LM_SCTP_RECEIVE_SPACE (128 * 1024)

/*
 * Bytes that usrsctp holds for sending in one association; what is beyond waits in the session's own queue.
 */
#define LM_SCTP_SEND_SPACE (128 * 1024)

typedef struct lm_sctp_assoc lm_sctp_assoc;

/*
 * What an association tells its owner. `output` is called from within every function below but
 * lm_sctp_open(), and must call none of them. The others are called from within lm_sctp_input(),
 * lm_sctp_timeout() and the lm_sctp_close() of any association, and may call lm_sctp_send() and
 * lm_sctp_reset_stream(), but must leave lm_sctp_close() for later.
 */
typedef struct lm_sctp_handler {
    void (*output)(void *user, const uint8_t *packet, size_t len); /* one packet to send, borrowed */
    void (*up)(void *user);                                        /* the association is established */
    /* One whole message of up to LM_WEBRTC_MESSAGE_MAX bytes, borrowed. */
    void (*message)(void *user, uint16_t stream, uint32_t ppid, const uint8_t *data, size_t len);
    void (*too_big)(void *user);                /* a longer one began: nothing more will come */
    void (*reset)(void *user, uint16_t stream); /* the peer reset its outgoing stream (RFC 6525) */
    void (*writable)(void *user);               /* lm_sctp_send() may be tried again after LM_EAGAIN */
    void (*down)(void *user);                   /* the peer aborted or shut down, or it timed out */
} lm_sctp_handler;

/* Starts the process's endpoint for one more user. LM_ENOMEM. */
int lm_sctp_start(void);

/* One user less. Its associations must have been closed. */
void lm_sctp_stop(void);

/*
 * A new association that waits for the peer's INIT. handler is borrowed for its life. LM_ENOMEM, also for
 * more than 65,535 at once.
 */
int lm_sctp_open(lm_sctp_assoc **assoc, const lm_sctp_handler *handler, void *user);

/* Sends INIT: the active side. LM_EIO. */
int lm_sctp_connect(lm_sctp_assoc *assoc);

/* Tells the peer by ABORT, if there is an association with it. lm_sctp_close() must follow. */
void lm_sctp_abort(lm_sctp_assoc *assoc);

/* Frees the association without a word. assoc may be NULL. */
void lm_sctp_close(lm_sctp_assoc *assoc);

/*
 * Takes one SCTP packet, borrowed. LM_EMALFORMED: too short, wrong ports, checksum or verification tag (RFC
 * 9260 section 8.5), dropped; so is the INIT of a peer that wants to start an association over. LM_ECLOSED
 * after `down`, `too_big` or lm_sctp_abort().
 */
int lm_sctp_input(lm_sctp_assoc *assoc, lm_ms now, const uint8_t *packet, size_t len);

/*
 * Queues one message, copied, ordered and reliable. LM_EAGAIN: the send buffer is full, wait for `writable`.
 * LM_ECLOSED, LM_ETOOBIG.
 */
int lm_sctp_send(lm_sctp_assoc *assoc, lm_ms now, uint16_t stream, uint32_t ppid, const uint8_t *data,
                 size_t len);

/* Resets the outgoing stream: closes a data channel (RFC 8831 section 6.7). LM_EIO. */
int lm_sctp_reset_stream(lm_sctp_assoc *assoc, uint16_t stream);

/* When the endpoint's timers have to run: LM_MS_NEVER while there is no association. */
lm_ms lm_sctp_next_timeout(void);
void lm_sctp_timeout(lm_ms now);

#endif
