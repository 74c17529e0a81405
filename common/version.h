/* The version of the library that runs, which may be newer than the headers. */
#ifndef LM_COMMON_VERSION_H
#define LM_COMMON_VERSION_H

#include "common/api.h"

/* "0.1.0"; static storage. */
LM_API const char *lm_version(void);

#endif
