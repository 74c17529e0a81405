#include "relay/turn_offer.h"

#include <stdio.h>
#include <string.h>

/* An address as a URL has it, IPv6 in brackets; "" if there is none. */
static const char *host_of(const lm_addr *ip, char text[LM_ADDR_STRLEN + 2])
{
    char plain[LM_ADDR_STRLEN];
    text[0] = '\0';
    if (ip->family != LM_AF_NONE)
        snprintf(text, LM_ADDR_STRLEN + 2, ip->family == LM_AF_INET6 ? "[%s]" : "%s",
                 lm_addr_format_ip(ip, plain));
    return text;
}

static size_t put(char urls[LM_TURN_OFFER_URLS_MAX][LM_TURN_OFFER_URL_SIZE], size_t n, const char *scheme,
                  const char *host, uint16_t port, const char *transport)
{
    if (host[0] == '\0' || port == 0)
        return n;
    snprintf(urls[n], LM_TURN_OFFER_URL_SIZE, "%s:%s:%u?transport=%s", scheme, host, (unsigned)port,
             transport);
    return n + 1;
}

size_t lm_turn_offer_urls(const lm_turn_offer *offer, const lm_node_config *config,
                          char urls[LM_TURN_OFFER_URLS_MAX][LM_TURN_OFFER_URL_SIZE])
{
    char ip[LM_ADDR_STRLEN + 2], ip6[LM_ADDR_STRLEN + 2];
    size_t n = 0;
    host_of(&config->ip, ip);
    host_of(&config->ip6, ip6);
    /* The name is for who has no address, and for certificates: a resolver is one more thing that can fail.
     */
    const char *first = ip[0] != '\0' ? ip : ip6[0] != '\0' ? ip6 : config->host;
    n = put(urls, n, "turn", first, config->port, "udp");
    if (first == ip)
        n = put(urls, n, "turn", ip6, config->port, "udp");
    n = put(urls, n, "turn", first, offer->tcp_port, "tcp");
    return put(urls, n, "turns", config->host[0] != '\0' ? config->host : first, offer->tls_port, "tcp");
}

void lm_turn_offer_put_urls(lm_json_writer *j, const lm_turn_offer *offer, const lm_node_config *config)
{
    char urls[LM_TURN_OFFER_URLS_MAX][LM_TURN_OFFER_URL_SIZE];
    size_t count = lm_turn_offer_urls(offer, config, urls);
    for (size_t i = 0; i < count; i++)
        lm_json_string(j, urls[i]);
}

void lm_turn_offer_put_credential(lm_json_writer *j, const char *username, const char *credential)
{
    lm_json_key(j, "username");
    lm_json_string(j, username);
    lm_json_key(j, "credential");
    lm_json_string(j, credential);
    lm_json_key(j, "ttl");
    lm_json_uint(j, LM_TURN_CREDENTIAL_TTL);
}
