/* SPDX-License-Identifier: Apache-2.0
 *
 * Error sums and metrics. Samples are added one at a time (each by a LANES16 kernel), so that
 * neither batch size nor padding changes a bit.
 */
#include "core/quant/error.h"

#include <math.h>

#include "core/base/bytes.h"
#include "core/base/fmath.h"
#include "core/kernels/kernels.h"

#define ERROR_MAGIC 0x45583849u /* "I8XE" */
#define ERROR_VERSION 1

int64_t i8x_error_argmax(const float *values, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++) {
        if (values[i] > values[best])
            best = i;
    }
    return best;
}

i8x_status i8x_error_add(i8x_error_partial *partial, int64_t samples, const i8x_tensor *reference,
                         const i8x_tensor *quantized, const int64_t *labels)
{
    I8X_ENSURE(reference->dtype == I8X_DTYPE_F32 && quantized->dtype == I8X_DTYPE_F32, I8X_EDTYPE,
               "outputs to compare are %s and %s", i8x_dtype_name(reference->dtype),
               i8x_dtype_name(quantized->dtype));
    int64_t elements = i8x_tensor_elements(reference), rank = reference->shape.rank;
    int64_t batch = rank > 0 ? reference->shape.dims[0] : 1;
    I8X_ENSURE(i8x_tensor_elements(quantized) == elements, I8X_ESHAPE,
               "outputs to compare have %lld and %lld elements", (long long)elements,
               (long long)i8x_tensor_elements(quantized));
    I8X_ENSURE(batch > 0 && samples <= batch && elements % batch == 0, I8X_ESHAPE,
               "%lld samples in a batch of %lld", (long long)samples, (long long)batch);
    const i8x_kernels *kernels = i8x_kernels_get();
    int64_t size = elements / batch;
    bool classes = rank > 1 && size > 1 && reference->shape.dims[rank - 1] == size;
    for (int64_t i = 0; i < samples; i++) {
        const float *a = (const float *)reference->data + i * size;
        const float *b = (const float *)quantized->data + i * size;
        double error, square;
        kernels->sq_error_f32(a, b, (size_t)size, &error, &square);
        I8X_ENSURE(isfinite(error) && isfinite(square), I8X_ERANGE,
                   "NaN or infinity in the outputs of sample %lld", (long long)i);
        partial->samples++;
        partial->elements += (uint64_t)size;
        partial->error += error;
        partial->reference += square;
        if (!classes)
            continue;
        int64_t is = i8x_error_argmax(a, size), now = i8x_error_argmax(b, size);
        partial->classified++;
        partial->agreed += is == now;
        if (labels != NULL) {
            partial->labelled++;
            partial->right_float += is == labels[i];
            partial->right_quantized += now == labels[i];
        }
    }
    return I8X_OK;
}

void i8x_error_merge(i8x_error_partial *into, const i8x_error_partial *part)
{
    into->samples += part->samples;
    into->elements += part->elements;
    into->error += part->error;
    into->reference += part->reference;
    into->classified += part->classified;
    into->agreed += part->agreed;
    into->labelled += part->labelled;
    into->right_float += part->right_float;
    into->right_quantized += part->right_quantized;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? -1 : (double)part / (double)whole;
}

i8x_error_result i8x_error_finish(const i8x_error_partial *partial)
{
    i8x_error_result result = {.agreement = share(partial->agreed, partial->classified),
                               .top1_float = share(partial->right_float, partial->labelled),
                               .top1_quantized =
                                   share(partial->right_quantized, partial->labelled)};
    if (!(partial->error > 0))
        result.sqnr_db = I8X_SQNR_EXACT_DB;
    else if (!(partial->reference > 0))
        result.sqnr_db = -I8X_SQNR_EXACT_DB;
    else
        result.sqnr_db =
            10 * (i8x_fmath_log10_f64(partial->reference) - i8x_fmath_log10_f64(partial->error));
    return result;
}

i8x_status i8x_error_encode(const i8x_error_partial *partials, int count, i8x_arena *arena,
                            const uint8_t **bytes, size_t *size_bytes)
{
    i8x_writer writer;
    i8x_writer_init(&writer, NULL, 0);
    i8x_writer_put_u32(&writer, ERROR_MAGIC);
    i8x_writer_put_u32(&writer, ERROR_VERSION);
    i8x_writer_put_u32(&writer, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        const i8x_error_partial *p = &partials[i];
        const uint64_t counts[7] = {p->samples,  p->elements,    p->classified,     p->agreed,
                                    p->labelled, p->right_float, p->right_quantized};
        for (int k = 0; k < 7; k++)
            i8x_writer_put_u64(&writer, counts[k]);
        i8x_writer_put_f64(&writer, p->error);
        i8x_writer_put_f64(&writer, p->reference);
    }
    i8x_status status = i8x_writer_status(&writer);
    if (status == I8X_OK) {
        *size_bytes = writer.size;
        *bytes = i8x_arena_copy(arena, writer.bytes, writer.size);
        status = i8x_alloc_check(*bytes);
    }
    i8x_writer_deinit(&writer);
    return status;
}

static void partial_take(i8x_reader *reader, i8x_error_partial *p)
{
    p->samples = i8x_reader_u64(reader);
    p->elements = i8x_reader_u64(reader);
    p->classified = i8x_reader_u64(reader);
    p->agreed = i8x_reader_u64(reader);
    p->labelled = i8x_reader_u64(reader);
    p->right_float = i8x_reader_u64(reader);
    p->right_quantized = i8x_reader_u64(reader);
    p->error = i8x_reader_f64(reader);
    p->reference = i8x_reader_f64(reader);
    if (!isfinite(p->error) || !isfinite(p->reference) || p->error < 0 || p->reference < 0 ||
        p->classified > p->samples || p->agreed > p->classified || p->labelled > p->classified ||
        p->right_float > p->labelled || p->right_quantized > p->labelled)
        (void)i8x_reader_fail(reader, "counts or sums that cannot be");
}

i8x_status i8x_error_decode(const void *bytes, size_t size_bytes, i8x_arena *arena,
                            i8x_error_partial **partials, int *count)
{
    i8x_reader reader;
    i8x_reader_init(&reader, bytes, size_bytes, "metrics");
    uint32_t magic = i8x_reader_u32(&reader), version = i8x_reader_u32(&reader);
    uint32_t items = i8x_reader_u32(&reader);
    I8X_TRY(i8x_reader_status(&reader));
    I8X_ENSURE(magic == ERROR_MAGIC, I8X_EFORMAT, "metrics: not such a record");
    I8X_ENSURE(version == ERROR_VERSION, I8X_EVERSION, "metrics: version %u", version);
    I8X_ENSURE(items <= I8X_ERROR_PARTIALS_MAX, I8X_ELIMIT, "metrics: %u partials", items);
    *partials = i8x_arena_array(arena, items, sizeof **partials);
    I8X_TRY(i8x_alloc_check(*partials));
    for (uint32_t i = 0; i < items; i++)
        partial_take(&reader, &(*partials)[i]);
    I8X_TRY(i8x_reader_status(&reader));
    *count = (int)items;
    return i8x_reader_end(&reader);
}
