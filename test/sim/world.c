#include "test/sim/world.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/sim/browsers.h"
#include "test/sim/events.h"
#include "test/sim/wire.h"
#include "test/support/node.h"

#define EPOCH UINT64_C(1800000000000) /* Unix ms at the start */
#define SALT "simulated salt of the mesh"

void *sim_grab(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL)
        abort();
    return p;
}

static void on_log(void *ctx, lm_log_level level, const char *text)
{
    sim_world *w = ctx;
    if (w->verbose)
        printf("%9.3f %s %s\n", (double)w->now / 1000, lm_log_level_name(level), text);
}

void sim_world_init(sim_world *w, uint64_t seed, unsigned nodes, unsigned browsers, unsigned rooms)
{
    *w = (sim_world){.now = 1000,
                     .delay = 50,
                     .jitter = 10,
                     .node_count = nodes,
                     .browser_count = browsers,
                     .room_count = rooms};
    sim_seed(w, seed);
    w->log = (lm_log){.level = LM_LOG_INFO, .handler = on_log, .ctx = w};
    w->nodes = sim_grab(nodes * sizeof *w->nodes);
    w->browsers = sim_grab((browsers + 1) * sizeof *w->browsers);
    for (unsigned i = 0; i < nodes; i++) {
        w->nodes[i].index = i;
        sim_new_key(w, i);
    }
    for (unsigned i = 0; i < browsers; i++)
        w->browsers[i].node = w->browsers[i].ghost = -1;
}

void sim_new_key(sim_world *w, unsigned node)
{
    uint8_t secret[64];
    sim_fill(w, w->nodes[node].seed, 32);
    crypto_sign_seed_keypair(w->nodes[node].nk, secret, w->nodes[node].seed);
}

void sim_world_clear(sim_world *w)
{
    sim_wire_clear(w);
    sim_browsers_clear(w);
    for (unsigned i = 0; i < w->node_count; i++) {
        lm_mesh_destroy(w->nodes[i].mesh);
    }
    free(w->heap);
    free(w->nodes);
    free(w->browsers);
}

bool sim_is_here(const sim_world *w, unsigned node, unsigned life)
{
    return w->nodes[node].mesh != NULL && w->nodes[node].life == life;
}

static void set_timer(sim_world *w, sim_node *n)
{
    lm_ms next = lm_ms_min(lm_mesh_next_timeout(n->mesh), n->renew_at);
    if (next <= w->now)
        next = w->now + 1;
    if (next >= n->timer && n->timer > w->now)
        return;
    n->timer = next;
    sim_push(w, (struct sim_event){.at = next, .kind = EVENT_TIMER, .node = n->index, .life = n->life});
}

static void renew(sim_world *w, sim_node *n)
{
    static const char *const features[] = {"signal"};
    char address[32];
    uint8_t seed[32];
    lm_node_config config;
    lm_node_record record = {0};
    test_node(&config, seed);
    memcpy(config.nk, n->nk, sizeof config.nk);
    snprintf(address, sizeof address, "n%u:7000", n->index);
    lm_mesh_set_unix_time(n->mesh, w->now, EPOCH + w->now + (uint64_t)n->skew);
    const lm_node_record_extra extra = {.seq = EPOCH + w->now + (uint64_t)n->skew,
                                        .features = features,
                                        .feature_count = 1,
                                        .mesh = n->nat ? NULL : address};
    if (lm_node_record_make(&record, &config, &extra, n->seed) != LM_OK ||
        lm_mesh_set_record(n->mesh, w->now, &record) != LM_OK)
        abort();
    lm_node_record_clear(&record);
    n->renew_at = w->now + LM_NODE_RECORD_RENEW;
}

void sim_start(sim_world *w, unsigned node)
{
    sim_node *n = &w->nodes[node];
    char texts[3][32];
    const char *peers[3];
    lm_mesh_config config = {
        .seed = n->seed, .salt = SALT, .random = {.fill = sim_fill, .ctx = w}, .log = &w->log};
    lm_mesh_limits_default(&config.limits);
    if (n->mesh != NULL)
        return;
    if (lm_mesh_create(&n->mesh, &config, w->now) != LM_OK)
        abort();
    n->life++;
    n->silent = false;
    n->timer = 0;
    renew(w, n);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(texts[i], sizeof texts[i], "n%u:7000", i);
        peers[i] = texts[i];
    }
    lm_mesh_set_peers(n->mesh, w->now, peers, w->node_count < 3 ? w->node_count : 3);
    sim_drain(w, n);
}

void sim_drain(sim_world *w, sim_node *n)
{
    lm_mesh_output out;
    unsigned target;
    if (n->mesh == NULL)
        return;
    while (lm_mesh_poll(n->mesh, w->now, &out) == 1) {
        switch (out.kind) {
        case LM_MESH_CONNECT:
            if (sscanf(out.host_port, "n%u:", &target) == 1 && target < w->node_count)
                sim_push(w, (struct sim_event){.at = w->now + 2 * sim_travel(w),
                                               .kind = EVENT_CONNECT,
                                               .node = n->index,
                                               .life = n->life,
                                               .link = out.link,
                                               .browser = target});
            break;
        case LM_MESH_SEND:
            n->bytes += out.bytes.len;
            sim_wire_send(w, n, out.link, out.bytes.data, out.bytes.len);
            break;
        case LM_MESH_CLOSE:
            sim_wire_close(w, n, out.link);
            break;
        default:
            sim_on_member(w, n, &out);
            break;
        }
    }
    set_timer(w, n);
}

void sim_kill(sim_world *w, unsigned node, bool silent)
{
    sim_node *n = &w->nodes[node];
    if (n->mesh == NULL)
        return;
    sim_wire_cut(w, n, silent);
    lm_mesh_destroy(n->mesh);
    n->mesh = NULL;
    n->silent = silent;
    sim_browsers_lost(w, node);
}

static void on_timer(sim_world *w, const struct sim_event *event)
{
    sim_node *n = &w->nodes[event->node];
    if (!sim_is_here(w, event->node, event->life) || event->at != n->timer)
        return;
    if (w->now >= n->renew_at)
        renew(w, n);
    lm_mesh_timeout(n->mesh, w->now);
    sim_drain(w, n);
}

void sim_run(sim_world *w, lm_ms until)
{
    while (w->heap_len > 0 && w->heap[0].at <= until) {
        const struct sim_event event = sim_pop(w);
        w->now = event.at;
        switch (event.kind) {
        case EVENT_TIMER:
            on_timer(w, &event);
            break;
        case EVENT_CONNECT:
            sim_on_connect(w, &event);
            break;
        case EVENT_CHUNK:
            sim_on_chunk(w, &event);
            break;
        case EVENT_SILENT:
            sim_on_silent(w, &event);
            break;
        default:
            sim_on_ghost(w, &event);
            break;
        }
    }
    w->now = until;
}
