/*
 * The daemon's settings: every environment variable and flag that it knows, with its default. README.md's
 * table is the reader's edition.
 */
#ifndef LM_RELAY_SETTINGS_H
#define LM_RELAY_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/addr.h"
#include "common/error_list.h"
#include "common/file.h"
#include "common/identity.h"
#include "common/log.h"
#include "common/options.h"
#include "mesh/mesh.h"
#include "mesh/node_config.h"
#include "webrtc/turn_credentials.h"
#include "webrtc/turn_peers.h"

#define LM_PUBLIC_ADDRESSES 4 /* of each family */

/* What a start is for. */
typedef enum lm_command {
    LM_COMMAND_RUN = 0,
    LM_COMMAND_HELP,
    LM_COMMAND_VERSION,
    LM_COMMAND_PRINT_CONFIG,
    LM_COMMAND_PRINT_BLOB,
    LM_COMMAND_CHECK_CONFIG
} lm_command;

#define LM_PORT_SAME (-1)

/* Longest texts of TURN_SECRET and TURN_ALLOW_PEERS: as many items as they may name. */
#define LM_TURN_SECRETS_TEXT (LM_TURN_SECRETS_MAX * (LM_TURN_SECRET_MAX + 1) - 1)
#define LM_TURN_PEERS_TEXT (LM_TURN_PEERS_MAX * 44 - 1)

#define LM_MESH_SALT_TEXT 256   /* longest MESH_SALT */
#define LM_MESH_PEERS_TEXT 4096 /* longest MESH_PEERS */

/* In the order of TURN's words. */
typedef enum lm_turn_choice { LM_TURN_CHOICE_CLOSED, LM_TURN_CHOICE_OPEN, LM_TURN_CHOICE_OFF } lm_turn_choice;

typedef struct lm_settings {
    int command;                             /* lm_command */
    char config_file[LM_PATH_SIZE];          /* "": none */
    lm_addr public_ip[LM_PUBLIC_ADDRESSES];  /* IPv4, the best first, LM_AF_NONE behind the last; port 0 */
    lm_addr public_ip6[LM_PUBLIC_ADDRESSES]; /* likewise */
    char public_host[LM_HOST_MAX + 1];
    uint16_t udp_port;
    int32_t tcp_port;  /* 0: off; LM_PORT_SAME: udp_port's number, if it can be had */
    uint16_t tls_port; /* 0: off */
    char tls_cert[LM_PATH_SIZE];
    char tls_key[LM_PATH_SIZE];
    int turn; /* lm_turn_choice */
    lm_port_range turn_ports;
    char turn_secret[LM_TURN_SECRETS_TEXT + 1]; /* "": drawn at the start */
    char turn_secret_file[LM_PATH_SIZE];
    char turn_realm[LM_TURN_REALM_MAX + 1];
    char turn_allow_peers[LM_TURN_PEERS_TEXT + 1];
    uint32_t max_allocations;
    uint32_t max_allocations_per_user; /* 0: no limit */
    uint32_t turn_rate;                /* bytes a second and allocation, each way; 0: no limit */
    char ice_ufrag[LM_UFRAG_MAX + 1];
    char ice_pwd[LM_ICE_PWD_MAX + 1]; /* "": made and kept beside the key */
    char ice_pwd_file[LM_PATH_SIZE];
    char cert_file[LM_PATH_SIZE];
    char key_file[LM_PATH_SIZE];
    char node_key[LM_PATH_SIZE];
    char state_dir[LM_PATH_SIZE];
    lm_addr health_listen;                 /* LM_AF_NONE: off */
    char mesh_salt[LM_MESH_SALT_TEXT + 1]; /* "": no mesh */
    char mesh_salt_file[LM_PATH_SIZE];
    lm_addr mesh_listen;                        /* LM_AF_NONE: this node only dials */
    char mesh_peers[LM_MESH_PEERS_TEXT + 1];    /* "-": none */
    char mesh_advertise[LM_MESH_HOST_PORT_MAX]; /* "-": see lm_mesh_settings_advertise() */
    bool demo;
    uint32_t max_sessions;
    uint32_t max_room_size;
    uint32_t max_rooms_per_session;
    uint32_t session_rate; /* new sessions a second and address; 0: no limit */
    uint32_t message_rate; /* messages a second and session; 0: no limit */
    uint32_t session_ttl;  /* seconds; 0: no end */
    uint32_t resume_seconds;
    uint32_t drain_seconds;
    lm_log_level log_level;
    int log_format;    /* lm_log_format */
    int log_addresses; /* lm_log_addresses */
} lm_settings;

/* Where settings come from; all borrowed. */
typedef struct lm_settings_source {
    int argc;
    char *const *argv;
    const char *(*get)(void *ctx, const char *name); /* environment variables, as getenv() */
    void *ctx;
} lm_settings_source;

/*
 * Reads the settings: defaults, the file that CONFIG names, environment, flags, each over the one before.
 * After --help and --version nothing else is checked. LM_EINVAL with one line of text, which says how many
 * more problems there are: an unknown option or key, a bad value, a file that cannot be read, or settings
 * that contradict each other; settings is then unchanged but for its command, if that could be read.
 */
int lm_settings_read(lm_settings *settings, const lm_settings_source *source, lm_error_text *error);

/*
 * The same, for a check: every problem goes to errors, and *settings gets what could be read. What could not
 * is zero or "", but ICE_PWD, which is "?".
 */
void lm_settings_check(lm_settings *settings, const lm_settings_source *source, lm_error_list *errors);

/* Reads them once more and writes each with its value and where that comes from; secrets are hidden. */
int lm_settings_explain(FILE *out, const lm_settings_source *source, lm_error_text *error);

/* Writes a line with the addresses at which browsers reach a relay with these settings. */
void lm_settings_print_reach(FILE *out, const lm_settings *settings);

/*
 * The settings that hold for as long as a relay runs, as X(name, field): its ports are open, and others know
 * its directory.
 */
#define LM_SETTINGS_FIXED(X)        \
    X(UDP_PORT, udp_port)           \
    X(TCP_PORT, tcp_port)           \
    X(TLS_PORT, tls_port)           \
    X(TURN, turn)                   \
    X(TURN_PORTS, turn_ports)       \
    X(HEALTH_LISTEN, health_listen) \
    X(DEMO, demo)                   \
    X(MESH_SALT, mesh_salt)         \
    X(MESH_LISTEN, mesh_listen)     \
    X(STATE_DIR, state_dir)
#define LM_SETTINGS_KEPT_SIZE 128 /* room for all their names */

/* Takes over the fixed ones from `running`; names those that were different in kept: "UDP_PORT, DEMO". */
void lm_settings_keep_fixed(lm_settings *settings, const lm_settings *running,
                            char kept[LM_SETTINGS_KEPT_SIZE]);

/*
 * True where UDP_PORT's number is HEALTH_LISTEN's, too: that was asked for, and TCP_PORT=same takes what can
 * be had.
 */
bool lm_settings_tcp_yields(const lm_settings *settings);

/* The TCP port, 0 if none is to be open. */
uint16_t lm_settings_tcp_port(const lm_settings *settings);

/* How many connections the TCP port takes, and the TLS port as well: every session and allocation by one. */
uint32_t lm_settings_connections(const lm_settings *settings);

/* All of them, commands first; *len is their number. */
const lm_option *lm_settings_table(size_t *len);

/* Writes the text of --help. */
void lm_settings_print_help(FILE *out);

/* What the relay tells of itself, from its settings and its identity. */
void lm_settings_node_config(const lm_settings *settings, const lm_identity *identity,
                             lm_node_config *config);

#endif
