/* SPDX-License-Identifier: Apache-2.0
 *
 * .npz from strangers: what an entry claims is checked, and enforced while it is inflated. Zips are
 * put together here field by field (PKWARE APPNOTE 4.3), so that each claim can be wrong on its
 * own.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/rng.h"
#include "core/data/source.h"
#include "tests/support/suite.h"

typedef struct zip_entry {
    const char *name;
    const void *bytes; /* as stored */
    size_t size;
    uint16_t method; /* 0 stored, 8 deflate */
    uint16_t flags;
    uint32_t claimed; /* size after inflation */
    uint32_t crc;
} zip_entry;

static void put_common(i8x_writer *w, const zip_entry *e)
{
    i8x_writer_put_u16(w, 20);
    i8x_writer_put_u16(w, e->flags);
    i8x_writer_put_u16(w, e->method);
    i8x_writer_put_u32(w, 0x00210000); /* 1980-01-01 */
    i8x_writer_put_u32(w, e->crc);
    i8x_writer_put_u32(w, (uint32_t)e->size);
    i8x_writer_put_u32(w, e->claimed);
    i8x_writer_put_u16(w, (uint16_t)strlen(e->name));
    i8x_writer_put_u16(w, 0);
}

static void put_zip(i8x_writer *w, const zip_entry *entries, size_t count)
{
    uint32_t offsets[80];
    i8x_writer_init(w, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        offsets[i] = (uint32_t)w->size;
        i8x_writer_put_u32(w, 0x04034b50);
        put_common(w, &entries[i]);
        i8x_writer_put_bytes(w, entries[i].name, strlen(entries[i].name));
        i8x_writer_put_bytes(w, entries[i].bytes, entries[i].size);
    }
    const size_t start = w->size;
    for (size_t i = 0; i < count; i++) {
        i8x_writer_put_u32(w, 0x02014b50);
        i8x_writer_put_u16(w, 20);
        put_common(w, &entries[i]);
        for (int k = 0; k < 5; k++)
            i8x_writer_put_u16(w, 0); /* comment, disk, attributes (10 bytes with the next) */
        i8x_writer_put_u32(w, offsets[i]);
        i8x_writer_put_bytes(w, entries[i].name, strlen(entries[i].name));
    }
    const size_t end = w->size;
    i8x_writer_put_u32(w, 0x06054b50);
    i8x_writer_put_u32(w, 0);
    i8x_writer_put_u16(w, (uint16_t)count);
    i8x_writer_put_u16(w, (uint16_t)count);
    i8x_writer_put_u32(w, (uint32_t)(end - start));
    i8x_writer_put_u32(w, (uint32_t)start);
    i8x_writer_put_u16(w, 0);
    ck_assert_ok(i8x_writer_status(w));
}

typedef struct block {
    uint8_t *bytes;
    size_t size;
} block;

static i8x_status grow(void *user, const void *bytes, size_t size)
{
    block *b = user;
    b->bytes = realloc(b->bytes, b->size + size + 1);
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
    return I8X_OK;
}

static i8x_status refuse(void *user, const void *bytes, size_t size)
{
    (void)user, (void)bytes, (void)size;
    I8X_FAIL(I8X_EBUSY, "no room");
}

static block npy_of(int samples, int start)
{
    block b = {0};
    float data[600];
    for (int i = 0; i < samples * 2; i++)
        data[i] = (float)(start + i);
    const i8x_tensor tensor = {I8X_DTYPE_F32, {2, {samples, 2}}, data};
    ck_assert_ok(i8x_npy_write(&tensor, grow, &b));
    return b;
}

/* CRC-32 of the zip format, bit by bit. */
static uint32_t crc_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
    }
    return ~crc;
}

/* A deflate stream (RFC 1951) of one stored block. */
static block deflated(const uint8_t *bytes, size_t size)
{
    const uint8_t head[5] = {1, (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)~size,
                             (uint8_t)(~size >> 8)};
    block b = {0};
    ck_assert_uint_le(size, 0xffff);
    (void)grow(&b, head, sizeof head);
    (void)grow(&b, bytes, size);
    return b;
}

typedef struct bits {
    block out;
    uint32_t held;
    int count;
} bits;

/* Codes stand with their first bit lowest. */
static void put_bits(bits *b, uint32_t code, int count)
{
    b->held |= code << b->count;
    for (b->count += count; b->count >= 8; b->count -= 8, b->held >>= 8)
        (void)grow(&b->out, &(uint8_t){(uint8_t)b->held}, 1);
}

/* A deflate stream of 1 + 258 * copies zero bytes, in fixed Huffman codes: each copy takes 13 bits.
 */
static block deflated_zeros(int copies)
{
    bits b = {0};
    put_bits(&b, 3, 3);    /* last block, fixed codes */
    put_bits(&b, 0x0c, 8); /* literal 0: 00110000 */
    for (int i = 0; i < copies; i++)
        put_bits(&b, 0xa3, 13); /* length 258: 11000101, distance 1: 00000 */
    put_bits(&b, 0, 7 + 7);     /* end, and up to a whole byte */
    return b.out;
}

static zip_entry stored(const char *name, const block *b)
{
    return (zip_entry){name, b->bytes, b->size, 0, 0, (uint32_t)b->size, crc_of(b->bytes, b->size)};
}

static zip_entry packed(const char *name, const block *whole, const block *small)
{
    return (zip_entry){name,
                       small->bytes,
                       small->size,
                       8,
                       0,
                       (uint32_t)whole->size,
                       crc_of(whole->bytes, whole->size)};
}

START_TEST(stored_and_deflated_arrays_come_out)
{
    i8x_writer w;
    i8x_npz *npz;
    i8x_arena *arena;
    i8x_source source;
    float values[2];
    block a = npy_of(300, 0), b = npy_of(300, 1000), small = deflated(b.bytes, b.size);
    const zip_entry entries[] = {stored("x_train.npy", &a), packed("y.npy", &b, &small)};
    put_zip(&w, entries, 2);
    ck_assert_ok(i8x_npz_open(w.bytes, w.size, &npz));
    ck_assert_int_eq(i8x_npz_count(npz), 2);
    ck_assert_str_eq(i8x_npz_name(npz, 0), "x_train");
    ck_assert_uint_eq(i8x_npz_size_bytes(npz, 1), b.size);
    block out = {0};
    ck_assert_ok(i8x_npz_extract(npz, 1, grow, &out));
    ck_assert_uint_eq(out.size, b.size);
    ck_assert_mem_eq(out.bytes, b.bytes, b.size);
    ck_assert_status(i8x_npz_extract(npz, 0, refuse, NULL), I8X_EBUSY);
    ck_assert_ok(i8x_arena_new(NULL, 0, &arena));
    i8x_source_init(&source);
    ck_assert_ok(i8x_source_add_npz(&source, npz, arena));
    ck_assert_ok(i8x_source_read_f32(&source, i8x_source_find(&source, "y"), 299, 1, values));
    ck_assert_float_eq(values[1], 1599);
    i8x_npz_close(npz);
    i8x_arena_free(arena);
    ck_assert_ok(i8x_arena_new(NULL, 1024, &arena));
    i8x_source_init(&source);
    ck_assert_ok(i8x_npz_open(w.bytes, w.size, &npz));
    ck_assert_status(i8x_source_add_npz(&source, npz, arena), I8X_ELIMIT);
    i8x_npz_close(npz);
    i8x_arena_free(arena);
    i8x_writer_deinit(&w);
    free(a.bytes), free(b.bytes), free(small.bytes), free(out.bytes);
}
END_TEST

static void assert_open(const zip_entry *entries, size_t count, i8x_status wanted,
                        const char *words)
{
    i8x_writer w;
    i8x_npz *npz = NULL;
    put_zip(&w, entries, count);
    ck_assert_status(i8x_npz_open(w.bytes, w.size, &npz), wanted);
    ck_assert_msg(strstr(i8x_last_error()->detail, words) != NULL, "says '%s'",
                  i8x_last_error()->detail);
    i8x_writer_deinit(&w);
}

START_TEST(claims_beyond_the_limits_are_refused_on_opening)
{
    block a = npy_of(2, 0);
    static const char *const bad_names[] = {"x.txt", ".npy", "npy", ""};
    zip_entry e = stored("x.npy", &a);
    for (size_t i = 0; i < sizeof bad_names / sizeof bad_names[0]; i++) {
        e.name = bad_names[i];
        assert_open(&e, 1, I8X_EFORMAT, "named .npy");
    }
    const zip_entry twice[] = {stored("x.npy", &a), stored("x.npy", &a)};
    assert_open(twice, 2, I8X_EFORMAT, "twice");
    e = stored("x.npy", &a);
    e.method = 12;
    assert_open(&e, 1, I8X_EUNSUPPORTED, "method 12");
    e = stored("x.npy", &a);
    e.flags = 1;
    assert_open(&e, 1, I8X_EUNSUPPORTED, "encrypted");
    e = packed("bomb.npy", &a, &a); /* four gigabytes from a few bytes */
    e.claimed = 0xfffffff0u;
    assert_open(&e, 1, I8X_ELIMIT, "200 times");
    zip_entry many[65];
    char names[65][8];
    for (int i = 0; i < 65; i++) {
        memcpy(names[i], "a00.npy", 8);
        names[i][1] = (char)('0' + i / 10), names[i][2] = (char)('0' + i % 10);
        many[i] = stored(names[i], &a);
    }
    assert_open(many, 65, I8X_ELIMIT, "65 arrays");
    assert_open(many, 0, I8X_EFORMAT, "");
    free(a.bytes);
}
END_TEST

START_TEST(a_bomb_that_lies_about_its_size_is_stopped)
{
    i8x_writer w;
    i8x_npz *npz;
    enum { COPIES = 32000 };
    block zeros = {calloc(258, COPIES + 1), 258 * COPIES + 1}, small = deflated_zeros(COPIES);
    ck_assert_uint_lt(small.size, zeros.size / 150);
    zip_entry e = packed("x.npy", &zeros, &small);
    e.claimed = 100; /* inflates to eight megabytes */
    put_zip(&w, &e, 1);
    ck_assert_ok(i8x_npz_open(w.bytes, w.size, &npz));
    block out = {0};
    ck_assert_status(i8x_npz_extract(npz, 0, grow, &out), I8X_EFORMAT);
    ck_assert_uint_le(out.size, 100);
    i8x_npz_close(npz);
    i8x_writer_deinit(&w);
    e.claimed = (uint32_t)zeros.size; /* the truth: below the size from which the ratio is asked */
    put_zip(&w, &e, 1);
    ck_assert_ok(i8x_npz_open(w.bytes, w.size, &npz));
    out.size = 0;
    ck_assert_ok(i8x_npz_extract(npz, 0, grow, &out));
    ck_assert_uint_eq(out.size, zeros.size);
    i8x_npz_close(npz);
    i8x_writer_deinit(&w);
    e.claimed = (uint32_t)zeros.size + 1; /* and one that promises too much */
    put_zip(&w, &e, 1);
    ck_assert_ok(i8x_npz_open(w.bytes, w.size, &npz));
    ck_assert_status(i8x_npz_extract(npz, 0, grow, &out), I8X_EFORMAT);
    i8x_npz_close(npz);
    i8x_writer_deinit(&w);
    free(zeros.bytes), free(small.bytes), free(out.bytes);
}
END_TEST

START_TEST(damaged_arrays_are_noticed)
{
    i8x_writer w;
    i8x_npz *npz;
    block a = npy_of(200, 0), small = deflated(a.bytes, a.size), out = {0};
    zip_entry e = packed("x.npy", &a, &small);
    e.crc ^= 1;
    put_zip(&w, &e, 1);
    ck_assert_ok(i8x_npz_open(w.bytes, w.size, &npz));
    ck_assert_status(i8x_npz_extract(npz, 0, grow, &out), I8X_EFORMAT);
    i8x_npz_close(npz);
    i8x_writer_deinit(&w);
    e = packed("x.npy", &a, &small);
    e.size -= 10; /* the stream ends early */
    put_zip(&w, &e, 1);
    ck_assert_ok(i8x_npz_open(w.bytes, w.size, &npz));
    ck_assert_status(i8x_npz_extract(npz, 0, grow, &out), I8X_EFORMAT);
    i8x_npz_close(npz);
    i8x_writer_deinit(&w);
    free(a.bytes), free(small.bytes), free(out.bytes);
}
END_TEST

START_TEST(what_is_no_zip_is_refused_and_flipped_bytes_give_a_status)
{
    i8x_writer w;
    i8x_npz *npz;
    block a = npy_of(20, 0), small = deflated(a.bytes, a.size);
    const zip_entry entries[] = {stored("x.npy", &a), packed("y.npy", &a, &small)};
    ck_assert_status(i8x_npz_open("", 0, &npz), I8X_EFORMAT);
    ck_assert_status(i8x_npz_open("PK\3\4 but nothing more", 20, &npz), I8X_EFORMAT);
    put_zip(&w, entries, 2);
    for (uint64_t i = 0; i < 3000; i++) {
        uint8_t *copy = malloc(w.size);
        memcpy(copy, w.bytes, w.size);
        copy[i8x_rng_u64(3, 2 * i) % w.size] = (uint8_t)i8x_rng_u64(3, 2 * i + 1);
        const size_t size = i % 5 == 0 ? i8x_rng_u64(4, i) % w.size : w.size;
        if (i8x_npz_open(copy, size, &npz) == I8X_OK) {
            for (int k = 0; k < i8x_npz_count(npz); k++) {
                block out = {0};
                const i8x_status status = i8x_npz_extract(npz, k, grow, &out);
                ck_assert(status != I8X_OK || out.size == i8x_npz_size_bytes(npz, k));
                free(out.bytes);
            }
            i8x_npz_close(npz);
        }
        free(copy);
    }
    i8x_npz_close(NULL);
    i8x_writer_deinit(&w);
    free(a.bytes), free(small.bytes);
}
END_TEST

Suite *check_npz_suite(void)
{
    const TTest *tests[] = {
        stored_and_deflated_arrays_come_out,
        claims_beyond_the_limits_are_refused_on_opening,
        a_bomb_that_lies_about_its_size_is_stopped,
        damaged_arrays_are_noticed,
        what_is_no_zip_is_refused_and_flipped_bytes_give_a_status,
    };
    return i8x_suite("npz", tests, sizeof tests / sizeof tests[0]);
}
