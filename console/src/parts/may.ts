import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '../api.js';
import { meQuery } from '../queries.js';

/** Tells what whoever is signed in may do. The API decides; this spares them buttons that would be refused. */
export function useMay(): (permission: Schemas['Permission']) => boolean {
  const { data } = useQuery(meQuery);
  return (permission) => data?.permissions.includes(permission) ?? false;
}
