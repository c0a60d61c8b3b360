/*
 * Makes the segments good-*.log in this directory's golden tests: a producer of Apache Kafka's own
 * client library writes, the broker's segment file is copied. Needs a running stock broker:
 *
 *	java -cp "$(stock-kafka lib)/*" Make.java BOOTSTRAP DATA_DIR OUT_DIR
 */
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Make {
	static final long T0 = 1700000000000L;

	static ProducerRecord<byte[], byte[]> record(String topic, int i) {
		byte[] key = i % 3 == 0 ? null : ("key-" + i).getBytes(StandardCharsets.UTF_8);
		byte[] value = null;
		if (i % 5 != 4) {
			value = new byte[i % 7 == 6 ? 3000 : 10 + i];
			for (int j = 0; j < value.length; j++)
				value[j] = (byte) (i + j / 7);
		}
		var r = new ProducerRecord<byte[], byte[]>(topic, 0, T0 + (i * 37) % 100, key, value);
		for (int h = 0; h < i % 4; h++)
			r.headers().add(new RecordHeader("h" + h, h == 2 ? null : new byte[] {(byte) i, (byte) h}));
		return r;
	}

	static void produce(String bootstrap, String topic, String codec, boolean txn) throws Exception {
		var p = new Properties();
		p.put("bootstrap.servers", bootstrap);
		p.put("compression.type", codec);
		p.put("linger.ms", "2000");
		p.put("batch.size", "2000000");
		if (txn)
			p.put("transactional.id", topic);
		try (var producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
			if (txn) {
				producer.initTransactions();
				producer.beginTransaction();
			}
			for (int i = 0; i < 100; i++)
				producer.send(record(topic, i));
			producer.flush();
			if (txn)
				producer.commitTransaction();
			if (txn) {
				producer.beginTransaction();
				producer.send(record(topic, 0)).get();
				producer.abortTransaction();
			}
		}
	}

	public static void main(String[] args) throws Exception {
		var conf = new Properties();
		conf.put("bootstrap.servers", args[0]);
		try (var admin = Admin.create(conf)) {
			for (String name : List.of("none", "gzip", "snappy", "lz4", "zstd", "txn", "appendtime")) {
				String topic = "golden-" + name;
				var t = new NewTopic(topic, 1, (short) 1).configs(Map.of("message.timestamp.type",
						name.equals("appendtime") ? "LogAppendTime" : "CreateTime",
						"retention.ms", "-1", "segment.ms", "9000000000000"));
				admin.createTopics(List.of(t)).all().get();
				boolean plain = name.equals("txn") || name.equals("appendtime");
				produce(args[0], topic, plain ? "none" : name, name.equals("txn"));
				Path log = Path.of(args[1], topic + "-0", "00000000000000000000.log");
				Files.copy(log, Path.of(args[2], "good-" + name + ".log"), StandardCopyOption.REPLACE_EXISTING);
			}
		}
	}
}
