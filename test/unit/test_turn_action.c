/* The action `turn`: what a relay that serves TURN answers, and says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/error.h"
#include "test/support/relay_expect.h"

#define ROOM "1111111111111111111111111111111111111111111111111111111111111111"
#define ID1 "vKRHdHM6RIoCnPsHgpyusA" /* of the key 1 of relay_world_greet() */

/* The expiry is a day after the world's clock; the credential was computed by Python's hmac and base64. */
#define ANSWER                                                                      \
    "{\"action\":\"turn\",\"urls\":[\"turn:203.0.113.10:3478?transport=udp\","      \
    "\"turn:203.0.113.10:443?transport=tcp\"],\"username\":\"1700086401:" ID1 "\"," \
    "\"credential\":\"bnmJW960IbX9IU7/r0V1/0U4LHA=\",\"ttl\":86400"
#define DISABLED "{\"action\":\"error\",\"code\":\"turn-disabled\",\"message\":\"this relay serves no TURN\"}"

static void change(relay_world *world, const char *secret)
{
    lm_node_config *config = &world->relay->node.config;
    lm_turn_offer *offer = &world->relay->turn;
    memset(&config->ip6, 0, sizeof config->ip6);
    assert_int_equal(lm_addr_parse_ip(&config->ip, "203.0.113.10", 0), LM_OK);
    config->port = 3478;
    *offer = (lm_turn_offer){.tcp_port = 443};
    strcpy(offer->secret, secret);
    lm_own_node_set_turn(&world->relay->node, lm_turn_offer_is_made(offer));
}

static int set_up(void **state)
{
    static relay_world world;
    *state = &world;
    return relay_world_create(&world, NULL, 1);
}

static int tear_down(void **state)
{
    relay_world_destroy(*state);
    return 0;
}

static void the_answer_has_urls_and_a_credential(void **state)
{
    relay_world *world = *state;
    change(world, "a secret of the relay");
    lm_session_id session = relay_world_greet(world, 1);
    const char *welcome = memory_stack_take(world->stack, session);
    assert_non_null(strstr(welcome, "\"turn\":true"));
    relay_world_say(world, session, "{\"action\":\"turn\"}");
    expect_json(world, session, ANSWER "}");
    relay_world_say(world, session, "{\"action\":\"turn\",\"room\":\"" ROOM "\",\"re\":7}");
    expect_json(world, session, ANSWER ",\"re\":7}");
    relay_world_say(world, session, "{\"action\":\"turn\",\"room\":\"tea\"}");
    expect_json(
        world, session,
        "{\"action\":\"error\",\"code\":\"bad-request\",\"message\":\"room: 64 hex digits are needed\"}");
    assert_int_equal(lm_relay_get_stats(world->relay)->messages.turn, 3);
}

static void the_record_names_the_feature(void **state)
{
    relay_world *world = *state;
    const lm_node_record *record = lm_own_node_record(&world->relay->node, world->now);
    assert_non_null(strstr(record->text, "\"features\":[\"signal\"]"));
    change(world, "a secret of the relay");
    record = lm_own_node_record(&world->relay->node, world->now);
    assert_non_null(strstr(record->text, "\"features\":[\"signal\",\"turn\"]"));
}

static void without_a_secret_it_is_disabled(void **state)
{
    relay_world *world = *state;
    change(world, "");
    lm_session_id session = relay_world_greet(world, 1);
    assert_non_null(strstr(memory_stack_take(world->stack, session), "\"turn\":false"));
    relay_world_say(world, session, "{\"action\":\"turn\"}");
    expect_json(world, session, DISABLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_answer_has_urls_and_a_credential, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_record_names_the_feature, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_secret_it_is_disabled, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
