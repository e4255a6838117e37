import com.hivemq.client.mqtt.MqttGlobalPublishFilter;
import com.hivemq.client.mqtt.datatypes.MqttQos;
import com.hivemq.client.mqtt.mqtt3.Mqtt3AsyncClient;
import com.hivemq.client.mqtt.mqtt3.Mqtt3Client;
import com.hivemq.client.mqtt.mqtt5.Mqtt5AsyncClient;
import com.hivemq.client.mqtt.mqtt5.Mqtt5Client;
import com.hivemq.client.mqtt.mqtt5.datatypes.Mqtt5UserProperties;
import com.hivemq.client.mqtt.mqtt5.message.publish.Mqtt5Publish;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** The list of actions of a real client, by the HiveMQ MQTT Client. Prints what came of each as JSON. */
public final class HiveMqClient {
  private static int port;
  private static byte[] password;
  private static String letter;

  private record Message(String topic, int qos, boolean retain, byte[] payload, Mqtt5Publish five) {}

  /** What both versions do, each in its own way. */
  private interface Client {
    boolean present();

    int subscribe(String topic, int qos) throws Exception;

    void unsubscribe(String topic) throws Exception;

    void publish(String topic, byte[] payload, int qos, boolean retain) throws Exception;

    LinkedBlockingQueue<Message> heard();

    void leave() throws Exception;
  }

  private static final class Three implements Client {
    private final Mqtt3AsyncClient client;
    private final LinkedBlockingQueue<Message> heard = new LinkedBlockingQueue<>();
    private final boolean present;

    Three(String name, boolean clean) throws Exception {
      client = Mqtt3Client.builder().identifier(letter + name).serverHost("127.0.0.1").serverPort(port).buildAsync();
      client.publishes(
          MqttGlobalPublishFilter.ALL,
          got ->
              heard.add(
                  new Message(
                      got.getTopic().toString(), got.getQos().getCode(), got.isRetain(), got.getPayloadAsBytes(), null)));
      final var answer =
          client.connectWith().cleanSession(clean).simpleAuth().username("u").password(password).applySimpleAuth().send();
      present = answer.get(60, TimeUnit.SECONDS).isSessionPresent();
    }

    public boolean present() {
      return present;
    }

    public int subscribe(String topic, int qos) throws Exception {
      final var answer = client.subscribeWith().topicFilter(topic).qos(MqttQos.fromCode(qos)).send();
      return answer.get(60, TimeUnit.SECONDS).getReturnCodes().get(0).getCode();
    }

    public void unsubscribe(String topic) throws Exception {
      client.unsubscribeWith().topicFilter(topic).send().get(60, TimeUnit.SECONDS);
    }

    public void publish(String topic, byte[] payload, int qos, boolean retain) throws Exception {
      final var sent = client.publishWith().topic(topic).payload(payload).qos(MqttQos.fromCode(qos)).retain(retain).send();
      sent.get(60, TimeUnit.SECONDS);
    }

    public LinkedBlockingQueue<Message> heard() {
      return heard;
    }

    public void leave() throws Exception {
      client.disconnect().get(60, TimeUnit.SECONDS);
    }
  }

  private static final class Five implements Client {
    private final Mqtt5AsyncClient client;
    private final LinkedBlockingQueue<Message> heard = new LinkedBlockingQueue<>();
    private final boolean present;

    Five(String name, boolean clean) throws Exception {
      client = Mqtt5Client.builder().identifier(letter + name).serverHost("127.0.0.1").serverPort(port).buildAsync();
      client.publishes(
          MqttGlobalPublishFilter.ALL,
          got ->
              heard.add(
                  new Message(
                      got.getTopic().toString(), got.getQos().getCode(), got.isRetain(), got.getPayloadAsBytes(), got)));
      final var connect = client.connectWith().cleanStart(clean).sessionExpiryInterval(clean ? 0 : 600);
      final var answer = connect.simpleAuth().username("u").password(password).applySimpleAuth().send();
      present = answer.get(60, TimeUnit.SECONDS).isSessionPresent();
    }

    public boolean present() {
      return present;
    }

    public int subscribe(String topic, int qos) throws Exception {
      final var answer = client.subscribeWith().topicFilter(topic).qos(MqttQos.fromCode(qos)).send();
      return answer.get(60, TimeUnit.SECONDS).getReasonCodes().get(0).getCode();
    }

    public void unsubscribe(String topic) throws Exception {
      client.unsubscribeWith().topicFilter(topic).send().get(60, TimeUnit.SECONDS);
    }

    public void publish(String topic, byte[] payload, int qos, boolean retain) throws Exception {
      final var sent = client.publishWith().topic(topic).payload(payload).qos(MqttQos.fromCode(qos)).retain(retain).send();
      sent.get(60, TimeUnit.SECONDS);
    }

    void publishWithProperties(String topic) throws Exception {
      client
          .publishWith()
          .topic(topic)
          .payload("asked".getBytes())
          .qos(MqttQos.AT_LEAST_ONCE)
          .userProperties(Mqtt5UserProperties.builder().add("k", "1").add("k", "2").add("a", "3").build())
          .responseTopic(letter + "/answer")
          .correlationData("77".getBytes())
          .contentType("text/plain")
          .send()
          .get(60, TimeUnit.SECONDS);
    }

    public LinkedBlockingQueue<Message> heard() {
      return heard;
    }

    public void leave() throws Exception {
      client.disconnect().get(60, TimeUnit.SECONDS);
    }
  }

  private static Client open(boolean five, String name, boolean clean) throws Exception {
    return five ? new Five(name, clean) : new Three(name, clean);
  }

  private static List<Message> take(Client client, int count) throws Exception {
    final List<Message> taken = new ArrayList<>();
    while (taken.size() < count) {
      final Message message = client.heard().poll(60, TimeUnit.SECONDS);
      if (message == null) throw new IllegalStateException("what was waited for never came");
      taken.add(message);
    }
    return taken;
  }

  private static String quoted(String text) {
    return '"' + text.replace(letter, "~") + '"';
  }

  private static String shown(Message message) {
    final byte[] payload = message.payload();
    final String said = payload.length < 100 ? new String(payload, StandardCharsets.UTF_8) : payload.length + " octets";
    return quoted(message.topic() + " q" + message.qos() + (message.retain() ? " retain " : " ") + said);
  }

  private static String lines(List<Message> messages) {
    return messages.stream().map(HiveMqClient::shown).sorted().collect(Collectors.joining(",", "[", "]"));
  }

  /** The first octets of a client that says no goodbye: the library has no way to fail. */
  private static void fail(boolean five, String name, String topic) throws Exception {
    try (java.net.Socket socket = new java.net.Socket("127.0.0.1", port)) {
      final var body = new java.io.ByteArrayOutputStream();
      final var out = new java.io.DataOutputStream(body);
      out.writeUTF("MQTT");
      out.write(new byte[] {(byte) (five ? 5 : 4), (byte) 0xce, 0, 60});
      if (five) out.write(0);
      out.writeUTF(letter + name);
      if (five) out.write(0);
      out.writeUTF(topic);
      out.writeUTF("gone");
      out.writeUTF("u");
      out.writeShort(password.length);
      out.write(password);
      final var packet = new java.io.ByteArrayOutputStream();
      packet.write(0x10);
      int rest = body.size();
      do {
        packet.write((rest & 127) | (rest > 127 ? 128 : 0));
        rest >>= 7;
      } while (rest > 0);
      packet.write(body.toByteArray());
      socket.getOutputStream().write(packet.toByteArray());
      socket.getInputStream().read();
    }
  }

  private static int sum(byte[] payload) {
    int sum = 0;
    for (final byte octet : payload) sum += octet;
    return sum;
  }

  public static void main(String[] args) throws Exception {
    port = Integer.parseInt(args[0]);
    password = args[1].getBytes();
    final boolean five = args[2].equals("5");
    letter = args[3];
    final List<String> done = new ArrayList<>();
    final Client publisher = open(five, "-pub", true);
    Client subscriber = open(five, "-sub", false);
    done.add("\"connect\":[" + publisher.present() + "," + subscriber.present() + "]");
    final int[] granted = {subscriber.subscribe(letter + "/a/#", 2), subscriber.subscribe(letter + "/+/q1", 1)};
    done.add("\"subscribe\":" + Arrays.toString(granted));
    for (int qos = 0; qos < 3; qos++) publisher.publish(letter + "/a/x", ("m" + qos).getBytes(), qos, false);
    done.add("\"receive\":" + lines(take(subscriber, 3)));
    publisher.publish(letter + "/a/x", "x".repeat(200_000).getBytes(), 1, false);
    final byte[] large = take(subscriber, 1).get(0).payload();
    done.add("\"large\":[" + large.length + "," + sum(large) + "]");
    publisher.publish(letter + "/r/1", "kept".getBytes(), 1, true);
    final Client late = open(five, "-late", true);
    late.subscribe(letter + "/r/#", 1);
    done.add("\"retained\":" + lines(take(late, 1)));
    publisher.publish(letter + "/r/1", new byte[0], 1, true);
    late.leave();
    subscriber.unsubscribe(letter + "/a/#");
    publisher.publish(letter + "/a/x", "unheard".getBytes(), 1, false);
    publisher.publish(letter + "/b/q1", "marker".getBytes(), 1, false);
    done.add("\"unsubscribe\":" + lines(take(subscriber, 1)));
    subscriber.leave();
    publisher.publish(letter + "/b/q1", "away 1".getBytes(), 1, false);
    publisher.publish(letter + "/b/q1", "away 2".getBytes(), 2, false);
    subscriber = open(five, "-sub", false);
    done.add("\"session\":[" + subscriber.present() + "," + lines(take(subscriber, 2)) + "]");
    fail(five, "-will", letter + "/b/q1");
    done.add("\"will\":" + lines(take(subscriber, 1)));
    if (publisher instanceof Five speaker) {
      speaker.publishWithProperties(letter + "/b/q1");
      final Mqtt5Publish said = take(subscriber, 1).get(0).five();
      final String user =
          said.getUserProperties().asList().stream()
              .map(each -> quoted(each.getName() + "=" + each.getValue()))
              .collect(Collectors.joining(",", "[", "]"));
      final byte[] correlation = new byte[said.getCorrelationData().get().remaining()];
      said.getCorrelationData().get().get(correlation);
      final String others =
          quoted(said.getResponseTopic().get().toString())
              + "," + quoted(new String(correlation))
              + "," + quoted(said.getContentType().get().toString());
      done.add("\"properties\":[" + user + "," + others + "]");
      final Client[] members = {open(true, "-one", true), open(true, "-two", true)};
      for (final Client member : members) member.subscribe("$share/g/" + letter + "/s/#", 1);
      for (int nth = 0; nth < 6; nth++) publisher.publish(letter + "/s/x", ("s" + nth).getBytes(), 1, false);
      while (members[0].heard().size() + members[1].heard().size() < 6) Thread.sleep(20);
      final List<Message> all = new ArrayList<>(members[0].heard());
      all.addAll(members[1].heard());
      done.add("\"shared\":" + lines(all));
      for (final Client member : members) member.leave();
    }
    subscriber.leave();
    // The session is forgotten.
    open(five, "-sub", true).leave();
    publisher.leave();
    System.out.println("{" + String.join(",", done) + "}");
    System.exit(0);
  }
}
