/* The daemon's own table: its defaults are documented, so they are tested as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "relay/log_line.h"
#include "relay/settings.h"
#include "test/support/tempdir.h"

#define SECRET_A "the first secret"
#define SECRET_B "the second secret of two"

static const char *get(void *ctx, const char *name)
{
    const char *const *pairs = ctx;
    for (; pairs != NULL && pairs[0] != NULL; pairs += 2) {
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    }
    return NULL;
}

static int read_settings(lm_settings *settings, const char *const *environment, const char *flag,
                         lm_error_text *error)
{
    char program[] = "lumamesh-relay", argument[256] = "";
    char *argv[] = {program, argument, NULL};
    if (flag != NULL)
        snprintf(argument, sizeof argument, "%s", flag);
    lm_settings_source source = {
        .argc = flag != NULL ? 2 : 1, .argv = argv, .get = get, .ctx = (void *)(uintptr_t)environment};
    return lm_settings_read(settings, &source, error);
}

#define ENV(...)          \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

static void defaults(void **state)
{
    lm_settings s;
    char text[LM_ADDR_STRLEN];
    (void)state;
    assert_int_equal(read_settings(&s, NULL, NULL, NULL), LM_OK);
    assert_int_equal(s.command, LM_COMMAND_RUN);
    assert_string_equal(lm_addr_format_ip(&s.public_ip[0], text), "127.0.0.1");
    assert_int_equal(s.public_ip6[0].family, LM_AF_NONE);
    assert_string_equal(s.public_host, "");
    assert_int_equal(s.udp_port, 3478);
    assert_string_equal(s.ice_ufrag, "luma");
    assert_string_equal(s.ice_pwd, "");
    assert_string_equal(s.ice_pwd_file, "");
    assert_string_equal(s.config_file, "");
    assert_string_equal(s.cert_file, "server.crt");
    assert_string_equal(s.key_file, "server.key");
    assert_string_equal(s.node_key, "node.key");
    assert_string_equal(s.state_dir, ".");
    assert_int_equal(s.health_listen.family, LM_AF_NONE);
    assert_false(s.demo);
    assert_int_equal(s.tcp_port, LM_PORT_SAME);
    assert_int_equal(lm_settings_tcp_port(&s), 3478);
    assert_int_equal(s.tls_port, 0);
    assert_string_equal(s.tls_cert, "");
    assert_string_equal(s.tls_key, "");
    assert_int_equal(s.turn, LM_TURN_CHOICE_CLOSED);
    assert_int_equal(s.turn_ports.first, 49152);
    assert_int_equal(s.turn_ports.last, 65535);
    assert_string_equal(s.turn_secret, "");
    assert_string_equal(s.turn_realm, "lumamesh");
    assert_string_equal(s.turn_allow_peers, "-");
    assert_int_equal(s.max_allocations, 1000);
    assert_int_equal(s.max_allocations_per_user, 10);
    assert_int_equal(s.turn_rate, 0);
    assert_int_equal(s.max_sessions, 1000);
    assert_int_equal(s.max_room_size, 250);
    assert_int_equal(s.max_rooms_per_session, 64);
    assert_int_equal(s.session_rate, 32);
    assert_int_equal(s.message_rate, 200);
    assert_int_equal(s.resume_seconds, 15);
    assert_int_equal(s.drain_seconds, 10);
    assert_int_equal(s.log_level, LM_LOG_INFO);
    assert_int_equal(s.log_format, LM_LOG_TEXT);
    assert_int_equal(s.log_addresses, LM_LOG_ADDRESSES_FULL);
}

static void every_variable_reaches_its_field(void **state)
{
    lm_settings s;
    char text[LM_ADDR_STRLEN];
    (void)state;
    assert_int_equal(
        read_settings(&s,
                      ENV("PUBLIC_IP", "203.0.113.10", "PUBLIC_IP6", "2001:db8::1", "PUBLIC_HOST",
                          "relay.example", "UDP_PORT", "443", "ICE_UFRAG", "abcd", "ICE_PWD",
                          "0123456789012345678901", "CERT_FILE", "c", "KEY_FILE", "k", "NODE_KEY", "n",
                          "STATE_DIR", "/s", "HEALTH_LISTEN", "[::1]:7401", "DEMO", "1", "MAX_SESSIONS", "11",
                          "MAX_ROOM_SIZE", "12", "MAX_ROOMS_PER_SESSION", "13", "SESSION_RATE", "0",
                          "MESSAGE_RATE", "15", "RESUME_SECONDS", "0", "DRAIN_SECONDS", "17", "LOG_LEVEL",
                          "debug", "LOG_FORMAT", "json", "LOG_ADDRESSES", "none", "TCP_PORT", "444",
                          "TLS_PORT", "5349", "TLS_CERT", "tc", "TLS_KEY", "tk", "TURN", "open", "TURN_PORTS",
                          "50000-50099", "TURN_SECRET", SECRET_A "," SECRET_B, "TURN_REALM", "r.example",
                          "TURN_ALLOW_PEERS", "10.0.0.0/8,fd00::/8", "MAX_ALLOCATIONS", "18",
                          "MAX_ALLOCATIONS_PER_USER", "0", "TURN_RATE", "20"),
                      NULL, NULL),
        LM_OK);
    assert_string_equal(lm_addr_format_ip(&s.public_ip[0], text), "203.0.113.10");
    assert_string_equal(lm_addr_format_ip(&s.public_ip6[0], text), "2001:db8::1");
    assert_string_equal(s.public_host, "relay.example");
    assert_int_equal(s.udp_port, 443);
    assert_string_equal(s.ice_ufrag, "abcd");
    assert_string_equal(s.ice_pwd, "0123456789012345678901");
    assert_string_equal(s.cert_file, "c");
    assert_string_equal(s.key_file, "k");
    assert_string_equal(s.node_key, "n");
    assert_string_equal(s.state_dir, "/s");
    assert_string_equal(lm_addr_format(&s.health_listen, text), "[::1]:7401");
    assert_true(s.demo);
    assert_int_equal(s.tcp_port, 444);
    assert_int_equal(s.tls_port, 5349);
    assert_string_equal(s.tls_cert, "tc");
    assert_string_equal(s.tls_key, "tk");
    assert_int_equal(s.turn, LM_TURN_CHOICE_OPEN);
    assert_int_equal(s.turn_ports.first, 50000);
    assert_int_equal(s.turn_ports.last, 50099);
    assert_string_equal(s.turn_secret, SECRET_A "," SECRET_B);
    assert_string_equal(s.turn_realm, "r.example");
    assert_string_equal(s.turn_allow_peers, "10.0.0.0/8,fd00::/8");
    assert_int_equal(s.max_allocations, 18);
    assert_int_equal(s.max_allocations_per_user, 0);
    assert_int_equal(s.turn_rate, 20);
    assert_int_equal(s.max_sessions, 11);
    assert_int_equal(s.max_room_size, 12);
    assert_int_equal(s.max_rooms_per_session, 13);
    assert_int_equal(s.session_rate, 0);
    assert_int_equal(s.message_rate, 15);
    assert_int_equal(s.resume_seconds, 0);
    assert_int_equal(s.drain_seconds, 17);
    assert_int_equal(s.log_level, LM_LOG_DEBUG);
    assert_int_equal(s.log_format, LM_LOG_JSON);
    assert_int_equal(s.log_addresses, LM_LOG_ADDRESSES_NONE);
    assert_int_equal(read_settings(&s, ENV("LOG_ADDRESSES", "prefix"), NULL, NULL), LM_OK);
    assert_int_equal(s.log_addresses, LM_LOG_ADDRESSES_PREFIX);
}

static void the_demo_needs_a_place(void **state)
{
    lm_settings s;
    lm_error_text error;
    (void)state;
    assert_int_equal(read_settings(&s, ENV("DEMO", "1"), NULL, &error), LM_EINVAL);
    assert_non_null(strstr(error.text, "DEMO needs HEALTH_LISTEN"));
    assert_int_equal(read_settings(&s, NULL, "--demo", &error), LM_EINVAL);
    assert_int_equal(read_settings(&s, ENV("HEALTH_LISTEN", "127.0.0.1:7401"), "--demo", &error), LM_OK);
    assert_int_equal(read_settings(&s, ENV("DEMO", "1"), "--demo=0", &error), LM_OK);
}

static void the_tcp_port_has_its_number_from_somewhere(void **state)
{
    lm_settings s;
    (void)state;
    assert_int_equal(read_settings(&s, ENV("UDP_PORT", "4000"), NULL, NULL), LM_OK);
    assert_int_equal(lm_settings_tcp_port(&s), 4000);
    assert_int_equal(read_settings(&s, ENV("UDP_PORT", "4000", "TCP_PORT", "same"), NULL, NULL), LM_OK);
    assert_int_equal(lm_settings_tcp_port(&s), 4000);
    assert_int_equal(read_settings(&s, ENV("UDP_PORT", "4000", "TCP_PORT", "4001"), NULL, NULL), LM_OK);
    assert_int_equal(lm_settings_tcp_port(&s), 4001);
    assert_int_equal(read_settings(&s, ENV("UDP_PORT", "4000", "TCP_PORT", "off"), NULL, NULL), LM_OK);
    assert_int_equal(lm_settings_tcp_port(&s), 0);
    assert_int_equal(read_settings(&s, NULL, "--tcp-port=0", NULL), LM_OK);
    assert_int_equal(lm_settings_tcp_port(&s), 0);
    assert_false(lm_settings_tcp_yields(&s));

    /* HEALTH_LISTEN was asked for, a default was not. */
    lm_error_text error;
    assert_int_equal(read_settings(&s, ENV("HEALTH_LISTEN", "127.0.0.1:3478"), NULL, NULL), LM_OK);
    assert_true(lm_settings_tcp_yields(&s));
    assert_int_equal(lm_settings_tcp_port(&s), 0);
    assert_int_equal(read_settings(&s, ENV("HEALTH_LISTEN", "127.0.0.1:3479"), "--tcp-port=3479", &error),
                     LM_EINVAL);
    assert_string_equal(error.text,
                        "TCP_PORT and HEALTH_LISTEN both have port 3479: they need different ones");
    assert_int_equal(read_settings(&s,
                                   ENV("HEALTH_LISTEN", "127.0.0.1:3479", "TLS_CERT", "c", "TLS_KEY", "k"),
                                   "--tls-port=3479", &error),
                     LM_EINVAL);
    assert_string_equal(error.text,
                        "TLS_PORT and HEALTH_LISTEN both have port 3479: they need different ones");
}

static void tls_needs_two_files_and_a_port_of_its_own(void **state)
{
    lm_settings s;
    lm_error_text error;
    (void)state;
    assert_int_equal(read_settings(&s, ENV("TLS_PORT", "5349"), NULL, &error), LM_EINVAL);
    assert_string_equal(error.text, "TLS_PORT needs TLS_CERT and TLS_KEY: set both");
    assert_int_equal(read_settings(&s, ENV("TLS_PORT", "5349", "TLS_CERT", "c"), NULL, &error), LM_EINVAL);
    assert_string_equal(error.text, "TLS_PORT needs TLS_CERT and TLS_KEY: set TLS_KEY, too");
    assert_int_equal(read_settings(&s, ENV("TLS_PORT", "5349", "TLS_KEY", "k"), NULL, &error), LM_EINVAL);
    assert_string_equal(error.text, "TLS_PORT needs TLS_CERT and TLS_KEY: set TLS_CERT, too");
    assert_int_equal(read_settings(&s, ENV("TLS_CERT", "c"), NULL, &error), LM_OK); /* not used, no harm */
    assert_int_equal(
        read_settings(&s, ENV("TLS_PORT", "3478", "TLS_CERT", "c", "TLS_KEY", "k"), NULL, &error), LM_EINVAL);
    assert_string_equal(error.text, "TLS_PORT and TCP_PORT are both 3478: they need different ones");
    assert_int_equal(
        read_settings(&s, ENV("TLS_PORT", "3478", "TLS_CERT", "c", "TLS_KEY", "k"), "--tcp-port=off", &error),
        LM_OK);
}

static void turn_is_told_what_is_wrong(void **state)
{
    static const struct {
        const char *name, *value, *error;
    } bad[] = {
        {"TURN_SECRET", "0123456789abcde", "TURN_SECRET: the value is not usable: "},
        {"TURN_SECRET", SECRET_A ",short", "TURN_SECRET: 1 to 4 secrets of 16 to 256 characters are needed"},
        {"TURN_SECRET", SECRET_A ",", "TURN_SECRET: 1 to 4 secrets"},
        {"TURN_SECRET", SECRET_A "," SECRET_A "," SECRET_A "," SECRET_A "," SECRET_A,
         "TURN_SECRET: 1 to 4 secrets"},
        {"TURN_ALLOW_PEERS", "10.0.0.0/8,10.0.0.300", "TURN_ALLOW_PEERS: \"10.0.0.300\" is no network"},
        {"TURN_ALLOW_PEERS", "10.0.0.0/33", "TURN_ALLOW_PEERS: \"10.0.0.0/33\" is no network"},
        {"TURN_REALM", "a\"b", "TURN_REALM: 'a\"b' is not usable: "},
        {"TURN_REALM", "a\\b", "TURN_REALM: "},
        {"TURN_REALM", "turn.of.a.relay.in.the.cloud.example", "TURN_REALM: 'turn.of"},
        {"TURN", "maybe", "TURN: 'maybe' is not usable: it has to be closed, open or off"},
        {"TURN_PORTS", "80-90", "TURN_PORTS: '80-90' is not usable: "},
        {"MAX_ALLOCATIONS", "0", "MAX_ALLOCATIONS: '0' is not usable: "},
        {"TURN_RATE", "x",
         "TURN_RATE: 'x' is not usable: it has to be a whole number from 1 to 1000000000, or 0 "
         "for no limit"},
    };
    lm_settings s;
    lm_error_text error;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read_settings(&s, ENV(bad[i].name, bad[i].value), NULL, &error), LM_EINVAL);
        assert_memory_equal(error.text, bad[i].error, strlen(bad[i].error));
        assert_null(strstr(error.text, SECRET_A));
    }
}

static void some_address_is_needed(void **state)
{
    lm_settings s;
    lm_error_text error;
    (void)state;
    assert_int_equal(read_settings(&s, ENV("PUBLIC_IP", "-"), NULL, &error), LM_EINVAL);
    assert_non_null(strstr(error.text, "PUBLIC_IP6"));
    assert_int_equal(read_settings(&s, ENV("PUBLIC_IP", "-", "PUBLIC_HOST", "r.example"), NULL, &error),
                     LM_EINVAL);
    assert_int_equal(read_settings(&s, ENV("PUBLIC_IP", "-", "PUBLIC_IP6", "::1"), NULL, &error), LM_OK);
}

static void secrets_are_not_repeated(void **state)
{
    lm_settings s;
    lm_error_text error;
    (void)state;
    assert_int_equal(read_settings(&s, ENV("ICE_PWD", "hunter2"), NULL, &error), LM_EINVAL);
    assert_null(strstr(error.text, "hunter2"));
    assert_non_null(strstr(error.text, "ICE_PWD"));
    assert_non_null(strstr(error.text, "22 to 256"));
}

static void a_file_is_under_the_environment(void **state)
{
    lm_settings s;
    lm_error_text error;
    char *dir = test_tempdir_make(), flag[256];
    (void)state;
    test_write(dir, "relay.env", "UDP_PORT=1\nMAX_SESSIONS=2\nMAX_ROOM_SIZE=3\n");
    const char *path = test_path(dir, "relay.env");
    assert_int_equal(
        read_settings(&s, ENV("CONFIG", path, "MAX_SESSIONS", "20"), "--max-room-size=30", &error), LM_OK);
    assert_int_equal(s.udp_port, 1);
    assert_int_equal(s.max_sessions, 20);
    assert_int_equal(s.max_room_size, 30);
    assert_string_equal(s.config_file, path);
    snprintf(flag, sizeof flag, "--config=%s", path);
    assert_int_equal(read_settings(&s, ENV("CONFIG", "/nowhere"), flag, &error), LM_OK);
    assert_int_equal(s.udp_port, 1);

    assert_int_equal(read_settings(&s, ENV("CONFIG", test_path(dir, "none")), NULL, &error), LM_EINVAL);
    assert_non_null(strstr(error.text, test_path(dir, "none")));
    assert_int_equal(read_settings(&s, ENV("CONFIG", test_path(dir, "none")), "--help", &error), LM_OK);
    test_write(dir, "relay.env", "CONFIG=other.env\n");
    assert_int_equal(read_settings(&s, NULL, flag, &error), LM_EINVAL);
    assert_non_null(strstr(error.text, "relay.env:1: CONFIG cannot be set in a file"));
    char *long_text = calloc(1, 65538);
    memset(long_text, '#', 65537);
    test_write(dir, "relay.env", long_text);
    assert_int_equal(read_settings(&s, NULL, flag, &error), LM_EINVAL);
    assert_non_null(strstr(error.text, "relay.env is longer than 65536 bytes"));
    memset(long_text, 'x', 2000);
    long_text[2000] = '\0';
    assert_int_equal(read_settings(&s, ENV("CONFIG", long_text), NULL, &error), LM_EINVAL);
    assert_non_null(strstr(error.text, "CONFIG: 'xxx"));
    free(long_text);
    test_tempdir_remove(dir);
}

static void secrets_come_from_files(void **state)
{
    lm_settings s;
    lm_error_text error;
    char *dir = test_tempdir_make();
    (void)state;
    test_write(dir, "pwd", "0123456789012345678901\n");
    assert_int_equal(read_settings(&s, ENV("ICE_PWD_FILE", test_path(dir, "pwd")), NULL, &error), LM_OK);
    assert_string_equal(s.ice_pwd, "0123456789012345678901");
    /* Relative names start in STATE_DIR, wherever that is set, as those of the identity do. */
    assert_int_equal(read_settings(&s, ENV("ICE_PWD_FILE", "pwd", "STATE_DIR", dir), NULL, &error), LM_OK);
    assert_string_equal(s.ice_pwd, "0123456789012345678901");
    test_write(dir, "relay.env", "ICE_PWD_FILE=pwd\n");
    assert_int_equal(
        read_settings(&s, ENV("CONFIG", test_path(dir, "relay.env"), "STATE_DIR", dir), NULL, &error), LM_OK);
    assert_string_equal(s.ice_pwd, "0123456789012345678901");

    assert_int_equal(read_settings(&s, ENV("ICE_PWD_FILE", "pwd", "STATE_DIR", dir),
                                   "--ice-pwd=abcdefghijklmnopqrstuvwxyz", &error),
                     LM_EINVAL);
    assert_string_equal(error.text, "--ice-pwd and ICE_PWD_FILE are both set: keep one of them");
    assert_int_equal(read_settings(&s, ENV("ICE_PWD_FILE", "none", "STATE_DIR", dir), NULL, &error),
                     LM_EINVAL);
    assert_non_null(strstr(error.text, "ICE_PWD_FILE: "));
    assert_non_null(strstr(error.text, test_path(dir, "none")));
    test_write(dir, "pwd", "hunter2\n");
    assert_int_equal(read_settings(&s, ENV("ICE_PWD_FILE", "pwd", "STATE_DIR", dir), NULL, &error),
                     LM_EINVAL);
    assert_non_null(strstr(error.text, "ICE_PWD in "));
    assert_null(strstr(error.text, "hunter2"));
    test_write(dir, "secrets", SECRET_A "," SECRET_B "\n");
    assert_int_equal(read_settings(&s, ENV("TURN_SECRET_FILE", "secrets", "STATE_DIR", dir), NULL, &error),
                     LM_OK);
    assert_string_equal(s.turn_secret, SECRET_A "," SECRET_B);
    assert_int_equal(read_settings(&s, ENV("TURN_SECRET_FILE", "secrets", "STATE_DIR", dir),
                                   "--turn-secret=" SECRET_A, &error),
                     LM_EINVAL);
    assert_string_equal(error.text, "--turn-secret and TURN_SECRET_FILE are both set: keep one of them");
    test_write(dir, "pwd", "0123456789012345678901\n\n"); /* one line end is trimmed, no more */
    assert_int_equal(read_settings(&s, ENV("ICE_PWD_FILE", "pwd", "STATE_DIR", dir), NULL, &error),
                     LM_EINVAL);
    test_tempdir_remove(dir);
}

static void commands(void **state)
{
    static const struct {
        const char *flag;
        lm_command command;
    } flags[] = {{"--help", LM_COMMAND_HELP},
                 {"--version", LM_COMMAND_VERSION},
                 {"--print-config", LM_COMMAND_PRINT_CONFIG},
                 {"--print-blob", LM_COMMAND_PRINT_BLOB},
                 {"--check-config", LM_COMMAND_CHECK_CONFIG}};
    lm_settings s;
    (void)state;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        assert_int_equal(read_settings(&s, NULL, flags[i].flag, NULL), LM_OK);
        assert_int_equal(s.command, flags[i].command);
    }
    /* A broken environment is no reason to refuse help with it. */
    assert_int_equal(read_settings(&s, ENV("UDP_PORT", "x"), "--help", NULL), LM_OK);
    assert_int_equal(read_settings(&s, ENV("UDP_PORT", "x"), "--version", NULL), LM_OK);
    assert_int_equal(read_settings(&s, ENV("UDP_PORT", "x"), "--print-config", NULL), LM_EINVAL);
}

static void a_failed_check_is_known_as_one(void **state)
{
    lm_settings s = {.command = LM_COMMAND_RUN};
    (void)state;
    assert_int_equal(read_settings(&s, ENV("UDP_PORT", "x"), "--check-config", NULL), LM_EINVAL);
    assert_int_equal(s.command, LM_COMMAND_CHECK_CONFIG);
}

static void keep(void *ctx, const char *text)
{
    char *all = ctx;
    size_t len = strlen(all);
    snprintf(all + len, 8192 - len, "%.60s\n", text);
}

/* Everything that is wrong, once, and nothing that only follows from it. */
static void a_check_tells_everything(void **state)
{
    static char all[8192];
    char *dir = test_tempdir_make(), expected[2048];
    char program[] = "lumamesh-relay", unknown[] = "--no-such", value[] = "3", bad[] = "--udp-port=0";
    char *argv[] = {program, unknown, value, bad, NULL};
    lm_error_list errors = {.tell = keep, .ctx = all};
    lm_error_text error;
    lm_settings s;
    (void)state;
    assert_int_equal(chdir(dir), 0);
    test_write(dir, "r", "UDP_PROT=1\nx\nMAX_SESSIONS=0\nCONFIG=a\nUDP_PORT=-\nMAX_ROOM_SIZE=5\n");
    const char *const *environment =
        ENV("CONFIG", "r", "DEMO", "1", "HEALTH_LISTEN", "x", "PUBLIC_IP", "1.2.3", "ICE_PWD_FILE", "none");
    lm_settings_source source = {.argc = 4, .argv = argv, .get = get, .ctx = (void *)(uintptr_t)environment};
    lm_settings_check(&s, &source, &errors);
    assert_string_equal(all, "r:1: unknown setting 'UDP_PROT': see --help\n"
                             "r:2: there is no '=': it has to be KEY=VALUE, or a comment t\n"
                             "r:4: CONFIG cannot be set in a file\n"
                             "unknown option '--no-such': see --help\n"
                             "ICE_PWD_FILE: none cannot be read: No such file or directory\n"
                             "PUBLIC_IP: '1.2.3' is not usable, '1.2.3' is no IPv4 address\n"
                             "--udp-port: '0' is not usable: it has to be a port from 1 to\n"
                             "HEALTH_LISTEN: 'x' is not usable: it has to be an address an\n"
                             "r:3: MAX_SESSIONS: '0' is not usable: it has to be a whole n\n");
    assert_int_equal(errors.count, 9);
    assert_int_equal(s.max_room_size, 5);
    assert_string_equal(s.ice_pwd, "?"); /* given, whatever it is */
    assert_int_equal(lm_settings_read(&s, &source, &error), LM_EINVAL);
    snprintf(expected, sizeof expected, "%s (and 8 more: --check-config lists them)",
             "r:1: unknown setting 'UDP_PROT': see --help");
    assert_string_equal(error.text, expected);

    all[0] = '\0';
    errors = (lm_error_list){.tell = keep, .ctx = all};
    environment = ENV("DEMO", "1", "PUBLIC_IP", "-");
    source = (lm_settings_source){.argc = 1, .argv = argv, .get = get, .ctx = (void *)(uintptr_t)environment};
    lm_settings_check(&s, &source, &errors);
    assert_string_equal(all, "DEMO needs HEALTH_LISTEN, because the demo page is served th\n"
                             "PUBLIC_IP and PUBLIC_IP6 are both -: browsers need one addre\n");
    assert_int_equal(chdir("/"), 0);
    test_tempdir_remove(dir);
}

static void settings_are_explained(void **state)
{
    char *dir = test_tempdir_make(), *text = NULL, expected[300];
    char program[] = "lumamesh-relay", flag[] = "--message-rate=7";
    char *argv[] = {program, flag, NULL};
    size_t len = 0;
    (void)state;
    test_write(dir, "pwd", "0123456789012345678901\n");
    test_write(dir, "relay.env", "\nUDP_PORT=443\nMAX_SESSIONS=5\nICE_PWD_FILE=pwd\n");
    const char *const *environment =
        ENV("CONFIG", test_path(dir, "relay.env"), "MAX_SESSIONS", "6", "STATE_DIR", dir);
    lm_settings_source source = {.argc = 2, .argv = argv, .get = get, .ctx = (void *)(uintptr_t)environment};
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(lm_settings_explain(out, &source, NULL), LM_OK);
    fclose(out);
    snprintf(expected, sizeof expected, "\nUDP_PORT=443                           %s:2\n",
             test_path(dir, "relay.env"));
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(text, "\nMAX_SESSIONS=6                         environment\n"));
    assert_non_null(strstr(text, "\nMESSAGE_RATE=7                         --message-rate\n"));
    assert_non_null(strstr(text, "\nDEMO=0                                 default\n"));
    snprintf(expected, sizeof expected, "\nICE_PWD=(hidden)                       %s\n",
             test_path(dir, "pwd"));
    assert_non_null(strstr(text, expected));
    assert_null(strstr(text, "0123456789012345678901"));
    assert_null(strstr(text, "HELP"));
    free(text);
    test_tempdir_remove(dir);
}

static void help_names_every_setting_and_no_secret(void **state)
{
    char *text = NULL;
    size_t len = 0;
    (void)state;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    lm_settings_print_help(out);
    fclose(out);
    assert_non_null(strstr(text, "--max-rooms-per-session=NUMBER"));
    assert_non_null(strstr(text, "--ice-pwd=CHARS"));
    assert_non_null(strstr(text, "default 127.0.0.1"));
    assert_non_null(strstr(text, "--print-blob"));
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 120);
    free(text);
}

static void node_config_is_put_together(void **state)
{
    lm_settings s;
    lm_identity identity = {.ice_pwd = "0123456789abcdef0123456789abcdef"};
    lm_node_config config;
    char text[LM_ADDR_STRLEN];
    (void)state;
    memset(identity.cert.fingerprint, 0xab, 32);
    memset(identity.node_public_key, 0xcd, 32);
    assert_int_equal(read_settings(&s,
                                   ENV("PUBLIC_IP", "203.0.113.1,203.0.113.2,203.0.113.3", "PUBLIC_IP6",
                                       "::1,2001:db8::1", "PUBLIC_HOST", "r.example"),
                                   NULL, NULL),
                     LM_OK);
    lm_settings_node_config(&s, &identity, &config);
    assert_int_equal(config.port, 3478);
    assert_int_equal(config.tcp, 3478);
    assert_string_equal(config.ufrag, "luma");
    assert_string_equal(config.pwd, identity.ice_pwd);
    assert_string_equal(config.host, "r.example");
    assert_int_equal(config.ip.family, LM_AF_INET);
    assert_int_equal(config.ip6.family, LM_AF_INET6);
    assert_int_equal(config.alt_count, 3);
    assert_string_equal(lm_addr_format_ip(&config.ip, text), "203.0.113.1");
    assert_string_equal(lm_addr_format_ip(&config.alt[0], text), "203.0.113.2");
    assert_string_equal(lm_addr_format_ip(&config.alt[1], text), "203.0.113.3");
    assert_string_equal(lm_addr_format_ip(&config.alt[2], text), "2001:db8::1");
    assert_memory_equal(config.fingerprint, identity.cert.fingerprint, 32);
    assert_memory_equal(config.nk, identity.node_public_key, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_variable_reaches_its_field),
        cmocka_unit_test(the_demo_needs_a_place),
        cmocka_unit_test(the_tcp_port_has_its_number_from_somewhere),
        cmocka_unit_test(tls_needs_two_files_and_a_port_of_its_own),
        cmocka_unit_test(turn_is_told_what_is_wrong),
        cmocka_unit_test(some_address_is_needed),
        cmocka_unit_test(secrets_are_not_repeated),
        cmocka_unit_test(a_file_is_under_the_environment),
        cmocka_unit_test(secrets_come_from_files),
        cmocka_unit_test(commands),
        cmocka_unit_test(a_failed_check_is_known_as_one),
        cmocka_unit_test(a_check_tells_everything),
        cmocka_unit_test(settings_are_explained),
        cmocka_unit_test(help_names_every_setting_and_no_secret),
        cmocka_unit_test(node_config_is_put_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
