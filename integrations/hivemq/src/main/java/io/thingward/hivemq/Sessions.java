package io.thingward.hivemq;

import com.hivemq.extension.sdk.api.client.parameter.ConnectionInformation;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/** The connections that are there, by a name that each connection carries. */
final class Sessions {
  private static final String NAME = "thingward";

  private final Map<String, Session> byName = new ConcurrentHashMap<>();

  /** From before the question about it on, so that it is forgotten with its connection whatever comes of it. */
  void add(final ConnectionInformation connection, final Session session) {
    final String name = UUID.randomUUID().toString();
    connection.getConnectionAttributeStore().putAsString(NAME, name);
    byName.put(name, session);
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
