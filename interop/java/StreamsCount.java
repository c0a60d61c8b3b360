import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.WindowStore;

/**
 * A Kafka Streams application that counts words: BOOTSTRAP APPLICATION STATE-DIRECTORY [SETTING=VALUE...]
 *
 * <p>A record of `words` is a number and a word. `seen` gets each of them again, with what the table `colours` knows of
 * the word; `counts` and `windowed` get each word's count so far, of all time and of its day. Both counters read what was
 * sent to another partition by its word, and keep their stores in changelogs. Nothing is cached, so each record gives
 * one line in each of the three.
 *
 * <p>Prints its state at each change, and what killed a thread of it, in whose place another goes on; ends with its input.
 */
public final class StreamsCount {
    private StreamsCount() {
    }

    private static StreamsBuilder topology() {
        StreamsBuilder builder = new StreamsBuilder();
        Consumed<String, String> texts = Consumed.with(Serdes.String(), Serdes.String());
        KTable<String, String> colours = builder.table("colours", texts, Materialized.as("colours-store"));
        KStream<String, String> words =
            builder.stream("words", texts).map((number, word) -> KeyValue.pair(word, number));
        words.join(colours, (number, colour) -> number + " " + colour)
            .to("seen", Produced.with(Serdes.String(), Serdes.String()));

        KGroupedStream<String, String> byWord = words.groupByKey(Grouped.as("by-word"));
        byWord.count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("total"))
            .toStream()
            .to("counts", Produced.with(Serdes.String(), Serdes.Long()));
        byWord.windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofDays(1)))
            .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("daily").withRetention(Duration.ofDays(3)))
            .toStream((window, count) -> window.key())
            .to("windowed", Produced.with(Serdes.String(), Serdes.Long()));
        return builder;
    }

    private static Properties settings(String[] words) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, words[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, words[1]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, words[2]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.String().getClass().getName());
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.String().getClass().getName());
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "0");
        for (int i = 3; i < words.length; i++) {
            String[] pair = words[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        return settings;
    }

    public static void main(String[] words) throws Exception {
        Properties settings = settings(words);
        KafkaStreams streams = new KafkaStreams(topology().build(settings), settings);
        streams.setStateListener((now, before) -> System.out.println("state " + now));
        streams.setUncaughtExceptionHandler(failure -> {
            Throwable cause = failure;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            System.out.println("failure " + cause.getClass().getSimpleName());
            failure.printStackTrace();
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
        while (System.in.read() >= 0) {
            // Whatever is said to it, only the end counts.
        }
        boolean closed = streams.close(Duration.ofSeconds(60));
        System.out.println(closed ? "closed" : "not closed in time");
        Runtime.getRuntime().halt(closed ? 0 : 1);
    }
}
