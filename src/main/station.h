/* A station: one loop with all that hangs on it. The control loop has one, and each io loop. */
#ifndef MAIN_STATION_H
#define MAIN_STATION_H

#include "api/api.h"
#include "meta/controller.h"
#include "partition/wait.h"

struct station {
	struct api_loop api;
	struct wake_box box;
	struct image_subscriber images; /* keeps api.image at the newest */
};

/* index: among the io loops, -1 for the control loop. session_slots: fetch sessions it may hold. */
enum err station_init(struct station *station, struct api *api, const char *name, int index,
		      size_t session_slots) must_check;
/* When its loop runs no more and nothing is in the post. Also one that was never made. */
void station_fini(struct station *station);

#endif
