/*
 * Rooms and who has a place in them. A room exists as long as it has a member. This file knows places only;
 * who hears of what, and when a place is given up, is presence.h.
 */
#ifndef LM_RELAY_ROOMS_H
#define LM_RELAY_ROOMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/table.h"
#include "relay/peers.h"
#include "relay/relay_stats.h"

#define LM_ROOM_ID_LEN 32
#define LM_ROOM_ID_TEXT (2 * LM_ROOM_ID_LEN + 1)
#define LM_MEMBER_INFO_MAX 1024 /* bytes of info */

typedef struct lm_member lm_member;

typedef struct lm_room {
    uint8_t id[LM_ROOM_ID_LEN];
    char id_text[LM_ROOM_ID_TEXT]; /* lower-case hex of id */
    lm_member *members;            /* the one that joined first comes first */
    uint32_t member_count;
    lm_ms opened; /* with a mesh: when it came into being here */
    UT_hash_handle hh;
} lm_room;

/* One peer's place in one room. */
struct lm_member {
    lm_room *room;
    lm_peer *peer;
    /*
     * Kept over from the peer's last session, and not joined by its present one: it neither hears nor speaks,
     * but nobody has been told that it left.
     */
    bool stale;
    char *info; /* opaque, NUL-terminated, owned; "" where the peer gave none */
    lm_member *room_prev, *room_next;
    lm_member *peer_prev, *peer_next;
};

/* Zero-initialise but for room_size and stats (borrowed), whose gauges `rooms` and `members` follow. */
typedef struct lm_rooms {
    lm_room *table;
    uint32_t room_size; /* most members of a room */
    lm_relay_stats *stats;
} lm_rooms;

/* Reads the 64 hex digits of a room id, of either case. LM_EMALFORMED if text is anything else. */
int lm_room_id_parse(uint8_t id[LM_ROOM_ID_LEN], const char *text);

/* The room with this id, NULL if it has no member. */
lm_room *lm_rooms_find(const lm_rooms *rooms, const uint8_t id[LM_ROOM_ID_LEN]);

/* The peer's place in the room, NULL if it has none. room may be NULL: then it has none. */
lm_member *lm_rooms_place(const lm_room *room, const lm_peer *peer);

/* The oldest stale place of the peer, NULL if it has none. */
lm_member *lm_rooms_stale_place(const lm_peer *peer);

/*
 * True when the member's peer is there to be told of what goes on: attached, and joined by its present
 * session.
 */
bool lm_member_listens(const lm_member *member);

/*
 * Gives the peer a place in the room with this id, which comes into being with its first member. info
 * (copied) is at most LM_MEMBER_INFO_MAX bytes. The peer must not have a place there yet. LM_ELIMIT: the room
 * is full; LM_ENOMEM.
 */
int lm_rooms_add(lm_rooms *rooms, const uint8_t id[LM_ROOM_ID_LEN], lm_peer *peer, const char *info,
                 lm_member **member);

/* Replaces info (copied). LM_ENOMEM, with the old one kept. */
int lm_member_set_info(lm_member *member, const char *info);

/* Takes the place from the peer and frees it; the last one's room goes with it. */
void lm_rooms_remove(lm_rooms *rooms, lm_member *member);

#endif
