/*
 * Many committed offsets, over the raw client; what was measured is printed as one line of JSON.
 *
 *	offsets commit HOST PORT TOPIC GROUPS PARTITIONS   each group commits for each partition
 *	offsets fetch HOST PORT TOPIC GROUPS PARTITIONS    until every group answers with its own
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.h"

#define FRAME_MAX	      (64u << 20)
#define COMMIT_VERSION	      2
#define FETCH_VERSION	      1
#define ERROR_LOADING	      14
#define ERROR_NOT_AVAILABLE   15
#define ERROR_NOT_COORDINATOR 16

struct offsets {
	struct client client;
	struct wr wr;
	const char *topic;
	int groups, partitions;
};

static int offsets_number(const char *text)
{
	int64_t number;

	if (!str_to_int64(str_of(text), &number) || number < 1 || number > 10000000)
		client_die("not a number: %s", text);
	return (int)number;
}

static bool offsets_comes_again(int error)
{
	if (error == 0)
		return false;
	if (error != ERROR_LOADING && error != ERROR_NOT_AVAILABLE &&
	    error != ERROR_NOT_COORDINATOR)
		client_die("error %d", error);
	return true;
}

static void offsets_begin(struct offsets *o, enum client_api api, int version, int group)
{
	char name[40];

	snprintf(name, sizeof(name), "group-%d", group);
	client_begin(&o->client, &o->wr, api, version);
	wr_str(&o->wr, str_of(name), false, false);
}

/* Makes the coordinator's topic where there is none. */
static void offsets_find(struct offsets *o, int group)
{
	offsets_begin(o, CLIENT_FIND_COORDINATOR, 0, group);
	client_send(&o->client, &o->wr);
	(void)client_answer(&o->client);
}

static int offsets_commit_one(struct offsets *o, int group)
{
	struct rd rd;

	offsets_begin(o, CLIENT_OFFSET_COMMIT, COMMIT_VERSION, group);
	wr_int32(&o->wr, -1);
	wr_str(&o->wr, STR(""), false, false);
	wr_int64(&o->wr, -1);
	wr_int32(&o->wr, 1);
	wr_str(&o->wr, str_of(o->topic), false, false);
	wr_int32(&o->wr, o->partitions);
	for (int i = 0; i < o->partitions; i++) {
		wr_int32(&o->wr, i);
		wr_int64(&o->wr, (int64_t)group * 1000000 + i);
		wr_str(&o->wr, STR(""), false, true);
	}
	client_send(&o->client, &o->wr);
	rd = client_answer(&o->client);
	(void)rd_int32(&rd);
	(void)rd_str(&rd, false, false);
	(void)rd_int32(&rd);
	(void)rd_int32(&rd);
	return rd_int16(&rd); /* of the first: all share it */
}

static void offsets_commit(struct offsets *o)
{
	double begin = client_now_s();

	for (int group = 0; group < o->groups; group++)
		while (offsets_comes_again(offsets_commit_one(o, group))) {
			offsets_find(o, group);
			usleep(1000);
		}
	printf("{\"seconds\": %.6f}\n", client_now_s() - begin);
}

/* The last partition's. */
static int offsets_fetch_one(struct offsets *o, int group)
{
	int64_t offset;
	int16_t error;
	struct rd rd;

	offsets_begin(o, CLIENT_OFFSET_FETCH, FETCH_VERSION, group);
	wr_int32(&o->wr, 1);
	wr_str(&o->wr, str_of(o->topic), false, false);
	wr_int32(&o->wr, 1);
	wr_int32(&o->wr, o->partitions - 1);
	client_send(&o->client, &o->wr);
	rd = client_answer(&o->client);
	(void)rd_int32(&rd);
	(void)rd_str(&rd, false, false);
	(void)rd_int32(&rd);
	(void)rd_int32(&rd);
	offset = rd_int64(&rd);
	(void)rd_str(&rd, false, true);
	error = rd_int16(&rd);
	if (rd.err == ERR_OK && error == 0 &&
	    offset != (int64_t)group * 1000000 + o->partitions - 1)
		client_die("group %d is at %lld", group, (long long)offset);
	return error;
}

static void offsets_fetch(struct offsets *o)
{
	for (int group = 0; group < o->groups; group++)
		while (offsets_comes_again(offsets_fetch_one(o, group)))
			usleep(1000);
	printf("{\"at\": %.6f}\n", client_now_s());
}

int main(int argc, char **argv)
{
	struct offsets o = {0};

	if (argc != 7)
		client_die("usage: offsets commit|fetch HOST PORT TOPIC GROUPS PARTITIONS");
	o.topic = argv[4];
	o.groups = offsets_number(argv[5]);
	o.partitions = offsets_number(argv[6]);
	wr_init(&o.wr, FRAME_MAX);
	client_connect(&o.client, argv[2], argv[3]);
	if (strcmp(argv[1], "commit") == 0)
		offsets_commit(&o);
	else
		offsets_fetch(&o);
	client_close(&o.client);
	wr_fini(&o.wr);
	return 0;
}
