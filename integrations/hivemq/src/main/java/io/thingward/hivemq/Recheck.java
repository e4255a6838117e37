package io.thingward.hivemq;

import com.google.gson.JsonObject;
import com.hivemq.extension.sdk.api.packets.disconnect.DisconnectReasonCode;
import com.hivemq.extension.sdk.api.services.session.ClientService;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Judges live sessions again: those that may be no longer are ended, and so are those that nobody could confirm for long. */
final class Recheck {
  private static final Logger LOG = LoggerFactory.getLogger(Recheck.class);

  private final Thingward thingward;
  private final Sessions sessions;
  private final Filters filters;
  private final ClientService clients;
  private final Duration grace;
  private CompletableFuture<Void> round = CompletableFuture.completedFuture(null);

  /** Once Thingward cannot be asked, the rest of a round only looks at how long that has been so. */
  private volatile boolean isAway;

  Recheck(
      final Thingward thingward,
      final Sessions sessions,
      final Filters filters,
      final ClientService clients,
      final Duration grace) {
    this.thingward = thingward;
    this.sessions = sessions;
    this.filters = filters;
    this.clients = clients;
    this.grace = grace;
  }

  /** Begins a round, unless one is under way. One session after the other, so that logins come first. */
  synchronized void begin() {
    if (!round.isDone()) {
      return;
    }
    round = CompletableFuture.completedFuture(null);
    isAway = false;
    for (final Session session : sessions.admitted()) {
      round = round.thenCompose(done -> judge(session)).exceptionally(Recheck::note);
    }
  }

  private static Void note(final Throwable failure) {
    LOG.warn("A session could not be judged again.", failure);
    return null;
  }

  private CompletableFuture<Void> judge(final Session session) {
    return clients
        .isClientConnected(session.clientId())
        .thenCompose(
            isThere -> {
              if (!isThere) {
                sessions.remove(session);
                return CompletableFuture.completedFuture(null);
              }
              return filters.heldBy(session.clientId()).thenCompose(held -> judge(session, held));
            });
  }

  private CompletableFuture<Void> judge(final Session session, final Set<String> held) {
    final CompletableFuture<Answer> asked =
        isAway
            ? CompletableFuture.completedFuture(Answer.NO)
            : thingward.ask(session.question("connect", filters.some(held), new JsonObject()));
    return asked.thenCompose(
            answer -> {
              if (!answer.isDecided()) {
                isAway = true;
                return session.unconfirmedNanos() > grace.toNanos()
                    ? end(session, "Thingward could not be asked")
                    : CompletableFuture.completedFuture(null);
              }
              final boolean hasAll = held.stream().allMatch(name -> answer.allowed().contains(Filters.plain(name)));
              if (!answer.isAllowed() || !hasAll) {
                return end(session, "its rights have ended");
              }
              session.confirm(answer.thing());
              return CompletableFuture.completedFuture(null);
            });
  }

  private CompletableFuture<Void> end(final Session session, final String why) {
    LOG.info("The session of {} is ended: {}.", session.thing(), why);
    return clients
        .disconnectClient(session.clientId(), true, DisconnectReasonCode.NOT_AUTHORIZED, why)
        .thenApply(done -> null);
  }
}
