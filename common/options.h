/*
 * Configuration as one table. A row names a setting as its environment variable (PUBLIC_IP); the flag follows
 * from the name (--public-ip VALUE, --public-ip=VALUE). The texts of several layers are laid over each other,
 * each later one winning:
 *
 *     default < file < environment < flag
 *
 * and what is left is parsed once into the caller's struct. A secret (ICE_PWD) has a twin (ICE_PWD_FILE) that
 * names a file which holds it, so that it need not stand where others read: in a unit file or a list of
 * processes.
 */
#ifndef LM_COMMON_OPTIONS_H
#define LM_COMMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/error_list.h"

#define LM_OPTIONS_MAX 64 /* rows of a table */

typedef struct lm_option lm_option;

/* How a kind of value is read. */
typedef struct lm_option_type {
    const char *value; /* its name in the help text: "ADDRESS"; NULL: the flag needs none and means "1" */
    /* Parses text into target; LM_EINVAL if it cannot, with target unchanged. */
    int (*parse)(const lm_option *option, const char *text, void *target);
    /* Writes what is accepted: "a whole number from 1 to 65535". NULL: the row's own `accepts` says it. */
    void (*describe)(const lm_option *option, char *text, size_t size);
    /* Writes which part of a text that does not parse is wrong: "'x' is no IPv4 address". NULL: all of it. */
    void (*fault)(const lm_option *option, const char *text, char *out, size_t size);
} lm_option_type;

typedef enum lm_option_flags {
    LM_OPTION_SECRET = 1,     /* its value is in no message and its default not in the help */
    LM_OPTION_COMMAND = 2,    /* says what to do rather than how: a flag, but no environment variable */
    LM_OPTION_NOT_IN_FILE = 4 /* no key of a config file */
} lm_option_flags;

struct lm_option {
    const char *name;           /* "PUBLIC_IP" */
    const char *fallback;       /* default, parsed like any other value; NULL: the target keeps what it has */
    const lm_option_type *type; /* says what the target is */
    size_t offset;              /* of the target in the caller's struct */
    const char *help;           /* one line */
    const char *accepts;        /* what is accepted, if the type says too little; may be NULL */
    uint64_t min, max;          /* for numbers the range, for texts the length in bytes */
    unsigned flags;             /* lm_option_flags */
    const char *const *choices; /* for choices: the words, with a NULL behind them */
    const char *missing;        /* the part that this build leaves out ("MESH"), so that the setting keeps its
                                   default        and is in no text; NULL: it is there */
};

typedef struct lm_port_range {
    uint16_t first, last; /* both included */
} lm_port_range;

/* The types, with their targets. Texts go into arrays of max + 1 bytes. */
extern const lm_option_type lm_option_uint; /* uint32_t, min to max */
extern const lm_option_type lm_option_port; /* uint16_t, 1 to 65535 */
/* uint16_t: a port, 0 for none ("off" too) */
extern const lm_option_type lm_option_optional_port;
/* int32_t: likewise, and -1 for "same", that of another option */
extern const lm_option_type lm_option_same_port;
extern const lm_option_type lm_option_ports;   /* lm_port_range: "49152-65535", from 1024 on */
extern const lm_option_type lm_option_bool;    /* bool: 1 0 true false yes no on off */
extern const lm_option_type lm_option_string;  /* char[max + 1], printable */
extern const lm_option_type lm_option_path;    /* char[max + 1] */
extern const lm_option_type lm_option_ice;     /* char[max + 1]: ice-char (RFC 8839 section 5.4) */
extern const lm_option_type lm_option_host;    /* char[max + 1]: DNS name; "-" for none is "" */
extern const lm_option_type lm_option_ipv4;    /* lm_addr[max], LM_AF_NONE behind the last; "-": none */
extern const lm_option_type lm_option_ipv6;    /* likewise */
extern const lm_option_type lm_option_listen;  /* lm_addr; "off" is LM_AF_NONE */
extern const lm_option_type lm_option_level;   /* lm_log_level */
extern const lm_option_type lm_option_choice;  /* int: which of the row's choices, from 0 on */
extern const lm_option_type lm_option_command; /* int, set to the row's max */

typedef enum lm_option_source {
    LM_OPTION_DEFAULT,
    LM_OPTION_CONFIG, /* a line of a config file */
    LM_OPTION_ENVIRONMENT,
    LM_OPTION_FLAG,
    LM_OPTION_SECRET_FILE /* a secret's text, out of the file that its twin names */
} lm_option_source;

/* The texts that hold at the moment; all borrowed from the layers until lm_option_values_parse(). */
typedef struct lm_option_values {
    const lm_option *table;
    size_t len;
    struct {
        const char *text; /* NULL: no value */
        lm_option_source source;
        const char *path; /* of the file that it comes from, and the line, where there is one */
        unsigned line;
        bool bad; /* lm_option_values_parse() could not take it */
    } value[LM_OPTIONS_MAX];
} lm_option_values;

/* Begins with the defaults of a table (borrowed) of len ≤ LM_OPTIONS_MAX rows. */
void lm_option_values_init(lm_option_values *values, const lm_option *table, size_t len);

/* Lays one text over what is there. LM_ENOTFOUND: no row has that name. */
int lm_option_values_set(lm_option_values *values, const char *name, const char *text,
                         lm_option_source source);

/* The row of that name and its place, NULL if there is none. */
const lm_option *lm_option_values_find(const lm_option_values *values, const char *name, size_t *index);

/*
 * A config file's layer: text, len bytes, as lm_config_parser_init() takes it; path is for messages.
 * LM_EINVAL with a text that names file and line for each that is no assignment or has an unknown key; the
 * others are taken. Empty values count as unset.
 */
int lm_option_values_config(lm_option_values *values, const char *path, char *text, size_t len,
                            lm_error_list *errors);

/*
 * The environment's layer: get (as getenv(), borrowed) is asked for each name. Empty variables count as
 * unset.
 */
void lm_option_values_environment(lm_option_values *values, const char *(*get)(void *ctx, const char *name),
                                  void *ctx);

/*
 * The flags' layer, from argv[1] on. LM_EINVAL with a text for each unknown flag, missing value, or argument
 * that is no flag; the others are taken.
 */
int lm_option_values_arguments(lm_option_values *values, int argc, char *const argv[], lm_error_list *errors);

/*
 * Parses everything into target. LM_EINVAL with a text for each value that is none, or is for a part that is
 * missing; it names the option as
 * its source wrote it, the value (unless it is a secret), and what is accepted; its target is unchanged then.
 */
int lm_option_values_parse(lm_option_values *values, void *target, lm_error_list *errors);

/* Parses the commands alone: with --help, it does not matter what else is wrong. */
int lm_option_values_parse_commands(lm_option_values *values, void *target, lm_error_list *errors);

/* Where an option's text comes from, as a person looks for it: "--udp-port", "relay.env:3: UDP_PORT". */
#define LM_OPTION_PLACE_SIZE 1200 /* a path, a line and a name */
const char *lm_option_values_place(const lm_option_values *values, size_t index,
                                   char place[LM_OPTION_PLACE_SIZE]);

/* Writes each setting, what holds for it, and where that comes from; secrets are "(hidden)". */
void lm_option_values_print(FILE *out, const lm_option_values *values);

#define LM_OPTION_FLAG_SIZE 64 /* "--" and a name */
/* PUBLIC_IP's flag, "--public-ip"; returns flag. */
const char *lm_option_flag(char flag[LM_OPTION_FLAG_SIZE], const lm_option *option);

/* What the option accepts, as a person reads it: "a port from 1 to 65535". */
void lm_option_accepts(const lm_option *option, char *text, size_t size);

/* Writes the table as help text. */
void lm_options_print_help(FILE *out, const lm_option *table, size_t len);

#endif
