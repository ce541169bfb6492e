/* SPDX-License-Identifier: Apache-2.0
 *
 * npy_values FILE OUT_DIR: reads every array of a .npy or .npz as f32 and writes it as
 * OUT_DIR/<name>.npy
 * ("array" for a .npy). Prints the names; a failure prints status and sentence. For tests/interop.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/file_stream.h"
#include "core/data/source.h"

static i8x_status write_array(const i8x_source *source, int index, const char *folder,
                              i8x_arena *arena)
{
    const i8x_source_array *array = &source->arrays[index];
    const size_t count = (size_t)(source->samples * array->sample_elements);
    i8x_file_stream *stream;
    float *values = i8x_arena_array(arena, count, sizeof *values);
    I8X_TRY(i8x_alloc_check(values));
    I8X_TRY(i8x_source_read_f32(source, index, 0, source->samples, values));
    const char *path = i8x_arena_format(arena, "%s/%s.npy", folder, array->name);
    I8X_TRY(i8x_alloc_check(path));
    const i8x_tensor tensor = {I8X_DTYPE_F32, array->shape, values};
    I8X_TRY(i8x_file_stream_open(path, &stream));
    const i8x_status status = i8x_npy_write(&tensor, i8x_file_stream_put, stream);
    I8X_TRY(i8x_file_stream_close(stream, status, NULL, NULL));
    printf("%s\n", array->name);
    return I8X_OK;
}

static i8x_status convert(const i8x_file_view *file, const char *folder, i8x_arena *arena)
{
    i8x_source source;
    i8x_source_init(&source);
    if (file->size > 2 && memcmp(file->bytes, "PK", 2) == 0) {
        i8x_npz *npz;
        I8X_TRY(i8x_npz_open(file->bytes, file->size, &npz));
        const i8x_status status = i8x_source_add_npz(&source, npz, arena);
        i8x_npz_close(npz);
        I8X_TRY(status);
    } else {
        I8X_TRY(i8x_source_add_npy(&source, "array", file->bytes, file->size));
    }
    for (int i = 0; i < source.array_count; i++)
        I8X_TRY(write_array(&source, i, folder, arena));
    return I8X_OK;
}

int main(int argc, char **argv)
{
    i8x_file_view file = {0};
    i8x_arena *arena = NULL;
    if (argc != 3) {
        printf("usage: npy_values FILE OUT_DIR\n");
        return 2;
    }
    i8x_status status = i8x_arena_new(NULL, 0, &arena);
    if (status == I8X_OK)
        status = i8x_file_map(argv[1], &file);
    if (status == I8X_OK)
        status = convert(&file, argv[2], arena);
    if (status != I8X_OK)
        printf("%s %s\n", i8x_status_name(status), i8x_last_error()->detail);
    i8x_file_unmap(&file);
    i8x_arena_free(arena);
    return i8x_status_exit_code(status);
}
