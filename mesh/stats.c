#include "mesh/stats.h"

void lm_mesh_stats_visit(const lm_mesh_stats *stats,
                         void (*visit)(void *ctx, const char *name, uint64_t value), void *ctx)
{
#define LM_X(name, metric, help) visit(ctx, #name, stats->name);
    LM_MESH_COUNTERS(LM_X)
    LM_MESH_GAUGES(LM_X)
#undef LM_X
#define LM_X(name) visit(ctx, "drop_" #name, stats->drops.name);
    LM_MESH_DROPS(LM_X)
#undef LM_X
}
