/*
 * A network with a handler of its own, and raw clients on loopback sockets.
 *
 * The first byte of a frame tells the handler what to do. The loops are turned by the test itself,
 * so what happens in one turn is known exactly; fixture_start gives them threads instead.
 */
#ifndef TESTS_NET_FIXTURE_H
#define TESTS_NET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/net_private.h"

#define FIXTURE_LOOPS_MAX  4
#define FIXTURE_FILE_BYTES (6u << 20)

/* Sanitizers allocate in their own way. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FIXTURE_MEASURES_MEMORY 0
#else
#define FIXTURE_MEASURES_MEMORY 1
#endif

enum fixture_cmd {
	CMD_ECHO = 'E',	   /* answers with the frame */
	CMD_PARK = 'P',	   /* parks, with on_cancel, until fixture_release */
	CMD_OVERLAP = 'O', /* the same, and lets others begin */
	CMD_LATER = 'L',   /* parks, and lets others begin when fixture_overlap says so */
	CMD_AWAY = 'A',	   /* is answered from another loop, without on_cancel */
	CMD_RELEASE = 'R', /* gives its frame back, then parks like PARK */
	CMD_SLICE = 'S',   /* pos, len, len: a slice of the file, then one more, between bytes */
	CMD_SILENT = 'N',  /* no answer */
	CMD_CLOSE = 'C',   /* closes */
	CMD_LARGE = 'B',   /* len: answers with so many bytes in memory */
	CMD_MEMBER = 'M',  /* the same as ECHO, on the side loop */
	CMD_DATA = 'D',	   /* on an io loop */
	CMD_TURN = 'T', /* answered by a task of this turn, others begin: like a gathered append */
};

struct fixture {
	struct clock_fake clock;
	struct loop *loops[FIXTURE_LOOPS_MAX];
	size_t loops_len;
	struct loop *away; /* where CMD_AWAY goes; the test turns it, or its thread */
	struct net *net;
	struct net_config cfg;
	uint16_t port;
	bool has_threads;
	bool has_side; /* `away` is the side loop, too: to be set before fixture_open */
	_Atomic bool stopped;

	struct req *parked[4096]; /* in the order of arrival; only without threads */
	size_t parked_len;
	size_t cancelled, handled, slices_released;
	struct loop_task turn_task;
	struct req *turn[4096];
	size_t turn_len;

	int file; /* FIXTURE_FILE_BYTES of a pattern */
	char file_path[64];
	struct net_stats stats; /* see fixture_stats */
};

/* The byte at a place of the file, and of every large payload. */
static inline uint8_t fixture_byte(size_t pos)
{
	return (uint8_t)(pos * 131 + (pos >> 8) * 7 + (pos >> 16));
}

void fixture_init(struct fixture *f, size_t loops_len);
/* Opens one listener at 127.0.0.1; f->cfg may be changed before. */
void fixture_open(struct fixture *f);
/* Threads for the loops, and for `away`. */
void fixture_start(struct fixture *f);
void fixture_fini(struct fixture *f);
/* For cmocka: *state is one of one loop, not open yet. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Turns all loops once, without waiting. */
void fixture_turn(struct fixture *f);
/*
 * Turns until the condition holds; fails the test after two minutes, which only a broken one takes.
 */
#define FIXTURE_UNTIL_MAX_US INT64_C(120000000)
#define FIXTURE_UNTIL(f, condition)                                                 \
	do {                                                                        \
		int64_t end_us = clock_mono_us(&clock_real) + FIXTURE_UNTIL_MAX_US; \
		while (!(condition)) {                                              \
			assert_true(clock_mono_us(&clock_real) < end_us);           \
			fixture_turn(f);                                            \
		}                                                                   \
	} while (0)

/* Answers the parked request at idx by echo. */
void fixture_release(struct fixture *f, size_t idx);
void fixture_overlap(struct fixture *f, size_t idx);
/* As they are now; valid until asked again. */
const struct net_stats *fixture_stats(struct fixture *f);

/* -- clients ---------------------------------------------------------------------------------- */

int client_connect(struct fixture *f); /* accepted, too, unless there are threads */
int client_socket(struct fixture *f);  /* connected, not necessarily accepted */
/* Turns the loops where there is no room for it. */
void client_send(int fd, const void *data, size_t len);
/* Waits until all that was sent is at the other end: now one turn may see it all. */
void client_settle(int fd);
/* One frame: size, command, text. */
void client_request(int fd, char cmd, const char *text);
void client_frame(int fd, const void *frame, uint32_t len);
/* Turns the loops meanwhile. */
void client_receive(struct fixture *f, int fd, void *data, size_t len);
/* Expects an answer that is exactly this text. */
void client_expect(struct fixture *f, int fd, const char *text);
/* Expects the end of the stream, or a reset. */
void client_expect_close(struct fixture *f, int fd);
/* Expects that nothing is there to be read after a few turns. */
void client_expect_silence(struct fixture *f, int fd);

#endif
