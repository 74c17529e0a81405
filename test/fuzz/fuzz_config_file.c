/*
 * Config files from anywhere. Values come from within the text and are no longer than it; a value that is
 * read and written again in single quotes is read as the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_file.h"
#include "common/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Single quotes hold everything but themselves. */
static void read_again(const lm_config_assignment *first)
{
    lm_config_parser parser;
    lm_config_assignment again;
    const char *why;
    if (strchr(first->value, '\'') != NULL || strchr(first->key, '\n') != NULL)
        return;
    size_t size = strlen(first->key) + strlen(first->value) + 4;
    char *line = malloc(size);
    if (line == NULL)
        abort();
    snprintf(line, size, "%s='%s'", first->key, first->value);
    lm_config_parser_init(&parser, line, size - 1);
    if (lm_config_parser_next(&parser, &again, &why) != 1 || strcmp(again.key, first->key) != 0 ||
        strcmp(again.value, first->value) != 0 || lm_config_parser_next(&parser, &again, &why) != 0)
        abort();
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    lm_config_parser parser;
    lm_config_assignment got;
    const char *why = "";
    unsigned line = 0;
    int result;
    char *text = malloc(len + 1);
    if (text == NULL)
        abort();
    memcpy(text, data, len);
    text[len] = '\0';
    lm_config_parser_init(&parser, text, len);
    while ((result = lm_config_parser_next(&parser, &got, &why)) != 0) {
        if (got.line <= line || (result != 1 && (result != LM_EMALFORMED || why[0] == '\0')))
            abort();
        line = got.line;
        if (result != 1)
            continue;
        if (got.key < text || got.value <= got.key || got.value + strlen(got.value) > text + len)
            abort();
        read_again(&got);
    }
    free(text);
    return 0;
}
