/*
 * Applying metadata records to an image: the one way in which an image changes, at replay and when
 * the controller makes a change. Control loop only.
 */
#ifndef META_IMAGE_APPLY_H
#define META_IMAGE_APPLY_H

#include "base/arena.h"
#include "meta/image_edit.h"

/* What a record did, for those who act on it. */
enum image_change_kind {
	IMAGE_CHANGE_PARTITION_NEW,
	IMAGE_CHANGE_PARTITION, /* anything of it */
	IMAGE_CHANGE_TOPIC_GONE,
	IMAGE_CHANGE_CONFIG,
};

struct image_change {
	enum image_change_kind kind;
	struct uuid topic_id;
	int32_t idx;
	bool leader_changed;	   /* leader or leader epoch; always for a new one */
	struct image_topic *topic; /* of one that is gone: a reference */
	enum image_config_type type;
	struct str name; /* of a config's resource, malloc'd */
};

struct image_delta {
	struct image_change *changes;
	size_t len, size;
};

void image_delta_init(struct image_delta *delta);
void image_delta_fini(struct image_delta *delta);

#define IMAGE_MESSAGE_SIZE 256

/*
 * Applies one record, frame and all. delta may be NULL. The arena is for the decoded record and is
 * reset at the start. Errors: ERR_UNSUPPORTED_VERSION (a record or version that is not known here),
 * ERR_MALFORMED (one that cannot be, as a partition of a topic that is not there), ERR_NOMEM; the
 * first two with a message that says what.
 *
 * Transaction markers (begin, end, abort) are the log's business: here they do nothing.
 */
enum err image_apply(struct image *img, struct bytes record, struct image_delta *delta,
		     struct arena *arena, char message[IMAGE_MESSAGE_SIZE]) must_check;

#endif
