import { useState } from 'react';
import type { Schemas } from '../api.js';
import { FormEnd } from '../parts/form-end.js';
import { Choices, Field } from '../parts/shown.js';

type Segment = Schemas['Segment'];
type Change = Omit<Schemas['SegmentPatch'], 'cidr'> & { cidr: string };

type Props = {
  segment?: Segment;
  act: string;
  saving: { isPending: boolean; error: Error | null };
  onSave(name: string, change: Change): void;
  onClose(): void;
};

const families = ['MQTT', 'HTTP', 'CoAP'] as const;

/** What a segment is: a range of addresses, protocols, and how many things it takes. */
export function SegmentForm({ segment, act, saving, onSave, onClose }: Props) {
  const [name, setName] = useState(segment?.name ?? '');
  const [cidr, setCidr] = useState(segment?.cidr ?? '');
  const [level, setLevel] = useState(segment?.securityLevel ?? '');
  const [limit, setLimit] = useState(segment === undefined ? '' : String(segment.deviceLimit));
  const [protocols, setProtocols] = useState<readonly (typeof families)[number][]>(
    segment?.allowedProtocols ?? families,
  );
  const change: Change = {
    cidr: cidr.trim(),
    allowedProtocols: [...protocols],
    ...(level.trim() === '' ? {} : { securityLevel: level.trim() }),
    ...(limit === '' ? {} : { deviceLimit: Number(limit) }),
  };
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        onSave(name.trim(), change);
      }}
    >
      {segment === undefined ? (
        <Field label="Name">
          <input value={name} onChange={({ target }) => setName(target.value)} required spellCheck={false} />
        </Field>
      ) : null}
      <Field label="Addresses" hint="A range such as 10.1.0.0/16">
        <input value={cidr} onChange={({ target }) => setCidr(target.value)} required spellCheck={false} />
      </Field>
      <Choices
        title="Protocols"
        offered={families.map((family) => [family, family])}
        chosen={protocols}
        onChange={(chosen) => setProtocols(families.filter((family) => chosen.includes(family)))}
      />
      <Field label="Security level" hint="A word of yours, such as high">
        <input value={level} onChange={({ target }) => setLevel(target.value)} />
      </Field>
      <Field label="Things at most">
        <input type="number" min="1" value={limit} onChange={({ target }) => setLimit(target.value)} />
      </Field>
      <FormEnd acting={saving} act={act} onClose={onClose} />
    </form>
  );
}
