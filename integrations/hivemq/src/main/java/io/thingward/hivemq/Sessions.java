package io.thingward.hivemq;

import com.hivemq.extension.sdk.api.client.parameter.ConnectionInformation;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.stream.Stream;

/** The connections that are there, by a name that each connection carries. */
final class Sessions {
  private static final String NAME = "thingward";

  private final NavigableMap<String, Session> byName = new ConcurrentSkipListMap<>();

  /** From before the question about it on, so that it is forgotten with its connection whatever comes of it. */
  void add(final ConnectionInformation connection, final Session session) {
    final String name = UUID.randomUUID().toString();
    connection.getConnectionAttributeStore().putAsString(NAME, name);
    byName.put(name, session);
  }

  /** Those that were let in, in the order of their names, from behind one on; {@code thing}: of this one alone. */
  Stream<Map.Entry<String, Session>> admittedAfter(final String name, final Optional<String> thing) {
    return byName.tailMap(name, false).entrySet().stream()
        .filter(each -> each.getValue().isAdmitted())
        .filter(each -> thing.isEmpty() || thing.get().equals(each.getValue().thing()));
  }

  Optional<Session> of(final ConnectionInformation connection) {
    return connection.getConnectionAttributeStore().getAsString(NAME).map(byName::get);
  }

  void remove(final ConnectionInformation connection) {
    connection.getConnectionAttributeStore().getAsString(NAME).ifPresent(byName::remove);
  }

  void remove(final Session session) {
    byName.values().remove(session);
  }

  /** Those that were let in. */
  List<Session> admitted() {
    return byName.values().stream().filter(Session::isAdmitted).toList();
  }
}
