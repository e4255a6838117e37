import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { ThingSearch } from '../parts/searches.js';
import { readThingSearch } from '../parts/searches.js';

type View = { name: string; search: ThingSearch };

const place = 'thingward.views';
const mostViews = 20;

/** Views that somebody keeps in this browser. Each is an address, so that it can be sent to others too. */
export function Views({ search }: { search: ThingSearch }) {
  const [views, setViews] = useState(readViews);
  const [name, setName] = useState('');
  const keep = (next: View[]) => {
    localStorage.setItem(place, JSON.stringify(next));
    setViews(next);
  };
  const { cursor: _place, ...filters } = search;
  const isAny = Object.keys(filters).length > 0;
  return (
    <div className="acts views">
      {views.map((view) => (
        <span key={view.name} className="view">
          <Link to="/things" search={view.search}>
            {view.name}
          </Link>
          <button
            type="button"
            className="quiet"
            aria-label={`Forget the view ${view.name}`}
            onClick={() => keep(views.filter((each) => each.name !== view.name))}
          >
            ×
          </button>
        </span>
      ))}
      {isAny ? (
        <form
          className="acts"
          onSubmit={(event) => {
            event.preventDefault();
            const others = views.filter((each) => each.name !== name.trim());
            keep([...others, { name: name.trim(), search: filters }].slice(-mostViews));
            setName('');
          }}
        >
          <input
            aria-label="Name of the view"
            placeholder="Name of the view"
            value={name}
            maxLength={40}
            required
            onChange={({ target }) => setName(target.value)}
          />
          <button type="submit">Keep this view</button>
        </form>
      ) : null}
    </div>
  );
}

function readViews(): View[] {
  try {
    const kept = JSON.parse(localStorage.getItem(place) ?? '[]') as unknown;
    if (!Array.isArray(kept)) return [];
    return (kept as Partial<View>[])
      .filter(({ name }) => typeof name === 'string')
      .slice(0, mostViews)
      .map(({ name, search }) => ({ name: name!, search: readThingSearch({ ...search }) }));
  } catch {
    return [];
  }
}
