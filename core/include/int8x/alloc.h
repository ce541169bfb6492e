/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory: one allocator interface and the arena on top of it.
 *
 * An i8x_alloc is four words: three functions and their user pointer. i8x_alloc_heap() is the
 * process heap. An arena takes chunks from an allocator up to a byte limit and gives them all back
 * at once: it holds what lives as long as a task, a graph or a request. All blocks are 64-byte
 * aligned. Failures return NULL and record I8X_ENOMEM or I8X_ELIMIT with the facts; write float *w
 * = i8x_arena_array(arena, count, sizeof *w); I8X_TRY(i8x_alloc_check(w)); Not thread-safe: an
 * arena belongs to one thread at a time. The heap allocator is thread-safe.
 */
#ifndef INT8X_ALLOC_H
#define INT8X_ALLOC_H

#include <stddef.h>

#include "int8x/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define I8X_ALIGNMENT 64

typedef struct i8x_alloc {
    void *(*alloc)(void *user, size_t size_bytes);
    void *(*resize)(void *user, void *block, size_t old_bytes, size_t new_bytes);
    void (*free)(void *user, void *block, size_t size_bytes);
    void *user;
} i8x_alloc;

/** The process heap. Thread-safe, static. */
I8X_EXPORT const i8x_alloc *i8x_alloc_heap(void);
/**
 * From now on blocks of 256 KiB and more go back to the system when they are freed. glibc raises
 * its own limit for that with every large block that is freed, and a slot that runs task after task
 * then holds the largest blocks of all of them (EfficientNet-Lite0: 155 MB instead of 132 MB, same
 * CPU time). Programs that run tasks call it once, first thing. Does nothing where the C library
 * has no such limit.
 */
I8X_EXPORT void i8x_alloc_return_large(void);
/** count * size_bytes bytes (0 gives a valid block), zeroed. NULL on overflow or no memory, error
 * recorded. */
I8X_EXPORT void *i8x_alloc_array(const i8x_alloc *alloc, size_t count, size_t size_bytes);
/** Grows or shrinks; new bytes are not zeroed. NULL leaves the old block as it was. block may be
 * NULL if old_bytes is 0. */
I8X_EXPORT void *i8x_alloc_resize(const i8x_alloc *alloc, void *block, size_t old_bytes,
                                  size_t new_bytes);
/** block may be NULL. size_bytes is what was asked for. */
I8X_EXPORT void i8x_alloc_free(const i8x_alloc *alloc, void *block, size_t size_bytes);
/** I8X_OK if block is not NULL, else the status of the last failure. */
I8X_FALLIBLE i8x_status i8x_alloc_check(const void *block);
#ifdef __clang_analyzer__
/* What i8x_alloc_check does, where the analyzer can see it. */
#define i8x_alloc_check(block) ((block) != NULL ? I8X_OK : i8x_not_ok(i8x_alloc_check(block)))
#endif

typedef struct i8x_arena i8x_arena;

/* Position in an arena; plain value. */
typedef struct i8x_arena_mark {
    void *chunk;
    size_t used;
} i8x_arena_mark;

/**
 * New arena. alloc NULL = heap. limit_bytes 0 = no limit. The arena is freed with i8x_arena_free.
 * Errors: I8X_ENOMEM.
 */
I8X_FALLIBLE i8x_status i8x_arena_new(const i8x_alloc *alloc, size_t limit_bytes,
                                      i8x_arena **arena);
/** Gives everything back. arena may be NULL. */
I8X_EXPORT void i8x_arena_free(i8x_arena *arena);
/** size_bytes bytes, not zeroed, 64-byte aligned. NULL on I8X_ELIMIT or I8X_ENOMEM. */
I8X_EXPORT void *i8x_arena_alloc(i8x_arena *arena, size_t size_bytes);
/** count * size_bytes bytes, zeroed; overflow is I8X_ELIMIT. */
I8X_EXPORT void *i8x_arena_array(i8x_arena *arena, size_t count, size_t size_bytes);
/** Copy of a string. NULL in gives "". */
I8X_EXPORT char *i8x_arena_string(i8x_arena *arena, const char *text);
/** printf into the arena. */
I8X_EXPORT char *i8x_arena_format(i8x_arena *arena, const char *format, ...) I8X_PRINTF(2, 3);
/** Copy of size_bytes bytes. */
I8X_EXPORT void *i8x_arena_copy(i8x_arena *arena, const void *bytes, size_t size_bytes);
/** Where the arena stands; everything allocated later goes with i8x_arena_rewind. */
I8X_EXPORT i8x_arena_mark i8x_arena_mark_get(const i8x_arena *arena);
/** Forgets (and under ASan poisons) all blocks since the mark; chunks past the first are given
 * back. */
I8X_EXPORT void i8x_arena_rewind(i8x_arena *arena, i8x_arena_mark mark);
/** Bytes now taken from the allocator, and the most there ever were. */
I8X_EXPORT size_t i8x_arena_size_bytes(const i8x_arena *arena);
I8X_EXPORT size_t i8x_arena_peak_bytes(const i8x_arena *arena);

#ifdef __cplusplus
}
#endif
#endif
