#include "relay/rooms.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/error.h"

int lm_room_id_parse(uint8_t id[LM_ROOM_ID_LEN], const char *text)
{
    uint8_t bytes[LM_ROOM_ID_LEN];
    size_t len;
    const char *end;
    if (strlen(text) != LM_ROOM_ID_TEXT - 1 ||
        sodium_hex2bin(bytes, sizeof bytes, text, LM_ROOM_ID_TEXT - 1, NULL, &len, &end) != 0 ||
        *end != '\0' || len != sizeof bytes)
        return LM_EMALFORMED;
    memcpy(id, bytes, sizeof bytes);
    return LM_OK;
}

lm_room *lm_rooms_find(const lm_rooms *rooms, const uint8_t id[LM_ROOM_ID_LEN])
{
    lm_room *room;
    HASH_FIND(hh, rooms->table, id, LM_ROOM_ID_LEN, room);
    return room;
}

/*
 * A peer has few places (rooms_per_session) where a room may have many members, so the peer's list is
 * searched.
 */
lm_member *lm_rooms_place(const lm_room *room, const lm_peer *peer)
{
    lm_member *member;
    DL_FOREACH2(peer->places, member, peer_next) {
        if (member->room == room)
            return member;
    }
    return NULL;
}

lm_member *lm_rooms_stale_place(const lm_peer *peer)
{
    lm_member *member;
    DL_FOREACH2(peer->places, member, peer_next) {
        if (member->stale)
            return member;
    }
    return NULL;
}

bool lm_member_listens(const lm_member *member)
{
    return member->peer->session != NULL && !member->stale;
}

/* A room without members; NULL if memory ran out. */
static lm_room *create_room(lm_rooms *rooms, const uint8_t id[LM_ROOM_ID_LEN])
{
    lm_room *room = calloc(1, sizeof *room);
    if (room == NULL)
        return NULL;
    memcpy(room->id, id, LM_ROOM_ID_LEN);
    sodium_bin2hex(room->id_text, sizeof room->id_text, id, LM_ROOM_ID_LEN);
    HASH_ADD(hh, rooms->table, id, LM_ROOM_ID_LEN, room);
    if (room->hh.tbl == NULL) {
        free(room);
        return NULL;
    }
    rooms->stats->rooms++;
    return room;
}

static void free_member(lm_member *member)
{
    free(member->info);
    free(member);
}

int lm_rooms_add(lm_rooms *rooms, const uint8_t id[LM_ROOM_ID_LEN], lm_peer *peer, const char *info,
                 lm_member **out)
{
    lm_room *room = lm_rooms_find(rooms, id);
    if (room != NULL && room->member_count >= rooms->room_size)
        return LM_ELIMIT;

    lm_member *member = calloc(1, sizeof *member);
    if (member == NULL)
        return LM_ENOMEM;
    if (lm_member_set_info(member, info) != LM_OK ||
        (room == NULL && (room = create_room(rooms, id)) == NULL)) {
        free_member(member);
        return LM_ENOMEM;
    }
    member->room = room;
    member->peer = peer;
    DL_APPEND2(room->members, member, room_prev, room_next);
    DL_APPEND2(peer->places, member, peer_prev, peer_next);
    room->member_count++;
    peer->place_count++;
    rooms->stats->members++;
    *out = member;
    return LM_OK;
}

int lm_member_set_info(lm_member *member, const char *info)
{
    char *copy = strdup(info);
    if (copy == NULL)
        return LM_ENOMEM;
    free(member->info);
    member->info = copy;
    return LM_OK;
}

void lm_rooms_remove(lm_rooms *rooms, lm_member *member)
{
    lm_room *room = member->room;
    lm_peer *peer = member->peer;
    DL_DELETE2(room->members, member, room_prev, room_next);
    DL_DELETE2(peer->places, member, peer_prev, peer_next);
    room->member_count--;
    peer->place_count--;
    rooms->stats->members--;
    free_member(member);
    if (room->members == NULL) {
        HASH_DEL(rooms->table, room);
        free(room);
        rooms->stats->rooms--;
    }
}
