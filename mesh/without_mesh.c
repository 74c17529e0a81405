/* In the place of mesh/mesh.c and its parts where LM_WITH_MESH is off: nobody has a mesh that could be asked.
 */
#include "common/error.h"
#include "mesh/mesh.h"

void lm_mesh_limits_default(lm_mesh_limits *limits)
{
    *limits = (lm_mesh_limits){0};
}

uint64_t lm_mesh_memory(const lm_mesh_limits *limits)
{
    (void)limits;
    return 0;
}

void lm_mesh_set_unix_time(lm_mesh *mesh, lm_ms now, uint64_t unix_ms)
{
    (void)mesh;
    (void)now;
    (void)unix_ms;
}

int lm_mesh_set_record(lm_mesh *mesh, lm_ms now, const lm_node_record *record)
{
    (void)mesh;
    (void)now;
    (void)record;
    return LM_EUNSUPPORTED;
}

uint64_t lm_mesh_own_seq(const lm_mesh *mesh)
{
    (void)mesh;
    return 0;
}

void lm_mesh_visit_members(const lm_mesh *mesh, const uint8_t room[LM_MESH_ROOM_LEN],
                           void (*visit)(void *ctx, const lm_mesh_member_info *member), void *ctx)
{
    (void)mesh;
    (void)room;
    (void)visit;
    (void)ctx;
}

void lm_mesh_visit_links(const lm_mesh *mesh, lm_ms now,
                         void (*visit)(void *ctx, const lm_mesh_link_info *link), void *ctx)
{
    (void)mesh;
    (void)now;
    (void)visit;
    (void)ctx;
}

void lm_mesh_visit_nodes(const lm_mesh *mesh, lm_ms now,
                         void (*visit)(void *ctx, const lm_mesh_node_info *node), void *ctx)
{
    (void)mesh;
    (void)now;
    (void)visit;
    (void)ctx;
}

void lm_mesh_visit_pairs(const lm_mesh *mesh, void (*visit)(void *ctx, uint32_t a, uint32_t b), void *ctx)
{
    (void)mesh;
    (void)visit;
    (void)ctx;
}

const lm_mesh_stats *lm_mesh_get_stats(const lm_mesh *mesh)
{
    static const lm_mesh_stats none;
    (void)mesh;
    return &none;
}
