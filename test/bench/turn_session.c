#include "test/bench/turn_session.h"

#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "webrtc/stun.h"
#include "webrtc/turn_message.h"

#define TRIES 5
#define TRY_MS 1000
#define MESSAGE_MAX 1024

static bool failed(const turn_session *s, const char *what, unsigned number)
{
    fprintf(stderr, "turn: %s: %s (%u)\n", s->username, what, number);
    return false;
}

/* Sends a request until its answer comes, parsed and pointing into buf; false: none came. */
static bool ask(const turn_session *s, const uint8_t *request, size_t len, uint8_t buf[MESSAGE_MAX],
                lm_stun_msg *answer)
{
    struct sockaddr_storage name;
    socklen_t name_len = lm_sockaddr_from_addr(&name, &s->server);
    for (int i = 0; i < TRIES; i++) {
        struct pollfd ready = {.fd = s->fd, .events = POLLIN};
        sendto(s->fd, request, len, 0, (struct sockaddr *)&name, name_len);
        while (poll(&ready, 1, TRY_MS) == 1) {
            ssize_t n = recv(s->fd, buf, MESSAGE_MAX, MSG_DONTWAIT);
            if (n > 0 && lm_stun_parse(answer, buf, (size_t)n) == LM_OK &&
                memcmp(answer->transaction, request + 8, LM_STUN_TRANSACTION_LEN) == 0)
                return true;
        }
    }
    return false;
}

/* One request, with its credentials if there is a nonce yet. */
static bool request(turn_session *s, uint16_t method, uint16_t channel, const lm_addr *peer,
                    uint8_t buf[MESSAGE_MAX], lm_stun_msg *answer)
{
    uint8_t message[MESSAGE_MAX], transaction[LM_STUN_TRANSACTION_LEN];
    lm_stun_builder b;
    randombytes_buf(transaction, sizeof transaction);
    lm_stun_begin(&b, message, sizeof message, method, LM_STUN_REQUEST, transaction);
    if (method == LM_TURN_ALLOCATE) {
        lm_stun_add_uint(&b, LM_TURN_REQUESTED_TRANSPORT, (uint32_t)LM_TURN_TRANSPORT_UDP << 24, 4);
    } else {
        lm_stun_add_uint(&b, LM_TURN_CHANNEL_NUMBER, (uint32_t)channel << 16, 4);
        lm_stun_add_xor_address(&b, LM_TURN_XOR_PEER_ADDRESS, peer);
    }
    if (s->nonce_len > 0) {
        lm_stun_add(&b, LM_STUN_USERNAME, s->username, strlen(s->username));
        lm_stun_add(&b, LM_STUN_REALM, s->realm, strlen(s->realm));
        lm_stun_add(&b, LM_STUN_NONCE, s->nonce, s->nonce_len);
        lm_stun_add_integrity_key(&b, s->key, sizeof s->key);
    }
    int len = lm_stun_finish_plain(&b);
    return len > 0 && ask(s, message, (size_t)len, buf, answer);
}

static bool attribute(const lm_stun_msg *msg, uint16_t type, lm_stun_attribute *found)
{
    lm_stun_attributes all = lm_stun_attributes_of(msg);
    while (lm_stun_next_attribute(&all, found))
        if (found->type == type)
            return true;
    return false;
}

/* Takes realm and nonce from an answer 401, and makes the key. */
static bool take_challenge(turn_session *s, const lm_stun_msg *answer, const char *secret)
{
    lm_stun_attribute realm, nonce;
    if (!attribute(answer, LM_STUN_REALM, &realm) || !attribute(answer, LM_STUN_NONCE, &nonce) ||
        realm.len >= sizeof s->realm || nonce.len > sizeof s->nonce)
        return false;
    memcpy(s->realm, realm.value, realm.len);
    s->realm[realm.len] = '\0';
    memcpy(s->nonce, nonce.value, nonce.len);
    s->nonce_len = nonce.len;
    return lm_turn_key(secret, s->realm, (const uint8_t *)s->username, strlen(s->username), s->key) == LM_OK;
}

bool turn_session_allocate(turn_session *s, int fd, const lm_addr *server, const char *secret,
                           const char *user)
{
    uint8_t buf[MESSAGE_MAX];
    lm_stun_msg answer;
    lm_stun_attribute relayed;
    char password[LM_TURN_PASSWORD_LEN + 1];
    memset(s, 0, sizeof *s);
    s->fd = fd;
    s->server = *server;
    if (lm_turn_credential(secret, user, (uint64_t)time(NULL) + 3600, s->username, password) != LM_OK)
        return failed(s, "no credential", 0);
    if (!request(s, LM_TURN_ALLOCATE, 0, NULL, buf, &answer))
        return failed(s, "no answer to Allocate", 0);
    if (lm_stun_error_number(&answer) == 401 &&
        (!take_challenge(s, &answer, secret) || !request(s, LM_TURN_ALLOCATE, 0, NULL, buf, &answer)))
        return failed(s, "no answer to Allocate with credentials", 0);
    if (answer.class != LM_STUN_SUCCESS || !attribute(&answer, LM_TURN_XOR_RELAYED_ADDRESS, &relayed) ||
        lm_stun_xor_address(&answer, relayed.value, relayed.len, &s->relayed) != LM_OK)
        return failed(s, "no allocation", lm_stun_error_number(&answer));
    return true;
}

bool turn_session_bind(turn_session *s, uint16_t channel, const lm_addr *peer)
{
    uint8_t buf[MESSAGE_MAX];
    lm_stun_msg answer;
    if (!request(s, LM_TURN_CHANNEL_BIND, channel, peer, buf, &answer))
        return failed(s, "no answer to ChannelBind", 0);
    if (answer.class != LM_STUN_SUCCESS)
        return failed(s, "no channel", lm_stun_error_number(&answer));
    return true;
}
