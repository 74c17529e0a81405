/* What a program outside does with the library: a relay in its own loop, which it asks how it is. */
#include <lumamesh/relay/node_uv.h>
#include <stdio.h>

int main(int argc, char **argv) /* the daemon's flags */
{
    lm_node *node;
    lm_error_text error;
    static char report[LM_NODE_REPORT_MAX];
    if (argc < 2 || lm_node_start(&node, uv_default_loop(), (const char **)argv + 1, NULL, &error) != 0)
        return fprintf(stderr, "%s\n", argc < 2 ? "no flags" : error.text), 1;
    int len = lm_node_report(node, report, sizeof report);
    printf("%s\n%.*s\n", lm_node_blob(node), len, report);
    lm_node_stop(node);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
