/*
 * What a large mesh costs: nodes that start one after the other, then browsers at all of them, two in each
 * room. CPU is that of the whole process, so the simulator's own part is in it, and of what the process does
 * once for many nodes (recall.h) the time that it would have taken them.
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
#define FILL_TIME 4000     /* ms in which all browsers come */
#define MOST 120000        /* ms until all have met, or views agree */
#define REST 5000          /* ms after that before anything is measured */
#define IDLE 20000         /* ms */
#define JOINS 100          /* that are measured, each the first of its room */
#define JOIN_STEP 100      /* ms between two of them */
#define ROOMS_PER_NODE 40u /* in the table */

typedef struct row {
    unsigned nodes, rooms;
    bool printed; /* good enough to be printed */
    double links, spoken;
    double met;                               /* s from the last start until all speak with all */
    double converged;                         /* s from the last join until all views are right */
    double idle_bytes, idle_cpu;              /* a node and second: bytes, s */
    double told;                              /* nodes that hear of a join */
    double join_frames, join_bytes, join_cpu; /* all nodes together, s */
    double cpu;                               /* s of the process */
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

/* True if each node speaks with each other one. */
static bool have_met(sim_world *w)
{
    for (unsigned i = 0; i < w->node_count; i++) {
        if (lm_mesh_get_stats(w->nodes[i].mesh)->conversations < w->node_count - 1)
            return false;
    }
    return true;
}

static bool views_agree(sim_world *w)
{
    return sim_differences(w, false) == 0;
}

/* Until it is so, or for MOST. Returns how many seconds it took. */
static double wait_for(sim_world *w, bool (*reached)(sim_world *w))
{
    lm_ms begun = w->now;
    while (w->now < begun + MOST && !reached(w))
        sim_run(w, w->now + 100);
    return (double)(w->now - begun) / 1000;
}

static void start(sim_world *w, row *r)
{
    for (unsigned i = 0; i < w->node_count; i++) {
        sim_start(w, i);
        w->nodes[i].renew_at = w->now + sim_below(w, LM_NODE_RECORD_RENEW); /* not all of them at once */
        sim_run(w, w->now + START_STEP);
    }
    r->met = wait_for(w, have_met);
    if (!have_met(w))
        sim_fail(w, "not every node speaks with every other one");
}

/* All come within a short time, those of a node at once. */
static void fill(sim_world *w, row *r)
{
    unsigned browsers = 2 * r->rooms, *homes = sim_grab(browsers * sizeof *homes);
    for (unsigned i = 0; i < browsers; i++)
        homes[i] = sim_below(w, w->node_count);
    for (unsigned i = 0; i < w->node_count; i++) {
        for (unsigned j = 0; j < browsers; j++) {
            if (homes[j] == i)
                sim_join(w, j, i, j / 2);
        }
        if (i + 1 < w->node_count)
            sim_run(w, w->now + FILL_TIME / w->node_count);
    }
    free(homes);
    r->converged = wait_for(w, views_agree);
    if (sim_differences(w, true) > 0)
        sim_fail(w, "views differ %.0f s after the last join", r->converged);
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
    start(&w, r);
    fill(&w, r);
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
    printf(
        "             per node   seconds until      run's  idle, a node and s   a join, all nodes together\n"
        "nodes  rooms links spoken  met views right  CPU s      bytes   CPU ms   told  frames   bytes  CPU "
        "ms\n");
    for (unsigned i = count; i-- > 0;) {
        if (r[i].printed)
            printf("%5u %6u %5.0f %6.0f %4.1f %11.1f %6.1f %10.0f %8.3f %6.0f %7.0f %7.0f %7.2f\n",
                   r[i].nodes, r[i].rooms, r[i].links, r[i].spoken, r[i].met, r[i].converged, r[i].cpu,
                   r[i].idle_bytes, r[i].idle_cpu * 1000, r[i].told, r[i].join_frames, r[i].join_bytes,
                   r[i].join_cpu * 1000);
    }
    if (count > 0 && r[0].printed && r[0].told > r[0].nodes - 1.5)
        printf(
            "A join that is the first of its room on its node costs each other node a message (%.0f of %u).\n"
            "With owners of rooms, chosen by rendezvous hashing over the live nodes, it would be a few.\n",
            r[0].told, r[0].nodes);
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
