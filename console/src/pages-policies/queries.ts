import { queryOptions } from '@tanstack/react-query';
import { api } from '../api.js';

/** A policy with its active document. */
export const policyQuery = (name: string) =>
  queryOptions({
    queryKey: ['policies', 'one', name],
    queryFn: () => api.get('/v1/policies/{name}', { path: { name } }),
  });

/** A version, which never changes but for whether it is active. */
export const versionQuery = (name: string, version: number) =>
  queryOptions({
    queryKey: ['policies', 'version', name, version],
    queryFn: () => api.get('/v1/policies/{name}/versions/{version}', { path: { name, version } }),
  });
