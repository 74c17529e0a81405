/*
 * What a TURN server has to hand out, in the order of happening. Datagrams are bounded by their bytes; the
 * order to close a port is made together with the allocation that opens it, so that it cannot be lost.
 */
#ifndef LM_WEBRTC_TURN_QUEUE_H
#define LM_WEBRTC_TURN_QUEUE_H

#include "webrtc/turn.h"

typedef struct lm_turn_queued lm_turn_queued;

/* Zero-initialise; lm_turn_queue_clear() frees. */
typedef struct lm_turn_queue {
    lm_turn_queued *waiting;
    lm_turn_queued *taken;
    size_t bytes; /* of waiting datagrams, with what it takes to hold them */
} lm_turn_queue;

/* Appends a datagram; data is copied. LM_ELIMIT: too many bytes wait; LM_ENOMEM. */
int lm_turn_queue_send(lm_turn_queue *queue, const lm_addr *remote, const lm_addr *local, const uint8_t *data,
                       size_t len);

/* Makes an order about a port, to be put or to be freed. NULL: no memory. */
lm_turn_queued *lm_turn_queued_port(lm_turn_output_kind kind);
void lm_turn_queued_free(lm_turn_queued *queued); /* may be NULL */

/* Appends such an order (taken) for this port. */
void lm_turn_queue_put(lm_turn_queue *queue, lm_turn_queued *queued, const lm_addr *port);

/* 1: *out is the next output, borrowed until the next call of this; 0: the queue is empty. */
int lm_turn_queue_take(lm_turn_queue *queue, lm_turn_output *out);

void lm_turn_queue_clear(lm_turn_queue *queue);

#endif
