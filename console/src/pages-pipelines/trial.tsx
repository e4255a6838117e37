import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import type { Schemas } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { Field, Section } from '../parts/shown.js';
import { exampleMessages, messagesIn, mostMessages, type Recorded } from './messages.js';
import { Outcome } from './outcome.js';

type Simulated = Schemas['PipelineSimulated'];
type Props = { title: string; ask(recorded: { messages: Recorded[]; until?: string }): Promise<Simulated> };

/** Recorded messages, and what would be made of them. Nothing is published and nothing is kept. */
export function Trial({ title, ask }: Props) {
  const [text, setText] = useState('');
  const [until, setUntil] = useState('');
  const asking = useMutation({
    mutationFn: async () => {
      const messages = messagesIn(text);
      const end = until === '' ? {} : { until: new Date(until).toISOString() };
      return { messages, simulated: await ask({ messages, ...end }) };
    },
  });
  return (
    <Section title={title}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          asking.mutate();
        }}
      >
        <Field
          label="Recorded messages"
          hint={`JSON, one on each line or as a list, at most ${mostMessages.toLocaleString()}: thing, type, topic, at, and payload or payloadBase64`}
        >
          <textarea
            className="recorded"
            value={text}
            onChange={({ target }) => setText(target.value)}
            rows={7}
            required
            spellCheck={false}
          />
        </Field>
        <Field
          label="Time passes until"
          hint="Windows end and batches leave by then. Empty: it stops at the last message"
        >
          <input type="datetime-local" step="1" value={until} onChange={({ target }) => setUntil(target.value)} />
        </Field>
        <ProblemNote error={asking.error} />
        <div className="acts">
          <button type="submit" disabled={asking.isPending}>
            Simulate
          </button>
          <button type="button" className="quiet" onClick={() => setText(exampleMessages)}>
            Put in an example
          </button>
        </div>
      </form>
      {asking.data === undefined ? null : <Outcome messages={asking.data.messages} of={asking.data.simulated} />}
    </Section>
  );
}
