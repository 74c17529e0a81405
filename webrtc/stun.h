/*
 * STUN messages (RFC 8489): parsing, checking and building. Nothing is allocated; a parsed message points
 * into the datagram.
 *
 *     0                   1                   2                   3
 *     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *    |0 0|     STUN Message Type     |         Message Length        |
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *    |                         Magic Cookie                          |
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *    |                     Transaction ID (96 bits)                  |
 *    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#ifndef LM_WEBRTC_STUN_H
#define LM_WEBRTC_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/bytes.h"

#define LM_STUN_HEADER_LEN 20
#define LM_STUN_COOKIE 0x2112A442u
#define LM_STUN_TRANSACTION_LEN 12
#define LM_STUN_INTEGRITY_LEN 20 /* HMAC-SHA1 */
#define LM_STUN_SHA256_LEN 32    /* HMAC-SHA256; messages may cut it down to 16 (RFC 8489 section 14.6) */
#define LM_STUN_SHA256_MIN 16
#define LM_STUN_BINDING 0x001 /* the method */

/* Largest message built here: answers of the relay, all of known attributes. */
#define LM_STUN_ANSWER_MAX 256

/* More attributes than this make a message malformed; browsers send eight. */
#define LM_STUN_ATTRIBUTES_MAX 64

/* Most unknown attributes that an error 420 names. */
#define LM_STUN_UNKNOWN_MAX 8

typedef enum lm_stun_class {
    LM_STUN_REQUEST = 0,
    LM_STUN_INDICATION = 1,
    LM_STUN_SUCCESS = 2,
    LM_STUN_ERROR = 3
} lm_stun_class;

/* Attribute types; those below 0x8000 are comprehension-required. */
enum {
    LM_STUN_MAPPED_ADDRESS = 0x0001,
    LM_STUN_USERNAME = 0x0006,
    LM_STUN_MESSAGE_INTEGRITY = 0x0008,
    LM_STUN_ERROR_CODE = 0x0009,
    LM_STUN_UNKNOWN_ATTRIBUTES = 0x000A,
    LM_STUN_REALM = 0x0014,
    LM_STUN_NONCE = 0x0015,
    LM_STUN_MESSAGE_INTEGRITY_SHA256 = 0x001C,
    LM_STUN_XOR_MAPPED_ADDRESS = 0x0020,
    LM_STUN_PRIORITY = 0x0024,      /* RFC 8445 section 16.1 */
    LM_STUN_USE_CANDIDATE = 0x0025, /* RFC 8445 section 16.1 */
    LM_STUN_SOFTWARE = 0x8022,
    LM_STUN_FINGERPRINT = 0x8028,
    LM_STUN_ICE_CONTROLLED = 0x8029, /* RFC 8445 section 16.1 */
    LM_STUN_ICE_CONTROLLING = 0x802A /* RFC 8445 section 16.1 */
};

/* A parsed message; pointers are into the parsed bytes, NULL where the attribute is absent. */
typedef struct lm_stun_msg {
    const uint8_t *bytes;
    size_t len; /* of the whole message, header included */
    uint16_t method;
    lm_stun_class class;
    const uint8_t *transaction; /* LM_STUN_TRANSACTION_LEN */
    const uint8_t *username;
    size_t username_len;
    const uint8_t *integrity;        /* value of MESSAGE-INTEGRITY */
    const uint8_t *integrity_sha256; /* value of MESSAGE-INTEGRITY-SHA256 */
    size_t integrity_sha256_len;     /* LM_STUN_SHA256_MIN to LM_STUN_SHA256_LEN */
    bool fingerprint;                /* it has one, and that is right */
    const uint8_t *error;            /* value of ERROR-CODE, at least 4 bytes */
    const uint8_t *mapped;           /* value of XOR-MAPPED-ADDRESS */
    size_t mapped_len;
    uint32_t priority;
    uint64_t tie_breaker; /* of ICE-CONTROLLING or ICE-CONTROLLED */
    bool use_candidate;
    bool controlling;
    bool controlled;
    uint16_t unknown[LM_STUN_UNKNOWN_MAX]; /* comprehension-required types not known here */
    size_t unknown_count;
} lm_stun_msg;

/*
 * Parses a whole message (RFC 8489 sections 5 and 14). Attributes after MESSAGE-INTEGRITY are ignored but for
 * MESSAGE-INTEGRITY-SHA256, and after that all but FINGERPRINT (sections 14.5, 14.6); a FINGERPRINT that is
 * there must be last and right (section 14.7). Of an attribute that is there twice the last one counts.
 * LM_EMALFORMED.
 */
int lm_stun_parse(lm_stun_msg *msg, const uint8_t *data, size_t len);

/* The method in a message's type, whose class bits sit between those of the method (section 5). */
static inline uint16_t lm_stun_method(uint16_t type)
{
    return (uint16_t)((type & 0x000F) | (type >> 1 & 0x0070) | (type >> 2 & 0x0F80));
}

/* An attribute as it lies in its message. */
typedef struct lm_stun_attribute {
    uint16_t type;
    const uint8_t *value;
    size_t len; /* without padding */
} lm_stun_attribute;

/* Goes through a parsed message's attributes, without those that are ignored, integrities and FINGERPRINT. */
typedef struct lm_stun_attributes {
    lm_reader r;
} lm_stun_attributes;

lm_stun_attributes lm_stun_attributes_of(const lm_stun_msg *msg);

/* False when there are no more. */
bool lm_stun_next_attribute(lm_stun_attributes *attributes, lm_stun_attribute *attribute);

/*
 * Checks MESSAGE-INTEGRITY under a short-term credential's password (RFC 8489 section 14.5). LM_EAUTH if it
 * is absent or wrong, LM_ECRYPTO.
 */
int lm_stun_check_integrity(const lm_stun_msg *msg, const char *password);

/* The same under the key of a long-term credential (section 9.2.2), which is bytes. */
int lm_stun_check_integrity_key(const lm_stun_msg *msg, const uint8_t *key, size_t key_len);

/* Checks MESSAGE-INTEGRITY-SHA256 (section 14.6), likewise. */
int lm_stun_check_integrity_sha256(const lm_stun_msg *msg, const uint8_t *key, size_t key_len);

/* The address in XOR-MAPPED-ADDRESS (RFC 8489 section 14.2). LM_ENOTFOUND, LM_EMALFORMED. */
int lm_stun_mapped_address(const lm_stun_msg *msg, lm_addr *addr);

/* The address in any attribute of that form. LM_EMALFORMED. */
int lm_stun_xor_address(const lm_stun_msg *msg, const uint8_t *value, size_t len, lm_addr *addr);

/* The number in ERROR-CODE, 300 to 699; 0 if the message has none that is right. */
unsigned lm_stun_error_number(const lm_stun_msg *msg);

/*
 * Building: begin, add attributes, then the integrity if wanted, then the fingerprint. Every function may run
 * out of room; lm_stun_finish() tells.
 */
typedef struct lm_stun_builder {
    lm_writer w;
} lm_stun_builder;

void lm_stun_begin(lm_stun_builder *b, uint8_t *buf, size_t cap, uint16_t method, lm_stun_class class,
                   const uint8_t transaction[LM_STUN_TRANSACTION_LEN]);
void lm_stun_add(lm_stun_builder *b, uint16_t type, const void *value, size_t len);
void lm_stun_add_uint(lm_stun_builder *b, uint16_t type, uint64_t value, size_t len);
void lm_stun_add_xor_address(lm_stun_builder *b, uint16_t type, const lm_addr *addr);
/* number 300 to 699 with its reason phrase */
void lm_stun_add_error(lm_stun_builder *b, unsigned number, const char *reason);
void lm_stun_add_integrity(lm_stun_builder *b, const char *password);
void lm_stun_add_integrity_key(lm_stun_builder *b, const uint8_t *key, size_t key_len);
void lm_stun_add_integrity_sha256(lm_stun_builder *b, const uint8_t *key, size_t key_len);
/* Adds FINGERPRINT and returns the message's length, LM_ETOOBIG if something did not fit. */
int lm_stun_finish(lm_stun_builder *b);
/* The same without FINGERPRINT. */
int lm_stun_finish_plain(lm_stun_builder *b);

#endif
