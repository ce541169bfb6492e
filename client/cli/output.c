/* SPDX-License-Identifier: Apache-2.0
 *
 * Output: see output.h.
 */
#include "client/cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "int8x/alloc.h"

i8x_status i8x_output_json(const i8x_json *json)
{
    char *text;
    size_t size;
    I8X_TRY(i8x_json_print(json, true, &text, &size));
    bool written = printf("%s\n", text) == (int)size + 1;
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    I8X_ENSURE(written, I8X_EIO, "standard output cannot be written: %s", strerror(errno));
    return I8X_OK;
}

static i8x_status write_file(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "wb");
    I8X_ENSURE(file != NULL, errno == ENOENT ? I8X_ENOENT : I8X_EIO, "'%s' cannot be written: %s",
               path, strerror(errno));
    bool written = fwrite(text, 1, size, file) == size && fputc('\n', file) != EOF &&
                   fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = errno;
    bool closed = fclose(file) == 0;
    I8X_ENSURE(written && closed, I8X_EIO, "'%s' cannot be written: %s", path, strerror(reason));
    return I8X_OK;
}

i8x_status i8x_output_json_file(const i8x_json *json, const char *path)
{
    char *text, beside[4096];
    size_t size;
    int length = snprintf(beside, sizeof beside, "%s.new-%ld", path, (long)getpid());
    I8X_ENSURE(length > 0 && (size_t)length < sizeof beside, I8X_EARG,
               "the path '%.60s...' is too long", path);
    I8X_TRY(i8x_json_print(json, true, &text, &size));
    i8x_status status = write_file(beside, text, size);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
    if (status == I8X_OK && rename(beside, path) != 0)
        status = i8x_fail(I8X_EIO, __FILE__, __LINE__, "'%s' cannot be written: %s", path,
                          strerror(errno));
    if (status != I8X_OK)
        unlink(beside);
    return status;
}
