/*
 * How bytes get in and out of a connection: plain sockets now, TLS beside them later.
 *
 * All return what the system calls return: a count, 0 at the end of the stream (or of the file, for
 * sendfile), or -1 with errno, EAGAIN when it would block.
 */
#ifndef NET_IO_H
#define NET_IO_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct conn;

struct conn_io {
	ssize_t (*readv)(struct conn *conn, struct iovec *iov, int iov_len);
	/* more: what follows at once should share a packet with this. */
	ssize_t (*writev)(struct conn *conn, struct iovec *iov, int iov_len, bool more);
	ssize_t (*sendfile)(struct conn *conn, int fd, off_t pos, size_t len_bytes);
	void (*close)(struct conn *conn);
};

extern const struct conn_io io_plain;

#endif
