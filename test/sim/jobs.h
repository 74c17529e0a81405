/* Runs that do not know of each other, each in a process of its own and as many at once as there are cores.
 */
#ifndef LM_SIM_JOBS_H
#define LM_SIM_JOBS_H

#include <stddef.h>

/* Does the i-th run and fills its result (zeroed). Returns 0, or what is wrong with it as an exit status. */
typedef int (*sim_job)(const void *ctx, unsigned i, void *result);

/*
 * Does runs 0 to count - 1, `at_once` of them at the same time (0: one for each core), and calls done for
 * each in their order; status is negative for one that was killed, the signal's number. What a run prints
 * comes in one piece. Running out of processes or memory aborts.
 */
void sim_jobs(unsigned count, unsigned at_once, size_t result_size, sim_job job,
              void (*done)(void *ctx, unsigned i, int status, const void *result), void *ctx);

#endif
