/* The table machinery: layers, flags derived from names, every type, and the one line that an error is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"

typedef struct target {
    uint32_t number;
    uint16_t port;
    uint16_t optional_port;
    int32_t same_port;
    lm_port_range ports;
    bool flag;
    char text[9];
    char ice[9];
    char secret[9];
    char host[254];
    char path[17];
    lm_addr ip[3];
    lm_addr ip6[2];
    lm_addr listen;
    lm_log_level level;
    char outside[9];
    int choice;
    int command;
} target;

#define ROW(n, f, t, field, ...)                                                                         \
    {                                                                                                    \
        .name = n, .fallback = f, .type = &lm_option_##t, .offset = offsetof(target, field), __VA_ARGS__ \
    }
static const char *const choices[] = {"full", "prefix", "none", NULL};

static const lm_option table[] = {
    ROW("A_NUMBER", "7", uint, number, .min = 3, .max = 4294967295, .help = "a number"),
    ROW("PORT", "80", port, port, .help = "a port"),
    ROW("OPTIONAL", "0", optional_port, optional_port, .help = "a port or none"),
    ROW("SAME", "same", same_port, same_port, .help = "a port, that of another option, or none"),
    ROW("PORTS", "49152-65535", ports, ports, .help = "a range of ports"),
    ROW("FLAG", "0", bool, flag, .help = "a flag"),
    ROW("TEXT", NULL, string, text, .min = 1, .max = 8, .help = "a text"),
    ROW("ICE", "luma", ice, ice, .min = 4, .max = 8, .help = "ice characters"),
    ROW("SECRET", NULL, ice, secret, .min = 4, .max = 8, .flags = LM_OPTION_SECRET, .help = "a secret"),
    ROW("HOST", "-", host, host, .min = 1, .max = 253, .help = "a host"),
    ROW("FILE_NAME", "x", path, path, .min = 1, .max = 16, .help = "a path"),
    ROW("IP", "127.0.0.1", ipv4, ip, .max = 3, .help = "an address"),
    ROW("IP6", "-", ipv6, ip6, .max = 2, .help = "an address"),
    ROW("LISTEN", "off", listen, listen, .help = "an address and port"),
    ROW("LEVEL", "info", level, level, .help = "a level"),
    ROW("CHOICE", "prefix", choice, choice, .choices = choices, .help = "a choice"),
    ROW("OUTSIDE", NULL, string, outside, .min = 1, .max = 8, .flags = LM_OPTION_NOT_IN_FILE, .help = "x"),
    ROW("HELP", NULL, command, command, .max = 5, .flags = LM_OPTION_COMMAND, .help = "a command"),
};
#define ROWS (sizeof table / sizeof table[0])

typedef struct variable {
    const char *name, *text;
} variable;

static const char *get(void *ctx, const char *name)
{
    for (const variable *v = ctx; v != NULL && v->name != NULL; v++) {
        if (strcmp(v->name, name) == 0)
            return v->text;
    }
    return NULL;
}

static int read_all(target *t, variable *environment, int argc, const char *const *argv, lm_error_text *error)
{
    lm_option_values values;
    char *copy[16];
    for (int i = 0; i < argc; i++)
        copy[i] = strdup(argv[i]);
    memset(t, 0, sizeof *t);
    lm_option_values_init(&values, table, ROWS);
    lm_option_values_environment(&values, get, environment);
    lm_error_list errors = {0};
    lm_option_values_arguments(&values, argc, copy, &errors);
    if (errors.count == 0)
        lm_option_values_parse(&values, t, &errors);
    for (int i = 0; i < argc; i++)
        free(copy[i]);
    return lm_error_list_result(&errors, error);
}

#define ARGS(...)                                                                            \
    (int)(sizeof(const char *[]){"program", __VA_ARGS__} / sizeof(char *)), (const char *[]) \
    {                                                                                        \
        "program", __VA_ARGS__                                                               \
    }
#define NO_ARGS         \
    1, (const char *[]) \
    {                   \
        "program"       \
    }

static void defaults_hold(void **state)
{
    target t;
    (void)state;
    assert_int_equal(read_all(&t, NULL, NO_ARGS, NULL), LM_OK);
    assert_int_equal(t.number, 7);
    assert_int_equal(t.port, 80);
    assert_false(t.flag);
    assert_string_equal(t.text, "");
    assert_string_equal(t.ice, "luma");
    assert_string_equal(t.host, "");
    assert_int_equal(t.ip[0].family, LM_AF_INET);
    assert_int_equal(t.ip6[0].family, LM_AF_NONE);
    assert_int_equal(t.listen.family, LM_AF_NONE);
    assert_int_equal(t.level, LM_LOG_INFO);
    assert_int_equal(t.choice, 1);
    assert_int_equal(t.command, 0);
}

static void flags_win_over_the_environment(void **state)
{
    variable environment[] = {{"A_NUMBER", "10"}, {"PORT", "81"}, {"FLAG", "1"},
                              {"ICE", ""},        {"HELP", "1"},  {NULL, NULL}};
    target t;
    (void)state;
    assert_int_equal(read_all(&t, environment, NO_ARGS, NULL), LM_OK);
    assert_int_equal(t.number, 10);
    assert_int_equal(t.port, 81);
    assert_true(t.flag);
    assert_string_equal(t.ice, "luma"); /* empty counts as unset */
    assert_int_equal(t.command, 0);     /* a command is not taken from the environment */
    assert_int_equal(read_all(&t, environment, ARGS("--a-number", "11", "--port=82", "--flag=0"), NULL),
                     LM_OK);
    assert_int_equal(t.number, 11);
    assert_int_equal(t.port, 82);
    assert_false(t.flag);

    environment[0].text = "nonsense"; /* does not matter when a flag replaces it */
    assert_int_equal(read_all(&t, environment, ARGS("--a-number=11"), NULL), LM_OK);
    assert_int_equal(read_all(&t, environment, ARGS("--a-number=11", "--a-number", "12"), NULL), LM_OK);
    assert_int_equal(t.number, 12);
}

static void flags_are_written_in_two_ways(void **state)
{
    target t;
    (void)state;
    assert_int_equal(
        read_all(&t, NULL, ARGS("--flag", "--file-name", "-", "--ip6", "-", "--text=a=b", "--help"), NULL),
        LM_OK);
    assert_true(t.flag);
    assert_string_equal(t.path, "-");
    assert_string_equal(t.text, "a=b");
    assert_int_equal(t.command, 5);
}

static void a_layer_can_lie_between(void **state)
{
    lm_option_values values;
    target t = {0};
    (void)state;
    lm_option_values_init(&values, table, ROWS);
    assert_int_equal(lm_option_values_set(&values, "PORT", "99", LM_OPTION_ENVIRONMENT), LM_OK);
    assert_int_equal(lm_option_values_set(&values, "PROT", "99", LM_OPTION_ENVIRONMENT), LM_ENOTFOUND);
    assert_int_equal(lm_option_values_parse(&values, &t, NULL), LM_OK);
    assert_int_equal(t.port, 99);
}

/* Lays a config file's text under an environment with PORT=81. */
static int read_config(target *t, const char *text, lm_error_text *error)
{
    variable environment[] = {{"PORT", "81"}, {NULL, NULL}};
    lm_option_values values;
    char copy[256];
    snprintf(copy, sizeof copy, "%s", text);
    lm_option_values_init(&values, table, ROWS);
    lm_error_list errors = {0};
    lm_option_values_config(&values, "dir/relay.env", copy, strlen(copy), &errors);
    lm_option_values_environment(&values, get, environment);
    if (errors.count == 0)
        lm_option_values_parse(&values, t, &errors);
    return lm_error_list_result(&errors, error);
}

static void a_config_file_is_above_the_defaults(void **state)
{
    target t = {0};
    lm_error_text error = {""};
    (void)state;
    assert_int_equal(read_config(&t, "# x\nA_NUMBER=8\nA_NUMBER=9\nPORT=7\nICE=\nTEXT='a b'", &error), LM_OK);
    assert_int_equal(t.number, 9);
    assert_int_equal(t.port, 81);       /* the environment is above it */
    assert_string_equal(t.ice, "luma"); /* empty counts as unset */
    assert_string_equal(t.text, "a b");

    static const struct {
        const char *text, *error;
    } bad[] = {
        {"A_NUMBER=8\n\nA_NUMBE=8", "dir/relay.env:3: unknown setting 'A_NUMBE': see --help"},
        {"a_number=8", "dir/relay.env:1: unknown setting 'a_number': see --help"},
        {"export A_NUMBER=8", "dir/relay.env:1: unknown setting 'export A_NUMBER': see --help"},
        {"HELP=1", "dir/relay.env:1: unknown setting 'HELP': see --help"},
        {"\nOUTSIDE=x", "dir/relay.env:2: OUTSIDE cannot be set in a file"},
        {"FLAG=1\nA_NUMBER", "dir/relay.env:2: there is no '=': it has to be KEY=VALUE, or a comment that "
                             "begins with #"},
        {"\nA_NUMBER=2",
         "dir/relay.env:2: A_NUMBER: '2' is not usable: it has to be a whole number from 3 to "
         "4294967295"},
        {"SECRET=abc",
         "dir/relay.env:1: SECRET: the value is not usable: it has to be 4 to 8 letters, digits, "
         "+ or /"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read_config(&t, bad[i].text, &error), LM_EINVAL);
        assert_string_equal(error.text, bad[i].error);
    }
}

static void errors_are_one_clear_line(void **state)
{
    static const struct {
        const char *argument, *text;
    } bad[] = {
        {"--a-number=2", "--a-number: '2' is not usable: it has to be a whole number from 3 to 4294967295"},
        {"--port=0", "--port: '0' is not usable: it has to be a port from 1 to 65535"},
        {"--optional=x", "--optional: 'x' is not usable: it has to be a port from 1 to 65535, or 0 for none"},
        {"--same=x",
         "--same: 'x' is not usable: it has to be a port from 1 to 65535, 0 for none, or same for "
         "UDP_PORT's number"},
        {"--ports=80-90", "--ports: '80-90' is not usable: it has to be two ports from 1024 to 65535 such as "
                          "49152-65535"},
        {"--flag=maybe", "--flag: 'maybe' is not usable: it has to be 1 or 0"},
        {"--ice=a b\n", "--ice: 'a b?' is not usable: it has to be 4 to 8 letters, digits, + or /"},
        {"--secret=abc", "--secret: the value is not usable: it has to be 4 to 8 letters, digits, + or /"},
#define ACCEPTED ": it has to be 1 to 3 IPv4 addresses with commas between them, or - for none"
        {"--ip=10.0.0.1,x,10.0.0.2",
         "--ip: '10.0.0.1,x,10.0.0.2' is not usable, 'x' is no IPv4 address" ACCEPTED},
        {"--ip=10.0.0.1,,10.0.0.2", "--ip: '10.0.0.1,,10.0.0.2' is not usable, an item is empty" ACCEPTED},
        {"--ip=10.0.0.1,10.0.0.1",
         "--ip: '10.0.0.1,10.0.0.1' is not usable, '10.0.0.1' is there twice" ACCEPTED},
        {"--ip=224.0.0.1", "--ip: '224.0.0.1' is not usable, '224.0.0.1' is a multicast address" ACCEPTED},
        {"--ip=1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4",
         "--ip: '1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4' is not usable, '1.1.1.4' is one too many" ACCEPTED},
        {"--ip6=1.1.1.1", "--ip6: '1.1.1.1' is not usable, '1.1.1.1' is no IPv6 address: it has to be 1 to 2 "
                          "IPv6 addresses with commas between them, or - for none"},
        {"--level=loud", "--level: 'loud' is not usable: it has to be error, warn, info or debug"},
        {"--choice=all", "--choice: 'all' is not usable: it has to be full, prefix or none"},
        {"--a-numbe=3", "unknown option '--a-numbe': see --help"},
        {"--=3", "unknown option '--': see --help"},
        {"--A-NUMBER=3", "unknown option '--A-NUMBER': see --help"},
        {"--port", "--port needs a value: --port=PORT"},
        {"--help=1", "--help takes no value"},
        {"-h", "unexpected argument '-h': see --help"},
        {"port=3", "unexpected argument 'port=3': see --help"},
        {"", "unexpected argument '': see --help"},
    };
    target t;
    lm_error_text error;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read_all(&t, NULL, ARGS(bad[i].argument), &error), LM_EINVAL);
        assert_string_equal(error.text, bad[i].text);
    }
    assert_int_equal(read_all(&t, NULL, ARGS("--port", "--flag"), &error), LM_EINVAL);
    assert_string_equal(error.text, "--port needs a value: --port=PORT");

    variable environment[] = {{"IP", "1.2.3"}, {NULL, NULL}};
    assert_int_equal(read_all(&t, environment, NO_ARGS, &error), LM_EINVAL);
    assert_string_equal(error.text, "IP: '1.2.3' is not usable, '1.2.3' is no IPv4 address" ACCEPTED);

    char longer[500] = "--text=";
    memset(longer + 7, 'x', 400);
    assert_int_equal(read_all(&t, NULL, ARGS(longer), &error), LM_EINVAL);
    assert_true(strlen(error.text) < 200);
}

/* "NAME=value" for each, one after the other; all of them must, or none may, be accepted. */
static void try_values(const char *flag, const char *const values[], bool good)
{
    for (size_t i = 0; values[i] != NULL; i++) {
        char argument[600];
        target t;
        snprintf(argument, sizeof argument, "%s=%s", flag, values[i]);
        if ((read_all(&t, NULL, ARGS(argument), NULL) == LM_OK) != good)
            fail_msg("%s was%s accepted", argument, good ? " not" : "");
    }
}

#define ACCEPTS(flag, ...) try_values(flag, (const char *[]){__VA_ARGS__, NULL}, true)
#define REFUSES(flag, ...) try_values(flag, (const char *[]){__VA_ARGS__, NULL}, false)

static void types_know_their_values(void **state)
{
    (void)state;
    ACCEPTS("--a-number", "3", "4294967295", "0003");
    REFUSES("--a-number", "", "2", "4294967296", "18446744073709551619", "99999999999999999999999", "-3",
            "+3", " 3", "3 ", "3x", "0x10", "3.0", "1e3");
    ACCEPTS("--port", "1", "65535");
    REFUSES("--port", "0", "65536", "-1", "", "http");
    ACCEPTS("--optional", "0", "off", "1", "65535");
    REFUSES("--optional", "65536", "-1", "", "same", "none", "OFF");
    ACCEPTS("--same", "same", "0", "off", "1", "65535");
    REFUSES("--same", "65536", "-1", "", "SAME", "same ");
    ACCEPTS("--ports", "1024-65535", "49152-65535", "5000-5000");
    REFUSES("--ports", "", "-", "5000", "5000-", "-5000", "5001-5000", "1023-5000", "5000-65536",
            "5000 - 6000", "5000-6000-7000", "0000000005000-6000", "a-b");
    ACCEPTS("--flag", "0", "1", "true", "false", "yes", "no", "on", "off");
    REFUSES("--flag", "", "2", "TRUE", "y", "01");
    ACCEPTS("--text", "a", "12345678", "a b");
    REFUSES("--text", "", "123456789", "a\tb", "\x7f");
    ACCEPTS("--ice", "abcd", "AZaz09+/");
    REFUSES("--ice", "abc", "abcdefghi", "abc-", "abc=", "abc_", "abc ", "abc\xc3\xa4");
    ACCEPTS("--host", "-", "a", "relay.example.org", "a-b.c", "1a.2");
    REFUSES("--host", "", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", "a/b", "1.2.3.4", "::1", "a:1",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    ACCEPTS("--file-name", "a", "/a b/\xc3\xa4");
    REFUSES("--file-name", "", "12345678901234567");
    ACCEPTS("--ip", "-", "1.2.3.4", "127.0.0.1", "10.0.0.1", " 10.0.0.1", "10.0.0.1,10.0.0.2",
            "10.0.0.3 , 10.0.0.2, 10.0.0.1");
    REFUSES("--ip", "", " ", ",", "10.0.0.1,", ",10.0.0.1", "10.0.0.1,,10.0.0.2", "10.0.0.1,-", "-,-",
            "10.0.0.1 10.0.0.2", "10.0.0.1,10.0.0.1", "10.0.0.1,::1", "10.0.0.1,224.0.0.1",
            "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4", "1.2.3.4,\t1.2.3.5", "1.2.3", "1.2.3.4.5", "01.2.3.4",
            "256.1.1.1", "::1", "::ffff:1.2.3.4", "0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255",
            "1.2.3.4:5", "localhost");
    ACCEPTS("--ip6", "-", "::1", "2001:db8::1", "2001:db8::1,2001:db8::2");
    REFUSES("--ip6", "2001:db8::1,2001:DB8:0::1", "fe80::1", "febf::1", "::1.2.3.4", "::1,1.2.3.4", "",
            "1.2.3.4", "::", "::ffff:1.2.3.4", "ff02::1", "[::1]", "fe80::1%eth0", "1::2::3");
    ACCEPTS("--listen", "off", "127.0.0.1:1", "0.0.0.0:65535", "[::1]:7401", "[::]:7401", "localhost:7401");
    REFUSES("--listen", "", "on", "7401", ":7401", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:7401",
            "*:7401", "localhost", "localhost:", "localhost:0", "localhost:123456789", "127.0.0.1:7401x");
    ACCEPTS("--level", "error", "warn", "info", "debug");
    ACCEPTS("--choice", "full", "prefix", "none");
    REFUSES("--choice", "", "Full", "0", "nones");
    REFUSES("--level", "", "INFO", "4", "trace");
}

static void ports_become_numbers(void **state)
{
    target t;
    (void)state;
    assert_int_equal(read_all(&t, NULL, NO_ARGS, NULL), LM_OK);
    assert_int_equal(t.optional_port, 0);
    assert_int_equal(t.same_port, -1);
    assert_int_equal(t.ports.first, 49152);
    assert_int_equal(t.ports.last, 65535);
    assert_int_equal(read_all(&t, NULL, ARGS("--optional=5349", "--same=3479", "--ports=50000-50099"), NULL),
                     LM_OK);
    assert_int_equal(t.optional_port, 5349);
    assert_int_equal(t.same_port, 3479);
    assert_int_equal(t.ports.first, 50000);
    assert_int_equal(t.ports.last, 50099);
    assert_int_equal(read_all(&t, NULL, ARGS("--optional=off", "--same=off"), NULL), LM_OK);
    assert_int_equal(t.optional_port, 0);
    assert_int_equal(t.same_port, 0);
}

static void lists_keep_their_order(void **state)
{
    target t;
    char text[LM_ADDR_STRLEN];
    (void)state;
    assert_int_equal(read_all(&t, NULL, ARGS("--ip=10.0.0.9, 10.0.0.1"), NULL), LM_OK);
    assert_string_equal(lm_addr_format_ip(&t.ip[0], text), "10.0.0.9");
    assert_string_equal(lm_addr_format_ip(&t.ip[1], text), "10.0.0.1");
    assert_int_equal(t.ip[2].family, LM_AF_NONE);
}

static void longest_host(void **state)
{
    char host[300];
    (void)state;
    memset(host, 'a', sizeof host);
    for (size_t i = 60; i < 250; i += 61)
        host[i] = '.';
    host[253] = '\0';
    ACCEPTS("--host", host);
    host[253] = 'a';
    host[254] = '\0';
    REFUSES("--host", host);
}

static void help_has_a_line_for_each_row(void **state)
{
    char *text = NULL;
    size_t len = 0;
    (void)state;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    lm_options_print_help(out, table, ROWS);
    fclose(out);
    assert_non_null(strstr(text, "--a-number=NUMBER"));
    assert_non_null(strstr(text, "a whole number from 3 to 4294967295; default 7"));
    assert_non_null(strstr(text, "  --flag "));
    assert_non_null(strstr(text, "  --help "));
    assert_null(strstr(text, "(null)"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(flags_win_over_the_environment),
        cmocka_unit_test(flags_are_written_in_two_ways),
        cmocka_unit_test(a_layer_can_lie_between),
        cmocka_unit_test(a_config_file_is_above_the_defaults),
        cmocka_unit_test(errors_are_one_clear_line),
        cmocka_unit_test(types_know_their_values),
        cmocka_unit_test(ports_become_numbers),
        cmocka_unit_test(lists_keep_their_order),
        cmocka_unit_test(longest_host),
        cmocka_unit_test(help_has_a_line_for_each_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
