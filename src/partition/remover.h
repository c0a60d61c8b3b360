/*
 * Empties the trash (store/trash.h): a timer for what is due next, and a worker that removes it, a
 * slice at a time. Lives on the control loop; the trash itself takes things from any thread.
 */
#ifndef PARTITION_REMOVER_H
#define PARTITION_REMOVER_H

#include "base/worker.h"
#include "store/trash.h"

struct remover;

struct remover *remover_new(struct loop *control, struct worker_pool *workers) must_check;
/* After the loops have ended and all partitions are gone, with no job under way and the control
 * loop's mail delivered. What waits stays on the disk, for the next start. */
void remover_free(struct remover *remover);
/* Nothing new is begun from now on. */
void remover_stop(struct remover *remover);
struct trash *remover_trash(struct remover *remover);

#endif
