/*
 * Fills the topic "g" of a running Apache Kafka 4.3.1 with what the golden directories hold, and prints
 * what stock answers about it. See README in this folder.
 *
 *   java -cp 'LIB/*' Make.java 127.0.0.1:PORT
 */
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.*;

public class Make {
	static final long BASE = 1700000000000L;
	static final TopicPartition TP = new TopicPartition("g", 0);
	static String server;

	static KafkaProducer<byte[], byte[]> producer(String codec, String txn) {
		Map<String, Object> cfg = new HashMap<>();
		cfg.put("bootstrap.servers", server);
		cfg.put("compression.type", codec);
		cfg.put("linger.ms", 50);
		if (txn != null) {
			cfg.put("transactional.id", txn);
			cfg.put("transaction.timeout.ms", 600000);
		}
		return new KafkaProducer<>(cfg, new ByteArraySerializer(), new ByteArraySerializer());
	}

	static void send(KafkaProducer<byte[], byte[]> p, int count, long timestamp, int size) {
		for (int i = 0; i < count; i++) {
			byte[] value = new byte[size];
			Arrays.fill(value, (byte) ('a' + i % 26));
			p.send(new ProducerRecord<>("g", 0, timestamp + i, ("k" + i).getBytes(), value));
		}
		p.flush();
	}

	public static void main(String[] args) throws Exception {
		server = args[0];
		Admin admin = Admin.create(Map.of("bootstrap.servers", server));
		Map<String, String> cfg = Map.of("index.interval.bytes", "200", "segment.index.bytes", "1200",
			"segment.ms", "10000", "retention.ms", "-1", "flush.messages", "20");
		admin.createTopics(List.of(new NewTopic("g", 1, (short) 1).configs(cfg))).all().get();

		try (KafkaProducer<byte[], byte[]> p = producer("none", null)) {
			for (int i = 0; i < 30; i++)
				send(p, 2, BASE + i * 1000L, 60);
		}
		for (String codec : List.of("gzip", "snappy", "lz4", "zstd"))
			try (KafkaProducer<byte[], byte[]> p = producer(codec, null)) {
				send(p, 10, BASE + 31000, 100);
			}
		KafkaProducer<byte[], byte[]> one = producer("none", "one"), two = producer("lz4", "two");
		one.initTransactions();
		two.initTransactions();
		one.beginTransaction();
		two.beginTransaction();
		send(one, 3, BASE + 40000, 50);
		send(two, 4, BASE + 41000, 50);
		one.commitTransaction();
		send(two, 1, BASE + 60000, 50); // another segment
		two.abortTransaction();
		two.beginTransaction();
		send(two, 2, BASE + 61000, 50);
		one.beginTransaction();
		send(one, 2, BASE + 61500, 50);
		two.abortTransaction();
		one.commitTransaction();
		one.beginTransaction(); // stays open
		send(one, 2, BASE + 62000, 50);
		try (KafkaProducer<byte[], byte[]> p = producer("none", null)) {
			send(p, 5, BASE + 63000, 60);
		}

		for (IsolationLevel level : IsolationLevel.values())
			System.out.println("end " + level + " " + offset(admin, OffsetSpec.latest(), level));
		System.out.println("max_timestamp " + offset(admin, OffsetSpec.maxTimestamp(), IsolationLevel.READ_UNCOMMITTED));
		for (long at : new long[] {-5, 0, 1, 15500, 31005, 40001, 41003, 61999, 62001, 63004, 63005})
			System.out.println("time " + at + " " +
				offset(admin, OffsetSpec.forTimestamp(BASE + at), IsolationLevel.READ_UNCOMMITTED));
		Map<String, Object> c = new HashMap<>();
		c.put("bootstrap.servers", server);
		c.put("isolation.level", "read_committed");
		try (KafkaConsumer<byte[], byte[]> consumer =
				new KafkaConsumer<>(c, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
			consumer.assign(List.of(TP));
			consumer.seekToBeginning(List.of(TP));
			int count = 0;
			long until = System.currentTimeMillis() + 5000;
			while (System.currentTimeMillis() < until)
				count += consumer.poll(java.time.Duration.ofMillis(200)).count();
			System.out.println("committed_records " + count);
		}
		System.out.flush();
		Runtime.getRuntime().halt(0);
	}

	static String offset(Admin admin, OffsetSpec spec, IsolationLevel level) throws Exception {
		var info = admin.listOffsets(Map.of(TP, spec), new ListOffsetsOptions(level)).all().get().get(TP);
		return info.offset() + " " + info.timestamp() + " " + info.leaderEpoch().orElse(-1);
	}
}
