/* How much memory another process holds, as the kernel counts it. */
#ifndef LM_TEST_PROCESS_MEMORY_H
#define LM_TEST_PROCESS_MEMORY_H

#include <stdbool.h>

typedef struct process_memory {
    long rss;           /* kB in memory, shared libraries included */
    long private_dirty; /* kB that it holds for itself alone */
} process_memory;

/* Reads what a process holds now; false if there is no such process, or it is not ours to look at. */
bool process_memory_read(process_memory *memory, int pid);

/*
 * Waits until its private dirty memory is less than `below` kB and has been the same for 6 s, but for `limit`
 * seconds at the most. For a relay that gives memory back every 5 s. Writes what it holds then; false as
 * above.
 */
bool process_memory_settle(process_memory *memory, int pid, long below, int limit);

#endif
