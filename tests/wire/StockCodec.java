// Reads every frame that test_table wrote, with Kafka's own generated code, and writes it again: the
// bytes must be the same. Run by check_stock_codec.py.

import java.io.DataInputStream;
import java.io.FileInputStream;
import java.io.BufferedInputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

public class StockCodec {
    static final String[] PLACES = {
        "org.apache.kafka.common.message.%sData", "org.apache.kafka.common.message.%s",
        "org.apache.kafka.common.metadata.%s", "org.apache.kafka.coordinator.group.generated.%s",
        "org.apache.kafka.coordinator.transaction.generated.%s",
        "org.apache.kafka.coordinator.share.generated.%s",
        "org.apache.kafka.server.log.remote.metadata.storage.generated.%s",
    };

    static Class<?> find(String name) {
        for (String place : PLACES) {
            try {
                return Class.forName(String.format(place, name));
            } catch (ClassNotFoundException e) {
                // the next place
            }
        }
        return null;
    }

    static String check(Class<?> cls, short version, byte[] bytes) {
        try {
            ByteBuffer in = ByteBuffer.wrap(bytes);
            Message message = (Message) cls.getDeclaredConstructor().newInstance();
            message.read(new ByteBufferAccessor(in), version);
            if (in.hasRemaining())
                return in.remaining() + " bytes left over in " + message;
            ByteBuffer out = MessageUtil.toByteBufferAccessor(message, version).buffer();
            byte[] again = new byte[out.remaining()];
            out.get(again);
            return Arrays.equals(bytes, again) ? null : "written differently: " + message;
        } catch (Exception e) {
            return e.toString();
        }
    }

    public static void main(String[] args) throws Exception {
        int frames = 0, failures = 0;
        Set<String> absent = new HashSet<>(), seen = new HashSet<>();
        try (DataInputStream in = new DataInputStream(
                new BufferedInputStream(new FileInputStream(args[0])))) {
            while (in.available() > 0) {
                String name = in.readUTF();
                short version = in.readShort();
                byte[] bytes = new byte[in.readInt()];
                in.readFully(bytes);
                Class<?> cls = find(name);
                if (cls == null) {
                    absent.add(name);
                    continue;
                }
                frames++;
                seen.add(name);
                String what = check(cls, version, bytes);
                if (what != null) {
                    failures++;
                    System.out.println(name + " v" + version + ": " + what);
                }
            }
        }
        System.out.println(frames + " frames of " + seen.size() + " messages, " + failures
            + " failures; no class for: " + absent);
        System.exit(failures == 0 && frames > 0 && absent.isEmpty() ? 0 : 1);
    }
}
