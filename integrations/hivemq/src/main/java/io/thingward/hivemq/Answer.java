package io.thingward.hivemq;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.Set;

/**
 * What Thingward decided, or {@link #NO} where it could not be asked.
 *
 * @param isDecided false where nothing was decided: nobody is let in, and live sessions wait
 * @param isAllowed whether the session may be, or everything that was asked about is allowed
 * @param thing the thing of an allowed session
 * @param allowed the topics that are allowed
 * @param until the end of its validity, by {@link System#nanoTime()}
 */
record Answer(boolean isDecided, boolean isAllowed, String thing, Set<String> allowed, long until) {

  /** No decision: every error is this. */
  static final Answer NO = new Answer(false, false, "", Set.of(), Long.MIN_VALUE);

  /** No yes is used for longer than this, whatever the clocks of two machines say. */
  private static final Duration LONGEST = Duration.ofSeconds(5);

  /** The answer in a body; what is not understood is an exception, and so {@link #NO}. */
  static Answer parse(final String body, final long askedAt) {
    final JsonObject said = JsonParser.parseString(body).getAsJsonObject();
    final boolean isAllowed = "allow".equals(said.get("decision").getAsString());
    final Set<String> allowed = new HashSet<>();
    for (final JsonElement each : said.getAsJsonArray("topics")) {
      final JsonObject topic = each.getAsJsonObject();
      if ("allow".equals(topic.get("decision").getAsString())) {
        allowed.add(topic.get("topic").getAsString());
      }
    }
    final Instant validUntil = Instant.parse(said.get("validUntil").getAsString());
    final Duration left = Duration.between(Instant.now(), validUntil);
    final Duration used = left.compareTo(LONGEST) < 0 ? left : LONGEST;
    final String thing = isAllowed ? said.get("thing").getAsString() : "";
    return new Answer(true, isAllowed, thing, Set.copyOf(allowed), askedAt + used.toNanos());
  }

  boolean isValid() {
    return isDecided && until - System.nanoTime() > 0;
  }
}
