#include "common/version.h"

const char *lm_version(void)
{
    return LM_VERSION;
}
