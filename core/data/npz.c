/* SPDX-License-Identifier: Apache-2.0
 *
 * .npz: a zip of .npy entries, read from memory through libzip, the only file that knows it.
 *
 * What an entry claims is checked on opening (method, size, ratio, names), and the claim is
 * enforced while it is inflated: a byte more than claimed ends the extraction, so a zip bomb costs
 * at most one buffer. A high ratio alone is no sign of one: an array of zeros deflates to a
 * thousandth; the ratio is asked of entries above SMALL_BYTES.
 */
#include <string.h>
#include <zip.h>

#include "int8x/alloc.h"
#include "int8x/data.h"

#define NAME_MAX_BYTES 1024
#define SMALL_BYTES ((uint64_t)16 << 20)
#define BUFFER_BYTES ((size_t)64 << 10)

typedef struct entry {
    char *name; /* without .npy; in the arena */
    uint64_t size;
} entry;

struct i8x_npz {
    zip_t *zip;
    i8x_arena *arena;
    int count;
    entry entries[I8X_NPZ_ENTRIES_MAX];
};

static i8x_status open_zip(const void *bytes, size_t size, zip_t **zip)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &error);
    *zip = source != NULL ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    const int code = zip_error_code_zip(&error);
    if (*zip == NULL && source != NULL)
        zip_source_free(source);
    zip_error_fini(&error);
    I8X_ENSURE(*zip != NULL || code != ZIP_ER_MEMORY, I8X_ENOMEM,
               "no memory to open the .npz file");
    I8X_ENSURE(*zip != NULL, I8X_EFORMAT,
               "this is no .npz file: its zip directory cannot be read (code %d)", code);
    return I8X_OK;
}

static i8x_status check_name(const char *name, size_t *length)
{
    const size_t size = strlen(name);
    I8X_ENSURE(size > 4 && size <= NAME_MAX_BYTES && strcmp(name + size - 4, ".npy") == 0,
               I8X_EFORMAT, "the .npz file has an entry '%.60s', which is no named .npy array",
               name);
    *length = size - 4;
    return I8X_OK;
}

static i8x_status check_claims(const zip_stat_t *stat)
{
    const zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    I8X_ENSURE((stat->valid & wanted) == wanted, I8X_EFORMAT,
               "an entry of the .npz file is not described");
    I8X_ENSURE(stat->encryption_method == ZIP_EM_NONE, I8X_EUNSUPPORTED,
               "array '%.60s' is encrypted", stat->name);
    I8X_ENSURE(stat->comp_method == ZIP_CM_STORE || stat->comp_method == ZIP_CM_DEFLATE,
               I8X_EUNSUPPORTED,
               "array '%.60s' is compressed by method %u; stored and deflate are read", stat->name,
               stat->comp_method);
    I8X_ENSURE(stat->size <= I8X_NPZ_SIZE_MAX, I8X_ELIMIT, "array '%.60s' would have %llu bytes",
               stat->name, (unsigned long long)stat->size);
    I8X_ENSURE(stat->size <= SMALL_BYTES || stat->size / I8X_NPZ_RATIO_MAX <= stat->comp_size,
               I8X_ELIMIT, "array '%.60s' would grow from %llu to %llu bytes, more than %d times",
               stat->name, (unsigned long long)stat->comp_size, (unsigned long long)stat->size,
               I8X_NPZ_RATIO_MAX);
    return I8X_OK;
}

static i8x_status read_entry(i8x_npz *npz, int index, uint64_t *total)
{
    zip_stat_t stat;
    size_t length = 0;
    zip_stat_init(&stat);
    I8X_ENSURE(zip_stat_index(npz->zip, (zip_uint64_t)index, 0, &stat) == 0, I8X_EFORMAT,
               "entry %d of the .npz file cannot be read", index);
    I8X_TRY(check_claims(&stat));
    I8X_TRY(check_name(stat.name, &length));
    *total += stat.size;
    I8X_ENSURE(*total <= I8X_NPZ_SIZE_MAX, I8X_ELIMIT,
               "the arrays of the .npz file have more than %llu bytes",
               (unsigned long long)I8X_NPZ_SIZE_MAX);
    entry *e = &npz->entries[index];
    e->size = stat.size;
    e->name = i8x_arena_string(npz->arena, stat.name);
    I8X_TRY(i8x_alloc_check(e->name));
    e->name[length] = '\0';
    for (int i = 0; i < index; i++)
        I8X_ENSURE(strcmp(npz->entries[i].name, e->name) != 0, I8X_EFORMAT,
                   "the .npz file has the array '%.60s' twice", e->name);
    return I8X_OK;
}

static i8x_status read_entries(i8x_npz *npz)
{
    const zip_int64_t count = zip_get_num_entries(npz->zip, 0);
    uint64_t total = 0;
    I8X_ENSURE(count > 0, I8X_EFORMAT, "the .npz file has no arrays");
    I8X_ENSURE(count <= I8X_NPZ_ENTRIES_MAX, I8X_ELIMIT,
               "the .npz file has %lld arrays, more than %d", (long long)count,
               I8X_NPZ_ENTRIES_MAX);
    npz->count = (int)count;
    for (int i = 0; i < npz->count; i++)
        I8X_TRY(read_entry(npz, i, &total));
    return I8X_OK;
}

i8x_status i8x_npz_open(const void *bytes, size_t size_bytes, i8x_npz **npz)
{
    i8x_arena *arena;
    I8X_ENSURE(size_bytes > 0, I8X_EFORMAT, "the .npz file is empty");
    I8X_TRY(i8x_arena_new(NULL, 0, &arena));
    i8x_npz *made = i8x_arena_array(arena, 1, sizeof *made);
    i8x_status status = i8x_alloc_check(made);
    if (status == I8X_OK) {
        made->arena = arena;
        status = open_zip(bytes, size_bytes, &made->zip);
    }
    if (status == I8X_OK)
        status = read_entries(made);
    if (status == I8X_OK) {
        *npz = made;
        return I8X_OK;
    }
    if (made != NULL && made->zip != NULL)
        zip_discard(made->zip);
    i8x_arena_free(arena);
    return status;
}

void i8x_npz_close(i8x_npz *npz)
{
    if (npz == NULL)
        return;
    zip_discard(npz->zip);
    i8x_arena_free(npz->arena); /* npz lies in it */
}

int i8x_npz_count(const i8x_npz *npz)
{
    return npz->count;
}

const char *i8x_npz_name(const i8x_npz *npz, int index)
{
    I8X_ASSERT(index >= 0 && index < npz->count);
    return npz->entries[index].name;
}

uint64_t i8x_npz_size_bytes(const i8x_npz *npz, int index)
{
    I8X_ASSERT(index >= 0 && index < npz->count);
    return npz->entries[index].size;
}

static i8x_status pump(const entry *e, zip_file_t *file, uint8_t *buffer, i8x_sink_fn sink,
                       void *user)
{
    uint64_t done = 0;
    for (;;) {
        const zip_int64_t got = zip_fread(file, buffer, BUFFER_BYTES);
        I8X_ENSURE(got >= 0, I8X_EFORMAT, "array '%.60s' is damaged after %llu bytes (%.80s)",
                   e->name, (unsigned long long)done, zip_file_strerror(file));
        if (got == 0)
            break;
        done += (uint64_t)got;
        I8X_ENSURE(done <= e->size, I8X_EFORMAT,
                   "array '%.60s' has more bytes than the %llu it claims", e->name,
                   (unsigned long long)e->size);
        I8X_TRY(sink(user, buffer, (size_t)got));
    }
    I8X_ENSURE(done == e->size, I8X_EFORMAT, "array '%.60s' has %llu bytes of the %llu it claims",
               e->name, (unsigned long long)done, (unsigned long long)e->size);
    return I8X_OK;
}

i8x_status i8x_npz_extract(const i8x_npz *npz, int index, i8x_sink_fn sink, void *user)
{
    I8X_ASSERT(index >= 0 && index < npz->count);
    const entry *e = &npz->entries[index];
    const i8x_alloc *heap = i8x_alloc_heap();
    uint8_t *buffer = i8x_alloc_array(heap, BUFFER_BYTES, 1);
    I8X_TRY(i8x_alloc_check(buffer));
    zip_file_t *file = zip_fopen_index(npz->zip, (zip_uint64_t)index, 0);
    i8x_status status;
    if (file == NULL)
        status = i8x_fail(I8X_EFORMAT, __FILE__, __LINE__, "array '%.60s' cannot be opened (%.80s)",
                          e->name, zip_strerror(npz->zip));
    else
        status = pump(e, file, buffer, sink, user);
    if (file != NULL)
        (void)zip_fclose(file);
    i8x_alloc_free(heap, buffer, BUFFER_BYTES);
    return status;
}
