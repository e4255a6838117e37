import { QueryClient, queryOptions } from '@tanstack/react-query';
import { api, background } from './api.js';

/** What the pages remember of answers. Failures are shown at once: the client has tried again already. */
export const queryClient = new QueryClient({
  defaultOptions: { queries: { retry: false, staleTime: 5_000 } },
});

/** Who is signed in. */
export const meQuery = queryOptions({ queryKey: ['me'], queryFn: () => api.get('/v1/me'), staleTime: 60_000 });

/** The edges that follow. */
export const edgesQuery = queryOptions({
  queryKey: ['edges'],
  queryFn: () => background.get('/v1/proxies', { query: { limit: 100 } }),
});

/** The ways in of an account. */
export const waysQuery = (account: string) =>
  queryOptions({ queryKey: ['ways', account], queryFn: () => api.get('/v1/sign-in', { query: { account } }) });
