/* Error codes of the whole library: functions return 0 or one of these, all negative. */
#ifndef LM_COMMON_ERROR_H
#define LM_COMMON_ERROR_H

#include "common/api.h"

enum {
    LM_OK = 0,
    LM_EINVAL = -1,       /* an argument or a setting is not usable */
    LM_ENOMEM = -2,       /* out of memory */
    LM_EAGAIN = -3,       /* not possible now, try again later */
    LM_ELIMIT = -4,       /* a configured maximum is reached */
    LM_ENOTFOUND = -5,    /* no such thing */
    LM_EEXIST = -6,       /* there already */
    LM_EMALFORMED = -7,   /* bytes that do not follow their format */
    LM_EAUTH = -8,        /* integrity or signature check failed */
    LM_EIO = -9,          /* the operating system refused: see errno or the log */
    LM_ECRYPTO = -10,     /* a cryptographic library refused */
    LM_ECLOSED = -11,     /* the session or handle has ended */
    LM_ETOOBIG = -12,     /* does not fit the buffer or the protocol's limit */
    LM_EUNSUPPORTED = -13 /* understood, but not offered here */
};

/* The name and meaning of an LM_E… code, in English; never NULL, static storage. */
LM_API const char *lm_strerror(int error);

#endif
