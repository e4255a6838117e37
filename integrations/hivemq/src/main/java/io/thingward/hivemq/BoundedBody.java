package io.thingward.hivemq;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/** Reads a body of an answer up to a limit; a longer one is a failure. */
final class BoundedBody implements BodySubscriber<ByteArrayOutputStream> {
  private final int most;
  private final ByteArrayOutputStream octets = new ByteArrayOutputStream();
  private final CompletableFuture<ByteArrayOutputStream> body = new CompletableFuture<>();
  private Flow.Subscription subscription;

  BoundedBody(final int most) {
    this.most = most;
  }

  @Override
  public CompletionStage<ByteArrayOutputStream> getBody() {
    return body;
  }

  @Override
  public void onSubscribe(final Flow.Subscription given) {
    subscription = given;
    given.request(Long.MAX_VALUE);
  }

  @Override
  public void onNext(final List<ByteBuffer> parts) {
    for (final ByteBuffer part : parts) {
      if (part.remaining() > most - octets.size()) {
        subscription.cancel();
        body.completeExceptionally(new IOException("the answer is too long"));
        return;
      }
      final byte[] read = new byte[part.remaining()];
      part.get(read);
      octets.write(read, 0, read.length);
    }
  }

  @Override
  public void onError(final Throwable failure) {
    body.completeExceptionally(failure);
  }

  @Override
  public void onComplete() {
    body.complete(octets);
  }
}
