#include "common/option_files.h"

#include <stdio.h>
#include <string.h>

#include "common/config_file.h"
#include "common/error.h"

#define NAME_SIZE 64

int lm_option_files_config(lm_option_files *files, lm_option_values *values, const char *path,
                           lm_error_list *errors)
{
    lm_error_text why;
    int result = lm_file_read(&files->config, path, LM_CONFIG_FILE_MAX, &why);
    if (result != LM_OK)
        return lm_error_list_add(errors, result, "%s", why.text);
    return lm_option_values_config(values, path, files->config.data, files->config.len, errors);
}

/* Reads the file that row `twin` names as the value of row `secret`. */
static int read_secret(lm_option_files *files, lm_option_values *values, size_t secret, size_t twin,
                       const char *dir, lm_error_list *errors)
{
    char place[LM_OPTION_PLACE_SIZE];
    lm_error_text why = {""};
    if (files->secrets == LM_OPTION_SECRETS_MAX)
        return lm_error_list_add(errors, LM_ELIMIT, "too many secrets come from files");
    lm_file *file = &files->secret[files->secrets];
    char *path = files->secret_path[files->secrets];
    int result = lm_path_join(path, dir, values->value[twin].text, &why);
    if (result == LM_OK)
        result = lm_file_read(file, path, LM_OPTION_SECRET_FILE_MAX, &why);
    if (result != LM_OK)
        return lm_error_list_add(errors, result, "%s: %s", lm_option_values_place(values, twin, place),
                                 why.text);
    files->secrets++;
    if (memchr(file->data, '\0', file->len) != NULL)
        return lm_error_list_add(errors, LM_EMALFORMED, "%s: there is a NUL byte in %s",
                                 lm_option_values_place(values, twin, place), path);
    if (file->data[file->len - 1] == '\n') /* the bytes stay in the file's length, so that they are wiped */
        file->data[file->len - 1] = '\0';
    values->value[secret].text = file->data;
    values->value[secret].source = LM_OPTION_SECRET_FILE;
    values->value[secret].path = path;
    return LM_OK;
}

int lm_option_files_secrets(lm_option_files *files, lm_option_values *values, const char *dir,
                            lm_error_list *errors)
{
    int first = LM_OK;
    for (size_t i = 0; i < values->len; i++) {
        char name[NAME_SIZE], places[2][LM_OPTION_PLACE_SIZE];
        size_t twin;
        if ((values->table[i].flags & LM_OPTION_SECRET) == 0 || values->table[i].missing != NULL)
            continue;
        snprintf(name, sizeof name, "%s_FILE", values->table[i].name);
        if (lm_option_values_find(values, name, &twin) == NULL || values->value[twin].text == NULL)
            continue;
        int result;
        if (values->value[i].text != NULL)
            result = lm_error_list_add(errors, LM_EINVAL, "%s and %s are both set: keep one of them",
                                       lm_option_values_place(values, i, places[0]),
                                       lm_option_values_place(values, twin, places[1]));
        else
            result = read_secret(files, values, i, twin, dir, errors);
        if (first == LM_OK)
            first = result;
    }
    return first;
}

void lm_option_files_clear(lm_option_files *files)
{
    lm_file_clear(&files->config);
    for (size_t i = 0; i < files->secrets; i++)
        lm_file_clear(&files->secret[i]);
    files->secrets = 0;
}
