#include "test/support/data.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static void *fail(const char *path)
{
    perror(path);
    abort();
}

uint8_t *test_read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return fail(path);
    size_t cap = 4096, n;
    uint8_t *data = malloc(cap + 1);
    *len = 0;
    while (data != NULL && (n = fread(data + *len, 1, cap - *len, file)) > 0) {
        *len += n;
        if (*len == cap)
            data = realloc(data, (cap *= 2) + 1);
    }
    fclose(file);
    if (data == NULL)
        return fail(path);
    data[*len] = 0;
    return data;
}

uint8_t *test_read_hex(const char *path, size_t *len)
{
    size_t text_len;
    uint8_t *text = test_read_file(path, &text_len);
    uint8_t *data = malloc(text_len / 2 + 1);
    if (data == NULL || sodium_hex2bin(data, text_len / 2 + 1, (char *)text, text_len, "\n", len, NULL) != 0)
        return fail(path);
    free(text);
    return data;
}
