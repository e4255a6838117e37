import { figureTitle, whenOf } from './words.js';
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

type Acknowledging = ReturnType<typeof useAcknowledge>;

/** Says of an alert that somebody sees to it. */
export function Acknowledge({ alert, acknowledging }: { alert: Schemas['Alert']; acknowledging: Acknowledging }) {
  return (
    <button
      type="button"
      disabled={acknowledging.isPending}
      aria-label={`Acknowledge ${alert.ruleName}`}
      onClick={() => acknowledging.mutate(alert)}
    >
      Acknowledge
    </button>
  );
}

/** The cell that says which rule fires, and when it does. */
export function RuleCell({ alert }: { alert: Schemas['Alert'] }) {
  return (
    <td className="wide">
      {alert.ruleName}
      <br />
      <small>
        {figureTitle(alert.metric)}: {whenOf(alert)}
      </small>
    </td>
  );
}
