#include "mesh/frame.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/error.h"

#define KEPT_MAX                                                                               \
    1024 /* bytes of buffer that an empty queue keeps: three queues a link, of a hundred links \
          */

uint8_t *lm_byte_queue_reserve(lm_byte_queue *q, size_t len)
{
    if (q->start > 0 && (q->start >= q->len || q->start + q->len + len > q->cap)) {
        memmove(q->data, q->data + q->start, q->len);
        q->start = 0;
    }
    if (q->start + q->len + len > q->cap) {
        size_t cap = q->cap > 0 ? q->cap : 512;
        while (cap < q->len + len)
            cap *= 2;
        uint8_t *data = realloc(q->data, cap);
        if (data == NULL)
            return NULL;
        q->data = data;
        q->cap = cap;
    }
    return q->data + q->start + q->len;
}

int lm_byte_queue_append(lm_byte_queue *q, const void *data, size_t len)
{
    if (len == 0)
        return LM_OK;
    uint8_t *room = lm_byte_queue_reserve(q, len);
    if (room == NULL)
        return LM_ENOMEM;
    memcpy(room, data, len);
    q->len += len;
    return LM_OK;
}

const uint8_t *lm_byte_queue_head(const lm_byte_queue *q)
{
    return q->data == NULL ? NULL : q->data + q->start;
}

void lm_byte_queue_consume(lm_byte_queue *q, size_t len)
{
    q->start += len;
    q->len -= len;
    if (q->len > 0)
        return;
    q->start = 0;
    if (q->cap > KEPT_MAX)
        lm_byte_queue_clear(q);
}

void lm_byte_queue_clear(lm_byte_queue *q)
{
    free(q->data);
    *q = (lm_byte_queue){0};
}

int lm_frame_append(lm_byte_queue *q, const void *data, size_t len)
{
    if (len == 0 || len > LM_FRAME_MAX)
        return LM_ETOOBIG;
    uint8_t *room = lm_byte_queue_reserve(q, LM_FRAME_HEAD + len);
    if (room == NULL)
        return LM_ENOMEM;
    lm_writer w = lm_writer_init(room, LM_FRAME_HEAD + len);
    lm_write_u32(&w, (uint32_t)len);
    lm_write_bytes(&w, data, len);
    q->len += w.len;
    return LM_OK;
}

int lm_frame_next(const lm_byte_queue *q, const uint8_t **data, size_t *len)
{
    lm_reader r = lm_reader_init(lm_byte_queue_head(q), q->len);
    if (lm_reader_left(&r) < LM_FRAME_HEAD)
        return 0;
    size_t frame = lm_read_u32(&r);
    if (frame == 0 || frame > LM_FRAME_MAX)
        return LM_ETOOBIG;
    if (lm_reader_left(&r) < frame)
        return 0;
    *data = r.pos;
    *len = frame;
    return 1;
}
