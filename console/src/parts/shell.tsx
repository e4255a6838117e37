import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useRouter } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useLive } from '../live/use-live.js';
import { meQuery } from '../queries.js';
import { Palette } from './palette.js';
import { isOpen, places } from './places.js';
import { StepUpProvider } from './step-up.js';
import { ToldProvider } from './told.js';

/** What stands around every page of somebody who is signed in. */
export function Shell() {
  useFocusOnPage();
  useLive();
  return (
    <StepUpProvider>
      <ToldProvider>
        <a className="skip" href="#content">
          Skip to the content
        </a>
        <div className="frame">
          <Side />
          <main id="content" className="page" tabIndex={-1}>
            <Outlet />
          </main>
        </div>
      </ToldProvider>
    </StepUpProvider>
  );
}

function Side() {
  const { data: me } = useQuery(meQuery);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const close = () => setMenuOpen(false);
  return (
    <header className={isMenuOpen ? 'side open' : 'side'}>
      <div className="side-head">
        <Link to="/" className="brand" onClick={close}>
          Thingward
        </Link>
        <button type="button" className="menu" aria-expanded={isMenuOpen} onClick={() => setMenuOpen(!isMenuOpen)}>
          Menu
        </button>
      </div>
      <Palette />
      <nav aria-label="Main" className="places">
        {places.map(({ title, places: all }) => {
          const open = all.filter((place) => isOpen(place, me?.permissions ?? []));
          if (open.length === 0) return null;
          return (
            <div key={title ?? ''}>
              {title === undefined ? null : <h2>{title}</h2>}
              <ul>
                {open.map(({ to, title: name }) => (
                  <li key={to}>
                    <Link to={to} activeOptions={{ exact: to === '/', includeSearch: false }} onClick={close}>
                      {name}
                    </Link>
                  </li>
                ))}
              </ul>
            </div>
          );
        })}
      </nav>
      <Link to="/me" className="who" onClick={close}>
        <span>{me?.name}</span> <small>{me?.account}</small>
      </Link>
    </header>
  );
}

/** Whoever reads by ear begins at the content of each new page, not at the link that led there. */
function useFocusOnPage(): void {
  const router = useRouter();
  useEffect(
    () =>
      router.subscribe('onResolved', ({ fromLocation, pathChanged }) => {
        if (fromLocation === undefined || !pathChanged) return;
        document.getElementById('content')?.focus({ preventScroll: true });
        scrollTo(0, 0);
      }),
    [router],
  );
}
