/*
 * Peers come, signal, move, fall silent, leave and go at three nodes that are parted and joined again, from a
 * seed. Each client believes what it is told, and is never told a thing that contradicts that: nobody joins
 * twice or leaves unknown, and signals of one session come from members alone, in order. In the end all know
 * the truth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "test/support/mesh_relays.h"
#include "test/support/relay_expect.h"
#include "test/support/seeded.h"

#define ROOM "1111111111111111111111111111111111111111111111111111111111111111"
#define PEERS 9
#define STEPS 1200
#define NODES 3
#define EPOCHS 256

typedef struct client {
    int node;
    lm_session_id session; /* LM_SESSION_NONE: away */
    bool in;
    bool knows[PEERS];
    unsigned epoch; /* of its session: between two, which may be at two nodes, there is no order */
    unsigned sent[PEERS];
    unsigned got[PEERS][EPOCHS]; /* the next number that may come of a peer's session */
} client;

static mesh_relays m;
static client clients[PEERS];
static char ids[PEERS][LM_PEER_ID_TEXT];
static mesh_relays_end silent[STEPS]; /* sessions left behind, whose consent is still to expire */
static int silent_count;
static uint64_t seed, heard_joins, heard_leaves, heard_signals;

static int index_of(const char *id)
{
    for (int i = 0; i < PEERS; i++)
        if (strcmp(ids[i], id) == 0)
            return i;
    fail_msg("nobody is called %s", id);
    return 0;
}

static const char *text_of(const cJSON *json, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
    return text != NULL ? text : "";
}

static void believe(client *c, int who, const char *said)
{
    cJSON *json = cJSON_Parse(said);
    const cJSON *peer;
    const char *action = text_of(json, "action");
    if (strcmp(action, "joined") == 0) {
        memset(c->knows, 0, sizeof c->knows);
        cJSON_ArrayForEach(peer, cJSON_GetObjectItemCaseSensitive(json, "peers")) {
            int i = index_of(text_of(peer, "id"));
            if (c->knows[i] || i == who)
                fail_msg("listed twice, or itself: %s", said);
            c->knows[i] = true;
        }
    } else if (strcmp(action, "peer-joined") == 0) {
        int i = index_of(text_of(cJSON_GetObjectItemCaseSensitive(json, "peer"), "id"));
        if (c->knows[i] || i == who)
            fail_msg("seed %llu, peer %d: knows %d already", (unsigned long long)seed, who, i);
        c->knows[i] = true;
        heard_joins++;
    } else if (strcmp(action, "peer-left") == 0) {
        int i = index_of(text_of(json, "id"));
        if (!c->knows[i])
            fail_msg("seed %llu, peer %d: did not know %d", (unsigned long long)seed, who, i);
        c->knows[i] = false;
        heard_leaves++;
    } else if (strcmp(action, "signal") == 0) {
        int i = index_of(text_of(json, "from"));
        unsigned n = 0, epoch = 0;
        assert_int_equal(sscanf(text_of(json, "data"), "%u %u", &epoch, &n), 2);
        if (!c->knows[i])
            fail_msg("seed %llu, peer %d: a signal of %d, who is no member", (unsigned long long)seed, who,
                     i);
        if (n < c->got[i][epoch])
            fail_msg("seed %llu, peer %d: %u of %d after %u", (unsigned long long)seed, who, n, i,
                     c->got[i][epoch] - 1);
        c->got[i][epoch] = n + 1;
        heard_signals++;
    }
    cJSON_Delete(json);
}

static void listen_all(void)
{
    const char *said;
    for (int i = 0; i < PEERS; i++) {
        client *c = &clients[i];
        while (c->session != LM_SESSION_NONE &&
               (said = memory_stack_take(m.world[c->node].stack, c->session)) != NULL)
            if (c->in)
                believe(c, i, said);
    }
}

static void arrive(int i, int node)
{
    client *c = &clients[i];
    c->node = node;
    c->session = mesh_relays_greet(&m, node, (uint8_t)(i + 1));
    c->in = false;
    assert_true(++c->epoch < EPOCHS);
    memset(c->knows, 0, sizeof c->knows);
    memset(c->got, 0, sizeof c->got);
}

static void enter(int i)
{
    clients[i].in = true;
    mesh_relays_say(&m, clients[i].node, clients[i].session,
                    "{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":\"i\"}");
}

static void signal_somebody(int i, int to)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":\"%s\",\"data\":\"%u %u\"}", ids[to],
             clients[i].epoch, clients[i].sent[to]++);
    mesh_relays_say(&m, clients[i].node, clients[i].session, text);
}

static void act(uint64_t *random)
{
    int i = (int)seeded_draw(random, PEERS), to = (int)seeded_draw(random, PEERS);
    int node = (int)seeded_draw(random, NODES);
    client *c = &clients[i];
    uint32_t what = seeded_draw(random, 100);
    if (c->session == LM_SESSION_NONE) {
        arrive(i, node);
        enter(i);
    } else if (!c->in) {
        enter(i);
    } else if (what < 60) {
        signal_somebody(i, to);
    } else if (what < 70) {
        mesh_relays_say(&m, c->node, c->session, "{\"action\":\"leave\",\"room\":\"" ROOM "\"}");
        memory_stack_discard(m.world[c->node].stack, c->session);
        c->in = false;
    } else if (what < 77) {
        mesh_relays_end_session(&m, c->node, c->session, LM_CLOSE_REMOTE);
        c->session = LM_SESSION_NONE;
    } else if (what < 82) { /* its network goes, and it comes back by another one */
        mesh_relays_end_session(&m, c->node, c->session, LM_CLOSE_CONSENT);
        c->session = LM_SESSION_NONE;
    } else if (what < 92) { /* it moves; its old session falls silent */
        lm_session_id old = c->session;
        int from = c->node;
        memory_stack_set_heard(m.world[from].stack, old, m.now);
        arrive(i, node);
        enter(i);
        if (seeded_draw(random, 2) == 0)
            mesh_relays_end_session(&m, from, old, LM_CLOSE_CONSENT);
        else
            silent[silent_count++] = (mesh_relays_end){from, old};
    } else if (what < 94) {
        m.alone[node] = !m.alone[node];
    }
}

static void expect_truth(void)
{
    for (int i = 0; i < PEERS; i++)
        for (int k = 0; k < PEERS; k++)
            if (clients[i].session != LM_SESSION_NONE && clients[i].in && i != k) {
                bool there = clients[k].session != LM_SESSION_NONE && clients[k].in;
                if (clients[i].knows[k] != there)
                    fail_msg("seed %llu: %d at node %d %s %d at node %d", (unsigned long long)seed, i,
                             clients[i].node, there ? "misses" : "still sees", k, clients[k].node);
            }
}

static void run(uint64_t from)
{
    uint64_t random = seed = from;
    memset(clients, 0, sizeof clients);
    silent_count = 0;
    mesh_relays_create(&m, NODES, NULL, false);
    for (int i = 0; i < PEERS; i++)
        relay_world_id(ids[i], (uint8_t)(i + 1));
    for (int step = 0; step < STEPS; step++) {
        act(&random);
        if (seeded_draw(&random, 3) == 0)
            mesh_relays_advance(&m, seeded_draw(&random, seeded_draw(&random, 40) == 0 ? 12000 : 120));
        listen_all();
        for (int n = 0; n < NODES; n++)
            expect_sound(&m.world[n]);
    }
    for (int i = 0; i < silent_count; i++)
        mesh_relays_end_session(&m, silent[i].node, silent[i].link, LM_CLOSE_CONSENT);
    memset(m.alone, 0, sizeof m.alone);
    mesh_relays_advance(&m, 90000); /* every silent peer has had its time, and every link is up */
    listen_all();
    expect_truth();
    mesh_relays_destroy(&m);
}

static void nobody_is_told_a_contradiction(void **state)
{
    (void)state;
    for (uint64_t from = 1; from <= 40; from++)
        run(from);
    assert_true(heard_joins > 1000 && heard_leaves > 1000 && heard_signals > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_is_told_a_contradiction)};
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
