/*
 * A seed: a mesh of some nodes with browsers that join, leave, move and signal, put through what happens to
 * networks; after each disturbance all views have to be right in time again.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "test/sim/browsers.h"
#include "test/sim/checks.h"
#include "test/sim/hostile.h"
#include "test/sim/jobs.h"
#include "test/sim/options.h"
#include "test/sim/wire.h"

#define SETTLED 10000 /* ms in which all views are equal again */
#define STEP 250

typedef struct crowd {
    unsigned joins, signals; /* per step */
    bool hostile;
} crowd;

static int any_up(sim_world *w)
{
    for (unsigned i = 0; i < 50; i++) {
        unsigned node = sim_below(w, w->node_count);
        if (w->nodes[node].mesh != NULL && !w->nodes[node].hostile)
            return (int)node;
    }
    return -1;
}

/* What browsers do in a step. */
static void live(sim_world *w, const crowd *c)
{
    for (unsigned i = 0; i < c->joins; i++) {
        unsigned browser = sim_below(w, w->browser_count);
        int node = any_up(w);
        if (node < 0)
            continue;
        if (w->browsers[browser].node >= 0 && w->browsers[browser].ghost < 0)
            sim_leave(w, browser);
        else if (w->browsers[browser].ghost < 0)
            sim_join(w, browser, (unsigned)node, sim_below(w, w->room_count));
    }
    for (unsigned i = 0; i < c->signals; i++)
        sim_signal(w, sim_below(w, w->browser_count), sim_below(w, w->browser_count));
    for (unsigned i = 0; c->hostile && i < w->node_count; i++) {
        if (w->nodes[i].hostile)
            sim_misbehave(w, i);
    }
}

static void live_for(sim_world *w, const crowd *c, lm_ms time)
{
    for (lm_ms end = w->now + time; w->now < end;) {
        live(w, c);
        sim_run(w, w->now + STEP);
    }
}

/* Nothing happens but what is under way, until all views are right. Fails if that takes too long. */
static lm_ms settle(sim_world *w, lm_ms most, const char *after)
{
    lm_ms start = w->now;
    while (sim_differences(w, false) > 0 && w->now < start + most)
        sim_run(w, w->now + 50);
    if (sim_differences(w, true) > 0)
        sim_fail(w, "views differ %llu ms after %s", (unsigned long long)(w->now - start), after);
    return w->now - start;
}

static bool is_up_public(const sim_world *w, unsigned node)
{
    return w->nodes[node].mesh != NULL && !w->nodes[node].nat && !w->nodes[node].hostile;
}

/* A node that may go without taking the last way between two others with it. */
static unsigned victim(sim_world *w)
{
    unsigned publics = 0, node;
    for (unsigned i = 0; i < w->node_count; i++)
        publics += is_up_public(w, i);
    do {
        node = sim_below(w, w->node_count);
    } while (w->nodes[node].mesh == NULL || w->nodes[node].hostile || (is_up_public(w, node) && publics < 3));
    return node;
}

static void kill_and_return(sim_world *w, const crowd *c, bool silent)
{
    unsigned node = victim(w);
    sim_kill(w, node, silent);
    live_for(w, c, silent ? 20000 : 1000);
    sim_check_gone(w, node, silent ? "20 s after its packets stopped" : "1 s after its sockets closed");
    live_for(w, c, sim_below(w, 8000));
    if (sim_below(w, 2) == 0)
        sim_new_key(w, node);
    sim_start(w, node);
    settle(w, SETTLED, "a node's return");
}

/* Killed without a word, and there again at once. */
static void restart(sim_world *w, const crowd *c)
{
    unsigned node = victim(w);
    sim_kill(w, node, true);
    sim_run(w, w->now + 500);
    sim_start(w, node);
    live_for(w, c, 3000);
    settle(w, SETTLED, "a node's restart");
}

static void part(sim_world *w, const crowd *c)
{
    for (unsigned i = 0; i < w->node_count; i++)
        w->nodes[i].group = sim_below(w, 2);
    live_for(w, c, 3000 + sim_below(w, 60000));
    for (unsigned i = 0; i < w->node_count; i++)
        w->nodes[i].group = 0;
    settle(w, SETTLED, "a partition was healed");
}

static void move(sim_world *w, const crowd *c)
{
    for (unsigned i = 0; i < w->browser_count / 10 + 1; i++) {
        int node = any_up(w);
        if (node >= 0)
            sim_move(w, sim_below(w, w->browser_count), (unsigned)node);
    }
    live_for(w, c, 9000);
    settle(w, SETTLED, "browsers moved");
}

static void lose_links(sim_world *w, const crowd *c)
{
    sim_lose_links(w, 10);
    live_for(w, c, 2000);
    settle(w, SETTLED, "links were lost");
}

static void stop_and_return(sim_world *w, const crowd *c)
{
    kill_and_return(w, c, true);
}

static void close_and_return(sim_world *w, const crowd *c)
{
    kill_and_return(w, c, false);
}

static const struct {
    const char *name;
    void (*run)(sim_world *w, const crowd *c);
} disturbances[] = {{"nodes closed", close_and_return},
                    {"stopped", stop_and_return},
                    {"restarted", restart},
                    {"partitions", part},
                    {"moves", move},
                    {"losses of links", lose_links}};

#define DISTURBANCES (sizeof disturbances / sizeof disturbances[0])

/* Which one it was. */
static unsigned disturb(sim_world *w, const crowd *c)
{
    unsigned which = sim_below(w, DISTURBANCES);
    disturbances[which].run(w, c);
    return which;
}

/* Bounds that hold whatever a hostile node does. */
static void check_bounds(sim_world *w)
{
    for (unsigned i = 0; i < w->node_count; i++) {
        const lm_mesh_stats *s = w->nodes[i].mesh != NULL ? lm_mesh_get_stats(w->nodes[i].mesh) : NULL;
        if (s != NULL && (s->nodes > 1024 || s->links > 128 || s->queued_bytes > 128 * 1024 * 1024))
            sim_fail(w, "node %u has %llu nodes, %llu links, %llu bytes", i, (unsigned long long)s->nodes,
                     (unsigned long long)s->links, (unsigned long long)s->queued_bytes);
    }
}

static void print_drops(void *ctx, const char *name, uint64_t value)
{
    (void)ctx;
    if (value > 0)
        printf(" %s=%llu", name, (unsigned long long)value);
}

/* What became of a seed. */
typedef struct outcome {
    unsigned nodes;
    bool hostile;
    lm_ms slowest_join;
    double cpu; /* s */
    unsigned disturbed[DISTURBANCES];
} outcome;

/* Small ones more often: cost grows by the square. */
static unsigned draw_size(uint64_t seed)
{
    sim_world w;
    sim_world_init(&w, seed, 1, 1, 1); /* to draw from */
    unsigned a = sim_below(&w, 46), b = sim_below(&w, 46);
    sim_world_clear(&w);
    return 5 + (a < b ? a : b);
}

static void make_nodes(sim_world *w, bool hostile)
{
    for (unsigned i = 0; i < w->node_count; i++) {
        sim_node *n = &w->nodes[i];
        n->nat = i >= 3 && sim_below(w, 5) == 0;
        n->hostile = hostile && i >= 3 && sim_below(w, w->node_count) < 2;
        n->skew = (int64_t)sim_below(w, 600000) - 300000;
        if (sim_below(w, 50) == 0)
            n->skew = sim_below(w, 2) == 0 ? -7200000 : 1200000;
    }
    for (unsigned i = 0; i < w->node_count; i++) {
        sim_start(w, i);
        sim_run(w, w->now + sim_below(w, 200));
    }
}

static void print_all(const sim_world *w)
{
    printf("joins %llu signals %llu/%llu leaves of the living %llu slowest join %llu ms\n",
           (unsigned long long)w->joins_seen, (unsigned long long)w->signals_received,
           (unsigned long long)w->signals, (unsigned long long)w->false_leaves,
           (unsigned long long)w->slowest_join);
    for (unsigned i = 0; i < w->node_count; i++) {
        const sim_node *n = &w->nodes[i];
        printf("%u%s:", i, n->nat ? " (NAT)" : n->hostile ? " (hostile)" : "");
        if (n->mesh != NULL)
            lm_mesh_stats_visit(lm_mesh_get_stats(n->mesh), print_drops, NULL);
        printf("\n");
    }
}

static int run_seed(const void *ctx, unsigned index, void *result)
{
    const sim_options *o = ctx;
    uint64_t seed = o->seed + index;
    unsigned nodes = o->nodes > 0 ? o->nodes : draw_size(seed);
    outcome *out = result;
    sim_world w;
    clock_t start = clock();
    sim_world_init(&w, seed, nodes, nodes * 6, nodes);
    w.verbose = o->verbose;
    w.delay = 5 + sim_below(&w, 46);
    w.jitter = sim_below(&w, 30);
    crowd life = {.joins = 1 + nodes / 10, .signals = nodes, .hostile = sim_below(&w, 3) == 0};
    make_nodes(&w, life.hostile);
    live_for(&w, &life, 3000);
    settle(&w, SETTLED, "the start");
    for (unsigned round = 0; round < 3; round++) {
        sim_run(&w, w.now + 4000);
        sim_check_signals(&w);
        w.calm = true;
        live_for(&w, &life, 3000);
        sim_run(&w, w.now + 1500);
        if (sim_differences(&w, true) > 0)
            sim_fail(&w, "views differ 1.5 s after the last join, in calm");
        w.calm = false;
        out->disturbed[disturb(&w, &life)]++;
        sim_run(&w, w.now + 8000);
        sim_check_signals(&w);
        check_bounds(&w);
    }
    if (w.slowest_join > 1000)
        sim_fail(&w, "a join was seen after %llu ms", (unsigned long long)w.slowest_join);
    if (o->verbose)
        print_all(&w);
    out->nodes = nodes;
    out->hostile = life.hostile;
    out->slowest_join = w.slowest_join;
    out->cpu = (double)(clock() - start) / CLOCKS_PER_SEC;
    bool good = w.failures == 0;
    sim_world_clear(&w);
    return good ? 0 : 1;
}

/* Of all seeds. */
typedef struct summary {
    const sim_options *o;
    unsigned bad, smallest, largest, hostile, sizes[5], disturbed[DISTURBANCES];
    lm_ms slowest_join;
    double cpu;
} summary;

static int run_one(const void *ctx, unsigned index, void *result)
{
    return run_seed(((const summary *)ctx)->o, index, result);
}

static void note(void *ctx, unsigned index, int status, const void *result)
{
    summary *s = ctx;
    const outcome *out = result;
    if (status != 0) {
        s->bad++;
        printf("seed %llu ", (unsigned long long)(s->o->seed + index));
        if (status < 0)
            printf("was ended by signal %d (%s)", -status, strsignal(-status));
        else
            printf("failed (%u nodes%s)", out->nodes, out->hostile ? ", hostile ones among them" : "");
        printf("; again with: %s --seed %llu", s->o->program, (unsigned long long)(s->o->seed + index));
        if (s->o->nodes > 0)
            printf(" --nodes %u", s->o->nodes);
        printf(" -v\n");
        return;
    }
    s->smallest = s->smallest == 0 || out->nodes < s->smallest ? out->nodes : s->smallest;
    s->largest = out->nodes > s->largest ? out->nodes : s->largest;
    s->sizes[out->nodes < 10 ? 0 : out->nodes < 20 ? 1 : out->nodes < 30 ? 2 : out->nodes < 40 ? 3 : 4]++;
    s->hostile += out->hostile;
    s->slowest_join = out->slowest_join > s->slowest_join ? out->slowest_join : s->slowest_join;
    s->cpu += out->cpu;
    for (unsigned i = 0; i < DISTURBANCES; i++)
        s->disturbed[i] += out->disturbed[i];
}

int sim_run_seeds(const sim_options *o)
{
    summary s = {.o = o};
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    sim_jobs(o->seeds, o->jobs, sizeof(outcome), run_one, note, &s);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("seeds %llu to %llu, %u failed; %u to %u nodes (under 10, 20, 30, 40, and more: %u %u %u %u %u), "
           "%u with hostile ones\n",
           (unsigned long long)o->seed, (unsigned long long)(o->seed + o->seeds - 1), s.bad, s.smallest,
           s.largest, s.sizes[0], s.sizes[1], s.sizes[2], s.sizes[3], s.sizes[4], s.hostile);
    for (unsigned i = 0; i < DISTURBANCES; i++)
        printf("%s%u %s", i > 0 ? ", " : "", s.disturbed[i], disturbances[i].name);
    printf("\nslowest join seen after %llu ms; %.1f s, %.1f s of CPU\n", (unsigned long long)s.slowest_join,
           (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9, s.cpu);
    return s.bad == 0 ? 0 : 1;
}
