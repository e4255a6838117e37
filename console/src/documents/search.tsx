import { useState } from 'react';
import { Field } from '../parts/shown.js';

/** Searches for the beginning of a name. `search` gets undefined for all. */
export function NameSearch({
  begun,
  search,
}: {
  begun: string | undefined;
  search(namePrefix: string | undefined): void;
}) {
  const [prefix, setPrefix] = useState(begun ?? '');
  return (
    <form
      className="filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        search(prefix.trim() || undefined);
      }}
    >
      <Field label="Name begins with">
        <input value={prefix} onChange={({ target }) => setPrefix(target.value)} />
      </Field>
      <button type="submit">Search</button>
    </form>
  );
}
