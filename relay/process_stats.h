/* What the operating system says of this process, as Linux tells it in /proc. */
#ifndef LM_RELAY_PROCESS_STATS_H
#define LM_RELAY_PROCESS_STATS_H

#include <stdint.h>

/* What could not be found out is 0. */
typedef struct lm_process_stats {
    uint64_t cpu_ms; /* of all threads, in user and in kernel mode */
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_fds;
    uint64_t max_fds;
} lm_process_stats;

void lm_process_stats_read(lm_process_stats *stats);

#endif
