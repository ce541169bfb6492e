/* SPDX-License-Identifier: Apache-2.0
 *
 * Laws of the byte encodings: what is written is read; any damage gives a status, never a crash or
 * a read behind the end; equal bytes only from equal fields.
 */
#include <math.h>
#include <string.h>

#include "core/base/canon.h"
#include "core/base/half.h"
#include "core/base/threads.h"
#include "tests/prop/prop.h"
#include "tests/support/suite.h"

/* One random field of the canonical encoding, written or read and compared; from the same draws. */
static void put_field(prop_case *c, i8x_canon_writer *w)
{
    uint8_t bytes[16];
    const size_t size = prop_below(c, sizeof bytes);
    const uint64_t value = prop_u64(c);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(value >> (i % 8) | 1);
    bytes[size] = 0;
    switch (prop_below(c, 6)) {
    case 0:
        i8x_canon_put_s64(w, (int64_t)value);
        break;
    case 1:
        i8x_canon_put_u64(w, value);
        break;
    case 2:
        i8x_canon_put_f32(w, prop_f32(c));
        break;
    case 3:
        i8x_canon_put_text(w, (const char *)bytes);
        break;
    case 4:
        i8x_canon_put_bytes(w, bytes, size);
        break;
    default:
        i8x_canon_begin_list(w);
        i8x_canon_put_bool(w, value & 1);
        i8x_canon_end_list(w);
    }
}

/* Reads fields by their tags and writes them again: decode, then encode. */
static i8x_status copy_fields(i8x_canon_reader *r, i8x_canon_writer *w, i8x_arena *arena)
{
    while (i8x_canon_more(r) || (r->depth > 0 && i8x_reader_left(&r->in) > 0)) {
        size_t size;
        const uint8_t *block;
        const char *text;
        switch (r->in.base[r->in.offset]) {
        case 'i':
            i8x_canon_put_s64(w, i8x_canon_get_s64(r));
            break;
        case 'u':
            i8x_canon_put_u64(w, i8x_canon_get_u64(r));
            break;
        case 'f':
            i8x_canon_put_f64(w, i8x_canon_get_f64(r));
            break;
        case 's':
            if ((text = i8x_canon_get_text(r, arena, 1000)) != NULL)
                i8x_canon_put_text(w, text);
            break;
        case 'b':
            if ((block = i8x_canon_get_bytes(r, 1000, &size)) != NULL)
                i8x_canon_put_bytes(w, block, size);
            break;
        case '[':
            i8x_canon_get_begin_list(r);
            i8x_canon_begin_list(w);
            break;
        case ']':
            i8x_canon_get_end_list(r);
            i8x_canon_end_list(w);
            break;
        default:
            return i8x_reader_fail(&r->in, "no field");
        }
    }
    return i8x_canon_reader_end(r);
}

static bool canon_copies_to_itself(prop_case *c)
{
    i8x_canon_writer w, copy;
    i8x_canon_reader r;
    i8x_canon_writer_init(&w, NULL, 0);
    i8x_canon_writer_init(&copy, NULL, 0);
    for (size_t i = 0; i < c->size; i++)
        put_field(c, &w);
    i8x_canon_reader_init(&r, w.out.bytes, w.out.size, "record");
    const i8x_status status = copy_fields(&r, &copy, c->arena);
    const bool same = copy.out.size == w.out.size &&
                      (w.out.size == 0 || memcmp(copy.out.bytes, w.out.bytes, w.out.size) == 0);
    i8x_canon_writer_deinit(&w);
    i8x_canon_writer_deinit(&copy);
    PROP_OK(c, status);
    PROP_CHECK(c, same, "decoded and encoded again, the bytes differ");
    return true;
}

/* Damaged bytes either fail or are themselves a canonical record: then they copy to themselves. */
static bool damaged_canon_is_refused_or_canonical(prop_case *c)
{
    i8x_canon_writer w, copy;
    i8x_canon_reader r;
    i8x_canon_writer_init(&w, NULL, 0);
    i8x_canon_writer_init(&copy, NULL, 0);
    for (size_t i = 0; i <= c->size; i++)
        put_field(c, &w);
    const size_t size = w.out.size - prop_below(c, 4) % w.out.size;
    uint8_t *bytes = prop_array(c, size, 1);
    memcpy(bytes, w.out.bytes, size);
    for (size_t i = prop_below(c, 4); i > 0; i--)
        bytes[prop_below(c, size)] ^= (uint8_t)(1u << prop_below(c, 8));
    i8x_canon_reader_init(&r, bytes, size, "damaged");
    const i8x_status status = copy_fields(&r, &copy, c->arena);
    const bool same = copy.out.size == size && memcmp(copy.out.bytes, bytes, size) == 0;
    i8x_canon_writer_deinit(&w);
    i8x_canon_writer_deinit(&copy);
    PROP_CHECK(c, status == I8X_EFORMAT || (status == I8X_OK && same),
               "status %s, but the bytes are not canonical", i8x_status_name(status));
    return true;
}

static bool varints_round_trip(prop_case *c)
{
    i8x_writer w;
    i8x_writer_init(&w, NULL, 0);
    const uint64_t value = prop_u64(c) >> prop_below(c, 64);
    i8x_writer_put_varint(&w, value);
    i8x_reader r;
    i8x_reader_init(&r, w.bytes, w.size, "varint");
    const uint64_t back = i8x_reader_varint(&r);
    const i8x_status status = i8x_reader_end(&r);
    i8x_writer_deinit(&w);
    PROP_OK(c, status);
    PROP_CHECK(c, back == value, "%llx became %llx", (unsigned long long)value,
               (unsigned long long)back);
    return true;
}

/* No half is nearer than the one given: the neighbours are at least as far away. */
static bool half_is_the_nearest(prop_case *c)
{
    const float x = prop_f32(c);
    const uint16_t half = i8x_half_from_f32(x);
    if ((half & 0x7fff) == 0x7c00) {
        PROP_CHECK(c, fabsf(x) >= 65520.0f, "%a became infinity", (double)x);
        return true;
    }
    const double distance = fabs((double)i8x_half_to_f32(half) - (double)x);
    for (int step = -1; step <= 1; step += 2) {
        const uint16_t other = (uint16_t)(half + step);
        if ((other & 0x7fff) >= 0x7c00)
            continue;
        const double further = fabs((double)i8x_half_to_f32(other) - (double)x);
        PROP_CHECK(c, distance <= further, "%a: %04x is nearer than %04x", (double)x, other, half);
        PROP_CHECK(c, distance < further || (half & 1) == 0, "%a: a tie went to odd %04x",
                   (double)x, half);
    }
    return true;
}

typedef struct sums {
    const uint32_t *values;
    uint64_t parts[8];
} sums;

static void add_part(void *user, int64_t begin, int64_t end, int thread_index)
{
    sums *job = user;
    for (int64_t i = begin; i < end; i++)
        job->parts[thread_index] += job->values[i];
}

static bool every_split_gives_the_same_sum(prop_case *c)
{
    i8x_threads *pool;
    const size_t count = prop_below(c, 50 * c->size + 1);
    uint32_t *values = prop_array(c, count + 1, sizeof *values);
    uint64_t wanted = 0, got = 0;
    for (size_t i = 0; i < count; i++)
        wanted += values[i] = (uint32_t)prop_u64(c);
    PROP_OK(c, i8x_threads_new(1 + (int)prop_below(c, 8), &pool));
    sums job = {values, {0}};
    i8x_threads_for(pool, 0, (int64_t)count, prop_range(c, 1, 40), add_part, &job);
    i8x_threads_free(pool);
    for (int i = 0; i < 8; i++)
        got += job.parts[i];
    PROP_CHECK(c, got == wanted, "%llu, not %llu", (unsigned long long)got,
               (unsigned long long)wanted);
    return true;
}

START_TEST(canon_decodes_to_what_was_encoded)
{
    prop_run("canon_copies_to_itself", canon_copies_to_itself, 300, 40);
}
END_TEST

START_TEST(damaged_canon_is_never_misread)
{
    prop_run("damaged_canon", damaged_canon_is_refused_or_canonical, 3000, 20);
}
END_TEST

START_TEST(varints)
{
    prop_run("varints_round_trip", varints_round_trip, 2000, 1);
}
END_TEST

START_TEST(halves_are_nearest_even)
{
    prop_run("half_is_the_nearest", half_is_the_nearest, 20000, 1000);
}
END_TEST

START_TEST(splits_do_not_change_sums)
{
    prop_run("every_split_gives_the_same_sum", every_split_gives_the_same_sum, 100, 40);
}
END_TEST

Suite *prop_base_bytes_suite(void)
{
    const TTest *tests[] = {
        canon_decodes_to_what_was_encoded, damaged_canon_is_never_misread, varints,
        halves_are_nearest_even,           splits_do_not_change_sums,
    };
    return i8x_suite("prop_base_bytes", tests, sizeof tests / sizeof tests[0]);
}
