/*
 * The in-tree WebRTC stack behind webrtc/webrtc.h: demultiplexer, ICE-lite, DTLS, SCTP, one `signal` channel
 * a session. The way of a datagram:
 *
 *     lm_webrtc_input -> demux -+-> STUN -> ICE-lite -> answer, session's paths
 *                               +-> path -> session -> DTLS -> SCTP -> DCEP or message -> lm_webrtc_poll
 */
#ifndef LM_WEBRTC_STACK_H
#define LM_WEBRTC_STACK_H

#include <stddef.h>
#include <stdint.h>

#include "common/api.h"
#include "common/log.h"
#include "common/random.h"
#include "webrtc/webrtc.h"

/*
 * Steps of DTLS handshakes that one call of lm_webrtc_timeout() takes, and lm_webrtc_input() never takes one:
 * 0.5 to 1.5 ms of CPU each, while no turn of a loop may take more than 5. So a loop that calls it once in a
 * turn works on one handshake at a time, however many clients arrive; the others wait.
 */
#define LM_STACK_HANDSHAKE_STEPS 1

typedef struct lm_stack_config {
    lm_webrtc_identity identity; /* ICE credentials of at least 4 and 22 characters; all of it is copied */
    lm_webrtc_limits limits;     /* max_sessions 1 or more */
    uint32_t cookie_threshold;   /* half-open DTLS handshakes from which on a newcomer needs a cookie */
    size_t send_queues;          /* most bytes that wait for all sessions; 0: LM_WEBRTC_SEND_QUEUES_MAX */
    lm_random random;
    const lm_log *log; /* borrowed for the stack's life; may be NULL */
} lm_stack_config;

/* LM_EINVAL: credentials, certificate or key are not usable; LM_ENOMEM, LM_ECRYPTO. */
LM_API int lm_stack_create(lm_webrtc **stack, const lm_stack_config *config);

#endif
