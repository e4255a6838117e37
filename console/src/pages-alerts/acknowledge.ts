import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { useTell } from '../parts/told.js';

/** Says that whoever is signed in sees to an alert. */
export function useAcknowledge() {
  const tell = useTell();
  return useAct(
    ({ id }: Schemas['Alert']) => api.post('/v1/alerts/{id}/acknowledge', { path: { id } }),
    ({ ruleName }) => tell({ text: `${ruleName}: its channels are told again only when it is over.` }),
  );
}
