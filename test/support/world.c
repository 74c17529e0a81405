#include "test/support/world.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/certificate.h"
#include "common/error.h"
#include "test/support/network.h"
#include "test/support/seeded.h"
#include "test/support/virtual_time.h"
#include "webrtc/sctp.h"
#include "webrtc/stack.h"

struct test_world {
    test_world_config config;
    lm_webrtc *stack;
    lm_addr address;
    uint64_t random_state;
    lm_ms now;
    test_network network;
    test_client *clients[TEST_WORLD_CLIENTS];
    lm_addr addresses[TEST_WORLD_CLIENTS]; /* as the client's datagrams come in, kept up when it moves */
    char ufrags[TEST_WORLD_CLIENTS][16];
    size_t client_count;
    uint8_t answer[2048];
    size_t answer_len;
};

/* Of all worlds: making it takes longer than a handshake. */
static lm_certificate cert;
static lm_private_key key;

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "test world: %s\n", what);
    abort();
}

uint32_t test_world_random(test_world *w, uint32_t below)
{
    return seeded_draw(&w->random_state, below);
}

static void make_certificate(void)
{
    char cert_pem[LM_CERTIFICATE_PEM_SIZE], key_pem[LM_CERTIFICATE_PEM_SIZE];
    uint64_t state = 1;
    lm_random random = seeded_random(&state);
    const char *why;
    must(lm_certificate_make(cert_pem, key_pem, &random) == LM_OK &&
             lm_certificate_parse(&cert, cert_pem, strlen(cert_pem), &why) == LM_OK &&
             lm_private_key_parse(&key, key_pem, strlen(key_pem), &cert, &random, &why) == LM_OK,
         "certificate");
}

static void make_stack(test_world *w)
{
    lm_stack_config stack = {
        .identity.ufrag = TEST_WORLD_UFRAG,
        .identity.pwd = TEST_WORLD_PWD,
        .identity.cert_der = cert.der,
        .identity.cert_len = cert.der_len,
        .identity.key_der = key.der,
        .identity.key_len = key.der_len,
        .limits.max_sessions = w->config.max_sessions ? w->config.max_sessions : 1000,
        .limits.session_rate = w->config.session_rate,
        .limits.session_burst = w->config.session_burst,
        .limits.session_ttl = w->config.session_ttl,
        .send_queues = w->config.send_queues,
        .cookie_threshold = w->config.cookies            ? 0
                            : w->config.cookie_threshold ? w->config.cookie_threshold
                                                         : UINT32_MAX,
        .random = seeded_random(&w->random_state),
    };
    must(lm_stack_create(&w->stack, &stack) == LM_OK, "stack");
}

test_world *test_world_create(const test_world_config *config)
{
    test_world *w = calloc(1, sizeof *w);
    must(w != NULL && sodium_init() >= 0, "out of memory");
    if (config != NULL)
        w->config = *config;
    w->random_state = w->config.seed;
    w->network = (test_network){.delay = w->config.delay,
                                .loss = w->config.loss,
                                .duplicate = w->config.duplicate,
                                .reorder = w->config.reorder,
                                .random = &w->random_state};
    w->now = 1000;
    must(lm_addr_parse(&w->address, "192.0.2.1:3478") == LM_OK, "address");

    if (cert.der == NULL)
        make_certificate();
    make_stack(w);
    return w;
}

void test_world_restart(test_world *w)
{
    lm_webrtc_destroy(w->stack);
    make_stack(w);
}

void test_world_destroy(test_world *w)
{
    for (size_t i = 0; i < w->client_count; i++)
        test_client_destroy(w->clients[i]);
    test_network_clear(&w->network);
    lm_webrtc_destroy(w->stack);
    free(w);
}

test_client *test_world_add_client(test_world *w, const test_client_config *given)
{
    test_client_config config = {0};
    size_t i = w->client_count++;
    uint8_t ip[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)(i + 1)};
    must(i < TEST_WORLD_CLIENTS, "too many clients");
    if (given != NULL)
        config = *given;
    snprintf(w->ufrags[i], sizeof w->ufrags[i], "c%03zu", i);
    if (config.ufrag == NULL)
        config.ufrag = w->ufrags[i];
    if (config.relay_ufrag == NULL)
        config.relay_ufrag = TEST_WORLD_UFRAG;
    if (config.relay_pwd == NULL)
        config.relay_pwd = TEST_WORLD_PWD;
    if (config.local.family == LM_AF_NONE)
        lm_addr_set(&config.local, ip, sizeof ip, 1000);
    config.relay = w->address;
    config.random = seeded_random(&w->random_state);
    w->addresses[i] = config.local;
    return w->clients[i] = test_client_create(&config);
}

/* Takes everything that stack and clients have to give. */
static void drain(test_world *w)
{
    lm_webrtc_output out;
    lm_dgram d;
    while (lm_webrtc_poll(w->stack, &out) == 1) {
        if (out.kind == LM_WEBRTC_SEND)
            test_network_send(&w->network, w->now, &out.send);
        else if (w->config.event != NULL)
            w->config.event(w->config.user, w, &out);
    }
    for (size_t i = 0; i < w->client_count; i++) {
        while (test_client_poll(w->clients[i], &d) == 1) {
            w->addresses[i] = d.local;
            d.remote.transport = d.local.transport;
            test_network_send(&w->network, w->now, &d);
        }
    }
}

static void land(test_world *w, const lm_dgram *d)
{
    lm_addr to = d->local;
    to.transport = LM_UDP;
    if (lm_addr_equal(&to, &w->address)) {
        must(lm_webrtc_input(w->stack, w->now, d) == LM_OK, "input");
        return;
    }
    for (size_t i = 0; i < w->client_count; i++) {
        if (lm_addr_equal(&w->addresses[i], &d->local)) {
            test_client_input(w->clients[i], w->now, d);
            return;
        }
    }
    w->answer_len = d->len < sizeof w->answer ? d->len : sizeof w->answer;
    memcpy(w->answer, d->data, w->answer_len);
}

/* Lets everything happen that is due now. */
static void turn(test_world *w)
{
    virtual_time_set(w->now);
    drain(w);
    for (test_flight *f; (f = test_network_take(&w->network, w->now)) != NULL;) {
        land(w, &f->dgram);
        free(f);
        drain(w);
    }
    for (size_t i = 0; i < w->client_count; i++)
        if (test_client_next_timeout(w->clients[i]) <= w->now)
            test_client_timeout(w->clients[i], w->now);
    if (lm_webrtc_next_timeout(w->stack) <= w->now)
        lm_webrtc_timeout(w->stack, w->now);
    drain(w);
}

static lm_ms next_event(const test_world *w)
{
    lm_ms at = lm_webrtc_next_timeout(w->stack);
    at = lm_ms_min(at, lm_sctp_next_timeout());
    at = lm_ms_min(at, test_network_next(&w->network));
    for (size_t i = 0; i < w->client_count; i++)
        at = lm_ms_min(at, test_client_next_timeout(w->clients[i]));
    return at;
}

bool test_world_run(test_world *w, bool (*done)(void *user), void *user, lm_ms limit)
{
    lm_ms end = w->now + limit;
    for (;;) {
        turn(w);
        if (done != NULL && done(user))
            return true;
        lm_ms at = next_event(w);
        if (w->now >= end)
            return done == NULL;
        if (at > end)
            at = end;
        w->now = at > w->now ? at : w->now + 1;
    }
}

struct awaited {
    const test_client *client;
    test_client_state state;
};

static bool is_awaited(void *user)
{
    const struct awaited *awaited = user;
    return test_client_get_state(awaited->client) == awaited->state;
}

bool test_world_await(test_world *w, const test_client *client, test_client_state state, lm_ms limit)
{
    struct awaited awaited = {.client = client, .state = state};
    return test_world_run(w, is_awaited, &awaited, limit);
}

void test_world_inject(test_world *w, const lm_addr *from, const uint8_t *data, size_t len)
{
    lm_dgram d = {.remote = *from, .local = w->address, .data = data, .len = len};
    d.local.transport = from->transport;
    must(lm_webrtc_input(w->stack, w->now, &d) == LM_OK, "input");
    drain(w);
}

void test_world_end_stream(test_world *w, const lm_addr *client)
{
    lm_addr local = w->address;
    local.transport = client->transport;
    test_network_cut(&w->network, client);
    lm_webrtc_path_closed(w->stack, client, &local);
}

const uint8_t *test_world_answer(test_world *w, size_t *len)
{
    *len = w->answer_len;
    w->answer_len = 0;
    return *len > 0 ? w->answer : NULL;
}

lm_webrtc *test_world_stack(test_world *w)
{
    return w->stack;
}

lm_ms test_world_now(const test_world *w)
{
    return w->now;
}

const uint8_t *test_world_fingerprint(const test_world *w)
{
    (void)w;
    return cert.fingerprint;
}
