/*
 * A set of deadlines: a binary heap whose entries live inside their owners. Setting, moving and clearing a
 * deadline cost O(log n), reading the earliest O(1); nothing ever scans all owners.
 */
#ifndef LM_COMMON_DEADLINES_H
#define LM_COMMON_DEADLINES_H

#include <stddef.h>

#include "common/clock.h"

/* Embedded in its owner; zero-initialise. owner is the caller's. */
typedef struct lm_deadline {
    lm_ms at;
    size_t slot; /* 1 + index in the heap, 0: not set */
    void *owner;
} lm_deadline;

/* Zero-initialise; lm_deadlines_clear() frees. */
typedef struct lm_deadlines {
    lm_deadline **heap; /* borrowed entries */
    size_t len;
    size_t cap;
} lm_deadlines;

/* Makes room for n entries in all, so that n concurrent lm_deadlines_set() cannot fail. LM_ENOMEM. */
int lm_deadlines_reserve(lm_deadlines *d, size_t n);

/* Sets or moves a deadline; at == LM_MS_NEVER removes it. LM_ENOMEM when the heap cannot grow. */
int lm_deadlines_set(lm_deadlines *d, lm_deadline *entry, lm_ms at);

/* Takes an entry out, if it is in. Call before its owner is freed. */
void lm_deadlines_remove(lm_deadlines *d, lm_deadline *entry);

/* The earliest deadline, LM_MS_NEVER if there is none. */
lm_ms lm_deadlines_next(const lm_deadlines *d);

/* Takes out and returns one entry that is due (at <= now), the earliest first; NULL if none is. */
lm_deadline *lm_deadlines_pop(lm_deadlines *d, lm_ms now);

/* Frees the heap; the entries stay their owners'. */
void lm_deadlines_clear(lm_deadlines *d);

#endif
