#include "common/error_text.h"

#include <stdio.h>

int lm_error_text_vset(lm_error_text *error, int code, const char *format, va_list args)
{
    if (error == NULL)
        return code;
    vsnprintf(error->text, sizeof error->text, format, args);
    for (char *p = error->text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
    return code;
}

int lm_error_text_set(lm_error_text *error, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    lm_error_text_vset(error, code, format, args);
    va_end(args);
    return code;
}
