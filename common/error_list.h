/*
 * Problems of one kind of work, where a person wants to hear of all of them at once rather than of the first:
 * settings, files. Each is one line of plain text, as lm_error_text has it.
 */
#ifndef LM_COMMON_ERROR_LIST_H
#define LM_COMMON_ERROR_LIST_H

#include "common/error_text.h"

#define LM_ERROR_LIST_MAX 32 /* problems that are told; the rest is counted */

/* Zero-initialise, and set tell and ctx if each is to be heard of. */
typedef struct lm_error_list {
    void (*tell)(void *ctx, const char *text); /* is told each up to LM_ERROR_LIST_MAX; may be NULL */
    void *ctx;
    unsigned count;
    int code; /* of the first, an LM_E…; LM_OK if there is none */
    lm_error_text first;
} lm_error_list;

/* Adds a problem and returns code. list may be NULL. */
int lm_error_list_add(lm_error_list *list, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The list as one error: LM_OK if it is empty, otherwise the first one's code, with a line in *error (may be
 * NULL) that says the first and how many more there are.
 */
int lm_error_list_result(const lm_error_list *list, lm_error_text *error);

#endif
