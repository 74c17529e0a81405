/*
 * The mesh simulator: many nodes in one process, on virtual time.
 *
 *     lumamesh-sim --seeds 200                    seeds 1 to 200, with 5 to 50 nodes each
 *     lumamesh-sim --seed 17 -v                   one of them, with its log; --nodes 30: with so many nodes
 *     lumamesh-sim --scale 500 --rooms 20000      one large mesh: convergence, bytes and CPU
 *     lumamesh-sim --table 500                    how cost grows from 10 nodes to so many, 40 rooms for each
 *
 * --seed N is the first seed, of a large mesh, too. As many runs are done at once as there are cores, or
 * --jobs N. Status 0: all was as it must be.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/options.h"

static int usage(void)
{
    fprintf(stderr,
            "usage: lumamesh-sim [--seed N] [--seeds N] [--nodes N] [--scale N] [--rooms N] [--table N] "
            "[--jobs N] [-v]\n");
    return 2;
}

/* 1 to most. */
static bool read_number(const char *text, unsigned long long most, unsigned long long *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *value > 0 && *value <= most;
}

int main(int argc, char **argv)
{
    sim_options o = {.program = argv[0], .seed = 1, .seeds = 1, .rooms = 20000};
    const struct {
        const char *name;
        unsigned *value;
        unsigned most;
    } numbers[] = {{"--seeds", &o.seeds, 1000000}, {"--nodes", &o.nodes, 1000}, {"--scale", &o.scale, 1000},
                   {"--rooms", &o.rooms, 1000000}, {"--table", &o.table, 1000}, {"--jobs", &o.jobs, 1000}};
    setvbuf(stdout, NULL, _IOFBF, 65536);
    if (sodium_init() < 0)
        return 2;
    for (int i = 1; i < argc; i++) {
        unsigned long long value;
        bool known = false;
        if (strcmp(argv[i], "-v") == 0) {
            o.verbose = true;
            continue;
        }
        if (i + 1 == argc)
            return usage();
        if (strcmp(argv[i], "--seed") == 0) {
            known = read_number(argv[i + 1], UINT64_MAX, &value);
            o.seed = value;
        }
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
            if (strcmp(argv[i], numbers[k].name) != 0 || !read_number(argv[i + 1], numbers[k].most, &value))
                continue;
            known = true;
            *numbers[k].value = (unsigned)value;
        }
        if (!known)
            return usage();
        i++;
    }
    return o.table > 0 || o.scale > 0 ? sim_run_scale(&o) : sim_run_seeds(&o);
}
