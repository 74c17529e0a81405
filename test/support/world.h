/*
 * A world of one WebRTC stack and some clients on virtual time, joined by a network with delay, loss,
 * duplication and reordering from a seed; to and from an address of TCP, as a stream, with delay alone.
 *
 *     client 10.0.0.1:1000 --+
 *     client 10.0.0.2:1000 --+-- network --- stack 192.0.2.1:3478
 *     ...                  --+
 */
#ifndef LM_TEST_WORLD_H
#define LM_TEST_WORLD_H

#include "test/support/client.h"
#include "webrtc/webrtc.h"

#define TEST_WORLD_UFRAG "luma"
#define TEST_WORLD_PWD "0123456789abcdef0123456789abcdef"
#define TEST_WORLD_CLIENTS 64

typedef struct test_world test_world;

typedef struct test_world_config {
    uint32_t seed;
    lm_ms delay;           /* one way */
    unsigned loss;         /* datagrams lost of 1,000 */
    unsigned duplicate;    /* datagrams doubled of 1,000 */
    unsigned reorder;      /* datagrams delayed by up to 4 × delay + 20 ms more, of 1,000 */
    uint32_t max_sessions; /* 0: 1000 */
    uint32_t session_rate; /* 0: no limit */
    uint32_t session_burst;
    lm_ms session_ttl;         /* 0: off */
    bool cookies;              /* every newcomer needs a DTLS cookie */
    uint32_t cookie_threshold; /* without `cookies`: half-open handshakes from which on; 0: never */
    size_t send_queues;        /* as lm_stack_config's */
    /* Called for each event of the stack, from within test_world_run(); may be NULL. */
    void (*event)(void *user, test_world *world, const lm_webrtc_output *event);
    void *user;
} test_world_config;

test_world *test_world_create(const test_world_config *config);
void test_world_destroy(test_world *world);

/*
 * A client with an address of its own, which starts at once. config may be NULL; what it leaves zero is
 * filled in.
 */
test_client *test_world_add_client(test_world *world, const test_client_config *config);

/*
 * Lets time pass until done(user) or for at most `limit` ms; returns done(user). done may be NULL: run for
 * the limit.
 */
bool test_world_run(test_world *world, bool (*done)(void *user), void *user, lm_ms limit);

/* Runs until the client's state is `state`, for at most `limit` ms. */
bool test_world_await(test_world *world, const test_client *client, test_client_state state, lm_ms limit);

/* Hands the stack one datagram as it is, from an address, now. */
void test_world_inject(test_world *world, const lm_addr *from, const uint8_t *data, size_t len);

/* The stream of a client whose address is one of TCP ends, with all that is under way in it. */
void test_world_end_stream(test_world *world, const lm_addr *client);

/*
 * Collects what the stack sends to an address that is no client's: the last datagram; NULL if there was none.
 */
const uint8_t *test_world_answer(test_world *world, size_t *len);

lm_webrtc *test_world_stack(test_world *world);
lm_ms test_world_now(const test_world *world);
const uint8_t *test_world_fingerprint(const test_world *world);

/* The relay is killed and started again with the same credentials: a new stack, which knows of no client. */
void test_world_restart(test_world *world);

/* A pseudo-random number from the world's seed, below `below`. */
uint32_t test_world_random(test_world *world, uint32_t below);

#endif
