import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Transactions of the Java producer, told in words: BOOTSTRAP ID TOPIC WORD...
 *
 * <p>begin, send:VALUE, offset:GROUP:N (of the topic's partition 0), commit, abort, init (a new producer of the same id,
 * which fences the one before; `old` goes back to that), leave (an open transaction, by ending without a word), heed (the
 * words that come by standard input, one a line). Each word prints itself, or the simple name of what it threw.
 */
public final class Transact {
    private final Properties settings = new Properties();
    private final String topic;
    private final List<KafkaProducer<String, String>> producers = new ArrayList<>();
    private KafkaProducer<String, String> producer;

    private Transact(String bootstrap, String id, String topic) {
        this.topic = topic;
        settings.put("bootstrap.servers", bootstrap);
        settings.put("transactional.id", id);
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", StringSerializer.class.getName());
        settings.put("max.block.ms", "30000");
    }

    private void obey(String word) throws Exception {
        String[] parts = word.split(":");
        switch (parts[0]) {
            case "init" -> {
                producer = new KafkaProducer<>(settings);
                producers.add(producer);
                producer.initTransactions();
            }
            case "old" -> producer = producers.get(0);
            case "begin" -> producer.beginTransaction();
            case "send" -> producer.send(new ProducerRecord<>(topic, 0, "k", parts[1])).get();
            case "offset" -> {
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                offsets.put(new TopicPartition(topic, 0), new OffsetAndMetadata(Long.parseLong(parts[2])));
                producer.sendOffsetsToTransaction(offsets, new ConsumerGroupMetadata(parts[1]));
            }
            case "commit" -> producer.commitTransaction();
            case "abort" -> producer.abortTransaction();
            case "leave" -> producer.flush();
            default -> throw new IllegalArgumentException(word);
        }
    }

    private void obeyAndSay(String word) {
        String said = word;
        try {
            obey(word);
        } catch (Exception failure) {
            Throwable cause = failure.getCause() != null ? failure.getCause() : failure;
            said += ": " + cause.getClass().getSimpleName();
        }
        System.out.println(said);
    }

    public static void main(String[] words) {
        Transact transact = new Transact(words[0], words[1], words[2]);
        for (int i = 3; i < words.length; i++) {
            if (words[i].equals("heed")) {
                new BufferedReader(new InputStreamReader(System.in)).lines().forEach(transact::obeyAndSay);
            } else {
                transact.obeyAndSay(words[i]);
            }
        }
        // Without a word to the broker: close() would abort what is open.
        for (KafkaProducer<String, String> each : transact.producers) {
            new Thread(() -> each.close(java.time.Duration.ZERO)).start();
        }
    }
}
