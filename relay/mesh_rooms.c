#include "relay/mesh_rooms.h"

#include <string.h>

#include "common/error.h"
#include "relay/messages.h"
#include "relay/presence.h"

typedef struct search {
    const uint8_t *peer;
    bool found;
} search;

static void compare(void *ctx, const lm_mesh_member_info *member)
{
    search *s = ctx;
    s->found = s->found || memcmp(member->peer, s->peer, LM_PEER_ID_LEN) == 0;
}

bool lm_mesh_rooms_has(const lm_relay *relay, const uint8_t room[LM_ROOM_ID_LEN],
                       const uint8_t peer[LM_PEER_ID_LEN])
{
    search s = {.peer = peer};
    if (relay->mesh != NULL)
        lm_mesh_visit_members(relay->mesh, room, compare, &s);
    return s.found;
}

bool lm_mesh_rooms_is_full(const lm_relay *relay, const uint8_t id[LM_ROOM_ID_LEN],
                           const uint8_t peer[LM_PEER_ID_LEN])
{
    const lm_room *room = lm_rooms_find(&relay->rooms, id);
    if (relay->mesh == NULL || room == NULL)
        return false; /* lm_rooms_add() counts those here, and nothing is known of others */
    uint32_t elsewhere = lm_mesh_remote_count(relay->mesh, id);
    return room->member_count + elsewhere >= relay->rooms.room_size && !lm_mesh_rooms_has(relay, id, peer);
}

/* The place that an output speaks of, NULL if the peer has none here. */
static lm_member *place_of(const lm_relay *relay, const lm_room *room, const uint8_t id[LM_PEER_ID_LEN])
{
    const lm_peer *peer = lm_peers_find(&relay->peers, id);
    return peer != NULL ? lm_rooms_place(room, peer) : NULL;
}

/*
 * The peer has gone on at another node: to all others it stays a member. Its session here hears of it, if it
 * ever hears anything again, and may join again. A detached peer goes with its last place, as nothing is left
 * for its session to come back to.
 */
static void give_up(lm_relay *relay, lm_ms now, lm_member *member)
{
    lm_peer *peer = member->peer;
    relay->stats.places_moved++;
    if (lm_member_listens(member))
        lm_message_given_up(relay, now, member);
    lm_rooms_remove(&relay->rooms, member);
    if (peer->session == NULL && peer->places == NULL)
        lm_peers_remove(&relay->peers, peer);
}

/*
 * Others joined elsewhere at the same moment. It has been told that it joined, so it hears that it did not.
 */
static void evict(lm_relay *relay, lm_ms now, lm_member *member)
{
    if (lm_member_listens(member))
        lm_message_evicted(relay, now, member);
    lm_presence_leave(relay, now, member);
}

static void on_signal(lm_relay *relay, lm_ms now, const lm_room *room, const lm_mesh_output *out)
{
    char from[LM_PEER_ID_TEXT];
    const lm_member *target = room != NULL ? place_of(relay, room, out->member.to) : NULL;
    if (target == NULL || !lm_member_listens(target)) {
        relay->stats.drops.no_listener++;
        return;
    }
    lm_base64url_encode(from, sizeof from, out->member.peer, LM_PEER_ID_LEN);
    if (lm_message_signal(relay, now, target, from, out->member.text) != LM_OK)
        relay->stats.drops.too_large++;
}

void lm_mesh_rooms_tell(lm_relay *relay, lm_ms now, const lm_mesh_output *out)
{
    char id[LM_PEER_ID_TEXT];
    const lm_room *room = lm_rooms_find(&relay->rooms, out->member.room);
    lm_member *member = room != NULL ? place_of(relay, room, out->member.peer) : NULL;
    lm_base64url_encode(id, sizeof id, out->member.peer, LM_PEER_ID_LEN);
    switch (out->kind) {
    case LM_MESH_JOINED:
        if (room != NULL && member == NULL)
            lm_message_joined_elsewhere(relay, now, room, id, out->member.text,
                                        now - room->opened < LM_MESH_ROOMS_SETTLE);
        break;
    case LM_MESH_LEFT:
        if (room != NULL && member == NULL)
            lm_message_left_elsewhere(relay, now, room, id);
        break;
    case LM_MESH_SIGNAL:
        on_signal(relay, now, room, out);
        break;
    case LM_MESH_GIVE_UP:
        if (member != NULL)
            give_up(relay, now, member);
        break;
    case LM_MESH_ROOM_FULL:
        if (member != NULL)
            evict(relay, now, member);
        break;
    default: /* LM_MESH_CHANGED: a newcomer's list has the new info, those who are there hear of none */
        break;
    }
}

static void take_outputs(lm_relay *relay, lm_ms now)
{
    lm_mesh_output out;
    while (lm_mesh_poll_members(relay->mesh, &out) == 1)
        lm_mesh_rooms_tell(relay, now, &out);
}

void lm_mesh_rooms_join(lm_relay *relay, lm_ms now, const lm_member *member)
{
    if (relay->mesh == NULL)
        return;
    if (member->room->member_count == 1 && member->room->opened == 0)
        member->room->opened = now;
    /* What it cannot take, the others will not see: no reason to refuse those who are here. */
    if (lm_mesh_join(relay->mesh, now, member->room->id, member->peer->id, member->info) != LM_OK)
        relay->stats.drops.memory++;
    take_outputs(relay, now);
}

bool lm_mesh_rooms_leave(lm_relay *relay, lm_ms now, const lm_member *member)
{
    uint8_t room[LM_ROOM_ID_LEN], peer[LM_PEER_ID_LEN];
    lm_mesh_output out;
    bool stays = false;
    if (relay->mesh == NULL)
        return false;
    memcpy(room, member->room->id, sizeof room);
    memcpy(peer, member->peer->id, sizeof peer);
    lm_mesh_leave(relay->mesh, now, room, peer);
    while (lm_mesh_poll_members(relay->mesh, &out) == 1) {
        bool own = memcmp(out.member.room, room, sizeof room) == 0 &&
                   memcmp(out.member.peer, peer, sizeof peer) == 0;
        if (own && out.kind == LM_MESH_JOINED)
            stays = true;
        else
            lm_mesh_rooms_tell(relay, now, &out);
    }
    return stays;
}

void lm_mesh_rooms_silent(lm_relay *relay, lm_ms now, const lm_peer *peer)
{
    if (relay->mesh == NULL)
        return;
    lm_mesh_peer_silent(relay->mesh, now, peer->id, peer->silent);
    take_outputs(relay, now);
}

int lm_mesh_rooms_signal(lm_relay *relay, lm_ms now, const lm_member *from, const uint8_t to[LM_PEER_ID_LEN],
                         const char *data)
{
    if (relay->mesh == NULL)
        return LM_ENOTFOUND;
    return lm_mesh_signal(relay->mesh, now, from->room->id, from->peer->id, to, data);
}
