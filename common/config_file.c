#include "common/config_file.h"

#include <stdbool.h>
#include <string.h>

#include "common/error.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

void lm_config_parser_init(lm_config_parser *p, char *text, size_t len)
{
    *p = (lm_config_parser){.at = text, .end = text + len, .line = 1};
}

static void skip_blanks(lm_config_parser *p)
{
    while (p->at < p->end && is_blank(*p->at))
        p->at++;
}

static void skip_line(lm_config_parser *p)
{
    while (p->at < p->end && *p->at != '\n')
        p->at++;
}

/* Takes one character that is part of something longer; counts the lines and finds what no text has. */
static char take(lm_config_parser *p)
{
    if (*p->at == '\0')
        p->nul = true;
    if (*p->at == '\n')
        p->line++;
    return *p->at++;
}

/* Goes to the first character of the next assignment; false at the end of the text. */
static bool find_assignment(lm_config_parser *p)
{
    for (;;) {
        while (p->at < p->end && (is_blank(*p->at) || *p->at == '\n'))
            take(p);
        if (p->at == p->end)
            return false;
        if (*p->at != '#' && *p->at != ';')
            return true;
        skip_line(p);
    }
}

/*
 * The value functions write what they read over the text itself, at *to, which never overtakes p->at: nothing
 * becomes longer by being unquoted.
 */
static char *take_plain(lm_config_parser *p, char *to)
{
    char *trimmed = to; /* behind the last character that stays, whatever blanks follow it */
    while (p->at < p->end && *p->at != '\n') {
        char c = take(p);
        if (c != '\\') {
            *to++ = c;
            if (!is_blank(c))
                trimmed = to;
        } else if (p->at < p->end && (c = take(p)) != '\n') {
            *to++ = c;
            trimmed = to;
        }
    }
    return trimmed;
}

/* From behind the opening quote to behind the closing one; NULL if there is none. */
static char *take_quoted(lm_config_parser *p, char *to, char quote)
{
    while (p->at < p->end && *p->at != quote) {
        char c = take(p);
        if (quote == '"' && c == '\\' && p->at < p->end && strchr("\"\\`$\n", *p->at) != NULL) {
            if ((c = take(p)) == '\n')
                continue;
        }
        *to++ = c;
    }
    if (p->at == p->end)
        return NULL;
    p->at++;
    return to;
}

static int take_value(lm_config_parser *p, const char **value, const char **why)
{
    skip_blanks(p);
    char *text = p->at, *end;
    if (p->at < p->end && (*p->at == '\'' || *p->at == '"')) {
        char quote = *p->at++;
        if ((end = take_quoted(p, text, quote)) == NULL) {
            *why = "the quote is never closed";
            return LM_EMALFORMED;
        }
        skip_blanks(p);
        if (p->at < p->end && *p->at != '\n') {
            *why = "there is text behind the closing quote";
            return LM_EMALFORMED;
        }
    } else {
        end = take_plain(p, text);
    }
    if (p->at < p->end)
        take(p);
    *end = '\0'; /* on a character that has been read, or behind the text */
    *value = text;
    return LM_OK;
}

int lm_config_parser_next(lm_config_parser *p, lm_config_assignment *out, const char **why)
{
    if (!find_assignment(p))
        return 0;
    p->nul = false;
    char *key = p->at;
    out->line = p->line;
    while (p->at < p->end && *p->at != '=' && *p->at != '\n')
        take(p);
    char *key_end = p->at;
    while (key_end > key && is_blank(key_end[-1]))
        key_end--;
    if (p->at == p->end || *p->at != '=') {
        *why = "there is no '=': it has to be KEY=VALUE, or a comment that begins with #";
        return LM_EMALFORMED;
    }
    if (key_end == key) {
        *why = "there is no name before the '='";
        skip_line(p);
        return LM_EMALFORMED;
    }
    p->at++;
    *key_end = '\0';
    const char *value;
    int result = take_value(p, &value, why);
    if (result != LM_OK) {
        skip_line(p);
        return result;
    }
    if (p->nul) {
        *why = "there is a NUL byte in it";
        return LM_EMALFORMED;
    }
    out->key = key;
    out->value = value;
    return 1;
}
