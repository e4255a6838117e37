import { useState } from 'react';
import { api, type Schemas } from '../api.js';
import { useAct } from '../parts/acting.js';
import { Modal } from '../parts/dialog.js';
import { FormEnd } from '../parts/form-end.js';
import { Field } from '../parts/shown.js';

type Provider = Schemas['SignInProvider'];
type Role = Schemas['Role'];

const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

const mappingOf = (text: string): Record<string, Role> =>
  Object.fromEntries(
    text
      .split('\n')
      .map((line) => line.split('='))
      .filter(([value = '', role = '']) => value.trim() !== '' && role.trim() !== '')
      .map(([value = '', role = '']) => [value.trim(), role.trim() as Role]),
  );

const emptyDraft = {
  name: '',
  issuer: '',
  clientId: '',
  clientSecret: '',
  roleClaim: 'groups',
  mapping: '',
  domains: '',
  amr: '',
};

const draftOf = (provider: Provider): typeof emptyDraft => ({
  name: provider.name,
  issuer: provider.issuer,
  clientId: provider.clientId,
  clientSecret: '',
  roleClaim: provider.roleClaim,
  mapping: Object.entries(provider.roleMapping)
    .map(([value, role]) => `${value} = ${role}`)
    .join('\n'),
  domains: provider.allowedDomains.join(' '),
  amr: provider.requiredAmr.join(' '),
});

/** Sets a provider up, or changes it. The secret is sealed: it is never shown again. */
export function ProviderForm({ provider, onClose }: { provider?: Provider; onClose(): void }) {
  const [draft, setDraft] = useState(() => (provider === undefined ? emptyDraft : draftOf(provider)));
  const saving = useAct(async () => {
    const { name, issuer, clientId, clientSecret, roleClaim } = draft;
    const body = {
      name: name.trim(),
      issuer: issuer.trim(),
      clientId: clientId.trim(),
      roleClaim: roleClaim.trim(),
      roleMapping: mappingOf(draft.mapping),
      allowedDomains: words(draft.domains),
      requiredAmr: words(draft.amr),
    };
    if (provider === undefined) return api.post('/v1/sign-in/providers', { body: { ...body, clientSecret } });
    const secret = clientSecret === '' ? {} : { clientSecret };
    return api.patch('/v1/sign-in/providers/{id}', { path: { id: provider.id }, body: { ...body, ...secret } });
  }, onClose);
  const field = (name: keyof typeof draft) => ({
    value: draft[name],
    onChange: ({ target }: { target: { value: string } }) => setDraft({ ...draft, [name]: target.value }),
    spellCheck: false,
  });
  return (
    <Modal
      title={provider === undefined ? 'Add a provider' : `Edit ${provider.name}`}
      about="The server asks the issuer what it can do when the first person signs in."
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
        <Field label="Name" hint="People see it on the button that they press.">
          <input {...field('name')} required />
        </Field>
        <Field label="Issuer">
          <input {...field('issuer')} type="url" required placeholder="https://sso.example.com/realms/works" />
        </Field>
        <Field label="Client id">
          <input {...field('clientId')} required />
        </Field>
        <Field
          label="Client secret"
          {...(provider === undefined ? {} : { hint: 'Empty: the one that is there stays.' })}
        >
          <input {...field('clientSecret')} type="password" autoComplete="off" required={provider === undefined} />
        </Field>
        <Field label="Claim that says what somebody is">
          <input {...field('roleClaim')} required />
        </Field>
        <Field label="Roles by its values" hint="One on a line: admins = admin">
          <textarea {...field('mapping')} />
        </Field>
        <Field label="Domains of e-mail that may come in" hint="Empty: any.">
          <input {...field('domains')} />
        </Field>
        <Field label="Factors that it has to name (amr)" hint="Such as mfa. Empty: none.">
          <input {...field('amr')} />
        </Field>
        <FormEnd acting={saving} act="Save" onClose={onClose} />
      </form>
    </Modal>
  );
}
