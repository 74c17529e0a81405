#include "webrtc/turn_queue.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "common/error.h"

struct lm_turn_queued {
    lm_turn_queued *prev, *next;
    lm_turn_output output;
    uint8_t bytes[];
};

int lm_turn_queue_send(lm_turn_queue *queue, const lm_addr *remote, const lm_addr *local, const uint8_t *data,
                       size_t len)
{
    if (queue->bytes + sizeof(lm_turn_queued) + len > LM_TURN_QUEUE_BYTES)
        return LM_ELIMIT;
    lm_turn_queued *queued = malloc(sizeof *queued + len);
    if (queued == NULL)
        return LM_ENOMEM;
    memcpy(queued->bytes, data, len);
    queued->output = (lm_turn_output){
        .kind = LM_TURN_SEND,
        .send = {.remote = *remote, .local = *local, .data = queued->bytes, .len = len},
    };
    queue->bytes += sizeof *queued + len;
    DL_APPEND(queue->waiting, queued);
    return LM_OK;
}

lm_turn_queued *lm_turn_queued_port(lm_turn_output_kind kind)
{
    lm_turn_queued *queued = calloc(1, sizeof *queued);
    if (queued != NULL)
        queued->output.kind = kind;
    return queued;
}

void lm_turn_queued_free(lm_turn_queued *queued)
{
    free(queued);
}

void lm_turn_queue_put(lm_turn_queue *queue, lm_turn_queued *queued, const lm_addr *port)
{
    queued->output.port = *port;
    DL_APPEND(queue->waiting, queued);
}

int lm_turn_queue_take(lm_turn_queue *queue, lm_turn_output *out)
{
    lm_turn_queued_free(queue->taken);
    lm_turn_queued *queued = queue->taken = queue->waiting;
    if (queued == NULL)
        return 0;
    DL_DELETE(queue->waiting, queued);
    if (queued->output.kind == LM_TURN_SEND)
        queue->bytes -= sizeof *queued + queued->output.send.len;
    *out = queued->output;
    return 1;
}

void lm_turn_queue_clear(lm_turn_queue *queue)
{
    lm_turn_output ignored;
    while (lm_turn_queue_take(queue, &ignored))
        ;
}
