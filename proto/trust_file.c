/* SPDX-License-Identifier: Apache-2.0
 *
 * Private files. The check of owner and mode comes before the read: it catches a file that was
 * copied or edited carelessly, not an attacker who already is this user.
 */
#include "proto/trust_file.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "int8x/alloc.h"
#include "int8x/file.h"
#include "proto/trust_token.h"

i8x_status i8x_trust_file_read(const char *path, size_t limit_bytes, char **text, size_t *size)
{
    struct stat info;
    I8X_ENSURE(stat(path, &info) == 0, errno == ENOENT ? I8X_ENOENT : I8X_EIO, "'%.120s': %s", path,
               strerror(errno));
    I8X_ENSURE(S_ISREG(info.st_mode) && (info.st_uid == geteuid() || info.st_uid == 0), I8X_EDENIED,
               "'%.120s' is not a regular file of this user", path);
    I8X_ENSURE(
        (info.st_mode & 077) == 0, I8X_EDENIED,
        "'%.120s' may be read by others (mode %03o): if none of them did, chmod 600 it; else "
        "replace what is in it",
        path, (unsigned)(info.st_mode & 0777));
    uint8_t *bytes = NULL;
    I8X_TRY(i8x_file_read_all(NULL, path, limit_bytes, &bytes, size));
    *text = (char *)bytes;
    return I8X_OK;
}

void i8x_trust_seal_process(void)
{
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* not known to every emulator */
}

void i8x_trust_file_free(char *text, size_t size)
{
    if (text == NULL)
        return;
    i8x_wipe(text, size);
    i8x_alloc_free(i8x_alloc_heap(), text, size + 1);
}
