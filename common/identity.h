/*
 * The identity of a node: what makes a relay the same relay after a restart (protocol page, section 1). Four
 * files that are one set:
 *
 *     server.crt           certificate, PEM, self-signed, ECDSA P-256
 *     server.key           its key, PEM, private
 *     server.key.icepwd    ICE password, 32 hex digits, private; not used if the password is given
 *     node.key             Ed25519 seed, 32 bytes in base64url, private
 *
 * Either all of them are there and are loaded, or none is and a new set is made. Everything between is an
 * error that names the file: a node that replaced a part of its identity would lock out everyone who knows
 * the other parts.
 *
 * A set comes into being in this order, so that a kill or power cut at any moment leaves every file whole or
 * absent, and the next start goes on or begins anew:
 *
 *     1. each file under a staged name (<name>.new-<first 16 hex digits of the fingerprint>), and fsync
 *     2. fsync the directories
 *     3. rename to the final names, the certificate first, overwriting nothing; fsync the directories
 *
 * A start that finds no final name removes staged leftovers and begins anew (nobody has seen that identity
 * yet). One that finds the certificate and, under the names that carry its fingerprint, all that is missing,
 * finishes the renames.
 */
#ifndef LM_COMMON_IDENTITY_H
#define LM_COMMON_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/certificate.h"
#include "common/error_list.h"
#include "common/log.h"
#include "common/random.h"

#define LM_IDENTITY_ICE_PWD_MAX 256 /* characters (RFC 8445 section 5.3) */
#define LM_IDENTITY_SEED_LEN 32
#define LM_IDENTITY_PUBLIC_KEY_LEN 32

typedef struct lm_identity_config {
    const char *state_dir; /* where relative file names start; must exist */
    const char *cert_file; /* "server.crt" */
    const char *key_file;  /* "server.key"; the ICE password lies beside it, with ".icepwd" behind the name */
    const char *node_key_file; /* "node.key" */
    const char *ice_pwd; /* used instead of that file, at most LM_IDENTITY_ICE_PWD_MAX long; NULL, "": file */
    bool read_only;      /* makes nothing and finishes nothing that was interrupted */
    lm_error_list *errors; /* is told everything that is wrong, not only the first; may be NULL */
    lm_random random;
    const lm_log *log; /* for warnings about file modes; may be NULL */
} lm_identity_config;

typedef struct lm_identity {
    lm_certificate cert;
    lm_private_key key; /* of cert */
    char ice_pwd[LM_IDENTITY_ICE_PWD_MAX + 1];
    uint8_t node_seed[LM_IDENTITY_SEED_LEN];
    uint8_t node_public_key[LM_IDENTITY_PUBLIC_KEY_LEN]; /* Ed25519, belongs to node_seed */
    bool created; /* by this start, or begun by one that was interrupted */
} lm_identity;

/*
 * Loads the identity, or makes it on the first run. Call sodium_init() first. Free with lm_identity_clear().
 * Errors come with one line of text that names the file and says what to do: LM_EIO (cannot be read or
 * written, or is missing), LM_EMALFORMED (is something else), LM_EAUTH (key and certificate do not match),
 * LM_ENOTFOUND (read_only, and there is none yet that could not be made: its text says so), LM_EINVAL (two
 * options name one file), LM_EAGAIN (another process holds the lock), LM_ETOOBIG (path too
 * long), LM_ECRYPTO, LM_ENOMEM.
 */
int lm_identity_load(lm_identity *identity, const lm_identity_config *config, lm_error_text *error);

/* Wipes the secrets and frees; identity may be zeroed. */
void lm_identity_clear(lm_identity *identity);

#endif
