#include "test/support/process_memory.h"

#include <stdio.h>
#include <time.h>

#define READS_A_SECOND 10
#define STILL (6 * READS_A_SECOND)

bool process_memory_read(process_memory *memory, int pid)
{
    char path[64], line[256];
    process_memory m = {.rss = -1, .private_dirty = -1};
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Rss: %ld", &m.rss) != 1)
            sscanf(line, "Private_Dirty: %ld", &m.private_dirty);
    fclose(file);
    if (m.rss < 0 || m.private_dirty < 0) /* it has ended, and nobody has waited for it */
        return false;
    *memory = m;
    return true;
}

bool process_memory_settle(process_memory *memory, int pid, long below, int limit)
{
    struct timespec pause = {.tv_nsec = 1000000000 / READS_A_SECOND};
    long last = -1;
    for (int still = 0, reads = 0; still < STILL && reads < limit * READS_A_SECOND; reads++) {
        if (!process_memory_read(memory, pid))
            return false;
        still = memory->private_dirty == last && last < below ? still + 1 : 0;
        last = memory->private_dirty;
        nanosleep(&pause, NULL);
    }
    return process_memory_read(memory, pid);
}
