/* What has to be true of a world. */
#ifndef LM_SIM_CHECKS_H
#define LM_SIM_CHECKS_H

#include "test/sim/world.h"

/* How many things are wrong in how nodes see each other's members; says the first ones if `say`. */
unsigned sim_differences(sim_world *w, bool say);

/* Fails for each signal that was lost although nobody left anybody's sight. */
void sim_check_signals(sim_world *w);

/* Fails if any node that is up still sees a browser of this one. */
void sim_check_gone(sim_world *w, unsigned node, const char *when);

#endif
