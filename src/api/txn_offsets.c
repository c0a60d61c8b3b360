/* Which partition a group's offsets are in. See txn_offsets.h. */
#include "api/txn_offsets.h"

#include "meta/controller.h"

enum err txn_offsets_fill(struct txn_offsets *offsets, struct api_loop *al, struct str id,
			  int64_t producer_id, int16_t epoch, struct str group)
{
	static const struct str name = {"__consumer_offsets", 18};
	const struct image_topic *topic = image_topic_by_name(al->image, name);
	enum err err;

	if (topic == NULL) {
		err = controller_ensure_internal(al->api->controller, name);
		return err != ERR_OK ? err : ERR_COORDINATOR_NOT_AVAILABLE;
	}
	offsets->partition =
	    (struct enlist_partition){name, coord_partition_for(group, topic->partitions_len),
				      ERR_OK};
	offsets->ask = (struct enlist_ask){.id = id,
					   .producer_id = producer_id,
					   .epoch = epoch,
					   .partitions = &offsets->partition,
					   .len = 1};
	return ERR_OK;
}
