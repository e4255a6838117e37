import { useQuery } from '@tanstack/react-query';
import { useNavigate, type LinkProps } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { background } from '../api.js';
import { meQuery } from '../queries.js';
import { Modal } from './dialog.js';
import { isOpen, places, type Place } from './places.js';

type Found = { key: string; title: string; about: string; to: NonNullable<LinkProps['to']>; params?: { name: string } };

const acts: (Place & { about: string })[] = [
  { to: '/policies/new', title: 'New policy', about: 'Act', needs: 'policies:write' },
  { to: '/pipelines/new', title: 'New pipeline', about: 'Act', needs: 'pipelines:write' },
  { to: '/enroll/new', title: 'Enroll devices', about: 'Act', needs: 'enrollments:write' },
  { to: '/me', title: 'Your sessions and passkeys', about: 'Page' },
];

/** Finds pages, acts and things by a few letters, from wherever somebody is. Ctrl+K opens it. */
export function Palette() {
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setShown((is) => !is);
    };
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  }, []);
  return (
    <>
      <button type="button" className="find" onClick={() => setShown(true)}>
        Find <kbd>Ctrl K</kbd>
      </button>
      {isShown ? (
        <Modal
          title="Find"
          about="Pages, acts, and things by a part of their name."
          open
          onClose={() => setShown(false)}
        >
          <Finder onGone={() => setShown(false)} />
        </Modal>
      ) : null}
    </>
  );
}

function Finder({ onGone }: { onGone(): void }) {
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const found = useFound(text.trim());
  const chosen = Math.min(at, Math.max(0, found.length - 1));
  const go = (item: Found | undefined) => {
    if (item === undefined) return;
    onGone();
    void navigate({ to: item.to, ...(item.params === undefined ? {} : { params: item.params }) });
  };
  const move = (step: number) => setAt((chosen + step + found.length) % Math.max(1, found.length));
  return (
    <>
      <input
        className="palette-input"
        role="combobox"
        aria-label="What to find"
        aria-expanded="true"
        aria-controls="found"
        aria-activedescendant={found.length === 0 ? undefined : `found-${chosen}`}
        value={text}
        autoComplete="off"
        spellCheck={false}
        onChange={({ target }) => {
          setText(target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          const steps: Record<string, () => void> = {
            ArrowDown: () => move(1),
            ArrowUp: () => move(-1),
            Enter: () => go(found[chosen]),
          };
          const step = steps[event.key];
          if (step === undefined) return;
          event.preventDefault();
          step();
        }}
      />
      <ul id="found" role="listbox" aria-label="Found" className="found">
        {found.map((item, n) => (
          <li
            key={item.key}
            id={`found-${n}`}
            role="option"
            aria-selected={n === chosen}
            onClick={() => go(item)}
            onMouseEnter={() => setAt(n)}
          >
            <span className="long">{item.title}</span> <small>{item.about}</small>
          </li>
        ))}
      </ul>
      {found.length === 0 ? <p>Nothing is called that.</p> : null}
    </>
  );
}

function useFound(text: string): Found[] {
  const { data: me } = useQuery(meQuery);
  const permissions = me?.permissions ?? [];
  const things = useQuery({
    queryKey: ['things', 'found', text],
    queryFn: ({ signal }) => background.get('/v1/things', { query: { search: text, limit: 8 }, signal }),
    enabled: text.length > 1 && permissions.includes('things:read'),
  });
  const words = text.toLowerCase();
  const known = [
    ...places.flatMap(({ title, places: some }) => some.map((place) => ({ ...place, about: title ?? 'Page' }))),
    ...acts,
  ]
    .filter((place) => isOpen(place, permissions) && place.title.toLowerCase().includes(words))
    .map(({ to, title, about }) => ({ key: to, title, about, to }));
  const named = (things.data?.items ?? []).map(({ id, name, status }): Found => {
    return { key: id, title: name, about: `Thing, ${status}`, to: '/things/$name', params: { name } };
  });
  return [...known, ...named].slice(0, 20);
}
