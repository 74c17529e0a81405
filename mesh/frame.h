/*
 * Frames in a byte stream: a 4-byte big-endian length and so many bytes, one JSON object (mesh page, section
 * 1). And the queue of bytes that streams of all kinds stand in.
 */
#ifndef LM_MESH_FRAME_H
#define LM_MESH_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define LM_FRAME_MAX 262144 /* bytes of a frame, its length not counted */
#define LM_FRAME_HEAD 4

/* Bytes that wait, first in, first out. Zero-initialise; lm_byte_queue_clear() frees. */
typedef struct lm_byte_queue {
    uint8_t *data; /* owned */
    size_t start;  /* of the bytes in data */
    size_t len;    /* of them */
    size_t cap;
} lm_byte_queue;

/* Room for len more bytes at the end, to be filled and then counted in by q->len += len. NULL: no memory. */
uint8_t *lm_byte_queue_reserve(lm_byte_queue *q, size_t len);

/* Appends len bytes (copied). LM_ENOMEM, with nothing appended. */
int lm_byte_queue_append(lm_byte_queue *q, const void *data, size_t len);

/* The first byte; borrowed until the next change of the queue. */
const uint8_t *lm_byte_queue_head(const lm_byte_queue *q);

/* Takes len ≤ q->len bytes from the start. An empty queue keeps no large buffer. */
void lm_byte_queue_consume(lm_byte_queue *q, size_t len);

void lm_byte_queue_clear(lm_byte_queue *q);

/* Appends a frame (copied). LM_ETOOBIG: empty, or longer than LM_FRAME_MAX; LM_ENOMEM. */
int lm_frame_append(lm_byte_queue *q, const void *data, size_t len);

/*
 * 1: the queue starts with a whole frame, of *len bytes at *data (borrowed); take it by
 * lm_byte_queue_consume(q, LM_FRAME_HEAD + *len). 0: more bytes are needed. LM_ETOOBIG: it starts with a
 * length of 0, or one over LM_FRAME_MAX, and there is no going on.
 */
int lm_frame_next(const lm_byte_queue *q, const uint8_t **data, size_t *len);

#endif
