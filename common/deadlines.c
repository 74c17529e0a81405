#include "common/deadlines.h"

#include <stdlib.h>

#include "common/error.h"

static void place(lm_deadlines *d, size_t index, lm_deadline *entry)
{
    d->heap[index] = entry;
    entry->slot = index + 1;
}

static void sift_up(lm_deadlines *d, size_t index)
{
    lm_deadline *entry = d->heap[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (d->heap[parent]->at <= entry->at)
            break;
        place(d, index, d->heap[parent]);
        index = parent;
    }
    place(d, index, entry);
}

static void sift_down(lm_deadlines *d, size_t index)
{
    lm_deadline *entry = d->heap[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= d->len)
            break;
        if (child + 1 < d->len && d->heap[child + 1]->at < d->heap[child]->at)
            child++;
        if (entry->at <= d->heap[child]->at)
            break;
        place(d, index, d->heap[child]);
        index = child;
    }
    place(d, index, entry);
}

int lm_deadlines_reserve(lm_deadlines *d, size_t n)
{
    if (n <= d->cap)
        return LM_OK;
    lm_deadline **heap = realloc(d->heap, n * sizeof *heap);
    if (heap == NULL)
        return LM_ENOMEM;
    d->heap = heap;
    d->cap = n;
    return LM_OK;
}

int lm_deadlines_set(lm_deadlines *d, lm_deadline *entry, lm_ms at)
{
    if (at == LM_MS_NEVER) {
        lm_deadlines_remove(d, entry);
        return LM_OK;
    }
    if (entry->slot == 0) {
        if (d->len == d->cap && lm_deadlines_reserve(d, d->cap ? 2 * d->cap : 16) != LM_OK)
            return LM_ENOMEM;
        entry->at = at;
        place(d, d->len++, entry);
        sift_up(d, entry->slot - 1);
        return LM_OK;
    }
    lm_ms before = entry->at;
    entry->at = at;
    if (at < before)
        sift_up(d, entry->slot - 1);
    else
        sift_down(d, entry->slot - 1);
    return LM_OK;
}

void lm_deadlines_remove(lm_deadlines *d, lm_deadline *entry)
{
    if (entry->slot == 0)
        return;
    size_t index = entry->slot - 1;
    entry->slot = 0;
    lm_deadline *last = d->heap[--d->len];
    if (last == entry)
        return;
    place(d, index, last);
    sift_up(d, index);
    sift_down(d, last->slot - 1);
}

lm_ms lm_deadlines_next(const lm_deadlines *d)
{
    return d->len ? d->heap[0]->at : LM_MS_NEVER;
}

lm_deadline *lm_deadlines_pop(lm_deadlines *d, lm_ms now)
{
    if (d->len == 0 || d->heap[0]->at > now)
        return NULL;
    lm_deadline *entry = d->heap[0];
    lm_deadlines_remove(d, entry);
    return entry;
}

void lm_deadlines_clear(lm_deadlines *d)
{
    for (size_t i = 0; i < d->len; i++)
        d->heap[i]->slot = 0;
    free(d->heap);
    *d = (lm_deadlines){0};
}
