#include "test/support/turn_client.h"

#undef NDEBUG
#include <assert.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

void turn_client_init(turn_client *c, const char *address, const char *server, const char *secret,
                      const char *user, uint64_t expiry)
{
    memset(c, 0, sizeof *c);
    assert(lm_addr_parse(&c->address, address) == LM_OK && lm_addr_parse(&c->server, server) == LM_OK);
    assert(lm_turn_credential(secret, user, expiry, c->username, c->password) == LM_OK);
}

void turn_client_set_transport(turn_client *c, lm_transport transport)
{
    c->address.transport = c->server.transport = (uint8_t)transport;
}

/* RFC 8489 section 9.2.2, from the password, as a client has it. */
static void make_key(turn_client *c)
{
    char text[sizeof c->username + sizeof c->realm + sizeof c->password + 2];
    int len = snprintf(text, sizeof text, "%s:%s:%s", c->username, c->realm, c->password);
    assert(mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_MD5), (uint8_t *)text, (size_t)len, c->key) == 0);
}

void turn_client_begin(turn_client *c, lm_stun_builder *b, uint8_t *buf, size_t cap, uint16_t method)
{
    lm_writer w = lm_writer_init(c->transaction, sizeof c->transaction);
    if (!c->repeat)
        c->transactions++;
    c->repeat = false;
    lm_write_u32(&w, c->address.port);
    lm_write_u64(&w, c->transactions);
    lm_stun_begin(b, buf, cap, method, LM_STUN_REQUEST, c->transaction);
}

static size_t finish(const turn_client *c, lm_stun_builder *b)
{
    int len = c->fingerprint ? lm_stun_finish(b) : lm_stun_finish_plain(b);
    assert(len > 0);
    return (size_t)len;
}

size_t turn_client_end(turn_client *c, lm_stun_builder *b)
{
    if (c->nonce[0] == '\0')
        return finish(c, b);
    make_key(c);
    lm_stun_add(b, LM_STUN_USERNAME, c->username, strlen(c->username));
    lm_stun_add(b, LM_STUN_REALM, c->realm, strlen(c->realm));
    lm_stun_add(b, LM_STUN_NONCE, c->nonce, strlen(c->nonce));
    if (c->sha256)
        lm_stun_add_integrity_sha256(b, c->key, sizeof c->key);
    else
        lm_stun_add_integrity_key(b, c->key, sizeof c->key);
    return finish(c, b);
}

size_t turn_client_allocate(turn_client *c, uint8_t *buf, const turn_client_wish *wish)
{
    static const turn_client_wish nothing;
    const turn_client_wish *w = wish != NULL ? wish : &nothing;
    lm_stun_builder b;
    turn_client_begin(c, &b, buf, TURN_CLIENT_REQUEST_MAX, LM_TURN_ALLOCATE);
    lm_stun_add_uint(&b, LM_TURN_REQUESTED_TRANSPORT,
                     (uint32_t)(w->transport != 0 ? w->transport : LM_TURN_TRANSPORT_UDP) << 24, 4);
    if (w->lifetime > 0)
        lm_stun_add_uint(&b, LM_TURN_LIFETIME, w->lifetime, 4);
    if (w->family > 0)
        lm_stun_add_uint(&b, LM_TURN_REQUESTED_ADDRESS_FAMILY, (uint32_t)w->family << 24, 4);
    if (w->even)
        lm_stun_add_uint(&b, LM_TURN_EVEN_PORT, w->next ? 0x80 : 0, 1);
    if (w->dont_fragment)
        lm_stun_add(&b, LM_TURN_DONT_FRAGMENT, "", 0);
    if (w->token != NULL)
        lm_stun_add(&b, LM_TURN_RESERVATION_TOKEN, w->token, LM_TURN_TOKEN_LEN);
    return turn_client_end(c, &b);
}

size_t turn_client_refresh(turn_client *c, uint8_t *buf, uint32_t lifetime)
{
    lm_stun_builder b;
    turn_client_begin(c, &b, buf, TURN_CLIENT_REQUEST_MAX, LM_TURN_REFRESH);
    lm_stun_add_uint(&b, LM_TURN_LIFETIME, lifetime, 4);
    return turn_client_end(c, &b);
}

size_t turn_client_permit(turn_client *c, uint8_t *buf, const lm_addr *peers, size_t count)
{
    lm_stun_builder b;
    turn_client_begin(c, &b, buf, TURN_CLIENT_REQUEST_MAX, LM_TURN_CREATE_PERMISSION);
    for (size_t i = 0; i < count; i++)
        lm_stun_add_xor_address(&b, LM_TURN_XOR_PEER_ADDRESS, &peers[i]);
    return turn_client_end(c, &b);
}

size_t turn_client_bind(turn_client *c, uint8_t *buf, uint16_t channel, const lm_addr *peer)
{
    lm_stun_builder b;
    turn_client_begin(c, &b, buf, TURN_CLIENT_REQUEST_MAX, LM_TURN_CHANNEL_BIND);
    lm_stun_add_uint(&b, LM_TURN_CHANNEL_NUMBER, (uint32_t)channel << 16, 4);
    lm_stun_add_xor_address(&b, LM_TURN_XOR_PEER_ADDRESS, peer);
    return turn_client_end(c, &b);
}

size_t turn_client_send(turn_client *c, uint8_t *buf, size_t cap, const lm_addr *peer, const void *data,
                        size_t len, bool dont_fragment)
{
    lm_stun_builder b;
    turn_client_begin(c, &b, buf, cap, LM_TURN_SEND_METHOD);
    buf[1] |= LM_STUN_INDICATION << 4;
    lm_stun_add_xor_address(&b, LM_TURN_XOR_PEER_ADDRESS, peer);
    if (dont_fragment)
        lm_stun_add(&b, LM_TURN_DONT_FRAGMENT, "", 0);
    lm_stun_add(&b, LM_TURN_DATA, data, len);
    return finish(c, &b);
}

size_t turn_client_channel_data(uint8_t *buf, size_t cap, uint16_t channel, const void *data, size_t len,
                                bool padded)
{
    size_t padding = padded ? (4 - len % 4) % 4 : 0;
    assert(LM_CHANNEL_HEADER_LEN + len + padding <= cap);
    lm_channel_data_write(buf, channel, len);
    if (len > 0)
        memcpy(buf + LM_CHANNEL_HEADER_LEN, data, len);
    memset(buf + LM_CHANNEL_HEADER_LEN + len, 0, padding);
    return LM_CHANNEL_HEADER_LEN + len + padding;
}

static void copy_text(char *text, size_t size, const uint8_t *value, size_t len)
{
    assert(len < size);
    memcpy(text, value, len);
    text[len] = '\0';
}

int turn_client_read(turn_client *c, turn_client_answer *answer, const uint8_t *data, size_t len)
{
    lm_stun_msg msg;
    lm_stun_attribute a;
    memset(answer, 0, sizeof *answer);
    if (lm_stun_parse(&msg, data, len) != LM_OK ||
        (msg.class != LM_STUN_SUCCESS && msg.class != LM_STUN_ERROR) ||
        memcmp(msg.transaction, c->transaction, sizeof c->transaction) != 0)
        return LM_EMALFORMED;
    if ((msg.integrity != NULL && lm_stun_check_integrity_key(&msg, c->key, sizeof c->key) != LM_OK) ||
        (msg.integrity_sha256 != NULL &&
         lm_stun_check_integrity_sha256(&msg, c->key, sizeof c->key) != LM_OK))
        return LM_EMALFORMED;
    answer->method = msg.method;
    answer->success = msg.class == LM_STUN_SUCCESS;
    answer->integrity = c->sha256 ? msg.integrity_sha256 != NULL : msg.integrity != NULL;
    answer->fingerprint = msg.fingerprint;
    answer->error = lm_stun_error_number(&msg);
    lm_stun_mapped_address(&msg, &answer->mapped);
    lm_stun_attributes all = lm_stun_attributes_of(&msg);
    while (lm_stun_next_attribute(&all, &a)) {
        lm_reader r = lm_reader_init(a.value, a.len);
        if (a.type == LM_STUN_ERROR_CODE) {
            answer->reason = a.len > 4;
        } else if (a.type == LM_STUN_REALM) {
            copy_text(c->realm, sizeof c->realm, a.value, a.len);
        } else if (a.type == LM_STUN_NONCE) {
            copy_text(c->nonce, sizeof c->nonce, a.value, a.len);
        } else if (a.type == LM_TURN_XOR_RELAYED_ADDRESS) {
            if (lm_stun_xor_address(&msg, a.value, a.len, &answer->relayed) != LM_OK)
                return LM_EMALFORMED;
            c->relayed = answer->relayed;
        } else if (a.type == LM_TURN_LIFETIME) {
            answer->lifetime = lm_read_u32(&r);
            answer->has_lifetime = true;
        } else if (a.type == LM_TURN_RESERVATION_TOKEN && a.len == LM_TURN_TOKEN_LEN) {
            memcpy(answer->token, a.value, a.len);
            answer->has_token = true;
        } else if (a.type == LM_STUN_UNKNOWN_ATTRIBUTES) {
            for (size_t i = 0; i < 8 && lm_reader_left(&r) > 0; i++)
                answer->unknown[i] = lm_read_u16(&r);
        }
    }
    return LM_OK;
}

int turn_client_read_data(uint16_t *channel, lm_addr *peer, const uint8_t **payload, size_t *payload_len,
                          const uint8_t *data, size_t len)
{
    lm_channel_data header;
    lm_stun_msg msg;
    lm_turn_message m;
    if (lm_channel_data_read(&header, data, len) == LM_OK) {
        *channel = header.number;
        *payload = data + LM_CHANNEL_HEADER_LEN;
        *payload_len = header.len;
        return LM_OK;
    }
    if (lm_stun_parse(&msg, data, len) != LM_OK || msg.method != LM_TURN_DATA_METHOD ||
        msg.class != LM_STUN_INDICATION || lm_turn_message_read(&m, &msg) != LM_OK || m.peer_count != 1 ||
        m.data == NULL)
        return LM_EMALFORMED;
    *channel = 0;
    *peer = m.peers[0];
    *payload = m.data;
    *payload_len = m.data_len;
    return LM_OK;
}
