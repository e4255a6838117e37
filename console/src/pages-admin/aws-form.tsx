import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { FormEnd } from '../parts/form-end.js';
import { Field } from '../parts/shown.js';

type Mode = Exclude<Schemas['AwsMirror']['mode'], 'off'>;

/** Sets the mirror up. The external id of the account belongs into the trust of the role. */
export function MirrorForm({ mirror, onClose }: { mirror: Schemas['AwsMirror']; onClose(): void }) {
  const [mode, setMode] = useState<Mode>(mirror.mode === 'off' ? 'register-without-ca' : mirror.mode);
  const [draft, setDraft] = useState({
    awsAccount: mirror.awsAccount ?? '',
    region: mirror.region ?? '',
    roleArn: mirror.roleArn ?? '',
    thingGroup: mirror.thingGroup ?? '',
    reconcileHours: String(mirror.reconcileHours ?? ''),
  });
  const { endpoint, stsEndpoint, retentionDays, rates } = mirror;
  const saving = useAct(
    () =>
      api.put('/v1/aws', {
        body: {
          mode,
          awsAccount: draft.awsAccount.trim(),
          region: draft.region.trim(),
          ...(draft.roleArn.trim() === '' ? {} : { roleArn: draft.roleArn.trim() }),
          ...(draft.thingGroup.trim() === '' ? {} : { thingGroup: draft.thingGroup.trim() }),
          ...(draft.reconcileHours === '' ? {} : { reconcileHours: Number(draft.reconcileHours) }),
          // What this form does not show stays as it is.
          ...(endpoint === undefined ? {} : { endpoint }),
          ...(stsEndpoint === undefined ? {} : { stsEndpoint }),
          ...(retentionDays === undefined ? {} : { retentionDays }),
          ...(rates === undefined ? {} : { rates }),
        },
      }),
    onClose,
  );
  const field = (name: keyof typeof draft) => ({
    value: draft[name],
    onChange: ({ target }: { target: { value: string } }) => setDraft({ ...draft, [name]: target.value }),
    spellCheck: false,
  });
  return (
    <Modal
      title="The mirror in AWS"
      about={`Trust of the role: this server, with the external id ${mirror.externalId}.`}
      open
      onClose={onClose}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate();
        }}
      >
        <Field label="How certificates are registered">
          <select value={mode} onChange={({ target }) => setMode(target.value as Mode)}>
            <option value="register-without-ca">without the authority: AWS checks no chain</option>
            <option value="register-with-ca">with the authority registered in AWS</option>
          </select>
        </Field>
        <Field label="AWS account">
          <input {...field('awsAccount')} required inputMode="numeric" placeholder="123456789012" />
        </Field>
        <Field label="Region">
          <input {...field('region')} required placeholder="eu-central-1" />
        </Field>
        <Field label="Role" hint="Empty: what the server itself runs as.">
          <input {...field('roleArn')} placeholder="arn:aws:iam::123456789012:role/thingward" />
        </Field>
        <Field label="Thing group">
          <input {...field('thingGroup')} />
        </Field>
        <Field label="Compare every so many hours">
          <input {...field('reconcileHours')} type="number" min="0" />
        </Field>
        <FormEnd acting={saving} act="Save" onClose={onClose} />
      </form>
    </Modal>
  );
}
