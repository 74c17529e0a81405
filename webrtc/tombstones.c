#include "webrtc/tombstones.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/table.h"

#define HASH_LEN 16

typedef struct lm_tombstone {
    uint8_t hash[HASH_LEN];
    lm_ms seen;
    UT_hash_handle hh;
} lm_tombstone;

void lm_tombstones_init(lm_tombstones *t, const lm_random *random)
{
    lm_random_fill(random, t->secret, sizeof t->secret);
}

/*
 * One by one on the heap, small and long-lived among the large memory of sessions, they would keep its pages
 * from going back to the system. In a pool they lie together, and a page of it is touched only once it is
 * needed.
 */
static lm_tombstone *take(lm_tombstones *t)
{
    lm_tombstone *entry = t->unused;
    if (entry != NULL) {
        t->unused = entry->hh.next;
    } else {
        if (t->pool == NULL && (t->pool = calloc(LM_TOMBSTONES_MAX, sizeof *t->pool)) == NULL)
            return NULL;
        if (t->pool_used == LM_TOMBSTONES_MAX)
            return NULL;
        entry = &t->pool[t->pool_used++];
    }
    memset(entry, 0, sizeof *entry);
    return entry;
}

static void give(lm_tombstones *t, lm_tombstone *entry)
{
    entry->hh.next = t->unused;
    t->unused = entry;
}

static lm_tombstone *find(const lm_tombstones *t, const uint8_t hash[HASH_LEN])
{
    lm_tombstone *entry;
    HASH_FIND(hh, t->entries, hash, HASH_LEN, entry);
    return entry;
}

static void hash_key(const lm_tombstones *t, const uint8_t *key, size_t len, uint8_t hash[HASH_LEN])
{
    crypto_generichash(hash, HASH_LEN, key, len, t->secret, sizeof t->secret);
}

/* The oldest one goes when it has been silent for its time, or when there is no room for another. */
static void forget_old(lm_tombstones *t, lm_ms now)
{
    lm_tombstone *oldest;
    while ((oldest = t->entries) != NULL &&
           (now >= oldest->seen + LM_TOMBSTONE_KEPT || HASH_COUNT(t->entries) >= LM_TOMBSTONES_MAX)) {
        HASH_DEL(t->entries, oldest);
        give(t, oldest);
    }
}

/* Puts it at the end of the order of insertion, where the one heard from last is. */
static void append(lm_tombstones *t, lm_ms now, lm_tombstone *entry)
{
    entry->seen = now;
    HASH_ADD(hh, t->entries, hash, HASH_LEN, entry);
    if (entry->hh.tbl == NULL)
        give(t, entry);
}

void lm_tombstones_add(lm_tombstones *t, lm_ms now, const uint8_t *key, size_t len)
{
    uint8_t hash[HASH_LEN];
    hash_key(t, key, len, hash);
    lm_tombstone *entry = find(t, hash);
    if (entry != NULL) {
        HASH_DEL(t->entries, entry);
    } else {
        forget_old(t, now);
        if ((entry = take(t)) == NULL)
            return;
        memcpy(entry->hash, hash, HASH_LEN);
    }
    append(t, now, entry);
}

bool lm_tombstones_has(lm_tombstones *t, lm_ms now, const uint8_t *key, size_t len)
{
    uint8_t hash[HASH_LEN];
    if (t->entries == NULL)
        return false;
    hash_key(t, key, len, hash);
    lm_tombstone *entry = find(t, hash);
    if (entry == NULL)
        return false;
    HASH_DEL(t->entries, entry);
    if (now >= entry->seen + LM_TOMBSTONE_KEPT) {
        give(t, entry);
        return false;
    }
    append(t, now, entry);
    return true;
}

size_t lm_tombstones_count(const lm_tombstones *t)
{
    return HASH_COUNT(t->entries);
}

void lm_tombstones_clear(lm_tombstones *t)
{
    HASH_CLEAR(hh, t->entries);
    free(t->pool);
    t->pool = t->unused = NULL;
    t->pool_used = 0;
}
