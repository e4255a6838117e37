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
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where a reaper looks at sessions and ends them. {@code GET /sessions?thing=NAME} lists those of a thing, without a thing all; {@code POST /disconnect
 * { "thing": NAME }} ends them. Both want {@code Authorization: Bearer KEY}.
 */
final class Control {
  private static final Logger LOG = LoggerFactory.getLogger(Control.class);
  private static final int MOST_OCTETS = 4096;
  private static final int MOST_LISTED = 10_000;
  private static final int THREADS = 2;
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
    this.key = ("Bearer " + key).getBytes(StandardCharsets.UTF_8);
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
    if (shown.size() != 1 || !MessageDigest.isEqual(key, shown.get(0).getBytes(StandardCharsets.UTF_8))) {
      return 401;
    }
    final String asked = exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath();
    return switch (asked) {
      case "GET /sessions" -> list(exchange, body);
      case "POST /disconnect" -> disconnect(exchange, body);
      default -> 404;
    };
  }

  private int list(final HttpExchange exchange, final JsonObject body) {
    final String query = exchange.getRequestURI().getQuery();
    if (query != null && !query.startsWith("thing=")) {
      return 400;
    }
    final List<Session> found =
        sessions.admitted().stream().filter(each -> query == null || query.equals("thing=" + each.thing())).toList();
    final JsonArray listed = new JsonArray();
    for (final Session each : found.subList(0, Math.min(found.size(), MOST_LISTED))) {
      final JsonObject said = new JsonObject();
      said.addProperty("clientId", each.clientId());
      said.addProperty("thing", each.thing());
      listed.add(said);
    }
    body.addProperty("count", found.size());
    body.add("sessions", listed);
    return 200;
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
