/* Brokers, leaders and replicas as a client sees them. */
#include "api/describe.h"

#include "meta/controller.h"

const struct image_endpoint *describe_endpoint(const struct image_broker *broker,
					       const struct req *req)
{
	return image_broker_endpoint(broker, req->listener);
}

enum err describe_leader(const struct image *image, const struct image_partition *part,
			 const struct req *req, int32_t *leader)
{
	const struct image_broker *broker = image_broker_find(image, part->leader);

	*leader = IMAGE_NO_LEADER;
	if (broker == NULL || broker->fenced)
		return ERR_LEADER_NOT_AVAILABLE;
	if (describe_endpoint(broker, req) == NULL)
		return ERR_LISTENER_NOT_FOUND;
	*leader = part->leader;
	return ERR_OK;
}

int32_t *describe_offline(const struct image *image, const struct image_partition *part,
			  struct arena *arena, size_t *len)
{
	struct image_ids replicas = image_replicas(part);
	int32_t *offline = arena_array(arena, replicas.len, sizeof(*offline));

	*len = 0;
	for (size_t i = 0; offline != NULL && i < replicas.len; i++) {
		const struct image_broker *broker = image_broker_find(image, replicas.ptr[i]);

		if (broker == NULL || broker->fenced ||
		    !image_broker_has_dir(broker, part->directories[i]))
			offline[(*len)++] = replicas.ptr[i];
	}
	return offline;
}

int32_t *describe_ids(struct image_ids ids, size_t *len)
{
	static int32_t none;

	*len = ids.len;
	return ids.len > 0 ? (int32_t *)(uintptr_t)ids.ptr : &none;
}

enum err describe_missing(struct arena *arena, struct str name)
{
	struct str message;

	return controller_check_name(arena, name, &message) == ERR_OK
		   ? ERR_UNKNOWN_TOPIC_OR_PARTITION
		   : ERR_INVALID_TOPIC_EXCEPTION;
}
