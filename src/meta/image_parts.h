/* What an image's parts look like inside: shared by image.c, image_edit.c and nobody else. */
#ifndef META_IMAGE_PARTS_H
#define META_IMAGE_PARTS_H

#include "meta/image_edit.h"

/* A string with a count. */
struct image_text {
	uint32_t refs;
	uint32_t len;
	char data[];
};

static inline struct str image_text_str(const struct image_text *text)
{
	return (struct str){text->data, text->len};
}

/* What is set on one resource, in the order of keys. */
struct image_entry {
	struct image_text *key, *value;
};
struct image_resource {
	uint32_t refs;
	size_t entries_len;
	struct image_entry entries[];
};

struct image_id_key {
	uint8_t b[4];
};
struct image_id_key image_id_key(int32_t id);

/* Key of `collisions`: the name with '_' for '.', a NUL, the name. False: it has neither, or is too
 * long. */
#define IMAGE_TOPIC_NAME_MAX 249
struct image_collision_key {
	size_t len, folded_len; /* folded_len: with the NUL */
	uint8_t b[2 * IMAGE_TOPIC_NAME_MAX + 1];
};
bool image_collision_key(struct image_collision_key *key, struct str name);

/* Key of `configs`: the type's byte and the name. False: the name is too long to be stored. */
struct image_resource_key {
	size_t len;
	uint8_t b[1 + IMAGE_RESOURCE_NAME_MAX];
};
bool image_resource_key(struct image_resource_key *key, enum image_config_type type,
			struct str name);
const struct image_resource *image_resource_find(const struct image *img,
						 enum image_config_type type, struct str name);
size_t image_resource_at(const struct image_resource *resource, struct str key);

void image_part_unref(struct image_partition *part);
void image_chunk_unref(struct image_chunk *chunk);

extern const struct pmap_ops image_collision_ops, image_topic_ops, image_text_ops,
    image_resource_ops, image_feature_ops, image_broker_ops;

#endif
