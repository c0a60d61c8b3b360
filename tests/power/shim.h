/*
 * The shim under a broker's file calls: it enters them into a journal (journal.h), and can make any
 * of them fail. Linked into a test it takes the place of libc's functions; as a library it is put
 * before them with LD_PRELOAD, and the environment says what to do: POWER_JOURNAL and POWER_ROOT as
 * shim_begin's arguments, POWER_SYNC_US as shim_set_sync_us's.
 */
#ifndef TESTS_POWER_SHIM_H
#define TESTS_POWER_SHIM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Enters calls on files below root (absolute, no slash at its end) from now on. The journal is
 * made, or added to if it is there: a process that goes on where another was killed.
 */
void shim_begin(const char *journal, const char *root);
void shim_end(void);
/* Syncs do not reach the disk; they take a random time up to this many microseconds instead. */
void shim_set_sync_us(unsigned max_us);
/* The test's own entry. */
void shim_note(const void *data, size_t len_bytes);

/*
 * Asked before each call on files below root: 0 to go on, or the errno to fail with. A write may be
 * shortened through *len_bytes (NULL for other calls). Threads ask one at a time. Names are those
 * of the functions; path is NULL where a descriptor is given.
 */
typedef int (*shim_fault_fn)(const char *call, const char *path, size_t *len_bytes);
void shim_set_fault(shim_fault_fn fault);

#endif
