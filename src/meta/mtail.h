/*
 * Before the metadata log is opened: is the end torn, or is it damaged?
 *
 * Recovery cuts a log at its first bad batch. For the tail of a write that a kill or a power cut
 * interrupted that is right, since nothing of it was acknowledged. A bad batch with good ones of
 * other writes behind it, of later epochs or later minutes, is damage to what was acknowledged, and
 * cutting there would throw away metadata; the broker must not start then.
 */
#ifndef META_MTAIL_H
#define META_MTAIL_H

#include "base/err.h"

#include <stdint.h>

#define MTAIL_MESSAGE_SIZE 512

/*
 * *recovery_point: everything below it is good, so recovery may begin there; the log's end when all
 * is well. ERR_BADFILE with a message: damaged. A directory that is not there is an empty log.
 */
enum err mtail_check(const char *dir, int64_t *recovery_point,
		     char message[MTAIL_MESSAGE_SIZE]) must_check;

/*
 * What a killed broker wrote may be in memory only. It is made durable before anything is built
 * upon it: a later epoch's batches on the disk, and the ones before them lost, would be damage.
 */
enum err mtail_sync(const char *dir) must_check;

#endif
