#include "test/sim/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/browsers.h"
#include "test/sim/wire.h"

void sim_fail(sim_world *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (w->failures++ < 10) {
        printf("  at %.3f s: ", (double)w->now / 1000);
        vprintf(format, args);
        printf("\n");
    }
    va_end(args);
}

/* True if node sees, or must see, a place of the browser elsewhere. */
static bool must_see(const sim_world *w, const sim_node *n, const sim_browser *b)
{
    int here = (int)n->index;
    if (b->node == here || b->ghost == here)
        return false;
    return (b->node >= 0 && !sim_is_blocked(w, n->index, (unsigned)b->node)) ||
           (b->ghost >= 0 && !sim_is_blocked(w, n->index, (unsigned)b->ghost));
}

typedef struct known_count {
    const sim_world *w;
    unsigned count;
    bool has_hostile, say;
} known_count;

/* Whom honest nodes have; a hostile one can always announce members of its own. */
static void count_known(void *ctx, const lm_mesh_member_info *member)
{
    known_count *known = ctx;
    for (unsigned i = 0; known->has_hostile && i < known->w->node_count; i++) {
        if (known->w->nodes[i].hostile &&
            memcmp(known->w->nodes[i].nk, member->node, sizeof member->node) == 0)
            return;
    }
    known->count++;
    for (unsigned i = 0; known->say && i < known->w->node_count; i++) {
        unsigned browser;
        memcpy(&browser, member->peer, sizeof browser);
        if (memcmp(known->w->nodes[i].nk, member->node, sizeof member->node) == 0)
            printf("  %u by node %u, it is at %d and %d, since %llu\n", browser, i,
                   known->w->browsers[browser].node, known->w->browsers[browser].ghost,
                   (unsigned long long)known->w->browsers[browser].since);
    }
}

unsigned sim_differences(sim_world *w, bool say)
{
    unsigned count = 0;
    bool has_hostile = false;
    for (unsigned i = 0; i < w->node_count; i++)
        has_hostile = has_hostile || w->nodes[i].hostile;
    unsigned *heads = sim_grab(w->room_count * sizeof *heads),
             *nexts = sim_grab((w->browser_count + 1) * sizeof *nexts);
    for (unsigned i = 0; i < w->browser_count; i++) { /* lists of who is in which room, counted from 1 */
        if (w->browsers[i].node < 0 && w->browsers[i].ghost < 0)
            continue;
        nexts[i] = heads[w->browsers[i].room];
        heads[w->browsers[i].room] = i + 1;
    }
    for (unsigned room = 0; room < w->room_count; room++) {
        for (unsigned i = heads[room]; i != 0; i = nexts[i - 1]) {
            const sim_browser *local = &w->browsers[i - 1];
            sim_node *n = local->node >= 0 ? &w->nodes[local->node] : NULL;
            unsigned expected = 0, found = 0, taken = 0;
            known_count known = {.w = w, .has_hostile = has_hostile};
            uint8_t id[LM_MESH_ROOM_LEN];
            if (n == NULL || n->hostile)
                continue;
            for (unsigned j = heads[room]; j != 0; j = nexts[j - 1]) {
                if (!must_see(w, n, &w->browsers[j - 1]))
                    continue;
                expected++;
                found += sim_find_view(n, room, j - 1) != NULL;
                taken += has_hostile;
                if (say && sim_find_view(n, room, j - 1) == NULL)
                    printf("  node %u (since %llu) does not see %u of node %d (since %llu) in room %u\n",
                           n->index, (unsigned long long)local->since, j - 1, w->browsers[j - 1].node,
                           (unsigned long long)w->browsers[j - 1].since, room);
            }
            sim_room_id(room, id);
            lm_mesh_visit_members(n->mesh, id, count_known, &known);
            /* A hostile node that claims somebody's browser first is named for it, and takes nothing away. */
            bool right = known.count <= expected && known.count + taken >= expected;
            if (!right && found == expected && say) {
                known.say = true;
                lm_mesh_visit_members(n->mesh, id, count_known, &known);
            }
            if (!right && found == expected && say)
                printf("  node %u sees %u members of room %u, not %u\n", n->index, known.count, room,
                       expected);
            count += found != expected || !right;
            say = say && count < 3;
        }
    }
    free(heads);
    free(nexts);
    return count;
}

void sim_check_signals(sim_world *w)
{
    sim_pair *pair, *next;
    HASH_ITER(hh, w->pairs, pair, next) {
        const sim_browser *from = &w->browsers[pair->key >> 32], *to = &w->browsers[(unsigned)pair->key];
        if (!pair->lossy && pair->from_gen == from->gen && pair->to_gen == to->gen &&
            pair->sent != pair->received)
            sim_fail(w, "of %u signals of %u (node %d) to %u (node %d) %u came", pair->sent,
                     (unsigned)(pair->key >> 32), from->node, (unsigned)pair->key, to->node, pair->received);
        HASH_DEL(w->pairs, pair);
        free(pair);
    }
    for (unsigned i = 0; i < w->browser_count; i++) /* new pairs are not mistaken for old ones */
        w->browsers[i].gen++;
}

typedef struct gone_check {
    const uint8_t *nk;
    unsigned found;
} gone_check;

static void check_gone(void *ctx, const lm_mesh_member_info *member)
{
    gone_check *check = ctx;
    check->found += memcmp(member->node, check->nk, sizeof member->node) == 0;
}

void sim_check_gone(sim_world *w, unsigned node, const char *when)
{
    gone_check check = {.nk = w->nodes[node].nk};
    for (unsigned room = 0; room < w->room_count; room++) {
        uint8_t id[LM_MESH_ROOM_LEN];
        sim_room_id(room, id);
        for (unsigned i = 0; i < w->node_count; i++) {
            if (w->nodes[i].mesh != NULL)
                lm_mesh_visit_members(w->nodes[i].mesh, id, check_gone, &check);
        }
    }
    if (check.found > 0)
        sim_fail(w, "%u members of node %u are still seen %s", check.found, node, when);
}
