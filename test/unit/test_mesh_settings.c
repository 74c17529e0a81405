/* What the settings of a mesh may be, and what half of them lacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "relay/mesh_settings.h"

#define SALT "a salt of the tests"

static const char *get(void *ctx, const char *name)
{
    const char *const *pairs = ctx;
    for (; pairs[0] != NULL; pairs += 2) {
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    }
    return NULL;
}

static int read_settings(lm_settings *settings, const char *const *environment, lm_error_text *error)
{
    static char program[] = "lumamesh-relay";
    char *argv[] = {program, NULL};
    lm_settings_source source = {.argc = 1, .argv = argv, .get = get, .ctx = (void *)(uintptr_t)environment};
    error->text[0] = '\0';
    return lm_settings_read(settings, &source, error);
}

#define ENV(...)          \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }
#define expect_error(text_, ...)                                                  \
    do {                                                                          \
        assert_int_equal(read_settings(&s, ENV(__VA_ARGS__), &error), LM_EINVAL); \
        if (strstr(error.text, text_) == NULL)                                    \
            fail_msg("'%s' does not say '%s'", error.text, text_);                \
    } while (0)

static lm_settings s;
static lm_error_text error;

static void half_a_configuration_says_which_half_is_missing(void **state)
{
    (void)state;
    expect_error("MESH_LISTEN needs MESH_SALT", "MESH_LISTEN", "0.0.0.0:7402");
    expect_error("MESH_PEERS needs MESH_SALT", "MESH_PEERS", "a.example:7402");
    expect_error("MESH_SALT needs MESH_LISTEN", "MESH_SALT", SALT);
    expect_error("MESH_ADVERTISE needs MESH_LISTEN", "MESH_SALT", SALT, "MESH_PEERS", "a:1", "MESH_ADVERTISE",
                 "b:2");
    expect_error("MESH_SALT", "MESH_SALT", "fifteen letters", "MESH_PEERS", "a:1");
    assert_null(strstr(error.text, "fifteen"));
    assert_int_equal(read_settings(&s, ENV("UDP_PORT", "3478"), &error), LM_OK);
    assert_false(lm_mesh_settings_are_set(&s));
    assert_int_equal(read_settings(&s, ENV("MESH_SALT", SALT, "MESH_PEERS", "a:1"), &error), LM_OK);
    assert_true(lm_mesh_settings_are_set(&s));
    assert_int_equal(read_settings(&s, ENV("MESH_SALT", SALT, "MESH_LISTEN", "[::]:7402"), &error), LM_OK);
    assert_true(lm_mesh_settings_are_set(&s));
}

static void peers_are_addresses_or_names(void **state)
{
    static const char *const bad[] = {"a",         "a:",       ":1",    "a:0",      "a:65536",
                                      "a:1,",      "a:1,,b:2", "a b:1", "::1:7402", "[::1]",
                                      "[::1:7402", "a:1x",     "a/b:1"};
    lm_mesh_peers peers;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (lm_mesh_peers_parse(&peers, bad[i], &error) != LM_EINVAL)
            fail_msg("%s is taken", bad[i]);
        expect_error("MESH_PEERS: ", "MESH_SALT", SALT, "MESH_PEERS", bad[i]);
    }
    assert_int_equal(
        lm_mesh_peers_parse(&peers, "relay.example:7402, 192.0.2.1:1,[2001:db8::1]:65535", &error), LM_OK);
    assert_int_equal(peers.count, 3);
    assert_string_equal(peers.peer[0], "relay.example:7402");
    assert_string_equal(peers.peer[1], "192.0.2.1:1");
    assert_string_equal(peers.peer[2], "[2001:db8::1]:65535");
    assert_int_equal(lm_mesh_peers_parse(&peers, "-", &error), LM_OK);
    assert_int_equal(peers.count, 0);
    char many[LM_MESH_PEERS_TEXT + 1] = "a:1";
    for (int i = 1; i < LM_MESH_PEERS_MAX; i++)
        strcat(many, ",a:1");
    assert_int_equal(lm_mesh_peers_parse(&peers, many, &error), LM_OK);
    strcat(many, ",a:1");
    assert_int_equal(lm_mesh_peers_parse(&peers, many, &error), LM_EINVAL);
}

static void who_listens_tells_where(void **state)
{
    char text[LM_MESH_HOST_PORT_MAX];
    (void)state;
    assert_int_equal(read_settings(&s, ENV("MESH_SALT", SALT, "MESH_PEERS", "a:1"), &error), LM_OK);
    assert_null(lm_mesh_settings_advertise(&s, text));
    assert_int_equal(read_settings(&s,
                                   ENV("MESH_SALT", SALT, "MESH_LISTEN", "0.0.0.0:7402", "PUBLIC_IP",
                                       "203.0.113.1,203.0.113.2"),
                                   &error),
                     LM_OK);
    assert_string_equal(lm_mesh_settings_advertise(&s, text), "203.0.113.1:7402");
    assert_int_equal(read_settings(&s,
                                   ENV("MESH_SALT", SALT, "MESH_LISTEN", "[::]:7402", "PUBLIC_IP", "-",
                                       "PUBLIC_IP6", "2001:db8::1"),
                                   &error),
                     LM_OK);
    assert_string_equal(lm_mesh_settings_advertise(&s, text), "[2001:db8::1]:7402");
    assert_int_equal(read_settings(&s,
                                   ENV("MESH_SALT", SALT, "MESH_LISTEN", "10.0.0.1:7402", "MESH_ADVERTISE",
                                       "mesh.example:443"),
                                   &error),
                     LM_OK);
    assert_string_equal(lm_mesh_settings_advertise(&s, text), "mesh.example:443");
    expect_error("MESH_ADVERTISE: ", "MESH_SALT", SALT, "MESH_LISTEN", "10.0.0.1:7402", "MESH_ADVERTISE",
                 "mesh.example");
}

/* As another implementation of HKDF has it (RFC 5869). */
static void all_nodes_derive_one_turn_secret(void **state)
{
    char secret[LM_MESH_TURN_SECRET_SIZE];
    (void)state;
    assert_int_equal(read_settings(&s, ENV("MESH_SALT", SALT, "MESH_PEERS", "a:1"), &error), LM_OK);
    assert_string_equal(lm_mesh_settings_turn_secret(&s, secret),
                        "ZFyadt3NeLRd6ulySDuLvAUCTjxggGGuNOkFGnyj44k");
}

static void a_mesh_is_kept_while_the_relay_runs(void **state)
{
    static lm_settings running;
    char kept[LM_SETTINGS_KEPT_SIZE];
    (void)state;
    assert_int_equal(read_settings(&running,
                                   ENV("MESH_SALT", SALT, "MESH_LISTEN", "0.0.0.0:1", "MESH_PEERS", "a:1"),
                                   &error),
                     LM_OK);
    assert_int_equal(read_settings(&s,
                                   ENV("MESH_SALT", "another salt of the tests", "MESH_LISTEN", "0.0.0.0:2",
                                       "MESH_PEERS", "b:1"),
                                   &error),
                     LM_OK);
    lm_settings_keep_fixed(&s, &running, kept);
    assert_string_equal(kept, "MESH_SALT, MESH_LISTEN");
    assert_string_equal(s.mesh_salt, SALT);
    assert_int_equal(s.mesh_listen.port, 1);
    assert_string_equal(s.mesh_peers, "b:1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_a_configuration_says_which_half_is_missing),
        cmocka_unit_test(peers_are_addresses_or_names),
        cmocka_unit_test(who_listens_tells_where),
        cmocka_unit_test(all_nodes_derive_one_turn_secret),
        cmocka_unit_test(a_mesh_is_kept_while_the_relay_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
