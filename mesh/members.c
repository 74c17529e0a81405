#include "mesh/members.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/conversation.h"

#define FRESH_DELAY 20    /* ms in which fresh rooms are gathered */
#define SETTLE_TIME 2000  /* ms after a room's first join here in which others' members become known */
#define SHARES_MAX 100000 /* rooms that a node may share with us */

typedef struct lm_claim lm_claim;
typedef struct lm_presence_of lm_presence_of;
typedef struct lm_local_peer lm_local_peer;

/* One peer in one room. */
struct lm_presence_of {
    uint8_t id[LM_MESH_PEER_LEN];
    lm_mesh_room *room;
    lm_local_peer *local;                    /* NULL: not here */
    char *info;                              /* here; owned */
    lm_ms joined;                            /* here */
    bool evicted;                            /* LM_MESH_ROOM_FULL has been said */
    lm_claim *claims;                        /* of other nodes, the oldest first */
    lm_presence_of *local_prev, *local_next; /* local->places */
    UT_hash_handle hh;
};

/* What one node says of one peer in one room. */
struct lm_claim {
    lm_presence_of *who;
    lm_share *share;
    char *info; /* owned */
    lm_ms since;
    uint32_t mark;
    lm_claim *who_prev, *who_next, *share_prev, *share_next;
};

/* One room and one node that has it too. */
struct lm_share {
    lm_mesh_room *room;
    lm_mesh_node *node;
    bool told; /* it has our members of the room */
    lm_claim *claims;
    uint32_t count;
    lm_share *room_prev, *room_next, *node_prev, *node_next;
};

struct lm_mesh_room {
    uint8_t id[LM_MESH_ROOM_LEN];
    lm_presence_of *peers;
    uint32_t local_count, remote_count;
    lm_share *shares;
    lm_ms opened;
    bool fresh; /* on mesh->fresh_rooms */
    lm_mesh_room *fresh_prev, *fresh_next;
    UT_hash_handle hh;
};

/* A peer of this node. */
struct lm_local_peer {
    uint8_t id[LM_MESH_PEER_LEN];
    bool silent;
    lm_ms heard; /* silent: since then nothing has been */
    lm_presence_of *places;
    UT_hash_handle hh;
};

_Static_assert(sizeof(lm_share) + 64 <= LM_MESH_SHARE_BYTES &&
                   sizeof(lm_claim) + sizeof(lm_presence_of) + LM_MESH_INFO_MAX + 256 <= LM_MESH_MEMBER_BYTES,
               "what lm_mesh_memory() counts, with what the allocator adds");

static lm_mesh_room *find_room(const lm_mesh *mesh, const uint8_t id[LM_MESH_ROOM_LEN])
{
    lm_mesh_room *room;
    HASH_FIND(hh, mesh->rooms, id, LM_MESH_ROOM_LEN, room);
    return room;
}

static lm_presence_of *find_peer(const lm_mesh_room *room, const uint8_t id[LM_MESH_PEER_LEN])
{
    lm_presence_of *who = NULL;
    if (room != NULL)
        HASH_FIND(hh, room->peers, id, LM_MESH_PEER_LEN, who);
    return who;
}

static lm_share *find_share(const lm_mesh_room *room, const lm_mesh_node *node)
{
    lm_share *share;
    DL_FOREACH2(room->shares, share, room_next) {
        if (share->node == node)
            return share;
    }
    return NULL;
}

static lm_claim *find_claim(const lm_presence_of *who, const lm_mesh_node *node)
{
    lm_claim *claim;
    DL_FOREACH2(who->claims, claim, who_next) {
        if (claim->share->node == node)
            return claim;
    }
    return NULL;
}

static void emit(lm_mesh *mesh, lm_mesh_output_kind kind, const lm_presence_of *who, const char *text)
{
    lm_mesh_emit_member(mesh, kind, who->room->id, who->id, NULL, text);
}

/* Elsewhere and not here. */
static bool is_remote(const lm_presence_of *who)
{
    return who->local == NULL && who->claims != NULL;
}

static void count_remote(lm_mesh *mesh, lm_mesh_room *room, int change)
{
    if (room->remote_count == 0)
        mesh->stats.remote_rooms++;
    room->remote_count += (uint32_t)change;
    mesh->stats.remote_members += (uint64_t)(int64_t)change;
    if (room->remote_count == 0)
        mesh->stats.remote_rooms--;
}

static lm_presence_of *get_peer(lm_mesh *mesh, lm_mesh_room *room, const uint8_t id[LM_MESH_PEER_LEN])
{
    lm_presence_of *who = find_peer(room, id);
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

static void release_peer(lm_presence_of *who)
{
    if (who->local != NULL || who->claims != NULL)
        return;
    HASH_DEL(who->room->peers, who);
    free(who);
}

/* Frees a claim; who may be gone afterwards. */
static void unclaim(lm_mesh *mesh, lm_claim *claim)
{
    lm_presence_of *who = claim->who;
    lm_share *share = claim->share;
    bool counted = who->local == NULL && who->claims == claim;
    char *info = claim->info;
    DL_DELETE2(who->claims, claim, who_prev, who_next);
    DL_DELETE2(share->claims, claim, share_prev, share_next);
    share->count--;
    share->node->member_count--;
    mesh->claim_total--;
    free(claim);
    if (counted && who->claims == NULL) {
        count_remote(mesh, who->room, -1);
        emit(mesh, LM_MESH_LEFT, who, NULL);
    } else if (counted && strcmp(who->claims->info, info) != 0) {
        emit(mesh, LM_MESH_CHANGED, who, who->claims->info);
    }
    free(info);
    release_peer(who);
}

static void free_share(lm_mesh *mesh, lm_share *share)
{
    while (share->claims != NULL)
        unclaim(mesh, share->claims);
    DL_DELETE2(share->room->shares, share, room_prev, room_next);
    DL_DELETE2(share->node->shares, share, node_prev, node_next);
    share->node->share_count--;
    mesh->share_total--;
    free(share);
}

void lm_members_forget(lm_mesh *mesh, lm_ms now, lm_mesh_node *node)
{
    (void)now;
    while (node->shares != NULL)
        free_share(mesh, node->shares);
}

/* What follows is sent in lists that are split where they get long. */

static lm_json_writer begin_list(lm_mesh *mesh, lm_mesh_type type, const lm_mesh_room *room, bool full,
                                 const char *key)
{
    lm_json_writer j = lm_mesh_message_begin(mesh->body, sizeof mesh->body, type);
    if (room != NULL)
        lm_mesh_put_room(&j, "room", room->id);
    if (full) {
        lm_json_key(&j, "full");
        lm_json_bool(&j, true);
    }
    lm_json_key(&j, key);
    lm_json_open(&j, '[');
    return j;
}

static void end_list(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, lm_json_writer *j)
{
    lm_json_close(j, ']');
    (void)lm_conversation_send(mesh, now, node, j);
}

static void put_member(lm_json_writer *j, const lm_presence_of *who)
{
    lm_json_open(j, '{');
    lm_mesh_put_bytes(j, "id", who->id, sizeof who->id);
    lm_mesh_put_text(j, "info", who->info);
    lm_json_close(j, '}');
}

/* Tells a node that shares the room all members of it here. */
static void tell_members(lm_mesh *mesh, lm_ms now, lm_share *share)
{
    lm_presence_of *who, *next;
    share->told = true;
    lm_json_writer j = begin_list(mesh, LM_MESH_TYPE_members, share->room, true, "add");
    HASH_ITER(hh, share->room->peers, who, next) {
        if (who->local == NULL)
            continue;
        if (j.text.len > LM_MESH_LIST_MAX) {
            end_list(mesh, now, share->node, &j);
            j = begin_list(mesh, LM_MESH_TYPE_members, share->room, false, "add");
        }
        put_member(&j, who);
    }
    end_list(mesh, now, share->node, &j);
}

/* Tells a node that a room is not, or no longer, here, so that it does not count on us. */
static void tell_gone(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const uint8_t id[LM_MESH_ROOM_LEN])
{
    lm_json_writer j = begin_list(mesh, LM_MESH_TYPE_rooms, NULL, false, "del");
    lm_mesh_put_room(&j, NULL, id);
    end_list(mesh, now, node, &j);
}

/* Tells the nodes that share the room of one member here. */
static void tell_change(lm_mesh *mesh, lm_ms now, const lm_presence_of *who, bool gone)
{
    lm_share *share;
    DL_FOREACH2(who->room->shares, share, room_next) {
        if (!share->told)
            continue;
        lm_json_writer j = begin_list(mesh, LM_MESH_TYPE_members, who->room, false, gone ? "del" : "add");
        if (gone) {
            char text[LM_BASE64URL_SIZE(LM_MESH_PEER_LEN)];
            lm_mesh_put_text(&j, NULL, lm_base64url_encode(text, sizeof text, who->id, sizeof who->id));
        } else {
            put_member(&j, who);
        }
        end_list(mesh, now, share->node, &j);
    }
}

/* Tells a node of all rooms here, or of the fresh ones. */
static void tell_rooms(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, bool full)
{
    lm_mesh_room *room, *next;
    lm_json_writer j = begin_list(mesh, LM_MESH_TYPE_rooms, NULL, full, "add");
    for (room = full ? mesh->rooms : mesh->fresh_rooms; room != NULL; room = next) {
        next = full ? room->hh.next : room->fresh_next;
        if (j.text.len > LM_MESH_LIST_MAX) {
            end_list(mesh, now, node, &j);
            j = begin_list(mesh, LM_MESH_TYPE_rooms, NULL, false, "add");
        }
        lm_mesh_put_room(&j, NULL, room->id);
    }
    end_list(mesh, now, node, &j);
}

void lm_members_begin(lm_mesh *mesh, lm_ms now, lm_mesh_node *node)
{
    tell_rooms(mesh, now, node, true);
}

static void unfresh(lm_mesh *mesh, lm_mesh_room *room)
{
    if (room->fresh)
        DL_DELETE2(mesh->fresh_rooms, room, fresh_prev, fresh_next);
    room->fresh = false;
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
            tell_rooms(mesh, now, node, false);
    }
    while (mesh->fresh_rooms != NULL)
        unfresh(mesh, mesh->fresh_rooms);
}

static lm_mesh_room *get_room(lm_mesh *mesh, lm_ms now, const uint8_t id[LM_MESH_ROOM_LEN])
{
    lm_mesh_room *room = find_room(mesh, id);
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

/* With its last member here a room is none of our business any more. */
static void release_room(lm_mesh *mesh, lm_ms now, lm_mesh_room *room)
{
    if (room->local_count > 0)
        return;
    lm_share *share, *next;
    DL_FOREACH_SAFE2(room->shares, share, next, room_next)
    {
        lm_json_writer j = begin_list(mesh, LM_MESH_TYPE_rooms, NULL, false, "del");
        lm_mesh_put_room(&j, NULL, room->id);
        end_list(mesh, now, share->node, &j);
        lm_claim *claim;
        DL_FOREACH2(share->claims, claim, share_next) {
        }
    }
    /* Nobody here is left to hear of them. */
    lm_presence_of *who, *next_who;
    HASH_ITER(hh, room->peers, who, next_who) {
        if (is_remote(who))
            count_remote(mesh, room, -1);
        while (who->claims != NULL) {
            lm_claim *claim = who->claims;
            DL_DELETE2(who->claims, claim, who_prev, who_next);
            claim->share->node->member_count--;
            free(claim->info);
            free(claim);
        }
        HASH_DEL(room->peers, who);
        free(who);
    }
    DL_FOREACH_SAFE2(room->shares, share, next, room_next)
    {
        DL_DELETE2(share->node->shares, share, node_prev, node_next);
        share->node->share_count--;
        mesh->share_total--;
        free(share);
    }
    unfresh(mesh, room);
    HASH_DEL(mesh->rooms, room);
    free(room);
}

static lm_local_peer *get_local(lm_mesh *mesh, const uint8_t id[LM_MESH_PEER_LEN])
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

static void release_local(lm_mesh *mesh, lm_local_peer *local)
{
    if (local->places != NULL)
        return;
    HASH_DEL(mesh->locals, local);
    free(local);
}

int lm_mesh_join(lm_mesh *mesh, lm_ms now, const uint8_t room_id[LM_MESH_ROOM_LEN],
                 const uint8_t peer[LM_MESH_PEER_LEN], const char *info)
{
    if (strlen(info) > LM_MESH_INFO_MAX)
        return LM_ETOOBIG;
    char *copy = strdup(info);
    lm_mesh_room *room = copy != NULL ? get_room(mesh, now, room_id) : NULL;
    lm_presence_of *who = room != NULL ? get_peer(mesh, room, peer) : NULL;
    lm_local_peer *local = who != NULL ? get_local(mesh, peer) : NULL;
    if (local == NULL) {
        if (who != NULL)
            release_peer(who);
        if (room != NULL)
            release_room(mesh, now, room);
        free(copy);
        return LM_ENOMEM;
    }
    free(who->info);
    who->info = copy;
    if (who->local == NULL) {
        if (who->claims != NULL)
            count_remote(mesh, room, -1);
        who->local = local;
        who->joined = now;
        DL_APPEND2(local->places, who, local_prev, local_next);
        room->local_count++;
    }
    tell_change(mesh, now, who, false);
    return LM_OK;
}

/* Takes a peer's place here; what is left of it are other nodes' claims. */
static void remove_local(lm_mesh *mesh, lm_ms now, lm_presence_of *who)
{
    tell_change(mesh, now, who, true);
    DL_DELETE2(who->local->places, who, local_prev, local_next);
    release_local(mesh, who->local);
    who->local = NULL;
    who->evicted = false;
    who->room->local_count--;
    if (who->claims != NULL)
        count_remote(mesh, who->room, 1);
}

void lm_mesh_leave(lm_mesh *mesh, lm_ms now, const uint8_t room_id[LM_MESH_ROOM_LEN],
                   const uint8_t peer[LM_MESH_PEER_LEN])
{
    lm_mesh_room *room = find_room(mesh, room_id);
    lm_presence_of *who = find_peer(room, peer);
    if (who == NULL || who->local == NULL)
        return;
    char *info = who->info;
    who->info = NULL;
    remove_local(mesh, now, who);
    free(info);
    if (room->local_count > 0 && who->claims != NULL) /* it has gone on elsewhere */
        emit(mesh, LM_MESH_JOINED, who, who->claims->info);
    release_peer(who);
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
    emit(mesh, LM_MESH_GIVE_UP, who, NULL);
    if (room->local_count > 0 && strcmp(info, who->claims->info) != 0)
        emit(mesh, LM_MESH_CHANGED, who, who->claims->info);
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

/* The share of a room here with a node; NULL: no such room here, or no memory. *result says of broken rules.
 */
static lm_share *get_share(lm_mesh *mesh, lm_mesh_room *room, lm_mesh_node *node, int *result)
{
    lm_share *share = room != NULL ? find_share(room, node) : NULL;
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

int lm_members_on_rooms(lm_mesh *mesh, lm_ms now, lm_mesh_node *node, const lm_mesh_message *m)
{
    uint8_t id[LM_MESH_ROOM_LEN];
    const cJSON *item;
    int result = LM_OK;
    if (m->full)
        lm_members_forget(mesh, now, node);
    cJSON_ArrayForEach(item, m->del) {
        lm_mesh_item_room(item, id);
        lm_mesh_room *room = find_room(mesh, id);
        lm_share *share = room != NULL ? find_share(room, node) : NULL;
        if (share != NULL)
            free_share(mesh, share);
    }
    cJSON_ArrayForEach(item, m->add) {
        lm_mesh_item_room(item, id);
        lm_share *share = get_share(mesh, find_room(mesh, id), node, &result);
        if (share != NULL && !share->told)
            tell_members(mesh, now, share);
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
        emit(mesh, LM_MESH_ROOM_FULL, newest, NULL);
    }
}

/* A node names a member. Negative: it broke a rule. */
static int claim_peer(lm_mesh *mesh, lm_ms now, lm_share *share, const uint8_t id[LM_MESH_PEER_LEN],
                      const char *info, uint32_t mark)
{
    lm_mesh_node *node = share->node;
    lm_presence_of *who = find_peer(share->room, id);
    lm_claim *claim = who != NULL ? find_claim(who, node) : NULL;
    char *copy;
    if (claim != NULL) {
        claim->mark = mark;
        if (strcmp(claim->info, info) == 0 || (copy = strdup(info)) == NULL)
            return LM_OK;
        free(claim->info);
        claim->info = copy;
        if (is_remote(who) && who->claims == claim)
            emit(mesh, LM_MESH_CHANGED, who, info);
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
    if ((who = get_peer(mesh, share->room, id)) == NULL)
        return LM_OK;
    claim = calloc(1, sizeof *claim);
    copy = strdup(info);
    if (claim == NULL || copy == NULL) {
        free(claim);
        free(copy);
        release_peer(who);
        mesh->stats.drops.memory++;
        return LM_OK;
    }
    *claim = (lm_claim){.who = who, .share = share, .info = copy, .since = now, .mark = mark};
    DL_APPEND2(who->claims, claim, who_prev, who_next);
    DL_APPEND2(share->claims, claim, share_prev, share_next);
    share->count++;
    node->member_count++;
    mesh->claim_total++;
    if (is_remote(who) && who->claims == claim) {
        count_remote(mesh, share->room, 1);
        emit(mesh, LM_MESH_JOINED, who, info);
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
    lm_mesh_room *room = find_room(mesh, m->room);
    lm_share *share = get_share(mesh, room, node, &result);
    if (room == NULL) /* we named it, and left it before the answer came */
        tell_gone(mesh, now, node, m->room);
    if (share == NULL)
        return result;
    cJSON_ArrayForEach(item, m->del) {
        lm_mesh_item_peer(item, id);
        const lm_presence_of *who = find_peer(room, id);
        claim = who != NULL ? find_claim(who, node) : NULL;
        if (claim != NULL)
            unclaim(mesh, claim);
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
                unclaim(mesh, claim);
        }
    }
    check_size(mesh, now, room);
    if (!share->told)
        tell_members(mesh, now, share);
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
    const lm_mesh_room *room = find_room(mesh, m->room);
    const lm_presence_of *who = find_peer(room, m->from), *to = find_peer(room, m->to);
    (void)now;
    if (to == NULL || to->local == NULL) { /* it may have left in the meantime */
        mesh->stats.drops.signal_to++;
    } else if (who == NULL || find_claim(who, node) == NULL) {
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
    const lm_mesh_room *room = find_room(mesh, room_id);
    const lm_presence_of *sender = find_peer(room, from), *target = find_peer(room, to);
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
    const lm_mesh_room *room = find_room(mesh, room_id);
    return room != NULL ? room->remote_count : 0;
}

void lm_mesh_visit_members(const lm_mesh *mesh, const uint8_t room_id[LM_MESH_ROOM_LEN],
                           void (*visit)(void *ctx, const lm_mesh_member_info *member), void *ctx)
{
    lm_mesh_room *room = find_room(mesh, room_id);
    lm_presence_of *who, *next;
    if (room == NULL)
        return;
    HASH_ITER(hh, room->peers, who, next) {
        if (!is_remote(who))
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
            release_local(mesh, who->local);
            free(who->info);
            HASH_DEL(room->peers, who);
            free(who);
        }
        room->local_count = 0;
        release_room(mesh, 0, room);
    }
}
