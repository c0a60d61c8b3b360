/*
 * Runs the main classes of Kafka's console tools in one warm JVM, one after the other: a tool then takes a tenth of a
 * second instead of two.
 *
 * A command is a line on standard input: main class, then base64 of what the tool reads on its standard input, then
 * base64 of each argument, separated by tabs. The answer is a line on standard output: exit code, base64 of the tool's
 * standard output, base64 of its standard error. Tools end by Exit.exit, which is replaced by an Error that ends their
 * main thread, their shutdown hooks are run then, and the counters that they keep in static fields are set back.
 */

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

public final class ToolServer {
    /** What a tool throws when it wants to end the process. */
    private static final class Ended extends Error {
        final int status;

        Ended(int status) {
            super("exit " + status, null, false, false);
            this.status = status;
        }
    }

    /** Standard output or error of the tool that runs now, of none when it has ended. Scala keeps the first it sees. */
    private static final class Output extends OutputStream {
        volatile ByteArrayOutputStream target;

        @Override
        public void write(int octet) {
            ByteArrayOutputStream now = target;
            if (now != null) {
                now.write(octet);
            }
        }

        @Override
        public void write(byte[] bytes, int start, int size) {
            ByteArrayOutputStream now = target;
            if (now != null) {
                now.write(bytes, start, size);
            }
        }
    }

    private static final class Input extends InputStream {
        volatile InputStream source;

        @Override
        public int read() throws IOException {
            return source.read();
        }

        @Override
        public int read(byte[] bytes, int start, int size) throws IOException {
            return source.read(bytes, start, size);
        }

        @Override
        public int available() throws IOException {
            return source.available();
        }
    }

    private static final Output OUT = new Output();
    private static final Output ERR = new Output();
    private static final Queue<Runnable> HOOKS = new ConcurrentLinkedQueue<>();
    private static final Input IN = new Input();

    /** The status of the first Exit.exit of this run: some tools catch the Error and exit again. */
    private static volatile int firstStatus;

    private static Thread mainThread;

    private ToolServer() {
    }

    public static void main(String[] unused) throws Exception {
        PrintStream answers = System.out;
        BufferedReader commands =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        mainThread = Thread.currentThread();
        System.setIn(IN);
        System.setOut(new PrintStream(OUT, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(ERR, true, StandardCharsets.UTF_8));
        trapExits();
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            answers.println(run(line.split("\t", -1)));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static void trapExits() throws Exception {
        Class<?> exit = Class.forName("org.apache.kafka.common.utils.Exit");
        for (String name : new String[] {"Exit", "Halt"}) {
            Class<?> procedure = Class.forName(exit.getName() + "$Procedure");
            exit.getMethod("set" + name + "Procedure", procedure).invoke(null, proxy(procedure, true));
        }
        Class<?> adder = Class.forName(exit.getName() + "$ShutdownHookAdder");
        exit.getMethod("setShutdownHookAdder", adder).invoke(null, proxy(adder, false));
    }

    private static Object proxy(Class<?> type, boolean ends) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
            if (ends && method.getName().equals("execute")) {
                if (Thread.currentThread() == mainThread) {
                    noteExit((Integer) arguments[0]);
                }
                throw new Ended((Integer) arguments[0]);
            }
            if (!ends && method.getName().equals("addShutdownHook")) {
                HOOKS.add((Runnable) arguments[1]);
            }
            return null;
        });
    }

    private static void noteExit(int status) {
        if (firstStatus < 0) {
            firstStatus = status;
        }
        OUT.target = null;
        ERR.target = null;
    }

    private static String run(String[] fields) throws Exception {
        OUT.target = new ByteArrayOutputStream();
        ERR.target = new ByteArrayOutputStream();
        ByteArrayOutputStream out = OUT.target;
        ByteArrayOutputStream err = ERR.target;
        IN.source = new ByteArrayInputStream(decode(fields[1]));
        firstStatus = -1;
        int status = call(fields);
        OUT.target = out;
        ERR.target = err;
        runHooks();
        OUT.target = null;
        ERR.target = null;
        return (firstStatus >= 0 ? firstStatus : status) + "\t" + encode(out) + "\t" + encode(err);
    }

    /** The console producer, for one, sends the last of its records in its shutdown hook. */
    private static void runHooks() {
        for (Runnable hook = HOOKS.poll(); hook != null; hook = HOOKS.poll()) {
            try {
                hook.run();
            } catch (RuntimeException e) {
                e.printStackTrace();
            }
        }
    }

    private static int call(String[] fields) throws Exception {
        String[] arguments = new String[fields.length - 2];
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = new String(decode(fields[i + 2]), StandardCharsets.UTF_8);
        }
        try {
            Class<?> tool = Class.forName(fields[0]);
            resetCounters(tool);
            tool.getMethod("main", String[].class).invoke(null, (Object) arguments);
            return 0;
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Ended) {
                return ((Ended) e.getCause()).status;
            }
            e.getCause().printStackTrace();
            return 1;
        }
    }

    /** Static ints that are not final, of the class and of its Scala companion. */
    private static void resetCounters(Class<?> tool) throws Exception {
        Class<?> companion = tool;
        Object module = null;
        try {
            companion = Class.forName(tool.getName() + "$");
            module = companion.getField("MODULE$").get(null);
        } catch (ClassNotFoundException | NoSuchFieldException e) {
            module = null;
        }
        for (Class<?> each : new Class<?>[] {tool, companion}) {
            for (Field field : each.getDeclaredFields()) {
                boolean counter = field.getType() == int.class && !Modifier.isFinal(field.getModifiers());
                if (counter && (Modifier.isStatic(field.getModifiers()) || module != null)) {
                    field.setAccessible(true);
                    field.setInt(Modifier.isStatic(field.getModifiers()) ? null : module, 0);
                }
            }
        }
    }

    private static byte[] decode(String text) {
        return Base64.getDecoder().decode(text);
    }

    private static String encode(ByteArrayOutputStream bytes) {
        return Base64.getEncoder().encodeToString(bytes.toByteArray());
    }
}
