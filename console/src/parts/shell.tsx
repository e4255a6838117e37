import { useQuery } from '@tanstack/react-query';
import { Link, Outlet } from '@tanstack/react-router';
import { meQuery } from '../queries.js';
import { StepUpProvider } from './step-up.js';

const places = [
  ['/', 'Overview'],
  ['/things', 'Things'],
  ['/waiting', 'Waiting'],
] as const;

/** What stands around every page of somebody who is signed in. */
export function Shell() {
  const { data: me } = useQuery(meQuery);
  return (
    <StepUpProvider>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="bar">
        <Link to="/" className="brand">
          Thingward
        </Link>
        <nav aria-label="Main">
          {places.map(([to, title]) => (
            <Link key={to} to={to} activeOptions={{ exact: to === '/' }}>
              {title}
            </Link>
          ))}
        </nav>
        <Link to="/me" className="who">
          <span>{me?.name}</span> <small>{me?.account}</small>
        </Link>
      </header>
      <main id="content" className="page" tabIndex={-1}>
        <Outlet />
      </main>
    </StepUpProvider>
  );
}
