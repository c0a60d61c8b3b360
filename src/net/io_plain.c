/* Plain TCP: each operation is one system call, the cheaper form where there is one range only. */
#include "net/io.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

static ssize_t io_plain_readv(struct conn *conn, struct iovec *iov, int iov_len)
{
	ssize_t got;

	do {
		got = iov_len == 1 ? recv(conn->fd, iov->iov_base, iov->iov_len, 0)
				   : readv(conn->fd, iov, iov_len);
	} while (got < 0 && errno == EINTR);
	return got;
}

static ssize_t io_plain_writev(struct conn *conn, struct iovec *iov, int iov_len, bool more)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)iov_len};
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	ssize_t sent;

	do {
		sent = iov_len == 1 ? send(conn->fd, iov->iov_base, iov->iov_len, flags)
				    : sendmsg(conn->fd, &msg, flags);
	} while (sent < 0 && errno == EINTR);
	return sent;
}

static ssize_t io_plain_sendfile(struct conn *conn, int fd, off_t pos, size_t len_bytes)
{
	ssize_t sent;

	do {
		sent = sendfile(conn->fd, fd, &pos, len_bytes);
	} while (sent < 0 && errno == EINTR);
	return sent;
}

static void io_plain_close(struct conn *conn)
{
	close(conn->fd);
}

const struct conn_io io_plain = {io_plain_readv, io_plain_writev, io_plain_sendfile,
				 io_plain_close};
