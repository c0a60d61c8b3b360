/* What Metadata, DescribeCluster and DescribeTopicPartitions have in common. */
#ifndef API_DESCRIBE_H
#define API_DESCRIBE_H

#include "meta/image.h"
#include "wire/req.h"

/* Sets of AclOperation bits that a client may do where there is no authorizer (KIP-430). */
#define DESCRIBE_CLUSTER_OPERATIONS 8096
#define DESCRIBE_TOPIC_OPERATIONS   3576

/* How a broker is reached by the listener that the request came by; NULL: not that way. */
const struct image_endpoint *describe_endpoint(const struct image_broker *broker,
					       const struct req *req);

/*
 * The leader of a partition as this client may see it, and the partition's error: none,
 * LEADER_NOT_AVAILABLE, or LISTENER_NOT_FOUND.
 */
enum err describe_leader(const struct image *image, const struct image_partition *part,
			 const struct req *req, int32_t *leader);

/* Replicas on brokers that are not alive; in the arena, NULL when that is full. */
int32_t *describe_offline(const struct image *image, const struct image_partition *part,
			  struct arena *arena, size_t *len);

/* What a topic that is not there is answered with: its name may be one that no topic can have. */
enum err describe_missing(struct arena *arena, struct str name);

/* The image's own list, for a response's field: it is only read. */
int32_t *describe_ids(struct image_ids ids, size_t *len);

#endif
