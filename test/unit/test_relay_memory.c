/*
 * Memory runs out at every allocation of a relay's life in turn: nothing breaks, nothing leaks, and all
 * counts agree. The linker hands the allocator's calls to the functions below (-Wl,--wrap).
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
#include "test/support/node.h"
#include "test/support/relay_expect.h"
#include "test/support/scarce_memory.h"
#include "test/support/seeded.h"

#define ROOM "1111111111111111111111111111111111111111111111111111111111111111"

static void drain(relay_world *world)
{
    memory.armed = true;
    relay_world_drain(world);
    memory.armed = false;
    expect_sound(world);
}

static void say(relay_world *world, lm_session_id session, const char *text)
{
    memory_stack_say(world->stack, session, text);
    drain(world);
}

/* A short life with everything in it. */
static void live(relay_world *world)
{
    char hello[RELAY_WORLD_HELLO_MAX], id[LM_PEER_ID_TEXT], text[256];
    lm_session_id sessions[3];
    for (uint8_t i = 0; i < 3; i++) {
        sessions[i] = memory_stack_open(world->stack);
        drain(world);
        say(world, sessions[i], relay_world_hello_text(hello, i + 1));
        say(world, sessions[i], "{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":\"i\",\"re\":1}");
        snprintf(text, sizeof text, "{\"action\":\"join\",\"room\":\"%064x\"}", (unsigned)i);
        say(world, sessions[i], text);
    }
    snprintf(text, sizeof text, "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":\"%s\",\"data\":\"x\"}",
             relay_world_id(id, 1));
    say(world, sessions[1], text);
    say(world, sessions[1], "{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":\"again\"}");
    say(world, sessions[1], "{\"action\":\"nodes\"}");
    memory_stack_end(world->stack, sessions[0], LM_CLOSE_CONSENT);
    drain(world);
    sessions[0] = memory_stack_open(world->stack);
    say(world, sessions[0], relay_world_hello_text(hello, 1));
    say(world, sessions[0], "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    memory_stack_end(world->stack, sessions[2], LM_CLOSE_REMOTE);
    drain(world);
    memory.armed = true;
    relay_world_advance(world, 20000);
    lm_relay_drain(world->relay, world->now);
    lm_relay_shut_down(world->relay, world->now);
    memory.armed = false;
    drain(world);
    assert_int_equal(lm_relay_get_stats(world->relay)->rooms, 0);
    assert_int_equal(lm_relay_get_stats(world->relay)->sessions, 0);
}

static void run(unsigned long first, unsigned long length)
{
    relay_world world;
    scarce_memory_plan(first, length);
    assert_int_equal(relay_world_create(&world, NULL, 1), LM_OK);
    live(&world);
    relay_world_destroy(&world);
}

static void survives_without_memory(void **state)
{
    cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = free};
    (void)state;
    cJSON_InitHooks(&hooks);
    run(0, 1);
    unsigned long total = memory.count;
    assert_true(total > 100);
    for (unsigned long first = 1; first <= total; first++) {
        run(first, 1);
        run(first, total); /* and all after it */
    }
    run(0, 1);
    assert_int_equal(memory.count, total); /* nothing of it stayed behind */
    cJSON_InitHooks(NULL);
}

static void creation_fails_cleanly(void **state)
{
    lm_relay_config config = {.log = NULL};
    lm_relay *relay = NULL;
    uint64_t random = 1;
    (void)state;
    test_node(&config.node, config.node_seed);
    lm_relay_limits_default(&config.limits);
    config.random = seeded_random(&random);
    lm_webrtc *stack = memory_stack_create();
    scarce_memory_plan(1, 1);
    memory.armed = true;
    assert_int_equal(lm_relay_create(&relay, &config, stack), LM_ENOMEM);
    memory.armed = false;
    scarce_memory_relent();
    assert_null(relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_without_memory),
        cmocka_unit_test(creation_fails_cleanly),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
