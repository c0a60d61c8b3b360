/* Listeners: Kafka's rules for what is opened and what is advertised. */
#include "config_make.h"

#include <stdio.h>

/* "NAME host:port advertised:port", one a listener, in one text. */
static void expect_listeners(const char *text, const char *expected)
{
	struct config *cfg = make_config_of(text);
	const struct config_listener *all;
	char got[1024] = "";
	size_t len, pos = 0;

	all = config_listeners(cfg, &len);
	for (size_t i = 0; i < len; i++)
		pos +=
		    (size_t)snprintf(got + pos, sizeof(got) - pos, "%s%s %s:%d %s:%d%s",
				     i > 0 ? ", " : "", all[i].name, all[i].host, all[i].port,
				     all[i].advertised_host != NULL ? all[i].advertised_host : "-",
				     all[i].advertised_port,
				     all[i].controller ? " controller" : "");
	assert_string_equal(got, expected);
	config_free(cfg);
}

static void several_named_listeners(void **state)
{
	expect_listeners(
	    "listeners=HOST://127.0.0.1:9092,docker://:29092,CONTROLLER://:9093\n"
	    "advertised.listeners=HOST://localhost:9092,DOCKER://kafka:29092\n"
	    "listener.security.protocol.map=HOST:PLAINTEXT, docker : plaintext,CONTROLLER:SSL\n"
	    "controller.listener.names=CONTROLLER\ninter.broker.listener.name=DOCKER\n",
	    "HOST 127.0.0.1:9092 localhost:9092, DOCKER :29092 kafka:29092, "
	    "CONTROLLER :9093 -:0 controller");
}

static void advertises_what_it_listens_on(void **state)
{
	expect_listeners("listeners=PLAINTEXT://[::1]:0", "PLAINTEXT ::1:0 ::1:0");
	expect_listeners("listeners= plaintext://ho_st:9 ", "PLAINTEXT ho_st:9 ho_st:9");
	expect_listeners("listeners=PLAINTEXT://0.0.0.0:9092\nadvertised.listeners=PLAINTEXT://h:1",
			 "PLAINTEXT 0.0.0.0:9092 h:1");
	expect_listeners("listeners=A://h:1,B://h:2\ninter.broker.listener.name=A\n"
			 "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n"
			 "advertised.listeners=A://x:1",
			 "A h:1 x:1, B h:2 -:0");
	expect_listeners("listeners=PLAINTEXT://127.0.0.1:1,B://[::1]:1\n"
			 "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT",
			 "PLAINTEXT 127.0.0.1:1 127.0.0.1:1, B ::1:1 ::1:1");
}

static void everywhere_is_advertised_by_name(void **state)
{
	static const char *const texts[] = {"", "listeners=PLAINTEXT://:9092",
					    "listeners=PLAINTEXT://[::]:9092",
					    "advertised.listeners=PLAINTEXT://:9092"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct config *cfg = make_config_of(texts[i]);
		size_t len;
		const struct config_listener *all = config_listeners(cfg, &len);
		assert_int_equal(len, 1);
		assert_int_equal(all->port, 9092);
		assert_int_equal(all->advertised_port, 9092);
		assert_true(all->advertised_host[0] != '\0' &&
			    strcmp(all->advertised_host, "::") != 0);
		assert_string_equal(config_inter_broker_listener(cfg), "PLAINTEXT");
		config_free(cfg);
	}
}

static void a_controllers_listener_needs_no_map(void **state)
{
	expect_listeners("listeners=PLAINTEXT://a:1,CTL://:2\ncontroller.listener.names=CTL\n",
			 "PLAINTEXT a:1 a:1, CTL :2 -:0 controller");
}

static void bad_listeners_are_told(void **state)
{
	expect_bad("listeners=PLAINTEXT://h",
		   "f:1: listeners: found \"PLAINTEXT://h\"; allowed: entries in "
		   "the form {name}://{host}:{port}, and PLAINTEXT://h is not");
	expect_bad("listeners=PLAINTEXT://h:99999",
		   "f:1: listeners: found \"PLAINTEXT://h:99999\"; allowed: entries in the form "
		   "{name}://{host}:{port}, and PLAINTEXT://h:99999 is not");
	expect_bad("listeners=FOO://:1",
		   "f:1: listeners: found \"FOO://:1\"; allowed: listeners that "
		   "listener.security.protocol.map has, and FOO is not there");
	expect_bad("listeners=PLAINTEXT://:1,plaintext://:2",
		   "f:1: listeners: found \"PLAINTEXT://:1,plaintext://:2\"; allowed: each "
		   "listener with a "
		   "name of its own, not PLAINTEXT twice");
	expect_bad(
	    "listeners=PLAINTEXT://a:1,B://b:1\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,"
	    "B:PLAINTEXT",
	    "f:1: listeners: found \"PLAINTEXT://a:1,B://b:1\"; allowed: each listener with a port "
	    "of its own, not 1 twice");
	expect_bad("listeners=SSL://h:1",
		   "f:1: listeners: found \"SSL://h:1\"; allowed: PLAINTEXT "
		   "listeners, and SSL is SSL (TLS and SASL are not built yet)");
	expect_bad("listeners=CONTROLLER://h:1\ncontroller.listener.names=CONTROLLER",
		   "f:1: listeners: found \"CONTROLLER://h:1\"; allowed: at least one listener "
		   "that is not "
		   "among controller.listener.names, CONTROLLER");
	expect_bad(
	    "listeners=PLAINTEXT://h:1\ncontroller.listener.names=CONTROLLER",
	    "f:2: controller.listener.names: found \"CONTROLLER\"; allowed: at least one name that "
	    "listeners has");
	expect_bad(
	    "listener.security.protocol.map=PLAINTEXT:FOO",
	    "f:1: listener.security.protocol.map: found \"PLAINTEXT:FOO\"; allowed: entries in the "
	    "form {listener}:{protocol}, the protocol one of PLAINTEXT, SSL, SASL_PLAINTEXT, "
	    "SASL_SSL");
}

static void bad_advertised_listeners_are_told(void **state)
{
	expect_bad(
	    "listeners=PLAINTEXT://0.0.0.0:1",
	    "f:1: listeners: found \"PLAINTEXT://0.0.0.0:1\"; allowed: an address that clients can "
	    "connect to; advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use "
	    "a "
	    "routable IP address");
	expect_bad(
	    "advertised.listeners=PLAINTEXT://0.0.0.0:1",
	    "f:1: advertised.listeners: found \"PLAINTEXT://0.0.0.0:1\"; allowed: an address that "
	    "clients can connect to; advertised.listeners cannot use the nonroutable meta-address "
	    "0.0.0.0. Use a routable IP address");
	expect_bad("advertised.listeners=SSL://h:1",
		   "f:1: advertised.listeners: found \"SSL://h:1\"; "
		   "allowed: names that listeners has, and SSL is not "
		   "there");
	expect_bad("inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT",
		   "f:1: inter.broker.listener.name: found \"PLAINTEXT\"; allowed: one of "
		   "inter.broker.listener.name and security.inter.broker.protocol, not both");
	expect_bad(
	    "inter.broker.listener.name=OTHER",
	    "f:1: inter.broker.listener.name: found \"OTHER\"; allowed: inter.broker.listener.name "
	    "must be a listener that is advertised");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(several_named_listeners),
	    cmocka_unit_test(advertises_what_it_listens_on),
	    cmocka_unit_test(everywhere_is_advertised_by_name),
	    cmocka_unit_test(a_controllers_listener_needs_no_map),
	    cmocka_unit_test(bad_listeners_are_told),
	    cmocka_unit_test(bad_advertised_listeners_are_told),
	};
	return cmocka_run_group_tests_name("config_listeners", tests, NULL, NULL);
}
