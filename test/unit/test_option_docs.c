/*
 * The pages that list the settings are written from the table that the daemon reads them by: docs/options.md,
 * the man pages, and the config file that is installed. Here each is compared with it, between the lines that
 * say "begin" and "end"; LM_REGENERATE=1 in the environment writes that part anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/settings.h"

#define ROOT LM_TEST_DATA "/../../"
#define PAGE_MAX (64 * 1024)
#define BEGIN "begin: written by test_option_docs"
#define END "end: written by test_option_docs"

typedef void writer(FILE *out, const lm_option *option, const char *accepts);

/* Text of a man page: a hyphen is one to copy, and no line is a request. */
static void roff(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else
            fputc(*text, out);
    }
}

/* Text between bars of a table. */
static void markdown(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        fprintf(out, *text == '|' ? "\\%c" : "%c", *text);
}

static bool has_default(const lm_option *option)
{
    return option->fallback != NULL && (option->flags & LM_OPTION_SECRET) == 0;
}

static void write_markdown(FILE *out, const lm_option *option, const char *accepts)
{
    char flag[LM_OPTION_FLAG_SIZE];
    lm_option_flag(flag, option);
    if ((option->flags & LM_OPTION_COMMAND) != 0)
        return;
    fprintf(out, "| `%s` | `%s` | %s%s%s | ", option->name, flag, has_default(option) ? "`" : "",
            has_default(option) ? option->fallback : "", has_default(option) ? "`" : "");
    markdown(out, option->help);
    fputs(" | ", out);
    markdown(out, accepts);
    fputs(" |\n", out);
}

static void write_flag(FILE *out, const lm_option *option, const char *accepts)
{
    char flag[LM_OPTION_FLAG_SIZE];
    lm_option_flag(flag, option);
    (void)accepts;
    fputs(".TP\n.B ", out);
    roff(out, flag);
    if (option->type->value != NULL) {
        fputs("\\fR=\\fI", out);
        roff(out, option->type->value);
    }
    fputc('\n', out);
    roff(out, option->help);
    fputs(".\n", out);
}

static void write_key(FILE *out, const lm_option *option, const char *accepts)
{
    if ((option->flags & (LM_OPTION_COMMAND | LM_OPTION_NOT_IN_FILE)) != 0)
        return;
    fprintf(out, ".TP\n.B %s\n", option->name);
    roff(out, option->help);
    fputs(".\nAccepted: ", out);
    roff(out, accepts);
    fputs(".\n", out);
    if (!has_default(option))
        return;
    fputs("Default:\n.BR ", out);
    roff(out, option->fallback);
    fputs(" .\n", out);
}

static void write_line(FILE *out, const lm_option *option, const char *accepts)
{
    if ((option->flags & (LM_OPTION_COMMAND | LM_OPTION_NOT_IN_FILE)) != 0)
        return;
    fprintf(out, "\n# %s:\n# %s\n#%s=%s\n", option->help, accepts, option->name,
            has_default(option) ? option->fallback : "");
}

/* A whole file; the caller frees it. */
static char *read_page(const char *name)
{
    char path[512], *text = calloc(1, PAGE_MAX + 1);
    snprintf(path, sizeof path, ROOT "%s", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    size_t len = fread(text, 1, PAGE_MAX, in);
    assert_in_range(len, 1, PAGE_MAX - 1);
    fclose(in);
    return text;
}

static char *after_line(char *text, const char *mark)
{
    char *at = strstr(text, mark);
    assert_non_null(at);
    at = strchr(at, '\n');
    assert_non_null(at);
    return at + 1;
}

/* The page with what is between its marks written by `write`. */
static char *make_page(const char *page, writer *write)
{
    char *copy = strdup(page), *text = NULL;
    size_t len, rows;
    const lm_option *table = lm_settings_table(&rows);
    FILE *out = open_memstream(&text, &len);
    char *begin = after_line(copy, BEGIN), *end = strstr(begin, END);
    assert_non_null(end);
    while (end > begin && end[-1] != '\n')
        end--;
    fwrite(copy, 1, (size_t)(begin - copy), out);
    for (size_t i = 0; i < rows; i++) {
        char accepts[256];
        lm_option_accepts(&table[i], accepts, sizeof accepts);
        write(out, &table[i], accepts);
    }
    fputs(end, out);
    fclose(out);
    free(copy);
    return text;
}

static void compare(const char *name, writer *write)
{
    char *page = read_page(name), *expected = make_page(page, write);
    if (getenv("LM_REGENERATE") != NULL) {
        char path[512];
        snprintf(path, sizeof path, ROOT "%s", name);
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(expected, out);
        fclose(out);
        free(page);
        page = read_page(name);
    }
    assert_string_equal(page, expected);
    free(page);
    free(expected);
}

static void test_options_md(void **state)
{
    (void)state;
    compare("docs/options.md", write_markdown);
}

static void test_man_page_of_the_daemon(void **state)
{
    (void)state;
    compare("packaging/man/lumamesh-relay.8", write_flag);
}

static void test_man_page_of_the_file(void **state)
{
    (void)state;
    compare("packaging/man/relay.conf.5", write_key);
}

static void test_config_file(void **state)
{
    (void)state;
    compare("packaging/relay.conf", write_line);
}

/* README.md tells more of each, in its own words; the defaults that stand there alone are the table's. */
static void test_readme_defaults(void **state)
{
    (void)state;
    char *page = read_page("README.md");
    size_t rows, seen = 0;
    const lm_option *table = lm_settings_table(&rows);
    for (size_t i = 0; i < rows; i++) {
        char begin[128];
        if (!has_default(&table[i]))
            continue;
        snprintf(begin, sizeof begin, "\n| `%s` | ", table[i].name);
        const char *row = strstr(page, begin);
        if (row == NULL)
            continue; /* in one row with others */
        row += strlen(begin);
        size_t len = strlen(table[i].fallback);
        if (strncmp(row, table[i].fallback, len) != 0 || strncmp(row + len, " |", 2) != 0)
            fail_msg("README.md: %s has another default than %s", table[i].name, table[i].fallback);
        seen++;
    }
    assert_true(seen > 25);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_md),           cmocka_unit_test(test_man_page_of_the_daemon),
        cmocka_unit_test(test_man_page_of_the_file), cmocka_unit_test(test_config_file),
        cmocka_unit_test(test_readme_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
