#include "test/support/relay_world.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/error.h"
#include "test/support/node.h"
#include "test/support/seeded.h"

int relay_world_create(relay_world *world, const lm_relay_limits *limits, uint64_t seed)
{
    lm_relay_config config = {.log = NULL};
    *world = (relay_world){.now = 1000, .random = seed};
    test_node(&config.node, config.node_seed);
    lm_relay_limits_default(&config.limits);
    if (limits != NULL)
        config.limits = *limits;
    config.random = seeded_random(&world->random);
    world->stack = memory_stack_create();
    int result = lm_relay_create(&world->relay, &config, world->stack);
    if (result == LM_OK)
        lm_relay_set_unix_time(world->relay, world->now, RELAY_WORLD_UNIX_START + world->now);
    return result;
}

void relay_world_destroy(relay_world *world)
{
    lm_relay_destroy(world->relay);
    world->relay = NULL;
}

void relay_world_drain(relay_world *world)
{
    lm_dgram out;
    while (lm_relay_poll(world->relay, world->now, &out) == 1)
        ;
}

void relay_world_advance(relay_world *world, lm_ms ms)
{
    lm_ms until = world->now + ms;
    for (lm_ms next; (next = lm_relay_next_timeout(world->relay)) <= until;) {
        if (next > world->now)
            world->now = next;
        lm_relay_timeout(world->relay, world->now);
        relay_world_drain(world);
    }
    world->now = until;
}

void relay_world_say(relay_world *world, lm_session_id session, const char *text)
{
    memory_stack_say(world->stack, session, text);
    relay_world_drain(world);
}

void relay_world_end(relay_world *world, lm_session_id session, lm_close_reason reason)
{
    memory_stack_end(world->stack, session, reason);
    relay_world_drain(world);
}

const char *relay_world_hello_text(char text[RELAY_WORLD_HELLO_MAX], uint8_t key)
{
    uint8_t bytes[LM_PEER_KEY_LEN];
    char key_text[LM_BASE64URL_SIZE(LM_PEER_KEY_LEN)];
    memset(bytes, key, sizeof bytes);
    lm_base64url_encode(key_text, sizeof key_text, bytes, sizeof bytes);
    snprintf(text, RELAY_WORLD_HELLO_MAX,
             "{\"action\":\"hello\",\"v\":1,\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
             "\"key\":\"%s\"}",
             key_text);
    return text;
}

lm_session_id relay_world_greet(relay_world *world, uint8_t key)
{
    char hello[RELAY_WORLD_HELLO_MAX];
    lm_session_id session = memory_stack_open(world->stack);
    relay_world_say(world, session, relay_world_hello_text(hello, key));
    return session;
}

const char *relay_world_id(char id[LM_PEER_ID_TEXT], uint8_t key)
{
    uint8_t bytes[LM_PEER_KEY_LEN], id_bytes[LM_PEER_ID_LEN];
    memset(bytes, key, sizeof bytes);
    lm_peer_id_from_key(id_bytes, bytes);
    return lm_base64url_encode(id, LM_PEER_ID_TEXT, id_bytes, sizeof id_bytes);
}

static const char *room_fault(const lm_relay *relay, const lm_room *room)
{
    const lm_member *member;
    uint32_t count = 0;
    DL_FOREACH2(room->members, member, room_next) {
        count++;
        if (member->room != room || lm_rooms_place(room, member->peer) != member)
            return "a member's room or its place in its peer's list";
        if (member->info == NULL || strlen(member->info) > LM_MEMBER_INFO_MAX)
            return "a member's info";
        if (lm_peers_find(&relay->peers, member->peer->id) != member->peer)
            return "a member whose peer is not in the table";
    }
    if (count == 0 || count != room->member_count || count > relay->limits.room_size)
        return "a room's count";
    return lm_rooms_find(&relay->rooms, room->id) == room ? NULL : "a room that is not found by its id";
}

static const char *peer_fault(const lm_relay *relay, const lm_peer *peer)
{
    const lm_member *member;
    uint32_t count = 0, stale = 0;
    DL_FOREACH2(peer->places, member, peer_next) {
        count++;
        stale += member->stale;
        if (member->peer != peer)
            return "a place that is another peer's";
    }
    if (count != peer->place_count || count > relay->limits.rooms_per_session)
        return "a peer's count of places";
    if (peer->session == NULL && (count == 0 || peer->deadline.slot == 0))
        return "a detached peer without a place or without a deadline";
    if (stale > 0 && peer->deadline.slot == 0)
        return "stale places without a deadline";
    if (peer->session != NULL && peer->session->peer != peer)
        return "a session that does not know its peer";
    return NULL;
}

const char *relay_world_fault(const relay_world *world)
{
    const lm_relay *relay = world->relay;
    const lm_relay_stats *stats = lm_relay_get_stats(relay);
    const lm_room *room;
    const lm_peer *peer;
    const lm_relay_session *session;
    const char *fault;
    uint64_t room_members = 0, peer_places = 0, detached = 0;

    for (room = relay->rooms.table; room != NULL; room = room->hh.next) {
        room_members += room->member_count;
        if ((fault = room_fault(relay, room)) != NULL)
            return fault;
    }
    for (peer = relay->peers.table; peer != NULL; peer = peer->hh.next) {
        peer_places += peer->place_count;
        detached += peer->session == NULL;
        if ((fault = peer_fault(relay, peer)) != NULL)
            return fault;
    }
    for (session = relay->sessions.table; session != NULL; session = session->hh.next) {
        if (session->peer != NULL && (session->closing || session->peer->session != session))
            return "a session with a peer that is not its own";
    }
    if (room_members != stats->members || peer_places != stats->members)
        return "the gauge of members";
    if (HASH_COUNT(relay->rooms.table) != stats->rooms || HASH_COUNT(relay->peers.table) != stats->peers ||
        HASH_COUNT(relay->sessions.table) != stats->sessions || detached != stats->peers_detached)
        return "the gauges of rooms, peers or sessions";
    return NULL;
}
