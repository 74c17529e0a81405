#include "webrtc/stun.h"

#include <mbedtls/md.h>
#include <sodium.h>
#include <string.h>

#include "common/error.h"

/* RFC 8489 section 14.7: "XOR'ed with the 32-bit value 0x5354554e" ("STUN"). */
#define FINGERPRINT_XOR 0x5354554Eu
#define FINGERPRINT_ATTRIBUTE_LEN 8

/* CRC-32 of ISO 3309, as ITU-T V.42 has it; nibble by nibble, since the messages are short. */
static uint32_t crc32(const uint8_t *data, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/*
 * HMAC over the message up to `covered` bytes, with the header's length field as if the message ended with an
 * integrity attribute of value_len bytes after them: RFC 8489 section 14.5 has the length count the attribute
 * itself, but nothing behind it. mac gets the hash's whole length.
 */
static int integrity(mbedtls_md_type_t hash, const uint8_t *bytes, size_t covered, size_t value_len,
                     const uint8_t *key, size_t key_len, uint8_t *mac)
{
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(hash);
    uint8_t header[LM_STUN_HEADER_LEN];
    size_t length = covered + 4 + value_len - LM_STUN_HEADER_LEN;
    mbedtls_md_context_t md;
    int failed;

    memcpy(header, bytes, sizeof header);
    header[2] = (uint8_t)(length >> 8);
    header[3] = (uint8_t)length;

    mbedtls_md_init(&md);
    failed = info == NULL || mbedtls_md_setup(&md, info, 1) != 0 ||
             mbedtls_md_hmac_starts(&md, key, key_len) != 0 ||
             mbedtls_md_hmac_update(&md, header, sizeof header) != 0 ||
             mbedtls_md_hmac_update(&md, bytes + sizeof header, covered - sizeof header) != 0 ||
             mbedtls_md_hmac_finish(&md, mac) != 0;
    mbedtls_md_free(&md);
    return failed ? LM_ECRYPTO : LM_OK;
}

/* Takes one attribute into msg. False when its value cannot be right. */
static bool take_attribute(lm_stun_msg *msg, uint16_t type, const uint8_t *value, size_t len)
{
    lm_reader r = lm_reader_init(value, len);
    switch (type) {
    case LM_STUN_USERNAME:
        if (len > 513) /* RFC 8489 section 14.3: "fewer than 509 bytes", 513 in RFC 5389 */
            return false;
        msg->username = value;
        msg->username_len = len;
        return true;
    case LM_STUN_MESSAGE_INTEGRITY:
        msg->integrity = value;
        return len == LM_STUN_INTEGRITY_LEN;
    case LM_STUN_MESSAGE_INTEGRITY_SHA256:
        msg->integrity_sha256 = value;
        msg->integrity_sha256_len = len;
        return len >= LM_STUN_SHA256_MIN && len <= LM_STUN_SHA256_LEN && len % 4 == 0;
    case LM_STUN_ERROR_CODE:
        msg->error = value;
        return len >= 4;
    case LM_STUN_XOR_MAPPED_ADDRESS:
        msg->mapped = value;
        msg->mapped_len = len;
        return true;
    case LM_STUN_PRIORITY:
        msg->priority = lm_read_u32(&r);
        return len == 4;
    case LM_STUN_USE_CANDIDATE:
        msg->use_candidate = true;
        return len == 0;
    case LM_STUN_ICE_CONTROLLING:
    case LM_STUN_ICE_CONTROLLED:
        msg->tie_breaker = lm_read_u64(&r);
        msg->controlling = type == LM_STUN_ICE_CONTROLLING;
        msg->controlled = type == LM_STUN_ICE_CONTROLLED;
        return len == 8;
    case LM_STUN_MAPPED_ADDRESS:
    case LM_STUN_UNKNOWN_ATTRIBUTES:
        return true; /* known, of no use in a Binding request */
    default:
        if (type < 0x8000 && msg->unknown_count < LM_STUN_UNKNOWN_MAX)
            msg->unknown[msg->unknown_count++] = type;
        return true;
    }
}

/* True when an attribute counts although an integrity attribute is before it (RFC 8489 section 14.5). */
static bool counts(const lm_stun_msg *msg, uint16_t type)
{
    if (msg->integrity_sha256 != NULL)
        return false;
    return msg->integrity == NULL || type == LM_STUN_MESSAGE_INTEGRITY_SHA256;
}

int lm_stun_parse(lm_stun_msg *msg, const uint8_t *data, size_t len)
{
    lm_reader r = lm_reader_init(data, len);
    lm_stun_msg m = {.bytes = data, .len = len};
    size_t attributes = 0;

    uint16_t type = lm_read_u16(&r);
    uint16_t body_len = lm_read_u16(&r);
    uint32_t cookie = lm_read_u32(&r);
    m.transaction = lm_read_bytes(&r, LM_STUN_TRANSACTION_LEN);
    if (r.failed || type > 0x3FFF || cookie != LM_STUN_COOKIE || body_len % 4 != 0 ||
        body_len != lm_reader_left(&r))
        return LM_EMALFORMED;

    /* RFC 8489 section 5: the class bits C1 and C0 sit between the method's bits. */
    m.class = (lm_stun_class)((type >> 7 & 2) | (type >> 4 & 1));
    m.method = lm_stun_method(type);

    while (lm_reader_left(&r) > 0) {
        size_t offset = (size_t)(r.pos - data);
        uint16_t attribute = lm_read_u16(&r);
        uint16_t value_len = lm_read_u16(&r);
        const uint8_t *value = lm_read_bytes(&r, value_len);
        lm_read_bytes(&r, (4 - value_len % 4) % 4);
        if (r.failed || ++attributes > LM_STUN_ATTRIBUTES_MAX)
            return LM_EMALFORMED;

        if (attribute == LM_STUN_FINGERPRINT) {
            lm_reader f = lm_reader_init(value, value_len);
            if (value_len != 4 || lm_reader_left(&r) != 0 ||
                lm_read_u32(&f) != (crc32(data, offset) ^ FINGERPRINT_XOR))
                return LM_EMALFORMED;
            m.fingerprint = true;
        } else if (counts(&m, attribute) && !take_attribute(&m, attribute, value, value_len)) {
            return LM_EMALFORMED;
        }
    }
    *msg = m;
    return LM_OK;
}

lm_stun_attributes lm_stun_attributes_of(const lm_stun_msg *msg)
{
    const uint8_t *start = msg->bytes + LM_STUN_HEADER_LEN, *end = msg->bytes + msg->len;
    if (msg->integrity != NULL)
        end = msg->integrity - 4;
    else if (msg->integrity_sha256 != NULL)
        end = msg->integrity_sha256 - 4;
    else if (msg->fingerprint)
        end -= FINGERPRINT_ATTRIBUTE_LEN;
    return (lm_stun_attributes){.r = lm_reader_init(start, (size_t)(end - start))};
}

bool lm_stun_next_attribute(lm_stun_attributes *attributes, lm_stun_attribute *attribute)
{
    lm_reader *r = &attributes->r;
    if (lm_reader_left(r) == 0)
        return false;
    attribute->type = lm_read_u16(r);
    attribute->len = lm_read_u16(r);
    attribute->value = lm_read_bytes(r, attribute->len);
    lm_read_bytes(r, (4 - attribute->len % 4) % 4);
    return true;
}

/* Compares an integrity attribute's value, which may be NULL and may be cut, with what it has to be. */
static int check(const lm_stun_msg *msg, mbedtls_md_type_t hash, const uint8_t *value, size_t value_len,
                 const uint8_t *key, size_t key_len)
{
    uint8_t mac[LM_STUN_SHA256_LEN];
    if (value == NULL)
        return LM_EAUTH;
    size_t covered = (size_t)(value - 4 - msg->bytes);
    int error = integrity(hash, msg->bytes, covered, value_len, key, key_len, mac);
    if (error != LM_OK)
        return error;
    return sodium_memcmp(mac, value, value_len) == 0 ? LM_OK : LM_EAUTH;
}

int lm_stun_check_integrity_key(const lm_stun_msg *msg, const uint8_t *key, size_t key_len)
{
    return check(msg, MBEDTLS_MD_SHA1, msg->integrity, LM_STUN_INTEGRITY_LEN, key, key_len);
}

int lm_stun_check_integrity(const lm_stun_msg *msg, const char *password)
{
    return lm_stun_check_integrity_key(msg, (const uint8_t *)password, strlen(password));
}

int lm_stun_check_integrity_sha256(const lm_stun_msg *msg, const uint8_t *key, size_t key_len)
{
    return check(msg, MBEDTLS_MD_SHA256, msg->integrity_sha256, msg->integrity_sha256_len, key, key_len);
}

/* XORs the address bytes with cookie and transaction id, both ways (RFC 8489 section 14.2). */
static void xor_ip(uint8_t *ip, size_t len, const uint8_t *transaction)
{
    for (size_t i = 0; i < len; i++)
        ip[i] ^= i < 4 ? (uint8_t)(LM_STUN_COOKIE >> (24 - 8 * i)) : transaction[i - 4];
}

int lm_stun_xor_address(const lm_stun_msg *msg, const uint8_t *bytes, size_t len, lm_addr *addr)
{
    lm_reader r = lm_reader_init(bytes, len);
    lm_read_u8(&r);
    uint8_t family = lm_read_u8(&r);
    uint16_t port = lm_read_u16(&r) ^ (uint16_t)(LM_STUN_COOKIE >> 16);
    size_t ip_len = family == 1 ? 4 : 16;
    const uint8_t *value = lm_read_bytes(&r, ip_len);
    uint8_t ip[16];
    if (r.failed || (family != 1 && family != 2) || lm_reader_left(&r) != 0)
        return LM_EMALFORMED;
    memcpy(ip, value, ip_len);
    xor_ip(ip, ip_len, msg->transaction);
    lm_addr_set(addr, ip, ip_len, port);
    return LM_OK;
}

int lm_stun_mapped_address(const lm_stun_msg *msg, lm_addr *addr)
{
    return msg->mapped == NULL ? LM_ENOTFOUND : lm_stun_xor_address(msg, msg->mapped, msg->mapped_len, addr);
}

unsigned lm_stun_error_number(const lm_stun_msg *msg)
{
    unsigned hundreds = msg->error == NULL ? 0 : msg->error[2] & 7u;
    return hundreds < 3 || hundreds > 6 || msg->error[3] > 99 ? 0 : hundreds * 100 + msg->error[3];
}

void lm_stun_begin(lm_stun_builder *b, uint8_t *buf, size_t cap, uint16_t method, lm_stun_class class,
                   const uint8_t transaction[LM_STUN_TRANSACTION_LEN])
{
    unsigned c = (unsigned)class;
    b->w = lm_writer_init(buf, cap);
    lm_write_u16(&b->w, (uint16_t)((method & 0x000F) | (method & 0x0070) << 1 | (method & 0x0F80) << 2 |
                                   (c & 1) << 4 | (c & 2) << 7));
    lm_write_u16(&b->w, 0);
    lm_write_u32(&b->w, LM_STUN_COOKIE);
    lm_write_bytes(&b->w, transaction, LM_STUN_TRANSACTION_LEN);
}

void lm_stun_add(lm_stun_builder *b, uint16_t type, const void *value, size_t len)
{
    static const uint8_t padding[3];
    lm_write_u16(&b->w, type);
    lm_write_u16(&b->w, (uint16_t)len);
    lm_write_bytes(&b->w, value, len);
    lm_write_bytes(&b->w, padding, (4 - len % 4) % 4);
}

void lm_stun_add_uint(lm_stun_builder *b, uint16_t type, uint64_t value, size_t len)
{
    uint8_t bytes[8];
    lm_writer w = lm_writer_init(bytes, sizeof bytes);
    lm_write_uint(&w, value, len);
    lm_stun_add(b, type, bytes, len);
}

void lm_stun_add_xor_address(lm_stun_builder *b, uint16_t type, const lm_addr *addr)
{
    uint8_t value[20];
    size_t ip_len = lm_addr_ip_len(addr);
    if (b->w.len < LM_STUN_HEADER_LEN)
        return;
    value[0] = 0;
    value[1] = ip_len == 4 ? 1 : 2;
    value[2] = (uint8_t)(addr->port >> 8 ^ LM_STUN_COOKIE >> 24);
    value[3] = (uint8_t)(addr->port ^ (LM_STUN_COOKIE >> 16));
    memcpy(value + 4, addr->ip, ip_len);
    xor_ip(value + 4, ip_len, b->w.start + 8);
    lm_stun_add(b, type, value, 4 + ip_len);
}

void lm_stun_add_error(lm_stun_builder *b, unsigned number, const char *reason)
{
    uint8_t value[4 + 128] = {0, 0, (uint8_t)(number / 100), (uint8_t)(number % 100)};
    size_t len = strlen(reason);
    if (len > sizeof value - 4)
        len = sizeof value - 4;
    memcpy(value + 4, reason, len);
    lm_stun_add(b, LM_STUN_ERROR_CODE, value, 4 + len);
}

/* Sets the header's length as if `more` bytes followed what is written. */
static void set_length(lm_stun_builder *b, size_t more)
{
    if (b->w.len < LM_STUN_HEADER_LEN)
        return;
    size_t length = b->w.len - LM_STUN_HEADER_LEN + more;
    b->w.start[2] = (uint8_t)(length >> 8);
    b->w.start[3] = (uint8_t)length;
}

static void add_integrity(lm_stun_builder *b, mbedtls_md_type_t hash, uint16_t type, size_t value_len,
                          const uint8_t *key, size_t key_len)
{
    uint8_t mac[LM_STUN_SHA256_LEN];
    if (b->w.failed || integrity(hash, b->w.start, b->w.len, value_len, key, key_len, mac) != LM_OK) {
        b->w.failed = true;
        return;
    }
    lm_stun_add(b, type, mac, value_len);
}

void lm_stun_add_integrity_key(lm_stun_builder *b, const uint8_t *key, size_t key_len)
{
    add_integrity(b, MBEDTLS_MD_SHA1, LM_STUN_MESSAGE_INTEGRITY, LM_STUN_INTEGRITY_LEN, key, key_len);
}

void lm_stun_add_integrity(lm_stun_builder *b, const char *password)
{
    lm_stun_add_integrity_key(b, (const uint8_t *)password, strlen(password));
}

void lm_stun_add_integrity_sha256(lm_stun_builder *b, const uint8_t *key, size_t key_len)
{
    add_integrity(b, MBEDTLS_MD_SHA256, LM_STUN_MESSAGE_INTEGRITY_SHA256, LM_STUN_SHA256_LEN, key, key_len);
}

int lm_stun_finish(lm_stun_builder *b)
{
    if (b->w.failed)
        return LM_ETOOBIG;
    set_length(b, FINGERPRINT_ATTRIBUTE_LEN);
    lm_stun_add_uint(b, LM_STUN_FINGERPRINT, crc32(b->w.start, b->w.len) ^ FINGERPRINT_XOR, 4);
    return b->w.failed ? LM_ETOOBIG : (int)b->w.len;
}

int lm_stun_finish_plain(lm_stun_builder *b)
{
    if (b->w.failed)
        return LM_ETOOBIG;
    set_length(b, 0);
    return (int)b->w.len;
}
