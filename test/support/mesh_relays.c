#include "test/support/mesh_relays.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/error.h"
#include "test/support/node.h"
#include "test/support/seeded.h"

static const char salt[] = "a salt of the tests";

static void must(bool good)
{
    if (!good)
        abort();
}

static void make_node(mesh_relays *m, int n, const lm_relay_limits *limits)
{
    lm_relay_config config = {.log = NULL};
    lm_mesh_config mesh = {.salt = salt};
    char advertise[16];
    relay_world *world = &m->world[n];
    *world = (relay_world){.now = m->now, .random = 77u + (unsigned)n};
    m->random[n] = 99u + (unsigned)n;
    test_node(&config.node, config.node_seed);
    memset(config.node_seed, 0x20 + n, sizeof config.node_seed);
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(config.node.nk, secret, config.node_seed);
    config.node.ip.ip[3] = (uint8_t)(10 + n);
    lm_relay_limits_default(&config.limits);
    if (limits != NULL)
        config.limits = *limits;
    mesh.seed = config.node_seed;
    mesh.random = seeded_random(&m->random[n]);
    lm_mesh_limits_default(&mesh.limits);
    mesh.limits.room_size = config.limits.room_size;
    must(lm_mesh_create(&m->mesh[n], &mesh, m->now) == LM_OK);
    config.mesh = m->mesh[n];
    snprintf(advertise, sizeof advertise, "node%d:1", n);
    config.advertise = advertise;
    if (m->turn)
        snprintf(config.turn.secret, sizeof config.turn.secret, "one secret of them all");
    config.turn.elsewhere = n == m->without_turn;
    config.random = seeded_random(&world->random);
    world->stack = memory_stack_create();
    must(lm_relay_create(&world->relay, &config, world->stack) == LM_OK);
    lm_relay_set_unix_time(world->relay, m->now, RELAY_WORLD_UNIX_START + m->now);
}

static int other_end(const mesh_relays *m, int node, lm_link_id link, int *wire)
{
    for (*wire = 0; *wire < MESH_RELAYS_WIRES; ++*wire)
        for (int e = 0; e < 2; e++)
            if (m->wires[*wire].open && m->wires[*wire].end[e].node == node &&
                m->wires[*wire].end[e].link == link)
                return 1 - e;
    return -1;
}

static void connect_to(mesh_relays *m, int node, lm_link_id link, const char *host_port)
{
    const lm_addr addr = {.family = LM_AF_INET, .ip = {10, 0, 0, 1}, .port = 1};
    int to = host_port[4] - '0', w = 0;
    lm_link_id accepted;
    if (to < 0 || to >= m->count || m->mesh[to] == NULL || m->alone[to] || m->alone[node] ||
        lm_mesh_accepted(m->mesh[to], m->now, &addr, &accepted) != LM_OK) {
        lm_mesh_closed(m->mesh[node], m->now, link);
        return;
    }
    while (m->wires[w].open)
        must(++w < MESH_RELAYS_WIRES);
    m->wires[w].open = true;
    m->wires[w].end[0] = (mesh_relays_end){node, link};
    m->wires[w].end[1] = (mesh_relays_end){to, accepted};
    lm_mesh_connected(m->mesh[node], m->now, link, &addr);
}

/* len 0: the end of the link */
static void put_bytes(mesh_relays *m, int node, lm_link_id link, const uint8_t *data, size_t len)
{
    int wire, to = other_end(m, node, link, &wire);
    if (len > 0)
        lm_mesh_sent(m->mesh[node], m->now, link, len);
    if (to < 0 || m->alone[node])
        return;
    mesh_relays_bytes *b = malloc(sizeof *b + len);
    must(b != NULL);
    b->wire = wire;
    b->to = to;
    b->at = m->now + m->delay;
    b->len = len;
    if (len > 0)
        memcpy(b->data, data, len);
    DL_APPEND(m->bytes, b);
}

static void drain_mesh(mesh_relays *m, int node)
{
    lm_mesh_output out;
    while (lm_mesh_poll(m->mesh[node], m->now, &out) == 1) {
        switch (out.kind) {
        case LM_MESH_CONNECT:
            connect_to(m, node, out.link, out.host_port);
            break;
        case LM_MESH_SEND:
            put_bytes(m, node, out.link, out.bytes.data, out.bytes.len);
            break;
        case LM_MESH_CLOSE:
            put_bytes(m, node, out.link, NULL, 0);
            break;
        default:
            lm_relay_mesh_output(m->world[node].relay, m->now, &out);
            break;
        }
    }
}

static void settle(mesh_relays *m)
{
    for (int n = 0; n < m->count; n++) {
        if (m->mesh[n] == NULL)
            continue;
        m->world[n].now = m->now;
        relay_world_drain(&m->world[n]);
        drain_mesh(m, n);
        relay_world_drain(&m->world[n]);
        drain_mesh(m, n);
    }
}

static void deliver(mesh_relays *m, mesh_relays_bytes *b)
{
    const mesh_relays_end *end = &m->wires[b->wire].end[b->to];
    if (m->wires[b->wire].open && m->mesh[end->node] != NULL && !m->alone[end->node]) {
        if (b->len > 0)
            lm_mesh_input(m->mesh[end->node], m->now, end->link, b->data, b->len);
        else
            lm_mesh_closed(m->mesh[end->node], m->now, end->link);
        drain_mesh(m, end->node);
    }
    if (b->len == 0)
        m->wires[b->wire].open = false;
}

void mesh_relays_advance(mesh_relays *m, lm_ms ms)
{
    lm_ms until = m->now + ms;
    settle(m);
    for (;;) {
        lm_ms next = m->bytes != NULL ? m->bytes->at : LM_MS_NEVER;
        for (int n = 0; n < m->count; n++)
            if (m->mesh[n] != NULL)
                next = lm_ms_min(next, lm_ms_min(lm_mesh_next_timeout(m->mesh[n]),
                                                 lm_relay_next_timeout(m->world[n].relay)));
        if (next > until)
            break;
        if (next > m->now)
            m->now = next;
        while (m->bytes != NULL && m->bytes->at <= m->now) {
            mesh_relays_bytes *b = m->bytes;
            DL_DELETE(m->bytes, b);
            deliver(m, b);
            free(b);
        }
        for (int n = 0; n < m->count; n++) {
            if (m->mesh[n] == NULL)
                continue;
            m->world[n].now = m->now;
            lm_relay_timeout(m->world[n].relay, m->now);
            lm_mesh_timeout(m->mesh[n], m->now);
        }
        settle(m);
    }
    m->now = until;
    settle(m);
}

void mesh_relays_create(mesh_relays *m, int count, const lm_relay_limits *limits, bool turn)
{
    mesh_relays_create_without_turn(m, count, limits, turn, -1);
}

void mesh_relays_create_without_turn(mesh_relays *m, int count, const lm_relay_limits *limits, bool turn,
                                     int without_turn)
{
    static const char *const names[MESH_RELAYS_MAX] = {"node0:1", "node1:1", "node2:1", "node3:1"};
    *m = (mesh_relays){.count = count, .now = 1000, .delay = 25, .turn = turn, .without_turn = without_turn};
    for (int n = 0; n < count; n++) {
        make_node(m, n, limits);
        must(lm_mesh_set_peers(m->mesh[n], m->now, names, (size_t)n) == LM_OK);
    }
    mesh_relays_advance(m, 3000);
}

void mesh_relays_stop(mesh_relays *m, int node)
{
    for (int w = 0; w < MESH_RELAYS_WIRES; w++)
        for (int e = 0; e < 2; e++)
            if (m->wires[w].open && m->wires[w].end[e].node == node)
                put_bytes(m, node, m->wires[w].end[e].link, NULL, 0);
    relay_world_destroy(&m->world[node]);
    lm_mesh_destroy(m->mesh[node]);
    m->mesh[node] = NULL;
}

void mesh_relays_destroy(mesh_relays *m)
{
    mesh_relays_bytes *b, *next;
    DL_FOREACH_SAFE(m->bytes, b, next) {
        free(b);
    }
    for (int n = 0; n < m->count; n++) {
        relay_world_destroy(&m->world[n]);
        lm_mesh_destroy(m->mesh[n]);
    }
}

void mesh_relays_say(mesh_relays *m, int node, lm_session_id session, const char *text)
{
    m->world[node].now = m->now;
    relay_world_say(&m->world[node], session, text);
    drain_mesh(m, node);
}

void mesh_relays_end_session(mesh_relays *m, int node, lm_session_id session, lm_close_reason reason)
{
    m->world[node].now = m->now;
    relay_world_end(&m->world[node], session, reason);
    drain_mesh(m, node);
}

lm_session_id mesh_relays_greet(mesh_relays *m, int node, uint8_t key)
{
    m->world[node].now = m->now;
    lm_session_id session = relay_world_greet(&m->world[node], key);
    must(memory_stack_discard(m->world[node].stack, session) == 1);
    return session;
}
