/*
 * Where the broker listens and what it tells clients to connect to: listeners, advertised.listeners
 * and their companions, by Kafka's rules. Made by config_finish; read-only afterwards.
 */
#ifndef META_CONFIG_LISTENERS_H
#define META_CONFIG_LISTENERS_H

#include "meta/config.h"

enum config_security { /* the numbers of RegisterBrokerRecord's SecurityProtocol */
		       CONFIG_PLAINTEXT = 0,
		       CONFIG_SSL = 1,
		       CONFIG_SASL_PLAINTEXT = 2,
		       CONFIG_SASL_SSL = 3,
};

struct config_listener {
	const char *name; /* upper case, as INTERNAL */
	const char *host; /* to bind; "" is every address */
	int32_t port;	  /* 0: any free one */
	enum config_security security;
	bool controller;	     /* named by controller.listener.names: accepted, not opened */
	const char *advertised_host; /* never empty; NULL: clients are not told of this listener */
	int32_t advertised_port;     /* 0: the one that was bound */
};

/* In the order of `listeners`. */
const struct config_listener *config_listeners(const struct config *cfg, size_t *len);
/*
 * The name that other brokers would use: inter.broker.listener.name, or the one with its protocol.
 */
const char *config_inter_broker_listener(const struct config *cfg);

#endif
