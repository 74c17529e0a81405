/*
 * Blobs from anywhere. The input is tried as a blob, and as the JSON in one, so that the fuzzer need not
 * learn base64. Whatever is accepted must come back from its own blob unchanged.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"
#include "common/error.h"
#include "mesh/node_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const char *blob, size_t len)
{
    lm_node_config config, again;
    if (lm_node_config_parse_blob(&config, blob, len) != LM_OK)
        return;
    char *own = lm_node_config_blob(&config), *pretty = lm_node_config_pretty(&config);
    if (own == NULL || pretty == NULL || lm_node_config_parse_blob(&again, own, strlen(own)) != LM_OK ||
        memcmp(&config, &again, sizeof config) != 0)
        abort();
    free(own);
    free(pretty);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    check((const char *)data, len);
    if (len <= 8192) {
        size_t size = LM_BASE64URL_SIZE(len);
        char *blob = malloc(4 + size);
        if (blob == NULL)
            abort();
        memcpy(blob, "lm1.", 4);
        lm_base64url_encode(blob + 4, size, data, len);
        check(blob, 4 + size - 1);
        free(blob);
    }
    return 0;
}
