/*
 * The pages' files, built into the daemon by cmake/EmbedFile.cmake: each is the bytes lm_<symbol> and their
 * number lm_<symbol>_len. A page's list has X(path, symbol) for each file, the page itself first. The demo
 * page takes its colours and shapes from the status page's base.css.
 */
#ifndef LM_RELAY_EMBEDDED_H
#define LM_RELAY_EMBEDDED_H

#include <stddef.h>

#define LM_STATUS_FILES(X)       \
    X("/", status_html)          \
    X("/base.css", base_css)     \
    X("/status.css", status_css) \
    X("/status.js", status_js)   \
    X("/plots.js", plots_js)     \
    X("/mesh.js", mesh_js)

#define LM_DEMO_FILES(X)                    \
    X("/demo", demo_html)                   \
    X("/demo/demo.css", demo_css)           \
    X("/demo/board.js", board_js)           \
    X("/demo/chat.js", chat_js)             \
    X("/demo/files.js", files_js)           \
    X("/demo/graph.js", graph_js)           \
    X("/demo/invitation.js", invitation_js) \
    X("/demo/main.js", main_js)             \
    X("/demo/people.js", people_js)         \
    X("/demo/transfers.js", transfers_js)   \
    X("/demo/ui.js", ui_js)                 \
    X("/demo/words.js", words_js)           \
    X("/demo/lumamesh.js", lumamesh_js)

#define LM_DECLARE(path, symbol)              \
    extern const unsigned char lm_##symbol[]; \
    extern const size_t lm_##symbol##_len;
LM_STATUS_FILES(LM_DECLARE)
LM_DEMO_FILES(LM_DECLARE)
#undef LM_DECLARE

#define LM_COUNT_ONE(path, symbol) +1
enum {
    LM_STATUS_FILE_COUNT = 0 LM_STATUS_FILES(LM_COUNT_ONE),
    LM_DEMO_FILE_COUNT = 0 LM_DEMO_FILES(LM_COUNT_ONE)
};
#undef LM_COUNT_ONE

#endif
