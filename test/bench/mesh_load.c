/*
 * What a mesh costs its nodes: four relays in one process on virtual time, with 10,000 members in rooms of
 * 10 that come and go. Prints one line:
 *
 *     members=N rooms=N churn=N seconds=N cpu_percent=N.N bytes=N
 *
 * churn: joins, and as many leaves, a second over all nodes; cpu_percent: of one core and node, of relay and
 * mesh together, without WebRTC; bytes: that a node sends to the others a second.
 *
 *     lumamesh-mesh-load [MEMBERS [CHURN [SECONDS]]]
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "test/support/mesh_relays.h"
#include "test/support/seeded.h"

#define NODES 4
#define ROOM_SIZE 10
#define SESSIONS_MAX 16000

typedef struct member {
    int node;
    lm_session_id session;
    bool in;
} member;

static mesh_relays m;
static member members[SESSIONS_MAX];

static void say(const member *one, const char *action, unsigned room)
{
    char text[160];
    snprintf(text, sizeof text, "{\"action\":\"%s\",\"room\":\"%064x\"}", action, room);
    mesh_relays_say(&m, one->node, one->session, text);
}

static void turn(unsigned i)
{
    members[i].in = !members[i].in;
    say(&members[i], members[i].in ? "join" : "leave", i / ROOM_SIZE);
}

static void read_all(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        memory_stack_discard(m.world[members[i].node].stack, members[i].session);
}

static uint64_t bytes_out(void)
{
    uint64_t sum = 0;
    for (int n = 0; n < NODES; n++)
        sum += lm_mesh_get_stats(m.mesh[n])->bytes_out;
    return sum;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 10000;
    unsigned churn = argc > 2 ? (unsigned)atoi(argv[2]) : 100;
    unsigned seconds = argc > 3 ? (unsigned)atoi(argv[3]) : 20;
    uint64_t random = 1;
    if (sodium_init() < 0 || count > SESSIONS_MAX)
        return 1;
    mesh_relays_create(&m, NODES, NULL, false);
    for (unsigned i = 0; i < count; i++) {
        member *one = &members[i];
        one->node = (int)seeded_draw(&random, NODES);
        one->session = memory_stack_open(m.world[one->node].stack);
        mesh_relays_say(
            &m, one->node, one->session,
            "{\"action\":\"hello\",\"v\":1,\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}");
        turn(i);
        if (i % 100 == 0)
            mesh_relays_advance(&m, 100);
    }
    mesh_relays_advance(&m, 5000);
    read_all(count);
    uint64_t sent = bytes_out();
    clock_t cpu = 0;
    for (unsigned s = 0; s < seconds; s++) {
        clock_t began = clock();
        for (unsigned i = 0; i < 2 * churn; i++) {
            turn(seeded_draw(&random, count));
            if (i % 20 == 19)
                mesh_relays_advance(&m, 20000 / (2 * churn));
        }
        cpu += clock() - began;
        read_all(count);
    }
    printf("members=%u rooms=%u churn=%u seconds=%u cpu_percent=%.2f bytes=%llu\n", count, count / ROOM_SIZE,
           churn, seconds, 100.0 * (double)cpu / CLOCKS_PER_SEC / seconds / NODES,
           (unsigned long long)((bytes_out() - sent) / seconds / NODES));
    mesh_relays_destroy(&m);
    return 0;
}
