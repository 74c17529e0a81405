/* The kinds of values that options have: how each is read, and how it is described to a person. */
#include <stdio.h>
#include <string.h>

#include "common/addr.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"

static const char ice_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char host_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.";

/* Decimal digits alone: no sign, no space, no overflow. */
static int parse_number(uint64_t *number, const char *text, uint64_t min, uint64_t max)
{
    uint64_t n = 0;
    if (text[0] == '\0')
        return LM_EINVAL;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || n > (UINT64_MAX - 9) / 10)
            return LM_EINVAL;
        n = 10 * n + (uint64_t)(*p - '0');
    }
    if (n < min || n > max)
        return LM_EINVAL;
    *number = n;
    return LM_OK;
}

static int parse_uint(const lm_option *option, const char *text, void *target)
{
    uint64_t number;
    int result =
        parse_number(&number, text, option->min, option->max < UINT32_MAX ? option->max : UINT32_MAX);
    if (result == LM_OK)
        *(uint32_t *)target = (uint32_t)number;
    return result;
}

static void describe_uint(const lm_option *option, char *text, size_t size)
{
    snprintf(text, size, "a whole number from %llu to %llu", (unsigned long long)option->min,
             (unsigned long long)option->max);
}

static int parse_port(const lm_option *option, const char *text, void *target)
{
    uint64_t number;
    (void)option;
    int result = parse_number(&number, text, 1, 65535);
    if (result == LM_OK)
        *(uint16_t *)target = (uint16_t)number;
    return result;
}

static void describe_port(const lm_option *option, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "a port from 1 to 65535");
}

static int parse_bool(const lm_option *option, const char *text, void *target)
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    (void)option;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *(bool *)target = i % 2 == 1;
            return LM_OK;
        }
    }
    return LM_EINVAL;
}

static void describe_bool(const lm_option *option, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "1 or 0");
}

/* Copies a text of min to max bytes; the array behind target has max + 1. */
static int take_text(const lm_option *option, const char *text, void *target)
{
    size_t len = strlen(text);
    if (len < option->min || len > option->max)
        return LM_EINVAL;
    memcpy(target, text, len + 1);
    return LM_OK;
}

static int parse_string(const lm_option *option, const char *text, void *target)
{
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return LM_EINVAL;
    }
    return take_text(option, text, target);
}

static void describe_string(const lm_option *option, char *text, size_t size)
{
    snprintf(text, size, "%llu to %llu printable characters", (unsigned long long)option->min,
             (unsigned long long)option->max);
}

static void describe_path(const lm_option *option, char *text, size_t size)
{
    snprintf(text, size, "a path of %llu to %llu bytes", (unsigned long long)option->min,
             (unsigned long long)option->max);
}

static int parse_ice(const lm_option *option, const char *text, void *target)
{
    return text[strspn(text, ice_chars)] == '\0' ? take_text(option, text, target) : LM_EINVAL;
}

static void describe_ice(const lm_option *option, char *text, size_t size)
{
    snprintf(text, size, "%llu to %llu letters, digits, + or /", (unsigned long long)option->min,
             (unsigned long long)option->max);
}

/* Every label of 1 to 63 letters, digits and inner hyphens (RFC 1123 section 2.1). */
static bool is_host(const char *text)
{
    for (;;) {
        size_t label = strcspn(text, ".");
        if (label == 0 || label > 63 || text[0] == '-' || text[label - 1] == '-' ||
            strspn(text, host_chars) < label)
            return false;
        if (text[label] == '\0')
            return true;
        text += label + 1;
    }
}

static int parse_host(const lm_option *option, const char *text, void *target)
{
    lm_addr addr;
    if (strcmp(text, "-") == 0) {
        *(char *)target = '\0';
        return LM_OK;
    }
    if (!is_host(text) || lm_addr_parse_ip(&addr, text, 0) == LM_OK) /* an address is not a name */
        return LM_EINVAL;
    return take_text(option, text, target);
}

static void describe_host(const lm_option *option, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "a DNS name, or - for none");
}

/* An address that somebody can be reached at: neither unspecified nor multicast nor broadcast. */
static int parse_address(const char *text, lm_family family, void *target)
{
    lm_addr addr = {0};
    bool ipv4 = family == LM_AF_INET;
    if (strcmp(text, "-") != 0 && (lm_addr_parse_ip(&addr, text, 0) != LM_OK || addr.family != family ||
                                   (strchr(text, ':') == NULL) != ipv4 || lm_addr_is_unspecified(&addr) ||
                                   (ipv4 ? addr.ip[0] >= 224 || addr.ip[0] == 0 : addr.ip[0] == 0xff)))
        return LM_EINVAL;
    *(lm_addr *)target = addr;
    return LM_OK;
}

static int parse_ipv4(const lm_option *option, const char *text, void *target)
{
    (void)option;
    return parse_address(text, LM_AF_INET, target);
}

static void describe_ipv4(const lm_option *option, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "an IPv4 address at which browsers reach this machine, or - for none");
}

static int parse_ipv6(const lm_option *option, const char *text, void *target)
{
    (void)option;
    return parse_address(text, LM_AF_INET6, target);
}

static void describe_ipv6(const lm_option *option, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "an IPv6 address at which browsers reach this machine, or - for none");
}

static int parse_listen(const lm_option *option, const char *text, void *target)
{
    static const char local[] = "localhost:";
    char local_addr[LM_ADDR_STRLEN];
    lm_addr addr = {0};
    (void)option;
    if (strncmp(text, local, sizeof local - 1) == 0) {
        snprintf(local_addr, sizeof local_addr, "127.0.0.1:%.8s", text + sizeof local - 1);
        text = local_addr;
    }
    if (strcmp(text, "off") != 0 && (lm_addr_parse(&addr, text) != LM_OK || addr.port == 0))
        return LM_EINVAL;
    *(lm_addr *)target = addr;
    return LM_OK;
}

static void describe_listen(const lm_option *option, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "an address and port such as 127.0.0.1:7401 or [::1]:7401, or off");
}

static int parse_level(const lm_option *option, const char *text, void *target)
{
    (void)option;
    return lm_log_level_parse(target, text);
}

static void describe_level(const lm_option *option, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "error, warn, info or debug");
}

static int parse_choice(const lm_option *option, const char *text, void *target)
{
    for (int i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(text, option->choices[i]) == 0) {
            *(int *)target = i;
            return LM_OK;
        }
    }
    return LM_EINVAL;
}

/* "a, b or c" */
static void describe_choice(const lm_option *option, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; option->choices[i] != NULL && len < size; i++) {
        const char *before = i == 0 ? "" : option->choices[i + 1] == NULL ? " or " : ", ";
        len += (size_t)snprintf(text + len, size - len, "%s%s", before, option->choices[i]);
    }
}

static int parse_command(const lm_option *option, const char *text, void *target)
{
    (void)text;
    *(int *)target = (int)option->max;
    return LM_OK;
}

const lm_option_type lm_option_uint = {"NUMBER", parse_uint, describe_uint};
const lm_option_type lm_option_port = {"PORT", parse_port, describe_port};
const lm_option_type lm_option_bool = {NULL, parse_bool, describe_bool};
const lm_option_type lm_option_string = {"TEXT", parse_string, describe_string};
const lm_option_type lm_option_path = {"PATH", take_text, describe_path};
const lm_option_type lm_option_ice = {"CHARS", parse_ice, describe_ice};
const lm_option_type lm_option_host = {"NAME", parse_host, describe_host};
const lm_option_type lm_option_ipv4 = {"ADDRESS", parse_ipv4, describe_ipv4};
const lm_option_type lm_option_ipv6 = {"ADDRESS", parse_ipv6, describe_ipv6};
const lm_option_type lm_option_listen = {"ADDRESS:PORT", parse_listen, describe_listen};
const lm_option_type lm_option_level = {"LEVEL", parse_level, describe_level};
const lm_option_type lm_option_choice = {"WORD", parse_choice, describe_choice};
const lm_option_type lm_option_command = {NULL, parse_command, NULL};
