#include "test/sim/jobs.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct slot {
    pid_t pid;
    bool ended;
    int status;
} slot;

static pid_t begin(sim_job job, const void *ctx, unsigned i, void *result)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid > 0)
        return pid;
    int status = job(ctx, i, result);
    fflush(stdout);
    _exit(status);
}

/* Waits until one of them ends. */
static void wait_for_one(slot *slots, unsigned count)
{
    int status;
    pid_t pid = wait(&status);
    if (pid < 0)
        abort();
    for (unsigned i = 0; i < count; i++) {
        if (slots[i].pid != pid || slots[i].ended)
            continue;
        slots[i].ended = true;
        slots[i].status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
}

void sim_jobs(unsigned count, unsigned at_once, size_t result_size, sim_job job,
              void (*done)(void *ctx, unsigned i, int status, const void *result), void *ctx)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned most = at_once > 0 ? at_once : cores > 0 ? (unsigned)cores : 1, begun = 0, told = 0;
    slot *slots = calloc(count, sizeof *slots);
    char *results =
        mmap(NULL, (size_t)count * result_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (slots == NULL || results == MAP_FAILED)
        abort();
    for (unsigned running = 0; told < count;) {
        for (; begun < count && running < most; begun++, running++)
            slots[begun].pid = begin(job, ctx, begun, results + begun * result_size);
        wait_for_one(slots, begun);
        running--;
        for (; told < begun && slots[told].ended; told++)
            done(ctx, told, slots[told].status, results + told * result_size);
    }
    munmap(results, (size_t)count * result_size);
    free(slots);
}
