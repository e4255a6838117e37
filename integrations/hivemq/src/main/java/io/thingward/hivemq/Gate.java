package io.thingward.hivemq;

import com.google.gson.JsonObject;
import com.hivemq.extension.sdk.api.async.Async;
import com.hivemq.extension.sdk.api.async.TimeoutFallback;
import com.hivemq.extension.sdk.api.auth.SimpleAuthenticator;
import com.hivemq.extension.sdk.api.auth.parameter.SimpleAuthInput;
import com.hivemq.extension.sdk.api.auth.parameter.SimpleAuthOutput;
import com.hivemq.extension.sdk.api.packets.connect.ConnackReasonCode;
import com.hivemq.extension.sdk.api.packets.connect.ConnectPacket;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/** Lets in whom Thingward lets in, with those subscriptions of an older session that it may still have. */
final class Gate implements SimpleAuthenticator {
  private final Thingward thingward;
  private final Sessions sessions;
  private final Filters filters;

  Gate(final Thingward thingward, final Sessions sessions, final Filters filters) {
    this.thingward = thingward;
    this.sessions = sessions;
    this.filters = filters;
  }

  @Override
  public void onConnect(final SimpleAuthInput input, final SimpleAuthOutput output) {
    final Async<SimpleAuthOutput> later =
        output.async(
            thingward.patience().plus(thingward.patience()),
            TimeoutFallback.FAILURE,
            ConnackReasonCode.NOT_AUTHORIZED);
    admit(input)
        .whenComplete(
            (isAllowed, failure) -> {
              if (failure == null && isAllowed) {
                output.authenticateSuccessfully();
              } else {
                output.failAuthentication(ConnackReasonCode.NOT_AUTHORIZED);
              }
              later.resume();
            });
  }

  private CompletableFuture<Boolean> admit(final SimpleAuthInput input) {
    final ConnectPacket connect = input.getConnectPacket();
    final Session session = new Session(connect, input.getConnectionInformation());
    sessions.add(input.getConnectionInformation(), session);
    final CompletableFuture<Set<String>> held =
        connect.getCleanStart() ? CompletableFuture.completedFuture(Set.of()) : filters.heldBy(session.clientId());
    return held.thenCompose(
            names -> thingward
                .ask(session.question("connect", filters.some(names), new JsonObject()))
                .thenCompose(
                    answer -> {
                      if (!answer.isAllowed()) {
                        return CompletableFuture.completedFuture(false);
                      }
                      return filters
                          .drop(session.clientId(), names, answer.allowed())
                          .thenApply(
                              done -> {
                                session.confirm(answer.thing());
                                return true;
                              });
                    }));
  }
}
