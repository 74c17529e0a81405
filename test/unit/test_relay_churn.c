/*
 * Clients that come, join, talk, fall silent, return and go at random, from a seed. After each step all
 * tables and counts must agree; what each client hears must agree with a plain model of who is in which room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/relay_expect.h"
#include "test/support/seeded.h"

#define CLIENTS 12
#define ROOMS 4
#define STEPS 8000

/* A client and what it believes, from what it heard alone: who else is in each room that it is in. */
typedef struct client {
    lm_session_id session; /* LM_SESSION_NONE: away */
    char id[LM_PEER_ID_TEXT];
    bool in[ROOMS];
    bool sees[ROOMS][CLIENTS];
} client;

typedef struct churn {
    relay_world world;
    client clients[CLIENTS];
    uint64_t random;
    unsigned room_size;
    unsigned signals; /* heard */
} churn;

static unsigned draw(churn *c, unsigned below)
{
    uint32_t value;
    lm_random random = seeded_random(&c->random);
    lm_random_fill(&random, &value, sizeof value);
    return value % below;
}

static unsigned room_of(const cJSON *json)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(json, "room"));
    assert_non_null(text);
    unsigned room = (unsigned)strtoul(text, NULL, 16);
    return room;
}

static unsigned client_of(const churn *c, const cJSON *id)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (strcmp(c->clients[i].id, cJSON_GetStringValue(id)) == 0)
            return i;
    }
    fail_msg("unknown id");
    return 0;
}

static void hear(churn *c, client *self, const char *text)
{
    cJSON *json = cJSON_Parse(text);
    const cJSON *peer;
    const char *action = cJSON_GetStringValue(cJSON_GetObjectItem(json, "action"));
    assert_non_null(action);
    if (strcmp(action, "joined") == 0) {
        unsigned room = room_of(json);
        self->in[room] = true;
        memset(self->sees[room], 0, sizeof self->sees[room]);
        cJSON_ArrayForEach(peer, cJSON_GetObjectItem(json, "peers")) {
            self->sees[room][client_of(c, cJSON_GetObjectItem(peer, "id"))] = true;
        }
    } else if (strcmp(action, "left") == 0) {
        self->in[room_of(json)] = false;
    } else if (strcmp(action, "peer-joined") == 0) {
        unsigned room = room_of(json),
                 who = client_of(c, cJSON_GetObjectItem(cJSON_GetObjectItem(json, "peer"), "id"));
        assert_true(self->in[room]);
        assert_false(self->sees[room][who]); /* nobody comes twice */
        self->sees[room][who] = true;
    } else if (strcmp(action, "peer-left") == 0) {
        unsigned room = room_of(json), who = client_of(c, cJSON_GetObjectItem(json, "id"));
        assert_true(self->in[room]);
        assert_true(self->sees[room][who]); /* nobody goes who was not there */
        self->sees[room][who] = false;
    } else if (strcmp(action, "signal") == 0) {
        unsigned room = room_of(json);
        assert_true(self->in[room]);
        /* peer-joined came before the first signal of that peer */
        assert_true(self->sees[room][client_of(c, cJSON_GetObjectItem(json, "from"))]);
        c->signals++;
    }
    cJSON_Delete(json);
}

static void hear_all(churn *c)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        client *self = &c->clients[i];
        for (const char *text; self->session != LM_SESSION_NONE &&
                               (text = memory_stack_take(c->world.stack, self->session)) != NULL;)
            hear(c, self, text);
    }
}

/* What each client sees is what the relay has. */
static void compare_views(const churn *c)
{
    const lm_relay *relay = c->world.relay;
    for (unsigned r = 0; r < ROOMS; r++) {
        uint8_t room_id[LM_ROOM_ID_LEN] = {[LM_ROOM_ID_LEN - 1] = (uint8_t)r};
        const lm_room *room = lm_rooms_find(&relay->rooms, room_id);
        for (unsigned i = 0; i < CLIENTS; i++) {
            const client *self = &c->clients[i];
            if (self->session == LM_SESSION_NONE || !self->in[r])
                continue;
            assert_non_null(room);
            for (unsigned k = 0; k < CLIENTS; k++) {
                const lm_peer *peer = lm_peers_find_text(&relay->peers, c->clients[k].id);
                bool there = k != i && peer != NULL && lm_rooms_place(room, peer) != NULL;
                assert_int_equal(self->sees[r][k], there);
            }
        }
    }
}

static void say(churn *c, const client *self, const char *action, const char *more)
{
    char text[512];
    snprintf(text, sizeof text, "{\"action\":\"%s\",\"room\":\"%064x\"%s}", action, draw(c, ROOMS), more);
    memory_stack_say(c->world.stack, self->session, text);
}

static void come(churn *c, unsigned i)
{
    client *self = &c->clients[i];
    char hello[RELAY_WORLD_HELLO_MAX];
    self->session = memory_stack_open(c->world.stack);
    memset(self->in, 0, sizeof self->in);
    memory_stack_say(c->world.stack, self->session, relay_world_hello_text(hello, (uint8_t)(i + 1)));
}

static void step(churn *c)
{
    unsigned i = draw(c, CLIENTS);
    client *self = &c->clients[i];
    char more[128];
    unsigned what = draw(c, 100);
    if (self->session == LM_SESSION_NONE) {
        if (what < 30)
            come(c, i);
        else
            relay_world_advance(&c->world, draw(c, 1000));
    } else if (what < 4) {
        come(c, i); /* replaces a session that still lives */
    } else if (what < 10) {
        memory_stack_end(c->world.stack, self->session, what < 7 ? LM_CLOSE_CONSENT : LM_CLOSE_REMOTE);
        self->session = LM_SESSION_NONE;
    } else if (what < 45) {
        snprintf(more, sizeof more, ",\"info\":\"%u\"", draw(c, 1000));
        say(c, self, "join", more);
    } else if (what < 60) {
        say(c, self, "leave", "");
    } else if (what < 90) {
        snprintf(more, sizeof more, ",\"to\":\"%s\",\"data\":\"x\"", c->clients[draw(c, CLIENTS)].id);
        say(c, self, "signal", more);
    } else {
        relay_world_advance(&c->world, draw(c, 6000));
    }
    if (draw(c, 3) > 0) { /* now and then several steps meet in one turn */
        relay_world_drain(&c->world);
        hear_all(c);
        expect_sound(&c->world);
        compare_views(c);
    }
}

static void stays_sound(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        churn c = {.random = seed};
        lm_relay_limits limits;
        lm_relay_limits_default(&limits);
        limits.room_size = seed % 2 ? 250 : 6;
        limits.rooms_per_session = seed % 3 ? 64 : 3;
        limits.message_rate = 0;
        assert_int_equal(relay_world_create(&c.world, &limits, seed), LM_OK);
        for (unsigned i = 0; i < CLIENTS; i++)
            relay_world_id(c.clients[i].id, (uint8_t)(i + 1));
        for (int i = 0; i < STEPS; i++)
            step(&c);
        relay_world_drain(&c.world);
        hear_all(&c);
        compare_views(&c);

        /* The run went where it should: all ways of ending and coming back were met, and all refusals. */
        const lm_relay_stats *stats = lm_relay_get_stats(c.world.relay);
        assert_true(c.signals > 100);
        assert_true(stats->peers_resumed > 10 && stats->peers_expired > 10 && stats->places_lapsed > 10);
        assert_true(stats->closes.replaced > 10 && stats->errors.not_in_room > 10 &&
                    stats->errors.no_such_peer > 10);
        assert_true(limits.room_size == 250 || stats->errors.room_full > 10);
        assert_true(limits.rooms_per_session == 64 || stats->errors.too_many_rooms > 10);

        for (unsigned i = 0; i < CLIENTS; i++) {
            if (c.clients[i].session != LM_SESSION_NONE)
                relay_world_end(&c.world, c.clients[i].session, LM_CLOSE_REMOTE);
        }
        relay_world_advance(&c.world, limits.resume);
        assert_int_equal(stats->rooms + stats->members + stats->peers + stats->sessions, 0);
        relay_world_destroy(&c.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stays_sound)};
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
