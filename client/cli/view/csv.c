/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV: see csv.h.
 */
#include "client/cli/view/csv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "int8x/alloc.h"
#include "int8x/file.h"

static void put(i8x_csv *csv, const char *bytes, size_t size)
{
    if (csv->size + size > csv->capacity) {
        size_t capacity = 2 * (csv->size + size) + 256;
        char *larger = i8x_alloc_resize(i8x_alloc_heap(), csv->bytes, csv->capacity, capacity);
        csv->failed |= larger == NULL;
        if (larger == NULL)
            return;
        csv->bytes = larger;
        csv->capacity = capacity;
    }
    memcpy(csv->bytes + csv->size, bytes, size);
    csv->size += size;
}

void i8x_csv_cell(i8x_csv *csv, const char *text)
{
    bool quoted = strpbrk(text, ",\"\r\n") != NULL;
    if (csv->in_row)
        put(csv, ",", 1);
    csv->in_row = true;
    if (quoted)
        put(csv, "\"", 1);
    for (; *text != 0; text++)
        put(csv, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    if (quoted)
        put(csv, "\"", 1);
}

void i8x_csv_end_row(i8x_csv *csv)
{
    put(csv, "\r\n", 2);
    csv->in_row = false;
}

static i8x_status write_all(const i8x_csv *csv, const char *path)
{
    if (csv->failed)
        return i8x_alloc_check(NULL);
    if (path != NULL)
        return i8x_file_write_atomic(path, csv->bytes, csv->size);
    I8X_ENSURE(csv->size == 0 || fwrite(csv->bytes, 1, csv->size, stdout) == csv->size, I8X_EIO,
               "standard output cannot be written: %s", strerror(errno));
    return I8X_OK;
}

i8x_status i8x_csv_write(i8x_csv *csv, const char *path)
{
    i8x_status status = write_all(csv, path);
    i8x_alloc_free(i8x_alloc_heap(), csv->bytes, csv->capacity);
    *csv = (i8x_csv){0};
    return status;
}
