/* What /statsz says, for people: the text of `lumamesh-relay status`. */
#ifndef LM_RELAY_STATUS_TEXT_H
#define LM_RELAY_STATUS_TEXT_H

#include <stddef.h>
#include <stdio.h>

/*
 * Writes the report (JSON, len bytes) as a dozen lines. What an older or newer relay does not tell counts as
 * 0. LM_EMALFORMED: not such a report.
 */
int lm_status_text(FILE *out, const char *json, size_t len);

#endif
