#include "webrtc/turn_allocation.h"

#include <sodium.h>
#include <stdlib.h>

#include "common/error.h"

/* Of a vector that gets its first element. */
#define VECTOR_FIRST 4

/* What malloc, uthash and the heap of deadlines add for the five blocks and three entries of an allocation.
 */
#define OVERHEAD 512
#define USER_MAX (LM_TURN_USERNAME_MAX + sizeof(uint32_t) + sizeof(UT_hash_handle))

/* A vector that grows holds its old half for a moment; that moment is one allocation's at a time. */
_Static_assert(sizeof(lm_turn_allocation) + LM_TURN_PERMISSIONS_MAX * sizeof(lm_turn_permission) +
                       LM_TURN_CHANNELS_MAX * sizeof(lm_turn_channel) + USER_MAX + sizeof(lm_turn_output) +
                       OVERHEAD <=
                   LM_TURN_MEMORY_ALLOCATION,
               "LM_TURN_MEMORY_ALLOCATION is what an allocation takes at the most");

bool lm_turn_permits(const lm_turn_allocation *a, lm_ms now, const lm_addr *peer)
{
    for (size_t i = 0; i < a->permission_count; i++) {
        if (lm_turn_same_ip(&a->permissions[i].peer, peer))
            return a->permissions[i].expires > now;
    }
    return false;
}

lm_turn_channel *lm_turn_channel_by_number(const lm_turn_allocation *a, lm_ms now, uint16_t number)
{
    for (size_t i = 0; i < a->channel_count; i++) {
        if (a->channels[i].number == number && a->channels[i].expires > now)
            return &a->channels[i];
    }
    return NULL;
}

lm_turn_channel *lm_turn_channel_by_peer(const lm_turn_allocation *a, lm_ms now, const lm_addr *peer)
{
    for (size_t i = 0; i < a->channel_count; i++) {
        lm_turn_channel *c = &a->channels[i];
        if (c->peer.port == peer->port && lm_turn_same_ip(&c->peer, peer) && c->expires > now)
            return c;
    }
    return NULL;
}

/* Makes room for `more` elements; each doubling is a power of two, the last one the maximum. */
static int reserve(void **vector, size_t size, size_t count, size_t *cap, size_t more, size_t max)
{
    size_t wanted = *cap > 0 ? *cap : VECTOR_FIRST;
    if (count + more > max)
        return LM_ELIMIT;
    while (wanted < count + more)
        wanted *= 2;
    if (wanted == *cap)
        return LM_OK;
    void *grown = realloc(*vector, wanted * size);
    if (grown == NULL)
        return LM_ENOMEM;
    *vector = grown;
    *cap = wanted;
    return LM_OK;
}

_Static_assert((LM_TURN_PERMISSIONS_MAX & (LM_TURN_PERMISSIONS_MAX - 1)) == 0 &&
                   (LM_TURN_CHANNELS_MAX & (LM_TURN_CHANNELS_MAX - 1)) == 0,
               "a vector that doubles ends at its maximum");

int lm_turn_permissions_reserve(lm_turn_allocation *a, size_t more)
{
    void *vector = a->permissions;
    int result = reserve(&vector, sizeof *a->permissions, a->permission_count, &a->permission_cap, more,
                         LM_TURN_PERMISSIONS_MAX);
    a->permissions = vector;
    return result;
}

void lm_turn_permission_set(lm_turn_allocation *a, lm_ms now, const lm_addr *peer, lm_turn_stats *stats)
{
    lm_turn_permission *p = a->permissions, *end = p + a->permission_count;
    while (p < end && !lm_turn_same_ip(&p->peer, peer))
        p++;
    if (p == end) {
        a->permission_count++;
        stats->permissions++;
    }
    p->peer = *peer;
    p->peer.port = 0;
    p->expires = now + LM_TURN_PERMISSION_LIFETIME;
}

int lm_turn_channels_reserve(lm_turn_allocation *a, size_t more)
{
    void *vector = a->channels;
    int result =
        reserve(&vector, sizeof *a->channels, a->channel_count, &a->channel_cap, more, LM_TURN_CHANNELS_MAX);
    a->channels = vector;
    return result;
}

void lm_turn_channel_set(lm_turn_allocation *a, lm_ms now, uint16_t number, const lm_addr *peer,
                         lm_turn_stats *stats)
{
    lm_turn_channel *c = lm_turn_channel_by_number(a, now, number);
    if (c == NULL) {
        c = &a->channels[a->channel_count++];
        stats->channels++;
    }
    *c = (lm_turn_channel){.peer = *peer, .number = number, .expires = now + LM_TURN_CHANNEL_LIFETIME};
}

lm_ms lm_turn_allocation_prune(lm_turn_allocation *a, lm_ms now, lm_turn_stats *stats)
{
    lm_ms next = a->expires;
    size_t kept = 0;
    for (size_t i = 0; i < a->permission_count; i++) {
        if (a->permissions[i].expires <= now)
            continue;
        next = lm_ms_min(next, a->permissions[i].expires);
        a->permissions[kept++] = a->permissions[i];
    }
    stats->permissions -= a->permission_count - kept;
    a->permission_count = kept;
    kept = 0;
    for (size_t i = 0; i < a->channel_count; i++) {
        if (a->channels[i].expires <= now)
            continue;
        next = lm_ms_min(next, a->channels[i].expires);
        a->channels[kept++] = a->channels[i];
    }
    stats->channels -= a->channel_count - kept;
    a->channel_count = kept;
    return next;
}

void lm_turn_allocation_free(lm_turn_allocation *a, lm_turn_stats *stats)
{
    stats->permissions -= a->permission_count;
    stats->channels -= a->channel_count;
    free(a->permissions);
    free(a->channels);
    lm_turn_queued_free(a->close);
    sodium_memzero(a->key, sizeof a->key);
    free(a);
}
