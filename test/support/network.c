#include "test/support/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/seeded.h"

/* Below the arrival in a flight's deadline: those that arrive at one time keep the order in which they left.
 */
#define ORDER_BITS 24
#define ORDER_MASK ((1u << ORDER_BITS) - 1)

static void launch_at(test_network *n, lm_ms at, const lm_dgram *d)
{
    test_flight *f = calloc(1, sizeof *f + d->len);
    if (f != NULL) {
        f->deadline.owner = f;
        f->dgram = (lm_dgram){.remote = d->local, .local = d->remote, .data = f->bytes, .len = d->len};
        memcpy(f->bytes, d->data, d->len);
    }
    if (f == NULL ||
        lm_deadlines_set(&n->flights, &f->deadline, at << ORDER_BITS | (n->order++ & ORDER_MASK)) != LM_OK) {
        fprintf(stderr, "test network: out of memory\n");
        abort();
    }
}

static void launch(test_network *n, lm_ms now, const lm_dgram *d)
{
    lm_ms at = now + n->delay;
    if (seeded_draw(n->random, 1000) < n->reorder) {
        at += seeded_draw(n->random, (uint32_t)(4 * n->delay + 20));
        n->reordered++;
    }
    launch_at(n, at, d);
}

void test_network_send(test_network *n, lm_ms now, const lm_dgram *d)
{
    n->sent++;
    if (d->remote.transport != LM_UDP) { /* a stream loses nothing and keeps its order */
        launch_at(n, now + n->delay, d);
        return;
    }
    if (seeded_draw(n->random, 1000) < n->loss) {
        n->lost++;
        return;
    }
    launch(n, now, d);
    if (seeded_draw(n->random, 1000) < n->duplicate) {
        launch(n, now, d);
        n->doubled++;
    }
}

void test_network_cut(test_network *n, const lm_addr *address)
{
    for (size_t i = 0; i < n->flights.len;) {
        test_flight *f = n->flights.heap[i]->owner;
        if (!lm_addr_equal(&f->dgram.remote, address) && !lm_addr_equal(&f->dgram.local, address)) {
            i++;
            continue;
        }
        lm_deadlines_remove(&n->flights, &f->deadline);
        free(f);
        i = 0; /* the heap has moved */
    }
}

test_flight *test_network_take(test_network *n, lm_ms now)
{
    lm_deadline *due = lm_deadlines_pop(&n->flights, now << ORDER_BITS | ORDER_MASK);
    return due != NULL ? due->owner : NULL;
}

lm_ms test_network_next(const test_network *n)
{
    lm_ms next = lm_deadlines_next(&n->flights);
    return next == LM_MS_NEVER ? LM_MS_NEVER : next >> ORDER_BITS;
}

void test_network_clear(test_network *n)
{
    for (lm_deadline *due; (due = lm_deadlines_pop(&n->flights, LM_MS_NEVER)) != NULL;)
        free(due->owner);
    lm_deadlines_clear(&n->flights);
}
