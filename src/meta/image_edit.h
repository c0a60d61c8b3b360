/*
 * Changing an image before it is published: for image_apply.c and its tests. Control loop only.
 *
 * image_fork gives a version that shares everything with the one before; from then on the older one
 * must not be changed any more, but for an abandoned fork: that is dropped, and the older one
 * forked again. An `_edit` function returns an object that belongs to this version alone, copied if
 * need be.
 */
#ifndef META_IMAGE_EDIT_H
#define META_IMAGE_EDIT_H

#include "meta/image.h"

/* NULL when memory is out. */
struct image *image_new(struct str cluster_id);
struct image *image_fork(struct image *img);
struct image *image_ref(struct image *img);
void image_unref(struct image *img); /* NULL is allowed */

/* -- topics --------------------------------------------------------------------------------- */

struct image_topic *image_topic_ref(struct image_topic *topic);
void image_topic_unref(struct image_topic *topic);

/* ERR_EXISTS when name or id are there. */
enum err image_topic_add(struct image *img, struct uuid id, struct str name) must_check;
/* With its configs. ERR_UNKNOWN_TOPIC_ID. */
enum err image_topic_remove(struct image *img, struct uuid id) must_check;
/* ERR_UNKNOWN_TOPIC_ID. */
enum err image_topic_edit(struct image *img, struct uuid id, struct image_topic **out) must_check;

/* What a partition is made of: borrowed lists. */
struct image_partition_state {
	int32_t leader, leader_epoch, partition_epoch;
	int8_t leader_recovery_state;
	struct image_ids replicas, isr, removing, adding, elr, last_known_elr;
	const struct uuid *directories; /* replicas.len of them, or NULL: all zero (MIGRATING) */
	struct partition *local;
};

void image_partition_state(const struct image_partition *part, struct image_partition_state *out);
/*
 * Puts the partition at idx, in the place of what was there. idx may be any up to
 * IMAGE_PARTITION_MAX: records of a topic's partitions come in no certain order; a hole reads as
 * "no such partition". The state may borrow from the partition that it replaces.
 */
#define IMAGE_PARTITION_MAX 1000000
enum err image_partition_put(struct image *img, struct uuid topic_id, int32_t idx,
			     const struct image_partition_state *state) must_check;
/* Sets the running partition of an image that is not published yet. */
enum err image_partition_set_local(struct image *img, struct uuid topic_id, int32_t idx,
				   struct partition *local) must_check;

/* -- the rest ------------------------------------------------------------------------------- */

/* Copies what `from` says; refs and the memory of it are not used. */
enum err image_broker_put(struct image *img, const struct image_broker *from) must_check;
enum err image_broker_remove(struct image *img, int32_t id) must_check;
/* Level 0 removes. */
enum err image_feature_put(struct image *img, struct str name, int16_t level) must_check;
/* A null value removes. */
enum err image_config_put(struct image *img, enum image_config_type type, struct str name,
			  struct str key, struct str value) must_check;
/* Null bytes remove. */
enum err image_kept_put(struct image *img, struct bytes key, struct bytes record) must_check;

#define IMAGE_RESOURCE_NAME_MAX 32767

#endif
