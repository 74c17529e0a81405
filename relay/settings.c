#include "relay/settings.h"

#include <sodium.h>
#include <stddef.h>
#include <string.h>

#include "common/error.h"
#include "common/features.h"
#include "common/option_files.h"
#include "common/options.h"
#include "relay/mesh_settings.h"

#define PATH_MAX_LEN (LM_PATH_SIZE - 1)
#define NO_LIMIT_AT_0(max) "a whole number from 1 to " max ", or 0 for no limit"

/* The last arguments are the row's further members, at least one. */
#define ROW(row_name, row_fallback, row_type, field, row_help, ...)                \
    {                                                                              \
        .name = row_name, .fallback = row_fallback, .type = &lm_option_##row_type, \
        .offset = offsetof(lm_settings, field), .help = row_help, __VA_ARGS__      \
    }
#define COMMAND(row_name, command_id, row_help) \
    ROW(row_name, NULL, command, command, row_help, .max = command_id, .flags = LM_OPTION_COMMAND)

/* The parts that this build leaves out. */
#if LM_WITH_TURN
#define TURN_MISSING NULL
#define TURN_FALLBACK "closed"
#else
#define TURN_MISSING "TURN"
#define TURN_FALLBACK "off"
#endif
#if LM_WITH_TURN || LM_WITH_MESH /* in a mesh a relay gives out credentials for its other nodes */
#define TURN_SECRET_MISSING NULL
#else
#define TURN_SECRET_MISSING "TURN"
#endif
#if LM_WITH_TLS
#define TLS_MISSING NULL
#else
#define TLS_MISSING "TLS"
#endif
#if LM_WITH_MESH
#define MESH_MISSING NULL
#else
#define MESH_MISSING "MESH"
#endif
#if LM_WITH_HEALTH
#define HEALTH_MISSING NULL
#else
#define HEALTH_MISSING "HEALTH"
#endif
#if LM_WITH_DEMO
#define DEMO_MISSING NULL
#else
#define DEMO_MISSING "DEMO"
#endif

/* In the order of lm_log_format and lm_log_addresses. */
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const log_addresses[] = {"full", "prefix", "none", NULL};

/* In the order of lm_turn_choice. */
static const char *const turn_choices[] = {"closed", "open", "off", NULL};

/* clang-format off */
static const lm_option table[] = {
    COMMAND("HELP", LM_COMMAND_HELP, "print this text and end"),
    COMMAND("VERSION", LM_COMMAND_VERSION, "print the version and end"),
    COMMAND("PRINT_CONFIG", LM_COMMAND_PRINT_CONFIG, "print the relay's config as JSON and end"),
    COMMAND("PRINT_BLOB", LM_COMMAND_PRINT_BLOB, "print the relay's config as a blob and end"),
    COMMAND("CHECK_CONFIG", LM_COMMAND_CHECK_CONFIG, "check settings and identity, print what holds and end"),

    ROW("CONFIG", NULL, path, config_file, "file of settings, KEY=VALUE lines as systemd's EnvironmentFile",
        .min = 1, .max = PATH_MAX_LEN, .flags = LM_OPTION_NOT_IN_FILE),

    ROW("PUBLIC_IP", "127.0.0.1", ipv4, public_ip, "IPv4 addresses that browsers are told, the best first",
        .max = LM_PUBLIC_ADDRESSES),
    ROW("PUBLIC_IP6", "-", ipv6, public_ip6, "IPv6 addresses that browsers are told, likewise",
        .max = LM_PUBLIC_ADDRESSES),
    ROW("PUBLIC_HOST", "-", host, public_host, "name of this machine that browsers are told",
        .min = 1, .max = LM_HOST_MAX),
    ROW("UDP_PORT", "3478", port, udp_port, "UDP port, the only one that must be open", .flags = 0),
    ROW("TCP_PORT", "same", same_port, tcp_port, "TCP port, for browsers whose network blocks UDP", .flags = 0),
    ROW("TLS_PORT", "0", optional_port, tls_port, "TCP port of TURN over TLS", .missing = TLS_MISSING),
    ROW("TLS_CERT", NULL, path, tls_cert, "certificate chain for TLS_PORT, PEM", .min = 1, .max = PATH_MAX_LEN,
        .missing = TLS_MISSING),
    ROW("TLS_KEY", NULL, path, tls_key, "its private key, PEM", .min = 1, .max = PATH_MAX_LEN,
        .missing = TLS_MISSING),

    ROW("ICE_UFRAG", "luma", ice, ice_ufrag, "ICE user name of the relay", .min = 4, .max = LM_UFRAG_MAX),
    ROW("ICE_PWD", NULL, ice, ice_pwd, "ICE password; unset: made once and kept beside KEY_FILE",
        .min = 22, .max = LM_ICE_PWD_MAX, .flags = LM_OPTION_SECRET),
    ROW("ICE_PWD_FILE", NULL, path, ice_pwd_file, "file that holds ICE_PWD, instead of it",
        .min = 1, .max = PATH_MAX_LEN),
    ROW("CERT_FILE", "server.crt", path, cert_file, "certificate, made on the first run",
        .min = 1, .max = PATH_MAX_LEN),
    ROW("KEY_FILE", "server.key", path, key_file, "its private key, made on the first run",
        .min = 1, .max = PATH_MAX_LEN),
    ROW("NODE_KEY", "node.key", path, node_key, "file of the node's key, made on the first run",
        .min = 1, .max = PATH_MAX_LEN),
    ROW("STATE_DIR", ".", path, state_dir, "directory where relative file names start",
        .min = 1, .max = PATH_MAX_LEN),

    ROW("TURN", TURN_FALLBACK, choice, turn,
        "packets pass between this relay's allocations alone, or to any peer outside", .choices = turn_choices,
        .missing = TURN_MISSING),
    ROW("TURN_PORTS", "49152-65535", ports, turn_ports, "ports of relayed addresses, real ones where TURN=open",
        .missing = TURN_MISSING),
    ROW("TURN_SECRET", NULL, string, turn_secret,
        "secrets that TURN credentials are made with, with commas, the newest first; unset: drawn",
        .min = LM_TURN_SECRET_MIN, .max = LM_TURN_SECRETS_TEXT, .flags = LM_OPTION_SECRET,
        .missing = TURN_SECRET_MISSING),
    ROW("TURN_SECRET_FILE", NULL, path, turn_secret_file, "file that holds TURN_SECRET, instead of it",
        .min = 1, .max = PATH_MAX_LEN, .missing = TURN_SECRET_MISSING),
    ROW("TURN_REALM", "lumamesh", string, turn_realm, "realm of the TURN credentials",
        .min = 1, .max = LM_TURN_REALM_MAX, .missing = TURN_MISSING),
    ROW("TURN_ALLOW_PEERS", "-", string, turn_allow_peers,
        "networks that TURN=open may reach although they are not public: 10.0.0.0/8,fd00::/8", .min = 1,
        .max = LM_TURN_PEERS_TEXT, .accepts = "addresses and networks, comma-separated, or - for none",
        .missing = TURN_MISSING),
    ROW("MAX_ALLOCATIONS", "1000", uint, max_allocations, "TURN allocations at the same time",
        .min = 1, .max = 100000, .missing = TURN_MISSING),
    ROW("MAX_ALLOCATIONS_PER_USER", "10", uint, max_allocations_per_user, "of them, those of one user",
        .max = 100000, .accepts = NO_LIMIT_AT_0("100000"), .missing = TURN_MISSING),
    ROW("TURN_RATE", "0", uint, turn_rate, "bytes a second that one allocation passes on, each way",
        .max = 1000000000, .accepts = NO_LIMIT_AT_0("1000000000"), .missing = TURN_MISSING),

    ROW("HEALTH_LISTEN", "off", listen, health_listen, "where /healthz is served over HTTP",
        .missing = HEALTH_MISSING),
    ROW("DEMO", "0", bool, demo, "serve the demo page at HEALTH_LISTEN, path /demo", .missing = DEMO_MISSING),

    ROW("MESH_SALT", NULL, string, mesh_salt, "what all nodes of a mesh share, and nobody else knows; unset: no mesh",
        .min = LM_MESH_SALT_MIN, .max = LM_MESH_SALT_TEXT, .flags = LM_OPTION_SECRET,
        .missing = MESH_MISSING),
    ROW("MESH_SALT_FILE", NULL, path, mesh_salt_file, "file that holds MESH_SALT, instead of it",
        .min = 1, .max = PATH_MAX_LEN, .missing = MESH_MISSING),
    ROW("MESH_LISTEN", "off", listen, mesh_listen, "TCP address where other nodes dial; off: this one only dials",
        .missing = MESH_MISSING),
    ROW("MESH_PEERS", "-", string, mesh_peers, "nodes to dial: host:port, comma-separated; looked up each time",
        .min = 1, .max = LM_MESH_PEERS_TEXT, .accepts = "host:port, comma-separated, or - for none",
        .missing = MESH_MISSING),
    ROW("MESH_ADVERTISE", "-", string, mesh_advertise,
        "host:port that other nodes are told to dial; -: PUBLIC_IP with the port of MESH_LISTEN",
        .min = 1, .max = LM_MESH_HOST_PORT_MAX - 1, .accepts = "host:port, or - for PUBLIC_IP's",
        .missing = MESH_MISSING),

    ROW("MAX_SESSIONS", "1000", uint, max_sessions, "sessions at the same time", .min = 1, .max = 1000000),
    ROW("MAX_ROOM_SIZE", "250", uint, max_room_size, "members of one room", .min = 2, .max = 100000),
    ROW("MAX_ROOMS_PER_SESSION", "64", uint, max_rooms_per_session, "rooms that one session is in",
        .min = 1, .max = 10000),
    ROW("SESSION_RATE", "32", uint, session_rate, "new sessions a second from one address",
        .max = 1000000, .accepts = NO_LIMIT_AT_0("1000000")),
    ROW("MESSAGE_RATE", "200", uint, message_rate, "messages a second from one session",
        .max = 1000000, .accepts = NO_LIMIT_AT_0("1000000")),
    ROW("SESSION_TTL", "3600", uint, session_ttl,
        "seconds after which a session without a message or a consent check is closed", .max = 31536000,
        .accepts = NO_LIMIT_AT_0("31536000")),
    ROW("RESUME_SECONDS", "15", uint, resume_seconds, "how long a session that fell silent keeps its places",
        .max = 3600),
    ROW("DRAIN_SECONDS", "10", uint, drain_seconds, "how long an end waits for sessions to go elsewhere",
        .max = 3600),
    ROW("LOG_LEVEL", "info", level, log_level, "what is logged on stderr", .flags = 0),
    ROW("LOG_FORMAT", "text", choice, log_format, "lines of text, or a JSON object in each line",
        .choices = log_formats),
    ROW("LOG_ADDRESSES", "full", choice, log_addresses, "how much of peers' addresses is logged",
        .choices = log_addresses),
};
/* clang-format on */
#define ROWS (sizeof table / sizeof table[0])

/* Whether a value could be read; nothing follows from one that could not. */
static bool is_good(const lm_option_values *values, const char *name)
{
    size_t i;
    return lm_option_values_find(values, name, &i) != NULL && !values->value[i].bad;
}

static void check_turn(const lm_settings *s, lm_error_list *errors)
{
    lm_turn_secrets secrets;
    lm_turn_peers peers;
    lm_error_text why = {""};
    if (s->turn_secret[0] != '\0' && lm_turn_secrets_parse(&secrets, s->turn_secret) != LM_OK)
        lm_error_list_add(
            errors, LM_EINVAL,
            "TURN_SECRET: 1 to %d secrets of %d to %d characters are needed, with commas between",
            LM_TURN_SECRETS_MAX, LM_TURN_SECRET_MIN, LM_TURN_SECRET_MAX);
    sodium_memzero(&secrets, sizeof secrets);
    if (s->turn_realm[0] != '\0' && !lm_turn_realm_is_good(s->turn_realm))
        lm_error_list_add(
            errors, LM_EINVAL,
            "TURN_REALM: '%s' is not usable: it has to be without double quotes and backslashes",
            s->turn_realm);
    if (strcmp(s->turn_allow_peers, "-") != 0 &&
        lm_turn_peers_parse(&peers, s->turn_allow_peers, &why) != LM_OK)
        lm_error_list_add(errors, LM_EINVAL, "TURN_ALLOW_PEERS: %s", why.text);
}

/* Streams are taken at all addresses of this machine, HEALTH_LISTEN's among them. */
static void check_health_port(const lm_settings *s, const char *name, uint16_t port, lm_error_list *errors)
{
    if (port != 0 && s->health_listen.family != LM_AF_NONE && s->health_listen.port == port)
        lm_error_list_add(errors, LM_EINVAL,
                          "%s and HEALTH_LISTEN both have port %u: they need different ones", name,
                          (unsigned)port);
}

static void check_ports(const lm_settings *s, const lm_option_values *values, lm_error_list *errors)
{
    check_health_port(s, "TCP_PORT", lm_settings_tcp_port(s), errors);
    check_health_port(s, "TLS_PORT", s->tls_port, errors);
    if (s->tls_port == 0)
        return;
    if ((s->tls_cert[0] == '\0' && is_good(values, "TLS_CERT")) ||
        (s->tls_key[0] == '\0' && is_good(values, "TLS_KEY")))
        lm_error_list_add(errors, LM_EINVAL, "TLS_PORT needs TLS_CERT and TLS_KEY: set %s",
                          s->tls_cert[0] != '\0'  ? "TLS_KEY, too"
                          : s->tls_key[0] != '\0' ? "TLS_CERT, too"
                                                  : "both");
    if (s->tls_port == lm_settings_tcp_port(s) && is_good(values, "TCP_PORT") && is_good(values, "UDP_PORT"))
        lm_error_list_add(errors, LM_EINVAL, "TLS_PORT and TCP_PORT are both %u: they need different ones",
                          (unsigned)s->tls_port);
}

/* What no row can see alone. */
static void check(const lm_settings *settings, const lm_option_values *values, lm_error_list *errors)
{
    check_turn(settings, errors);
    check_ports(settings, values, errors);
    if (is_good(values, "MESH_SALT") && is_good(values, "MESH_LISTEN") && is_good(values, "MESH_PEERS") &&
        is_good(values, "MESH_ADVERTISE"))
        lm_mesh_settings_check(settings, errors);
    if (settings->demo && settings->health_listen.family == LM_AF_NONE && is_good(values, "HEALTH_LISTEN"))
        lm_error_list_add(errors, LM_EINVAL,
                          "DEMO needs HEALTH_LISTEN, because the demo page is served there: set it too, for "
                          "example to 127.0.0.1:7401");
    if (settings->public_ip[0].family == LM_AF_NONE && settings->public_ip6[0].family == LM_AF_NONE &&
        is_good(values, "PUBLIC_IP") && is_good(values, "PUBLIC_IP6"))
        lm_error_list_add(errors, LM_EINVAL,
                          "PUBLIC_IP and PUBLIC_IP6 are both -: browsers need one address at least, "
                          "also where PUBLIC_HOST is set, because not all of them look names up here");
}

bool lm_settings_tcp_yields(const lm_settings *settings)
{
    return settings->tcp_port == LM_PORT_SAME && settings->health_listen.family != LM_AF_NONE &&
           settings->health_listen.port == settings->udp_port;
}

uint16_t lm_settings_tcp_port(const lm_settings *settings)
{
    if (lm_settings_tcp_yields(settings))
        return 0;
    return settings->tcp_port == LM_PORT_SAME ? settings->udp_port : (uint16_t)settings->tcp_port;
}

uint32_t lm_settings_connections(const lm_settings *settings)
{
    return settings->max_sessions + (settings->turn != LM_TURN_CHOICE_OFF ? settings->max_allocations : 0);
}

/* The text that holds for an option, "" if there is none. */
static const char *text_of(const lm_option_values *values, const char *name)
{
    size_t i;
    bool found = lm_option_values_find(values, name, &i) != NULL && values->value[i].text != NULL;
    return found ? values->value[i].text : "";
}

/* Lays all layers over each other, the file among them. */
static void lay(lm_option_values *values, lm_option_files *files, const lm_settings_source *source,
                const char *config_file, lm_error_list *errors)
{
    lm_option_values_init(values, table, ROWS);
    if (config_file[0] != '\0' && strlen(config_file) <= PATH_MAX_LEN) /* if longer, parsing says so */
        lm_option_files_config(files, values, config_file, errors);
    lm_option_values_environment(values, source->get, source->ctx);
    lm_option_values_arguments(values, source->argc, source->argv, errors);
    lm_option_files_secrets(files, values, text_of(values, "STATE_DIR"), errors);
}

static void read_all(lm_settings *s, FILE *explain, const char *config_file, const lm_settings_source *source,
                     lm_error_list *errors)
{
    static const char no_pwd[] = "?";
    lm_option_values values;
    lm_option_files files = {0};
    lay(&values, &files, source, config_file, errors);
    lm_option_values_parse(&values, s, errors);
    check(s, &values, errors);
    /* It was given, however badly: nobody need look for it in the identity's file. */
    if (s->ice_pwd[0] == '\0' && (text_of(&values, "ICE_PWD")[0] != '\0' || s->ice_pwd_file[0] != '\0'))
        memcpy(s->ice_pwd, no_pwd, sizeof no_pwd);
    if (errors->count == 0 && explain != NULL)
        lm_option_values_print(explain, &values);
    lm_option_files_clear(&files);
}

/* *s is zeroed, and gets what can be read. */
static void read_settings(lm_settings *s, FILE *explain, const lm_settings_source *source,
                          lm_error_list *errors)
{
    lm_option_values values;
    lm_error_list ignored = {0};
    memset(s, 0, sizeof *s);
    /* The flags and the environment first: they say which file there is, and whether it is needed. */
    lm_option_values_init(&values, table, ROWS);
    lm_option_values_environment(&values, source->get, source->ctx);
    lm_option_values_arguments(&values, source->argc, source->argv, &ignored);
    lm_option_values_parse_commands(&values, s, &ignored);
    if (s->command != LM_COMMAND_HELP && s->command != LM_COMMAND_VERSION)
        read_all(s, explain, text_of(&values, "CONFIG"), source, errors);
    else
        lm_option_values_arguments(&values, source->argc, source->argv, errors);
}

int lm_settings_read(lm_settings *settings, const lm_settings_source *source, lm_error_text *error)
{
    lm_settings s;
    lm_error_list errors = {0};
    read_settings(&s, NULL, source, &errors);
    settings->command = s.command;
    if (errors.count == 0)
        *settings = s;
    sodium_memzero(&s, sizeof s);
    return lm_error_list_result(&errors, error) == LM_OK ? LM_OK : LM_EINVAL;
}

void lm_settings_check(lm_settings *settings, const lm_settings_source *source, lm_error_list *errors)
{
    read_settings(settings, NULL, source, errors);
}

int lm_settings_explain(FILE *out, const lm_settings_source *source, lm_error_text *error)
{
    static lm_settings settings;
    lm_error_list errors = {0};
    read_settings(&settings, out, source, &errors);
    sodium_memzero(&settings, sizeof settings);
    return lm_error_list_result(&errors, error);
}

static void print_addresses(FILE *out, const lm_addr addrs[LM_PUBLIC_ADDRESSES], uint16_t port,
                            const char **before)
{
    char text[LM_ADDR_STRLEN];
    for (size_t i = 0; i < LM_PUBLIC_ADDRESSES && addrs[i].family != LM_AF_NONE; i++) {
        lm_addr addr = addrs[i];
        addr.port = port;
        fprintf(out, "%s%s", *before, lm_addr_format(&addr, text));
        *before = ", ";
    }
}

void lm_settings_print_reach(FILE *out, const lm_settings *settings)
{
    const lm_addr *ip = settings->public_ip, *ip6 = settings->public_ip6;
    const char *before = "";
    fputs("browsers dial: ", out);
    print_addresses(out, ip, settings->udp_port, &before);
    print_addresses(out, ip6, settings->udp_port, &before);
    if (ip[0].family == LM_AF_NONE)
        fputs(" (no IPv4: those that have no IPv6 do not reach this relay)", out);
    else if (lm_addr_is_loopback(&ip[0]) && ip[1].family == LM_AF_NONE && ip6[0].family == LM_AF_NONE)
        fputs(" (this machine alone, and not Firefox)", out);
    fputc('\n', out);
    if (settings->tls_port != 0 && settings->public_host[0] == '\0')
        fputs("TLS_PORT without PUBLIC_HOST: Firefox uses no TURN over TLS at an address, only at a name\n",
              out);
}

const lm_option *lm_settings_table(size_t *len)
{
    *len = ROWS;
    return table;
}

void lm_settings_print_help(FILE *out)
{
    fputs("lumamesh-relay: a rendezvous for browsers, over WebRTC on one UDP port\n\n"
          "  lumamesh-relay [OPTION]...\n",
          out);
    if (LM_WITH_HEALTH)
        fputs("  lumamesh-relay status [--json] [--health ADDRESS:PORT] [OPTION]...\n"
              "      asks the relay that is running, at HEALTH_LISTEN or the given address, how it is\n",
              out);
    if (LM_WITH_TURN)
        fputs("  lumamesh-relay turn-credential USER [OPTION]...\n"
              "      prints a TURN credential that is good for a day\n",
              out);
    fputs("\nEach setting is a flag (--public-ip), an environment variable (PUBLIC_IP) and a key in the file "
          "that\n"
          "--config names, in this order of rank. An empty variable counts as unset.\n\n",
          out);
    lm_options_print_help(out, table, ROWS);
}

void lm_settings_keep_fixed(lm_settings *settings, const lm_settings *running,
                            char kept[LM_SETTINGS_KEPT_SIZE])
{
    size_t len = 0;
    kept[0] = '\0';
    /* The whole fields compare: they are zeroed before they are parsed. */
#define LM_X(name, field)                                                                                  \
    if (memcmp(&settings->field, &running->field, sizeof settings->field) != 0) {                          \
        len +=                                                                                             \
            (size_t)snprintf(kept + len, LM_SETTINGS_KEPT_SIZE - len, "%s%s", len > 0 ? ", " : "", #name); \
        memcpy(&settings->field, &running->field, sizeof settings->field);                                 \
    }
    LM_SETTINGS_FIXED(LM_X)
#undef LM_X
}

_Static_assert(2 * (LM_PUBLIC_ADDRESSES - 1) <= LM_NODE_ALT_MAX, "all addresses go into a config");

/* Adds all addresses of one family but the first. */
static void add_further(lm_node_config *config, const lm_addr addrs[LM_PUBLIC_ADDRESSES])
{
    for (size_t i = 1; i < LM_PUBLIC_ADDRESSES && addrs[i].family != LM_AF_NONE; i++)
        config->alt[config->alt_count++] = addrs[i];
}

_Static_assert(LM_ICE_PWD_MAX == LM_IDENTITY_ICE_PWD_MAX, "one limit for ICE passwords");

void lm_settings_node_config(const lm_settings *settings, const lm_identity *identity, lm_node_config *config)
{
    memset(config, 0, sizeof *config);
    config->ip = settings->public_ip[0];
    config->ip6 = settings->public_ip6[0];
    add_further(config, settings->public_ip);
    add_further(config, settings->public_ip6);
    config->port = settings->udp_port;
    config->tcp = lm_settings_tcp_port(settings);
    memcpy(config->host, settings->public_host, sizeof config->host);
    memcpy(config->ufrag, settings->ice_ufrag, sizeof config->ufrag);
    memcpy(config->pwd, identity->ice_pwd, sizeof config->pwd);
    memcpy(config->fingerprint, identity->cert.fingerprint, sizeof config->fingerprint);
    memcpy(config->nk, identity->node_public_key, sizeof config->nk);
}
