/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a .npy file. An accepted one lies wholly in its file, and its first sample can be
 * read.
 */
#include <stdlib.h>

#include "core/data/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    i8x_source source;
    i8x_source_init(&source);
    if (i8x_source_add_npy(&source, "x", bytes, size) != I8X_OK) {
        if (i8x_last_error()->detail[0] == '\0')
            abort();
        return 0;
    }
    const i8x_source_array *array = &source.arrays[0];
    const size_t elements = (size_t)array->sample_elements;
    float *values = malloc(elements * sizeof *values);
    int64_t *numbers = malloc(elements * sizeof *numbers);
    const i8x_status status = i8x_source_read_f32(&source, 0, array->to - 1, 1, values);
    if (status != I8X_OK && status != I8X_ERANGE)
        abort();
    if (i8x_source_read_s64(&source, 0, 0, 1, numbers) == I8X_OK && elements > 0)
        numbers[0] = 0;
    free(values);
    free(numbers);
    return 0;
}
