/* SPDX-License-Identifier: Apache-2.0
 *
 * main of a fuzzer in a build without libFuzzer: runs it over every file of the folders named on
 * the command line. An empty run is a failure.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int run_folder(const char *folder)
{
    char path[4096];
    int count = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat info;
        uint8_t *bytes;
        size_t size;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        if (i8x_file_read_all(NULL, path, (size_t)64 << 20, &bytes, &size) != I8X_OK)
            abort();
        (void)LLVMFuzzerTestOneInput(bytes, size);
        i8x_alloc_free(i8x_alloc_heap(), bytes, size);
        count++;
    }
    (void)closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += run_folder(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
