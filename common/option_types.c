/* The kinds of values that options have: how each is read, and how it is described to a person. */
#include <stdio.h>
#include <string.h>

#include "common/addr.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"

#define ADDRESSES_MAX 8 /* in a list; tables are ours */

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

static int parse_optional_port(const lm_option *option, const char *text, void *target)
{
    uint64_t number = 0;
    (void)option;
    int result = strcmp(text, "off") == 0 ? LM_OK : parse_number(&number, text, 0, 65535);
    if (result == LM_OK)
        *(uint16_t *)target = (uint16_t)number;
    return result;
}

static void describe_optional_port(const lm_option *option, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "a port from 1 to 65535, or 0 for none");
}

static int parse_same_port(const lm_option *option, const char *text, void *target)
{
    uint16_t port;
    if (strcmp(text, "same") == 0) {
        *(int32_t *)target = -1;
        return LM_OK;
    }
    int result = parse_optional_port(option, text, &port);
    if (result == LM_OK)
        *(int32_t *)target = port;
    return result;
}

static void describe_same_port(const lm_option *option, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "a port from 1 to 65535, 0 for none, or same for UDP_PORT's number");
}

static int parse_ports(const lm_option *option, const char *text, void *target)
{
    char first[8];
    uint64_t numbers[2];
    const char *dash = strchr(text, '-');
    (void)option;
    if (dash == NULL || (size_t)(dash - text) >= sizeof first)
        return LM_EINVAL;
    memcpy(first, text, (size_t)(dash - text));
    first[dash - text] = '\0';
    if (parse_number(&numbers[0], first, 1024, 65535) != LM_OK ||
        parse_number(&numbers[1], dash + 1, numbers[0], 65535) != LM_OK)
        return LM_EINVAL;
    *(lm_port_range *)target = (lm_port_range){(uint16_t)numbers[0], (uint16_t)numbers[1]};
    return LM_OK;
}

static void describe_ports(const lm_option *option, char *text, size_t size)
{
    (void)option;
    snprintf(text, size, "two ports from 1024 to 65535 such as 49152-65535");
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

/* Cuts the next item off a list, without the blanks around it; NULL behind the last one. */
static const char *next_item(const char **list, size_t *len)
{
    const char *item = *list;
    if (item == NULL)
        return NULL;
    size_t size = strcspn(item, ",");
    *list = item[size] == ',' ? item + size + 1 : NULL;
    while (size > 0 && item[0] == ' ') {
        item++;
        size--;
    }
    while (size > 0 && item[size - 1] == ' ')
        size--;
    *len = size;
    return item;
}

/* What keeps an address from being dialled, NULL if nothing does. */
static const char *address_fault(const lm_addr *addr)
{
    char text[LM_ADDR_STRLEN];
    const uint8_t *ip = addr->ip;
    bool ipv4 = addr->family == LM_AF_INET;
    if (lm_addr_is_unspecified(addr) || (ipv4 && ip[0] == 0))
        return "is no address of a machine";
    if (ipv4 ? (ip[0] & 0xf0) == 0xe0 : ip[0] == 0xff)
        return "is a multicast address";
    if (ipv4 && ip[0] >= 240)
        return "is a reserved address";
    if (!ipv4 && ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)
        return "is link-local, and no browser dials that";
    if (!ipv4 && strchr(lm_addr_format_ip(addr, text), '.') != NULL)
        return "has an IPv4 address in it";
    return NULL;
}

/* One item, len bytes; NULL, or what is wrong with it. */
static const char *parse_address(lm_addr *addr, const char *item, size_t len, lm_family family)
{
    const char *of_no_family = family == LM_AF_INET ? "is no IPv4 address" : "is no IPv6 address";
    char text[LM_ADDR_STRLEN];
    if (len == 0)
        return "is empty";
    if (len >= sizeof text)
        return of_no_family;
    memcpy(text, item, len);
    text[len] = '\0';
    if (lm_addr_parse_ip(addr, text, 0) != LM_OK || addr->family != family ||
        (strchr(text, ':') == NULL) != (family == LM_AF_INET))
        return of_no_family;
    return address_fault(addr);
}

/* Parses a list of max addresses at the most into addrs, which is zeroed. NULL, or what is wrong with *item.
 */
static const char *parse_addresses(lm_addr *addrs, size_t max, const char *text, lm_family family,
                                   const char **item, size_t *len)
{
    const char *why, *list = strcmp(text, "-") == 0 ? NULL : text;
    for (size_t n = 0; (*item = next_item(&list, len)) != NULL; n++) {
        lm_addr addr;
        if ((why = parse_address(&addr, *item, *len, family)) != NULL)
            return why;
        for (size_t i = 0; i < n; i++) {
            if (lm_addr_equal(&addrs[i], &addr))
                return "is there twice";
        }
        if (n == max)
            return "is one too many";
        addrs[n] = addr;
    }
    return NULL;
}

static int parse_list(const lm_option *option, const char *text, void *target, lm_family family)
{
    lm_addr addrs[ADDRESSES_MAX];
    const char *item;
    size_t len;
    memset(addrs, 0, sizeof addrs);
    if (parse_addresses(addrs, option->max, text, family, &item, &len) != NULL)
        return LM_EINVAL;
    memcpy(target, addrs, option->max * sizeof addrs[0]);
    return LM_OK;
}

static void fault_of_list(const lm_option *option, const char *text, char *out, size_t size, lm_family family)
{
    lm_addr addrs[ADDRESSES_MAX];
    const char *item;
    size_t len = 0;
    const char *why = parse_addresses(addrs, option->max, text, family, &item, &len);
    if (why == NULL)
        return;
    int shown = len < LM_ADDR_STRLEN ? (int)len : LM_ADDR_STRLEN;
    if (len == 0)
        snprintf(out, size, "an item %s", why);
    else
        snprintf(out, size, "'%.*s' %s", shown, item, why);
}

static void describe_list(const lm_option *option, char *text, size_t size, const char *family)
{
    snprintf(text, size, "1 to %llu %s addresses with commas between them, or - for none",
             (unsigned long long)option->max, family);
}

static int parse_ipv4(const lm_option *option, const char *text, void *target)
{
    return parse_list(option, text, target, LM_AF_INET);
}

static void describe_ipv4(const lm_option *option, char *text, size_t size)
{
    describe_list(option, text, size, "IPv4");
}

static void fault_of_ipv4(const lm_option *option, const char *text, char *out, size_t size)
{
    fault_of_list(option, text, out, size, LM_AF_INET);
}

static int parse_ipv6(const lm_option *option, const char *text, void *target)
{
    return parse_list(option, text, target, LM_AF_INET6);
}

static void describe_ipv6(const lm_option *option, char *text, size_t size)
{
    describe_list(option, text, size, "IPv6");
}

static void fault_of_ipv6(const lm_option *option, const char *text, char *out, size_t size)
{
    fault_of_list(option, text, out, size, LM_AF_INET6);
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

const lm_option_type lm_option_uint = {"NUMBER", parse_uint, describe_uint, NULL};
const lm_option_type lm_option_port = {"PORT", parse_port, describe_port, NULL};
const lm_option_type lm_option_optional_port = {"PORT", parse_optional_port, describe_optional_port, NULL};
const lm_option_type lm_option_same_port = {"PORT", parse_same_port, describe_same_port, NULL};
const lm_option_type lm_option_ports = {"FIRST-LAST", parse_ports, describe_ports, NULL};
const lm_option_type lm_option_bool = {NULL, parse_bool, describe_bool, NULL};
const lm_option_type lm_option_string = {"TEXT", parse_string, describe_string, NULL};
const lm_option_type lm_option_path = {"PATH", take_text, describe_path, NULL};
const lm_option_type lm_option_ice = {"CHARS", parse_ice, describe_ice, NULL};
const lm_option_type lm_option_host = {"NAME", parse_host, describe_host, NULL};
const lm_option_type lm_option_ipv4 = {"ADDRESS,...", parse_ipv4, describe_ipv4, fault_of_ipv4};
const lm_option_type lm_option_ipv6 = {"ADDRESS,...", parse_ipv6, describe_ipv6, fault_of_ipv6};
const lm_option_type lm_option_listen = {"ADDRESS:PORT", parse_listen, describe_listen, NULL};
const lm_option_type lm_option_level = {"LEVEL", parse_level, describe_level, NULL};
const lm_option_type lm_option_choice = {"WORD", parse_choice, describe_choice, NULL};
const lm_option_type lm_option_command = {NULL, parse_command, NULL, NULL};
