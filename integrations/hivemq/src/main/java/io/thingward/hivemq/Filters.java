package io.thingward.hivemq;

import com.hivemq.extension.sdk.api.services.subscription.SubscriptionStore;
import com.hivemq.extension.sdk.api.services.subscription.TopicSubscription;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;

/** The subscriptions that HiveMQ keeps for clients. */
final class Filters {
  /** What one question may hold. */
  private static final int MOST = 1000;

  private static final int MOST_CHARACTERS = 200_000;

  private final SubscriptionStore store;

  Filters(final SubscriptionStore store) {
    this.store = store;
  }

  /** All filters of a client, as it sent them. */
  CompletableFuture<Set<String>> heldBy(final String clientId) {
    return store
        .getSubscriptions(clientId)
        .thenApply(held -> held.stream().map(TopicSubscription::getTopicFilter).collect(Collectors.toSet()));
  }

  /** As many as fit into a question, as Thingward knows them; the others are not asked about, and so not allowed. */
  Collection<String> some(final Collection<String> names) {
    final Set<String> some = new LinkedHashSet<>();
    int length = 0;
    for (final String name : names) {
      final String filter = plain(name);
      length += filter.length();
      if (some.size() == MOST || length > MOST_CHARACTERS) {
        break;
      }
      some.add(filter);
    }
    return some;
  }

  /** Takes from a client what is not allowed. */
  CompletableFuture<Void> drop(final String clientId, final Set<String> names, final Set<String> allowed) {
    final Set<String> refused =
        names.stream().filter(name -> !allowed.contains(plain(name))).collect(Collectors.toSet());
    return refused.isEmpty()
        ? CompletableFuture.completedFuture(null)
        : store.removeSubscriptions(clientId, refused);
  }

  /** The filter of a shared subscription, {@code $share/group/filter}; any other as it is. */
  static String plain(final String name) {
    final List<String> parts = List.of(name.split("/", 3));
    return parts.size() == 3 && parts.get(0).equals("$share") ? parts.get(2) : name;
  }
}
