/*
 * What a stack has to hand out: a queue in the order of happening. Each entry owns its bytes and keeps its
 * place in memory until the next one is taken, so a reader may go on calling the stack while it looks at one.
 */
#ifndef LM_WEBRTC_OUTPUT_QUEUE_H
#define LM_WEBRTC_OUTPUT_QUEUE_H

#include "webrtc/webrtc.h"

/*
 * Datagram bytes that may wait to be taken; beyond it datagrams are dropped and counted, as a full socket
 * would.
 */
#define LM_OUTPUT_QUEUE_DATAGRAM_BYTES (8u * 1024 * 1024)

typedef struct lm_output_entry lm_output_entry;

/* Zero-initialise; lm_output_queue_clear() frees. */
typedef struct lm_output_queue {
    lm_output_entry *first;
    lm_output_entry *last;
    lm_output_entry *taken;
    size_t datagram_bytes;
} lm_output_queue;

/* A datagram; data is copied. LM_ELIMIT when too many bytes wait, LM_ENOMEM. */
int lm_output_queue_send(lm_output_queue *queue, const lm_addr *remote, const lm_addr *local,
                         const uint8_t *data, size_t len);

/* Events; bytes are copied. LM_ENOMEM. */
int lm_output_queue_message(lm_output_queue *queue, lm_session_id session, const uint8_t *data, size_t len,
                            bool binary);
int lm_output_queue_open(lm_output_queue *queue, lm_session_id session);
int lm_output_queue_closed(lm_output_queue *queue, lm_session_id session, lm_close_reason reason);

/* 1: *out is the next output, borrowed until the next call of this; 0: the queue is empty. */
int lm_output_queue_take(lm_output_queue *queue, lm_webrtc_output *out);

void lm_output_queue_clear(lm_output_queue *queue);

#endif
