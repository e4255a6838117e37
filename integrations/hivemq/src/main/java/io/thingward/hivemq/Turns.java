package io.thingward.hivemq;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Supplier;

/** Lets so many questions be under way, and so many wait. The others fail at once. */
final class Turns {
  private final int most;
  private final int mostWaiting;
  private final Queue<Runnable> waiting = new ArrayDeque<>();
  private int running;

  Turns(final int most, final int mostWaiting) {
    this.most = most;
    this.mostWaiting = mostWaiting;
  }

  /** Does {@code work} when its turn comes. Work that nobody waits for any more is left out. */
  <T> CompletableFuture<T> take(final Supplier<CompletableFuture<T>> work) {
    final CompletableFuture<T> result = new CompletableFuture<>();
    final Runnable turn = () -> run(work, result);
    synchronized (this) {
      if (running >= most) {
        if (waiting.size() >= mostWaiting) {
          result.completeExceptionally(new RejectedExecutionException("too many questions wait"));
        } else {
          waiting.add(turn);
        }
        return result;
      }
      running++;
    }
    turn.run();
    return result;
  }

  private <T> void run(final Supplier<CompletableFuture<T>> work, final CompletableFuture<T> result) {
    if (result.isDone()) {
      next();
      return;
    }
    CompletableFuture<T> done;
    try {
      done = work.get();
    } catch (final RuntimeException failure) {
      done = CompletableFuture.failedFuture(failure);
    }
    done.whenComplete(
        (value, failure) -> {
          next();
          if (failure == null) {
            result.complete(value);
          } else {
            result.completeExceptionally(failure);
          }
        });
  }

  private void next() {
    final Runnable turn;
    synchronized (this) {
      turn = waiting.poll();
      if (turn == null) {
        running--;
        return;
      }
    }
    turn.run();
  }
}
