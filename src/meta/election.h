/*
 * What changes of a partition when brokers come and go: ISR, eligible leader replicas (KIP-966) and
 * the leader, by Kafka's rules, as one PartitionChangeRecord.
 *
 * A leader comes from the ISR; from the eligible replicas when the ISR is empty; when both are, the
 * last known leader, which is an unclean election, as is any live replica where the topic allows
 * that.
 */
#ifndef META_ELECTION_H
#define META_ELECTION_H

#include "meta/image.h"
#include "meta/mrec.h"

#define ELECTION_NOBODY (-1)

struct election {
	const struct image *img;
	int32_t remove;	      /* leaves ISR and leadership: fenced or shutting down */
	int32_t add;	      /* counts as live though the image still says fenced */
	int32_t unclean;      /* came back from an unclean stop: leaves ISR and eligible replicas */
	int32_t min_isr;      /* of the topic */
	bool unclean_allowed; /* unclean.leader.election.enable of the topic */
};

/* Adds a record to the list if anything changes. */
enum err election_run(const struct election *election, struct uuid topic_id, int32_t idx,
		      const struct image_partition *part, struct mrec_list *list) must_check;

#endif
