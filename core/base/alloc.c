/* SPDX-License-Identifier: Apache-2.0
 *
 * The process heap, the checked calls on top of any allocator, and the arena. This is the only file
 * that calls malloc and friends.
 *
 * Arena: a list of chunks, newest first; a block is cut from the newest chunk or opens a new one of
 * at least twice the size of the last. Chunks start at CHUNK_FIRST, so that a small arena is small
 * on a 1 GB board. Under ASan the unused part of each chunk is poisoned, so that a block used after
 * a rewind is found.
 */
#include "int8x/alloc.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(block, size) ASAN_POISON_MEMORY_REGION(block, size)
#define UNPOISON(block, size) ASAN_UNPOISON_MEMORY_REGION(block, size)
#else
#define POISON(block, size) ((void)(block), (void)(size))
#define UNPOISON(block, size) ((void)(block), (void)(size))
#endif

#define CHUNK_FIRST ((size_t)16 << 10)
#define CHUNK_MAX                                                                                  \
    ((size_t)64 << 20) /* growth by doubling stops here; larger blocks get their own chunk */

#define RETURNED_MIN (256 << 10)

/* What the heap is asked for: whole units of the alignment, at least one; 0 on overflow. */
static size_t heap_size(size_t size_bytes)
{
    size_t rounded;
    if (!i8x_align_size(size_bytes == 0 ? 1 : size_bytes, I8X_ALIGNMENT, &rounded))
        return 0;
    return rounded;
}

static void *heap_alloc(void *user, size_t size_bytes)
{
    (void)user;
    const size_t rounded = heap_size(size_bytes);
    return rounded != 0 ? aligned_alloc(I8X_ALIGNMENT, rounded) : NULL;
}

/* realloc does not keep the alignment, so a resize is a new block and a copy, unless it fits. */
static void *heap_resize(void *user, void *block, size_t old_bytes, size_t new_bytes)
{
    if (block != NULL && heap_size(old_bytes) == heap_size(new_bytes))
        return block;
    void *moved = heap_alloc(user, new_bytes);
    if (moved == NULL)
        return NULL;
    if (block != NULL)
        memcpy(moved, block, old_bytes < new_bytes ? old_bytes : new_bytes);
    free(block);
    return moved;
}

static void heap_free(void *user, void *block, size_t size_bytes)
{
    (void)user;
    (void)size_bytes;
    free(block);
}

void i8x_alloc_return_large(void)
{
#if defined(M_MMAP_THRESHOLD)
    (void)mallopt(M_MMAP_THRESHOLD, RETURNED_MIN);
#endif
}

const i8x_alloc *i8x_alloc_heap(void)
{
    static const i8x_alloc heap = {heap_alloc, heap_resize, heap_free, NULL};
    return &heap;
}

static void *record_no_memory(size_t size_bytes)
{
    (void)i8x_fail(I8X_ENOMEM, __FILE__, __LINE__, "no memory for %zu bytes", size_bytes);
    return NULL;
}

static void *record_overflow(size_t count, size_t size_bytes)
{
    (void)i8x_fail(I8X_ELIMIT, __FILE__, __LINE__, "%zu blocks of %zu bytes are too many", count,
                   size_bytes);
    return NULL;
}

void *i8x_alloc_array(const i8x_alloc *alloc, size_t count, size_t size_bytes)
{
    size_t total;
    if (!i8x_mul_size(count, size_bytes, &total))
        return record_overflow(count, size_bytes);
    void *block = alloc->alloc(alloc->user, total);
    if (block == NULL)
        return record_no_memory(total);
    return memset(block, 0, total);
}

void *i8x_alloc_resize(const i8x_alloc *alloc, void *block, size_t old_bytes, size_t new_bytes)
{
    void *moved = block == NULL ? alloc->alloc(alloc->user, new_bytes)
                                : alloc->resize(alloc->user, block, old_bytes, new_bytes);
    return moved != NULL ? moved : record_no_memory(new_bytes);
}

void i8x_alloc_free(const i8x_alloc *alloc, void *block, size_t size_bytes)
{
    if (block != NULL)
        alloc->free(alloc->user, block, size_bytes);
}

/* Names in brackets: to the analyzer they are macros, too. */
i8x_status(i8x_alloc_check)(const void *block)
{
    return block != NULL ? I8X_OK : i8x_last_error()->status;
}

/* Stands at the start of its own memory; blocks follow from the next multiple of the alignment. */
typedef struct arena_chunk {
    struct arena_chunk *older;
    size_t capacity; /* of the whole chunk, this header included */
} arena_chunk;

#define CHUNK_HEADER ((size_t)I8X_ALIGNMENT)
_Static_assert(sizeof(arena_chunk) <= I8X_ALIGNMENT,
               "a chunk's header fits before its first block");

struct i8x_arena {
    const i8x_alloc *alloc;
    arena_chunk *newest; /* NULL before the first block */
    size_t used;         /* bytes of the newest chunk that are given away, its header included */
    size_t limit_bytes;  /* 0 = none */
    size_t taken_bytes;
    size_t peak_bytes;
};

i8x_status i8x_arena_new(const i8x_alloc *alloc, size_t limit_bytes, i8x_arena **arena)
{
    if (alloc == NULL)
        alloc = i8x_alloc_heap();
    i8x_arena *made = i8x_alloc_array(alloc, 1, sizeof *made);
    I8X_TRY(i8x_alloc_check(made));
    made->alloc = alloc;
    made->limit_bytes = limit_bytes;
    *arena = made;
    return I8X_OK;
}

static void drop_newest(i8x_arena *arena)
{
    arena_chunk *chunk = arena->newest;
    arena->newest = chunk->older;
    arena->taken_bytes -= chunk->capacity;
    UNPOISON(chunk, chunk->capacity);
    arena->alloc->free(arena->alloc->user, chunk, chunk->capacity);
}

void i8x_arena_free(i8x_arena *arena)
{
    if (arena == NULL)
        return;
    while (arena->newest != NULL)
        drop_newest(arena);
    i8x_alloc_free(arena->alloc, arena, sizeof *arena);
}

/* Capacity of the next chunk for a block of need bytes (header included); 0 = over the limit. */
static size_t next_capacity(const i8x_arena *arena, size_t need)
{
    const size_t room =
        arena->limit_bytes == 0 ? SIZE_MAX : arena->limit_bytes - arena->taken_bytes;
    size_t wanted = CHUNK_FIRST;
    if (arena->newest != NULL && arena->newest->capacity <= CHUNK_MAX / 2)
        wanted = 2 * arena->newest->capacity;
    else if (arena->newest != NULL)
        wanted = CHUNK_MAX;
    if (wanted > room)
        wanted = room & ~((size_t)I8X_ALIGNMENT - 1);
    if (wanted < need)
        wanted = need;
    return wanted > room ? 0 : wanted;
}

static bool open_chunk(i8x_arena *arena, size_t block_bytes)
{
    size_t need;
    if (!i8x_add_size(block_bytes, CHUNK_HEADER, &need))
        return record_overflow(1, block_bytes) != NULL;
    const size_t capacity = next_capacity(arena, need);
    if (capacity == 0) {
        (void)i8x_fail(I8X_ELIMIT, __FILE__, __LINE__,
                       "%zu more bytes are over the memory limit: %zu of %zu bytes are taken",
                       block_bytes, arena->taken_bytes, arena->limit_bytes);
        return false;
    }
    arena_chunk *chunk = arena->alloc->alloc(arena->alloc->user, capacity);
    if (chunk == NULL)
        return record_no_memory(capacity) != NULL;
    chunk->older = arena->newest;
    chunk->capacity = capacity;
    arena->newest = chunk;
    arena->used = CHUNK_HEADER;
    arena->taken_bytes += capacity;
    if (arena->taken_bytes > arena->peak_bytes)
        arena->peak_bytes = arena->taken_bytes;
    POISON((char *)chunk + CHUNK_HEADER, capacity - CHUNK_HEADER);
    return true;
}

void *i8x_arena_alloc(i8x_arena *arena, size_t size_bytes)
{
    size_t rounded;
    if (!i8x_align_size(size_bytes == 0 ? 1 : size_bytes, I8X_ALIGNMENT, &rounded))
        return record_overflow(1, size_bytes);
    if (arena->newest == NULL || rounded > arena->newest->capacity - arena->used)
        if (!open_chunk(arena, rounded))
            return NULL;
    char *block = (char *)arena->newest + arena->used;
    arena->used += rounded;
    UNPOISON(block, size_bytes);
    return block;
}

void *i8x_arena_array(i8x_arena *arena, size_t count, size_t size_bytes)
{
    size_t total;
    if (!i8x_mul_size(count, size_bytes, &total))
        return record_overflow(count, size_bytes);
    void *block = i8x_arena_alloc(arena, total);
    return block != NULL ? memset(block, 0, total) : NULL;
}

void *i8x_arena_copy(i8x_arena *arena, const void *bytes, size_t size_bytes)
{
    void *block = i8x_arena_alloc(arena, size_bytes);
    if (block != NULL && size_bytes > 0)
        memcpy(block, bytes, size_bytes);
    return block;
}

char *i8x_arena_string(i8x_arena *arena, const char *text)
{
    if (text == NULL)
        text = "";
    return i8x_arena_copy(arena, text, strlen(text) + 1);
}

char *i8x_arena_format(i8x_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : i8x_arena_alloc(arena, (size_t)length + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    if (length < 0)
        (void)i8x_fail(I8X_EINTERNAL, __FILE__, __LINE__, "format '%s' failed", format);
    return text;
}

i8x_arena_mark i8x_arena_mark_get(const i8x_arena *arena)
{
    return (i8x_arena_mark){arena->newest, arena->used};
}

/*
 * A mark of an empty arena names no chunk: then the oldest chunk is kept, empty, so that an arena
 * that is reset between tasks does not go back to the heap each time.
 */
void i8x_arena_rewind(i8x_arena *arena, i8x_arena_mark mark)
{
    while (arena->newest != NULL && arena->newest != mark.chunk &&
           (mark.chunk != NULL || arena->newest->older != NULL))
        drop_newest(arena);
    if (arena->newest == NULL)
        return;
    I8X_ASSERT(mark.chunk == NULL || arena->newest == mark.chunk);
    arena->used = mark.chunk == NULL ? CHUNK_HEADER : mark.used;
    POISON((char *)arena->newest + arena->used, arena->newest->capacity - arena->used);
}

size_t i8x_arena_size_bytes(const i8x_arena *arena)
{
    return arena->taken_bytes;
}

size_t i8x_arena_peak_bytes(const i8x_arena *arena)
{
    return arena->peak_bytes;
}
