import { queryOptions } from '@tanstack/react-query';
import { api } from '../api.js';

/** The channels of the account, all of them: an account has at most 50. */
export const channelsQuery = queryOptions({
  queryKey: ['channels', 'all'],
  queryFn: () => api.get('/v1/alerts/channels', { query: { limit: 100 } }),
});
