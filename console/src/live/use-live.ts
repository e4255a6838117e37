import { useRouter } from '@tanstack/react-router';
import { useEffect } from 'react';
import { background, isSignedOut } from '../api.js';
import { meQuery, queryClient } from '../queries.js';
import { isStale } from './keys.js';
import { followTogether } from './tabs.js';

// Only while there is no stream.
const pollMs = 15_000;

/** Asks again what a page shows and what became stale. A tab that nobody looks at asks when somebody does. */
function refresh(kinds?: readonly string[]): void {
  const isMeant = isStale(kinds);
  void queryClient.invalidateQueries({
    predicate: ({ queryKey }) => isMeant(queryKey),
    refetchType: document.hidden ? 'none' : 'active',
  });
}

/** Keeps what is shown up to date for as long as somebody is signed in; leads to the sign-in when that is over. */
export function useLive(): void {
  const router = useRouter();
  useEffect(() => {
    let isOpen = false;
    let isFirst = true;
    const leave = async (): Promise<void> => {
      const isOver = await background.get('/v1/me').then(() => false, isSignedOut);
      if (!isOver) return;
      queryClient.removeQueries({ queryKey: meQuery.queryKey });
      await router.invalidate();
    };
    const stop = followTogether({
      word({ kinds }) {
        // What was read before anybody listened may be stale already.
        if (isFirst) refresh();
        else if (kinds !== undefined) refresh(kinds);
        isFirst = false;
      },
      open: (is) => void (isOpen = is),
      refused: () => void leave(),
    });
    const seen = () => {
      if (!document.hidden) void queryClient.refetchQueries({ type: 'active', stale: true });
    };
    document.addEventListener('visibilitychange', seen);
    const polling = setInterval(() => {
      if (!isOpen) refresh();
    }, pollMs);
    return () => {
      clearInterval(polling);
      document.removeEventListener('visibilitychange', seen);
      stop();
    };
  }, [router]);
}
