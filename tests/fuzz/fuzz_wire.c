/* SPDX-License-Identifier: Apache-2.0
 *
 * Wire: any bytes decode or are refused; what decodes encodes again to a frame that means the same.
 */
#include <stddef.h>
#include <stdint.h>

#include "int8x/alloc.h"
#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    i8x_arena *arena = NULL;
    i8x_buffer frame;
    i8x_wire_message message, again;
    i8x_buffer_init(&frame, I8X_WIRE_FRAME_MAX);
    if (i8x_arena_new(NULL, I8X_WIRE_ARENA_MAX, &arena) != I8X_OK)
        return 0;
    if (i8x_wire_decode(bytes, size, arena, &message) == I8X_OK) {
        i8x_status status = i8x_wire_encode(&message, &frame);
        I8X_ASSERT(status == I8X_OK);
        status = i8x_wire_decode(frame.bytes, frame.size, arena, &again);
        I8X_ASSERT(status == I8X_OK && again.type == message.type &&
                   again.session == message.session);
    }
    i8x_buffer_deinit(&frame);
    i8x_arena_free(arena);
    return 0;
}
