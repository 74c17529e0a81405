#include "mesh/node_addresses.h"

#include <string.h>

#include "common/error.h"

#define ADDRESSES_MAX (2 + LM_NODE_ALT_MAX)

/*
 * Reads one text. IPv4-mapped and IPv4-compatible IPv6 addresses (RFC 4291 section 2.5.5) are none that
 * anybody can be reached at, and not every library writes them alike.
 */
static bool read_text(lm_addr *addr, const cJSON *item)
{
    char canonical[LM_ADDR_STRLEN];
    const char *text = cJSON_GetStringValue(item);
    return text != NULL && lm_addr_parse_ip(addr, text, 0) == LM_OK &&
           (strchr(text, ':') == NULL) == (addr->family == LM_AF_INET) &&
           (addr->family == LM_AF_INET || strchr(lm_addr_format_ip(addr, canonical), '.') == NULL);
}

/* 1: *found is the member under key; 0: there is none; LM_EMALFORMED: it is there twice. */
static int find_once(const cJSON **found, const cJSON *json, const char *key)
{
    int count = 0;
    for (const cJSON *item = json->child; item != NULL; item = item->next) {
        if (strcmp(item->string, key) != 0)
            continue;
        *found = item;
        count++;
    }
    return count <= 1 ? count : LM_EMALFORMED;
}

static int read_one(lm_addr *addr, const cJSON *json, const char *key, lm_family family)
{
    const cJSON *item = NULL;
    int result = find_once(&item, json, key);
    if (result == 1 && (!read_text(addr, item) || addr->family != family))
        return LM_EMALFORMED;
    return result;
}

static int read_alt(lm_node_config *c, const cJSON *json)
{
    const cJSON *array = NULL, *item;
    int result = find_once(&array, json, "alt");
    if (result != 1)
        return result;
    if (!cJSON_IsArray(array) || array->child == NULL)
        return LM_EMALFORMED;
    cJSON_ArrayForEach(item, array) {
        if (c->alt_count == LM_NODE_ALT_MAX || !read_text(&c->alt[c->alt_count], item))
            return LM_EMALFORMED;
        c->alt_count++;
    }
    return (int)c->alt_count;
}

int lm_node_addresses_read(lm_node_config *config, const cJSON *json)
{
    lm_node_config c;
    const lm_addr *all[ADDRESSES_MAX] = {&c.ip, &c.ip6};
    memset(&c, 0, sizeof c);
    int has_ip = read_one(&c.ip, json, "ip", LM_AF_INET);
    int has_ip6 = read_one(&c.ip6, json, "ip6", LM_AF_INET6);
    int has_alt = read_alt(&c, json);
    if (has_ip < 0 || has_ip6 < 0 || has_alt < 0)
        return LM_EMALFORMED;
    for (size_t i = 0; i < c.alt_count; i++) {
        all[2 + i] = &c.alt[i];
        for (size_t j = 0; j < 2 + i; j++) {
            if (lm_addr_equal(all[j], &c.alt[i]))
                return LM_EMALFORMED;
        }
    }
    config->ip = c.ip;
    config->ip6 = c.ip6;
    memcpy(config->alt, c.alt, sizeof config->alt);
    config->alt_count = c.alt_count;
    return has_ip + has_ip6 + has_alt;
}

bool lm_node_addresses_add_alt(cJSON *json, const lm_node_config *config)
{
    char text[LM_ADDR_STRLEN];
    cJSON *array = config->alt_count > 0 ? cJSON_AddArrayToObject(json, "alt") : NULL;
    if (array == NULL)
        return config->alt_count == 0;
    for (size_t i = 0; i < config->alt_count; i++) {
        cJSON *item = cJSON_CreateString(lm_addr_format_ip(&config->alt[i], text));
        if (item == NULL || !cJSON_AddItemToArray(array, item)) {
            cJSON_Delete(item);
            return false;
        }
    }
    return true;
}
