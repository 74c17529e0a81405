/*
 * The mesh simulator. Each seed makes a mesh of some nodes with browsers that join, leave, move and signal,
 * and puts it through what happens to networks; after each disturbance all views have to be right in time
 * again.
 *
 *     sim --seeds 200                    seeds 1 to 200, with 5 to 50 nodes each
 *     sim --seed 17 --nodes 30 -v        one of them, with its log
 *     sim --scale 500 --rooms 20000      one large mesh: convergence, bytes and CPU
 *     sim --table 500                    how cost grows from 10 nodes to so many
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test/sim/browsers.h"
#include "test/sim/checks.h"
#include "test/sim/hostile.h"
#include "test/sim/wire.h"
#include "test/sim/world.h"

#define SETTLED 10000 /* ms in which all views are equal again */
#define STEP 250

typedef struct options {
    uint64_t seed;
    unsigned seeds, nodes, scale, rooms, table;
    bool verbose;
} options;

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

static void disturb(sim_world *w, const crowd *c)
{
    switch (sim_below(w, 6)) {
    case 0:
        kill_and_return(w, c, false);
        break;
    case 1:
        kill_and_return(w, c, true);
        break;
    case 2:
        restart(w, c);
        break;
    case 3:
        part(w, c);
        break;
    case 4:
        move(w, c);
        break;
    default:
        lose_links(w, c);
        break;
    }
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

static bool run_seed(uint64_t seed, const options *o, lm_ms *slowest, double *time)
{
    sim_world w;
    clock_t start = clock();
    sim_world_init(&w, seed, 1, 1, 1); /* to draw from */
    /* Small ones more often: cost grows by the square. */
    unsigned a = sim_below(&w, 46), b = sim_below(&w, 46), c = sim_below(&w, 46);
    unsigned nodes = o->nodes > 0 ? o->nodes : 5 + (a < b ? a < c ? a : c : b < c ? b : c);
    sim_world_clear(&w);
    sim_world_init(&w, seed, nodes, nodes * 6, nodes);
    w.verbose = o->verbose;
    w.delay = 5 + sim_below(&w, 46);
    w.jitter = sim_below(&w, 30);
    crowd life = {.joins = 1 + nodes / 10, .signals = nodes, .hostile = sim_below(&w, 3) == 0};
    for (unsigned i = 0; i < nodes; i++) {
        w.nodes[i].nat = i >= 3 && sim_below(&w, 5) == 0;
        w.nodes[i].hostile = life.hostile && i >= 3 && sim_below(&w, nodes) < 2;
        w.nodes[i].skew = (int64_t)sim_below(&w, 600000) - 300000;
        if (sim_below(&w, 50) == 0)
            w.nodes[i].skew = sim_below(&w, 2) == 0 ? -7200000 : 1200000;
    }
    for (unsigned i = 0; i < nodes; i++) {
        sim_start(&w, i);
        sim_run(&w, w.now + sim_below(&w, 200));
    }
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
        disturb(&w, &life);
        sim_run(&w, w.now + 8000);
        sim_check_signals(&w);
        check_bounds(&w);
    }
    if (w.slowest_join > 1000)
        sim_fail(&w, "a join was seen after %llu ms", (unsigned long long)w.slowest_join);
    if (w.slowest_join > *slowest)
        *slowest = w.slowest_join;
    *time = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (w.failures > 0)
        printf("seed %llu: %u failures (%u nodes%s)\n", (unsigned long long)seed, w.failures, nodes,
               life.hostile ? ", hostile" : "");
    if (o->verbose) {
        printf("joins %llu signals %llu/%llu leaves of the living %llu slowest join %llu ms\n",
               (unsigned long long)w.joins_seen, (unsigned long long)w.signals_received,
               (unsigned long long)w.signals, (unsigned long long)w.false_leaves,
               (unsigned long long)w.slowest_join);
        for (unsigned i = 0; i < nodes; i++) {
            printf("%u%s:", i, w.nodes[i].nat ? " (NAT)" : w.nodes[i].hostile ? " (hostile)" : "");
            if (w.nodes[i].mesh != NULL)
                lm_mesh_stats_visit(lm_mesh_get_stats(w.nodes[i].mesh), print_drops, NULL);
            printf("\n");
        }
    }
    bool good = w.failures == 0;
    sim_world_clear(&w);
    return good;
}

static int run_seeds(const options *o)
{
    unsigned bad = 0;
    lm_ms slowest = 0;
    double total = 0, time = 0;
    for (unsigned i = 0; i < o->seeds; i++) {
        bad += !run_seed(o->seed + i, o, &slowest, &time);
        total += time;
        fflush(stdout);
    }
    printf("%u seeds, %u failed; slowest join seen after %llu ms; %.1f s of CPU\n", o->seeds, bad,
           (unsigned long long)slowest, total);
    return bad == 0 ? 0 : 1;
}

typedef struct cost {
    double bytes, cpu;
} cost;

static cost take_cost(sim_world *w)
{
    cost sum = {0, 0};
    for (unsigned i = 0; i < w->node_count; i++) {
        sum.bytes += (double)w->nodes[i].bytes;
        sum.cpu += w->nodes[i].cpu;
        w->nodes[i].bytes = 0;
        w->nodes[i].cpu = 0;
    }
    return sum;
}

/* One line: a mesh of so many nodes with two browsers in each room, from cold. */
static bool run_scale(uint64_t seed, unsigned nodes, unsigned rooms, bool verbose)
{
    sim_world w;
    const unsigned joins = 100;
    sim_world_init(&w, seed, nodes, rooms * 2 + joins, rooms + joins);
    w.verbose = verbose;
    w.timed = true;
    for (unsigned i = 0; i < nodes; i++) {
        sim_start(&w, i);
        sim_run(&w, w.now + 20);
    }
    for (unsigned i = 0; i < rooms * 2; i++)
        sim_join(&w, i, sim_below(&w, nodes), i / 2);
    lm_ms begun = w.now;
    while (sim_differences(&w, false) > 0 && w.now < begun + 30000)
        sim_run(&w, w.now + 250);
    lm_ms converged = w.now - begun;
    unsigned differ = sim_differences(&w, true);
    sim_run(&w, w.now + 10000);
    take_cost(&w);
    const double idle_time = 20;
    sim_run(&w, w.now + (lm_ms)(idle_time * 1000));
    cost idle = take_cost(&w);
    for (unsigned i = 0; i < joins; i++) {
        sim_join(&w, rooms * 2 + i, sim_below(&w, nodes), rooms + i);
        sim_run(&w, w.now + 100);
    }
    cost join = take_cost(&w);
    double join_time = joins * 0.1;
    uint64_t links = 0, spoken = 0;
    for (unsigned i = 0; i < nodes; i++) {
        links += lm_mesh_get_stats(w.nodes[i].mesh)->links;
        spoken += lm_mesh_get_stats(w.nodes[i].mesh)->conversations;
    }
    printf("%6u %6u %6.1f %8.1f %12.1f %10.0f %10.3f %12.0f %10.3f\n", nodes, rooms, (double)links / nodes,
           (double)spoken / nodes, (double)converged / 1000, idle.bytes / nodes / idle_time,
           idle.cpu / nodes / idle_time * 1000, (join.bytes - idle.bytes / idle_time * join_time) / joins,
           (join.cpu - idle.cpu / idle_time * join_time) / joins * 1000);
    fflush(stdout);
    bool good = differ == 0 && w.failures == 0;
    sim_world_clear(&w);
    return good;
}

static void print_head(void)
{
    printf(" nodes  rooms  links   spoken  converged s  idle B/s  idle ms/s       join B    join ms\n"
           "                 per node       after cold   per node and second   of all nodes together\n");
}

static int run_table(const options *o)
{
    static const unsigned sizes[] = {10, 20, 50, 100, 200, 500};
    bool good = true;
    print_head();
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0] && sizes[i] <= o->table; i++)
        good = run_scale(o->seed, sizes[i], 10 * sizes[i], false) && good;
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    options o = {.seed = 1, .seeds = 1, .rooms = 20000};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (sodium_init() < 0)
        return 2;
    for (int i = 1; i < argc; i++) {
        unsigned long long value = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        if (strcmp(argv[i], "-v") == 0) {
            o.verbose = true;
            continue;
        }
        if (i + 1 == argc) {
            fprintf(
                stderr,
                "usage: sim [--seed N] [--seeds N] [--nodes N] [--scale N] [--rooms N] [--table N] [-v]\n");
            return 2;
        }
        if (strcmp(argv[i], "--seed") == 0)
            o.seed = value;
        else if (strcmp(argv[i], "--seeds") == 0)
            o.seeds = (unsigned)value;
        else if (strcmp(argv[i], "--nodes") == 0)
            o.nodes = (unsigned)value;
        else if (strcmp(argv[i], "--scale") == 0)
            o.scale = (unsigned)value;
        else if (strcmp(argv[i], "--rooms") == 0)
            o.rooms = (unsigned)value;
        else if (strcmp(argv[i], "--table") == 0)
            o.table = (unsigned)value;
        i++;
    }
    if (o.table > 0)
        return run_table(&o);
    if (o.scale > 0) {
        print_head();
        return run_scale(o.seed, o.scale, o.rooms, o.verbose) ? 0 : 1;
    }
    return run_seeds(&o);
}
