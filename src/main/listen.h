/* From the settings to a bound network, and to the addresses that clients are told. */
#ifndef MAIN_LISTEN_H
#define MAIN_LISTEN_H

#include "meta/config.h"
#include "meta/image.h"
#include "net/net.h"

#define LISTENERS_MAX 32

struct listen {
	struct net *net; /* NULL: without a network, for tests */
	struct image_endpoint endpoints[LISTENERS_MAX];
	size_t endpoints_len;
};

/*
 * Binds every listener of the settings but the controllers', and notes what is advertised of it,
 * with the real port where the settings leave it open. Errors have been logged. Frames go to
 * api_dispatch, on one of the loops, or on the control loop for members of groups.
 */
enum err listen_bind(struct listen *listen, const struct config *config, struct loop *const *loops,
		     size_t loops_len, struct loop *control, bool with_network) must_check;

#endif
