/* HKDF over SHA-256 (RFC 5869), on libsodium: keys from a secret that is no good key as it is. */
#ifndef LM_COMMON_HKDF_H
#define LM_COMMON_HKDF_H

#include <stddef.h>
#include <stdint.h>

#define LM_HKDF_OUT_MAX (255 * 32) /* bytes (RFC 5869 section 2.3) */

/*
 * Extracts from ikm with salt and expands with info into out_len bytes at out, which may overlap none of the
 * inputs. Each input may be empty, and NULL then. LM_ETOOBIG, with out untouched: out_len is over
 * LM_HKDF_OUT_MAX.
 */
int lm_hkdf_sha256(uint8_t *out, size_t out_len, const void *salt, size_t salt_len, const void *ikm,
                   size_t ikm_len, const void *info, size_t info_len);

#endif
