/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows in an array, found by a hash table of their indexes. The table is made again after a change:
 * changes are rare, lookups are one per HTTP request. Rows that live in memory only stand in the
 * same array and are left out of the file.
 */
#include "proto/trust_store.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "int8x/alloc.h"
#include "int8x/file.h"
#include "proto/buffer.h"
#include "proto/trust_file.h"

#define HEAD "# int8x tokens 1: id role sha256 created expires revoked worker name\n"
#define LINE_MAX_BYTES 512
#define FIELDS 8
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:-"
#define WORKER_BYTES "abcdefghijklmnopqrstuvwxyz0123456789.-"
#define ID_RANDOM_BYTES 6

typedef struct store_row {
    i8x_token_row row;
    bool saved;
} store_row;

struct i8x_trust_store {
    char path[PATH_MAX];
    store_row *rows;
    int count, capacity;
    int32_t *table; /* index + 1 of a row by its hash, 0 = free; open addressing */
    uint32_t table_size;
};

static const char *const state_names[I8X_TOKEN_STATE_COUNT] = {
#define X(name, text) text,
    I8X_TOKEN_STATE_LIST(X)
#undef X
};

const char *i8x_token_state_name(i8x_token_state state)
{
    return (unsigned)state < I8X_TOKEN_STATE_COUNT ? state_names[state] : "?";
}

i8x_token_state i8x_token_row_state(const i8x_token_row *row, int64_t now_s)
{
    if (row->revoked_s != 0)
        return I8X_TOKEN_REVOKED;
    return row->expires_s != 0 && row->expires_s <= now_s ? I8X_TOKEN_EXPIRED : I8X_TOKEN_GOOD;
}

bool i8x_token_name_is_good(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= I8X_TOKEN_NAME_MAX && strspn(text, NAME_BYTES) == size;
}

bool i8x_token_worker_is_good(const char *text)
{
    size_t size = strlen(text);
    return size <= I8X_WIRE_NAME_MAX && strspn(text, WORKER_BYTES) == size;
}

/* ---- the table ---- */

static uint32_t first_place(const i8x_trust_store *store, const i8x_digest *hash)
{
    uint32_t start;
    memcpy(&start, hash->bytes, sizeof start);
    return start & (store->table_size - 1);
}

static i8x_status index_rows(i8x_trust_store *store)
{
    uint32_t size = 64;
    while (size < (uint32_t)store->count * 2)
        size *= 2;
    int32_t *table = i8x_alloc_array(i8x_alloc_heap(), size, sizeof *table);
    I8X_TRY(i8x_alloc_check(table));
    i8x_alloc_free(i8x_alloc_heap(), store->table, store->table_size * sizeof *store->table);
    store->table = table;
    store->table_size = size;
    for (int i = 0; i < store->count; i++) {
        uint32_t place = first_place(store, &store->rows[i].row.hash);
        while (table[place] != 0)
            place = (place + 1) & (size - 1);
        table[place] = i + 1;
    }
    return I8X_OK;
}

i8x_token_state i8x_trust_store_check_hash(const i8x_trust_store *store, const i8x_digest *hash,
                                           int64_t now_s, const i8x_token_row **row)
{
    *row = NULL;
    for (uint32_t place = first_place(store, hash); store->table[place] != 0;
         place = (place + 1) & (store->table_size - 1)) {
        const i8x_token_row *seen = &store->rows[store->table[place] - 1].row;
        if (!i8x_digest_equal(&seen->hash, hash))
            continue;
        *row = seen;
        return i8x_token_row_state(seen, now_s);
    }
    return I8X_TOKEN_UNKNOWN;
}

i8x_token_state i8x_trust_store_check(const i8x_trust_store *store, const char *text, int64_t now_s,
                                      const i8x_token_row **row)
{
    i8x_digest hash = i8x_token_hash(text);
    return i8x_trust_store_check_hash(store, &hash, now_s, row);
}

int i8x_trust_store_count(const i8x_trust_store *store)
{
    return store->count;
}

const i8x_token_row *i8x_trust_store_at(const i8x_trust_store *store, int index)
{
    return &store->rows[index].row;
}

static store_row *by_id(const i8x_trust_store *store, const char *id)
{
    for (int i = 0; i < store->count; i++)
        if (strcmp(store->rows[i].row.id, id) == 0)
            return &store->rows[i];
    return NULL;
}

const i8x_token_row *i8x_trust_store_by_id(const i8x_trust_store *store, const char *id)
{
    const store_row *found = by_id(store, id);
    return found != NULL ? &found->row : NULL;
}

/* ---- the file ---- */

static i8x_status append(i8x_trust_store *store, const i8x_token_row *row, bool saved)
{
    I8X_ENSURE(store->count < I8X_TOKENS_MAX, I8X_ELIMIT,
               "%d tokens are kept, at most; dead ones are dropped after 30 days", I8X_TOKENS_MAX);
    if (store->count == store->capacity) {
        int capacity = store->capacity == 0 ? 16 : store->capacity * 2;
        store_row *rows =
            i8x_alloc_resize(i8x_alloc_heap(), store->rows, (size_t)store->capacity * sizeof *rows,
                             (size_t)capacity * sizeof *rows);
        I8X_TRY(i8x_alloc_check(rows));
        store->rows = rows;
        store->capacity = capacity;
    }
    store->rows[store->count++] = (store_row){*row, saved};
    return I8X_OK;
}

/* Cuts a line into its fields; false if there are more or fewer. */
static bool split(char *line, char *fields[FIELDS])
{
    int count = 0;
    for (char *at = line;; at++) {
        size_t size = strcspn(at, " ");
        if (size == 0 || count == FIELDS)
            return false;
        fields[count++] = at;
        at += size;
        if (*at == 0)
            return count == FIELDS;
        *at = 0;
    }
}

static bool read_time(const char *text, int64_t *seconds)
{
    char *end = NULL;
    *seconds = *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
    return end != NULL && *end == 0;
}

static bool read_row(char *line, i8x_token_row *row)
{
    char *fields[FIELDS];
    *row = (i8x_token_row){0};
    if (!split(line, fields))
        return false;
    const char *worker = strcmp(fields[6], "-") == 0 ? "" : fields[6];
    row->role = i8x_token_role_from_name(fields[1]);
    bool good = strlen(fields[0]) < sizeof row->id && row->role != I8X_TOKEN_ROLE_COUNT &&
                i8x_digest_from_hex(fields[2], &row->hash) == I8X_OK &&
                read_time(fields[3], &row->created_s) && read_time(fields[4], &row->expires_s) &&
                read_time(fields[5], &row->revoked_s) && i8x_token_worker_is_good(worker) &&
                i8x_token_name_is_good(fields[7]);
    if (good) {
        snprintf(row->id, sizeof row->id, "%s", fields[0]);
        snprintf(row->worker, sizeof row->worker, "%s", worker);
        snprintf(row->name, sizeof row->name, "%s", fields[7]);
    }
    return good;
}

static i8x_status read_rows(i8x_trust_store *store, char *text)
{
    int number = 1;
    for (char *line = text, *next; *line != 0; line = next, number++) {
        size_t size = strcspn(line, "\n");
        next = line + size + (line[size] != 0);
        line[size] = 0;
        if (*line == '#' || *line == 0)
            continue;
        i8x_token_row row;
        I8X_ENSURE(read_row(line, &row), I8X_EFORMAT,
                   "%.160s: line %d is no token row (id role sha256 created expires revoked worker "
                   "name)",
                   store->path, number);
        I8X_TRY(append(store, &row, true));
    }
    return I8X_OK;
}

static bool is_long_dead(const i8x_token_row *row, int64_t now_s)
{
    int64_t end = row->revoked_s != 0 ? row->revoked_s : row->expires_s;
    return end != 0 && end < now_s - I8X_TOKEN_KEPT_S;
}

static void drop_dead(i8x_trust_store *store, int64_t now_s)
{
    int kept = 0;
    for (int i = 0; i < store->count; i++)
        if (!is_long_dead(&store->rows[i].row, now_s))
            store->rows[kept++] = store->rows[i];
    store->count = kept;
}

static i8x_status save(i8x_trust_store *store)
{
    i8x_buffer text;
    i8x_buffer_init(&text, (size_t)I8X_TOKENS_MAX * LINE_MAX_BYTES);
    i8x_buffer_text(&text, HEAD);
    for (int i = 0; i < store->count; i++) {
        const i8x_token_row *row = &store->rows[i].row;
        char hex[I8X_DIGEST_HEX_SIZE];
        if (store->rows[i].saved)
            i8x_buffer_format(&text, "%s %s %s %lld %lld %lld %s %s\n", row->id,
                              i8x_token_role_name(row->role), i8x_digest_to_hex(&row->hash, hex),
                              (long long)row->created_s, (long long)row->expires_s,
                              (long long)row->revoked_s, row->worker[0] != 0 ? row->worker : "-",
                              row->name);
    }
    i8x_status status = i8x_buffer_status(&text);
    if (status == I8X_OK)
        status = i8x_file_write_private(store->path, text.bytes, text.size);
    i8x_buffer_deinit(&text);
    return status;
}

i8x_status i8x_trust_store_open(const char *path, int64_t now_s, i8x_trust_store **store)
{
    i8x_trust_store *made = i8x_alloc_array(i8x_alloc_heap(), 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    snprintf(made->path, sizeof made->path, "%s", path);
    char *text = NULL;
    size_t size = 0;
    i8x_status status =
        i8x_trust_file_read(path, (size_t)I8X_TOKENS_MAX * LINE_MAX_BYTES, &text, &size);
    if (status == I8X_OK)
        status = read_rows(made, text);
    else if (status == I8X_ENOENT)
        status = I8X_OK;
    i8x_trust_file_free(text, size);
    drop_dead(made, now_s);
    if (status == I8X_OK)
        status = index_rows(made);
    if (status != I8X_OK) {
        i8x_trust_store_close(made);
        return status;
    }
    *store = made;
    return I8X_OK;
}

void i8x_trust_store_close(i8x_trust_store *store)
{
    if (store == NULL)
        return;
    i8x_alloc_free(i8x_alloc_heap(), store->table, store->table_size * sizeof *store->table);
    i8x_alloc_free(i8x_alloc_heap(), store->rows, (size_t)store->capacity * sizeof *store->rows);
    i8x_alloc_free(i8x_alloc_heap(), store, sizeof *store);
}

/* ---- changes ---- */

static i8x_status make_id(char id[I8X_TOKEN_ID_SIZE])
{
    uint8_t random[ID_RANDOM_BYTES];
    I8X_TRY(i8x_digest_random(random, sizeof random));
    id[0] = 't';
    for (int i = 0; i < ID_RANDOM_BYTES; i++)
        snprintf(id + 1 + 2 * i, 3, "%02x", random[i]);
    return I8X_OK;
}

static i8x_status add(i8x_trust_store *store, i8x_token_row *row, int64_t now_s, bool saved,
                      char text[I8X_TOKEN_SIZE])
{
    I8X_ENSURE(i8x_token_name_is_good(row->name), I8X_EARG,
               "a token's name has 1 to %d letters, digits and ._@:-", I8X_TOKEN_NAME_MAX);
    I8X_ENSURE(i8x_token_worker_is_good(row->worker), I8X_EARG, "'%.60s' is no worker id",
               row->worker);
    drop_dead(store, now_s);
    I8X_TRY(index_rows(store));
    row->created_s = now_s;
    row->revoked_s = 0;
    I8X_TRY(make_id(row->id));
    I8X_TRY(i8x_token_make(row->role, text));
    row->hash = i8x_token_hash(text);
    I8X_TRY(append(store, row, saved));
    i8x_status status = index_rows(store);
    if (status == I8X_OK && saved)
        status = save(store);
    if (status != I8X_OK) {
        store->count--; /* what is not on disk must not be believed */
        i8x_wipe(text, I8X_TOKEN_SIZE);
        return index_rows(store) == I8X_OK ? status : I8X_ENOMEM;
    }
    return I8X_OK;
}

i8x_status i8x_trust_store_add(i8x_trust_store *store, i8x_token_row *row, int64_t now_s,
                               char text[I8X_TOKEN_SIZE])
{
    return add(store, row, now_s, true, text);
}

i8x_status i8x_trust_store_add_unsaved(i8x_trust_store *store, i8x_token_row *row, int64_t now_s,
                                       char text[I8X_TOKEN_SIZE])
{
    return add(store, row, now_s, false, text);
}

i8x_status i8x_trust_store_revoke(i8x_trust_store *store, const char *id, int64_t now_s)
{
    store_row *found = by_id(store, id);
    I8X_ENSURE(found != NULL, I8X_ENOENT, "no token of the id '%.40s'", id);
    if (found->row.revoked_s != 0)
        return I8X_OK;
    found->row.revoked_s = now_s; /* stays so if the file cannot be written: safe, and said */
    return found->saved ? save(store) : I8X_OK;
}

i8x_status i8x_trust_store_revoke_worker(i8x_trust_store *store, const char *worker, int64_t now_s,
                                         int *count)
{
    *count = 0;
    for (int i = 0; i < store->count; i++) {
        i8x_token_row *row = &store->rows[i].row;
        if (worker[0] == 0 || strcmp(row->worker, worker) != 0 ||
            i8x_token_row_state(row, now_s) != I8X_TOKEN_GOOD)
            continue;
        row->revoked_s = now_s;
        ++*count;
    }
    return *count > 0 ? save(store) : I8X_OK;
}

i8x_status i8x_trust_store_extend(i8x_trust_store *store, const char *id, int64_t expires_s,
                                  int64_t now_s)
{
    store_row *found = by_id(store, id);
    I8X_ENSURE(found != NULL && i8x_token_row_state(&found->row, now_s) == I8X_TOKEN_GOOD,
               I8X_ENOENT, "no good token of the id '%.40s'", id);
    int64_t old = found->row.expires_s;
    found->row.expires_s = expires_s;
    i8x_status status = save(store);
    if (status != I8X_OK)
        found->row.expires_s = old;
    return status;
}
