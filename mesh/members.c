#include "mesh/members.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/conversation.h"
#include "mesh/members_tell.h"
#include "mesh/mesh_room.h"

#define SETTLE_TIME 2000 /* ms after a room's first join here in which others' members become known */

void lm_members_forget(lm_mesh *mesh, lm_ms now, lm_mesh_node *node)
{
    (void)now;
    while (node->shares != NULL)
        lm_room_free_share(mesh, node->shares);
}

void lm_members_begin(lm_mesh *mesh, lm_ms now, lm_mesh_node *node)
{
    lm_members_tell_rooms(mesh, now, node, true);
}

void lm_members_timeout(lm_mesh *mesh, lm_ms now)
{
    lm_mesh_node *node, *next;
    if (now < mesh->fresh_at)
        return;
    mesh->fresh_at = LM_MS_NEVER;
    if (mesh->fresh_rooms == NULL)
        return;
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (lm_conversation_is_on(node))
            lm_members_tell_rooms(mesh, now, node, false);
    }
    while (mesh->fresh_rooms != NULL)
        lm_room_unfresh(mesh, mesh->fresh_rooms);
}

/* With its last member here a room is none of our business any more. */
static void release_room(lm_mesh *mesh, lm_ms now, lm_mesh_room *room)
{
    const lm_share *share;
    if (room->local_count > 0)
        return;
    DL_FOREACH2(room->shares, share, room_next) {
        lm_members_tell_gone(mesh, now, share->node, room->id);
    }
    lm_room_free(mesh, room);
}

int lm_mesh_join(lm_mesh *mesh, lm_ms now, const uint8_t room_id[LM_MESH_ROOM_LEN],
                 const uint8_t peer[LM_MESH_PEER_LEN], const char *info)
{
    if (strlen(info) > LM_MESH_INFO_MAX)
        return LM_ETOOBIG;
    char *copy = strdup(info);
    lm_mesh_room *room = copy != NULL ? lm_room_get(mesh, now, room_id) : NULL;
    lm_presence_of *who = room != NULL ? lm_room_get_peer(mesh, room, peer) : NULL;
    lm_local_peer *local = who != NULL ? lm_local_peer_get(mesh, peer) : NULL;
    if (local == NULL) {
        if (who != NULL)
            lm_room_release_peer(who);
        if (room != NULL)
            release_room(mesh, now, room);
        free(copy);
        return LM_ENOMEM;
    }
    free(who->info);
    who->info = copy;
    if (who->local == NULL) {
        if (who->claims != NULL)
            lm_room_count_remote(mesh, room, -1);
        who->local = local;
        who->joined = now;
        DL_APPEND2(local->places, who, local_prev, local_next);
        room->local_count++;
    }
    lm_members_tell_change(mesh, now, who, false);
    return LM_OK;
}

/* Takes a peer's place here; what is left of it are other nodes' claims. */
static void remove_local(lm_mesh *mesh, lm_ms now, lm_presence_of *who)
{
    lm_members_tell_change(mesh, now, who, true);
    DL_DELETE2(who->local->places, who, local_prev, local_next);
    lm_local_peer_release(mesh, who->local);
    who->local = NULL;
    who->evicted = false;
    who->room->local_count--;
    if (who->claims != NULL)
        lm_room_count_remote(mesh, who->room, 1);
}

void lm_mesh_leave(lm_mesh *mesh, lm_ms now, const uint8_t room_id[LM_MESH_ROOM_LEN],
                   const uint8_t peer[LM_MESH_PEER_LEN])
{
    lm_mesh_room *room = lm_room_find(mesh, room_id);
    lm_presence_of *who = lm_room_find_peer(room, peer);
    if (who == NULL || who->local == NULL)
        return;
    char *info = who->info;
    who->info = NULL;
    remove_local(mesh, now, who);
    free(info);
    if (room->local_count > 0 && who->claims != NULL) /* it has gone on elsewhere */
        lm_room_emit(mesh, LM_MESH_JOINED, who, who->claims->info);
    lm_room_release_peer(who);
    release_room(mesh, now, room);
}

/*
 * True when another node has named the peer after its session here was heard last: it went there. One that
 * was there before has two sessions, of which this is one, and the other may be as silent.
 */
static bool has_moved(const lm_presence_of *who)
{
    return who->local != NULL && who->local->silent && who->claims != NULL &&
           who->claims->who_prev->since >= who->local->heard; /* the newest */
}

/* A place here whose peer has moved goes to the node where it is. */
static void give_up(lm_mesh *mesh, lm_ms now, lm_presence_of *who)
{
    lm_mesh_room *room = who->room;
    char *info = who->info;
    if (!has_moved(who))
        return;
    who->info = NULL;
    mesh->stats.given_up++;
    remove_local(mesh, now, who);
    lm_room_emit(mesh, LM_MESH_GIVE_UP, who, NULL);
    if (room->local_count > 0 && strcmp(info, who->claims->info) != 0)
        lm_room_emit(mesh, LM_MESH_CHANGED, who, who->claims->info);
    free(info);
    release_room(mesh, now, room);
}

void lm_mesh_peer_silent(lm_mesh *mesh, lm_ms now, const uint8_t peer[LM_MESH_PEER_LEN], bool silent)
{
    lm_local_peer *local;
    HASH_FIND(hh, mesh->locals, peer, LM_MESH_PEER_LEN, local);
    if (local == NULL || local->silent == silent)
        return;
    local->silent = silent;
    local->heard = now > LM_MESH_SILENT_TIME ? now - LM_MESH_SILENT_TIME : 0;
    for (lm_presence_of *who = silent ? local->places : NULL, *next; who != NULL; who = next) {
        next = who->local_next; /* the last one's local goes with it, and next is NULL then */
        give_up(mesh, now, who);
    }
}

int lm_members_on_rooms(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const lm_mesh_message *m)
{
    uint8_t id[LM_MESH_ROOM_LEN];
    const cJSON *item;
    int result = LM_OK;
    if (m->full)
        lm_members_forget(mesh, now, node);
    cJSON_ArrayForEach(item, m->del) {
        lm_mesh_item_room(item, id);
        lm_mesh_room *room = lm_room_find(mesh, id);
        lm_share *share = room != NULL ? lm_room_find_share(room, node) : NULL;
        if (share != NULL)
            lm_room_free_share(mesh, share);
    }
    cJSON_ArrayForEach(item, m->add) {
        lm_mesh_item_room(item, id);
        lm_share *share = lm_room_get_share(mesh, lm_room_find(mesh, id), node, &result);
        if (share != NULL && !share->told)
            lm_members_tell_all(mesh, now, share);
    }
    return result;
}

/*
 * The newest of those who joined before we knew how full the room was have to go, where it is over-full. One
 * that is a member elsewhere, too, does not: it would not make a place.
 */
static void check_size(lm_mesh *mesh, lm_ms now, lm_mesh_room *room)
{
    lm_presence_of *who, *next, *newest = NULL;
    uint32_t leaving = 0;
    if (now - room->opened > SETTLE_TIME)
        return;
    while (room->local_count + room->remote_count - leaving > mesh->limits.room_size) {
        leaving = 0;
        newest = NULL;
        HASH_ITER(hh, room->peers, who, next) {
            leaving += who->evicted;
            if (who->local != NULL && who->claims == NULL && !who->evicted &&
                (newest == NULL || who->joined >= newest->joined))
                newest = who;
        }
        if (newest == NULL || room->local_count + room->remote_count - leaving <= mesh->limits.room_size)
            return;
        newest->evicted = true;
        leaving++;
        lm_room_emit(mesh, LM_MESH_ROOM_FULL, newest, NULL);
    }
}

/* A node names a member. Negative: it broke a rule. */
static int claim_peer(lm_mesh *mesh, lm_ms now, lm_share *share, const uint8_t id[LM_MESH_PEER_LEN],
                      const char *info, uint32_t mark)
{
    lm_mesh_node *node = share->node;
    lm_presence_of *who = lm_room_find_peer(share->room, id);
    lm_claim *claim = who != NULL ? lm_room_find_claim(who, node) : NULL;
    char *copy;
    if (claim != NULL) {
        claim->mark = mark;
        if (strcmp(claim->info, info) == 0 || (copy = strdup(info)) == NULL)
            return LM_OK;
        free(claim->info);
        claim->info = copy;
        if (lm_room_is_remote(who) && who->claims == claim)
            lm_room_emit(mesh, LM_MESH_CHANGED, who, info);
        return LM_OK;
    }
    if (share->count >= mesh->limits.room_size || node->member_count >= mesh->limits.members_per_node) {
        mesh->stats.drops.too_many++;
        return LM_ELIMIT;
    }
    if (mesh->claim_total >= mesh->limits.members_max) {
        mesh->stats.drops.members_full++;
        return LM_OK;
    }
    if ((who = lm_room_get_peer(mesh, share->room, id)) == NULL)
        return LM_OK;
    claim = calloc(1, sizeof *claim);
    copy = strdup(info);
    if (claim == NULL || copy == NULL) {
        free(claim);
        free(copy);
        lm_room_release_peer(who);
        mesh->stats.drops.memory++;
        return LM_OK;
    }
    *claim = (lm_claim){.who = who, .share = share, .info = copy, .since = now, .mark = mark};
    DL_APPEND2(who->claims, claim, who_prev, who_next);
    DL_APPEND2(share->claims, claim, share_prev, share_next);
    share->count++;
    node->member_count++;
    mesh->claim_total++;
    if (lm_room_is_remote(who) && who->claims == claim) {
        lm_room_count_remote(mesh, share->room, 1);
        lm_room_emit(mesh, LM_MESH_JOINED, who, info);
    }
    return LM_OK;
}

int lm_members_on_members(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const lm_mesh_message *m)
{
    uint8_t id[LM_MESH_PEER_LEN];
    const char *info;
    const cJSON *item;
    lm_claim *claim, *next;
    int result = LM_OK;
    lm_mesh_room *room = lm_room_find(mesh, m->room);
    lm_share *share = lm_room_get_share(mesh, room, node, &result);
    if (room == NULL) /* we named it, and left it before the answer came */
        lm_members_tell_gone(mesh, now, node, m->room);
    if (share == NULL)
        return result;
    cJSON_ArrayForEach(item, m->del) {
        lm_mesh_item_peer(item, id);
        const lm_presence_of *who = lm_room_find_peer(room, id);
        claim = who != NULL ? lm_room_find_claim(who, node) : NULL;
        if (claim != NULL)
            lm_room_unclaim(mesh, claim);
    }
    uint32_t mark = ++mesh->mark;
    cJSON_ArrayForEach(item, m->add) {
        lm_mesh_item_member(item, id, &info);
        if (result == LM_OK)
            result = claim_peer(mesh, now, share, id, info, mark);
    }
    if (m->full) {
        DL_FOREACH_SAFE2(share->claims, claim, next, share_next)
        {
            if (claim->mark != mark)
                lm_room_unclaim(mesh, claim);
        }
    }
    check_size(mesh, now, room);
    if (!share->told)
        lm_members_tell_all(mesh, now, share);
    /* Last, for it may be the end of the room: places here that the node has taken over. */
    for (claim = share->claims; claim != NULL; claim = next) {
        next = claim->share_next;
        if (claim->mark != mark || !has_moved(claim->who))
            continue;
        bool last = room->local_count == 1;
        give_up(mesh, now, claim->who);
        if (last)
            break;
    }
    return result;
}

int lm_members_on_signal(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const lm_mesh_message *m)
{
    const lm_mesh_room *room = lm_room_find(mesh, m->room);
    const lm_presence_of *who = lm_room_find_peer(room, m->from), *to = lm_room_find_peer(room, m->to);
    (void)now;
    if (to == NULL || to->local == NULL) { /* it may have left in the meantime */
        mesh->stats.drops.signal_to++;
    } else if (who == NULL || lm_room_find_claim(who, node) == NULL) {
        mesh->stats.drops.signal_from++;
    } else {
        mesh->stats.signals_in++;
        lm_mesh_emit_member(mesh, LM_MESH_SIGNAL, m->room, m->from, m->to, m->data);
    }
    return LM_OK;
}

int lm_mesh_signal(lm_mesh *mesh, lm_ms now, const uint8_t room_id[LM_MESH_ROOM_LEN],
                   const uint8_t from[LM_MESH_PEER_LEN], const uint8_t to[LM_MESH_PEER_LEN], const char *data)
{
    const lm_mesh_room *room = lm_room_find(mesh, room_id);
    const lm_presence_of *sender = lm_room_find_peer(room, from), *target = lm_room_find_peer(room, to);
    const lm_claim *claim;
    int result = LM_ENOTFOUND;
    if (sender == NULL || sender->local == NULL || target == NULL || target == sender)
        return LM_ENOTFOUND;
    if (strlen(data) > LM_MESH_DATA_MAX)
        return LM_ETOOBIG;
    /* Who of several claims the peer rightly we cannot know: whoever does hears of it. */
    DL_FOREACH2(target->claims, claim, who_next) {
        lm_json_writer j = lm_mesh_message_begin(mesh->body, sizeof mesh->body, LM_MESH_TYPE_signal);
        lm_mesh_put_room(&j, "room", room_id);
        lm_mesh_put_bytes(&j, "from", from, LM_MESH_PEER_LEN);
        lm_mesh_put_bytes(&j, "to", to, LM_MESH_PEER_LEN);
        lm_mesh_put_text(&j, "data", data);
        int sent = lm_conversation_send(mesh, now, claim->share->node, &j);
        if (result != LM_OK)
            result = sent;
    }
    mesh->stats.signals_out += result == LM_OK;
    return result;
}

uint32_t lm_mesh_remote_count(const lm_mesh *mesh, const uint8_t room_id[LM_MESH_ROOM_LEN])
{
    const lm_mesh_room *room = lm_room_find(mesh, room_id);
    return room != NULL ? room->remote_count : 0;
}

void lm_mesh_visit_members(const lm_mesh *mesh, const uint8_t room_id[LM_MESH_ROOM_LEN],
                           void (*visit)(void *ctx, const lm_mesh_member_info *member), void *ctx)
{
    lm_mesh_room *room = lm_room_find(mesh, room_id);
    lm_presence_of *who, *next;
    if (room == NULL)
        return;
    HASH_ITER(hh, room->peers, who, next) {
        if (!lm_room_is_remote(who))
            continue;
        lm_mesh_member_info info = {.info = who->claims->info};
        memcpy(info.peer, who->id, sizeof info.peer);
        memcpy(info.node, who->claims->share->node->nk, sizeof info.node);
        visit(ctx, &info);
    }
}

void lm_members_clear(lm_mesh *mesh)
{
    lm_mesh_room *room, *next;
    HASH_ITER(hh, mesh->rooms, room, next) {
        lm_presence_of *who, *next_who;
        HASH_ITER(hh, room->peers, who, next_who) {
            if (who->local == NULL)
                continue;
            DL_DELETE2(who->local->places, who, local_prev, local_next);
            lm_local_peer_release(mesh, who->local);
            free(who->info);
            HASH_DEL(room->peers, who);
            free(who);
        }
        room->local_count = 0;
        release_room(mesh, 0, room);
    }
}
