#include "webrtc/turn_peers.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"

/* One item of a list: longer than any address with its prefix. */
#define ITEM_MAX 63

/* A network as its first bytes. */
typedef struct special {
    uint8_t ip[16];
    uint8_t prefix;
} special;

/* RFC 6890 and its registry: what is no public unicast address. */
static const special special4[] = {
    {{0}, 8},                 /* this network */
    {{10}, 8},                /* private (RFC 1918) */
    {{100, 64}, 10},          /* shared, behind carriers' NATs (RFC 6598); Alibaba's metadata service */
    {{127}, 8},               /* loopback */
    {{169, 254}, 16},         /* link-local; the clouds' metadata services */
    {{172, 16}, 12},          /* private */
    {{192, 0, 0}, 24},        /* protocol assignments; Oracle's metadata service */
    {{192, 0, 2}, 24},        /* documentation */
    {{192, 31, 196}, 24},     /* AS112 */
    {{192, 52, 193}, 24},     /* AMT */
    {{192, 88, 99}, 24},      /* 6to4 relays */
    {{192, 168}, 16},         /* private */
    {{192, 175, 48}, 24},     /* AS112 */
    {{198, 18}, 15},          /* benchmarking */
    {{198, 51, 100}, 24},     /* documentation */
    {{203, 0, 113}, 24},      /* documentation */
    {{168, 63, 129, 16}, 32}, /* Azure's platform service, although it looks public */
    {{224}, 3},               /* multicast, reserved, broadcast */
};

/* Within 2000::/3, which is all that is given out to anybody. */
static const special special6[] = {
    {{0x20, 0x01}, 23},                /* protocol assignments: Teredo, benchmarking, ORCHID and others */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},    /* documentation */
    {{0x20, 0x02}, 16},                /* 6to4, which embeds an IPv4 address */
    {{0x26, 0x20, 0, 0x4f, 0x80}, 48}, /* AS112 */
    {{0x3f, 0xff}, 20},                /* documentation (RFC 9637) */
};

static bool within(const uint8_t *ip, const uint8_t *network, unsigned prefix)
{
    unsigned whole = prefix / 8, rest = prefix % 8;
    return memcmp(ip, network, whole) == 0 &&
           (rest == 0 || ((ip[whole] ^ network[whole]) & (0xff00 >> rest & 0xff)) == 0);
}

static bool is_special(const uint8_t *ip, const special *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (within(ip, list[i].ip, list[i].prefix))
            return true;
    }
    return false;
}

static bool is_public(const lm_addr *addr)
{
    if (addr->family == LM_AF_INET)
        return !is_special(addr->ip, special4, sizeof special4 / sizeof special4[0]);
    return addr->family == LM_AF_INET6 && addr->ip[0] >> 5 == 1 &&
           !is_special(addr->ip, special6, sizeof special6 / sizeof special6[0]);
}

static int parse_network(lm_network *network, const char *item)
{
    char ip[ITEM_MAX + 1];
    const char *slash = strchr(item, '/');
    size_t len = slash != NULL ? (size_t)(slash - item) : strlen(item);
    memcpy(ip, item, len);
    ip[len] = '\0';
    if (lm_addr_parse_ip(&network->address, ip, 0) != LM_OK)
        return LM_EINVAL;
    unsigned bits = 8 * (unsigned)lm_addr_ip_len(&network->address);
    network->prefix = bits;
    if (slash == NULL)
        return LM_OK;
    char *end;
    unsigned long prefix = strtoul(slash + 1, &end, 10);
    if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || prefix > bits || (strchr(ip, ':') && bits == 32))
        return LM_EINVAL;
    network->prefix = (unsigned)prefix;
    return LM_OK;
}

int lm_turn_peers_parse(lm_turn_peers *peers, const char *text, lm_error_text *error)
{
    lm_turn_peers parsed = {.count = 0};
    for (const char *end; text != NULL && *text != '\0'; text = *end == ',' ? end + 1 : NULL) {
        char item[ITEM_MAX + 1];
        size_t len = strcspn(text, ",");
        end = text + len;
        if (parsed.count == LM_TURN_PEERS_MAX)
            return lm_error_text_set(error, LM_EINVAL, "more than %d networks", LM_TURN_PEERS_MAX);
        if (len <= ITEM_MAX) {
            memcpy(item, text, len);
            item[len] = '\0';
        }
        if (len > ITEM_MAX || parse_network(&parsed.allowed[parsed.count], item) != LM_OK)
            return lm_error_text_set(error, LM_EINVAL, "\"%.*s\" is no network like 10.1.0.0/16 or fd00::/8",
                                     (int)(len > ITEM_MAX ? ITEM_MAX : len), text);
        parsed.count++;
        if (end[0] == ',' && end[1] == '\0')
            return lm_error_text_set(error, LM_EINVAL, "nothing after the last comma");
    }
    *peers = parsed;
    return LM_OK;
}

bool lm_turn_peers_allow(const lm_turn_peers *peers, const lm_addr *peer)
{
    if (peer->port == 0 || peer->family == LM_AF_NONE)
        return false;
    if (is_public(peer))
        return true;
    for (unsigned i = 0; peers != NULL && i < peers->count; i++) {
        const lm_network *n = &peers->allowed[i];
        if (n->address.family == peer->family && within(peer->ip, n->address.ip, n->prefix))
            return true;
    }
    return false;
}
