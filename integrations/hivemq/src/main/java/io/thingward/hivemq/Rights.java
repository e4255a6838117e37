package io.thingward.hivemq;

import com.google.gson.JsonObject;
import com.hivemq.extension.sdk.api.async.Async;
import com.hivemq.extension.sdk.api.async.AsyncOutput;
import com.hivemq.extension.sdk.api.async.TimeoutFallback;
import com.hivemq.extension.sdk.api.auth.PublishAuthorizer;
import com.hivemq.extension.sdk.api.auth.SubscriptionAuthorizer;
import com.hivemq.extension.sdk.api.auth.parameter.PublishAuthorizerInput;
import com.hivemq.extension.sdk.api.auth.parameter.PublishAuthorizerOutput;
import com.hivemq.extension.sdk.api.auth.parameter.SubscriptionAuthorizerInput;
import com.hivemq.extension.sdk.api.auth.parameter.SubscriptionAuthorizerOutput;
import com.hivemq.extension.sdk.api.parameter.ClientBasedInput;
import com.hivemq.extension.sdk.api.packets.publish.PublishPacket;
import com.hivemq.extension.sdk.api.packets.subscribe.Subscription;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;

/** Asks about each publication, wills too, and each filter. A yes is used again while it is valid. */
final class Rights implements PublishAuthorizer, SubscriptionAuthorizer {
  private final Thingward thingward;
  private final Sessions sessions;

  Rights(final Thingward thingward, final Sessions sessions) {
    this.thingward = thingward;
    this.sessions = sessions;
  }

  @Override
  public void authorizePublish(final PublishAuthorizerInput input, final PublishAuthorizerOutput output) {
    final PublishPacket packet = input.getPublishPacket();
    final JsonObject context = new JsonObject();
    context.addProperty("qos", packet.getQos().getQosNumber());
    context.addProperty("retain", packet.getRetain());
    decide(
        input,
        output,
        "publish",
        packet.getTopic(),
        context,
        (isAllowed, to) -> {
          if (isAllowed) {
            to.authorizeSuccessfully();
          } else {
            to.failAuthorization();
          }
        });
  }

  @Override
  public void authorizeSubscribe(final SubscriptionAuthorizerInput input, final SubscriptionAuthorizerOutput output) {
    final Subscription subscription = input.getSubscription();
    final JsonObject context = new JsonObject();
    context.addProperty("qos", subscription.getQos().getQosNumber());
    decide(
        input,
        output,
        "subscribe",
        Filters.plain(subscription.getTopicFilter()),
        context,
        (isAllowed, to) -> {
          if (isAllowed) {
            to.authorizeSuccessfully();
          } else {
            to.failAuthorization();
          }
        });
  }

  private <T extends AsyncOutput<T>> void decide(
      final ClientBasedInput input,
      final T output,
      final String action,
      final String topic,
      final JsonObject context,
      final BiConsumer<Boolean, T> say) {
    final Optional<Session> found = sessions.of(input.getConnectionInformation());
    if (found.isEmpty()) {
      say.accept(false, output);
      return;
    }
    final Session session = found.get();
    final String question = action + ' ' + context + ' ' + topic;
    final Optional<Answer> known = session.remembered(question);
    if (known.isPresent()) {
      say.accept(known.get().isAllowed(), output);
      return;
    }
    final Async<T> later = output.async(thingward.patience(), TimeoutFallback.FAILURE);
    thingward
        .ask(session.question(action, List.of(topic), context))
        .whenComplete(
            (answer, failure) -> {
              final boolean isAllowed = failure == null && answer.isAllowed() && answer.allowed().contains(topic);
              if (isAllowed) {
                session.remember(question, answer);
              }
              say.accept(isAllowed, output);
              later.resume();
            });
  }
}
