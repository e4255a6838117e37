import { useRouter } from '@tanstack/react-router';
import { createContext, use, useCallback, useEffect, useRef, useState, type ReactNode } from 'react';

type Told = { text: string; undo?: () => void };

const Tell = createContext<(told: Told) => void>(() => undefined);

/** What says that something was done, with what undoes it where that can be undone. */
export const useTell = () => use(Tell);

/** Holds the last thing that was said, until it is dismissed or something else is said. */
export function ToldProvider({ children }: { children: ReactNode }) {
  const [told, setTold] = useState<Told>();
  const pages = useRef(0);
  const tell = useCallback((next: Told) => {
    pages.current = 0;
    setTold(next);
  }, []);
  const router = useRouter();
  // What was said on the way to a page is read there; the page after it is about something else.
  useEffect(
    () =>
      router.subscribe('onResolved', ({ pathChanged }) => {
        if (pathChanged && ++pages.current > 1) setTold(undefined);
      }),
    [router],
  );
  return (
    <Tell value={tell}>
      {children}
      <div role="status" aria-live="polite">
        {told === undefined ? null : (
          <div className="told">
            <span>{told.text}</span>
            {told.undo === undefined ? null : (
              <button
                type="button"
                onClick={() => {
                  setTold(undefined);
                  told.undo?.();
                }}
              >
                Undo
              </button>
            )}
            <button type="button" onClick={() => setTold(undefined)}>
              Dismiss
            </button>
          </div>
        )}
      </div>
    </Tell>
  );
}
