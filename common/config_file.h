/*
 * The text of a configuration file: lines of KEY=VALUE as systemd.exec(5) describes them for
 * EnvironmentFile=, so that one file serves both.
 *
 *     # comment, ; comment, blank line
 *     KEY=text up to the end of the line     white space around it goes; \x is x; \ at the end: goes on below
 *     KEY='text'                             as it stands, over several lines if need be
 *     KEY="text"                             the same, with \" \\ \` \$, and \ at a line's end joins lines
 *
 * What systemd passes over in silence is an error here, since it is most likely a mistake: a line without
 * '=', a quote that is never closed, text behind a closing quote, a NUL.
 */
#ifndef LM_COMMON_CONFIG_FILE_H
#define LM_COMMON_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Longest file that is read, in bytes; all settings with the longest values have some 10 kB. */
#define LM_CONFIG_FILE_MAX 65536

typedef struct lm_config_assignment {
    const char *key, *value; /* within the parser's text */
    unsigned line;           /* where it begins, from 1 on */
} lm_config_assignment;

typedef struct lm_config_parser {
    char *at, *end;
    unsigned line;
    bool nul; /* one has been seen in this assignment */
} lm_config_parser;

/* Begins at text, len bytes, of which text[len] may be written to as well. The parser works in place. */
void lm_config_parser_init(lm_config_parser *parser, char *text, size_t len);

/*
 * 1: *out is the next assignment; 0: there is none left; LM_EMALFORMED: out->line is not usable, and *why
 * (static storage) goes behind its number: "the quote is never closed". The next call goes on in the line
 * below the one where that was found.
 */
int lm_config_parser_next(lm_config_parser *parser, lm_config_assignment *out, const char **why);

#endif
