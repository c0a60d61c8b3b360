/*
 * Every way a call can fail, in one list. 0 is success. The names are Kafka's where Kafka has one;
 * the numbers are ours, and only api/ maps them to the protocol's error codes (api/errcode.c).
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/must.h"

/* ERR(name, what it means to somebody who reads the log) */
#define ERR_LIST                                                                              \
	/* barnabas' own: none of these has a code of its own on the wire */                  \
	ERR(NOMEM, "out of memory, or over a memory cap")                                     \
	ERR(IO, "input/output error")                                                         \
	ERR(NOSPACE, "no space left on device")                                               \
	ERR(NOFILE, "no such file or directory")                                              \
	ERR(EXISTS, "file exists")                                                            \
	ERR(MANYFILES, "too many open files")                                                 \
	ERR(BADCONFIG, "bad setting")                                                         \
	ERR(LOCKED, "locked by another process")                                              \
	ERR(BADFILE, "corrupt or unreadable file")                                            \
	ERR(SHORT, "input ends too early")                                                    \
	ERR(MALFORMED, "malformed input")                                                     \
	ERR(CANCELLED, "given up")                                                            \
	ERR(COLD, "not in the page cache")                                                    \
	/* Kafka's */                                                                         \
	ERR(UNKNOWN_SERVER_ERROR, "unexpected server error")                                  \
	ERR(OFFSET_OUT_OF_RANGE, "offset out of range")                                       \
	ERR(CORRUPT_MESSAGE, "CRC, size or structure of a message is wrong")                  \
	ERR(UNKNOWN_TOPIC_OR_PARTITION, "unknown topic or partition")                         \
	ERR(INVALID_FETCH_SIZE, "invalid fetch size")                                         \
	ERR(LEADER_NOT_AVAILABLE, "no leader for this partition")                             \
	ERR(NOT_LEADER_OR_FOLLOWER, "not leader or follower of this partition")               \
	ERR(REQUEST_TIMED_OUT, "request timed out")                                           \
	ERR(BROKER_NOT_AVAILABLE, "broker not available")                                     \
	ERR(REPLICA_NOT_AVAILABLE, "replica not available")                                   \
	ERR(MESSAGE_TOO_LARGE, "message too large")                                           \
	ERR(STALE_CONTROLLER_EPOCH, "stale controller epoch")                                 \
	ERR(OFFSET_METADATA_TOO_LARGE, "offset metadata too large")                           \
	ERR(NETWORK_EXCEPTION, "disconnected before an answer")                               \
	ERR(COORDINATOR_LOAD_IN_PROGRESS, "coordinator is loading")                           \
	ERR(COORDINATOR_NOT_AVAILABLE, "coordinator not available")                           \
	ERR(NOT_COORDINATOR, "not the coordinator")                                           \
	ERR(INVALID_TOPIC_EXCEPTION, "invalid topic name")                                    \
	ERR(RECORD_LIST_TOO_LARGE, "record list larger than a segment")                       \
	ERR(NOT_ENOUGH_REPLICAS, "fewer in-sync replicas than required")                      \
	ERR(NOT_ENOUGH_REPLICAS_AFTER_APPEND, "too few in-sync replicas after the append")    \
	ERR(INVALID_REQUIRED_ACKS, "invalid value of acks")                                   \
	ERR(ILLEGAL_GENERATION, "wrong group generation")                                     \
	ERR(INCONSISTENT_GROUP_PROTOCOL, "group protocol not shared with the other members")  \
	ERR(INVALID_GROUP_ID, "invalid group id")                                             \
	ERR(UNKNOWN_MEMBER_ID, "unknown group member")                                        \
	ERR(INVALID_SESSION_TIMEOUT, "session timeout out of range")                          \
	ERR(REBALANCE_IN_PROGRESS, "group is rebalancing")                                    \
	ERR(INVALID_COMMIT_OFFSET_SIZE, "offset commit too large")                            \
	ERR(TOPIC_AUTHORIZATION_FAILED, "not authorized for topic")                           \
	ERR(GROUP_AUTHORIZATION_FAILED, "not authorized for group")                           \
	ERR(CLUSTER_AUTHORIZATION_FAILED, "not authorized for cluster")                       \
	ERR(INVALID_TIMESTAMP, "timestamp out of range")                                      \
	ERR(UNSUPPORTED_SASL_MECHANISM, "unsupported SASL mechanism")                         \
	ERR(ILLEGAL_SASL_STATE, "request not valid in this SASL state")                       \
	ERR(UNSUPPORTED_VERSION, "unsupported version")                                       \
	ERR(TOPIC_ALREADY_EXISTS, "topic already exists")                                     \
	ERR(INVALID_PARTITIONS, "invalid number of partitions")                               \
	ERR(INVALID_REPLICATION_FACTOR, "invalid replication factor")                         \
	ERR(INVALID_REPLICA_ASSIGNMENT, "invalid replica assignment")                         \
	ERR(INVALID_CONFIG, "invalid configuration")                                          \
	ERR(NOT_CONTROLLER, "not the controller")                                             \
	ERR(INVALID_REQUEST, "invalid request")                                               \
	ERR(UNSUPPORTED_FOR_MESSAGE_FORMAT, "message format does not support this")           \
	ERR(POLICY_VIOLATION, "policy violation")                                             \
	ERR(OUT_OF_ORDER_SEQUENCE_NUMBER, "out of order sequence number")                     \
	ERR(DUPLICATE_SEQUENCE_NUMBER, "duplicate sequence number")                           \
	ERR(INVALID_PRODUCER_EPOCH, "producer epoch is older than the last")                  \
	ERR(INVALID_TXN_STATE, "invalid transaction state")                                   \
	ERR(INVALID_PRODUCER_ID_MAPPING, "producer id not assigned to this transactional id") \
	ERR(INVALID_TRANSACTION_TIMEOUT, "transaction timeout over the maximum")              \
	ERR(CONCURRENT_TRANSACTIONS, "another transaction is still being completed")          \
	ERR(TRANSACTION_COORDINATOR_FENCED, "transaction coordinator fenced")                 \
	ERR(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "not authorized for transactional id")     \
	ERR(SECURITY_DISABLED, "security features are disabled")                              \
	ERR(OPERATION_NOT_ATTEMPTED, "operation not attempted")                               \
	ERR(KAFKA_STORAGE_ERROR, "log directory failed")                                      \
	ERR(LOG_DIR_NOT_FOUND, "log directory not found")                                     \
	ERR(SASL_AUTHENTICATION_FAILED, "SASL authentication failed")                         \
	ERR(UNKNOWN_PRODUCER_ID, "unknown producer id")                                       \
	ERR(REASSIGNMENT_IN_PROGRESS, "reassignment in progress")                             \
	ERR(NON_EMPTY_GROUP, "group is not empty")                                            \
	ERR(GROUP_ID_NOT_FOUND, "group not found")                                            \
	ERR(FETCH_SESSION_ID_NOT_FOUND, "fetch session not found")                            \
	ERR(INVALID_FETCH_SESSION_EPOCH, "invalid fetch session epoch")                       \
	ERR(LISTENER_NOT_FOUND, "no matching listener on the leader")                         \
	ERR(TOPIC_DELETION_DISABLED, "topic deletion is disabled")                            \
	ERR(FENCED_LEADER_EPOCH, "leader epoch is older than ours")                           \
	ERR(UNKNOWN_LEADER_EPOCH, "leader epoch is newer than ours")                          \
	ERR(UNSUPPORTED_COMPRESSION_TYPE, "compression type not supported here")              \
	ERR(STALE_BROKER_EPOCH, "stale broker epoch")                                         \
	ERR(OFFSET_NOT_AVAILABLE, "high watermark not yet known")                             \
	ERR(MEMBER_ID_REQUIRED, "join again with the member id given")                        \
	ERR(PREFERRED_LEADER_NOT_AVAILABLE, "preferred leader not available")                 \
	ERR(GROUP_MAX_SIZE_REACHED, "group is full")                                          \
	ERR(FENCED_INSTANCE_ID, "another member has this group instance id")                  \
	ERR(ELIGIBLE_LEADERS_NOT_AVAILABLE, "no eligible leader")                             \
	ERR(ELECTION_NOT_NEEDED, "leader election not needed")                                \
	ERR(NO_REASSIGNMENT_IN_PROGRESS, "no reassignment in progress")                       \
	ERR(GROUP_SUBSCRIBED_TO_TOPIC, "the group is subscribed to this topic")               \
	ERR(INVALID_RECORD, "record not valid for this topic")                                \
	ERR(UNSTABLE_OFFSET_COMMIT, "offsets wait for a transaction")                         \
	ERR(THROTTLING_QUOTA_EXCEEDED, "quota exceeded")                                      \
	ERR(PRODUCER_FENCED, "a newer producer has taken over")                               \
	ERR(RESOURCE_NOT_FOUND, "resource not found")                                         \
	ERR(DUPLICATE_RESOURCE, "resource named twice")                                       \
	ERR(UNACCEPTABLE_CREDENTIAL, "unacceptable credential")                               \
	ERR(INVALID_UPDATE_VERSION, "invalid update version")                                 \
	ERR(FEATURE_UPDATE_FAILED, "feature update failed")                                   \
	ERR(UNKNOWN_TOPIC_ID, "unknown topic id")                                             \
	ERR(INCONSISTENT_TOPIC_ID, "topic id differs from the one in the log")                \
	ERR(INCONSISTENT_CLUSTER_ID, "cluster id differs")                                    \
	ERR(TRANSACTIONAL_ID_NOT_FOUND, "transactional id not found")                         \
	ERR(FETCH_SESSION_TOPIC_ID_ERROR, "fetch session uses topic ids inconsistently")      \
	ERR(FENCED_MEMBER_EPOCH, "member epoch is fenced")                                    \
	ERR(UNRELEASED_INSTANCE_ID, "instance id still in use")                               \
	ERR(UNSUPPORTED_ASSIGNOR, "assignor not supported")                                   \
	ERR(STALE_MEMBER_EPOCH, "stale member epoch")                                         \
	ERR(TRANSACTION_ABORTABLE, "transaction must be aborted")                             \
	ERR(INVALID_REGULAR_EXPRESSION, "invalid regular expression")

enum err {
	ERR_OK = 0,
#define ERR(name, text) ERR_##name,
	ERR_LIST
#undef ERR
	    ERR_COUNT
};

/* The name without its prefix, "OFFSET_OUT_OF_RANGE"; and the sentence beside it. Never NULL. */
const char *err_name(enum err err);
const char *err_text(enum err err);

/* What errno means here. Never ERR_OK. */
enum err err_errno(int errnum);

#endif
