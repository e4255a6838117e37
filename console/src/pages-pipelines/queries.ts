import { queryOptions } from '@tanstack/react-query';
import { api } from '../api.js';

/** A pipeline with its active document, or its newest where none is active. */
export const pipelineQuery = (name: string) =>
  queryOptions({
    queryKey: ['pipelines', 'one', name],
    queryFn: () => api.get('/v1/pipelines/{name}', { path: { name } }),
  });

/** A version, whose document never changes. */
export const pipelineVersionQuery = (name: string, version: number) =>
  queryOptions({
    queryKey: ['pipelines', 'version', name, version],
    queryFn: () => api.get('/v1/pipelines/{name}/versions/{version}', { path: { name, version } }),
  });
