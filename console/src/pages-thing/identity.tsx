import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { useMay } from '../parts/may.js';
import { Pairs } from '../parts/page.js';
import { ProblemNote } from '../parts/problem.js';
import { Field, Section, Status, Time } from '../parts/shown.js';
import { useTell } from '../parts/told.js';

type Thing = Schemas['ThingWithSessions'];

/** What a thing is, and where it belongs. */
export function Identity({ thing }: { thing: Thing }) {
  const { id, account, thingType, segment, policies, enrollment, createdAt, lastSeenAt, nameFreeAt } = thing;
  const rows: [string, ReactNode][] = [
    ['Type', thingType ?? '–'],
    [
      'Policies',
      policies.length === 0
        ? '–'
        : policies.map((name, at) => (
            <span key={name}>
              {at === 0 ? '' : ', '}
              <Link to="/policies/$name" params={{ name }}>
                {name}
              </Link>
            </span>
          )),
    ],
    [
      'Segment',
      segment === undefined ? (
        '–'
      ) : (
        <Link key="segment" to="/segments/$name" params={{ name: segment }}>
          {segment}
        </Link>
      ),
    ],
    ['Last seen', <Time key="seen" at={lastSeenAt} />],
    ['Created', <Time key="created" at={createdAt} />],
    ['Account', account],
    [
      'Enrollment',
      <Link key="enrollment" to="/enroll/$id" params={{ id: enrollment }}>
        <code>{enrollment}</code>
      </Link>,
    ],
    ['Id', <code key="id">{id}</code>],
    ...(nameFreeAt === undefined
      ? []
      : ([['Its name is free', <Time key="free" at={nameFreeAt} />]] as [string, ReactNode][])),
  ];
  return (
    <Section title="Identity">
      <Pairs rows={rows} />
    </Section>
  );
}

/** What AWS IoT has of a thing. */
export function InAws({ name, aws }: { name: string; aws: Schemas['ThingInAws'] }) {
  const may = useMay();
  const tell = useTell();
  const retrying = useAct(
    () => api.post('/v1/things/{name}/aws/retry', { path: { name } }),
    ({ retried }) => tell({ text: `${retried} steps are tried again.` }),
  );
  return (
    <Section title="In AWS IoT">
      <Pairs
        rows={[
          ['State', <Status key="state" of={aws.status} />],
          ['Name there', aws.thingArn],
          ['Certificate there', <code key="certificate">{aws.certificateId ?? '–'}</code>],
          ...(aws.reason === undefined ? [] : ([['Because', aws.reason]] as [string, string][])),
        ]}
      />
      <ProblemNote error={retrying.error} />
      {aws.status === 'failed' && may('aws:write') ? (
        <button type="button" disabled={retrying.isPending} onClick={() => retrying.mutate()}>
          Try again now
        </button>
      ) : null}
    </Section>
  );
}

/** The attributes of a thing, each changed or taken away by itself. A change leaves a step back. */
export function Attributes({ thing: { name, attributes, status } }: { thing: Thing }) {
  const may = useMay();
  const tell = useTell();
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const change = (attribute: string, to: string | null) =>
    api.patch('/v1/things/{name}', { path: { name }, body: { attributes: { [attribute]: to } } });
  const undoing = useAct(({ attribute, to }: { attribute: string; to: string | null }) => change(attribute, to));
  const setting = useAct(
    ({ attribute, to }: { attribute: string; to: string | null }) => change(attribute, to),
    (_, { attribute, to }) => {
      const was = attributes[attribute] ?? null;
      tell({
        text: to === null ? `${attribute} is gone.` : `${attribute} is ${to} now.`,
        undo: () => undoing.mutate({ attribute, to: was }),
      });
      setKey('');
      setValue('');
    },
  );
  const isOpen = may('things:write') && status !== 'deleted';
  const held = Object.entries(attributes);
  return (
    <Section title="Attributes">
      {held.length === 0 ? (
        <p className="faint">It has no attributes. Conditions of policies can ask for them.</p>
      ) : null}
      <ul className="attributes">
        {held.map(([attribute, is]) => (
          <li key={attribute}>
            <span className="long">
              <strong>{attribute}</strong> {is}
            </span>
            {isOpen ? (
              <button
                type="button"
                className="quiet"
                aria-label={`Remove ${attribute}`}
                onClick={() => setting.mutate({ attribute, to: null })}
              >
                Remove
              </button>
            ) : null}
          </li>
        ))}
      </ul>
      {isOpen ? (
        <form
          className="filters"
          onSubmit={(event) => {
            event.preventDefault();
            setting.mutate({ attribute: key.trim(), to: value });
          }}
        >
          <Field label="Attribute">
            <input value={key} onChange={({ target }) => setKey(target.value)} required spellCheck={false} />
          </Field>
          <Field label="Value">
            <input value={value} onChange={({ target }) => setValue(target.value)} required maxLength={256} />
          </Field>
          <button type="submit" disabled={setting.isPending}>
            Set
          </button>
        </form>
      ) : null}
      <ProblemNote error={setting.error ?? undoing.error} />
    </Section>
  );
}
