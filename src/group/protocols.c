/* Lists of protocols and the count of who offers them. See protocols.h. */
#include "group/protocols.h"
#include "group/jstr.h"

/* -- lists --------------------------------------------------------------------------------- */

struct join_protocol *protocols_copy(struct keep *keep, const struct join_protocol *list,
				     size_t len)
{
	size_t size = len * sizeof(*list);
	struct join_protocol *copy;
	char *at;

	for (size_t i = 0; i < len; i++)
		size += list[i].name.len + list[i].metadata.len;
	copy = keep_alloc(keep, size);
	if (copy == NULL)
		return NULL;
	at = (char *)(copy + len);
	for (size_t i = 0; i < len; i++) {
		struct join_protocol from = list[i];

		copy[i].name = (struct str){at, from.name.len};
		copy[i].metadata = (struct bytes){(uint8_t *)at + from.name.len, from.metadata.len};
		if (from.name.len > 0)
			memcpy(at, from.name.ptr, from.name.len);
		if (from.metadata.len > 0)
			memcpy(at + from.name.len, from.metadata.ptr, from.metadata.len);
		at += from.name.len + from.metadata.len;
	}
	return copy;
}

bool protocols_equal(const struct join_protocol *a, size_t a_len, const struct join_protocol *b,
		     size_t b_len)
{
	if (a_len != b_len)
		return false;
	for (size_t i = 0; i < a_len; i++) {
		struct bytes mine = a[i].metadata, theirs = b[i].metadata;

		if (!str_eq(a[i].name, b[i].name) || mine.len != theirs.len ||
		    (mine.len > 0 && memcmp(mine.ptr, theirs.ptr, mine.len) != 0))
			return false;
	}
	return true;
}

struct bytes protocols_metadata(const struct join_protocol *list, size_t len, struct str name)
{
	for (size_t i = 0; i < len; i++)
		if (str_eq(list[i].name, name))
			return list[i].metadata;
	return BYTES_NULL;
}

/* -- the count ----------------------------------------------------------------------------- */

static struct protocol_count *protocols_find(const struct protocol_count *all, struct str name)
{
	struct protocol_count *count;

	HASH_FIND(hh, all, name.ptr, name.len, count);
	return count;
}

/* Has an earlier entry the same name? Clients may repeat themselves; a member counts once. */
static bool protocols_repeat(const struct join_protocol *list, size_t idx)
{
	for (size_t i = 0; i < idx; i++)
		if (str_eq(list[i].name, list[idx].name))
			return true;
	return false;
}

static void protocols_add(struct keep *keep, struct protocol_count **all, struct str name)
{
	struct protocol_count *count = protocols_find(*all, name), *head = *all;

	if (count == NULL) {
		count = keep_alloc_small(keep, sizeof(*count) + name.len);
		count->name_len = name.len;
		if (name.len > 0)
			memcpy(count->name, name.ptr, name.len);
		HASH_ADD_KEYPTR(hh, head, count->name, count->name_len, count);
		*all = head;
	}
	count->members++;
}

static void protocols_drop(struct keep *keep, struct protocol_count **all, struct str name)
{
	struct protocol_count *count = protocols_find(*all, name), *head = *all;

	must(count != NULL && count->members > 0);
	count->members--;
	if (count->members == 0) {
		HASH_DEL(head, count);
		*all = head;
		keep_free(keep, count);
	}
}

void protocols_count(struct keep *keep, struct protocol_count **all,
		     const struct join_protocol *list, size_t len, bool add)
{
	for (size_t i = 0; i < len; i++) {
		if (protocols_repeat(list, i))
			continue;
		if (add)
			protocols_add(keep, all, list[i].name);
		else
			protocols_drop(keep, all, list[i].name);
	}
}

/* The first of the list that everybody offers. */
static struct protocol_count *protocols_common(const struct protocol_count *all, size_t members,
					       const struct join_protocol *list, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		struct protocol_count *count = protocols_find(all, list[i].name);

		if (count != NULL && count->members == members)
			return count;
	}
	return NULL;
}

bool protocols_share(const struct protocol_count *all, size_t members,
		     const struct join_protocol *list, size_t len)
{
	if (members == 0)
		return len > 0;
	return protocols_common(all, members, list, len) != NULL;
}

/* -- the vote ------------------------------------------------------------------------------ */

bool protocols_vote(struct protocol_count *all, size_t members, const struct join_protocol *list,
		    size_t len)
{
	struct protocol_count *count = protocols_common(all, members, list, len);

	if (count == NULL)
		return false;
	count->votes++;
	return true;
}

/* Where a Java HashMap of so many names would have this one: Kafka walks through such a map. */
static uint32_t protocols_place(struct str name, size_t names)
{
	uint32_t hash = (uint32_t)jstr_hash(name), size = 16;

	while (names > size - size / 4)
		size *= 2;
	return (hash ^ hash >> 16) & (size - 1);
}

struct str protocols_elect(struct protocol_count *all)
{
	struct str best = STR_NULL;
	size_t best_votes = 0, names = 0;

	for (struct protocol_count *c = all; c != NULL; c = c->hh.next)
		names += c->votes > 0;
	for (struct protocol_count *c = all; c != NULL; c = c->hh.next) {
		struct str name = {c->name, c->name_len};

		if (c->votes > best_votes ||
		    (c->votes > 0 && c->votes == best_votes &&
		     protocols_place(name, names) < protocols_place(best, names))) {
			best = name;
			best_votes = c->votes;
		}
		c->votes = 0;
	}
	return best;
}
