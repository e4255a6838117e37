package io.thingward.hivemq;

import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * The settings of the extension.
 *
 * @param url where Thingward is asked
 * @param key the API key that is shown to Thingward
 * @param trust the authorities that Thingward's certificate may come from; empty: those of the machine
 * @param timeout how long an answer may take
 * @param recheck how often live sessions are judged again
 * @param grace how long a session may go on while Thingward cannot be asked
 * @param control where sessions can be ended; empty: nowhere
 * @param controlKey what has to be shown there
 */
record Settings(
    URI url,
    String key,
    Optional<SSLContext> trust,
    Duration timeout,
    Duration recheck,
    Duration grace,
    Optional<InetSocketAddress> control,
    String controlKey) {

  private static final Set<String> NAMES =
      Set.of(
          "url",
          "key-file",
          "ca-file",
          "timeout-ms",
          "recheck-seconds",
          "grace-seconds",
          "control-address",
          "control-key-file");

  /** Reads {@code conf/thingward.properties} in the folder of the extension. */
  static Settings read(final Path home) throws IOException, GeneralSecurityException {
    final Properties given = new Properties();
    try (Reader reader = Files.newBufferedReader(home.resolve("conf/thingward.properties"))) {
      given.load(reader);
    }
    for (final String name : given.stringPropertyNames()) {
      if (!NAMES.contains(name)) {
        throw new IllegalArgumentException(name + " is no setting; settings are " + NAMES);
      }
    }
    final Optional<InetSocketAddress> control = controlOf(given.getProperty("control-address"));
    return new Settings(
        urlOf(required(given, "url")),
        secretIn(home, required(given, "key-file")),
        trustOf(home, given.getProperty("ca-file")),
        Duration.ofMillis(number(given, "timeout-ms", 2000, 100, 30_000)),
        Duration.ofSeconds(number(given, "recheck-seconds", 30, 1, 3600)),
        Duration.ofSeconds(number(given, "grace-seconds", 300, 0, 86_400)),
        control,
        control.isEmpty() ? "" : secretIn(home, required(given, "control-key-file")));
  }

  private static String required(final Properties given, final String name) {
    final String value = given.getProperty(name, "").strip();
    if (value.isEmpty()) {
      throw new IllegalArgumentException(name + " is missing");
    }
    return value;
  }

  private static long number(
      final Properties given, final String name, final long usual, final long least, final long most) {
    final String text = given.getProperty(name, String.valueOf(usual)).strip();
    if (!text.matches("[0-9]{1,9}") || Long.parseLong(text) < least || Long.parseLong(text) > most) {
      throw new IllegalArgumentException(name + " must be a number from " + least + " to " + most);
    }
    return Long.parseLong(text);
  }

  /** Passwords and tokens go there: in the clear only on this machine. */
  private static URI urlOf(final String text) throws IOException {
    final URI url = URI.create(text);
    final boolean isTls = "https".equals(url.getScheme());
    if (url.getHost() == null || (!isTls && !"http".equals(url.getScheme()))) {
      throw new IllegalArgumentException("url must begin with https://");
    }
    if (!isTls && !InetAddress.getByName(url.getHost()).isLoopbackAddress()) {
      throw new IllegalArgumentException("url must begin with https:// unless Thingward is on this machine");
    }
    return url;
  }

  private static String secretIn(final Path home, final String file) throws IOException {
    final String secret = Files.readString(home.resolve(file)).strip();
    if (!secret.matches("[!-~]{16,512}")) {
      throw new IllegalArgumentException(file + " must hold one key of 16 to 512 characters");
    }
    return secret;
  }

  private static Optional<SSLContext> trustOf(final Path home, final String file)
      throws IOException, GeneralSecurityException {
    if (file == null || file.isBlank()) {
      return Optional.empty();
    }
    final KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream pem = Files.newInputStream(home.resolve(file.strip()))) {
      for (final Certificate each : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
        store.setCertificateEntry("ca-" + store.size(), each);
      }
    }
    if (store.size() == 0) {
      throw new IllegalArgumentException("ca-file holds no certificate");
    }
    final TrustManagerFactory managers =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(store);
    final SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    return Optional.of(context);
  }

  /** The key of those who end sessions is shown there in the clear: on this machine alone. */
  private static Optional<InetSocketAddress> controlOf(final String text) throws IOException {
    if (text == null || text.isBlank()) {
      return Optional.empty();
    }
    final URI url = URI.create("http://" + text.strip());
    final InetAddress address = url.getHost() == null ? null : InetAddress.getByName(url.getHost());
    if (address == null || url.getPort() < 1 || !address.isLoopbackAddress()) {
      throw new IllegalArgumentException("control-address must be like 127.0.0.1:8890, on this machine");
    }
    return Optional.of(new InetSocketAddress(address, url.getPort()));
  }
}
