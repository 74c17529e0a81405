#include "mesh/mesh_room.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"

#define FRESH_DELAY 20    /* ms in which fresh rooms are gathered */
#define SHARES_MAX 100000 /* rooms that a node may share with us */

lm_mesh_room *lm_room_find(const lm_mesh *mesh, const uint8_t id[LM_MESH_ROOM_LEN])
{
    lm_mesh_room *room;
    HASH_FIND(hh, mesh->rooms, id, LM_MESH_ROOM_LEN, room);
    return room;
}

lm_presence_of *lm_room_find_peer(const lm_mesh_room *room, const uint8_t id[LM_MESH_PEER_LEN])
{
    lm_presence_of *who = NULL;
    if (room != NULL)
        HASH_FIND(hh, room->peers, id, LM_MESH_PEER_LEN, who);
    return who;
}

lm_share *lm_room_find_share(const lm_mesh_room *room, const lm_mesh_node *node)
{
    lm_share *share;
    DL_FOREACH2(room->shares, share, room_next) {
        if (share->node == node)
            return share;
    }
    return NULL;
}

lm_claim *lm_room_find_claim(const lm_presence_of *who, const lm_mesh_node *node)
{
    lm_claim *claim;
    DL_FOREACH2(who->claims, claim, who_next) {
        if (claim->share->node == node)
            return claim;
    }
    return NULL;
}

void lm_room_emit(lm_mesh *mesh, lm_mesh_output_kind kind, const lm_presence_of *who, const char *text)
{
    lm_mesh_emit_member(mesh, kind, who->room->id, who->id, NULL, text);
}

bool lm_room_is_remote(const lm_presence_of *who)
{
    return who->local == NULL && who->claims != NULL;
}

void lm_room_count_remote(lm_mesh *mesh, lm_mesh_room *room, int change)
{
    if (room->remote_count == 0)
        mesh->stats.remote_rooms++;
    room->remote_count += (uint32_t)change;
    mesh->stats.remote_members += (uint64_t)(int64_t)change;
    if (room->remote_count == 0)
        mesh->stats.remote_rooms--;
}

lm_presence_of *lm_room_get_peer(lm_mesh *mesh, lm_mesh_room *room, const uint8_t id[LM_MESH_PEER_LEN])
{
    lm_presence_of *who = lm_room_find_peer(room, id);
    if (who != NULL)
        return who;
    who = calloc(1, sizeof *who);
    if (who != NULL) {
        memcpy(who->id, id, sizeof who->id);
        who->room = room;
        HASH_ADD(hh, room->peers, id, LM_MESH_PEER_LEN, who);
        if (who->hh.tbl == NULL) {
            free(who);
            who = NULL;
        }
    }
    mesh->stats.drops.memory += who == NULL;
    return who;
}

void lm_room_release_peer(lm_presence_of *who)
{
    if (who->local != NULL || who->claims != NULL)
        return;
    HASH_DEL(who->room->peers, who);
    free(who);
}

/* Takes a claim out of all lists and counts, and gives its info, which the caller frees. */
static char *drop(lm_mesh *mesh, lm_claim *claim)
{
    lm_share *share = claim->share;
    char *info = claim->info;
    DL_DELETE2(claim->who->claims, claim, who_prev, who_next);
    DL_DELETE2(share->claims, claim, share_prev, share_next);
    share->count--;
    share->node->member_count--;
    mesh->claim_total--;
    free(claim);
    return info;
}

void lm_room_unclaim(lm_mesh *mesh, lm_claim *claim)
{
    lm_presence_of *who = claim->who;
    bool counted = who->local == NULL && who->claims == claim;
    char *info = drop(mesh, claim);
    if (counted && who->claims == NULL) {
        lm_room_count_remote(mesh, who->room, -1);
        lm_room_emit(mesh, LM_MESH_LEFT, who, NULL);
    } else if (counted && strcmp(who->claims->info, info) != 0) {
        lm_room_emit(mesh, LM_MESH_CHANGED, who, who->claims->info);
    }
    free(info);
    lm_room_release_peer(who);
}

void lm_room_free_share(lm_mesh *mesh, lm_share *share)
{
    while (share->claims != NULL)
        lm_room_unclaim(mesh, share->claims);
    DL_DELETE2(share->room->shares, share, room_prev, room_next);
    DL_DELETE2(share->node->shares, share, node_prev, node_next);
    share->node->share_count--;
    mesh->share_total--;
    free(share);
}

void lm_room_unfresh(lm_mesh *mesh, lm_mesh_room *room)
{
    if (room->fresh)
        DL_DELETE2(mesh->fresh_rooms, room, fresh_prev, fresh_next);
    room->fresh = false;
}

lm_mesh_room *lm_room_get(lm_mesh *mesh, lm_ms now, const uint8_t id[LM_MESH_ROOM_LEN])
{
    lm_mesh_room *room = lm_room_find(mesh, id);
    if (room != NULL)
        return room;
    room = calloc(1, sizeof *room);
    if (room == NULL)
        return NULL;
    memcpy(room->id, id, sizeof room->id);
    room->opened = now;
    HASH_ADD(hh, mesh->rooms, id, LM_MESH_ROOM_LEN, room);
    if (room->hh.tbl == NULL) {
        free(room);
        return NULL;
    }
    room->fresh = true;
    DL_APPEND2(mesh->fresh_rooms, room, fresh_prev, fresh_next);
    mesh->fresh_at = lm_ms_min(mesh->fresh_at, now + FRESH_DELAY);
    return room;
}

void lm_room_free(lm_mesh *mesh, lm_mesh_room *room)
{
    lm_presence_of *who, *next;
    HASH_ITER(hh, room->peers, who, next) {
        if (lm_room_is_remote(who))
            lm_room_count_remote(mesh, room, -1);
        while (who->claims != NULL)
            free(drop(mesh, who->claims));
        lm_room_release_peer(who);
    }
    while (room->shares != NULL)
        lm_room_free_share(mesh, room->shares);
    lm_room_unfresh(mesh, room);
    HASH_DEL(mesh->rooms, room);
    free(room);
}

lm_local_peer *lm_local_peer_get(lm_mesh *mesh, const uint8_t id[LM_MESH_PEER_LEN])
{
    lm_local_peer *local;
    HASH_FIND(hh, mesh->locals, id, LM_MESH_PEER_LEN, local);
    if (local != NULL)
        return local;
    local = calloc(1, sizeof *local);
    if (local == NULL)
        return NULL;
    memcpy(local->id, id, sizeof local->id);
    HASH_ADD(hh, mesh->locals, id, LM_MESH_PEER_LEN, local);
    if (local->hh.tbl == NULL) {
        free(local);
        return NULL;
    }
    return local;
}

void lm_local_peer_release(lm_mesh *mesh, lm_local_peer *local)
{
    if (local->places != NULL)
        return;
    HASH_DEL(mesh->locals, local);
    free(local);
}

lm_share *lm_room_get_share(lm_mesh *mesh, lm_mesh_room *room, lm_mesh_node *node, int *result)
{
    lm_share *share = room != NULL ? lm_room_find_share(room, node) : NULL;
    if (share != NULL || room == NULL)
        return share;
    if (node->share_count >= SHARES_MAX) {
        mesh->stats.drops.too_many++;
        *result = LM_ELIMIT;
        return NULL;
    }
    if (mesh->share_total >= mesh->limits.shares_max) {
        mesh->stats.drops.members_full++;
        return NULL;
    }
    share = calloc(1, sizeof *share);
    if (share == NULL) {
        mesh->stats.drops.memory++;
        return NULL;
    }
    share->room = room;
    share->node = node;
    DL_APPEND2(room->shares, share, room_prev, room_next);
    DL_APPEND2(node->shares, share, node_prev, node_next);
    node->share_count++;
    mesh->share_total++;
    return share;
}
