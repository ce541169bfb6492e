/* SPDX-License-Identifier: Apache-2.0
 *
 * Renewal: the worker's certificate is replaced when two thirds of its life are over. The link's
 * tunnel shows the new one from its next connection on; what stands goes on.
 */
#ifndef I8X_WORKER_RENEWAL_H
#define I8X_WORKER_RENEWAL_H

#include "proto/tunnel.h"
#include "worker/credential.h"

typedef struct i8x_renewal i8x_renewal;
/* The coordinator does not renew for this worker (I8X_EAUTH, I8X_EDENIED); on the thread. */
typedef void (*i8x_renewal_denied_cb)(void *user, i8x_status status, const char *detail);
/** Starts a thread that renews the certificate of the cache when two thirds of its life are over,
 * and gives it to the tunnel. credential is read here once. Errors: I8X_ENOMEM. */
I8X_FALLIBLE i8x_status i8x_renewal_new(const char *cache, const i8x_credential *credential,
                                        i8x_tunnel *tunnel, i8x_renewal_denied_cb denied,
                                        void *user, i8x_renewal **renewal);
/** Ends the thread; NULL is allowed. */
void i8x_renewal_free(i8x_renewal *renewal);

#endif
