/*
 * The explanation that goes with an LM_E… code where a person has to act on it: one line of plain text, ready
 * to be printed.
 */
#ifndef LM_COMMON_ERROR_TEXT_H
#define LM_COMMON_ERROR_TEXT_H

#include <stdarg.h>

#include "common/api.h"

#define LM_ERROR_TEXT_SIZE 2048 /* bytes with the NUL; longer texts are cut */

typedef struct lm_error_text {
    char text[LM_ERROR_TEXT_SIZE];
} lm_error_text;

/*
 * Writes the text and returns code, so that a failure is one statement. Control characters become '?': file
 * names and settings come from outside, and the text has to stay one line. error may be NULL.
 */
LM_API int lm_error_text_set(lm_error_text *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with the arguments of a function that takes as many. */
LM_API int lm_error_text_vset(lm_error_text *error, int code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
