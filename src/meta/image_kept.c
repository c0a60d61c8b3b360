/*
 * The kept records' keys: the api key of the record that sets, in one byte, then the identity. A
 * removal record makes the key of what it removes.
 */
#include "meta/image_kept.h"

#include <stdlib.h>

#include "meta/mrec.h"
#include "proto/access_control_entry_record.h"
#include "proto/client_quota_record.h"
#include "proto/delegation_token_record.h"
#include "proto/register_controller_record.h"
#include "proto/remove_access_control_entry_record.h"
#include "proto/remove_delegation_token_record.h"
#include "proto/remove_user_scram_credential_record.h"
#include "proto/user_scram_credential_record.h"

#define KEY_BYTES_MAX (256 * 1024)

struct kept {
	struct rd fields;
	int version;
	struct arena *arena;
	struct wr key;
	bool removal;
};

static void key_begin(struct kept *kept, int api_key)
{
	wr_int8(&kept->key, (int8_t)api_key);
}

static void key_str(struct kept *kept, struct str s)
{
	wr_str(&kept->key, s, false, true);
}

static enum err key_acl(struct kept *kept)
{
	struct access_control_entry_record m;
	enum err err =
	    access_control_entry_record_decode(&m, &kept->fields, kept->version, kept->arena);

	key_begin(kept, ACCESS_CONTROL_ENTRY_RECORD_API_KEY);
	wr_uuid(&kept->key, m.id);
	return err;
}

static enum err key_acl_removal(struct kept *kept)
{
	struct remove_access_control_entry_record m;
	enum err err = remove_access_control_entry_record_decode(&m, &kept->fields, kept->version,
								 kept->arena);

	kept->removal = true;
	key_begin(kept, ACCESS_CONTROL_ENTRY_RECORD_API_KEY);
	wr_uuid(&kept->key, m.id);
	return err;
}

static enum err key_scram(struct kept *kept)
{
	struct user_scram_credential_record m;
	enum err err =
	    user_scram_credential_record_decode(&m, &kept->fields, kept->version, kept->arena);

	key_begin(kept, USER_SCRAM_CREDENTIAL_RECORD_API_KEY);
	key_str(kept, m.name);
	wr_int8(&kept->key, m.mechanism);
	return err;
}

static enum err key_scram_removal(struct kept *kept)
{
	struct remove_user_scram_credential_record m;
	enum err err = remove_user_scram_credential_record_decode(&m, &kept->fields, kept->version,
								  kept->arena);

	kept->removal = true;
	key_begin(kept, USER_SCRAM_CREDENTIAL_RECORD_API_KEY);
	key_str(kept, m.name);
	wr_int8(&kept->key, m.mechanism);
	return err;
}

static enum err key_token(struct kept *kept)
{
	struct delegation_token_record m;
	enum err err =
	    delegation_token_record_decode(&m, &kept->fields, kept->version, kept->arena);

	key_begin(kept, DELEGATION_TOKEN_RECORD_API_KEY);
	key_str(kept, m.token_id);
	return err;
}

static enum err key_token_removal(struct kept *kept)
{
	struct remove_delegation_token_record m;
	enum err err =
	    remove_delegation_token_record_decode(&m, &kept->fields, kept->version, kept->arena);

	kept->removal = true;
	key_begin(kept, DELEGATION_TOKEN_RECORD_API_KEY);
	key_str(kept, m.token_id);
	return err;
}

static enum err key_controller(struct kept *kept)
{
	struct register_controller_record m;
	enum err err =
	    register_controller_record_decode(&m, &kept->fields, kept->version, kept->arena);

	key_begin(kept, REGISTER_CONTROLLER_RECORD_API_KEY);
	wr_int32(&kept->key, m.controller_id);
	return err;
}

static int entity_cmp(const void *a, const void *b)
{
	const struct client_quota_record_entity_data *x = a, *y = b;

	return str_cmp(x->entity_type, y->entity_type);
}

/* The entity is a set: its parts come in any order. */
static enum err key_quota(struct kept *kept)
{
	struct client_quota_record m;
	enum err err = client_quota_record_decode(&m, &kept->fields, kept->version, kept->arena);

	if (err != ERR_OK)
		return err;
	kept->removal = m.remove;
	key_begin(kept, CLIENT_QUOTA_RECORD_API_KEY);
	qsort(m.entity, m.entity_len, sizeof(*m.entity), entity_cmp);
	for (size_t i = 0; i < m.entity_len; i++) {
		key_str(kept, m.entity[i].entity_type);
		key_str(kept, m.entity[i].entity_name);
	}
	key_str(kept, STR_NULL);
	key_str(kept, m.key);
	return ERR_OK;
}

static enum err key_of(struct kept *kept, uint32_t api_key)
{
	switch (api_key) {
	case ACCESS_CONTROL_ENTRY_RECORD_API_KEY:
		return key_acl(kept);
	case REMOVE_ACCESS_CONTROL_ENTRY_RECORD_API_KEY:
		return key_acl_removal(kept);
	case USER_SCRAM_CREDENTIAL_RECORD_API_KEY:
		return key_scram(kept);
	case REMOVE_USER_SCRAM_CREDENTIAL_RECORD_API_KEY:
		return key_scram_removal(kept);
	case DELEGATION_TOKEN_RECORD_API_KEY:
		return key_token(kept);
	case REMOVE_DELEGATION_TOKEN_RECORD_API_KEY:
		return key_token_removal(kept);
	case REGISTER_CONTROLLER_RECORD_API_KEY:
		return key_controller(kept);
	case CLIENT_QUOTA_RECORD_API_KEY:
		return key_quota(kept);
	default:
		never("a record that is not kept");
	}
}

enum err image_kept_apply(struct image *img, struct bytes record, struct arena *arena)
{
	struct kept kept = {.arena = arena};
	struct mrec_frame frame;
	enum err err = mrec_open(record, &frame);

	if (err != ERR_OK)
		return err;
	kept.fields = frame.fields;
	kept.version = (int)frame.version;
	wr_init(&kept.key, KEY_BYTES_MAX);
	err = key_of(&kept, frame.api_key);
	if (err == ERR_OK)
		err = kept.key.err;
	if (err == ERR_OK)
		err =
		    image_kept_put(img, wr_written(&kept.key), kept.removal ? BYTES_NULL : record);
	wr_fini(&kept.key);
	return err;
}
