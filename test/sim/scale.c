/*
 * What a large mesh costs: nodes that all start within a short time, each with browsers that are there
 * already, two in each room. CPU is that of the whole process, so the simulator's own part is in it, and of
 * what the process does once for many nodes (recall.h) the time that it would have taken them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "test/sim/browsers.h"
#include "test/sim/checks.h"
#include "test/sim/jobs.h"
#include "test/sim/options.h"
#include "test/sim/recall.h"

#define START_STEP 20      /* ms between two nodes' starts */
#define CONVERGED 60000    /* ms that a cold start may take */
#define REST 10000         /* ms after that before anything is measured */
#define IDLE 20000         /* ms */
#define JOINS 100          /* that are measured, each the first of its room */
#define JOIN_STEP 100      /* ms between two of them */
#define ROOMS_PER_NODE 40u /* in the table */

typedef struct row {
    unsigned nodes, rooms;
    bool printed; /* good enough to be printed */
    double links, spoken;
    double met, converged;                    /* s after the last node's start */
    double idle_bytes, idle_cpu;              /* a node and second: bytes, s */
    double told;                              /* nodes that hear of a join */
    double join_frames, join_bytes, join_cpu; /* all nodes together, s */
    double cold_cpu, cpu;                     /* s of the process until it converged, and in all */
} row;

typedef struct cost {
    double bytes, frames, cpu;
} cost;

static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC + sim_recall_saved();
}

static cost total(const sim_world *w)
{
    cost sum = {.cpu = seconds()};
    for (unsigned i = 0; i < w->node_count; i++) {
        sum.bytes += (double)w->nodes[i].bytes;
        sum.frames += (double)lm_mesh_get_stats(w->nodes[i].mesh)->frames_out;
    }
    return sum;
}

/* What a time cost, less what so much idle time costs. */
static cost spent(cost from, cost to, cost idle, double share)
{
    return (cost){.bytes = to.bytes - from.bytes - idle.bytes * share,
                  .frames = to.frames - from.frames - idle.frames * share,
                  .cpu = to.cpu - from.cpu - idle.cpu * share};
}

static void start_all(sim_world *w, unsigned browsers)
{
    int *homes = sim_grab(browsers * sizeof *homes);
    for (unsigned i = 0; i < browsers; i++)
        homes[i] = (int)sim_below(w, w->node_count);
    for (unsigned i = 0; i < w->node_count; i++) {
        sim_start(w, i);
        for (unsigned j = 0; j < browsers; j++) {
            if (homes[j] == (int)i)
                sim_join(w, j, i, j / 2);
        }
        sim_run(w, w->now + START_STEP);
    }
    free(homes);
}

/* True if each node speaks with each other one. */
static bool have_met(const sim_world *w)
{
    for (unsigned i = 0; i < w->node_count; i++) {
        if (lm_mesh_get_stats(w->nodes[i].mesh)->conversations < w->node_count - 1)
            return false;
    }
    return true;
}

static void converge(sim_world *w, row *r)
{
    lm_ms begun = w->now;
    while (w->now < begun + CONVERGED && !have_met(w))
        sim_run(w, w->now + 100);
    r->met = (double)(w->now - begun) / 1000;
    while (w->now < begun + CONVERGED && sim_differences(w, false) > 0)
        sim_run(w, w->now + 100);
    r->converged = (double)(w->now - begun) / 1000;
    if (!have_met(w))
        sim_fail(w, "not every node speaks with every other one");
    if (sim_differences(w, true) > 0)
        sim_fail(w, "views differ %.0f s after the start", r->converged);
}

static void measure(sim_world *w, row *r)
{
    const cost nothing = {0};
    cost from = total(w);
    sim_run(w, w->now + IDLE);
    const cost idle = spent(from, total(w), nothing, 0);
    r->idle_bytes = idle.bytes / w->node_count / (IDLE / 1000);
    r->idle_cpu = idle.cpu / w->node_count / (IDLE / 1000);
    from = total(w);
    for (unsigned i = 0; i < JOINS; i++) {
        unsigned node = sim_below(w, w->node_count);
        r->told += (double)lm_mesh_get_stats(w->nodes[node].mesh)->conversations / JOINS;
        sim_join(w, r->rooms * 2 + i, node, r->rooms + i);
        sim_run(w, w->now + JOIN_STEP);
    }
    const cost joins = spent(from, total(w), idle, (double)JOINS * JOIN_STEP / IDLE);
    r->join_bytes = joins.bytes / JOINS;
    r->join_frames = joins.frames / JOINS;
    r->join_cpu = joins.cpu / JOINS;
}

static int run_row(uint64_t seed, bool verbose, row *r)
{
    sim_world w;
    sim_world_init(&w, seed, r->nodes, r->rooms * 2 + JOINS, r->rooms + JOINS);
    w.verbose = verbose;
    start_all(&w, r->rooms * 2);
    converge(&w, r);
    r->cold_cpu = seconds();
    sim_run(&w, w.now + REST);
    measure(&w, r);
    for (unsigned i = 0; i < r->nodes; i++) {
        r->links += (double)lm_mesh_get_stats(w.nodes[i].mesh)->links / r->nodes;
        r->spoken += (double)lm_mesh_get_stats(w.nodes[i].mesh)->conversations / r->nodes;
    }
    r->cpu = (double)clock() / CLOCKS_PER_SEC;
    r->printed = true;
    bool good = w.failures == 0;
    sim_world_clear(&w);
    return good ? 0 : 1;
}

typedef struct table {
    const sim_options *o;
    const row *wanted; /* the largest first */
    unsigned count;
    row *rows;
    int result;
} table;

static int run_one(const void *ctx, unsigned i, void *result)
{
    const table *t = ctx;
    row *r = result;
    *r = t->wanted[i];
    return run_row(t->o->seed, t->o->verbose, r);
}

static void keep(void *ctx, unsigned i, int status, const void *result)
{
    table *t = ctx;
    t->rows[i] = *(const row *)result;
    if (status == 0)
        return;
    t->result = 1;
    printf("%u nodes failed", t->wanted[i].nodes);
    if (status < 0)
        printf(" by signal %d", -status);
    printf("; again with: %s --seed %" PRIu64 " --scale %u --rooms %u -v\n", t->o->program, t->o->seed,
           t->wanted[i].nodes, t->wanted[i].rooms);
}

static void print(const row *r, unsigned count)
{
    printf("             per node       s after the start     idle, node and s   a join, all nodes together\n"
           "nodes  rooms links spoken   met views  CPU s  |    bytes   CPU ms |   told frames   bytes  CPU "
           "ms\n");
    for (unsigned i = count; i-- > 0;) {
        if (r[i].printed)
            printf("%5u %6u %5.0f %6.0f %5.1f %5.1f %6.1f  | %8.0f %8.3f | %6.0f %6.0f %7.0f %7.2f\n",
                   r[i].nodes, r[i].rooms, r[i].links, r[i].spoken, r[i].met, r[i].converged, r[i].cpu,
                   r[i].idle_bytes, r[i].idle_cpu * 1000, r[i].told, r[i].join_frames, r[i].join_bytes,
                   r[i].join_cpu * 1000);
    }
    if (count > 0 && r[0].printed && r[0].told > r[0].nodes - 1.5)
        printf(
            "A join that is the first of its room on its node costs every other node a message (told: of %u, "
            "%.0f).\nOwners of rooms, chosen by rendezvous hashing over the live nodes, would make that a "
            "few, "
            "whatever the size.\n",
            r[0].nodes, r[0].told);
}

int sim_run_scale(const sim_options *o)
{
    static const unsigned sizes[] = {500, 200, 100, 50, 20, 10};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    row wanted[SIZES] = {{.nodes = o->scale, .rooms = o->rooms}}, rows[SIZES] = {{0}};
    table t = {.o = o, .wanted = wanted, .count = 1, .rows = rows};
    if (o->table > 0) {
        t.count = 0;
        for (unsigned i = 0; i < SIZES; i++) {
            if (sizes[i] <= o->table)
                wanted[t.count++] = (row){.nodes = sizes[i], .rooms = ROOMS_PER_NODE * sizes[i]};
        }
    }
    sim_jobs(t.count, o->jobs, sizeof(row), run_one, keep, &t);
    print(rows, t.count);
    return t.result;
}
