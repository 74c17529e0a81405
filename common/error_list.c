#include "common/error_list.h"

#include <stdarg.h>
#include <stddef.h>

#include "common/error.h"

int lm_error_list_add(lm_error_list *list, int code, const char *format, ...)
{
    lm_error_text error;
    va_list args;
    if (list == NULL)
        return code;
    va_start(args, format);
    lm_error_text_vset(&error, code, format, args);
    va_end(args);
    if (list->count++ == 0) {
        list->code = code;
        list->first = error;
    }
    if (list->tell != NULL && list->count <= LM_ERROR_LIST_MAX)
        list->tell(list->ctx, error.text);
    return code;
}

int lm_error_list_result(const lm_error_list *list, lm_error_text *error)
{
    unsigned more = list->count - 1;
    if (list->count == 0)
        return LM_OK;
    if (more == 0)
        return lm_error_text_set(error, list->code, "%s", list->first.text);
    return lm_error_text_set(error, list->code, "%.*s (and %u more: --check-config lists them)",
                             LM_ERROR_TEXT_SIZE - 64, list->first.text, more);
}
