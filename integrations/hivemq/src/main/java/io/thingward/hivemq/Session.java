package io.thingward.hivemq;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.hivemq.extension.sdk.api.client.parameter.ClientTlsInformation;
import com.hivemq.extension.sdk.api.client.parameter.ConnectionInformation;
import com.hivemq.extension.sdk.api.client.parameter.Listener;
import com.hivemq.extension.sdk.api.packets.connect.ConnectPacket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** One connection of a client: what it showed, and what Thingward said about it lately. */
final class Session {
  private static final int MOST_ANSWERS = 64;
  private static final int MOST_KEPT_TOPIC = 1024;

  private final String clientId;
  private final long since = System.currentTimeMillis();
  private final JsonObject shown = new JsonObject();
  private final JsonObject context = new JsonObject();
  private final Map<String, Answer> answers =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(final Map.Entry<String, Answer> eldest) {
          return size() > MOST_ANSWERS;
        }
      };

  /** The thing; empty until it is let in. */
  private volatile String thing = "";

  private volatile long confirmedAt = System.nanoTime();

  Session(final ConnectPacket connect, final ConnectionInformation connection) {
    clientId = connect.getClientId();
    shown.addProperty("clientId", clientId);
    connect.getUserName().filter(name -> !name.isEmpty()).ifPresent(name -> shown.addProperty("username", name));
    connect.getPassword().ifPresent(password -> shown.addProperty("password", textOf(password)));
    connection
        .getClientTlsInformation()
        .flatMap(ClientTlsInformation::getClientCertificate)
        .ifPresent(certificate -> shown.addProperty("certificatePem", derOf(certificate)));
    connection.getInetAddress().ifPresent(address -> context.addProperty("sourceIp", address.getHostAddress()));
    protocolOf(connection.getListener()).ifPresent(protocol -> context.addProperty("protocol", protocol));
  }

  String clientId() {
    return clientId;
  }

  String thing() {
    return thing;
  }

  /** When it asked to be let in, in milliseconds since 1970. */
  long since() {
    return since;
  }

  boolean isAdmitted() {
    return !thing.isEmpty();
  }

  /** Thingward said that this session may be. */
  void confirm(final String name) {
    thing = name;
    confirmedAt = System.nanoTime();
  }

  /** For how long nobody has said that it may be. */
  long unconfirmedNanos() {
    return System.nanoTime() - confirmedAt;
  }

  /** A question about this client. */
  JsonObject question(final String action, final Collection<String> topics, final JsonObject more) {
    final JsonObject said = context.deepCopy();
    more.entrySet().forEach(each -> said.add(each.getKey(), each.getValue()));
    final JsonArray list = new JsonArray();
    topics.forEach(list::add);
    final JsonObject question = shown.deepCopy();
    question.addProperty("action", action);
    question.add("topics", list);
    question.add("context", said);
    return question;
  }

  /** The answer to exactly this question, while it is valid. */
  Optional<Answer> remembered(final String question) {
    synchronized (answers) {
      final Answer answer = answers.get(question);
      if (answer == null || answer.isValid()) {
        return Optional.ofNullable(answer);
      }
      answers.remove(question);
      return Optional.empty();
    }
  }

  void remember(final String question, final Answer answer) {
    if (question.length() <= MOST_KEPT_TOPIC && answer.isValid()) {
      synchronized (answers) {
        answers.put(question, answer);
      }
    }
  }

  private static String textOf(final ByteBuffer octets) {
    return StandardCharsets.UTF_8.decode(octets.asReadOnlyBuffer()).toString();
  }

  private static String derOf(final X509Certificate certificate) {
    try {
      return Base64.getEncoder().encodeToString(certificate.getEncoded());
    } catch (final CertificateEncodingException failure) {
      throw new IllegalArgumentException(failure);
    }
  }

  private static Optional<String> protocolOf(final Optional<Listener> listener) {
    return listener.map(
        each ->
            switch (each.getListenerType()) {
              case TCP_LISTENER -> "mqtt";
              case TLS_TCP_LISTENER -> "mqtts";
              case WEBSOCKET_LISTENER -> "ws";
              case TLS_WEBSOCKET_LISTENER -> "wss";
            });
  }
}
