/* What the simulator is asked for; see sim.c. */
#ifndef LM_SIM_OPTIONS_H
#define LM_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sim_options {
    const char *program; /* by which it was called */
    uint64_t seed;
    unsigned seeds, nodes, scale, rooms, table;
    unsigned jobs; /* at once, 0: one for each core */
    bool verbose;
} sim_options;

/* Both return 0, or 1 if anything was not as it must be. */
int sim_run_seeds(const sim_options *o); /* seeds.c */
int sim_run_scale(const sim_options *o); /* scale.c: one large mesh, or the table */

#endif
