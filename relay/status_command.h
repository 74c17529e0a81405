/* `lumamesh-relay status`: asks the running relay how it is, over HTTP, and prints that. */
#ifndef LM_RELAY_STATUS_COMMAND_H
#define LM_RELAY_STATUS_COMMAND_H

#include <stdbool.h>

#include "common/addr.h"
#include "common/error_text.h"

/* What the command's own arguments say. */
typedef struct lm_status_arguments {
    bool json;      /* --json: print the report as it comes */
    lm_addr health; /* --health ADDRESS:PORT; LM_AF_NONE: not given */
} lm_status_arguments;

/*
 * Takes the command's own arguments out of argv, and its name; what is left (argc and argv are changed) are
 * settings. LM_EINVAL with one line of text.
 */
int lm_status_arguments_take(lm_status_arguments *arguments, int *argc, char **argv, lm_error_text *error);

/* Fetches and prints. LM_EIO with one line of text when there is no relay at health, or no good answer. */
int lm_status_print(const lm_addr *health, bool json, lm_error_text *error);

#endif
