#include "mesh/node_config.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64url.h"
#include "common/error.h"
#include "mesh/node_addresses.h"

#define BLOB_PREFIX "lm1."
#define BLOB_MAX 4096 /* characters; the longest config makes under 2,100 */
#define UFRAG_MIN 4   /* characters (RFC 8445 section 5.3) */
#define PWD_MIN 22
#define LABEL_MAX 63 /* characters between two dots of a DNS name */
#define FINGERPRINT_SIZE (3 * LM_FINGERPRINT_LEN)
#define NK_SIZE LM_BASE64URL_SIZE(LM_NODE_PUBLIC_KEY_LEN)

static const char ice_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void format_fingerprint(char text[FINGERPRINT_SIZE], const uint8_t fingerprint[LM_FINGERPRINT_LEN])
{
    for (size_t i = 0; i < LM_FINGERPRINT_LEN; i++)
        snprintf(text + 3 * i, 4, "%02X%s", fingerprint[i], i + 1 < LM_FINGERPRINT_LEN ? ":" : "");
}

/* An address that is not there adds nothing. */
static bool add_address(cJSON *json, const char *key, const lm_addr *addr)
{
    char text[LM_ADDR_STRLEN];
    return addr->family == LM_AF_NONE ||
           cJSON_AddStringToObject(json, key, lm_addr_format_ip(addr, text)) != NULL;
}

/* The keys go in sorted, as cJSON keeps their order. NULL if memory ran out. */
static cJSON *to_json(const lm_node_config *config)
{
    char fingerprint[FINGERPRINT_SIZE], nk[NK_SIZE];
    cJSON *json = cJSON_CreateObject();
    format_fingerprint(fingerprint, config->fingerprint);
    lm_base64url_encode(nk, sizeof nk, config->nk, sizeof config->nk);
    if (json != NULL && lm_node_addresses_add_alt(json, config) &&
        cJSON_AddStringToObject(json, "fingerprint", fingerprint) != NULL &&
        (config->host[0] == '\0' || cJSON_AddStringToObject(json, "host", config->host) != NULL) &&
        add_address(json, "ip", &config->ip) && add_address(json, "ip6", &config->ip6) &&
        cJSON_AddStringToObject(json, "nk", nk) != NULL &&
        cJSON_AddNumberToObject(json, "port", config->port) != NULL &&
        cJSON_AddStringToObject(json, "pwd", config->pwd) != NULL &&
        (config->tcp == 0 || cJSON_AddNumberToObject(json, "tcp", config->tcp) != NULL) &&
        cJSON_AddStringToObject(json, "ufrag", config->ufrag) != NULL)
        return json;
    cJSON_Delete(json);
    return NULL;
}

char *lm_node_config_json(const lm_node_config *config)
{
    cJSON *json = to_json(config);
    char *text = json != NULL ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    return text;
}

/*
 * cJSON_Print() indents with tabs and puts one behind the colon; JSON.stringify(config, null, 2) is what
 * people expect, but for alt, which stays in one line.
 */
char *lm_node_config_pretty(const lm_node_config *config)
{
    size_t len = 0, size;
    cJSON *json = to_json(config);
    char *compact = json != NULL ? cJSON_PrintUnformatted(json) : NULL;
    char *text = NULL;
    if (compact == NULL)
        goto out;
    /*
     * Each member takes at most five more characters: new line, two spaces, one behind the colon, and one at
     * the ends.
     */
    size = strlen(compact) + 5 * (size_t)cJSON_GetArraySize(json) + 4;
    if ((text = malloc(size)) == NULL)
        goto out;
    len = (size_t)snprintf(text, size, "{");
    for (const cJSON *item = json->child; item != NULL; item = item->next) {
        char *value = cJSON_PrintUnformatted(item);
        if (value == NULL) {
            free(text);
            text = NULL;
            goto out;
        }
        len += (size_t)snprintf(text + len, size - len, "\n  \"%s\": %s%s", item->string, value,
                                item->next ? "," : "");
        cJSON_free(value);
    }
    snprintf(text + len, size - len, "\n}");
out:
    cJSON_free(compact);
    cJSON_Delete(json);
    return text;
}

char *lm_node_config_blob(const lm_node_config *config)
{
    char *json = lm_node_config_json(config);
    if (json == NULL)
        return NULL;
    size_t len = strlen(json), size = LM_BASE64URL_SIZE(len);
    char *blob = malloc(sizeof BLOB_PREFIX - 1 + size);
    if (blob != NULL) {
        memcpy(blob, BLOB_PREFIX, sizeof BLOB_PREFIX - 1);
        lm_base64url_encode(blob + sizeof BLOB_PREFIX - 1, size, (const uint8_t *)json, len);
    }
    free(json);
    return blob;
}

/*
 * cJSON is lenient where JSON.parse() is not, and both sides have to see the same config or none. No value of
 * a config needs more than printable ASCII without a backslash, which rules out U+0000 and broken UTF-8; and
 * no number begins with a zero or has a point at its end.
 */
static bool is_plain(const char *text, size_t len)
{
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        char before = i > 0 ? text[i - 1] : ' ', after = i + 1 < len ? text[i + 1] : ' ';
        bool digit_before = before >= '0' && before <= '9', digit_after = after >= '0' && after <= '9';
        if (text[i] < 0x20 || text[i] > 0x7e || text[i] == '\\')
            return false;
        if (text[i] == '"')
            quoted = !quoted;
        if (!quoted && text[i] == '0' && digit_after && !digit_before && before != '.' && before != 'e' &&
            before != 'E' && before != '+' &&
            !(before == '-' && i > 1 && (text[i - 2] == 'e' || text[i - 2] == 'E')))
            return false;
        if (!quoted && text[i] == '.' && !(digit_before && digit_after))
            return false;
    }
    return true;
}

/* True if every character of text is one of those in set, and there are min to max of them. */
static bool consists_of(const char *text, const char *set, size_t min, size_t max)
{
    size_t len = strlen(text);
    return len >= min && len <= max && strspn(text, set) == len;
}

/* Labels of letters, digits and hyphens (RFC 1123 section 2.1), without a dot at the end. */
static bool is_host(const char *text)
{
    size_t len = strlen(text), label = 0;
    for (size_t i = 0; i < len; i++) {
        bool hyphen = text[i] == '-', dot = text[i] == '.';
        bool edge = label == 0 || i + 1 == len || text[i + 1] == '.';
        bool alnum = strchr(ice_chars, text[i]) != NULL && text[i] != '+' && text[i] != '/';
        if (dot ? label == 0 || i + 1 == len : !alnum && (!hyphen || edge))
            return false;
        label = dot ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
    }
    return len > 0 && len <= LM_HOST_MAX;
}

/*
 * 1: *text is the string under key, borrowed; 0: there is no such key; LM_EMALFORMED: it is no string, or
 * there twice.
 */
static int get_string(const cJSON *json, const char *key, const char **text)
{
    const cJSON *found = NULL;
    for (const cJSON *item = json->child; item != NULL; item = item->next) {
        if (strcmp(item->string, key) != 0)
            continue;
        if (found != NULL || !cJSON_IsString(item))
            return LM_EMALFORMED;
        found = item;
    }
    if (found != NULL)
        *text = found->valuestring;
    return found != NULL;
}

/* The same for a port number, 1 to 65,535. */
static int get_port(const cJSON *json, const char *key, uint16_t *port)
{
    const cJSON *found = NULL;
    for (const cJSON *item = json->child; item != NULL; item = item->next) {
        if (strcmp(item->string, key) != 0)
            continue;
        if (found != NULL || !cJSON_IsNumber(item) ||
            !(item->valuedouble >= 1 && item->valuedouble <= 65535) ||
            item->valuedouble != (double)(uint16_t)item->valuedouble)
            return LM_EMALFORMED;
        found = item;
    }
    if (found != NULL)
        *port = (uint16_t)found->valuedouble;
    return found != NULL;
}

static bool parse_fingerprint(uint8_t fingerprint[LM_FINGERPRINT_LEN], const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    if (strlen(text) != FINGERPRINT_SIZE - 1)
        return false;
    for (size_t i = 0; i < LM_FINGERPRINT_LEN; i++) {
        const char *high = strchr(digits, text[3 * i]), *low = strchr(digits, text[3 * i + 1]);
        if (high == NULL || low == NULL || (i + 1 < LM_FINGERPRINT_LEN && text[3 * i + 2] != ':'))
            return false;
        fingerprint[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    return true;
}

/* Takes the known keys; others are for later versions. */
int lm_node_config_read(lm_node_config *config, const cJSON *json)
{
    const char *fingerprint, *nk, *pwd, *ufrag, *host = "";
    lm_node_config c;
    size_t nk_len = 0;
    memset(&c, 0, sizeof c);
    int addresses = lm_node_addresses_read(&c, json);
    int has_host = get_string(json, "host", &host);
    if (addresses < 0 || has_host < 0 || addresses + has_host == 0 || get_port(json, "tcp", &c.tcp) < 0)
        return LM_EMALFORMED;
    if (get_port(json, "port", &c.port) != 1 || get_string(json, "fingerprint", &fingerprint) != 1 ||
        get_string(json, "nk", &nk) != 1 || get_string(json, "pwd", &pwd) != 1 ||
        get_string(json, "ufrag", &ufrag) != 1)
        return LM_EMALFORMED;
    if (!consists_of(ufrag, ice_chars, UFRAG_MIN, LM_UFRAG_MAX) ||
        !consists_of(pwd, ice_chars, PWD_MIN, LM_ICE_PWD_MAX) || (has_host && !is_host(host)) ||
        !parse_fingerprint(c.fingerprint, fingerprint) ||
        lm_base64url_decode(c.nk, sizeof c.nk, &nk_len, nk, strlen(nk)) != LM_OK || nk_len != sizeof c.nk)
        return LM_EMALFORMED;
    snprintf(c.ufrag, sizeof c.ufrag, "%s", ufrag);
    snprintf(c.pwd, sizeof c.pwd, "%s", pwd);
    snprintf(c.host, sizeof c.host, "%s", host);
    *config = c;
    return LM_OK;
}

/* Our prefix with another number, "lm2." for example. */
static bool is_other_version(const char *blob, size_t len)
{
    size_t i = 2;
    while (i < len && blob[i] >= '0' && blob[i] <= '9')
        i++;
    return len > 3 && memcmp(blob, "lm", 2) == 0 && i > 2 && i < len && blob[i] == '.';
}

int lm_node_config_parse_blob(lm_node_config *config, const char *blob, size_t len)
{
    uint8_t text[BLOB_MAX];
    const size_t prefix = sizeof BLOB_PREFIX - 1;
    size_t text_len;
    const char *end = NULL;
    if (len < prefix || memcmp(blob, BLOB_PREFIX, prefix) != 0)
        return is_other_version(blob, len) ? LM_EUNSUPPORTED : LM_EMALFORMED;
    if (len > BLOB_MAX ||
        lm_base64url_decode(text, sizeof text - 1, &text_len, blob + prefix, len - prefix) != LM_OK ||
        !is_plain((const char *)text, text_len))
        return LM_EMALFORMED;
    text[text_len] = '\0';
    cJSON *json = cJSON_ParseWithLengthOpts((const char *)text, text_len + 1, &end, true);
    int result = json != NULL && cJSON_IsObject(json) ? lm_node_config_read(config, json) : LM_EMALFORMED;
    cJSON_Delete(json);
    return result;
}
