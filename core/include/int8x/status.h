/* SPDX-License-Identifier: Apache-2.0
 *
 * Status: the one error type of int8x.
 *
 * A fallible function returns i8x_status and fills its results only on I8X_OK. The sentence with
 * the facts (what, where, the value, the limit, what to do) is kept per thread and read with
 * i8x_last_error(); it is copied into task results, so an HTTP client reads the same words.
 * Programmer errors are no statuses: I8X_ASSERT aborts, in release too.
 * Thread-safe: the detail is thread-local.
 *
 *     i8x_status load(const char *path) {
 *         I8X_ENSURE(path != NULL, I8X_EARG, "path is NULL");
 *         I8X_TRY(open_file(path));
 *         return I8X_OK;
 *     }
 */
#ifndef INT8X_STATUS_H
#define INT8X_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define I8X_EXPORT __attribute__((visibility("default")))
#define I8X_FALLIBLE __attribute__((visibility("default"), warn_unused_result))
#define I8X_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define I8X_EXPORT
#define I8X_FALLIBLE
#define I8X_PRINTF(fmt, args)
#endif

/* X(name, sentence, HTTP status, exit code of the programs) */
#define I8X_STATUS_LIST(X)                                                                         \
    X(OK, "ok", 200, 0)                                                                            \
    X(EARG, "an argument is not allowed", 400, 2)                                                  \
    X(ESHAPE, "shapes do not fit", 422, 3)                                                         \
    X(EDTYPE, "element types do not fit", 422, 3)                                                  \
    X(ERANGE, "a value is out of range", 422, 3)                                                   \
    X(EFORMAT, "the file is malformed", 422, 3)                                                    \
    X(EUNSUPPORTED, "not supported", 422, 4)                                                       \
    X(EVERSION, "the version is not known", 422, 4)                                                \
    X(ECORRUPT, "the bytes do not match their digest", 422, 5)                                     \
    X(ENOMEM, "out of memory", 507, 6)                                                             \
    X(ELIMIT, "over a limit", 413, 6)                                                              \
    X(EIO, "input or output failed", 500, 7)                                                       \
    X(ENOENT, "not found", 404, 8)                                                                 \
    X(EEXIST, "exists already", 409, 8)                                                            \
    X(EBUSY, "busy", 503, 9)                                                                       \
    X(ETIMEOUT, "timed out", 504, 9)                                                               \
    X(ECANCELED, "canceled", 409, 10)                                                              \
    X(EUNREACHABLE, "the peer cannot be reached", 502, 9)                                          \
    X(EINTERNAL, "a fault inside int8x", 500, 70)                                                  \
    X(EAUTH, "who asks is not known", 401, 11)                                                     \
    X(EDENIED, "who asks may not do this", 403, 11)

typedef enum i8x_status {
#define I8X_STATUS_ENUM(name, sentence, http, exit_code) I8X_##name,
    I8X_STATUS_LIST(I8X_STATUS_ENUM)
#undef I8X_STATUS_ENUM
        I8X_STATUS_COUNT
} i8x_status;

#define I8X_ERROR_DETAIL_SIZE 256

/* What went wrong last on this thread. Plain value; valid until the next failure on the thread. */
typedef struct i8x_error {
    i8x_status status;
    const char *file; /* static string */
    int line;
    char detail[I8X_ERROR_DETAIL_SIZE]; /* one sentence, never empty after a failure */
} i8x_error;

/** Name of a status, "ESHAPE"; "?" for a number that is none. Static string. */
I8X_EXPORT const char *i8x_status_name(i8x_status status);
/** Sentence of a status. Static string. */
I8X_EXPORT const char *i8x_status_sentence(i8x_status status);
/** HTTP status code that the service answers with. */
I8X_EXPORT int i8x_status_http(i8x_status status);
/** Exit code of the programs. */
I8X_EXPORT int i8x_status_exit_code(i8x_status status);
/** Status of that name, or I8X_STATUS_COUNT. */
I8X_EXPORT i8x_status i8x_status_from_name(const char *name);

/** Last failure of this thread; status I8X_OK if there was none. Borrowed, thread-local. */
I8X_EXPORT const i8x_error *i8x_last_error(void);

/** Records a failure and returns its status. Use the macros below instead. */
I8X_EXPORT i8x_status i8x_fail(i8x_status status, const char *file, int line, const char *format,
                               ...) I8X_PRINTF(4, 5);

/** Puts words before the sentence of the last failure ("Conv 'stem': " ...); returns its status. */
I8X_EXPORT i8x_status i8x_fail_prefix(const char *format, ...) I8X_PRINTF(1, 2);

#ifdef __clang_analyzer__
/* The analyzer reads one source at a time and has to be told that a failure is never I8X_OK. */
static inline i8x_status i8x_not_ok(i8x_status status)
{
    __builtin_assume(status != I8X_OK);
    return status;
}
#define i8x_fail(...) i8x_not_ok(i8x_fail(__VA_ARGS__))
#define i8x_fail_prefix(...) i8x_not_ok(i8x_fail_prefix(__VA_ARGS__))
#endif

/** Prints the broken condition to standard error and aborts. */
I8X_EXPORT void i8x_assert_failed(const char *condition, const char *file, int line)
    __attribute__((noreturn));

#define I8X_FAIL(code, ...) return i8x_fail((code), __FILE__, __LINE__, __VA_ARGS__)
#define I8X_ENSURE(condition, code, ...)                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return i8x_fail((code), __FILE__, __LINE__, __VA_ARGS__);                              \
    } while (0)
#define I8X_TRY(call)                                                                              \
    do {                                                                                           \
        i8x_status i8x_try_status_ = (call);                                                       \
        if (i8x_try_status_ != I8X_OK)                                                             \
            return i8x_try_status_;                                                                \
    } while (0)
#define I8X_ASSERT(condition)                                                                      \
    ((condition) ? (void)0 : i8x_assert_failed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define I8X_DEBUG_ASSERT(condition) ((void)0)
#else
#define I8X_DEBUG_ASSERT(condition) I8X_ASSERT(condition)
#endif

#ifdef __cplusplus
}
#endif
#endif
