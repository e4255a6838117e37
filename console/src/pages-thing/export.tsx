import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../api.js';
import { ProblemNote } from '../parts/problem.js';
import { csvOf, saveFile } from '../parts/save.js';
import type { ThingSearch } from '../parts/searches.js';

/** More rows than spreadsheets like, and a file that a browser still holds. */
const mostRows = 100_000;

/** Saves what the filters select as CSV, page by page. */
export function ExportCsv({ search }: { search: ThingSearch }) {
  const [read, setRead] = useState(0);
  const exporting = useMutation({
    mutationFn: async () => {
      const { cursor: _place, ...filters } = search;
      const rows: string[][] = [['name', 'status', 'type', 'segment', 'policies', 'createdAt', 'lastSeenAt', 'id']];
      for await (const thing of api.each('/v1/things', { query: { limit: 200, ...filters } })) {
        const { name, status, thingType = '', segment = '', policies, createdAt, lastSeenAt = '', id } = thing;
        rows.push([name, status, thingType, segment, policies.join(' '), createdAt, lastSeenAt, id]);
        if (rows.length % 200 === 1) setRead(rows.length - 1);
        if (rows.length > mostRows) break;
      }
      saveFile('things.csv', 'text/csv', csvOf(rows));
    },
    onSettled: () => setRead(0),
  });
  return (
    <>
      <button type="button" disabled={exporting.isPending} onClick={() => exporting.mutate()}>
        {exporting.isPending ? `${read.toLocaleString()} read…` : 'Export CSV'}
      </button>
      <ProblemNote error={exporting.error} />
    </>
  );
}
