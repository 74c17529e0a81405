#include "common/error.h"

const char *lm_strerror(int error)
{
    switch (error) {
    case LM_OK:
        return "success";
    case LM_EINVAL:
        return "invalid argument";
    case LM_ENOMEM:
        return "out of memory";
    case LM_EAGAIN:
        return "not possible now";
    case LM_ELIMIT:
        return "limit reached";
    case LM_ENOTFOUND:
        return "not found";
    case LM_EEXIST:
        return "exists already";
    case LM_EMALFORMED:
        return "malformed input";
    case LM_EAUTH:
        return "integrity check failed";
    case LM_EIO:
        return "input/output error";
    case LM_ECRYPTO:
        return "cryptographic operation failed";
    case LM_ECLOSED:
        return "closed";
    case LM_ETOOBIG:
        return "too big";
    case LM_EUNSUPPORTED:
        return "not supported";
    default:
        return "unknown error";
    }
}
