/*
 * A whole relay and a crowd of clients for minutes or hours of virtual time, in one process: they come, join,
 * signal, move, fall silent, come back as the same peer or another, over a network that loses, doubles and
 * reorders; in the first round the relay is restarted under them. Checked: what test/soak/member.h says; at
 * the end of each round that everybody who is there hears everybody else; and that memory is the same after
 * each round.
 *
 *     soak [--seed N] [--clients N] [--rounds N] [--seconds N, of churn in a round]
 *
 *     member 10.0.0.1 --+
 *     member 10.0.0.2 --+-- loss, duplication, reordering -- relay 192.0.2.1:3478
 *     ...             --+
 */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "common/certificate.h"
#include "common/deadlines.h"
#include "common/error.h"
#include "relay/relay.h"
#include "test/soak/member.h"
#include "test/support/node.h"
#include "webrtc/sctp.h"
#include "webrtc/stack.h"

#define CLIENTS_MAX 2000
#define LOSS 20 /* of 1,000 */
#define DUPLICATE 20
#define REORDER 30
#define DELAY 15 /* ms one way */

/*
 * How much more may be allocated after a round than after the second, in bytes: tables that are fuller. A
 * leak of 32 bytes for each session of a round of 200 clients comes to as much.
 */
#define GROWTH_MAX (8 * 1024)

/* A datagram under way. */
typedef struct flight {
    lm_deadline deadline;
    bool to_relay;
    unsigned member; /* where it goes, or comes from */
    lm_addr client;
    size_t len;
    uint8_t bytes[];
} flight;

typedef struct soak {
    unsigned clients, rounds, seconds;
    uint64_t seed, random;
    lm_ms now;
    uint64_t order; /* flights that arrive at one time keep the order in which they left */
    lm_addr address;
    lm_certificate cert;
    lm_private_key key;
    lm_node_config node;
    lm_relay *relay;
    lm_deadlines flights;
    bool churning;
    soak_totals totals;
    soak_member members[CLIENTS_MAX];
    lm_ms next_act[CLIENTS_MAX];
} soak;

static lm_ms virtual_now;

/* usrsctp asks the wall clock how long a chunk has been outstanding: on virtual time it gets a virtual one.
 */
int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    (void)tz;
    tv->tv_sec = (time_t)(1700000000 + virtual_now / 1000);
    tv->tv_usec = (suseconds_t)(virtual_now % 1000 * 1000);
    return 0;
}

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "soak: %s\n", what);
    abort();
}

static void fill_random(void *ctx, void *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (uint8_t)soak_draw(ctx, 256);
}

/* --- the relay --- */

static void start_relay(soak *s)
{
    lm_random random = {.fill = fill_random, .ctx = &s->random};
    lm_relay_config config = {.random = random};
    lm_webrtc *stack;
    test_node(&s->node, config.node_seed);
    config.node = s->node;
    lm_relay_limits_default(&config.limits);
    lm_stack_config stack_config = {.identity.ufrag = config.node.ufrag,
                                    .identity.pwd = config.node.pwd,
                                    .identity.cert_der = s->cert.der,
                                    .identity.cert_len = s->cert.der_len,
                                    .identity.key_der = s->key.der,
                                    .identity.key_len = s->key.der_len,
                                    .limits.max_sessions = 2 * CLIENTS_MAX,
                                    .cookie_threshold = 64,
                                    .limits.session_ttl = 3600000,
                                    .random = random};
    must(lm_stack_create(&stack, &stack_config) == LM_OK, "no stack");
    must(lm_relay_create(&s->relay, &config, stack) == LM_OK, "no relay");
    lm_relay_set_unix_time(s->relay, s->now, 1700000000000u + s->now);
}

/* --- the network --- */

static void launch_once(soak *s, unsigned member, const lm_addr *client, const lm_dgram *d, bool to_relay)
{
    lm_ms at = s->now + DELAY;
    if (soak_draw(&s->random, 1000) < REORDER)
        at += soak_draw(&s->random, 4 * DELAY);
    flight *f = calloc(1, sizeof *f + d->len);
    must(f != NULL, "out of memory");
    f->deadline.owner = f;
    f->to_relay = to_relay;
    f->member = member;
    f->client = *client;
    f->len = d->len;
    memcpy(f->bytes, d->data, d->len);
    must(lm_deadlines_set(&s->flights, &f->deadline, at << 24 | (s->order++ & 0xFFFFFF)) == LM_OK,
         "no memory");
}

static void launch(soak *s, unsigned member, const lm_addr *client, const lm_dgram *d, bool to_relay)
{
    if (soak_draw(&s->random, 1000) < LOSS)
        return;
    launch_once(s, member, client, d, to_relay);
    if (soak_draw(&s->random, 1000) < DUPLICATE)
        launch_once(s, member, client, d, to_relay);
}

/* The number of the member stands in the last three bytes of its address, whatever its first is. */
static unsigned member_at(const lm_addr *addr)
{
    return (unsigned)addr->ip[1] << 16 | (unsigned)addr->ip[2] << 8 | addr->ip[3];
}

static void set_address(soak_member *m, uint8_t first, uint16_t port)
{
    uint8_t ip[4] = {first, 0, (uint8_t)(m->number >> 8), (uint8_t)m->number};
    lm_addr_set(&m->address, ip, sizeof ip, port);
}

static void drain_member(soak *s, soak_member *m)
{
    lm_dgram d;
    while (m->client != NULL && test_client_poll(m->client, &d) == 1)
        launch(s, m->number, &d.local, &d, true);
}

static void drain_relay(soak *s)
{
    lm_dgram d;
    while (lm_relay_poll(s->relay, s->now, &d) == 1) {
        unsigned member = member_at(&d.remote);
        if (member < s->clients)
            launch(s, member, &d.remote, &d, false);
    }
}

/* Lets a member do what follows from what it was given; one whose client has ended comes back in a while. */
static void settle_member(soak *s, soak_member *m)
{
    bool lives = soak_member_step(m, s->now);
    drain_member(s, m);
    if (m->client == NULL || lives)
        return;
    soak_member_forget(m);
    s->next_act[m->number] = s->now + soak_draw(&s->random, 4000);
}

static void land(soak *s, flight *f)
{
    soak_member *m = &s->members[f->member];
    lm_dgram d = {.data = f->bytes, .len = f->len};
    if (f->to_relay) {
        d.remote = f->client;
        d.local = s->address;
        must(lm_relay_input(s->relay, s->now, &d) == LM_OK, "the relay is out of memory");
        drain_relay(s);
    } else if (m->client != NULL && lm_addr_equal(&m->address, &f->client)) {
        d.remote = s->address;
        d.local = f->client;
        test_client_input(m->client, s->now, &d);
        settle_member(s, m);
    }
}

/* --- what members do --- */

static void come(soak *s, soak_member *m)
{
    if (soak_draw(&s->random, 4) == 0) /* as somebody else */
        fill_random(&s->random, m->key, sizeof m->key);
    set_address(m, 10, (uint16_t)(1024 + soak_draw(&s->random, 60000)));
    soak_member_come(m, &(test_client_config){.relay_ufrag = s->node.ufrag,
                                              .relay_pwd = s->node.pwd,
                                              .relay = s->address,
                                              .large_hello = soak_draw(&s->random, 2) == 0,
                                              .nominate_once = soak_draw(&s->random, 2) == 0,
                                              .fingerprint = s->cert.fingerprint,
                                              .random = {.fill = fill_random, .ctx = &s->random}});
}

static void act(soak *s, soak_member *m)
{
    unsigned dice = soak_draw(&s->random, 1000);
    s->next_act[m->number] = s->now + 200 + soak_draw(&s->random, 1600);
    if (m->client == NULL) {
        come(s, m);
    } else if (s->churning && dice < 3) { /* a page is closed */
        test_client_close(m->client, s->now);
        drain_member(s, m);
        soak_member_forget(m);
        s->next_act[m->number] = s->now + soak_draw(&s->random, 5000);
    } else if (s->churning && dice < 6) { /* a tab is closed: without a word, for a while */
        soak_member_forget(m);
        s->next_act[m->number] = s->now + soak_draw(&s->random, 60000);
    } else if (s->churning && dice < 10) {
        set_address(m, (uint8_t)(10 + soak_draw(&s->random, 50)), (uint16_t)(1024 + dice));
        test_client_move(m->client, &m->address);
    } else if (s->churning && dice < 40) {
        soak_member_toggle(m, s->now, soak_draw(&s->random, SOAK_ROOMS));
    } else if (s->churning) {
        soak_member_signal(m, s->now,
                           dice > 990 ? soak_draw(&s->random, 20000) : soak_draw(&s->random, 1200));
    }
    if (m->client != NULL)
        settle_member(s, m);
}

/* --- time --- */

static void turn(soak *s)
{
    virtual_now = s->now;
    for (lm_deadline *due; (due = lm_deadlines_pop(&s->flights, ((s->now + 1) << 24) - 1)) != NULL;) {
        land(s, due->owner);
        free(due->owner);
    }
    for (unsigned i = 0; i < s->clients; i++) {
        soak_member *m = &s->members[i];
        if (m->client != NULL && test_client_next_timeout(m->client) <= s->now) {
            test_client_timeout(m->client, s->now);
            settle_member(s, m);
        }
        if (s->next_act[i] <= s->now)
            act(s, m);
    }
    if (lm_relay_next_timeout(s->relay) <= s->now) {
        lm_relay_timeout(s->relay, s->now);
        drain_relay(s);
        for (unsigned i = 0; i < s->clients; i++) /* SCTP's timers are those of both sides */
            if (s->members[i].client != NULL)
                settle_member(s, &s->members[i]);
    }
    lm_ms next = lm_ms_min(lm_deadlines_next(&s->flights) >> 24, lm_relay_next_timeout(s->relay));
    next = lm_ms_min(next, lm_sctp_next_timeout());
    s->now = next > s->now && next < s->now + 5 ? next : next <= s->now ? s->now + 1 : s->now + 5;
}

static void run(soak *s, lm_ms ms)
{
    for (lm_ms end = s->now + ms; s->now < end;)
        turn(s);
}

static unsigned unwhole(const soak *s, uint32_t marker)
{
    unsigned count = 0;
    for (unsigned i = 0; i < s->clients; i++)
        count += !soak_member_is_whole(&s->members[i], marker);
    return count;
}

/* All who are there say so to everybody, and everybody must hear it. */
static void check_all_are_heard(soak *s, uint32_t marker)
{
    run(s, 90000); /* who is silent is given up, who is away comes back */
    for (unsigned i = 0; i < s->clients; i++) {
        must(s->members[i].client != NULL, "a member is away though nobody is to be");
        soak_member_mark(&s->members[i], s->now, marker);
        drain_member(s, &s->members[i]);
    }
    for (int i = 0; i < 60 && unwhole(s, marker) > 0; i++)
        run(s, 1000);
    if (unwhole(s, marker) > 0) {
        fprintf(stderr, "soak: %u members have not heard everybody\n", unwhole(s, marker));
        s->totals.faults++;
    }
}

static void everybody_leaves(soak *s)
{
    for (unsigned i = 0; i < s->clients; i++) {
        soak_member *m = &s->members[i];
        if (m->client != NULL)
            test_client_close(m->client, s->now);
        drain_member(s, m);
        soak_member_forget(m);
        s->next_act[i] = LM_MS_NEVER;
    }
    run(s, 120000);
}

static void restart(soak *s)
{
    lm_relay_destroy(s->relay);
    start_relay(s);
}

static size_t play_round(soak *s, unsigned round)
{
    for (unsigned i = 0; i < s->clients; i++)
        s->next_act[i] = s->now + soak_draw(&s->random, 5000);
    s->churning = true;
    run(s, (lm_ms)s->seconds * 500);
    if (round == 0)
        restart(s); /* all of them are zombies now; later on its memory is watched */
    run(s, (lm_ms)s->seconds * 500);
    s->churning = false;
    check_all_are_heard(s, round + 1);
    everybody_leaves(s);
    const lm_webrtc_stats *stats = lm_relay_get_webrtc_stats(s->relay);
    if (stats->sessions != 0 || lm_relay_get_stats(s->relay)->members != 0) {
        fprintf(stderr, "soak: %u sessions and %u places are left\n", (unsigned)stats->sessions,
                (unsigned)lm_relay_get_stats(s->relay)->members);
        s->totals.faults++;
    }
    return mallinfo2().uordblks;
}

static void make_certificate(soak *s)
{
    char cert_pem[LM_CERTIFICATE_PEM_SIZE], key_pem[LM_CERTIFICATE_PEM_SIZE];
    lm_random random = {.fill = fill_random, .ctx = &s->random};
    const char *why;
    must(lm_certificate_make(cert_pem, key_pem, &random) == LM_OK &&
             lm_certificate_parse(&s->cert, cert_pem, strlen(cert_pem), &why) == LM_OK &&
             lm_private_key_parse(&s->key, key_pem, strlen(key_pem), &s->cert, &random, &why) == LM_OK,
         "no certificate");
}

static void make_members(soak *s)
{
    for (unsigned i = 0; i < s->clients; i++) {
        soak_member *m = &s->members[i];
        m->number = i;
        m->totals = &s->totals;
        m->random = &s->random;
        fill_random(&s->random, m->key, sizeof m->key);
        for (unsigned room = 0; room < 2; room++)
            m->rooms[soak_draw(&s->random, SOAK_ROOMS)].wanted = true;
    }
}

static bool read_arguments(soak *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        unsigned long long value = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        if (value == 0)
            return false;
        if (strcmp(argv[i], "--seed") == 0)
            s->seed = value;
        else if (strcmp(argv[i], "--clients") == 0)
            s->clients = (unsigned)value;
        else if (strcmp(argv[i], "--rounds") == 0)
            s->rounds = (unsigned)value;
        else if (strcmp(argv[i], "--seconds") == 0)
            s->seconds = (unsigned)value;
        else
            return false;
    }
    return s->clients <= CLIENTS_MAX;
}

int main(int argc, char **argv)
{
    static soak s = {.clients = 200, .rounds = 4, .seconds = 60, .seed = 1, .now = 1000};
    size_t warm = 0;
    if (!read_arguments(&s, argc, argv)) {
        fprintf(stderr, "usage: soak [--seed N] [--clients N] [--rounds N] [--seconds N]\n");
        return 2;
    }
    s.random = s.seed;
    must(sodium_init() >= 0 && lm_addr_parse(&s.address, "192.0.2.1:3478") == LM_OK, "cannot start");
    must(lm_sctp_start() == LM_OK, "no SCTP"); /* for all rounds, so that it is not started anew in each */
    make_certificate(&s);
    make_members(&s);
    start_relay(&s);
    for (unsigned round = 0; round < s.rounds; round++) {
        size_t bytes = play_round(&s, round);
        printf("round %u: %llu sessions, %llu refused as over, %llu signals sent, %llu heard, %llu to peers "
               "that "
               "had gone, %zu kB allocated, %.1f s of CPU\n",
               round + 1, (unsigned long long)s.totals.sessions, (unsigned long long)s.totals.refused,
               (unsigned long long)s.totals.signals_sent, (unsigned long long)s.totals.signals_heard,
               (unsigned long long)s.totals.gone_peers, bytes / 1024, (double)clock() / CLOCKS_PER_SEC);
        fflush(stdout);
        if (round == 1)
            warm = bytes;
        if (round > 1 && bytes > warm + GROWTH_MAX) {
            fprintf(stderr, "soak: memory has grown from %zu to %zu bytes\n", warm, bytes);
            s.totals.faults++;
        }
    }
    lm_relay_destroy(s.relay);
    lm_sctp_stop();
    lm_deadlines_clear(&s.flights);
    lm_certificate_clear(&s.cert);
    lm_private_key_clear(&s.key);
    if (s.totals.faults > 0)
        fprintf(stderr, "soak: %llu faults with --seed %llu\n", (unsigned long long)s.totals.faults,
                (unsigned long long)s.seed);
    return s.totals.faults > 0;
}
