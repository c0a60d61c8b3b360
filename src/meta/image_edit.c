/* Changing an image that is not published yet: see image_edit.h for the rules. */
#include <stdlib.h>

#include "meta/image_edit.h"
#include "meta/image_parts.h"

/* -- topics --------------------------------------------------------------------------------- */

static struct bytes id_bytes(const struct uuid *id)
{
	return (struct bytes){id->b, sizeof(id->b)};
}

static struct bytes name_bytes(struct str name)
{
	return (struct bytes){(const uint8_t *)name.ptr, name.len};
}

/* Both maps get the topic, in the place of the version that was there. */
static enum err topic_put(struct image *img, struct image_topic *topic)
{
	enum err err;

	err = pmap_put(&img->topics_by_id, &image_topic_ops, id_bytes(&topic->id), topic);
	if (err != ERR_OK)
		return err;
	return pmap_put(&img->topics_by_name, &image_topic_ops, name_bytes(topic->name), topic);
}

/* The map's values mean nothing, but NULL would read as "none". */
static enum err collision_put(struct image *img, struct str name)
{
	static char there; /* never written to */
	struct image_collision_key key;

	if (!image_collision_key(&key, name))
		return ERR_OK;
	return pmap_put(&img->collisions, &image_collision_ops, (struct bytes){key.b, key.len},
			&there);
}

static enum err collision_del(struct image *img, struct str name)
{
	struct image_collision_key key;

	if (!image_collision_key(&key, name))
		return ERR_OK;
	return pmap_del(&img->collisions, &image_collision_ops, (struct bytes){key.b, key.len});
}

enum err image_topic_add(struct image *img, struct uuid id, struct str name)
{
	struct image_topic *topic;
	enum err err;

	if (image_topic_by_id(img, id) != NULL || image_topic_by_name(img, name) != NULL)
		return ERR_EXISTS;
	topic = calloc(1, sizeof(*topic));
	if (topic == NULL)
		return ERR_NOMEM;
	topic->refs = 1;
	topic->edit = img->edit;
	topic->id = id;
	topic->name = (struct str){str_dup(name), name.len};
	topic->internal = image_name_is_internal(name);
	err = topic->name.ptr == NULL ? ERR_NOMEM : topic_put(img, topic);
	if (err == ERR_OK)
		err = collision_put(img, name);
	image_topic_unref(topic); /* the maps hold it now */
	return err;
}

static enum err resource_drop(struct image *img, enum image_config_type type, struct str name)
{
	struct image_resource_key key;

	if (!image_resource_key(&key, type, name))
		return ERR_OK;
	return pmap_del(&img->configs, &image_resource_ops, (struct bytes){key.b, key.len});
}

static void topic_uncount(struct image *img, const struct image_topic *topic)
{
	for (int32_t i = 0; i < topic->partitions_len; i++) {
		const struct image_partition *part = image_partition_at(topic, i);

		if (part == NULL)
			continue;
		img->partitions_len--;
		img->offline_len -= part->leader == IMAGE_NO_LEADER;
	}
}

enum err image_topic_remove(struct image *img, struct uuid id)
{
	struct image_topic *topic = (struct image_topic *)image_topic_by_id(img, id);
	enum err err;

	if (topic == NULL)
		return ERR_UNKNOWN_TOPIC_ID;
	image_topic_ref(topic);
	err = resource_drop(img, IMAGE_CONFIG_TOPIC, topic->name);
	if (err == ERR_OK)
		err = collision_del(img, topic->name);
	if (err == ERR_OK)
		err = pmap_del(&img->topics_by_name, &image_topic_ops, name_bytes(topic->name));
	if (err == ERR_OK)
		err = pmap_del(&img->topics_by_id, &image_topic_ops, id_bytes(&topic->id));
	if (err == ERR_OK)
		topic_uncount(img, topic);
	image_topic_unref(topic);
	return err;
}

static struct image_topic *topic_copy(const struct image *img, const struct image_topic *from)
{
	struct image_topic *topic = malloc(sizeof(*topic));
	struct image_chunk **chunks = calloc(from->chunks_size + 1, sizeof(*chunks));
	char *name = str_dup(from->name);

	if (topic == NULL || chunks == NULL || name == NULL) {
		free(topic);
		free(chunks);
		free(name);
		return NULL;
	}
	*topic = *from;
	topic->refs = 1;
	topic->edit = img->edit;
	topic->name.ptr = name;
	topic->chunks = chunks;
	for (size_t i = 0; i < from->chunks_len; i++) {
		chunks[i] = from->chunks[i];
		if (chunks[i] != NULL)
			chunks[i]->refs++;
	}
	return topic;
}

enum err image_topic_edit(struct image *img, struct uuid id, struct image_topic **out)
{
	const struct image_topic *found = image_topic_by_id(img, id);
	struct image_topic *topic;
	enum err err;

	*out = NULL;
	if (found == NULL)
		return ERR_UNKNOWN_TOPIC_ID;
	if (found->edit == img->edit) {
		*out = (struct image_topic *)found;
		return ERR_OK;
	}
	topic = topic_copy(img, found);
	if (topic == NULL)
		return ERR_NOMEM;
	err = topic_put(img, topic);
	if (err == ERR_OK)
		*out = topic;
	image_topic_unref(topic);
	return err;
}

/* -- partitions ----------------------------------------------------------------------------- */

void image_partition_state(const struct image_partition *part, struct image_partition_state *out)
{
	*out = (struct image_partition_state){
	    .leader = part->leader,
	    .leader_epoch = part->leader_epoch,
	    .partition_epoch = part->partition_epoch,
	    .leader_recovery_state = part->leader_recovery_state,
	    .replicas = image_replicas(part),
	    .isr = image_isr(part),
	    .removing = image_removing(part),
	    .adding = image_adding(part),
	    .elr = image_elr(part),
	    .last_known_elr = image_last_known_elr(part),
	    .directories = part->directories,
	    .local = part->local,
	};
}

static int32_t *ids_copy(int32_t *to, struct image_ids ids)
{
	if (ids.len > 0)
		memcpy(to, ids.ptr, ids.len * sizeof(*to));
	return to + ids.len;
}

static struct image_partition *part_new(const struct image *img,
					const struct image_partition_state *state)
{
	size_t ids_len = state->replicas.len + state->isr.len + state->removing.len +
			 state->adding.len + state->elr.len + state->last_known_elr.len;
	size_t dirs_bytes = state->replicas.len * sizeof(struct uuid);
	struct image_partition *part;
	int32_t *ids;

	part = calloc(1, sizeof(*part) + dirs_bytes + ids_len * sizeof(int32_t));
	if (part == NULL)
		return NULL;
	*part = (struct image_partition){
	    .refs = 1,
	    .edit = img->edit,
	    .local = state->local,
	    .leader = state->leader,
	    .leader_epoch = state->leader_epoch,
	    .partition_epoch = state->partition_epoch,
	    .leader_recovery_state = state->leader_recovery_state,
	    .replicas_len = (uint16_t)state->replicas.len,
	    .isr_len = (uint16_t)state->isr.len,
	    .removing_len = (uint16_t)state->removing.len,
	    .adding_len = (uint16_t)state->adding.len,
	    .elr_len = (uint16_t)state->elr.len,
	    .last_known_elr_len = (uint16_t)state->last_known_elr.len,
	};
	if (state->directories != NULL)
		memcpy(part->directories, state->directories, dirs_bytes);
	ids = (int32_t *)&part->directories[part->replicas_len];
	ids = ids_copy(ids, state->replicas);
	ids = ids_copy(ids, state->isr);
	ids = ids_copy(ids, state->removing);
	ids = ids_copy(ids, state->adding);
	ids = ids_copy(ids, state->elr);
	ids_copy(ids, state->last_known_elr);
	return part;
}

/* Room for the chunk's pointer; grows by half, so that a topic filled in order costs its size. */
static enum err chunks_grow(struct image_topic *topic, size_t len)
{
	size_t size = topic->chunks_size;
	struct image_chunk **chunks;

	if (len > size) {
		size = len > size + size / 2 ? len : size + size / 2;
		chunks = realloc(topic->chunks, size * sizeof(*chunks));
		if (chunks == NULL)
			return ERR_NOMEM;
		topic->chunks = chunks;
		topic->chunks_size = size;
	}
	while (topic->chunks_len < len)
		topic->chunks[topic->chunks_len++] = NULL;
	return ERR_OK;
}

/* The chunk of idx, this version's own. */
static enum err chunk_edit(const struct image *img, struct image_topic *topic, int32_t idx,
			   struct image_chunk **out)
{
	size_t at = (size_t)idx / IMAGE_CHUNK_LEN;
	struct image_chunk *old, *chunk;
	enum err err = chunks_grow(topic, at + 1);

	if (err != ERR_OK)
		return err;
	old = topic->chunks[at];
	if (old != NULL && old->edit == img->edit) {
		*out = old;
		return ERR_OK;
	}
	chunk = calloc(1, sizeof(*chunk));
	if (chunk == NULL)
		return ERR_NOMEM;
	if (old != NULL)
		*chunk = *old;
	for (size_t i = 0; i < IMAGE_CHUNK_LEN; i++)
		if (chunk->parts[i] != NULL)
			chunk->parts[i]->refs++;
	chunk->refs = 1;
	chunk->edit = img->edit;
	topic->chunks[at] = chunk;
	image_chunk_unref(old);
	*out = chunk;
	return ERR_OK;
}

static bool state_fits(const struct image_partition_state *state)
{
	return state->replicas.len <= UINT16_MAX && state->isr.len <= UINT16_MAX &&
	       state->removing.len <= UINT16_MAX && state->adding.len <= UINT16_MAX &&
	       state->elr.len <= UINT16_MAX && state->last_known_elr.len <= UINT16_MAX;
}

enum err image_partition_put(struct image *img, struct uuid topic_id, int32_t idx,
			     const struct image_partition_state *state)
{
	struct image_topic *topic;
	struct image_chunk *chunk;
	struct image_partition *part, **slot;
	enum err err;

	if (idx < 0 || idx >= IMAGE_PARTITION_MAX || !state_fits(state))
		return ERR_MALFORMED;
	part = part_new(img, state); /* before the old one can go: the state may borrow from it */
	if (part == NULL)
		return ERR_NOMEM;
	err = image_topic_edit(img, topic_id, &topic);
	if (err == ERR_OK)
		err = chunk_edit(img, topic, idx, &chunk);
	if (err != ERR_OK) {
		image_part_unref(part);
		return err;
	}
	slot = &chunk->parts[idx % IMAGE_CHUNK_LEN];
	if (*slot == NULL)
		img->partitions_len++;
	else
		img->offline_len -= (*slot)->leader == IMAGE_NO_LEADER;
	img->offline_len += part->leader == IMAGE_NO_LEADER;
	image_part_unref(*slot);
	*slot = part;
	if (idx >= topic->partitions_len)
		topic->partitions_len = idx + 1;
	return ERR_OK;
}

enum err image_partition_set_local(struct image *img, struct uuid topic_id, int32_t idx,
				   struct partition *local)
{
	const struct image_partition *part = image_partition_find(img, topic_id, idx);
	struct image_partition_state state;

	if (part == NULL)
		return ERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (part->edit == img->edit) {
		((struct image_partition *)part)->local = local;
		return ERR_OK;
	}
	image_partition_state(part, &state);
	state.local = local;
	return image_partition_put(img, topic_id, idx, &state);
}

/* -- brokers and features ------------------------------------------------------------------- */

static struct image_range *ranges_copy(struct arena *arena, const struct image_range *from,
				       size_t len)
{
	struct image_range *to = arena_array(arena, len, sizeof(*to));

	for (size_t i = 0; to != NULL && i < len; i++) {
		to[i] = from[i];
		to[i].name = arena_str(arena, from[i].name);
	}
	return to;
}

static struct image_endpoint *endpoints_copy(struct arena *arena, const struct image_endpoint *from,
					     size_t len)
{
	struct image_endpoint *to = arena_array(arena, len, sizeof(*to));

	for (size_t i = 0; to != NULL && i < len; i++) {
		to[i] = from[i];
		to[i].listener = arena_str(arena, from[i].listener);
		to[i].host = arena_str(arena, from[i].host);
	}
	return to;
}

static struct uuid *dirs_copy(struct arena *arena, const struct uuid *from, size_t len)
{
	struct uuid *to = arena_array(arena, len, sizeof(*to));

	if (to != NULL && len > 0)
		memcpy(to, from, len * sizeof(*to));
	return to;
}

#define BROKER_BYTES_MAX (1 << 20)

enum err image_broker_put(struct image *img, const struct image_broker *from)
{
	struct image_id_key key = image_id_key(from->id);
	struct image_broker *broker = calloc(1, sizeof(*broker));
	enum err err;

	if (broker == NULL)
		return ERR_NOMEM;
	*broker = *from;
	broker->refs = 1;
	arena_init(&broker->arena, BROKER_BYTES_MAX);
	broker->rack = arena_str(&broker->arena, from->rack);
	broker->endpoints = endpoints_copy(&broker->arena, from->endpoints, from->endpoints_len);
	broker->features = ranges_copy(&broker->arena, from->features, from->features_len);
	broker->log_dirs = dirs_copy(&broker->arena, from->log_dirs, from->log_dirs_len);
	broker->cordoned_dirs =
	    dirs_copy(&broker->arena, from->cordoned_dirs, from->cordoned_dirs_len);
	err = broker->arena.failed ? ERR_NOMEM : ERR_OK;
	if (err == ERR_OK)
		err = pmap_put(&img->brokers, &image_broker_ops,
			       (struct bytes){key.b, sizeof(key.b)}, broker);
	image_broker_ops.unref(broker);
	return err;
}

enum err image_broker_remove(struct image *img, int32_t id)
{
	struct image_id_key key = image_id_key(id);

	return pmap_del(&img->brokers, &image_broker_ops, (struct bytes){key.b, sizeof(key.b)});
}

enum err image_feature_put(struct image *img, struct str name, int16_t level)
{
	struct image_feature *feature;
	char *copy;
	enum err err;

	if (level == 0)
		return pmap_del(&img->features, &image_feature_ops, name_bytes(name));
	feature = calloc(1, sizeof(*feature) + name.len + 1);
	if (feature == NULL)
		return ERR_NOMEM;
	copy = (char *)(feature + 1);
	if (name.len > 0)
		memcpy(copy, name.ptr, name.len);
	*feature = (struct image_feature){.refs = 1, .name = {copy, name.len}, .level = level};
	err = pmap_put(&img->features, &image_feature_ops, name_bytes(name), feature);
	image_feature_ops.unref(feature);
	return err;
}

/* -- configs and kept records --------------------------------------------------------------- */

static struct image_text *text_new(struct bytes content)
{
	struct image_text *text;

	if (content.len > UINT32_MAX)
		return NULL;
	text = malloc(sizeof(*text) + content.len + 1);
	if (text == NULL)
		return NULL;
	text->refs = 1;
	text->len = (uint32_t)content.len;
	if (content.len > 0)
		memcpy(text->data, content.ptr, content.len);
	text->data[content.len] = 0;
	return text;
}

/*
 * A copy of `from` (may be NULL) with the entry at `at` taken out if drop, and `entry` put there
 * unless it is NULL. Takes the references in entry. NULL when memory is out.
 */
static struct image_resource *resource_copy(const struct image_resource *from, size_t at, bool drop,
					    const struct image_entry *entry)
{
	size_t len = from == NULL ? 0 : from->entries_len;
	struct image_resource *to = malloc(sizeof(*to) + (len + 1) * sizeof(to->entries[0]));
	size_t n = 0;

	if (to == NULL)
		return NULL;
	for (size_t i = 0; i <= len; i++) {
		if (i == at && entry != NULL)
			to->entries[n++] = *entry;
		if (i == len || (i == at && drop))
			continue;
		to->entries[n] = from->entries[i];
		to->entries[n].key->refs++;
		to->entries[n].value->refs++;
		n++;
	}
	to->refs = 1;
	to->entries_len = n;
	return to;
}

static enum err resource_put(struct image *img, const struct image_resource_key *key,
			     struct image_resource *resource)
{
	struct bytes bytes = {key->b, key->len};
	enum err err;

	if (resource == NULL)
		return ERR_NOMEM;
	if (resource->entries_len == 0)
		err = pmap_del(&img->configs, &image_resource_ops, bytes);
	else
		err = pmap_put(&img->configs, &image_resource_ops, bytes, resource);
	image_resource_ops.unref(resource);
	return err;
}

enum err image_config_put(struct image *img, enum image_config_type type, struct str name,
			  struct str key, struct str value)
{
	const struct image_resource *old = image_resource_find(img, type, name);
	struct image_resource_key resource_key;
	struct image_entry entry;
	size_t at = old == NULL ? 0 : image_resource_at(old, key);
	bool there = old != NULL && at < old->entries_len &&
		     str_eq(image_text_str(old->entries[at].key), key);

	if (!image_resource_key(&resource_key, type, name))
		return ERR_MALFORMED;
	if (value.ptr == NULL) {
		if (!there)
			return ERR_OK;
		return resource_put(img, &resource_key, resource_copy(old, at, true, NULL));
	}
	entry.key = text_new(name_bytes(key));
	entry.value = text_new(name_bytes(value));
	if (entry.key == NULL || entry.value == NULL) {
		free(entry.key);
		free(entry.value);
		return ERR_NOMEM;
	}
	return resource_put(img, &resource_key, resource_copy(old, at, there, &entry));
}

enum err image_kept_put(struct image *img, struct bytes key, struct bytes record)
{
	struct image_text *text;
	enum err err;

	if (record.ptr == NULL)
		return pmap_del(&img->kept, &image_text_ops, key);
	text = text_new(record);
	if (text == NULL)
		return ERR_NOMEM;
	err = pmap_put(&img->kept, &image_text_ops, key, text);
	image_text_ops.unref(text);
	return err;
}
