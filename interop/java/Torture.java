import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Transactions without end, through the Java clients: BOOTSTRAP SEED INCARNATION WORKLOAD:ID...
 *
 * <p>What the workers of all languages do and say is written in interop/torture/fleet.py.
 */
public final class Torture {
    private static final int PARTITIONS = 3;
    private static volatile boolean over;

    private final String bootstrap;
    private final String incarnation;
    private final String id;
    private final Random dice;
    private final KafkaProducer<String, String> producer;

    private Torture(String[] words, String task) {
        bootstrap = words[0];
        incarnation = words[2];
        id = task.substring(task.indexOf(':') + 1);
        dice = new Random((words[1] + " " + incarnation + " " + task).hashCode());
        Properties settings = common();
        settings.put("transactional.id", id);
        settings.put("transaction.timeout.ms", "6000");
        settings.put("max.block.ms", "30000");
        settings.put("delivery.timeout.ms", "40000");
        settings.put("request.timeout.ms", "10000");
        producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
        retry(() -> {
            producer.initTransactions();
            return null;
        });
    }

    private Properties common() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("reconnect.backoff.max.ms", "200");
        return settings;
    }

    private static synchronized void say(String text) {
        System.out.println(text);
        System.out.flush();
    }

    /** A time-out says nothing of what became of it: the same is asked again. */
    private static <T> T retry(Callable<T> call) {
        while (true) {
            try {
                return call.call();
            } catch (TimeoutException slow) {
                continue;
            } catch (RuntimeException failure) {
                throw failure;
            } catch (Exception failure) {
                throw new IllegalStateException(failure);
            }
        }
    }

    private void abort() {
        retry(() -> {
            producer.abortTransaction();
            return null;
        });
    }

    private static boolean isFatal(RuntimeException failure) {
        return failure instanceof ProducerFencedException || failure instanceof InvalidProducerEpochException
                || failure instanceof OutOfOrderSequenceException || failure instanceof AuthorizationException
                || failure instanceof UnsupportedVersionException || !(failure instanceof KafkaException);
    }

    /** One transaction; true when it was committed. Only what aborting does not cure is thrown. */
    private boolean attempt(BooleanSupplier work) {
        producer.beginTransaction();
        try {
            if (work.getAsBoolean()) {
                retry(() -> {
                    producer.commitTransaction();
                    return null;
                });
                return true;
            }
        } catch (RuntimeException failure) {
            if (isFatal(failure)) {
                throw failure;
            }
        }
        abort();
        return false;
    }

    private boolean append(String label, List<ProducerRecord<String, String>> records) {
        for (ProducerRecord<String, String> each : records) {
            producer.send(each);
        }
        boolean commit = dice.nextInt(5) != 0;
        // What abortTransaction() finds unsent when no request has begun the transaction, the client (4.3.1) keeps, and
        // sends in the next one: one batch was seen to hold records of both.
        if (!commit || dice.nextBoolean()) {
            producer.flush();
        }
        if (!commit) {
            return false;
        }
        say("{\"ask\": \"" + label + "\"}");
        return true;
    }

    private void appendForever() {
        for (int count = 0; !over; count++) {
            String label = id + "/" + incarnation + "/" + count;
            List<ProducerRecord<String, String>> records = new ArrayList<>();
            List<String> values = new ArrayList<>();
            for (int each = 0, last = dice.nextInt(4); each <= last; each++) {
                int partition = dice.nextInt(PARTITIONS);
                records.add(new ProducerRecord<>("t", partition, null, label + "/" + each));
                values.add("[" + partition + ", \"" + label + "/" + each + "\"]");
            }
            say("{\"try\": \"" + label + "\", \"values\": [" + String.join(", ", values) + "]}");
            if (attempt(() -> append(label, records))) {
                say("{\"committed\": \"" + label + "\"}");
            }
        }
    }

    private boolean move(KafkaConsumer<String, String> consumer, String queue, ConsumerRecords<String, String> found) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (ConsumerRecord<String, String> each : found) {
            String value = each.partition() + ":" + each.offset();
            producer.send(new ProducerRecord<>(queue + ".out", (int) (each.offset() % 2), null, value));
            offsets.put(new TopicPartition(each.topic(), each.partition()), new OffsetAndMetadata(each.offset() + 1));
        }
        retry(() -> {
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            return null;
        });
        return dice.nextInt(5) != 0;
    }

    private void rewind(KafkaConsumer<String, String> consumer) {
        Map<TopicPartition, OffsetAndMetadata> committed = retry(() -> consumer.committed(consumer.assignment()));
        for (TopicPartition each : consumer.assignment()) {
            OffsetAndMetadata at = committed.get(each);
            consumer.seek(each, at == null ? 0 : at.offset());
        }
    }

    private void moveForever() {
        String queue = id.substring(0, id.lastIndexOf('.'));
        Properties settings = common();
        settings.put("group.id", queue);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("isolation.level", "read_committed");
        settings.put("max.poll.records", "10");
        settings.put("group.protocol", System.getProperty("group.protocol", "classic"));
        if (settings.get("group.protocol").equals("classic")) {
            settings.put("session.timeout.ms", "6000");
            settings.put("heartbeat.interval.ms", "500");
        }
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(queue + ".in"));
            while (!over) {
                ConsumerRecords<String, String> found = consumer.poll(Duration.ofMillis(200));
                if (found.isEmpty()) {
                    continue;
                }
                if (attempt(() -> move(consumer, queue, found))) {
                    say("{\"moved\": " + found.count() + "}");
                } else {
                    rewind(consumer);
                }
            }
        }
    }

    private static void work(String[] words, String task) {
        try {
            Torture worker = new Torture(words, task);
            if (task.startsWith("append:")) {
                worker.appendForever();
            } else {
                worker.moveForever();
            }
        } catch (Throwable failure) {
            say("{\"failure\": \"" + task + ": " + failure.toString().replaceAll("[\"\\\\\\p{Cntrl}]", " ") + "\"}");
            Runtime.getRuntime().halt(3);
        }
    }

    public static void main(String[] words) throws Exception {
        List<Thread> threads = new ArrayList<>();
        for (int i = 3; i < words.length; i++) {
            String task = words[i];
            threads.add(new Thread(() -> work(words, task)));
        }
        threads.forEach(Thread::start);
        System.in.readAllBytes();
        over = true;
        for (Thread each : threads) {
            each.join();
        }
        Runtime.getRuntime().halt(0);
    }
}
