import com.hivemq.embedded.EmbeddedHiveMQ;
import java.nio.file.Files;
import java.nio.file.Path;

/** HiveMQ Community Edition on a port of this machine, with everything else below a folder. Ends with its input. */
public final class HiveMq {
  public static void main(String[] args) throws Exception {
    final Path folder = Path.of(args[1]);
    final Path conf = Files.createDirectories(folder.resolve("conf"));
    Files.writeString(
        conf.resolve("config.xml"),
        "<?xml version=\"1.0\"?><hivemq><listeners><tcp-listener><port>"
            + args[0]
            + "</port><bind-address>127.0.0.1</bind-address></tcp-listener></listeners>"
            + "<persistence><mode>in-memory</mode></persistence>"
            + "<anonymous-usage-statistics><enabled>false</enabled></anonymous-usage-statistics></hivemq>");
    try (EmbeddedHiveMQ broker =
        EmbeddedHiveMQ.builder()
            .withConfigurationFolder(conf)
            .withDataFolder(Files.createDirectories(folder.resolve("data")))
            .withExtensionsFolder(Files.createDirectories(folder.resolve("extensions")))
            .build()) {
      broker.start().join();
      System.out.println("started");
      while (System.in.read() >= 0) {}
    }
    System.exit(0);
  }
}
