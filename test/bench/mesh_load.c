/*
 * What a mesh costs its nodes: four relays in one process on virtual time, with 10,000 members in rooms of
 * 10, of whom some leave at any time and as many come back a while later. Who joins sends an offer to each
 * member of the room, and gets an answer, as browsers do. Prints one line:
 *
 *     members=N rooms=N churn=N seconds=N cpu_percent=N.NN bytes=N signals=N
 *
 * churn: joins, and as many leaves, a second over all nodes; cpu_percent: of one core and node, of relay and
 * mesh together, without WebRTC; bytes and signals: that a node sends to the others a second.
 *
 *     lumamesh-mesh-load [MEMBERS [CHURN [SECONDS [SIGNAL_BYTES]]]]
 *
 * SIGNAL_BYTES: of each offer and answer, 2,000 unless told; 0: none are sent.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "relay/peers.h"
#include "test/support/mesh_relays.h"
#include "test/support/seeded.h"

#define NODES 4
#define ROOM_SIZE 10
#define SESSIONS_MAX 32000
#define AWAY 5 /* seconds that who has left stays away */
#define SIGNAL_MAX 40000

typedef struct member {
    int node;
    lm_session_id session;
    char id[LM_PEER_ID_TEXT];
} member;

static mesh_relays m;
static member members[SESSIONS_MAX];
static bool in[SESSIONS_MAX];
static unsigned count, away[SESSIONS_MAX], gone, back; /* away[back] to away[gone - 1], a ring */
static unsigned signal_bytes = 2000;

static void greet(unsigned i, uint64_t *random)
{
    uint8_t key[LM_PEER_KEY_LEN] = {0}, id[LM_PEER_ID_LEN];
    char text[256], key_text[LM_BASE64URL_SIZE(LM_PEER_KEY_LEN)];
    member *one = &members[i];
    memcpy(key, &i, sizeof i);
    lm_peer_id_from_key(id, key);
    lm_base64url_encode(one->id, sizeof one->id, id, sizeof id);
    one->node = (int)seeded_draw(random, NODES);
    one->session = memory_stack_open(m.world[one->node].stack);
    snprintf(text, sizeof text,
             "{\"action\":\"hello\",\"v\":1,\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
             "\"key\":\"%s\"}",
             lm_base64url_encode(key_text, sizeof key_text, key, sizeof key));
    mesh_relays_say(&m, one->node, one->session, text);
}

static void say(unsigned i, const char *action)
{
    char text[160];
    snprintf(text, sizeof text, "{\"action\":\"%s\",\"room\":\"%064x\"}", action, i / ROOM_SIZE);
    mesh_relays_say(&m, members[i].node, members[i].session, text);
    in[i] = action[0] == 'j';
}

static void signal_to(unsigned from, unsigned to)
{
    static char text[SIGNAL_MAX + 256];
    int head =
        snprintf(text, sizeof text, "{\"action\":\"signal\",\"room\":\"%064x\",\"to\":\"%s\",\"data\":\"",
                 from / ROOM_SIZE, members[to].id);
    memset(text + head, 's', signal_bytes);
    memcpy(text + head + signal_bytes, "\"}", 3);
    mesh_relays_say(&m, members[from].node, members[from].session, text);
}

/* What follows from a join some 100 ms before, when all have heard of it. */
static void meet(unsigned i)
{
    unsigned first = i / ROOM_SIZE * ROOM_SIZE;
    for (unsigned other = first; signal_bytes > 0 && in[i] && other < first + ROOM_SIZE; other++) {
        if (other == i || other >= count || !in[other])
            continue;
        signal_to(i, other);
        signal_to(other, i);
    }
}

static void leave_one(uint64_t *random)
{
    unsigned i;
    do
        i = seeded_draw(random, count);
    while (!in[i]);
    say(i, "leave");
    away[gone++ % SESSIONS_MAX] = i;
}

static unsigned come_back(void)
{
    unsigned i = away[back++ % SESSIONS_MAX];
    say(i, "join");
    return i;
}

static void read_all(void)
{
    for (unsigned i = 0; i < count; i++)
        memory_stack_discard(m.world[members[i].node].stack, members[i].session);
}

static void sum_up(uint64_t *bytes, uint64_t *signals)
{
    *bytes = *signals = 0;
    for (int n = 0; n < NODES; n++) {
        *bytes += lm_mesh_get_stats(m.mesh[n])->bytes_out;
        *signals += lm_mesh_get_stats(m.mesh[n])->signals_out;
    }
}

/* A second of churn, in tenths. */
static void live(unsigned churn, uint64_t *random)
{
    static unsigned came[SESSIONS_MAX];
    unsigned done = 0, met = 0;
    for (unsigned tenth = 1; tenth <= 10; tenth++) {
        unsigned before = done;
        for (; done < churn * tenth / 10; done++) {
            leave_one(random);
            came[done] = come_back();
        }
        for (; met < before; met++)
            meet(came[met]);
        mesh_relays_advance(&m, 100);
    }
    for (; met < done; met++)
        meet(came[met]);
}

int main(int argc, char **argv)
{
    unsigned wanted = argc > 1 ? (unsigned)atoi(argv[1]) : 10000;
    unsigned churn = argc > 2 ? (unsigned)atoi(argv[2]) : 100;
    unsigned seconds = argc > 3 ? (unsigned)atoi(argv[3]) : 20;
    uint64_t random = 1, bytes, bytes_before, signals, signals_before, inside = 0;
    if (argc > 4)
        signal_bytes = (unsigned)atoi(argv[4]);
    count = wanted + AWAY * churn;
    if (sodium_init() < 0 || wanted == 0 || count > SESSIONS_MAX || signal_bytes > SIGNAL_MAX)
        return 1;
    mesh_relays_create(&m, NODES, NULL, false);
    for (unsigned i = 0; i < count; i++) {
        greet(i, &random);
        say(i, "join");
        if (i % 100 == 0)
            mesh_relays_advance(&m, 100);
    }
    for (unsigned i = 0; i < AWAY * churn; i++)
        leave_one(&random);
    mesh_relays_advance(&m, 5000);
    read_all();
    sum_up(&bytes_before, &signals_before);
    clock_t cpu = 0;
    for (unsigned s = 0; s < seconds; s++) {
        clock_t began = clock();
        live(churn, &random);
        cpu += clock() - began;
        read_all();
    }
    sum_up(&bytes, &signals);
    for (int n = 0; n < NODES; n++)
        inside += lm_relay_get_stats(m.world[n].relay)->members;
    printf("members=%u rooms=%u churn=%u seconds=%u cpu_percent=%.2f bytes=%llu signals=%llu\n",
           (unsigned)inside, count / ROOM_SIZE, churn, seconds,
           100.0 * (double)cpu / CLOCKS_PER_SEC / seconds / NODES,
           (unsigned long long)((bytes - bytes_before) / seconds / NODES),
           (unsigned long long)((signals - signals_before) / seconds / NODES));
    mesh_relays_destroy(&m);
    return 0;
}
