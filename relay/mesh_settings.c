#include "relay/mesh_settings.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/base64url.h"
#include "common/error.h"
#include "common/hkdf.h"

#define KILOBYTE 1024u

static const char turn_info[] = "lumamesh-turn-v1";

static bool peers_are_set(const lm_settings *s)
{
    return s->mesh_peers[0] != '\0' && strcmp(s->mesh_peers, "-") != 0;
}

static bool advertise_is_set(const lm_settings *s)
{
    return s->mesh_advertise[0] != '\0' && strcmp(s->mesh_advertise, "-") != 0;
}

bool lm_mesh_settings_are_set(const lm_settings *s)
{
    return s->mesh_salt[0] != '\0' && (s->mesh_listen.family != LM_AF_NONE || peers_are_set(s));
}

/* "name:port", "1.2.3.4:port" or "[::1]:port". */
static bool is_host_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    lm_addr addr;
    unsigned port = 0;
    if (colon == NULL || colon == text || strlen(text) >= LM_MESH_HOST_PORT_MAX || strlen(colon) > 6)
        return false;
    for (const char *digit = colon + 1; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        port = port * 10 + (unsigned)(*digit - '0');
    }
    if (port == 0 || port > 65535)
        return false;
    if (text[0] == '[' || memchr(text, ':', (size_t)(colon - text)) != NULL)
        return lm_addr_parse(&addr, text) == LM_OK;
    for (const char *c = text; c < colon; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!letter && *c != '-' && *c != '.' && *c != '_')
            return false;
    }
    return true;
}

int lm_mesh_peers_parse(lm_mesh_peers *peers, const char *text, lm_error_text *why)
{
    peers->count = 0;
    snprintf(peers->text, sizeof peers->text, "%s", strcmp(text, "-") == 0 ? "" : text);
    for (char *at = peers->text, *next; at != NULL && peers->text[0] != '\0'; at = next) {
        next = strchr(at, ',');
        if (next != NULL)
            *next++ = '\0';
        while (*at == ' ')
            at++;
        if (!is_host_port(at))
            return lm_error_text_set(why, LM_EINVAL, "'%s' is no host:port", at);
        if (peers->count == LM_MESH_PEERS_MAX)
            return lm_error_text_set(why, LM_EINVAL, "more than %d addresses", LM_MESH_PEERS_MAX);
        peers->peer[peers->count++] = at;
    }
    return LM_OK;
}

void lm_mesh_settings_check(const lm_settings *s, lm_error_list *errors)
{
    bool listen = s->mesh_listen.family != LM_AF_NONE, peers = peers_are_set(s);
    lm_mesh_peers parsed;
    lm_error_text why = {""};
    if (lm_mesh_peers_parse(&parsed, s->mesh_peers, &why) != LM_OK)
        lm_error_list_add(errors, LM_EINVAL, "MESH_PEERS: %s", why.text);
    if (advertise_is_set(s) && !is_host_port(s->mesh_advertise))
        lm_error_list_add(errors, LM_EINVAL, "MESH_ADVERTISE: '%s' is no host:port", s->mesh_advertise);
    if ((listen || peers) && s->mesh_salt[0] == '\0' && s->mesh_salt_file[0] == '\0')
        lm_error_list_add(errors, LM_EINVAL,
                          "%s needs MESH_SALT, which all nodes of a mesh share: set it, or MESH_SALT_FILE",
                          listen ? "MESH_LISTEN" : "MESH_PEERS");
    if (s->mesh_salt[0] != '\0' && !listen && !peers)
        lm_error_list_add(errors, LM_EINVAL,
                          "MESH_SALT needs MESH_LISTEN, where other nodes dial, or MESH_PEERS, whom this one "
                          "dials: set one of them, or both");
    if (advertise_is_set(s) && !listen)
        lm_error_list_add(errors, LM_EINVAL,
                          "MESH_ADVERTISE needs MESH_LISTEN: nobody can dial a node that does not listen");
}

const char *lm_mesh_settings_advertise(const lm_settings *s, char text[LM_MESH_HOST_PORT_MAX])
{
    char address[LM_ADDR_STRLEN];
    if (s->mesh_listen.family == LM_AF_NONE)
        return NULL;
    if (advertise_is_set(s)) {
        snprintf(text, LM_MESH_HOST_PORT_MAX, "%s", s->mesh_advertise);
        return text;
    }
    lm_addr addr = s->public_ip[0].family != LM_AF_NONE ? s->public_ip[0] : s->public_ip6[0];
    addr.port = s->mesh_listen.port;
    snprintf(text, LM_MESH_HOST_PORT_MAX, "%s", lm_addr_format(&addr, address));
    return text;
}

static uint32_t within(uint32_t sessions, uint32_t each, uint32_t least, uint32_t most)
{
    uint64_t value = (uint64_t)sessions * each;
    return value < least ? least : value > most ? most : (uint32_t)value;
}

void lm_mesh_settings_limits(const lm_settings *s, lm_mesh_limits *limits)
{
    lm_mesh_limits_default(limits);
    limits->room_size = s->max_room_size;
    /* What is kept of other nodes is what the rooms of so many sessions ask for. */
    limits->members_max = within(s->max_sessions, 100, 10000, limits->members_max);
    limits->shares_max = within(s->max_sessions, 250, 25000, limits->shares_max);
    limits->link_bytes = within(s->max_sessions, 64 * KILOBYTE, 32 * KILOBYTE * KILOBYTE, limits->link_bytes);
    limits->queue_bytes =
        within(s->max_sessions, 64 * KILOBYTE, 16 * KILOBYTE * KILOBYTE, limits->queue_bytes);
}

const char *lm_mesh_settings_turn_secret(const lm_settings *s, char secret[LM_MESH_TURN_SECRET_SIZE])
{
    uint8_t bytes[32];
    (void)lm_hkdf_sha256(bytes, sizeof bytes, NULL, 0, s->mesh_salt, strlen(s->mesh_salt), turn_info,
                         sizeof turn_info - 1);
    lm_base64url_encode(secret, LM_MESH_TURN_SECRET_SIZE, bytes, sizeof bytes);
    sodium_memzero(bytes, sizeof bytes);
    return secret;
}
