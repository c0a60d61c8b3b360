/* What every loop needs: its gathering of appends, its sessions, its scratch, its wake box, its
 * lane for recompression. */
#include "main/station.h"

#include "api/fetch_session.h"
#include "api/recompress.h"
#include "partition/append_turn.h"
#include "record/codec.h"

/*
 * The most memory for a batch that must be decompressed whole: raw snappy, zstd of a wide window.
 */
#define SCRATCH_BYTES_MAX (64u * 1024 * 1024)

static void station_on_image(struct image_subscriber *sub, const struct image *img)
{
	struct station *station = container_of(sub, struct station, images);

	station->api.image = img;
}

enum err station_init(struct station *station, struct api *api, const char *name, int index,
		      size_t session_slots)
{
	struct loop *loop = loop_new(name, api->clock);

	wake_box_init(&station->box, loop);
	station->images = (struct image_subscriber){.loop = loop, .on_image = station_on_image};
	station->api = (struct api_loop){
	    .api = api,
	    .loop = loop,
	    .index = index,
	    .appends = append_turn_new(loop, &station->box),
	    .sessions = fetch_sessions_new(loop, index < 0 ? 0 : index, session_slots),
	    .scratch = codec_scratch_new(SCRATCH_BYTES_MAX),
	    .recompress = recompress_lane_new(loop, api),
	    .box = &station->box,
	};
	STAILQ_INIT(&station->api.cold);
	loop_set_user(loop, &station->api);
	return station->api.appends != NULL && station->api.sessions != NULL &&
		       station->api.scratch != NULL && station->api.recompress != NULL
		   ? ERR_OK
		   : ERR_NOMEM;
}

void station_fini(struct station *station)
{
	if (station->api.loop == NULL)
		return;
	append_turn_free(station->api.appends);
	fetch_sessions_free(station->api.sessions);
	codec_scratch_free(station->api.scratch);
	recompress_lane_free(station->api.recompress);
	wake_box_fini(&station->box);
	loop_free(station->api.loop);
}
