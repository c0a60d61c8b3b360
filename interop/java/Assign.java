import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Scanner;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.PartitionAssignor;
import org.apache.kafka.coordinator.group.api.assignor.SubscribedTopicDescriber;
import org.apache.kafka.coordinator.group.api.assignor.SubscriptionType;
import org.apache.kafka.coordinator.group.assignor.RangeAssignor;
import org.apache.kafka.coordinator.group.assignor.UniformAssignor;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.GroupSpecImpl;
import org.apache.kafka.coordinator.group.modern.MemberSubscriptionAndAssignmentImpl;

/** Apache Kafka's assignors alone, a group a line; the lines are described in tests/group/assign_lines.c. */
public final class Assign {
    private final Map<Uuid, Integer> sizes = new HashMap<>();
    private final Map<String, MemberSubscriptionAndAssignmentImpl> members = new HashMap<>();
    private final Map<Uuid, Map<Integer, String>> owners = new HashMap<>();
    private final Set<Set<Uuid>> subscriptions = new HashSet<>();
    private final String[] order;
    private final Uuid[] topics;
    private final PartitionAssignor assignor;

    private Assign(Scanner words) {
        assignor = words.next().equals("range") ? new RangeAssignor() : new UniformAssignor();
        topics = new Uuid[words.nextInt()];
        order = new String[words.nextInt()];
        for (int i = 0; i < topics.length; i++) {
            topics[i] = new Uuid(7, i);
            sizes.put(topics[i], words.nextInt());
        }
        for (int i = 0; i < order.length; i++)
            addMember(words, i);
    }

    private void addMember(Scanner words, int at) {
        String id = words.next();
        String instance = words.next();
        Set<Uuid> wanted = new HashSet<>();
        for (int left = words.nextInt(); left > 0; left--)
            wanted.add(topics[words.nextInt()]);
        Map<Uuid, Set<Integer>> before = new HashMap<>();
        for (int left = words.nextInt(); left > 0; left--) {
            Uuid topic = topics[words.nextInt()];
            int partition = words.nextInt();
            before.computeIfAbsent(topic, unused -> new HashSet<>()).add(partition);
            owners.computeIfAbsent(topic, unused -> new HashMap<>()).put(partition, id);
        }
        order[at] = id;
        subscriptions.add(wanted);
        members.put(id, new MemberSubscriptionAndAssignmentImpl(Optional.empty(),
            instance.equals("-") ? Optional.empty() : Optional.of(instance), wanted,
            new Assignment(Collections.unmodifiableMap(before))));
    }

    private String answer() {
        SubscribedTopicDescriber describer = new SubscribedTopicDescriber() {
            @Override
            public int numPartitions(Uuid topic) {
                return sizes.getOrDefault(topic, -1);
            }

            @Override
            public Set<String> racksForPartition(Uuid topic, int partition) {
                return Set.of();
            }
        };
        SubscriptionType type = subscriptions.size() > 1 ? SubscriptionType.HETEROGENEOUS : SubscriptionType.HOMOGENEOUS;
        var given = assignor.assign(new GroupSpecImpl(members, type, owners), describer).members();
        StringBuilder out = new StringBuilder();
        List<Uuid> numbers = Arrays.asList(topics);
        for (String id : order) {
            Map<Uuid, Set<Integer>> of = given.containsKey(id) ? given.get(id).partitions() : Map.of();
            out.append(of.values().stream().mapToInt(Set::size).sum());
            for (Uuid topic : new TreeSet<>(of.keySet()))
                for (int partition : new TreeSet<>(of.get(topic)))
                    out.append(' ').append(numbers.indexOf(topic)).append(' ').append(partition);
            out.append(' ');
        }
        return out.toString();
    }

    public static void main(String[] unused) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            System.out.println(new Assign(new Scanner(line)).answer());
            System.out.flush();
        }
    }
}
