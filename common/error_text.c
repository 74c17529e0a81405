#include "common/error_text.h"

#include <stdarg.h>
#include <stdio.h>

int lm_error_text_set(lm_error_text *error, int code, const char *format, ...)
{
    va_list args;
    if (error == NULL)
        return code;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    for (char *p = error->text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
    return code;
}
