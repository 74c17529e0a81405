#include "relay/process_stats.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t cpu_ms(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

/* The first two numbers of statm: pages of address space, pages in memory. */
static void read_memory(lm_process_stats *stats)
{
    uint64_t all, resident;
    long page = sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return;
    if (page > 0 && fscanf(file, "%" SCNu64 " %" SCNu64, &all, &resident) == 2) {
        stats->virtual_bytes = all * (uint64_t)page;
        stats->resident_bytes = resident * (uint64_t)page;
    }
    fclose(file);
}

static uint64_t count_fds(void)
{
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count > 0 ? count - 1 : 0; /* the directory itself was open */
}

void lm_process_stats_read(lm_process_stats *stats)
{
    struct rlimit files;
    *stats = (lm_process_stats){.cpu_ms = cpu_ms(), .open_fds = count_fds()};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
        stats->max_fds = files.rlim_cur;
    read_memory(stats);
}
