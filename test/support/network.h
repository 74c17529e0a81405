/*
 * A network that delays, loses, doubles and reorders datagrams, by numbers from a seed; those of a stream it
 * delays alone. It knows time only as
 * it is told, so it lies between two cores on virtual time as well as before a real socket.
 *
 *     test_network_send() -- loss -- delay, reordering --+-- test_network_take()
 *                                \-- the same once more -+
 */
#ifndef LM_TEST_NETWORK_H
#define LM_TEST_NETWORK_H

#include "common/deadlines.h"
#include "common/dgram.h"

typedef struct test_network {
    /* Set by its owner, at any time. */
    lm_ms delay;        /* one way */
    unsigned loss;      /* datagrams lost of 1,000 */
    unsigned duplicate; /* datagrams doubled of 1,000 */
    unsigned reorder;   /* datagrams delayed by up to 4 x delay + 20 ms more, of 1,000 */
    uint64_t *random;   /* the generator's state, borrowed */
    /* Its own. */
    lm_deadlines flights;
    uint64_t order;
    uint64_t sent, lost, doubled, reordered;
} test_network;

/* A datagram under way. */
typedef struct test_flight {
    lm_deadline deadline;
    lm_dgram dgram; /* as the receiver sees it: remote is the sender */
    uint8_t bytes[];
} test_flight;

/* Sends a datagram, copied, as its sender sees it. Aborts when memory runs out. */
void test_network_send(test_network *network, lm_ms now, const lm_dgram *dgram);

/* Drops what is under way to or from an address. */
void test_network_cut(test_network *network, const lm_addr *address);

/* Takes out one that has arrived, the earliest first, NULL if none has; free() it. */
test_flight *test_network_take(test_network *network, lm_ms now);

/* When the next one arrives, LM_MS_NEVER if none is under way. */
lm_ms test_network_next(const test_network *network);

/* Frees what is under way. */
void test_network_clear(test_network *network);

#endif
