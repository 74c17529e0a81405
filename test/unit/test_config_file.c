/* Config files: what systemd.exec(5) says of EnvironmentFile=, and what is an error beyond it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_file.h"
#include "common/error.h"

/* "KEY=value|error LINE: why|KEY=value|" for a text of len bytes. */
static const char *read_bytes(const char *text, size_t len)
{
    static char all[1024];
    lm_config_parser parser;
    lm_config_assignment got;
    const char *why = NULL;
    int result;
    char *copy = malloc(len + 1); /* exact, so that a sanitizer sees a step beyond the end */
    assert_non_null(copy);
    memcpy(copy, text, len);
    copy[len] = '\0';
    all[0] = '\0';
    lm_config_parser_init(&parser, copy, len);
    while ((result = lm_config_parser_next(&parser, &got, &why)) != 0) {
        size_t used = strlen(all);
        assert_true(result == 1 || result == LM_EMALFORMED);
        if (result == 1)
            snprintf(all + used, sizeof all - used, "%s=%s|", got.key, got.value);
        else
            snprintf(all + used, sizeof all - used, "error %u: %s|", got.line, why);
    }
    free(copy);
    return all;
}

#define READS(text, expected) assert_string_equal(read_bytes(text, sizeof(text) - 1), expected)

static void lines_are_assignments(void **state)
{
    (void)state;
    READS("", "");
    READS("\n\n \t\r\n", "");
    READS("A=1\nB=2\n", "A=1|B=2|");
    READS("A=1\nB=2", "A=1|B=2|");
    READS("A=\nB=", "A=|B=|");
    READS("  A  =  1 2  \t\r\nB=2\r\n", "A=1 2|B=2|");
    READS("A=1=2\n", "A=1=2|");
    READS("A=1\nA=2\n", "A=1|A=2|");
    READS("# A=1\n; A=2\n  # A=3\nB=1 # 2\n#", "B=1 # 2|");
    READS("# ends in \\\nB=1\n", "B=1|");
}

static void backslashes_in_plain_text(void **state)
{
    (void)state;
    READS("A=1\\\n2\nB=3\n", "A=12|B=3|");
    READS("A=\\\n  x\n", "A=  x|");
    READS("A=a\\\\b\\'c\\#d\\n\n", "A=a\\b'c#dn|");
    READS("A=x\\ \n", "A=x |");
    READS("A=x \\\n", "A=x|");
    READS("A=x\\", "A=x|");
    READS("A=a'b\"c\n", "A=a'b\"c|");
    READS("A=\\\"x\n", "A=\"x|");
}

static void quotes(void **state)
{
    (void)state;
    READS("A=' x '  \nB=2\n", "A= x |B=2|");
    READS("A=''\nB=\"\"", "A=|B=|");
    READS("A='a\\b\"c$\nd'\nB=1", "A=a\\b\"c$\nd|B=1|");
    READS("A=\"a\\\"b\\\\c\\$d\\`e\\f'\"", "A=a\"b\\c$d`e\\f'|");
    READS("A=\"a\\\nb\nc\"", "A=ab\nc|");
    READS("A= \"x\"\t", "A=x|");
}

static void mistakes_are_named_by_line(void **state)
{
    (void)state;
    READS("A=1\n\nB\nC=3\n",
          "A=1|error 3: there is no '=': it has to be KEY=VALUE, or a comment that begins with #|C=3|");
    READS("B", "error 1: there is no '=': it has to be KEY=VALUE, or a comment that begins with #|");
    READS(" =1\n", "error 1: there is no name before the '='|");
    READS("A='1\n2\nB=3\n", "error 1: the quote is never closed|");
    READS("A=\"\\\"", "error 1: the quote is never closed|");
    READS("A=\"\\", "error 1: the quote is never closed|");
    READS("A='", "error 1: the quote is never closed|");
    READS("#\nA='1' 2\n", "error 2: there is text behind the closing quote|");
    READS("A='1'#\n", "error 1: there is text behind the closing quote|");
    READS("A='\n'\nB='\n\n'\nC\\\n=\nD",
          "A=\n|B=\n\n|error 6: there is no '=': it has to be KEY=VALUE, or a comment that begins with #|"
          "error 7: there is no name before the '='|"
          "error 8: there is no '=': it has to be KEY=VALUE, or a comment that begins with #|");
    READS("A=1\\\n2\nB", "A=12|error 3: there is no '=': it has to be KEY=VALUE, or a comment that begins "
                         "with #|");
    READS("A=1\0\nB=2\n = 3\nC='4' x=1\nD=5\n",
          "error 1: there is a NUL byte in it|B=2|error 3: there is no name before the '='|"
          "error 4: there is text behind the closing quote|D=5|");
    READS("A=1\0\n", "error 1: there is a NUL byte in it|");
    READS("A\0=1\n", "error 1: there is a NUL byte in it|");
    READS("A='\0'\n", "error 1: there is a NUL byte in it|");
    READS("A=\"\\\0\"\n", "error 1: there is a NUL byte in it|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_assignments),
        cmocka_unit_test(backslashes_in_plain_text),
        cmocka_unit_test(quotes),
        cmocka_unit_test(mistakes_are_named_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
