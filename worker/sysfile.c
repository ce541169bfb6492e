/* SPDX-License-Identifier: Apache-2.0
 *
 * Files are opened without blocking and only if they are regular: a fifo or a device in their place
 * (a made-up root) must not stop the worker.
 */
#include "worker/sysfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/limits.h"

static bool join(const char *root, const char *path, char full[PATH_MAX])
{
    return snprintf(full, PATH_MAX, "%s/%s", root, path) < PATH_MAX;
}

size_t i8x_sysfile_read(const char *root, const char *path, char *text, size_t size)
{
    char full[PATH_MAX];
    struct stat info;
    int fd = join(root, path, full) ? open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    text[0] = 0;
    if (fd < 0)
        return 0;
    size_t limit = size - 1 < I8X_DEVICE_FILE_MAX ? size - 1 : I8X_DEVICE_FILE_MAX, got = 0;
    bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    while (regular && got < limit) {
        ssize_t more = read(fd, text + got, limit - got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0)
            break;
        got += (size_t)more;
    }
    close(fd);
    text[got] = 0;
    return got;
}

bool i8x_sysfile_text(const char *root, const char *path, char *text, size_t size)
{
    size_t got = i8x_sysfile_read(root, path, text, size), begin = 0;
    size_t end = strcspn(text, "\n"); /* the zero byte that ends a device-tree string, too */
    if (got == 0)
        return false;
    while (begin < end && text[begin] == ' ')
        begin++;
    while (end > begin && (text[end - 1] == ' ' || text[end - 1] == '\r'))
        end--;
    memmove(text, text + begin, end - begin);
    text[end - begin] = 0;
    for (char *at = text; *at != 0; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7E)
            *at = '?';
    return *text != 0;
}

bool i8x_sysfile_number(const char *root, const char *path, int64_t min, int64_t max,
                        int64_t *number)
{
    char text[64], *end;
    if (!i8x_sysfile_text(root, path, text, sizeof text))
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || errno != 0 || value < min || value > max)
        return false;
    *number = value;
    return true;
}

int i8x_sysfile_list(const char *root, const char *folder, const char *prefix,
                     char (*names)[I8X_SYSFILE_NAME_SIZE], int room)
{
    char full[PATH_MAX];
    DIR *dir = join(root, folder, full) ? opendir(full) : NULL;
    if (dir == NULL)
        return 0;
    int count = 0;
    for (int seen = 0; count < room && seen < I8X_DEVICE_ENTRIES_MAX; seen++) {
        const struct dirent *entry = readdir(dir);
        if (entry == NULL)
            break;
        size_t length = strlen(entry->d_name);
        if (entry->d_name[0] != '.' && length < I8X_SYSFILE_NAME_SIZE &&
            strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            memcpy(names[count++], entry->d_name, length + 1);
    }
    closedir(dir);
    return count;
}
