/*
 * The churn against a whole relay in this process, on virtual time: minutes or hours of it. In the first
 * round the relay is restarted under its clients; memory has to be the same after each later one.
 *
 *     lumamesh-soak-virtual [--seed N] [--clients N] [--rounds N] [--seconds N, of churn in a round]
 */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/certificate.h"
#include "common/error.h"
#include "relay/relay.h"
#include "test/soak/soak.h"
#include "test/support/node.h"
#include "test/support/seeded.h"
#include "test/support/virtual_time.h"
#include "webrtc/sctp.h"
#include "webrtc/stack.h"

/*
 * How much more may be allocated after a round than after the second, in bytes: tables that are fuller. A
 * leak of 32 bytes for each session of a round of 200 clients comes to as much.
 */
#define GROWTH_MAX (8 * 1024)

typedef struct world {
    soak *soak;
    uint64_t random;
    lm_ms now;
    lm_certificate cert;
    lm_private_key key;
    lm_node_config node;
    lm_relay *relay;
} world;

static void start_relay(world *w)
{
    lm_relay_config config = {.random = seeded_random(&w->random)};
    lm_webrtc *stack;
    test_node(&w->node, config.node_seed);
    config.node = w->node;
    lm_relay_limits_default(&config.limits);
    lm_stack_config stack_config = {.identity.ufrag = config.node.ufrag,
                                    .identity.pwd = config.node.pwd,
                                    .identity.cert_der = w->cert.der,
                                    .identity.cert_len = w->cert.der_len,
                                    .identity.key_der = w->key.der,
                                    .identity.key_len = w->key.der_len,
                                    .limits.max_sessions = 2 * SOAK_CLIENTS_MAX,
                                    .cookie_threshold = 64,
                                    .limits.session_ttl = 3600000,
                                    .random = config.random};
    soak_must(lm_stack_create(&stack, &stack_config) == LM_OK, "no stack");
    soak_must(lm_relay_create(&w->relay, &config, stack) == LM_OK, "no relay");
    lm_relay_set_unix_time(w->relay, w->now, 1700000000000u + w->now);
}

static void drain(world *w)
{
    lm_dgram d;
    while (lm_relay_poll(w->relay, w->now, &d) == 1)
        soak_hear(w->soak, w->now, &d);
}

static void give(void *ctx, lm_ms now, const lm_dgram *d)
{
    world *w = ctx;
    w->now = now;
    soak_must(lm_relay_input(w->relay, now, d) == LM_OK, "the relay is out of memory");
    drain(w);
}

static lm_ms let_time_pass(void *ctx, lm_ms now, lm_ms until)
{
    world *w = ctx;
    w->now = now;
    if (lm_relay_next_timeout(w->relay) <= now) {
        lm_relay_timeout(w->relay, now);
        drain(w);
        soak_settle(w->soak, now); /* SCTP's timers are those of both sides */
    }
    until = lm_ms_min(until, lm_relay_next_timeout(w->relay));
    until = lm_ms_min(until, lm_sctp_next_timeout());
    w->now = until > now ? until : now + 1;
    virtual_time_set(w->now);
    return w->now;
}

static void restart(void *ctx, unsigned round, soak_part part)
{
    world *w = ctx;
    if (round > 0 || part != SOAK_SECOND_HALF) /* later its memory is watched */
        return;
    lm_relay_destroy(w->relay);
    start_relay(w);
}

static void make_certificate(world *w)
{
    char cert_pem[LM_CERTIFICATE_PEM_SIZE], key_pem[LM_CERTIFICATE_PEM_SIZE];
    lm_random random = seeded_random(&w->random);
    const char *why;
    soak_must(lm_certificate_make(cert_pem, key_pem, &random) == LM_OK &&
                  lm_certificate_parse(&w->cert, cert_pem, strlen(cert_pem), &why) == LM_OK &&
                  lm_private_key_parse(&w->key, key_pem, strlen(key_pem), &w->cert, &random, &why) == LM_OK,
              "no certificate");
}

static void check_all_have_left(world *w)
{
    unsigned sessions = (unsigned)lm_relay_get_webrtc_stats(w->relay)->sessions;
    unsigned places = (unsigned)lm_relay_get_stats(w->relay)->members;
    if (sessions != 0 || places != 0)
        soak_fault(w->soak, "%u sessions and %u places are left", sessions, places);
}

int main(int argc, char **argv)
{
    soak_config config = {.seed = 1,
                          .clients = 200,
                          .rounds = 4,
                          .seconds = 60,
                          .silence = 60000,
                          .calm = 90000,
                          .give_up = 60000,
                          .gone = 120000};
    world w = {.now = 1000};
    size_t warm = 0;
    if (!soak_config_read(&config, argc, argv) || config.blob != NULL || config.pid != 0) {
        fprintf(stderr, "usage: lumamesh-soak-virtual [--seed N] [--clients N] [--rounds N] [--seconds N]\n");
        return 2;
    }
    w.random = config.seed + 1;
    soak_must(sodium_init() >= 0, "cannot start");
    soak_must(lm_sctp_start() == LM_OK,
              "no SCTP"); /* for all rounds, so that it is not started anew in each */
    virtual_time_set(w.now);
    make_certificate(&w);
    start_relay(&w);
    soak_relay relay = {.ufrag = w.node.ufrag,
                        .pwd = w.node.pwd,
                        .fingerprint = w.cert.fingerprint,
                        .net = 10,
                        .ctx = &w,
                        .send = give,
                        .wait = let_time_pass,
                        .begin = restart};
    soak_must(lm_addr_parse(&relay.address, "192.0.2.1:3478") == LM_OK, "no address");
    w.soak = soak_create(&config, &relay);
    for (unsigned round = 0; round < config.rounds; round++) {
        soak_play(w.soak, w.now, round, config.clients, config.seconds);
        check_all_have_left(&w);
        size_t bytes = mallinfo2().uordblks;
        soak_print(w.soak, round + 1);
        printf("%zu kB allocated, %.1f s of CPU\n", bytes / 1024, (double)clock() / CLOCKS_PER_SEC);
        fflush(stdout);
        if (round == 1)
            warm = bytes;
        if (round > 1 && bytes > warm + GROWTH_MAX)
            soak_fault(w.soak, "memory has grown from %zu to %zu bytes", warm, bytes);
    }
    int status = soak_verdict(w.soak);
    lm_relay_destroy(w.relay);
    lm_sctp_stop();
    soak_destroy(w.soak);
    lm_certificate_clear(&w.cert);
    lm_private_key_clear(&w.key);
    return status;
}
