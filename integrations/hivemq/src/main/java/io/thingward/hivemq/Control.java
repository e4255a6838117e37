package io.thingward.hivemq;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.hivemq.extension.sdk.api.packets.disconnect.DisconnectReasonCode;
import com.hivemq.extension.sdk.api.services.session.ClientService;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where a reaper looks at sessions and ends them. {@code GET /sessions?thing=NAME} lists those of a thing, without a thing those of all;
 * {@code after} names the last one of the page before. {@code POST /disconnect} with {@code { "thing": NAME }} ends them. Both want the key
 * as password of Basic.
 */
final class Control {
  private static final Logger LOG = LoggerFactory.getLogger(Control.class);
  private static final int MOST_OCTETS = 4096;
  private static final int MOST_LISTED = 500;
  private static final int THREADS = 2;
  private static final String SCHEME = "Basic ";
  private static final Set<String> NAMES = Set.of("after", "thing");
  private static final int WAIT_SECONDS = 10;

  private final HttpServer server;
  private final ExecutorService threads = Executors.newFixedThreadPool(THREADS);
  private final Sessions sessions;
  private final ClientService clients;
  private final byte[] key;

  Control(final InetSocketAddress address, final String key, final Sessions sessions, final ClientService clients)
      throws IOException {
    this.sessions = sessions;
    this.clients = clients;
    this.key = key.getBytes(StandardCharsets.UTF_8);
    server = HttpServer.create(address, 16);
    server.setExecutor(threads);
    server.createContext("/", this::answer);
    server.start();
  }

  void stop() {
    server.stop(0);
    threads.shutdownNow();
  }

  private void answer(final HttpExchange exchange) throws IOException {
    try (exchange) {
      final JsonObject body = new JsonObject();
      final int status = answer(exchange, body);
      final byte[] octets = body.toString().getBytes(StandardCharsets.UTF_8);
      exchange.getResponseHeaders().set("content-type", "application/json");
      exchange.sendResponseHeaders(status, octets.length);
      exchange.getResponseBody().write(octets);
    } catch (final RuntimeException failure) {
      LOG.warn("A question about sessions failed.", failure);
    }
  }

  private int answer(final HttpExchange exchange, final JsonObject body) throws IOException {
    final List<String> shown = exchange.getRequestHeaders().getOrDefault("authorization", List.of());
    if (shown.size() != 1 || !MessageDigest.isEqual(key, passwordIn(shown.get(0)))) {
      return 401;
    }
    final String asked = exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath();
    return switch (asked) {
      case "GET /sessions" -> list(exchange, body);
      case "POST /disconnect" -> disconnect(exchange, body);
      default -> 404;
    };
  }

  /** The password in the value of Authorization; nothing where there is none. */
  private static byte[] passwordIn(final String shown) {
    if (!shown.startsWith(SCHEME)) {
      return new byte[0];
    }
    try {
      final String pair = new String(Base64.getDecoder().decode(shown.substring(SCHEME.length())), StandardCharsets.UTF_8);
      return pair.substring(pair.indexOf(':') + 1).getBytes(StandardCharsets.UTF_8);
    } catch (final IllegalArgumentException failure) {
      return new byte[0];
    }
  }

  private int list(final HttpExchange exchange, final JsonObject body) {
    final Map<String, String> query = queryOf(exchange.getRequestURI().getQuery());
    if (!NAMES.containsAll(query.keySet())) {
      return 400;
    }
    final JsonArray listed = new JsonArray();
    sessions
        .admittedAfter(query.getOrDefault("after", ""), Optional.ofNullable(query.get("thing")))
        .limit(MOST_LISTED)
        .forEach(
            each -> {
              final JsonObject said = new JsonObject();
              said.addProperty("id", each.getKey());
              said.addProperty("thing", each.getValue().thing());
              said.addProperty("clientId", each.getValue().clientId());
              said.addProperty("since", each.getValue().since());
              listed.add(said);
            });
    body.add("sessions", listed);
    return 200;
  }

  private static Map<String, String> queryOf(final String query) {
    final Map<String, String> read = new HashMap<>();
    for (final String pair : query == null ? new String[0] : query.split("&")) {
      final int at = pair.indexOf('=');
      read.put(at < 0 ? pair : pair.substring(0, at), at < 0 ? "" : pair.substring(at + 1));
    }
    return read;
  }

  private int disconnect(final HttpExchange exchange, final JsonObject body) throws IOException {
    final byte[] octets = exchange.getRequestBody().readNBytes(MOST_OCTETS + 1);
    if (octets.length > MOST_OCTETS) {
      return 413;
    }
    final String thing;
    try {
      thing = JsonParser.parseString(new String(octets, StandardCharsets.UTF_8)).getAsJsonObject().get("thing").getAsString();
    } catch (final RuntimeException failure) {
      return 400;
    }
    final List<CompletableFuture<Boolean>> ended =
        sessions.admitted().stream().filter(each -> each.thing().equals(thing)).map(this::end).toList();
    try {
      CompletableFuture.allOf(ended.toArray(CompletableFuture<?>[]::new)).get(WAIT_SECONDS, TimeUnit.SECONDS);
    } catch (final Exception failure) {
      LOG.warn("Sessions of a thing could not be ended.", failure);
      return 500;
    }
    body.addProperty("ended", ended.stream().filter(CompletableFuture::join).count());
    return 200;
  }

  /** The will of a client that may be no longer is not published. */
  private CompletableFuture<Boolean> end(final Session session) {
    return clients.disconnectClient(
        session.clientId(), true, DisconnectReasonCode.ADMINISTRATIVE_ACTION, "its rights have ended");
  }
}
