#include "common/options.h"

#include <ctype.h>
#include <string.h>

#include "common/config_file.h"
#include "common/error.h"

#define SHOWN_VALUE_MAX 80 /* characters of a bad value in a message */
#define HELP_INDENT 30
#define VALUE_WIDTH 38 /* of a name and its value, where they are listed */

/* PUBLIC_IP → --public-ip */
static const char *flag_of(char flag[LM_OPTION_FLAG_SIZE], const char *name)
{
    size_t i = 2;
    memcpy(flag, "--", 2);
    for (; name[i - 2] != '\0' && i < LM_OPTION_FLAG_SIZE - 1; i++)
        flag[i] = name[i - 2] == '_' ? '-' : (char)tolower((unsigned char)name[i - 2]);
    flag[i] = '\0';
    return flag;
}

void lm_option_values_init(lm_option_values *values, const lm_option *table, size_t len)
{
    memset(values, 0, sizeof *values);
    values->table = table;
    values->len = len < LM_OPTIONS_MAX ? len : LM_OPTIONS_MAX;
    for (size_t i = 0; i < values->len; i++)
        values->value[i].text = table[i].fallback;
}

const lm_option *lm_option_values_find(const lm_option_values *values, const char *name, size_t *index)
{
    for (size_t i = 0; i < values->len; i++) {
        if (strcmp(values->table[i].name, name) == 0) {
            *index = i;
            return &values->table[i];
        }
    }
    return NULL;
}

int lm_option_values_set(lm_option_values *values, const char *name, const char *text,
                         lm_option_source source)
{
    size_t i;
    if (lm_option_values_find(values, name, &i) == NULL)
        return LM_ENOTFOUND;
    values->value[i].text = text;
    values->value[i].source = source;
    return LM_OK;
}

/* One assignment of a config file. */
static int take_line(lm_option_values *values, const char *path, const lm_config_assignment *line,
                     lm_error_list *errors)
{
    size_t i;
    const lm_option *option = lm_option_values_find(values, line->key, &i);
    if (option == NULL || (option->flags & LM_OPTION_COMMAND) != 0)
        return lm_error_list_add(errors, LM_EINVAL, "%s:%u: unknown setting '%.*s': see --help", path,
                                 line->line, SHOWN_VALUE_MAX, line->key);
    if ((option->flags & LM_OPTION_NOT_IN_FILE) != 0)
        return lm_error_list_add(errors, LM_EINVAL, "%s:%u: %s cannot be set in a file", path, line->line,
                                 option->name);
    if (line->value[0] == '\0')
        return LM_OK;
    values->value[i].text = line->value;
    values->value[i].source = LM_OPTION_CONFIG;
    values->value[i].path = path;
    values->value[i].line = line->line;
    return LM_OK;
}

int lm_option_values_config(lm_option_values *values, const char *path, char *text, size_t len,
                            lm_error_list *errors)
{
    lm_config_parser parser;
    lm_config_assignment line;
    const char *why;
    int result, all = LM_OK;
    lm_config_parser_init(&parser, text, len);
    while ((result = lm_config_parser_next(&parser, &line, &why)) != 0) {
        if (result != 1)
            all = lm_error_list_add(errors, LM_EINVAL, "%s:%u: %s", path, line.line, why);
        else if (take_line(values, path, &line, errors) != LM_OK)
            all = LM_EINVAL;
    }
    return all;
}

void lm_option_values_environment(lm_option_values *values, const char *(*get)(void *ctx, const char *name),
                                  void *ctx)
{
    for (size_t i = 0; i < values->len; i++) {
        const char *text;
        if ((values->table[i].flags & LM_OPTION_COMMAND) != 0)
            continue;
        text = get(ctx, values->table[i].name);
        if (text != NULL && text[0] != '\0')
            lm_option_values_set(values, values->table[i].name, text, LM_OPTION_ENVIRONMENT);
    }
}

/* The row whose flag the first len characters of argument are, NULL if there is none. */
static const lm_option *find_flag(const lm_option_values *values, const char *argument, size_t len)
{
    for (size_t i = 0; i < values->len; i++) {
        char flag[LM_OPTION_FLAG_SIZE];
        flag_of(flag, values->table[i].name);
        if (strlen(flag) == len && memcmp(flag, argument, len) == 0)
            return &values->table[i];
    }
    return NULL;
}

/* Whether there is an argument at i that is not plainly a flag. */
static bool is_value(int argc, char *const argv[], int i)
{
    return i < argc && strncmp(argv[i], "--", 2) != 0;
}

/* Takes the argument at *i, and the next one where that is its value. */
static int take_argument(lm_option_values *values, int argc, char *const argv[], int *i,
                         lm_error_list *errors)
{
    const char *argument = argv[*i], *equals = strchr(argument, '=');
    size_t len = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
    if (strncmp(argument, "--", 2) != 0)
        return lm_error_list_add(errors, LM_EINVAL, "unexpected argument '%.*s': see --help", SHOWN_VALUE_MAX,
                                 argument);
    const lm_option *option = find_flag(values, argument, len);
    if (option == NULL) {
        if (equals == NULL && is_value(argc, argv, *i + 1))
            ++*i; /* most likely its value */
        return lm_error_list_add(errors, LM_EINVAL, "unknown option '%.*s': see --help",
                                 (int)(len < SHOWN_VALUE_MAX ? len : SHOWN_VALUE_MAX), argument);
    }
    const char *text = equals != NULL ? equals + 1 : "1";
    if (equals == NULL && option->type->value != NULL) {
        if (!is_value(argc, argv, *i + 1))
            return lm_error_list_add(errors, LM_EINVAL, "%s needs a value: %s=%s", argument, argument,
                                     option->type->value);
        text = argv[++*i];
    }
    if (equals != NULL && (option->flags & LM_OPTION_COMMAND) != 0)
        return lm_error_list_add(errors, LM_EINVAL, "%.*s takes no value", (int)len, argument);
    return lm_option_values_set(values, option->name, text, LM_OPTION_FLAG);
}

int lm_option_values_arguments(lm_option_values *values, int argc, char *const argv[], lm_error_list *errors)
{
    int result = LM_OK;
    for (int i = 1; i < argc; i++) {
        if (take_argument(values, argc, argv, &i, errors) != LM_OK)
            result = LM_EINVAL;
    }
    return result;
}

const char *lm_option_flag(char flag[LM_OPTION_FLAG_SIZE], const lm_option *option)
{
    return flag_of(flag, option->name);
}

void lm_option_accepts(const lm_option *option, char *text, size_t size)
{
    if (option->accepts != NULL || option->type->describe == NULL)
        snprintf(text, size, "%s", option->accepts != NULL ? option->accepts : option->type->value);
    else
        option->type->describe(option, text, size);
}

const char *lm_option_values_place(const lm_option_values *values, size_t i, char place[LM_OPTION_PLACE_SIZE])
{
    char flag[LM_OPTION_FLAG_SIZE];
    const char *name = values->table[i].name, *path = values->value[i].path;
    switch (values->value[i].source) {
    case LM_OPTION_FLAG:
        name = flag_of(flag, name);
        break;
    case LM_OPTION_CONFIG:
        snprintf(place, LM_OPTION_PLACE_SIZE, "%s:%u: %s", path, values->value[i].line, name);
        return place;
    case LM_OPTION_SECRET_FILE:
        snprintf(place, LM_OPTION_PLACE_SIZE, "%s in %s", name, path);
        return place;
    case LM_OPTION_DEFAULT:
    case LM_OPTION_ENVIRONMENT:
        break;
    }
    snprintf(place, LM_OPTION_PLACE_SIZE, "%s", name);
    return place;
}

static int parse_one(const lm_option_values *values, size_t i, void *target, lm_error_list *errors)
{
    const lm_option *option = &values->table[i];
    const char *text = values->value[i].text;
    char name[LM_OPTION_PLACE_SIZE], accepted[256], fault[256] = "";
    if (option->missing != NULL && values->value[i].source != LM_OPTION_DEFAULT)
        return lm_error_list_add(errors, LM_EINVAL, "%s cannot be set: this relay is built without %s",
                                 lm_option_values_place(values, i, name), option->missing);
    if (option->type->parse(option, text, (char *)target + option->offset) == LM_OK)
        return LM_OK;
    lm_option_accepts(option, accepted, sizeof accepted);
    lm_option_values_place(values, i, name);
    if ((option->flags & LM_OPTION_SECRET) != 0)
        return lm_error_list_add(errors, LM_EINVAL, "%s: the value is not usable: it has to be %s", name,
                                 accepted);
    if (option->type->fault != NULL)
        option->type->fault(option, text, fault, sizeof fault);
    return lm_error_list_add(errors, LM_EINVAL, "%s: '%.*s%s' is not usable%s%s: it has to be %s", name,
                             SHOWN_VALUE_MAX, text, strlen(text) > SHOWN_VALUE_MAX ? "…" : "",
                             fault[0] != '\0' ? ", " : "", fault, accepted);
}

static int parse_rows(lm_option_values *values, unsigned flags, void *target, lm_error_list *errors)
{
    int result = LM_OK;
    for (size_t i = 0; i < values->len; i++) {
        if (values->value[i].text == NULL || (values->table[i].flags & LM_OPTION_COMMAND) != flags)
            continue;
        values->value[i].bad = parse_one(values, i, target, errors) != LM_OK;
        if (values->value[i].bad)
            result = LM_EINVAL;
    }
    return result;
}

int lm_option_values_parse(lm_option_values *values, void *target, lm_error_list *errors)
{
    int commands = parse_rows(values, LM_OPTION_COMMAND, target, errors);
    int settings = parse_rows(values, 0, target, errors);
    return commands != LM_OK ? commands : settings;
}

int lm_option_values_parse_commands(lm_option_values *values, void *target, lm_error_list *errors)
{
    return parse_rows(values, LM_OPTION_COMMAND, target, errors);
}

/* "default", "environment", "relay.env:3", "--udp-port", … */
static void print_origin(FILE *out, const lm_option_values *values, size_t i)
{
    char flag[LM_OPTION_FLAG_SIZE];
    switch (values->value[i].source) {
    case LM_OPTION_DEFAULT:
        fputs(values->value[i].text != NULL ? "default" : "not set", out);
        break;
    case LM_OPTION_ENVIRONMENT:
        fputs("environment", out);
        break;
    case LM_OPTION_FLAG:
        fputs(flag_of(flag, values->table[i].name), out);
        break;
    case LM_OPTION_CONFIG:
        fprintf(out, "%s:%u", values->value[i].path, values->value[i].line);
        break;
    case LM_OPTION_SECRET_FILE:
        fputs(values->value[i].path, out);
        break;
    }
}

void lm_option_values_print(FILE *out, const lm_option_values *values)
{
    for (size_t i = 0; i < values->len; i++) {
        const lm_option *option = &values->table[i];
        const char *text = values->value[i].text != NULL ? values->value[i].text : "";
        if ((option->flags & LM_OPTION_COMMAND) != 0 || option->missing != NULL)
            continue;
        if ((option->flags & LM_OPTION_SECRET) != 0 && text[0] != '\0')
            text = "(hidden)";
        int width = fprintf(out, "%s=%s", option->name, text);
        fprintf(out, "%*s ", width < VALUE_WIDTH ? VALUE_WIDTH - width : 0, "");
        print_origin(out, values, i);
        fputc('\n', out);
    }
}

void lm_options_print_help(FILE *out, const lm_option *table, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const lm_option *option = &table[i];
        char flag[LM_OPTION_FLAG_SIZE], accepted[256];
        if (option->missing != NULL)
            continue;
        int width =
            fprintf(out, "  %s%s%s", flag_of(flag, option->name), option->type->value != NULL ? "=" : "",
                    option->type->value != NULL ? option->type->value : "");
        fprintf(out, "%*s %s", width < HELP_INDENT ? HELP_INDENT - width : 0, "", option->help);
        if ((option->flags & LM_OPTION_COMMAND) == 0) {
            lm_option_accepts(option, accepted, sizeof accepted);
            fprintf(out, "\n%*s %s", HELP_INDENT, "", accepted);
        }
        if (option->fallback != NULL && (option->flags & (LM_OPTION_COMMAND | LM_OPTION_SECRET)) == 0)
            fprintf(out, "; default %s", option->fallback);
        fputc('\n', out);
    }
}
