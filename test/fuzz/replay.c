/*
 * Stands in for libFuzzer: runs the target once for each file named, and for each file in each directory
 * named. A file that ends in .hex holds hex digits, so the captured datagrams serve as seeds as they are.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/support/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replayed;

static void replay_file(const char *path)
{
    size_t len, path_len = strlen(path);
    int hex = path_len > 4 && strcmp(path + path_len - 4, ".hex") == 0;
    uint8_t *data = hex ? test_read_hex(path, &len) : test_read_file(path, &len);
    /* An exact copy, so that a sanitizer sees a read of even one byte past the end. */
    uint8_t *exact = malloc(len ? len : 1);
    if (exact == NULL)
        abort();
    memcpy(exact, data, len);
    free(data);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    replayed++;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (dir == NULL) {
            replay_file(argv[i]);
            continue;
        }
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            char path[4096];
            if (entry->d_name[0] == '.' || strcmp(entry->d_name, "README.md") == 0)
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            replay_file(path);
        }
        closedir(dir);
    }
    printf("replayed %d inputs\n", replayed);
    return replayed == 0; /* a target without a seed is a mistake */
}
