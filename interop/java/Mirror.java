import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.mirror.MirrorClient;

/** What MirrorMaker's client library says of a cluster that is mirrored to: BOOTSTRAP SOURCE GROUP, a fact a line. */
public final class Mirror {
    private Mirror() {
    }

    public static void main(String[] words) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", words[0]);
        try (MirrorClient client = new MirrorClient(settings)) {
            System.out.println("upstream " + client.upstreamClusters());
            System.out.println("hops " + client.replicationHops(words[1]));
            System.out.println("heartbeats " + client.heartbeatTopics());
            System.out.println("checkpoints " + client.checkpointTopics());
            Map<TopicPartition, OffsetAndMetadata> found =
                client.remoteConsumerOffsets(words[2], words[1], Duration.ofSeconds(60));
            Map<String, Long> sorted = new TreeMap<>();
            found.forEach((where, offset) -> sorted.put(where.toString(), offset.offset()));
            sorted.forEach((where, offset) -> System.out.println("offset " + where + " " + offset));
        }
    }
}
