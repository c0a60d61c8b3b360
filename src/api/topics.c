/* Topic and index to partition. */
#include "api/topics.h"

enum err topics_local(const struct image_topic *topic, int32_t idx,
		      const struct image_partition **image_part, struct partition **local)
{
	*local = NULL;
	*image_part = topic != NULL ? image_partition_at(topic, idx) : NULL;
	if (*image_part == NULL)
		return ERR_UNKNOWN_TOPIC_OR_PARTITION;
	if ((*image_part)->local == NULL)
		return ERR_NOT_LEADER_OR_FOLLOWER;
	*local = (*image_part)->local;
	return partition_check_leader(*local, -1);
}
