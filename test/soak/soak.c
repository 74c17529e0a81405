#include "test/soak/soak.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/support/network.h"
#include "test/support/seeded.h"

#define LOSS 20 /* of 1,000 */
#define DUPLICATE 20
#define REORDER 30
#define DELAY 15            /* ms one way */
#define MARKER_LIMIT 60000  /* ms for everybody to be heard by everybody */
#define SETTLED_LIMIT 30000 /* ms for everybody to be in their rooms */
#define EXPLAINED 4         /* faults of which more is said */
#define STEP 5              /* ms at the most from one look at the members to the next */

struct soak {
    soak_config config;
    soak_relay relay;
    unsigned clients; /* of this round */
    uint64_t random;
    lm_ms now;
    lm_ms check; /* when this round is checked */
    bool churning;

    test_network network;
    soak_totals totals;
    soak_member members[SOAK_CLIENTS_MAX];
    lm_ms next_act[SOAK_CLIENTS_MAX];
};

void soak_must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "soak: %s\n", what);
    exit(1);
}

void soak_fault(soak *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("soak: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    s->totals.faults++;
}

/* --- where members are --- */

/* The number of a member stands in the last two bytes of its address, wherever it has moved. */
static soak_member *member_at(soak *s, const lm_addr *addr)
{
    unsigned number = (unsigned)addr->ip[2] << 8 | addr->ip[3];
    return number < s->clients ? &s->members[number] : NULL;
}

static void take_address(soak *s, soak_member *m, uint8_t second)
{
    uint8_t ip[4] = {s->relay.net, second, (uint8_t)(m->number >> 8), (uint8_t)m->number};
    lm_addr_set(&m->address, ip, sizeof ip, (uint16_t)(1024 + seeded_draw(&s->random, 60000)));
    if (s->relay.open != NULL)
        s->relay.open(s->relay.ctx, &m->address);
}

static void leave_address(soak *s, const soak_member *m)
{
    if (s->relay.close != NULL)
        s->relay.close(s->relay.ctx, s->now, &m->address);
}

/* --- the network --- */

static void drain_member(soak *s, soak_member *m)
{
    lm_dgram d;
    while (m->client != NULL && test_client_poll(m->client, &d) == 1)
        test_network_send(&s->network, s->now, &d);
}

static void forget(soak *s, soak_member *m, lm_ms longest, const char *why)
{
    drain_member(s, m);
    soak_member_forget(m, why);
    leave_address(s, m);
    s->next_act[m->number] = s->now + seeded_draw(&s->random, (uint32_t)longest);
}

/* Lets a member do what follows from what it was given; one whose client has ended comes back in a while. */
static void settle_member(soak *s, soak_member *m)
{
    bool lives = soak_member_step(m, s->now);
    drain_member(s, m);
    if (m->client != NULL && !lives)
        forget(s, m, 4000, "its client has ended");
}

void soak_hear(soak *s, lm_ms now, const lm_dgram *d)
{
    if (member_at(s, &d->remote) != NULL)
        test_network_send(&s->network, now, d);
}

void soak_settle(soak *s, lm_ms now)
{
    s->now = now;
    for (unsigned i = 0; i < s->clients; i++)
        if (s->members[i].client != NULL)
            settle_member(s, &s->members[i]);
}

static void land(soak *s, const lm_dgram *d)
{
    if (lm_addr_equal(&d->local, &s->relay.address)) {
        s->relay.send(s->relay.ctx, s->now, d);
        return;
    }
    soak_member *m = member_at(s, &d->local);
    if (m != NULL && m->client != NULL && lm_addr_equal(&m->address, &d->local)) {
        test_client_input(m->client, s->now, d);
        settle_member(s, m);
    }
}

/* --- what members do --- */

/* One in four comes as somebody else. */
static void come(soak *s, soak_member *m)
{
    lm_random random = seeded_random(&s->random);
    if (seeded_draw(&s->random, 4) == 0)
        lm_random_fill(&random, m->key, sizeof m->key);
    take_address(s, m, 1);
    soak_member_come(m, &(test_client_config){.relay_ufrag = s->relay.ufrag,
                                              .relay_pwd = s->relay.pwd,
                                              .relay = s->relay.address,
                                              .large_hello = seeded_draw(&s->random, 2) == 0,
                                              .nominate_once = seeded_draw(&s->random, 2) == 0,
                                              .fingerprint = s->relay.fingerprint,
                                              .random = random});
}

/* Only while there is time for the relay to give it up: at the check all who seem to be there are asked for.
 */
static bool may_fall_silent(const soak *s)
{
    return s->now + s->config.give_up <= s->check;
}

static void act(soak *s, soak_member *m)
{
    unsigned dice = seeded_draw(&s->random, 1000);
    s->next_act[m->number] = s->now + 200 + seeded_draw(&s->random, 1600);
    if (m->client == NULL) {
        come(s, m);
    } else if (s->churning && dice < 3) { /* a page is closed */
        test_client_close(m->client, s->now);
        forget(s, m, 5000, "closed");
    } else if (s->churning && dice < 6 && may_fall_silent(s)) { /* a tab is closed: without a word */
        forget(s, m, s->config.silence, "fell silent");
    } else if (s->churning && dice < 10) {
        leave_address(s, m);
        take_address(s, m, (uint8_t)(1 + seeded_draw(&s->random, 50)));
        test_client_move(m->client, &m->address);
        soak_trail_latest(&m->trail)->address = m->address;
        s->totals.moves++;
    } else if (s->churning && dice < 40) {
        soak_member_toggle(m, s->now, seeded_draw(&s->random, SOAK_ROOMS));
    } else if (s->churning) {
        soak_member_signal(m, s->now,
                           dice > 990 ? seeded_draw(&s->random, 20000) : seeded_draw(&s->random, 1200));
    }
    if (m->client != NULL)
        settle_member(s, m);
}

/* --- time --- */

static void turn(soak *s)
{
    for (test_flight *f; (f = test_network_take(&s->network, s->now)) != NULL;) {
        land(s, &f->dgram);
        free(f);
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
    lm_ms until = lm_ms_min(test_network_next(&s->network), s->now + STEP);
    s->now = s->relay.wait(s->relay.ctx, s->now, until);
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

static bool all_are_settled(const soak *s)
{
    unsigned count = 0;
    for (unsigned i = 0; i < s->clients; i++)
        count += soak_member_is_settled(&s->members[i]);
    return count == s->clients;
}

/* The member that went by an id last, or NULL. */
static const soak_member *member_called(const soak *s, const char *id, const soak_trail_session **session)
{
    const soak_member *found = NULL;
    for (unsigned i = 0; i < SOAK_CLIENTS_MAX; i++) { /* also those who are not in this round */
        const soak_trail_session *of = soak_trail_find(&s->members[i].trail, id);
        if (of != NULL && (found == NULL || of->serial > (*session)->serial)) {
            found = &s->members[i];
            *session = of;
        }
    }
    return found;
}

/* Of the first who have not heard somebody: what both sides know. */
static void explain(const soak *s, uint32_t marker)
{
    unsigned room, said = 0;
    const soak_peer *peer;
    for (unsigned i = 0; i < s->clients; i++)
        for (unsigned n = 0; (peer = soak_member_missing(&s->members[i], marker, n, &room)) != NULL; n++) {
            const soak_trail_session *session;
            if (said++ == EXPLAINED)
                return;
            soak_member_explain(&s->members[i], stderr, room, peer->id);
            const soak_member *other = member_called(s, peer->id, &session);
            if (other != NULL && strcmp(other->id, peer->id) == 0)
                soak_member_explain(other, stderr, room, s->members[i].id);
            else if (other != NULL)
                fprintf(stderr, "soak: it was member %u, which is %s now:\n", other->number, other->id);
            else
                fprintf(stderr, "soak: nobody went by the id %s of late\n", peer->id);
            if (other != NULL)
                soak_trail_print_session(stderr, s->now, session);
        }
}

/*
 * All who are there say so to everybody, and everybody must hear it. Nobody may be on the way in: who comes
 * back takes the place over that it had, and what was sent to the session before is not for it.
 */
static void check_all_are_heard(soak *s, uint32_t marker)
{
    for (lm_ms end = s->now + SETTLED_LIMIT; s->now < end && !all_are_settled(s);)
        run(s, 100);
    for (unsigned i = 0; i < s->clients; i++) {
        if (s->members[i].client == NULL)
            soak_fault(s, "member %u is away though nobody is to be", i);
    }
    lm_ms end = s->now + MARKER_LIMIT;
    do {
        for (unsigned i = 0; i < s->clients; i++) { /* one may not have heard of another yet */
            soak_member_mark(&s->members[i], s->now, marker);
            drain_member(s, &s->members[i]);
        }
        run(s, 100);
    } while (s->now < end && unwhole(s, marker) > 0);
    for (unsigned i = 0; i < s->clients; i++)
        soak_member_check_whole(&s->members[i], marker);
    explain(s, marker);
}

static void everybody_leaves(soak *s)
{
    for (unsigned i = 0; i < s->clients; i++) {
        soak_member *m = &s->members[i];
        if (m->client != NULL) {
            test_client_close(m->client, s->now);
            forget(s, m, 1, "the round is over");
        }
        s->next_act[i] = LM_MS_NEVER;
    }
    run(s, s->config.gone);
}

void soak_play(soak *s, lm_ms now, unsigned round, unsigned clients, unsigned seconds)
{
    lm_ms churn = (lm_ms)seconds * 1000;
    s->now = now;
    s->clients = clients;
    for (unsigned i = 0; i < s->clients; i++)
        s->next_act[i] = s->now + seeded_draw(&s->random, 5000);
    s->check = s->now + churn + s->config.calm;
    s->churning = true;
    s->relay.begin(s->relay.ctx, round, SOAK_FIRST_HALF);
    run(s, churn / 2);
    s->relay.begin(s->relay.ctx, round, SOAK_SECOND_HALF);
    run(s, churn - churn / 2);
    s->churning = false;
    for (unsigned i = 0; i < s->clients; i++) /* who is away comes back */
        s->next_act[i] = lm_ms_min(s->next_act[i], s->now + seeded_draw(&s->random, 2000));
    s->relay.begin(s->relay.ctx, round, SOAK_CHECK);
    run(s, s->config.calm);
    check_all_are_heard(s, round + 1);
    s->relay.begin(s->relay.ctx, round, SOAK_LEAVING);
    everybody_leaves(s);
}

/* --- beginning and end --- */

bool soak_config_read(soak_config *config, int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 'e'},    {"clients", required_argument, NULL, 'c'},
        {"rounds", required_argument, NULL, 'r'},  {"seconds", required_argument, NULL, 's'},
        {"warm-up", required_argument, NULL, 'w'}, {"pid", required_argument, NULL, 'p'},
        {"no-bound", no_argument, NULL, 'n'},      {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        unsigned long long value = c != '?' && optarg != NULL ? strtoull(optarg, NULL, 10) : 0;
        if (c != 'n' && value == 0)
            return false;
        switch (c) {
        case 'e':
            config->seed = value;
            break;
        case 'c':
            config->clients = (unsigned)value;
            break;
        case 'r':
            config->rounds = (unsigned)value;
            break;
        case 's':
            config->seconds = (unsigned)value;
            break;
        case 'w':
            config->warm_up = (unsigned)value;
            break;
        case 'p':
            config->pid = (int)value;
            break;
        default:
            config->no_memory_bound = true;
        }
    }
    if (optind < argc)
        config->blob = argv[optind++];
    return optind == argc && config->clients <= SOAK_CLIENTS_MAX && config->warm_up <= SOAK_CLIENTS_MAX;
}

soak *soak_create(const soak_config *config, const soak_relay *relay)
{
    soak *s = calloc(1, sizeof *s);
    soak_must(s != NULL, "out of memory");
    lm_random random = seeded_random(&s->random);
    s->config = *config;
    s->relay = *relay;
    s->random = config->seed;
    s->network = (test_network){
        .delay = DELAY, .loss = LOSS, .duplicate = DUPLICATE, .reorder = REORDER, .random = &s->random};
    for (unsigned i = 0; i < config->clients || i < config->warm_up; i++) {
        soak_member *m = &s->members[i];
        m->number = i;
        m->totals = &s->totals;
        m->random = &s->random;
        m->now = &s->now;
        lm_random_fill(&random, m->key, sizeof m->key);
        for (unsigned room = 0; room < 2; room++)
            m->rooms[seeded_draw(&s->random, SOAK_ROOMS)].wanted = true;
    }
    printf("soak: seed %llu, %u clients\n", (unsigned long long)config->seed, config->clients);
    fflush(stdout);
    return s;
}

void soak_destroy(soak *s)
{
    test_network_clear(&s->network);
    free(s);
}

uint64_t *soak_random(soak *s)
{
    return &s->random;
}

void soak_print(const soak *s, unsigned round)
{
    const soak_totals *t = &s->totals;
    printf(
        "round %u: %llu sessions, %llu refused as over, %llu moves, %llu signals sent, %llu heard, %llu to "
        "peers that had gone; %llu datagrams, %llu lost, %llu doubled, %llu late; ",
        round, (unsigned long long)t->sessions, (unsigned long long)t->refused, (unsigned long long)t->moves,
        (unsigned long long)t->signals_sent, (unsigned long long)t->signals_heard,
        (unsigned long long)t->gone_peers, (unsigned long long)s->network.sent,
        (unsigned long long)s->network.lost, (unsigned long long)s->network.doubled,
        (unsigned long long)s->network.reordered);
}

int soak_verdict(const soak *s)
{
    if (s->totals.faults == 0)
        return 0;
    fprintf(stderr, "soak: %llu faults with --seed %llu --clients %u --seconds %u\n",
            (unsigned long long)s->totals.faults, (unsigned long long)s->config.seed, s->config.clients,
            s->config.seconds);
    return 1;
}
