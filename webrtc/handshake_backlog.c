#include "webrtc/handshake_backlog.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

typedef struct lm_backlog_entry {
    struct lm_backlog_entry *next;
    lm_dgram dgram;
    uint8_t bytes[];
} lm_backlog_entry;

static lm_backlog_entry *take_first(lm_handshake_backlog *b)
{
    lm_backlog_entry *entry = b->first;
    if (entry == NULL)
        return NULL;
    b->first = entry->next;
    if (b->first == NULL)
        b->last = NULL;
    b->count--;
    return entry;
}

int lm_handshake_backlog_put(lm_handshake_backlog *b, const lm_dgram *in)
{
    int result = LM_OK;
    lm_backlog_entry *entry = malloc(sizeof *entry + in->len);
    if (entry == NULL)
        return LM_ENOMEM;
    if (b->count >= LM_HANDSHAKE_BACKLOG_MAX) {
        free(take_first(b));
        result = LM_ELIMIT;
    }
    entry->next = NULL;
    entry->dgram = *in;
    entry->dgram.data = entry->bytes;
    memcpy(entry->bytes, in->data, in->len);
    if (b->last != NULL)
        b->last->next = entry;
    else
        b->first = entry;
    b->last = entry;
    b->count++;
    return result;
}

int lm_handshake_backlog_take(lm_handshake_backlog *b, lm_dgram *out)
{
    free(b->taken);
    b->taken = take_first(b);
    if (b->taken == NULL)
        return 0;
    *out = b->taken->dgram;
    return 1;
}

void lm_handshake_backlog_clear(lm_handshake_backlog *b)
{
    lm_dgram ignored;
    while (lm_handshake_backlog_take(b, &ignored) == 1)
        ;
}
