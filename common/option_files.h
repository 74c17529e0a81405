/*
 * What options come from besides the environment and the flags: the config file, and the files that hold
 * secrets. Their texts are borrowed by lm_option_values, so they are kept here until everything is parsed.
 */
#ifndef LM_COMMON_OPTION_FILES_H
#define LM_COMMON_OPTION_FILES_H

#include "common/file.h"
#include "common/options.h"

#define LM_OPTION_SECRETS_MAX 8        /* secret rows of a table */
#define LM_OPTION_SECRET_FILE_MAX 4096 /* bytes of a file that holds one */

/* Zero-initialise; lm_option_files_clear() wipes and frees. */
typedef struct lm_option_files {
    lm_file config;
    lm_file secret[LM_OPTION_SECRETS_MAX];
    char secret_path[LM_OPTION_SECRETS_MAX][LM_PATH_SIZE];
    size_t secrets;
} lm_option_files;

/* Reads a config file and lays it over what is there. Errors are as lm_file_read()'s and
 * lm_option_values_config()'s. */
int lm_option_files_config(lm_option_files *files, lm_option_values *values, const char *path,
                           lm_error_list *errors);

/*
 * Once all layers are laid: reads each secret whose twin <NAME>_FILE names a file, relative to dir, and takes
 * one line end from its end. LM_EINVAL: a secret and its twin are both set; otherwise as lm_file_read(). What
 * is wrong with one does not keep the others from being read.
 */
int lm_option_files_secrets(lm_option_files *files, lm_option_values *values, const char *dir,
                            lm_error_list *errors);

void lm_option_files_clear(lm_option_files *files);

#endif
