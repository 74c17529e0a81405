/*
 * Many nodes in one process on virtual time: the network between them, and a stand-in for each one's relay.
 * All chance comes from one seed, so a run can be repeated. Running out of memory aborts.
 */
#ifndef LM_SIM_WORLD_H
#define LM_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/table.h"
#include "mesh/mesh.h"

typedef struct sim_world sim_world;
typedef struct sim_conn sim_conn;

typedef struct sim_view sim_view;
typedef struct sim_pair sim_pair;

typedef struct sim_node {
    lm_mesh *mesh; /* NULL: down */
    uint8_t seed[32];
    uint8_t nk[32];
    unsigned index, group;
    unsigned life; /* counts starts */
    bool nat, hostile;
    int64_t skew; /* ms of its clock */
    lm_ms timer, renew_at;
    sim_view *view;
    struct sim_end *ends; /* of connections, by link; owned */
    size_t end_count;
    bool silent;    /* down, and nothing answers for it */
    uint64_t bytes; /* sent */
} sim_node;

typedef struct sim_browser {
    int node; /* -1: nowhere */
    unsigned room;
    unsigned gen; /* changes with all that may cost it signals */
    lm_ms since;  /* its last join */
    int ghost;    /* node that keeps its place after a move, -1: none */
} sim_browser;

struct sim_world {
    lm_ms now;
    uint64_t random_state[4];
    lm_ms delay; /* one way */
    unsigned jitter;
    sim_node *nodes;
    unsigned node_count;
    sim_browser *browsers;
    unsigned browser_count, room_count;
    sim_pair *pairs;
    sim_conn *conns;
    struct sim_event *heap;
    size_t heap_len, heap_cap;
    bool calm; /* nothing has been disturbed: joins are timed, and nobody may leave sight */
    lm_ms slowest_join;
    uint64_t joins_seen, signals, signals_received, false_leaves;
    unsigned failures;
    bool verbose;
    lm_log log;
};

void sim_world_init(sim_world *w, uint64_t seed, unsigned nodes, unsigned browsers, unsigned rooms);
void sim_world_clear(sim_world *w);

/* Zeroed memory. */
void *sim_grab(size_t size);

/* Says that something is not as it must be. */
void sim_fail(sim_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* chance.c: all of it comes from the seed. */
void sim_seed(sim_world *w, uint64_t seed);
void sim_fill(void *ctx, void *buf, size_t len); /* an lm_random, of a world */
uint32_t sim_below(sim_world *w, uint32_t n);
lm_ms sim_travel(sim_world *w); /* how long a chunk is on its way */

void sim_start(sim_world *w, unsigned node);
/* silent: its packets just stop; else its sockets are closed. Its browsers are gone. */
void sim_kill(sim_world *w, unsigned node, bool silent);
void sim_new_key(sim_world *w, unsigned node);
bool sim_is_here(const sim_world *w, unsigned node, unsigned life);

/* Lets time pass. */
void sim_run(sim_world *w, lm_ms until);

/* Takes the outputs of a node's mesh; call it after touching one. */
void sim_drain(sim_world *w, sim_node *n);

#endif
