#include "common/addr.h"

#include <arpa/inet.h> /* inet_pton and inet_ntop: text conversion only, no socket is touched */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

size_t lm_addr_ip_len(const lm_addr *addr)
{
    switch (addr->family) {
    case LM_AF_INET:
        return 4;
    case LM_AF_INET6:
        return 16;
    default:
        return 0;
    }
}

void lm_addr_set(lm_addr *addr, const uint8_t *ip, size_t ip_len, uint16_t port)
{
    memset(addr, 0, sizeof *addr);
    addr->port = port;
    if (ip_len == 16 && memcmp(ip, v4_mapped, sizeof v4_mapped) == 0) {
        ip += sizeof v4_mapped;
        ip_len = 4;
    }
    addr->family = ip_len == 4 ? LM_AF_INET : LM_AF_INET6;
    memcpy(addr->ip, ip, ip_len == 4 ? 4 : 16);
}

int lm_addr_parse_ip(lm_addr *addr, const char *text, uint16_t port)
{
    uint8_t ip[16];
    if (inet_pton(AF_INET, text, ip) == 1) {
        lm_addr_set(addr, ip, 4, port);
        return LM_OK;
    }
    if (inet_pton(AF_INET6, text, ip) == 1) {
        lm_addr_set(addr, ip, 16, port);
        return LM_OK;
    }
    return LM_EINVAL;
}

int lm_addr_parse(lm_addr *addr, const char *text)
{
    char ip[LM_ADDR_STRLEN];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return LM_EINVAL;

    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port > 65535)
        return LM_EINVAL;

    size_t len = (size_t)(colon - text);
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (bracketed) {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof ip)
        return LM_EINVAL;
    memcpy(ip, text, len);
    ip[len] = '\0';
    if (bracketed != (strchr(ip, ':') != NULL)) /* IPv6 needs its brackets, IPv4 has none */
        return LM_EINVAL;
    return lm_addr_parse_ip(addr, ip, (uint16_t)port);
}

const char *lm_addr_format_ip(const lm_addr *addr, char text[LM_ADDR_STRLEN])
{
    int family = addr->family == LM_AF_INET6 ? AF_INET6 : AF_INET;
    if (addr->family == LM_AF_NONE || inet_ntop(family, addr->ip, text, LM_ADDR_STRLEN) == NULL)
        memcpy(text, "?", 2);
    return text;
}

const char *lm_addr_format(const lm_addr *addr, char text[LM_ADDR_STRLEN])
{
    char ip[LM_ADDR_STRLEN];
    lm_addr_format_ip(addr, ip);
    if (addr->family == LM_AF_INET6)
        snprintf(text, LM_ADDR_STRLEN, "[%.45s]:%u", ip, (unsigned)addr->port);
    else
        snprintf(text, LM_ADDR_STRLEN, "%.45s:%u", ip, (unsigned)addr->port);
    return text;
}

void lm_addr_network(const lm_addr *addr, uint8_t network[LM_ADDR_NETWORK_LEN])
{
    memset(network, 0, LM_ADDR_NETWORK_LEN);
    network[0] = addr->family;
    memcpy(network + 1, addr->ip, addr->family == LM_AF_INET6 ? 8 : 4);
}

bool lm_addr_equal(const lm_addr *a, const lm_addr *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool lm_addr_is_loopback(const lm_addr *addr)
{
    static const uint8_t v6_loopback[16] = {[15] = 1};
    if (addr->family == LM_AF_INET)
        return addr->ip[0] == 127;
    return addr->family == LM_AF_INET6 && memcmp(addr->ip, v6_loopback, 16) == 0;
}

bool lm_addr_is_private(const lm_addr *addr)
{
    const uint8_t *ip = addr->ip;
    if (addr->family == LM_AF_INET)
        return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168) ||
               (ip[0] == 169 && ip[1] == 254);
    return addr->family == LM_AF_INET6 &&
           ((ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80));
}

bool lm_addr_is_unspecified(const lm_addr *addr)
{
    static const uint8_t zero[16];
    return memcmp(addr->ip, zero, sizeof zero) == 0;
}
