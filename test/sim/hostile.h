/* A node that holds the salt and means harm: it links up like any other, and then says what it should not. */
#ifndef LM_SIM_HOSTILE_H
#define LM_SIM_HOSTILE_H

#include "test/sim/world.h"

/* Does one bad thing, by chance. */
void sim_misbehave(sim_world *w, unsigned node);

#endif
