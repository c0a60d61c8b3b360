/* From what a request names to the partition that serves it, for the handlers of the data path. */
#ifndef API_TOPICS_H
#define API_TOPICS_H

#include "meta/image.h"
#include "partition/partition.h"

/*
 * The running partition that leads `idx` of a topic. ERR_UNKNOWN_TOPIC_OR_PARTITION: no such index
 * (or topic NULL); ERR_NOT_LEADER_OR_FOLLOWER: it is not ours. *image_part is set when there is
 * one.
 */
enum err topics_local(const struct image_topic *topic, int32_t idx,
		      const struct image_partition **image_part,
		      struct partition **local) must_check;

#endif
