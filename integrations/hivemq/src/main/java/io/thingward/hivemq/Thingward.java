package io.thingward.hivemq;

import com.google.gson.JsonObject;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Asks Thingward. Whatever goes wrong is {@link Answer#NO}. */
final class Thingward {
  private static final Logger LOG = LoggerFactory.getLogger(Thingward.class);
  private static final int MOST_AT_ONCE = 64;
  private static final int MOST_WAITING = 10_000;
  private static final int MOST_OCTETS = 1024 * 1024;

  private final Settings settings;
  private final HttpClient client;
  private final Turns turns = new Turns(MOST_AT_ONCE, MOST_WAITING);
  private volatile boolean isAway;

  Thingward(final Settings settings) {
    this.settings = settings;
    final HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(settings.timeout());
    settings.trust().ifPresent(builder::sslContext);
    client = builder.build();
  }

  /** The decision about a question; never fails, and takes no longer than the settings say. */
  CompletableFuture<Answer> ask(final JsonObject question) {
    final long askedAt = System.nanoTime();
    final HttpRequest request =
        HttpRequest.newBuilder(settings.url())
            .timeout(settings.timeout())
            .header("authorization", "Bearer " + settings.key())
            .header("content-type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(question.toString()))
            .build();
    return turns
        .take(() -> send(request, true))
        .orTimeout(settings.timeout().toMillis(), TimeUnit.MILLISECONDS)
        .thenApply(body -> Answer.parse(body, askedAt))
        .handle(this::decided);
  }

  private Answer decided(final Answer answer, final Throwable failure) {
    final boolean wasAway = isAway;
    isAway = failure != null;
    if (failure != null && !wasAway) {
      LOG.warn("Thingward cannot be asked: nobody is let in until it can.", failure);
    }
    if (failure == null && wasAway) {
      LOG.info("Thingward can be asked again.");
    }
    return failure == null ? answer : Answer.NO;
  }

  /** A connection that was kept may have been closed by the other side meanwhile: then it is asked once more. */
  private CompletableFuture<String> send(final HttpRequest request, final boolean isFirst) {
    final CompletableFuture<HttpResponse<String>> sent =
        client.sendAsync(request, response -> BodySubscribers.mapping(new BoundedBody(MOST_OCTETS), Thingward::text));
    return sent.orTimeout(settings.timeout().toMillis(), TimeUnit.MILLISECONDS)
        .handle(
            (response, failure) -> {
              if (failure == null) {
                return CompletableFuture.completedFuture(bodyOf(response));
              }
              final Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
              if (cause instanceof TimeoutException) {
                sent.cancel(true);
              }
              final boolean isLate = cause instanceof java.net.http.HttpTimeoutException;
              return isFirst && cause instanceof IOException && !isLate
                  ? send(request, false)
                  : CompletableFuture.<String>failedFuture(cause);
            })
        .thenCompose(next -> next);
  }

  private static String text(final ByteArrayOutputStream octets) {
    return octets.toString(StandardCharsets.UTF_8);
  }

  private static String bodyOf(final HttpResponse<String> response) {
    if (response.statusCode() != 200) {
      throw new IllegalStateException("Thingward answered " + response.statusCode());
    }
    return response.body();
  }

  /** How long whoever waits for an answer should wait: a little longer than the answer may take. */
  Duration patience() {
    return settings.timeout().plusMillis(500);
  }
}
