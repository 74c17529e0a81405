#include "webrtc/output_queue.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"

struct lm_output_entry {
    lm_output_entry *next;
    lm_webrtc_output output;
    uint8_t bytes[];
};

/* Appends an entry with a copy of the bytes; the caller fills in its output. NULL if memory ran out. */
static lm_output_entry *append(lm_output_queue *queue, lm_webrtc_output_kind kind, lm_session_id session,
                               const uint8_t *data, size_t len)
{
    lm_output_entry *entry = malloc(sizeof *entry + len);
    if (entry == NULL)
        return NULL;
    entry->next = NULL;
    entry->output = (lm_webrtc_output){.kind = kind, .session = session};
    if (len > 0)
        memcpy(entry->bytes, data, len);
    if (queue->last != NULL)
        queue->last->next = entry;
    else
        queue->first = entry;
    queue->last = entry;
    return entry;
}

int lm_output_queue_send(lm_output_queue *queue, const lm_addr *remote, const lm_addr *local,
                         const uint8_t *data, size_t len)
{
    if (queue->datagram_bytes + len > LM_OUTPUT_QUEUE_DATAGRAM_BYTES)
        return LM_ELIMIT;
    lm_output_entry *entry = append(queue, LM_WEBRTC_SEND, LM_SESSION_NONE, data, len);
    if (entry == NULL)
        return LM_ENOMEM;
    entry->output.send = (lm_dgram){.remote = *remote, .local = *local, .data = entry->bytes, .len = len};
    queue->datagram_bytes += len;
    return LM_OK;
}

int lm_output_queue_message(lm_output_queue *queue, lm_session_id session, const uint8_t *data, size_t len,
                            bool binary)
{
    lm_output_entry *entry = append(queue, LM_WEBRTC_MESSAGE, session, data, len);
    if (entry == NULL)
        return LM_ENOMEM;
    entry->output.message.data = (const char *)entry->bytes;
    entry->output.message.len = len;
    entry->output.message.binary = binary;
    return LM_OK;
}

int lm_output_queue_open(lm_output_queue *queue, lm_session_id session)
{
    return append(queue, LM_WEBRTC_OPEN, session, NULL, 0) != NULL ? LM_OK : LM_ENOMEM;
}

int lm_output_queue_closed(lm_output_queue *queue, lm_session_id session, lm_close_reason reason)
{
    lm_output_entry *entry = append(queue, LM_WEBRTC_CLOSED, session, NULL, 0);
    if (entry == NULL)
        return LM_ENOMEM;
    entry->output.closed = reason;
    return LM_OK;
}

int lm_output_queue_take(lm_output_queue *queue, lm_webrtc_output *out)
{
    free(queue->taken);
    lm_output_entry *entry = queue->taken = queue->first;
    if (entry == NULL)
        return 0;
    queue->first = entry->next;
    if (queue->first == NULL)
        queue->last = NULL;
    if (entry->output.kind == LM_WEBRTC_SEND)
        queue->datagram_bytes -= entry->output.send.len;
    *out = entry->output;
    return 1;
}

void lm_output_queue_clear(lm_output_queue *queue)
{
    lm_webrtc_output ignored;
    while (lm_output_queue_take(queue, &ignored))
        ;
}
