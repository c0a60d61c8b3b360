/*
 * The floor: what the same work costs when nothing is done but what must be done.
 *
 *	floor PORT DIR
 *
 * A thread a connection: receive a request, check the CRC, write to the page cache, answer; or
 *sendfile. That is four system calls for a Produce (size, body, write, send) and five for a Fetch.
 *No log, no index, no metadata: topics spring up when they are named, all batches of a topic are
 *taken to be alike. Ratios to it say what everything else costs.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "client.h"

#define FLOOR_TOPICS_MAX 16
#define FLOOR_FRAME_MAX	 (128u << 20)

struct topic {
	char name[128];
	pthread_mutex_t lock;
	int fd;
	int64_t next_offset;
	off_t end;
	/* Of each batch. */
	int64_t records_len;
	size_t batch_bytes;
};

struct floor {
	const char *dir;
	pthread_mutex_t lock;
	struct topic topics[FLOOR_TOPICS_MAX];
	int topics_len;
};

struct floor_conn {
	struct floor *floor;
	int fd;
	uint8_t *frame;
	size_t frame_size;
	struct wr out;
};

static struct topic *floor_topic(struct floor *floor, struct str name)
{
	struct topic *topic = NULL;
	char path[512];

	pthread_mutex_lock(&floor->lock);
	for (int i = 0; i < floor->topics_len; i++)
		if (str_eq(str_of(floor->topics[i].name), name))
			topic = &floor->topics[i];
	if (topic == NULL) {
		if (floor->topics_len == FLOOR_TOPICS_MAX)
			client_die("floor: too many topics");
		topic = &floor->topics[floor->topics_len++];
		snprintf(topic->name, sizeof(topic->name), "%.*s", STR_ARG(name));
		snprintf(path, sizeof(path), "%s/%s", floor->dir, topic->name);
		pthread_mutex_init(&topic->lock, NULL);
		topic->fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
		if (topic->fd < 0)
			client_die("floor: %s: %s", path, strerror(errno));
	}
	pthread_mutex_unlock(&floor->lock);
	return topic;
}

static bool floor_read(int fd, void *data, size_t len)
{
	return recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

static void floor_send(struct floor_conn *conn, size_t slice_bytes)
{
	wr_patch_int32(&conn->out, 0, (int32_t)(conn->out.len_bytes - 4 + slice_bytes));
	if (send(conn->fd, conn->out.buf, conn->out.len_bytes,
		 MSG_NOSIGNAL | (slice_bytes > 0 ? MSG_MORE : 0)) < 0)
		return;
}

static int64_t floor_append(struct topic *topic, struct bytes batch)
{
	struct rd rd = rd_of((struct bytes){batch.ptr + 23, 4});
	int64_t offset, stamped;

	pthread_mutex_lock(&topic->lock);
	offset = topic->next_offset;
	topic->records_len = (int64_t)rd_int32(&rd) + 1;
	topic->batch_bytes = batch.len;
	stamped = (int64_t)__builtin_bswap64((uint64_t)offset);
	memcpy((uint8_t *)(uintptr_t)batch.ptr, &stamped, 8);
	if (pwrite(topic->fd, batch.ptr, batch.len, topic->end) != (ssize_t)batch.len)
		client_die("floor: write: %s", strerror(errno));
	topic->end += (off_t)batch.len;
	topic->next_offset += topic->records_len;
	pthread_mutex_unlock(&topic->lock);
	return offset;
}

static void floor_produce(struct floor_conn *conn, struct rd *rd)
{
	struct str name;
	struct bytes batch;
	struct rd crc;
	int64_t offset = -1;
	bool ok;

	(void)rd_str(rd, false, true);
	(void)rd_int16(rd);
	(void)rd_int32(rd);
	(void)rd_int32(rd);
	name = rd_str(rd, false, false);
	(void)rd_int32(rd);
	(void)rd_int32(rd);
	batch = rd_bytes(rd, false, false);
	if (rd->err != ERR_OK || batch.len < 61)
		client_die("floor: malformed Produce");
	crc = rd_of((struct bytes){batch.ptr + 17, 4});
	ok = rd_uint32(&crc) == crc32c(batch.ptr + 21, batch.len - 21);
	if (ok)
		offset = floor_append(floor_topic(conn->floor, name), batch);
	wr_array(&conn->out, 1, false, false);
	wr_str(&conn->out, name, false, false);
	wr_array(&conn->out, 1, false, false);
	wr_int32(&conn->out, 0);
	wr_int16(&conn->out, ok ? 0 : 2);
	wr_int64(&conn->out, offset);
	wr_int64(&conn->out, -1);
	wr_int64(&conn->out, 0);
	wr_int32(&conn->out, 0);
	floor_send(conn, 0);
}

static void floor_fetch(struct floor_conn *conn, struct rd *rd)
{
	struct topic *topic;
	struct str name;
	int64_t offset;
	off_t pos;
	size_t len;

	(void)rd_raw(rd, 17 + 4);
	name = rd_str(rd, false, false);
	(void)rd_int32(rd);
	(void)rd_int32(rd);
	offset = rd_int64(rd);
	len = (size_t)rd_int32(rd);
	topic = floor_topic(conn->floor, name);
	pthread_mutex_lock(&topic->lock);
	pos = offset / topic->records_len * (off_t)topic->batch_bytes;
	if (pos + (off_t)len > topic->end)
		len = (size_t)(topic->end - pos);
	pthread_mutex_unlock(&topic->lock);
	wr_int32(&conn->out, 0);
	wr_array(&conn->out, 1, false, false);
	wr_str(&conn->out, name, false, false);
	wr_array(&conn->out, 1, false, false);
	wr_int32(&conn->out, 0);
	wr_int16(&conn->out, 0);
	wr_int64(&conn->out, topic->next_offset);
	wr_int64(&conn->out, topic->next_offset);
	wr_array(&conn->out, 0, true, false);
	wr_int32(&conn->out, (int32_t)len);
	floor_send(conn, len);
	while (len > 0) {
		ssize_t sent = sendfile(conn->fd, topic->fd, &pos, len);

		if (sent <= 0)
			return;
		len -= (size_t)sent;
	}
}

/* All of the request is written; the answer names no topic. */
static void floor_commit(struct floor_conn *conn, const struct rd *rd)
{
	struct topic *topic = floor_topic(conn->floor, STR("offsets"));

	pthread_mutex_lock(&topic->lock);
	if (pwrite(topic->fd, rd->pos, rd_left(rd), topic->end) != (ssize_t)rd_left(rd))
		client_die("floor: write: %s", strerror(errno));
	topic->end += (off_t)rd_left(rd);
	pthread_mutex_unlock(&topic->lock);
	wr_int32(&conn->out, 0);
	wr_array(&conn->out, 0, false, false);
	floor_send(conn, 0);
}

/* False: the peer has gone. */
static bool floor_request(struct floor_conn *conn)
{
	uint32_t size;
	struct rd rd;
	int16_t key;

	if (!floor_read(conn->fd, &size, 4))
		return false;
	size = ntohl(size);
	if (size > FLOOR_FRAME_MAX)
		client_die("floor: a request of %u bytes", size);
	if (size > conn->frame_size) {
		conn->frame_size = size;
		conn->frame = realloc(conn->frame, size);
	}
	if (conn->frame == NULL || !floor_read(conn->fd, conn->frame, size))
		return false;
	rd = rd_of((struct bytes){conn->frame, size});
	key = rd_int16(&rd);
	(void)rd_int16(&rd);
	conn->out.len_bytes = 0;
	wr_int32(&conn->out, 0);
	wr_int32(&conn->out, rd_int32(&rd));
	(void)rd_str(&rd, false, true);
	if (key == CLIENT_PRODUCE) {
		floor_produce(conn, &rd);
	} else if (key == CLIENT_FETCH) {
		floor_fetch(conn, &rd);
	} else if (key == CLIENT_OFFSET_COMMIT) {
		floor_commit(conn, &rd);
	} else if (key == CLIENT_FIND_COORDINATOR) {
		/* No error, as all zeros say; node 0 at nowhere. */
		(void)wr_room(&conn->out, 4 + 2 + 2 + 4 + 2 + 4);
		memset(conn->out.buf + 8, 0, conn->out.len_bytes - 8);
		floor_send(conn, 0);
	} else {
		wr_int16(&conn->out, 0);
		wr_array(&conn->out, 0, false, false);
		floor_send(conn, 0);
	}
	return true;
}

static void *floor_serve(void *arg)
{
	struct floor_conn *conn = arg;

	while (floor_request(conn))
		;
	close(conn->fd);
	free(conn->frame);
	wr_fini(&conn->out);
	free(conn);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct floor floor = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (argc != 3)
		client_die("floor PORT DIR");
	addr.sin_port = htons((uint16_t)atoi(argv[1]));
	floor.dir = argv[2];
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(listener, 64) != 0)
		client_die("floor: port %s: %s", argv[1], strerror(errno));
	for (;;) {
		struct floor_conn *conn = calloc(1, sizeof(*conn));
		pthread_t thread;

		if (conn == NULL)
			client_die("floor: out of memory");
		conn->floor = &floor;
		conn->fd = accept(listener, NULL, NULL);
		wr_init(&conn->out, FLOOR_FRAME_MAX);
		if (conn->fd < 0 || pthread_create(&thread, NULL, floor_serve, conn) != 0)
			client_die("floor: %s", strerror(errno));
		pthread_detach(thread);
	}
}
